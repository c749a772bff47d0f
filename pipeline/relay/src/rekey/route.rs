//! Where an incoming record goes: to its tenant, or to the dead letters.
//!
//! Pure. Only what keeps a record from reaching its tenant is judged here; everything else is the
//! fold's to judge, at the place in the usage log that the record is given.

use super::SOURCE_HEADER;
use crate::message::RawRecord;
use meterline_core::catalog::CompiledCatalog;
use meterline_core::reason::{Reason, Rejection};

/// Finds the tenant of an incoming record.
///
/// `added` is the number of bytes that re-keying adds beside the key: the bound on records counts
/// what the usage log will hold.
///
/// # Errors
/// Why it cannot be re-keyed, in the core's order of reasons.
pub(super) fn route(
    catalog: &CompiledCatalog,
    raw: &RawRecord<'_>,
    added: usize,
) -> Result<String, Rejection> {
    let bounds = &catalog.catalog.bounds;
    if raw.control_header().is_some() {
        let detail =
            "producers may not write placements: the record has a header meterline-control";
        return Err(Rejection::new(Reason::BadPointer, detail));
    }
    let too_large = |size: usize| {
        let bound = bounds.record_bytes;
        let detail = format!("record of {size} bytes with its new key; the bound is {bound}");
        Rejection::new(Reason::TooLarge, detail)
    };
    let size = raw.size_without_key() + added;
    // Never decode what is too large under any key.
    if size > bounds.record_bytes as usize {
        return Err(too_large(size));
    }
    let event = catalog.decoder.decode(&raw.to_decode())?;
    let tenant = event.tenant.into_owned();
    if tenant.is_empty() {
        let detail = "the tenant (the subject of a CloudEvent) is missing or empty";
        return Err(Rejection::new(Reason::MissingTenant, detail));
    }
    if tenant.len() > bounds.tenant_bytes as usize {
        let (length, bound) = (tenant.len(), bounds.tenant_bytes);
        let detail = format!("tenant of {length} bytes; the bound is {bound}");
        return Err(Rejection::new(Reason::TooLong, detail));
    }
    let size = size + tenant.len();
    if size > bounds.record_bytes as usize {
        return Err(too_large(size).of_tenant(&tenant));
    }
    Ok(tenant)
}

/// Bytes of the header that says where a record came from.
pub(super) fn added(source: &str) -> usize {
    SOURCE_HEADER.len() + source.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{catalog, raw};
    use meterline_core::record::CONTROL_HEADER;

    fn event(tenant: &str) -> String {
        format!(
            "{{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"s\",\"type\":\"call\",\
             \"subject\":\"{tenant}\"}}"
        )
    }

    fn check(
        headers: &[(&str, Option<&[u8]>)],
        payload: &[u8],
        added: usize,
        expected: Result<&str, Reason>,
    ) {
        let catalog = catalog();
        let found = route(&catalog, &raw(headers, payload), added);
        let found = found.map_err(|rejection| rejection.reason);
        assert_eq!(found.as_deref(), expected.as_ref().copied());
    }

    #[test]
    fn a_record_goes_to_its_tenant_however_it_is_keyed() {
        check(&[], event("acme").as_bytes(), 60, Ok("acme"));
        // Without a time: the fold judges that.
        let binary: [(&str, Option<&[u8]>); 2] = [
            ("ce_specversion", Some(b"1.0")),
            ("ce_subject", Some(b"acme")),
        ];
        check(&binary, b"", 60, Ok("acme"));
    }

    #[test]
    fn what_has_no_tenant_is_rejected_with_its_reason() {
        check(&[], event("").as_bytes(), 60, Err(Reason::MissingTenant));
        let long = "t".repeat(129);
        check(&[], event(&long).as_bytes(), 60, Err(Reason::TooLong));
        check(&[], b"\0\0\0\0\x09x", 60, Err(Reason::UnknownSchema));
        check(&[], b"nonsense", 60, Err(Reason::Malformed));
        let control: [(&str, Option<&[u8]>); 1] = [(CONTROL_HEADER, Some(b"tick"))];
        check(
            &control,
            event("acme").as_bytes(),
            60,
            Err(Reason::BadPointer),
        );
    }

    #[test]
    fn the_bound_counts_what_the_usage_log_will_hold() {
        let payload = event("acme");
        let room = (1 << 20) - payload.len() - "acme".len();
        check(&[], payload.as_bytes(), room, Ok("acme"));
        check(&[], payload.as_bytes(), room + 1, Err(Reason::TooLarge));
        check(&[], payload.as_bytes(), 1 << 20, Err(Reason::TooLarge));
    }
}
