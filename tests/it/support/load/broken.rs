//! Broken records: one fault each, named by the reason that it has to be rejected for.

use super::encode::{json_event, time_text};
use super::{Encoded, Encoder, Form, Outgoing, Usage};
use rand::Rng;
use rand::rngs::StdRng;

/// Makes an event broken in a random way.
pub(crate) fn record(
    usage: Usage,
    partitions: u32,
    encoder: &Encoder,
    random: &mut StdRng,
) -> Outgoing {
    let makers: [fn(Usage, &Encoder) -> Outgoing; 13] = [
        not_json,
        cut_short,
        batch,
        unknown_fingerprint,
        unknown_registry_id,
        missing_id,
        missing_source,
        missing_type,
        missing_tenant,
        long_id,
        unreadable_time,
        unknown_type,
        long_dimension,
    ];
    match random.random_range(0..makers.len() + 2) {
        0 if partitions > 1 => elsewhere(usage, partitions, encoder),
        0 | 1 => {
            let texts = BAD_QUANTITIES;
            bad_quantity(usage, texts[random.random_range(0..texts.len())])
        }
        choice => makers[choice - 2](usage, encoder),
    }
}

/// JSON values of `quantity` that are no quantity for a sum that forbids negative ones.
pub(crate) const BAD_QUANTITIES: [&str; 9] = [
    "\"NaN\"",
    "\"\"",
    "true",
    "null",
    "0.0000000001",
    "1e29",
    "-1",
    "\"12abc\"",
    "\"1e999999999999\"",
];

fn outgoing(usage: Usage, fault: &'static str, encoded: Encoded) -> Outgoing {
    Outgoing {
        usage,
        form: Form::Json,
        encoded,
        fault,
        partition: None,
    }
}

/// An event of the right form whose content is at fault.
pub(crate) fn with_fault(usage: Usage, fault: &'static str, encoder: &Encoder) -> Outgoing {
    let encoded = encoder.encode(&usage, Form::Json);
    outgoing(usage, fault, encoded)
}

pub(crate) fn not_json(usage: Usage, _: &Encoder) -> Outgoing {
    outgoing(usage, "malformed", Encoded::plain("tenant=a;bytes=5"))
}

pub(crate) fn cut_short(usage: Usage, encoder: &Encoder) -> Outgoing {
    let mut encoded = encoder.encode(&usage, Form::Avro);
    let value = encoded.value.as_mut().expect("Avro has a value");
    value.truncate(value.len() / 2);
    outgoing(usage, "malformed", encoded)
}

pub(crate) fn batch(usage: Usage, encoder: &Encoder) -> Outgoing {
    let one = encoder.encode(&usage, Form::Json).value;
    let one = String::from_utf8(one.expect("JSON has a value")).expect("JSON is text");
    outgoing(usage, "batch", Encoded::plain(format!("[{one}]")))
}

pub(crate) fn unknown_fingerprint(usage: Usage, _: &Encoder) -> Outgoing {
    let encoded = Encoded::plain(*b"\xC3\x01\x01\x02\x03\x04\x05\x06\x07\x08rest");
    outgoing(usage, "unknown_schema", encoded)
}

pub(crate) fn unknown_registry_id(usage: Usage, _: &Encoder) -> Outgoing {
    let encoded = Encoded::plain(*b"\x00\x00\x01\x02\x03rest");
    outgoing(usage, "unknown_schema", encoded)
}

pub(crate) fn missing_id(mut usage: Usage, encoder: &Encoder) -> Outgoing {
    usage.id.clear();
    with_fault(usage, "missing_id", encoder)
}

pub(crate) fn missing_source(mut usage: Usage, encoder: &Encoder) -> Outgoing {
    usage.source.clear();
    with_fault(usage, "missing_source", encoder)
}

pub(crate) fn missing_type(mut usage: Usage, encoder: &Encoder) -> Outgoing {
    usage.kind.clear();
    with_fault(usage, "missing_type", encoder)
}

pub(crate) fn missing_tenant(mut usage: Usage, encoder: &Encoder) -> Outgoing {
    usage.tenant.clear();
    with_fault(usage, "missing_tenant", encoder)
}

pub(crate) fn long_id(mut usage: Usage, encoder: &Encoder) -> Outgoing {
    usage.id = "i".repeat(257);
    with_fault(usage, "bad_id", encoder)
}

pub(crate) fn unreadable_time(usage: Usage, _: &Encoder) -> Outgoing {
    let without_zone = time_text(usage.time).replace('Z', "");
    let encoded = Encoded::plain(json_event(&usage, &without_zone, "{\"quantity\":1}"));
    outgoing(usage, "bad_time", encoded)
}

pub(crate) fn unknown_type(mut usage: Usage, encoder: &Encoder) -> Outgoing {
    usage.kind = "unheard.of".to_owned();
    with_fault(usage, "no_meter", encoder)
}

pub(crate) fn long_dimension(mut usage: Usage, encoder: &Encoder) -> Outgoing {
    usage.kind = "api.request".to_owned();
    usage.properties = vec![("endpoint".to_owned(), "e".repeat(257))];
    with_fault(usage, "bad_dimension", encoder)
}

/// A quantity, as JSON text, that a sum of `llm.completion` does not take.
pub(crate) fn bad_quantity(mut usage: Usage, quantity: &str) -> Outgoing {
    usage.kind = "llm.completion".to_owned();
    usage.quantity = None;
    let data = format!("{{\"quantity\":{quantity},\"model\":\"small\"}}");
    let encoded = Encoded::plain(json_event(&usage, &time_text(usage.time), &data));
    outgoing(usage, "bad_quantity", encoded)
}

/// An event in the partition after its tenant's.
pub(crate) fn elsewhere(usage: Usage, partitions: u32, encoder: &Encoder) -> Outgoing {
    let home = home(&usage.tenant, partitions);
    let partition = i32::try_from((home + 1) % partitions).expect("partitions are few");
    Outgoing {
        partition: Some(partition),
        ..with_fault(usage, "wrong_partition", encoder)
    }
}

/// The partition of a tenant: Kafka's default partitioner, murmur2 of the key, sign bit off.
///
/// Source: `org.apache.kafka.common.utils.Utils.murmur2`.
pub(crate) fn home(tenant: &str, partitions: u32) -> u32 {
    (murmur2(tenant.as_bytes()) & 0x7FFF_FFFF) % partitions
}

fn murmur2(bytes: &[u8]) -> u32 {
    const M: u32 = 0x5BD1_E995;
    let length = u32::try_from(bytes.len()).expect("keys are short");
    let mut hash = 0x9747_B28C ^ length;
    let (words, tail) = bytes.as_chunks::<4>();
    for word in words {
        let word = u32::from_le_bytes(*word).wrapping_mul(M);
        hash = hash.wrapping_mul(M) ^ (word ^ (word >> 24)).wrapping_mul(M);
    }
    if !tail.is_empty() {
        for (place, byte) in tail.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * place);
        }
        hash = hash.wrapping_mul(M);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(M);
    hash ^ (hash >> 15)
}
