//! Bucket rows as the body of an INSERT: `RowBinaryWithNamesAndTypes`, written by hand.
//!
//! Pure. A flush carries up to hundreds of thousands of rows, and a serde row would first copy
//! every string of it; this writes each row once. The header names columns and types, so a table
//! that differs refuses the body instead of misreading it. Source of the format: ClickHouse
//! documentation, "RowBinary" and "RowBinaryWithNamesAndTypes".

use meterline_core::bucket::BucketRow;
use meterline_core::position::{LogPartition, TopicId};
use meterline_core::time::Level;
use meterline_schemas::rows::{WindowOutOfRange, columns::topic_id, window_start};

/// Most rows of one INSERT: one block and one part per month on the server, and below its
/// default block size; larger ones save nothing.
const BLOCK_ROWS: usize = 200_000;

/// Most bytes of one INSERT, give or take a row: the body is held in memory until acknowledged.
const BLOCK_BYTES: usize = 64 << 20;

/// Usual bytes of a row, for the first allocation.
const ROW_BYTES: usize = 256;

/// Columns of an inserted row with their types, in the order they are written.
pub const COLUMNS: [(&str, &str); 19] = [
    ("tenant", "String"),
    ("meter", "String"),
    ("window_start", "DateTime('UTC')"),
    ("kind", "Enum8('only' = 1, 'whole' = 2, 'part' = 3)"),
    ("dimensions", "Map(String, String)"),
    ("dimensions_hash", "UInt128"),
    ("topic_id", "UUID"),
    ("log_partition", "UInt32"),
    (
        "aggregation",
        "Enum8('count' = 1, 'sum' = 2, 'min' = 3, 'max' = 4, 'avg' = 5, 'latest' = 6, \
         'unique_count' = 7)",
    ),
    ("events", "UInt64"),
    ("sum", "Decimal(38, 9)"),
    ("min", "Decimal(38, 9)"),
    ("max", "Decimal(38, 9)"),
    ("latest", "Decimal(38, 9)"),
    ("latest_time", "DateTime64(6, 'UTC')"),
    ("latest_version", "UInt64"),
    ("revision", "UInt32"),
    ("updated_at", "DateTime64(3, 'UTC')"),
    ("version", "UInt64"),
];

/// The body of one INSERT.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Block {
    /// Header and rows.
    pub body: Vec<u8>,
    /// Number of rows in it.
    pub rows: usize,
}

/// The rows of that level as bodies of INSERTs, each within the bounds; none where there are no
/// such rows.
///
/// # Errors
/// An item is an error where a window does not fit a `DateTime` column.
pub fn blocks(
    level: Level,
    log_partition: LogPartition,
    rows: &[BucketRow],
) -> impl Iterator<Item = Result<Block, WindowOutOfRange>> {
    bounded_blocks(level, log_partition, rows, BLOCK_ROWS, BLOCK_BYTES)
}

fn bounded_blocks(
    level: Level,
    log_partition: LogPartition,
    rows: &[BucketRow],
    rows_max: usize,
    bytes_max: usize,
) -> impl Iterator<Item = Result<Block, WindowOutOfRange>> {
    let mut left = rows
        .iter()
        .filter(move |row| row.window.level == level)
        .peekable();
    let mut expected = rows.len();
    std::iter::from_fn(move || {
        left.peek()?;
        let mut body = header(expected.min(rows_max) * ROW_BYTES);
        let mut count = 0;
        while count < rows_max && body.len() < bytes_max {
            let Some(row) = left.next() else { break };
            if let Err(error) = write_row(&mut body, log_partition, row) {
                return Some(Err(error));
            }
            count += 1;
        }
        expected -= count;
        Some(Ok(Block { body, rows: count }))
    })
}

/// Number, names and types of the columns, with room for the rows.
fn header(room: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(1024 + room);
    write_header(&mut out, &COLUMNS);
    out
}

/// Number, names and types of the columns.
pub(crate) fn write_header(out: &mut Vec<u8>, columns: &[(&str, &str)]) {
    write_length(out, columns.len());
    for (name, _) in columns {
        write_text(out, name);
    }
    for (_, column_type) in columns {
        write_text(out, column_type);
    }
}

/// A UUID is two little-endian halves, the high one first.
pub(crate) fn write_topic_id(out: &mut Vec<u8>, id: TopicId) {
    let (high, low) = topic_id::halves(id);
    out.extend_from_slice(&high.to_le_bytes());
    out.extend_from_slice(&low.to_le_bytes());
}

fn write_row(
    out: &mut Vec<u8>,
    log_partition: LogPartition,
    row: &BucketRow,
) -> Result<(), WindowOutOfRange> {
    let (series, bucket) = (&*row.series, &row.bucket);
    write_text(out, &series.tenant);
    write_text(out, &series.meter);
    out.extend_from_slice(&window_start(row.window)?.to_le_bytes());
    out.push(series.kind as u8);
    write_length(out, series.dimensions.len());
    for (key, value) in &series.dimensions {
        write_text(out, key);
        write_text(out, value);
    }
    out.extend_from_slice(&series.dimensions_hash.to_le_bytes());
    write_topic_id(out, log_partition.topic_id);
    out.extend_from_slice(&log_partition.partition.to_le_bytes());
    out.push(series.aggregation as u8);
    out.extend_from_slice(&bucket.events.to_le_bytes());
    for quantity in [bucket.sum, bucket.min, bucket.max, bucket.latest] {
        out.extend_from_slice(&quantity.raw().to_le_bytes());
    }
    out.extend_from_slice(&bucket.latest_time.0.to_le_bytes());
    out.extend_from_slice(&bucket.latest_stamp.version().to_le_bytes());
    out.extend_from_slice(&bucket.revision.to_le_bytes());
    out.extend_from_slice(&bucket.updated_at.0.to_le_bytes());
    out.extend_from_slice(&bucket.changed.version().to_le_bytes());
    Ok(())
}

