//! Random events with a random writer schema each: order and types of fields, further fields.

use super::super::shown;
use super::extra::Extra;
use crate::event::{Event, EventQuantity};
use crate::quantity::Quantity;
use crate::time::EventTime;
use apache_avro::Decimal;
use apache_avro::types::Value;
use proptest::prelude::*;
use serde_json::{Value as Json, json};

/// How a writer encodes the quantity.
#[derive(Clone, Copy, Debug)]
enum QuantityType {
    BuiltIn,
    NullLast,
    Fixed,
    Plain,
    Long,
    Text,
}

/// How a writer encodes the time.
#[derive(Clone, Copy, Debug)]
enum TimeType {
    Micros,
    Millis,
    Text,
}

#[derive(Clone, Debug)]
pub(super) struct Input {
    pub(super) texts: [String; 4],
    pub(super) micros: i64,
    pub(super) raw: Option<i128>,
    pub(super) properties: Vec<(String, String)>,
    quantity: QuantityType,
    time: TimeType,
    bytes_for_text: bool,
    extras: Vec<Extra>,
    /// Sort keys of the fields.
    order: Vec<u16>,
}

pub(super) fn any_input() -> impl Strategy<Value = Input> {
    let bound = 10i128.pow(38) - 1;
    let quantity = prop_oneof![
        Just(QuantityType::BuiltIn),
        Just(QuantityType::NullLast),
        Just(QuantityType::Fixed),
        Just(QuantityType::Plain),
        Just(QuantityType::Long),
        Just(QuantityType::Text),
    ];
    let time = prop_oneof![
        Just(TimeType::Micros),
        Just(TimeType::Millis),
        Just(TimeType::Text)
    ];
    let event = (
        any::<[String; 4]>(),
        -2_208_988_800_000_000..10_413_792_000_000_000i64,
        proptest::option::of(prop_oneof![
            -bound..=bound,
            -1_000_000_000_000..1_000_000_000_000i128
        ]),
        proptest::collection::btree_map(any::<String>(), any::<String>(), 0..5),
    );
    let writer = (
        quantity,
        time,
        any::<bool>(),
        proptest::collection::vec(Extra::any(), 0..4),
        proptest::collection::vec(any::<u16>(), 11),
    );
    (event, writer).prop_map(|(event, writer)| {
        let (texts, micros, raw, properties) = event;
        let (quantity, time, bytes_for_text, extras, order) = writer;
        let properties = properties.into_iter().collect();
        Input {
            texts,
            micros,
            raw,
            properties,
            quantity,
            time,
            bytes_for_text,
            extras,
            order,
        }
    })
}

fn decimal(raw: i128) -> Value {
    Value::Decimal(Decimal::from(raw.to_be_bytes()))
}

impl Input {
    fn quantity_field(&self) -> (Json, Value) {
        let bytes = json!({"type": "bytes", "logicalType": "decimal", "precision": 38, "scale": 9});
        let fixed = json!({"type": "fixed", "name": "Q", "size": 16,
            "logicalType": "decimal", "precision": 38, "scale": 9});
        let raw = self.raw.unwrap_or(0);
        let nullable = |null: u32| match self.raw {
            None => Value::Union(null, Box::new(Value::Null)),
            Some(raw) => Value::Union(1 - null, Box::new(decimal(raw))),
        };
        match self.quantity {
            QuantityType::BuiltIn => (json!(["null", bytes]), nullable(0)),
            QuantityType::NullLast => (json!([bytes, "null"]), nullable(1)),
            QuantityType::Plain => (bytes, decimal(raw)),
            QuantityType::Fixed => (fixed, decimal(raw)),
            QuantityType::Long => (json!("long"), Value::Long(self.whole())),
            QuantityType::Text => (json!("string"), Value::String(self.exact().to_string())),
        }
    }

    fn whole(&self) -> i64 {
        i64::try_from(self.raw.unwrap_or(0) % i128::from(i64::MAX)).expect("a remainder is smaller")
    }

