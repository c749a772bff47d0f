//! Wire and storage formats: Avro records, ClickHouse tables and rows, catalogs.

pub mod catalog_yaml;
pub mod migrations;
pub mod records;
pub mod rows;
