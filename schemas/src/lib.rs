//! Wire and storage formats: Avro records, ClickHouse tables and rows, catalogs.