    pub(super) fn exact(&self) -> Quantity {
        Quantity::from_raw(self.raw.unwrap_or(0)).expect("in range")
    }

    fn time_field(&self) -> (Json, Value) {
        let timestamp =
            |unit: &str| json!({"type": "long", "logicalType": format!("timestamp-{unit}")});
        match self.time {
            TimeType::Micros => (timestamp("micros"), Value::TimestampMicros(self.micros)),
            TimeType::Millis => {
                let millis = self.micros.div_euclid(1_000);
                (timestamp("millis"), Value::TimestampMillis(millis))
            }
            TimeType::Text => (
                json!("string"),
                Value::String(EventTime(self.micros).to_string()),
            ),
        }
    }

    fn text_field(&self, text: &str) -> (Json, Value) {
        if self.bytes_for_text {
            (json!("bytes"), Value::Bytes(text.as_bytes().to_vec()))
        } else {
            (json!("string"), Value::String(text.to_owned()))
        }
    }

    /// The writer schema, and the value it is to encode.
    pub(super) fn written(&self) -> (String, Value) {
        let mut names = 0;
        let [id, source, kind, tenant] = &self.texts;
        let properties = self.properties.iter();
        let properties = properties
            .map(|(key, value)| (key.clone(), Value::String(value.clone())))
            .collect();
        let mut fields = vec![
            ("id".to_owned(), self.text_field(id)),
            ("source".to_owned(), self.text_field(source)),
            ("type".to_owned(), self.text_field(kind)),
            ("tenant".to_owned(), self.text_field(tenant)),
            ("time".to_owned(), self.time_field()),
            ("quantity".to_owned(), self.quantity_field()),
            (
                "properties".to_owned(),
                (
                    json!({"type": "map", "values": "string"}),
                    Value::Map(properties),
                ),
            ),
        ];
        for (place, extra) in self.extras.iter().enumerate() {
            fields.push((
                format!("x{place}"),
                (extra.schema(&mut names), extra.value()),
            ));
        }
        let mut keyed: Vec<_> = self.order.iter().zip(fields).collect();
        keyed.sort_by_key(|(key, _)| **key);
        let fields: Vec<_> = keyed.into_iter().map(|(_, field)| field).collect();
        let types: Vec<_> = fields
            .iter()
            .map(|(name, (kind, _))| json!({"name": name, "type": kind}))
            .collect();
        let schema = json!({"type": "record", "name": "W", "namespace": "other", "fields": types});
        let values = fields.into_iter().map(|(name, (_, value))| (name, value));
        (schema.to_string(), Value::Record(values.collect()))
    }

    /// What must come out, properties sorted.
    pub(super) fn expected(&self) -> String {
        let whole = Quantity::from_unscaled(i128::from(self.whole()), 0).expect("in range");
        let quantity = match self.quantity {
            QuantityType::BuiltIn | QuantityType::NullLast if self.raw.is_none() => {
                EventQuantity::Absent
            }
            QuantityType::Text => EventQuantity::Text(self.exact().to_string().into()),
            QuantityType::Long => EventQuantity::Exact(Ok(whole)),
            _ => EventQuantity::Exact(Ok(self.exact())),
        };
        let micros = match self.time {
            TimeType::Millis => self.micros.div_euclid(1_000) * 1_000,
            TimeType::Micros | TimeType::Text => self.micros,
        };
        let [id, source, kind, tenant] = &self.texts;
        let properties = self.properties.iter();
        shown(&Ok(Event {
            id: id.into(),
            source: source.into(),
            kind: kind.into(),
            tenant: tenant.into(),
            time: Some(EventTime(micros)),
            quantity,
            properties: properties.map(|(k, v)| (k.into(), v.into())).collect(),
        }))
    }

    /// Whether the specification alone resolves the writer schema to `UsageEvent`.
    pub(super) fn resolves_by_the_specification(&self) -> bool {
        matches!(self.time, TimeType::Micros)
            && matches!(
                self.quantity,
                QuantityType::BuiltIn | QuantityType::NullLast | QuantityType::Plain
            )
    }
}
