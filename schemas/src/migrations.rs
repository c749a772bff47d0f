//! The ClickHouse tables and views, as numbered migrations.
//!
//! A migration that was ever applied somewhere never changes: a change is a new file with the next
//! number. Every statement is one that may run twice, and from two processes at once
//! (`… IF NOT EXISTS`, `CREATE OR REPLACE VIEW`), because nothing here takes a lock; the sink
//! records what it applied, with [`Migration::checksum`], and refuses what differs.

use meterline_core::hash::content_hash;

/// The table that the sink records applied migrations in; made before the first of them.
///
/// The checksum is in the key, so that two binaries with different texts under one number are
/// seen instead of one of them winning.
pub const VERSION_TABLE: &str = "CREATE TABLE IF NOT EXISTS schema_migrations
(
    number UInt32 COMMENT 'of the migration',
    checksum UInt128 COMMENT 'BLAKE3-128 of its text',
    name String COMMENT 'its file, without number and ending',
    applied_at DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT 'by the clock of the server'
)
ENGINE = ReplacingMergeTree
ORDER BY (number, checksum)
SETTINGS non_replicated_deduplication_window = 0";

/// All migrations, in the order they are applied: numbers count up from 1.
pub const MIGRATIONS: [Migration; 14] = [
    Migration {
        number: 1,
        name: "buckets",
        sql: include_str!("../clickhouse/0001_buckets.sql"),
    },
    Migration {
        number: 2,
        name: "progress",
        sql: include_str!("../clickhouse/0002_progress.sql"),
    },
    Migration {
        number: 3,
        name: "dead_letters",
        sql: include_str!("../clickhouse/0003_dead_letters.sql"),
    },
    Migration {
        number: 4,
        name: "usage_views",
        sql: include_str!("../clickhouse/0004_usage_views.sql"),
    },
    Migration {
        number: 5,
        name: "archive",
        sql: include_str!("../clickhouse/0005_archive.sql"),
    },
    Migration {
        number: 6,
        name: "restated",
        sql: include_str!("../clickhouse/0006_restated.sql"),
    },
    Migration {
        number: 7,
        name: "replays",
        sql: include_str!("../clickhouse/0007_replays.sql"),
    },
    Migration {
        number: 8,
        name: "usage_raw",
        sql: include_str!("../clickhouse/0008_usage_raw.sql"),
    },
    Migration {
        number: 9,
        name: "purged_letters",
        sql: include_str!("../clickhouse/0009_purged_letters.sql"),
    },
    Migration {
        number: 10,
        name: "standing",
        sql: include_str!("../clickhouse/0010_standing.sql"),
    },
    Migration {
        number: 11,
        name: "alerts",
        sql: include_str!("../clickhouse/0011_alerts.sql"),
    },
    Migration {
        number: 12,
        name: "audit_log",
        sql: include_str!("../clickhouse/0012_audit_log.sql"),
    },
    Migration {
        number: 13,
        name: "stripe",
        sql: include_str!("../clickhouse/0013_stripe.sql"),
    },
    Migration {
        number: 14,
        name: "reconciliation",
        sql: include_str!("../clickhouse/0014_reconciliation.sql"),
    },
];

/// One numbered change of the schema.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Migration {
    /// Its place in the order, from 1.
    pub number: u32,
    /// Its file, without number and ending.
    pub name: &'static str,
    /// The text of the file.
    pub sql: &'static str,
}

impl Migration {
    /// What tells whether an applied migration is this one: BLAKE3-128 of the text.
    #[must_use]
    pub fn checksum(&self) -> u128 {
        content_hash(self.sql.as_bytes())
    }

    /// The statements, each to be sent as one query.
    ///
    /// A statement ends with a semicolon at the end of a line; the tests keep semicolons away
    /// from all other places.
    pub fn statements(&self) -> impl Iterator<Item = &'static str> {
        self.sql
            .split(";\n")
            .map(str::trim)
            .filter(|statement| !statement.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The statement without its leading comments.
    fn first_words(statement: &str) -> &str {
        let mut rest = statement;
        while rest.starts_with("--") {
            rest = rest.split_once('\n').map_or("", |(_, after)| after);
        }
        rest
    }

    #[test]
    fn numbers_count_up_from_one_and_files_are_named_by_them() {
        for (place, migration) in (1..).zip(MIGRATIONS) {
            assert_eq!(migration.number, place);
            let file = format!(
                "{}/clickhouse/{:04}_{}.sql",
                env!("CARGO_MANIFEST_DIR"),
                migration.number,
                migration.name
            );
            assert_eq!(
                std::fs::read_to_string(file).ok().as_deref(),
                Some(migration.sql)
            );
        }
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/clickhouse");
        let files = std::fs::read_dir(folder).expect("the folder of migrations");
        assert_eq!(files.count(), MIGRATIONS.len());
    }

    #[test]
    fn every_statement_may_run_twice() {
        let repeatable = [
            "CREATE TABLE IF NOT EXISTS ",
            "CREATE MATERIALIZED VIEW IF NOT EXISTS ",
            "CREATE OR REPLACE VIEW ",
        ];
        for migration in MIGRATIONS {
            assert!(migration.sql.ends_with(";\n"), "{}", migration.name);
            for statement in migration.statements() {
                let words = first_words(statement);
                let adds = words.matches("ADD COLUMN ").count();
                let repeats = words.matches("ADD COLUMN IF NOT EXISTS ").count();
                let may_run_twice = repeatable.iter().any(|form| words.starts_with(form))
                    || (words.starts_with("ALTER TABLE ") && adds > 0 && adds == repeats);
                assert!(may_run_twice, "{}: {words}", migration.name);
                assert!(!words.contains(';'), "{}: {words}", migration.name);
            }
        }
    }

    #[test]
    fn raw_usage_of_all_differs_in_its_tenants_only() {
        let views: Vec<_> = MIGRATIONS[7].statements().collect();
        let [one, all, ..] = views.as_slice() else {
            panic!("two views of raw usage and more, not {}", views.len());
        };
        let text = |statement| first_words(statement).replace("usage_raw_of_all", "usage_raw");
        let tenant = "tenant = {tenant:String}\n            AND ";
        assert_eq!(text(one).replace(tenant, ""), text(all));
        assert_eq!(text(one).matches(tenant).count(), 1);
    }

    #[test]
    fn usage_views_differ_in_their_window_and_lane_only() {
        let views: Vec<_> = MIGRATIONS[3].statements().collect();
        let [hourly, daily, monthly] = views.as_slice() else {
            panic!("three views, not {}", views.len());
        };
        let as_hourly = |text: &str, noun: &str, adverb: &str, add: &str| {
            text.replace(adverb, "hourly")
                .replace(add, "addHours")
                .replace(&format!("unique_{noun}"), "unique_hour")
                .replace(&format!("per {noun}"), "per hour")
                .replace("s.levels_sealed_to", "s.sealed_to")
        };
        assert_eq!(&as_hourly(daily, "day", "daily", "addDays"), hourly);
        assert_eq!(&as_hourly(monthly, "month", "monthly", "addMonths"), hourly);
    }
}
