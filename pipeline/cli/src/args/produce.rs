//! Arguments of `produce`.

use super::simulate::Mixing;
use crate::units::{Rate, Shift};
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// Arguments of `produce`.
#[derive(Debug, Args)]
pub(crate) struct ProduceArgs {
    /// The records: NDJSON, CSV or TSV with a header line, also with `.gz`.
    pub file: PathBuf,
    /// Format of the file; by its name if not given.
    #[arg(long, value_enum)]
    pub format: Option<FileFormat>,
    /// Mapping file (TOML); `--map` goes before it. Without either, the records are CloudEvents in
    /// JSON.
    #[arg(long, value_name = "FILE")]
    pub mapping: Option<PathBuf>,
    /// A field of the event and its template: `tenant={host}`, `properties.bytes={bytes}`. Targets:
    /// tenant, id, source, type, time, quantity, properties.NAME. In a template `{name}` is a
    /// field of the record, `{line}` its number from 1, `{line%17}` a remainder, `{hash(name)%17}`
    /// Kafka's murmur2 of a field modulo 17; `{{` and `}}` are braces.
    #[arg(long = "map", value_name = "TARGET=TEMPLATE")]
    pub map: Vec<String>,
    /// How times are written: rfc3339, unix-seconds, unix-millis, or a pattern such as
    /// `%Y-%m-%d %H:%M:%S%.f`, read as UTC.
    #[arg(long, value_name = "FORMAT")]
    pub time_format: Option<String>,
    /// Move all event times so that the last record falls on the present.
    #[arg(long, conflicts_with = "shift")]
    pub shift_to_now: bool,
    /// Move all event times by this much, such as `2h` or `-35d`.
    #[arg(long, value_name = "DURATION", allow_hyphen_values = true)]
    pub shift: Option<Shift>,
    /// Most records a second, such as `500/s`; as fast as the broker takes them if not given.
    #[arg(long, value_name = "N/s")]
    pub rate: Option<Rate>,
    /// Most records of the file.
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
    /// Record form that events are written in.
    #[arg(long, value_enum, default_value = "json")]
    pub encoding: Encoding,
    /// What is mixed in.
    #[command(flatten)]
    pub mixing: Mixing,
    /// Write one JSON line for every record sent: what it was meant to be.
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,
}

/// Formats of input files.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum FileFormat {
    /// One JSON object a line.
    Ndjson,
    /// Comma-separated, with a header line.
    Csv,
    /// Tab-separated, with a header line.
    Tsv,
}

/// Record forms that `produce` writes, by the names of `simulate`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Encoding {
    /// CloudEvents, structured JSON.
    Json,
    /// CloudEvents, Kafka binary mode.
    Binary,
    /// Avro, single-object encoding.
    Avro,
}
