//! Avro fingerprints by the specification, computed by neither apache-avro nor the core.
//!
//! apache-avro 0.21 encodes and decodes well, but its parsing canonical form keeps the attributes
//! of logical types, so its fingerprints are not those that other readers look for.

use serde_json::Value;

/// CRC-64-AVRO of the empty string, and the polynomial.
const EMPTY: u64 = 0xC15D_213A_A4D7_A795;

/// What the single-object encoding by this schema begins with: marker and fingerprint.
pub(crate) fn single_object_frame(schema: &str) -> Vec<u8> {
    let schema: Value = serde_json::from_str(schema).expect("a schema is JSON");
    let fingerprint = crc64(canonical(&schema, "").as_bytes());
    [[0xC3, 0x01].as_slice(), &fingerprint.to_le_bytes()].concat()
}

fn crc64(bytes: &[u8]) -> u64 {
    bytes.iter().fold(EMPTY, |crc, byte| {
        let shifted = (0..8).fold((crc ^ u64::from(*byte)) & 0xFF, |value, _| {
            (value >> 1) ^ (EMPTY & (value & 1).wrapping_neg())
        });
        (crc >> 8) ^ shifted
    })
}

/// The parsing canonical form: full names, only what decoding needs, in a fixed order.
fn canonical(schema: &Value, namespace: &str) -> String {
    let quoted = |text: &str| format!("\"{text}\"");
    let list = |items: Vec<String>| format!("[{}]", items.join(","));
    match schema {
        Value::String(name) if is_primitive(name) => quoted(name),
        Value::String(name) => quoted(&full_name(name, namespace)),
        Value::Array(branches) => list(branches.iter().map(|b| canonical(b, namespace)).collect()),
        _ => {
            let kind = schema["type"]
                .as_str()
                .expect("our schemas name their types");
            let name = schema["name"].as_str().unwrap_or_default();
            let name = full_name(name, schema["namespace"].as_str().unwrap_or(namespace));
            let inside = name.rsplit_once('.').map_or("", |(inside, _)| inside);
            let named = |rest: &str| format!("{{\"name\":\"{name}\",\"type\":\"{kind}\",{rest}}}");
            match kind {
                "record" => {
                    let fields = schema["fields"].as_array().expect("a record has fields");
                    let fields = fields.iter().map(|field| {
                        let of_type = canonical(&field["type"], inside);
                        format!("{{\"name\":{},\"type\":{of_type}}}", field["name"])
                    });
                    named(&format!("\"fields\":{}", list(fields.collect())))
                }
                "enum" => named(&format!("\"symbols\":{}", schema["symbols"])),
                "fixed" => named(&format!("\"size\":{}", schema["size"])),
                "array" => {
                    let items = canonical(&schema["items"], namespace);
                    format!("{{\"type\":\"array\",\"items\":{items}}}")
                }
                "map" => {
                    let values = canonical(&schema["values"], namespace);
                    format!("{{\"type\":\"map\",\"values\":{values}}}")
                }
                primitive => quoted(primitive),
            }
        }
    }
}

fn full_name(name: &str, namespace: &str) -> String {
    if name.is_empty() || name.contains('.') || namespace.is_empty() {
        name.to_owned()
    } else {
        format!("{namespace}.{name}")
    }
}

fn is_primitive(name: &str) -> bool {
    let primitives = [
        "null", "boolean", "int", "long", "float", "double", "bytes", "string",
    ];
    primitives.contains(&name)
}

/// The numbers of fastavro for two of our schemas.
#[test]
fn frames_are_those_of_other_libraries() {
    let check = |schema: &str, fingerprint: u64| {
        assert_eq!(single_object_frame(schema)[2..], fingerprint.to_le_bytes());
    };
    check(
        include_str!("../../../schemas/avro/usage_event.avsc"),
        0x9536_18D0_6252_5710,
    );
    check(
        include_str!("../../../schemas/avro/control_record.avsc"),
        0x6F75_76EF_F166_14F5,
    );
}
