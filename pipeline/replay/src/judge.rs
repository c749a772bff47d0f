//! Whether a letter's record can be published again, and where to. Pure.

use crate::REPLAY_HEADER;
use crate::error::Refusal;
use crate::letter_id::LetterId;
use meterline_core::decode::Decoder;
use meterline_core::hash::partition_of;
use meterline_core::reason::Reason;
use meterline_core::record::{CONTROL_HEADER, Record};
use meterline_core::time::LogTime;
use meterline_kafka::MAX_RECORD_BYTES;
use meterline_schemas::records::CopySource;

/// The record of a letter, as it was published first.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Original {
    /// Its headers in written order.
    pub(crate) headers: Vec<(String, Option<Vec<u8>>)>,
    /// Its value.
    pub(crate) payload: Option<Vec<u8>>,
    /// Where these bytes came from.
    pub(crate) copy: CopySource,
}

/// A record to be published.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Ready {
    /// Its key.
    pub(crate) tenant: String,
    /// Its tenant's partition.
    pub(crate) partition: u32,
    /// Its headers: the original's, then where it was replayed from.
    pub(crate) headers: Vec<(String, Option<Vec<u8>>)>,
    /// Its value.
    pub(crate) payload: Option<Vec<u8>>,
    /// Where the bytes came from.
    pub(crate) copy: CopySource,
}

impl Ready {
    /// Bytes of key, headers and value.
    pub(crate) fn bytes(&self) -> usize {
        let header = |(name, value): &(String, Option<Vec<u8>>)| {
            name.len() + value.as_ref().map_or(0, Vec::len)
        };
        let headers = self.headers.iter().map(header);
        self.tenant.len() + self.payload.as_ref().map_or(0, Vec::len) + headers.sum::<usize>()
    }
}

/// Whether a letter was no event at all, by its reason or headers.
pub(crate) fn is_control<'a>(reason: &str, mut headers: impl Iterator<Item = &'a str>) -> bool {
    reason == Reason::BadPointer.name() || headers.any(|name| name == CONTROL_HEADER)
}

/// Finds the tenant's partition of an original by the catalog in force.
pub(crate) fn ready(
    letter: LetterId,
    original: Original,
    decoder: &Decoder,
    partitions: u32,
) -> Result<Ready, Refusal> {
    let tenant = tenant_of(&original, decoder)?;
    let mut headers = original.headers;
    let provenance = letter.to_string().into_bytes();
    headers.push((REPLAY_HEADER.to_owned(), Some(provenance)));
    let ready = Ready {
        partition: partition_of(tenant.as_bytes(), partitions),
        tenant,
        headers,
        payload: original.payload,
        copy: original.copy,
    };
    let bytes = ready.bytes();
    if bytes > MAX_RECORD_BYTES {
        return Err(Refusal::TooLarge { bytes });
    }
    Ok(ready)
}

fn tenant_of(original: &Original, decoder: &Decoder) -> Result<String, Refusal> {
    let headers: Vec<(&str, Option<&[u8]>)> = original
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_deref()))
        .collect();
    if is_control("", headers.iter().map(|(name, _)| *name)) {
        return Err(Refusal::Control);
    }
    // The decoder reads headers and value only.
    let record = Record {
        offset: 0,
        append_time: LogTime(0),
        headers: &headers,
        payload: original.payload.as_deref(),
        size: 0,
        placement: None,
    };
    let event = decoder.decode(&record).map_err(Refusal::Unreadable)?;
    if event.tenant.is_empty() {
        return Err(Refusal::NoTenant);
    }
    Ok(event.tenant.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use meterline_core::position::{LogPartition, TopicId};

    const PARTITIONS: u32 = 8;

    fn check(
        headers: &[(&str, Option<&str>)],
        payload: Option<&str>,
    ) -> Result<(String, u32, Vec<String>), &'static str> {
        let letter = LetterId {
            log_partition: LogPartition {
                topic_id: TopicId(1),
                partition: 7,
            },
            offset: 5,
        };
        let original = Original {
            headers: headers
                .iter()
                .map(|(k, v)| ((*k).to_owned(), v.map(|v| v.as_bytes().to_vec())))
                .collect(),
            payload: payload.map(|text| text.as_bytes().to_vec()),
            copy: CopySource::Log,
        };
        let decoder = Decoder::new(&[]).expect("the built-in schema");
        let ready = ready(letter, original, &decoder, PARTITIONS).map_err(|r| r.name())?;
        assert_eq!(ready.payload.as_deref(), payload.map(str::as_bytes));
        let text = |(name, value): (String, Option<Vec<u8>>)| match value {
            Some(value) => format!("{name}={}", String::from_utf8(value).expect("text")),
            None => name,
        };
        let headers = ready.headers.into_iter().map(text).collect();
        Ok((ready.tenant, ready.partition, headers))
    }

    const EVENT: &str = r#"{"specversion":"1.0","id":"1","source":"s","type":"t","subject":"acme","time":"2026-01-01T00:00:00Z"}"#;

    #[test]
    fn an_original_goes_to_its_tenants_partition_with_one_header_more() {
        let home = partition_of(b"acme", PARTITIONS);
        let provenance = "meterline-replay=00000000-0000-0000-0000-000000000001/7/5";
        let expected = ["a=1", "b=", "c", provenance].map(str::to_owned);
        assert_eq!(
            check(
                &[("a", Some("1")), ("b", Some("")), ("c", None)],
                Some(EVENT)
            ),
            Ok(("acme".to_owned(), home, expected.to_vec()))
        );
        // A letter of a letter keeps the first provenance.
        let again = check(&[(REPLAY_HEADER, Some("x/1/2"))], Some(EVENT)).expect("an event");
        assert_eq!(again.2, ["meterline-replay=x/1/2", provenance]);
    }

    #[test]
    fn what_is_no_event_of_a_tenant_is_refused_by_name() {
        let without = EVENT.replace(r#""subject":"acme","#, "");
        type Case<'a> = (&'a [(&'a str, Option<&'a str>)], Option<&'a str>, &'a str);
        let cases: [Case<'_>; 6] = [
            (
                &[(CONTROL_HEADER, Some("tick"))],
                Some(EVENT),
                "bad_pointer",
            ),
            (&[("x", None), (CONTROL_HEADER, None)], None, "bad_pointer"),
            (&[], None, "unreadable"),
            (&[], Some("{"), "unreadable"),
            (&[], Some("\0\0\0\0\u{7}x"), "unreadable"),
            (&[], Some(&without), "no_tenant"),
        ];
        for (headers, payload, refused) in cases {
            assert_eq!(check(headers, payload), Err(refused), "{payload:?}");
        }
    }

    #[test]
    fn a_record_that_no_producer_may_send_is_refused() {
        let padding = "x".repeat(MAX_RECORD_BYTES);
        let large = EVENT.replace("acme\",", &format!("acme\",\"padding\":\"{padding}\","));
        assert_eq!(check(&[], Some(&large)), Err("too_large"));
    }
}
