//! What the tests stand on. See the rules in `main.rs`.

pub(crate) mod alerts;
pub(crate) mod archive;
pub(crate) mod avro;
pub(crate) mod cache;
pub(crate) mod certificates;
pub(crate) mod clickhouse;
pub(crate) mod faults;
pub(crate) mod guard;
pub(crate) mod kafka;
pub(crate) mod load;
pub(crate) mod process;
pub(crate) mod published;
pub(crate) mod receiver;
pub(crate) mod recount;
pub(crate) mod registry;
pub(crate) mod site;
pub(crate) mod stack;
pub(crate) mod totals;
pub(crate) mod turn;
pub(crate) mod wait;
pub(crate) mod worker;
