//! Wire and storage formats: Avro records, ClickHouse tables and rows, catalogs.

pub mod migrations;
pub mod rows;
pub mod catalog_yaml;
