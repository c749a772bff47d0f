//! `usage.totals` and `usage.dead-letter` as any reader sees them: decoded by their schemas.

use super::avro::single_object_frame;
use super::clickhouse::Sql;
use super::kafka::LogRecord;
use super::site::Site;
use apache_avro::types::Value;
use apache_avro::{Schema, from_avro_datum};
use serde_json::{Map, json};

const SCHEMAS: [&str; 4] = [
    include_str!("../../../schemas/avro/total.avsc"),
    include_str!("../../../schemas/avro/progress.avsc"),
    include_str!("../../../schemas/avro/dead_letter.avsc"),
    include_str!("../../../schemas/avro/dead_letter_replay.avsc"),
];

/// Records of these topics, each by its own schema.
pub(crate) struct Reader {
    schemas: Vec<(Vec<u8>, Schema)>,
}

/// A record in its schema's terms, and where it lay.
#[derive(Clone, Debug)]
pub(crate) struct Decoded {
    /// Name of the schema: `Total`, `Progress`, `DeadLetter`, `DeadLetterReplay`.
    pub(crate) name: String,
    pub(crate) offset: i64,
    fields: Vec<(String, Value)>,
}

impl Reader {
    pub(crate) fn new() -> Self {
        let schemas = SCHEMAS.map(|text| {
            let schema = Schema::parse_str(text).expect("the schema is Avro");
            (single_object_frame(text), schema)
        });
        Self {
            schemas: schemas.into(),
        }
    }

    /// Decodes a record.
    ///
    /// # Panics
    /// Where it is not in the single-object encoding of one of the schemas.
    pub(crate) fn decode(&self, record: &LogRecord) -> Decoded {
        let known = self
            .schemas
            .iter()
            .find(|(frame, _)| record.value.starts_with(frame));
        let (frame, schema) = known.unwrap_or_else(|| panic!("no schema fits {record:?}"));
        let mut datum = &record.value[frame.len()..];
        let value = from_avro_datum(schema, &mut datum, None)
            .unwrap_or_else(|e| panic!("{e} in {record:?}"));
        assert!(datum.is_empty(), "bytes follow the datum in {record:?}");
        let Value::Record(fields) = value else {
            panic!("all schemas are records");
        };
        let decoded = Decoded {
            name: schema.name().expect("records have names").name.clone(),
            offset: record.offset,
            fields,
        };
        if decoded.name == "Total" {
            let tenant = decoded.text("tenant").as_bytes();
            assert_eq!(record.key, tenant, "a total's key is its tenant");
            let partition = decoded.number("partition");
            assert_eq!(i64::from(record.partition), partition, "in its partition");
        }
        decoded
    }
}

impl Decoded {
    fn field(&self, name: &str) -> &Value {
        let found = self.fields.iter().find(|(field, _)| field == name);
        &found
            .unwrap_or_else(|| panic!("no field {name} in {self:?}"))
            .1
    }

    /// A number, also of a time.
    pub(crate) fn number(&self, name: &str) -> i64 {
        match self.field(name) {
            Value::Long(n) | Value::TimestampMicros(n) | Value::TimestampMillis(n) => *n,
            other => panic!("{name} is {other:?}"),
        }
    }

    /// A text, or the symbol of an enum.
    pub(crate) fn text(&self, name: &str) -> &str {
        match self.field(name) {
            Value::String(text) | Value::Enum(_, text) => text,
            other => panic!("{name} is {other:?}"),
        }
    }

    /// Bytes, or none.
    pub(crate) fn bytes(&self, name: &str) -> Option<&[u8]> {
        match self.field(name) {
            Value::Union(_, inner) => match inner.as_ref() {
                Value::Bytes(bytes) => Some(bytes),
                _ => None,
            },
            Value::Fixed(_, bytes) | Value::Bytes(bytes) => Some(bytes),
            other => panic!("{name} is {other:?}"),
        }
    }

