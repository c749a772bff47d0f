//! Schema statements of one server, rewritten for a cluster of replicas.
//!
//! The numbered migrations stay the one text of the schema; their checksums are those of that text
//! on every kind of server. Only what replication asks for is changed: where a statement runs, the
//! engine, and the name of the window that is switched off (decision 009). The replica's path and
//! name are the server's `default_replica_path` and `default_replica_name`.

use std::fmt::Write;

/// How the statements of the schema begin; the object's name comes next.
const FORMS: [&str; 4] = [
    "CREATE TABLE IF NOT EXISTS ",
    "CREATE MATERIALIZED VIEW IF NOT EXISTS ",
    "CREATE OR REPLACE VIEW ",
    "ALTER TABLE ",
];

/// The clause that makes a statement run on every server of the cluster.
pub(crate) fn clause(cluster: &str) -> String {
    // The settings' check leaves nothing in a name that would have to be escaped.
    format!("ON CLUSTER '{cluster}'")
}

/// The statement for a cluster.
pub(crate) fn statement(sql: &str, cluster: &str) -> String {
    let mut out = String::with_capacity(sql.len() + 64);
    let mut is_placed = false;
    for line in sql.split_inclusive('\n') {
        let form = FORMS.iter().find(|form| line.starts_with(*form));
        match form.filter(|_| !is_placed) {
            Some(form) => {
                is_placed = true;
                let rest = &line[form.len()..];
                let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
                let (name, rest) = rest.split_at(end);
                let _ = write!(out, "{form}{name} {}{rest}", clause(cluster));
            }
            None => out.push_str(&replicated_engine(line)),
        }
    }
    out
}

fn replicated_engine(line: &str) -> String {
    let line = line.replace(
        "non_replicated_deduplication_window",
        "replicated_deduplication_window",
    );
    match line.strip_prefix("ENGINE = ") {
        Some(engine) => format!("ENGINE = Replicated{engine}"),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use meterline_schemas::migrations::{MIGRATIONS, VERSION_TABLE};

    #[test]
    fn every_statement_of_the_schema_is_for_the_whole_cluster() {
        let migrations = MIGRATIONS
            .iter()
            .flat_map(|migration| migration.statements());
        for sql in migrations.chain([VERSION_TABLE]) {
            let rewritten = statement(sql, "main");
            assert_eq!(
                rewritten.matches("ON CLUSTER 'main'").count(),
                1,
                "{rewritten}"
            );
            let trees = sql.matches("MergeTree").count();
            assert_eq!(
                rewritten.matches("= Replicated").count(),
                trees,
                "{rewritten}"
            );
            assert!(!rewritten.contains("non_replicated"), "{rewritten}");
        }
    }

    #[test]
    fn only_place_engine_and_window_change() {
        let sql = "-- A table.\nCREATE TABLE IF NOT EXISTS x\n(\n    a UInt8\n)\n\
                   ENGINE = ReplacingMergeTree(version)\nORDER BY a\n\
                   SETTINGS non_replicated_deduplication_window = 0";
        let expected = "-- A table.\nCREATE TABLE IF NOT EXISTS x ON CLUSTER 'main'\n(\n    a UInt8\n)\n\
                        ENGINE = ReplicatedReplacingMergeTree(version)\nORDER BY a\n\
                        SETTINGS replicated_deduplication_window = 0";
        assert_eq!(statement(sql, "main"), expected);
        assert_eq!(
            statement("ALTER TABLE x REMOVE TTL", "main"),
            "ALTER TABLE x ON CLUSTER 'main' REMOVE TTL"
        );
    }
}
