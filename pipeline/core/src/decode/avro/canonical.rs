//! The parsing canonical form of a schema, and the fingerprint CRC-64-AVRO over it.
//!
//! Source: Apache Avro specification, "Transforming into Parsing Canonical Form" and "Schema
//! Fingerprints".

use super::schema::{Kind, NodeId, Schema};

/// The fingerprint of an empty text, and the polynomial.
const EMPTY: u64 = 0xC15D_213A_A4D7_A795;

const TABLE: [u64; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut value = byte as u64;
        let mut bit = 0;
        while bit < 8 {
            value = (value >> 1) ^ (EMPTY & (value & 1).wrapping_neg());
            bit += 1;
        }
        table[byte] = value;
        byte += 1;
    }
    table
};

/// CRC-64-AVRO of some bytes.
pub(super) fn crc64_avro(bytes: &[u8]) -> u64 {
    bytes.iter().fold(EMPTY, |crc, byte| {
        let [low, ..] = crc.to_le_bytes();
        (crc >> 8) ^ TABLE[usize::from(low ^ byte)]
    })
}

/// The parsing canonical form.
pub(super) fn form(schema: &Schema) -> String {
    let mut writer = Writer {
        schema,
        written: vec![false; schema.len()],
        text: String::new(),
    };
    writer.node(schema.root());
    writer.text
}

struct Writer<'s> {
    schema: &'s Schema,
    /// By node: named types are written in full once, then by name.
    written: Vec<bool>,
    text: String,
}

impl Writer<'_> {
    fn node(&mut self, id: NodeId) {
        let kind = &self.schema.node(id).kind;
        if let Some(name) = kind.name() {
            if std::mem::replace(&mut self.written[id.index()], true) {
                self.quote(name);
                return;
            }
            self.text.push_str("{\"name\":");
            self.quote(name);
            self.text.push_str(",\"type\":");
            self.quote(kind.type_name());
        }
        match kind {
            Kind::Record { fields, .. } => {
                self.text.push_str(",\"fields\":");
                self.list(fields, |writer, field| {
                    writer.text.push_str("{\"name\":");
                    writer.quote(&field.name);
                    writer.text.push_str(",\"type\":");
                    writer.node(field.node);
                    writer.text.push('}');
                });
                self.text.push('}');
            }
            Kind::Enum { symbols, .. } => {
                self.text.push_str(",\"symbols\":");
                self.list(symbols, |writer, symbol| writer.quote(symbol));
                self.text.push('}');
            }
            Kind::Fixed { size, .. } => {
                self.text.push_str(&format!(",\"size\":{size}}}"));
            }
            Kind::Array(items) => self.container("array", "items", *items),
            Kind::Map(values) => self.container("map", "values", *values),
            Kind::Union(branches) => self.list(branches, |writer, id| writer.node(*id)),
            primitive => self.quote(primitive.type_name()),
        }
    }

    fn container(&mut self, kind: &str, member: &str, inner: NodeId) {
        self.text
            .push_str(&format!("{{\"type\":\"{kind}\",\"{member}\":"));
        self.node(inner);
        self.text.push('}');
    }

    fn list<T>(&mut self, items: &[T], mut write: impl FnMut(&mut Self, &T)) {
        self.text.push('[');
        for (place, item) in items.iter().enumerate() {
            if place > 0 {
                self.text.push(',');
            }
            write(self, item);
        }
        self.text.push(']');
    }

    /// Writes a name or symbol: letters, digits, `_` and `.` only, so nothing needs an escape.
    fn quote(&mut self, name: &str) {
        self.text.push('"');
        self.text.push_str(name);
        self.text.push('"');
    }
}
