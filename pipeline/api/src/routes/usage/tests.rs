//! Which cursors are of which list, and what a failure says to the log. No store answers here: a
//! request that is let through to it ends in 503.

use super::*;
use crate::testing::Fixture;
use std::io::Write;
use std::sync::Mutex;

/// The `next` of a page of this list.
fn cursor(tenant: &str, meter: Option<&str>, level: Level, group_by: Option<&[&str]>) -> String {
    let list = List {
        tenant: tenant.to_owned(),
        meter: meter.map(str::to_owned),
        level,
        group_by: group_by.map(|keys| keys.iter().map(|key| (*key).to_owned()).collect()),
    };
    let place = Place {
        meter: "calls".to_owned(),
        start: EventTime(0),
        dimensions: Vec::new(),
    };
    let page = Page::new(vec![(), ()], 1, |()| Cursor::of(&(&list, &place)));
    page.next.expect("another page")
}

#[tokio::test]
async fn a_cursor_leads_on_in_its_own_list_alone() {
    let api = Fixture::new(|_| ());
    let calls = Some("calls");
    let check = async |cursor: &str, query: &str, expected: u16| {
        let path = format!("/v1/usage?{query}&cursor={cursor}");
        let (status, answer) = api.ask("admin0000000", "GET", &path, "").await;
        assert_eq!(status.as_u16(), expected, "{query}: {answer}");
        let is_foreign = answer["detail"] == "the cursor is not one of this list";
        assert_eq!(is_foreign, expected == 400, "{query}: {answer}");
    };
    let whole = cursor("acme", calls, Level::Day, Some(&[]));
    check(&whole, "tenant=acme&meter=calls&group_by=", 503).await;
    check(&whole, "tenant=acme&meter=calls&group_by=&level=day", 503).await;
    check(&whole, "tenant=acme&meter=calls", 400).await;
    check(&whole, "tenant=beta&meter=calls&group_by=", 400).await;
    check(&whole, "tenant=acme&meter=calls&group_by=&level=hour", 400).await;
    let split = cursor("acme", calls, Level::Day, None);
    check(&split, "tenant=acme&meter=calls", 503).await;
    check(&split, "tenant=acme&meter=calls&group_by=", 400).await;
    check(&split, "tenant=acme", 400).await;
    let all = cursor("acme", None, Level::Day, None);
    check(&all, "tenant=acme", 503).await;
    check(&all, "tenant=acme&meter=calls", 400).await;
}

/// What was written.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("nothing panics").write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn no_tenant_is_in_the_log_where_the_store_is_away() {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let api = Fixture::new(|_| ());
    for path in [
        "/v1/usage?tenant=acme",
        "/v1/usage?tenant=acme&meter=calls&group_by=",
        "/v1/alerts?tenant=acme",
        "/v1/alerts?tenant=acme&open=true",
    ] {
        let (status, answer) = api.ask("admin0000000", "GET", path, "").await;
        assert_eq!(status.as_u16(), 503, "{path}: {answer}");
        let bytes = std::mem::take(&mut *lines.0.lock().expect("nothing panics"));
        let log = String::from_utf8(bytes).expect("text");
        assert!(log.contains("failed to ask ClickHouse"), "{path}: {log}");
        assert!(!log.contains("acme"), "{path}: {log}");
    }
}