pub(crate) fn write_text(out: &mut Vec<u8>, text: &str) {
    write_bytes(out, text.as_bytes());
}

/// A `String` may hold any bytes.
pub(crate) fn write_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    write_length(out, bytes.len());
    out.extend_from_slice(bytes);
}

/// LEB128, as lengths are written.
pub(crate) fn write_length(out: &mut Vec<u8>, mut length: usize) {
    while length >= 0x80 {
        out.push(u8::try_from(length & 0x7f).expect("masked to 7 bits") | 0x80);
        length >>= 7;
    }
    out.push(u8::try_from(length).expect("below 128"));
}

#[cfg(test)]
mod tests {
    use super::*;
    use meterline_core::bucket::{Bucket, Kind, Series};
    use meterline_core::catalog::Aggregation;
    use meterline_core::position::Stamp;
    use meterline_core::quantity::Quantity;
    use meterline_core::time::{EventTime, Hour, LogTime, Window};
    use std::sync::Arc;

    const PARTITION: LogPartition = LogPartition {
        topic_id: TopicId(0x0011_2233_4455_6677_8899_aabb_ccdd_eeff),
        partition: 2,
    };

    fn row(level: Level, hour: i32) -> BucketRow {
        let series = Series {
            tenant: "acme".into(),
            meter: "tokens".into(),
            kind: Kind::Part,
            aggregation: Aggregation::Sum,
            dimensions: Box::new([("model".into(), "".into())]),
            dimensions_hash: 0x01,
        };
        let bucket = Bucket {
            events: 3,
            sum: Quantity::parse("-1.5").expect("a quantity"),
            latest_time: EventTime(9),
            latest_stamp: Stamp {
                epoch: 0,
                offset: 8,
            },
            revision: 4,
            changed: Stamp {
                epoch: 1,
                offset: 7,
            },
            updated_at: LogTime(6),
            ..Bucket::default()
        };
        BucketRow {
            series: Arc::new(series),
            window: Window::of(level, Hour(hour)),
            bucket,
        }
    }

    fn encode(level: Level, rows: &[BucketRow], rows_max: usize, bytes_max: usize) -> Vec<Block> {
        bounded_blocks(level, PARTITION, rows, rows_max, bytes_max)
            .map(|block| block.expect("windows that fit"))
            .collect()
    }

    #[test]
    fn a_row_is_written_as_documented() {
        let blocks = encode(Level::Hour, &[row(Level::Hour, 1)], 10, 1 << 20);
        let [block] = blocks.as_slice() else {
            panic!("one block, not {}", blocks.len());
        };
        let mut expected = header(0);
        expected.extend_from_slice(b"\x04acme\x06tokens\x10\x0e\0\0\x03\x01\x05model\x00");
        expected.extend_from_slice(&1u128.to_le_bytes());
        expected.extend_from_slice(&[
            0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11, 0x00, //
            0xff, 0xee, 0xdd, 0xcc, 0xbb, 0xaa, 0x99, 0x88,
        ]);
        expected.extend_from_slice(b"\x02\0\0\0\x02\x03\0\0\0\0\0\0\0");
        expected.extend_from_slice(&(-1_500_000_000i128).to_le_bytes());
        expected.extend_from_slice(&[0; 48]);
        expected.extend_from_slice(&9i64.to_le_bytes());
        expected.extend_from_slice(&8u64.to_le_bytes());
        expected.extend_from_slice(&4u32.to_le_bytes());
        expected.extend_from_slice(&6i64.to_le_bytes());
        expected.extend_from_slice(&((1u64 << 48) | 7).to_le_bytes());
        assert_eq!(block.body, expected);
    }

    #[test]
    fn blocks_hold_the_rows_of_one_level_within_their_bounds() {
        let mut rows: Vec<_> = (0..5).map(|hour| row(Level::Day, hour * 24)).collect();
        rows.insert(2, row(Level::Month, 0));
        let counts = |level, rows_max, bytes_max| -> Vec<usize> {
            let blocks = encode(level, &rows, rows_max, bytes_max);
            blocks.iter().map(|block| block.rows).collect()
        };
        assert_eq!(counts(Level::Day, 2, 1 << 20), [2, 2, 1]);
        assert_eq!(counts(Level::Day, 5, 1 << 20), [5]);
        assert_eq!(counts(Level::Day, 9, header(0).len() + 1), [1, 1, 1, 1, 1]);
        assert_eq!(counts(Level::Month, 9, 1 << 20), [1]);
        assert_eq!(counts(Level::Hour, 9, 1 << 20), [0usize; 0]);
    }

    #[test]
    fn a_window_that_does_not_fit_is_refused() {
        let result: Result<Vec<_>, _> =
            blocks(Level::Hour, PARTITION, &[row(Level::Hour, -1)]).collect();
        assert_eq!(result, Err(WindowOutOfRange { start: -3_600 }));
    }

    #[test]
    fn lengths_are_leb128() {
        let mut out = Vec::new();
        for length in [0, 127, 128, 300] {
            write_length(&mut out, length);
        }
        assert_eq!(out, [0, 127, 0x80, 1, 0xac, 2]);
    }
}
