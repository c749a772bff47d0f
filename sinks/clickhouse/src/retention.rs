//! Applies the settings' retention to the tables: their TTL, changed only where it differs.

use crate::client::ClickHouse;
use crate::config::{Keep, Retention};
use crate::error::Error;
use clickhouse::Row;
use serde::Deserialize;

#[derive(Row, Deserialize)]
struct Table {
    name: String,
    engine_full: String,
}

impl ClickHouse {
    /// Changes the TTL of tables that have another one; returns their names.
    pub(crate) async fn apply_retention(&self) -> Result<Vec<&'static str>, Error> {
        let sql = "SELECT ?fields FROM system.tables WHERE database = currentDatabase()";
        let request = self.client().query(sql).fetch_all::<Table>();
        let tables = self
            .call(|| "read the retention of tables".to_owned(), request)
            .await?;
        let mut changed = Vec::new();
        for (name, age, keep) in wanted(&self.settings().retention) {
            let wanted = ttl(age, keep);
            let table = tables.iter().find(|table| table.name == name);
            let found = table.and_then(|table| found_ttl(&table.engine_full));
            if found == wanted.as_deref() {
                continue;
            }
            let what = format!("change the retention of {name} to {keep}");
            let sql = match wanted {
                Some(ttl) => format!("ALTER TABLE {name} MODIFY TTL {ttl}"),
                None => format!("ALTER TABLE {name} REMOVE TTL"),
            };
            self.execute(&what, &sql).await?;
            changed.push(name);
        }
        Ok(changed)
    }
}

/// Tables, the expression that their rows' age counts from, and how long rows are kept.
fn wanted(retention: &Retention) -> [(&'static str, &'static str, Keep); 8] {
    let append_time = "toDateTime(append_time)";
    let log_time = "toDateTime(log_time)";
    [
        ("bucket_hourly", "window_start", retention.bucket_hourly),
        ("bucket_daily", "window_start", retention.bucket_daily),
        ("bucket_monthly", "window_start", retention.bucket_monthly),
        ("progress_history", log_time, retention.progress_history),
        ("dead_letters", log_time, retention.dead_letters),
        ("usage_events", append_time, retention.usage_events),
        ("alert_deliveries", append_time, retention.alert_deliveries),
        ("stripe_pushes", "window_start", retention.stripe_pushes),
    ]
}

/// The TTL expression, written as the server writes it back; `None` for ever.
fn ttl(age: &str, keep: Keep) -> Option<String> {
    match keep {
        Keep::Forever => None,
        Keep::Days(count) => Some(format!("{age} + toIntervalDay({count})")),
        Keep::Months(count) => Some(format!("{age} + toIntervalMonth({count})")),
    }
}

/// The TTL expression in a table's engine clause.
fn found_ttl(engine_full: &str) -> Option<&str> {
    let (_, after) = engine_full.split_once(" TTL ")?;
    Some(after.split_once(" SETTINGS ").map_or(after, |(ttl, _)| ttl))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ttl_is_found_in_an_engine_clause() {
        let engine = "ReplacingMergeTree(version) ORDER BY tenant TTL window_start + \
                      toIntervalMonth(13) SETTINGS ttl_only_drop_parts = 1";
        let expected = ttl("window_start", Retention::default().bucket_hourly);
        assert_eq!(found_ttl(engine), expected.as_deref());
        assert_eq!(found_ttl("MergeTree ORDER BY tenant SETTINGS x = 1"), None);
        assert_eq!(ttl("window_start", Keep::Forever), None);
    }
}
