//! The ClickHouse sink: migrations, inserts and queries.
