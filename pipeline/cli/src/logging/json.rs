//! One JSON object a line: time, level, where it comes from, its fixed text, its fields.
//!
//! The text of a line (`message`) is its stable name; what varies is in fields. The fields are
//! flat, so that any log store takes them without configuration.

use super::limit::Limit;
use chrono::{SecondsFormat, Utc};
use serde_json::{Map, Value};
use std::fmt;
use std::time::Instant;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Lines for log stores.
#[derive(Debug)]
pub(super) struct JsonLines {
    limit: Limit,
}

impl JsonLines {
    pub(super) fn new(limit: Limit) -> Self {
        Self { limit }
    }
}

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let line = event.metadata();
        let Some(left_out) = self.limit.admit(line, Instant::now()) else {
            return Ok(());
        };
        let mut fields = Fields(Map::new());
        event.record(&mut fields);
        let now = Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true);
        fields.put("timestamp", now);
        fields.put("level", line.level().to_string());
        fields.put("target", line.target());
        if left_out > 0 {
            fields.put("left_out", left_out);
        }
        writeln!(writer, "{}", Value::Object(fields.0))
    }
}

/// Gathers the fields of a line as JSON values.
struct Fields(Map<String, Value>);

impl Fields {
    fn put(&mut self, name: &str, value: impl Into<Value>) {
        self.0.insert(name.to_owned(), value.into());
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field.name(), value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field.name(), value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field.name(), value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field.name(), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::sync::{Arc, Mutex};
    use tracing_subscriber::Layer;
    use tracing_subscriber::layer::SubscriberExt;

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

    /// The lines that `work` logs.
    fn logged(work: impl FnOnce()) -> Vec<Value> {
        let lines = Lines::default();
        let writer = lines.clone();
        let layer = tracing_subscriber::fmt::layer()
            .event_format(JsonLines::new(Limit::default()))
            .with_writer(move || writer.clone());
        let subscriber = tracing_subscriber::registry().with(layer.boxed());
        tracing::subscriber::with_default(subscriber, work);
        let text = lines.0.lock().expect("nothing panics");
        let text = std::str::from_utf8(&text).expect("JSON is UTF-8");
        text.lines()
            .map(|line| serde_json::from_str(line).expect("a line is JSON"))
            .collect()
    }

    #[test]
    fn a_line_is_one_flat_object() {
        let lines = logged(|| {
            let name = "a\n\"b\"";
            tracing::info!(partition = 3_u32, is_done = true, name, at = ?[1, 2], "partition drained");
        });
        let [line] = &lines[..] else {
            panic!("one line: {lines:?}")
        };
        for (key, expected) in [
            ("message", Value::from("partition drained")),
            ("level", Value::from("INFO")),
            ("partition", Value::from(3)),
            ("is_done", Value::from(true)),
            ("name", Value::from("a\n\"b\"")),
            ("at", Value::from("[1, 2]")),
        ] {
            assert_eq!(line[key], expected, "{key}");
        }
        let time = line["timestamp"].as_str().expect("a text");
        assert!(chrono::DateTime::parse_from_rfc3339(time).is_ok(), "{time}");
        assert!(line.get("left_out").is_none(), "{line}");
    }

    #[test]
    fn a_flood_of_one_warning_is_cut() {
        let lines = logged(|| {
            for offset in 0..1_000 {
                tracing::warn!(offset, "failed to merge runs, trying again later");
            }
        });
        assert_eq!(lines.len(), 20);
        assert_eq!(lines[19]["offset"], 19);
    }
}
