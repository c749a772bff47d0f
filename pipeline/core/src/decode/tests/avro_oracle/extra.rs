//! Random types with values, for fields that are not read.

use apache_avro::types::Value;
use proptest::prelude::*;
use serde_json::{Value as Json, json};

/// A value of a field that is not read, with its type.
#[derive(Clone, Debug)]
pub(super) enum Extra {
    Null,
    Boolean(bool),
    Int(i32),
    Long(i64),
    Float(f32),
    Double(f64),
    Bytes(Vec<u8>),
    Text(String),
    Enum(bool),
    Fixed(Vec<u8>),
    Array(Box<Extra>, usize),
    Map(Box<Extra>, usize),
    Nullable(Box<Extra>, bool),
    Record(Vec<Extra>),
}

impl Extra {
    pub(super) fn any() -> impl Strategy<Value = Self> {
        let leaf = prop_oneof![
            Just(Self::Null),
            any::<bool>().prop_map(Self::Boolean),
            any::<i32>().prop_map(Self::Int),
            any::<i64>().prop_map(Self::Long),
            any::<f32>().prop_map(Self::Float),
            any::<f64>().prop_map(Self::Double),
            any::<Vec<u8>>().prop_map(Self::Bytes),
            any::<String>().prop_map(Self::Text),
            any::<bool>().prop_map(Self::Enum),
            proptest::collection::vec(any::<u8>(), 0..20).prop_map(Self::Fixed),
        ];
        leaf.prop_recursive(3, 16, 4, |inner| {
            let boxed = inner.clone().prop_map(Box::new);
            prop_oneof![
                (boxed.clone(), 0..4usize).prop_map(|(item, n)| Self::Array(item, n)),
                (boxed.clone(), 0..4usize).prop_map(|(item, n)| Self::Map(item, n)),
                (boxed, any::<bool>()).prop_map(|(item, null)| Self::Nullable(item, null)),
                proptest::collection::vec(inner, 0..4).prop_map(Self::Record),
            ]
        })
    }

    fn nests_in_a_union(&self) -> bool {
        !matches!(self, Self::Null | Self::Nullable(..))
    }

    /// The type; named types are numbered, so that no name is there twice.
    pub(super) fn schema(&self, names: &mut usize) -> Json {
        *names += 1;
        let name = format!("n{names}.Type");
        match self {
            Self::Null => json!("null"),
            Self::Boolean(_) => json!({"type": "boolean", "doc": "x"}),
            Self::Int(_) => json!("int"),
            Self::Long(_) => json!("long"),
            Self::Float(_) => json!("float"),
            Self::Double(_) => json!("double"),
            Self::Bytes(_) => json!("bytes"),
            Self::Text(_) => json!("string"),
            Self::Enum(_) => json!({"type": "enum", "name": name, "symbols": ["A", "B"]}),
            Self::Fixed(bytes) => json!({"type": "fixed", "size": bytes.len(), "name": name}),
            Self::Array(item, _) => json!({"type": "array", "items": item.schema(names)}),
            Self::Map(item, _) => json!({"type": "map", "values": item.schema(names)}),
            Self::Nullable(item, _) if item.nests_in_a_union() => {
                json!(["null", item.schema(names)])
            }
            Self::Nullable(..) => json!(["null"]),
            Self::Record(fields) => {
                let field = |(i, field): (usize, &Self)| json!({"name": format!("f{i}"), "type": field.schema(names)});
                let fields: Vec<_> = fields.iter().enumerate().map(field).collect();
                json!({"type": "record", "name": name, "fields": fields})
            }
        }
    }

    pub(super) fn value(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Boolean(value) => Value::Boolean(*value),
            Self::Int(value) => Value::Int(*value),
            Self::Long(value) => Value::Long(*value),
            Self::Float(value) => Value::Float(*value),
            Self::Double(value) => Value::Double(*value),
            Self::Bytes(value) => Value::Bytes(value.clone()),
            Self::Text(value) => Value::String(value.clone()),
            Self::Enum(first) => {
                let symbol = if *first { "A" } else { "B" };
                Value::Enum(u32::from(!first), symbol.to_owned())
            }
            Self::Fixed(bytes) => Value::Fixed(bytes.len(), bytes.clone()),
            Self::Array(item, count) => Value::Array(vec![item.value(); *count]),
            Self::Map(item, count) => {
                Value::Map((0..*count).map(|i| (i.to_string(), item.value())).collect())
            }
            Self::Nullable(item, null) => {
                let inner = !null && item.nests_in_a_union();
                let value = if inner { item.value() } else { Value::Null };
                Value::Union(u32::from(inner), Box::new(value))
            }
            Self::Record(fields) => {
                let field = |(i, field): (usize, &Self)| (format!("f{i}"), field.value());
                Value::Record(fields.iter().enumerate().map(field).collect())
            }
        }
    }
}