    /// A decimal as an integer in units of 10⁻⁹.
    fn raw_decimal(&self, name: &str) -> i128 {
        let Value::Decimal(decimal) = self.field(name) else {
            panic!("{name} is {:?}", self.field(name));
        };
        let bytes = Vec::<u8>::try_from(decimal).expect("a decimal has bytes");
        let sign = if bytes.first().is_some_and(|b| b & 0x80 != 0) {
            0xFF
        } else {
            0
        };
        let mut wide = [sign; 16];
        wide[16 - bytes.len()..].copy_from_slice(&bytes);
        i128::from_be_bytes(wide)
    }

    /// Epoch and offset, as the tables' version column packs them.
    pub(crate) fn version(&self) -> u64 {
        let of = |name| u64::try_from(self.number(name)).expect("stamps are not negative");
        of("epoch") << 48 | of("offset")
    }

    /// What identifies the bucket of a total.
    pub(crate) fn bucket(&self) -> String {
        let texts = ["tenant", "meter", "level", "kind"].map(|name| self.text(name));
        format!(
            "{} {} {}",
            texts.join(" "),
            self.number("window_start"),
            self.number("partition")
        )
    }

    fn total_row(&self) -> Vec<u8> {
        let mut row = Map::new();
        for name in ["level", "tenant", "meter", "kind"] {
            row.insert(name.to_owned(), json!(self.text(name)));
        }
        for name in ["sum", "min", "max", "latest"] {
            let text = super::load::decimal_text(self.raw_decimal(name));
            row.insert(name.to_owned(), json!(text));
        }
        for name in ["latest_time", "revision", "updated_at", "events"] {
            row.insert(name.to_owned(), json!(self.number(name)));
        }
        row.insert("aggregated".to_owned(), json!(self.text("aggregation")));
        row.insert(
            "window_start".to_owned(),
            json!(self.number("window_start") / 1_000_000),
        );
        row.insert("log_partition".to_owned(), json!(self.number("partition")));
        row.insert(
            "latest_version".to_owned(),
            json!(self.number("latest_offset")),
        );
        row.insert("version".to_owned(), json!(self.version()));
        row.insert("place".to_owned(), json!(self.offset));
        line(&row)
    }

    fn letter_row(&self) -> Vec<u8> {
        let mut row = Map::new();
        row.insert("log_partition".to_owned(), json!(self.number("partition")));
        row.insert("offset".to_owned(), json!(self.number("offset")));
        row.insert("reason".to_owned(), json!(self.text("reason")));
        line(&row)
    }
}

fn line(row: &Map<String, serde_json::Value>) -> Vec<u8> {
    let mut line = serde_json::to_vec(row).expect("a row is JSON");
    line.push(b'\n');
    line
}

/// All records of a topic, decoded.
pub(crate) fn read(site: &Site, topic: &str) -> Vec<Decoded> {
    let reader = Reader::new();
    let records = site.kafka().read_all(&site.topic(topic));
    records.iter().map(|record| reader.decode(record)).collect()
}

/// Brings both topics into tables of the recount.
pub(crate) fn load(site: &Site, sql: &Sql) {
    sql.run_script(include_str!("recount/totals.sql"));
    let totals = read(site, "usage.totals");
    let rows = totals
        .iter()
        .filter(|t| t.name == "Total")
        .map(Decoded::total_row);
    insert(sql, "totals_published", rows);
    let letters = read(site, "usage.dead-letter");
    let letters = letters.iter().filter(|l| l.name == "DeadLetter");
    // Those of re-keying are of another log.
    let letters = letters.filter(|l| l.text("topic") == site.usage_topic());
    insert(sql, "letters_replayed", letters.map(Decoded::letter_row));
}

fn insert(sql: &Sql, table: &str, rows: impl Iterator<Item = Vec<u8>>) {
    let lines: Vec<u8> = rows.flatten().collect();
    if !lines.is_empty() {
        sql.insert_json(table, lines);
    }
}
