//! Fields of the writer that a usage event does not have.

use super::{FIELDS, SHOWN, read};

/// The smallest event with a field in the midst of it that is not read.
fn read_skipping(kind: &str, bytes: &[u8]) -> Result<String, String> {
    let mut fields = FIELDS.to_vec();
    fields.insert(2, ("extra", kind, bytes));
    read(&fields)
}

#[test]
fn other_fields_are_skipped_by_their_lengths() {
    let record = r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int"},{"name":"b","type":"boolean"}]}"#;
    for (kind, bytes) in [
        (r#""null""#, &b""[..]),
        (r#""boolean""#, b"\x07"),
        (r#""int""#, b"\x01"),
        (r#""long""#, b"\xFE\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01"),
        (r#""float""#, b"1234"),
        (r#""double""#, b"12345678"),
        (r#""bytes""#, b"\x04\xFF\xFF"),
        (r#""string""#, b"\x04\xFF\xFF"),
        (r#"{"type":"fixed","name":"F","size":3}"#, b"123"),
        (r#"{"type":"enum","name":"E","symbols":["A"]}"#, b"\x20"),
        (record, b"\x02\x01"),
        (
            r#"{"type":"array","items":"int"}"#,
            b"\x04\x02\x02\x02\x02\x00",
        ),
        (
            r#"{"type":"array","items":"double"}"#,
            b"\x041234567812345678\x00",
        ),
        (
            r#"{"type":"array","items":"null"}"#,
            b"\xFE\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01\x00",
        ),
        (r#"{"type":"array","items":"long"}"#, b"\x03\x04??\x00"),
        (r#"{"type":"map","values":"int"}"#, b"\x03\x04??\x00"),
        (r#"{"type":"map","values":"boolean"}"#, b"\x02\x02k\x01\x00"),
        (r#"["null","string"]"#, b"\x02\x02x"),
        (&format!("[\"null\",{record}]"), b"\x02\x02\x01"),
        (
            r#"{"type":"record","name":"L","fields":[{"name":"next","type":["null","L"]}]}"#,
            b"\x02\x02\x02\x00",
        ),
    ] {
        assert_eq!(read_skipping(kind, bytes).as_deref(), Ok(SHOWN), "{kind}");
    }
}

#[test]
fn skipping_never_runs_away() {
    let malformed = |kind: &str, bytes: &[u8], at: usize, problem: &str| {
        let expected = format!(
            "malformed: Avro in the Confluent frame, at byte {at}: a field that is not read: {problem}"
        );
        assert_eq!(read_skipping(kind, bytes), Ok(expected), "{kind}");
    };
    let list = r#"{"type":"record","name":"L","fields":[{"name":"next","type":["null","L"]}]}"#;
    malformed(list, &[2; 100], 42, "nested too deeply");
    let endless = r#"{"type":"record","name":"R","fields":[{"name":"a","type":"R"},{"name":"b","type":"R"}]}"#;
    malformed(endless, b"", 10, "nested too deeply");
    let huge = b"\xFE\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01";
    let needed = format!("{} bytes are needed, 10 are left", usize::MAX);
    malformed(r#"{"type":"array","items":"double"}"#, huge, 20, &needed);
    malformed(
        r#"["null","int"]"#,
        b"\x04",
        10,
        "a union of 2 has no branch 2",
    );
    malformed(r#""string""#, b"\x03", 10, "a length is negative");
    let shortest = b"\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01\x64";
    malformed(
        r#"{"type":"array","items":"null"}"#,
        shortest,
        10,
        "a block is longer than what is left",
    );
}

/// Skips a value of 2⁶⁰ leaves, by a schema where each type holds the one before it twice.
fn read_doubled(leaf: &str) -> Result<String, String> {
    let definitions = (0..60).map(|level: u32| {
        let inner = level
            .checked_sub(1)
            .map_or(leaf.to_owned(), |i| format!("N{i}"));
        format!(
            r#"{{"type":"array","items":{{"type":"record","name":"N{level}","fields":[
                {{"name":"a","type":"{inner}"}},{{"name":"b","type":"{inner}"}}]}}}}"#
        )
    });
    let definitions: Vec<_> = definitions.collect();
    let names: Vec<_> = (0..60).map(|level| format!("x{level}")).collect();
    let mut fields: Vec<(&str, &str, &[u8])> = names
        .iter()
        .zip(&definitions)
        .map(|(name, kind)| (name.as_str(), kind.as_str(), &b"\x00"[..]))
        .collect();
    fields.push(("doubled", r#""N59""#, b""));
    fields.extend(FIELDS);
    read(&fields)
}

#[test]
fn values_of_fixed_length_are_skipped_at_once() {
    assert_eq!(read_doubled("null").as_deref(), Ok(SHOWN));
    let expected = format!(
        "malformed: Avro in the Confluent frame, at byte 65: a field that is not read: {} bytes \
         are needed, 15 are left",
        1u64 << 60
    );
    assert_eq!(read_doubled("boolean"), Ok(expected));
}
