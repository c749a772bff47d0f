//! Lists while standings come in.

use super::*;
use crate::testing::Fixture;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Far more than a thousand lists take; a list that waits for itself takes for ever.
const LONG: Duration = Duration::from_secs(60);

#[test]
fn lists_by_health_and_writers_do_not_wait_for_each_other() {
    let done = Arc::new(AtomicBool::new(false));
    let (told, listed) = std::sync::mpsc::channel();
    let write = {
        let done = Arc::clone(&done);
        move |api: &Fixture| {
            let mut used = 0;
            while !done.load(Ordering::Relaxed) {
                used += 1;
                api.used("acme", used);
            }
        }
    };
    // Not joined where it hangs: the test fails, and the process ends with it.
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let api = Fixture::new(|settings| settings.rate = 1_000_000);
        api.used("acme", 1);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| write(&api));
            }
            for _ in 0..1_000 {
                let path = "/v1/limits?health=warning";
                let asked = api.ask("admin0000000", "GET", path, "");
                let (_, page) = runtime.block_on(asked);
                told.send(page["items"][0]["tenant"].clone()).expect("read");
            }
            done.store(true, Ordering::Relaxed);
        });
    });
    for at in 0..1_000 {
        let tenant = listed.recv_timeout(LONG);
        assert_eq!(tenant, Ok("acme".into()), "list {at} of 1,000");
    }
}
