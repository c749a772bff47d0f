//! What a writer's quantity may be.

use super::{malformed, reads, refused};

fn decimal(scale: u32) -> String {
    format!(r#"{{"type":"bytes","logicalType":"decimal","precision":60,"scale":{scale}}}"#)
}

fn fixed_decimal(size: usize, precision: u32, scale: u32) -> String {
    format!(
        r#"{{"type":"fixed","name":"D","size":{size},"logicalType":"decimal","precision":{precision},"scale":{scale}}}"#
    )
}

#[test]
fn whole_quantities_are_exact() {
    reads("quantity", r#""int""#, b"\x0E", "7");
    reads(
        "quantity",
        r#""int""#,
        b"\xFF\xFF\xFF\xFF\x0F",
        "-2147483648",
    );
    malformed(
        "quantity",
        r#""int""#,
        b"\x80\x80\x80\x80\x10",
        18,
        "an integer is longer than 32 bits",
    );
    reads(
        "quantity",
        r#""long""#,
        b"\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01",
        "-9223372036854775808",
    );
    let too_long = "an integer is longer than 64 bits";
    malformed(
        "quantity",
        r#""long""#,
        b"\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x02",
        18,
        too_long,
    );
    malformed("quantity", r#""long""#, &[0x80; 11], 18, too_long);
    reads("quantity", r#"["long","null"]"#, b"\x00\x0E", "7");
    reads("quantity", r#"["long","null"]"#, b"\x02", "-");
    reads("quantity", r#""null""#, b"", "-");
}

#[test]
fn text_quantities_are_kept_as_text() {
    reads("quantity", r#""string""#, b"\x061e3", "text 1e3");
    reads("quantity", r#"["null","string"]"#, b"\x02\x02x", "text x");
}

#[test]
fn decimals_of_any_scale_are_exact_or_out_of_range() {
    let beyond = "is beyond the range of 29 integer digits";
    reads("quantity", &decimal(9), b"\x02\x7F", "0.000000127");
    reads("quantity", &decimal(0), b"\x02\x80", "-128");
    reads("quantity", &decimal(0), b"\x04\x00\x80", "128");
    reads("quantity", &decimal(2), b"\x02\x05", "0.05");
    reads("quantity", &decimal(12), b"\x04\x03\xE8", "0.000000001");
    reads(
        "quantity",
        &decimal(12),
        b"\x04\x03\xE9",
        "has more than 9 decimals",
    );
    reads("quantity", &decimal(60), b"\x02\x00", "0");
    reads(
        "quantity",
        &decimal(60),
        b"\x02\x01",
        "has more than 9 decimals",
    );
    reads("quantity", &decimal(9), b"\x00", "is not a decimal number");
    reads(
        "quantity",
        &decimal(0),
        b"\x1A\x01\x43\x1E\x0F\xAE\x6D\x72\x17\xCA\xA0\0\0\0",
        beyond,
    );
    for (sign, last, expected) in [(0x00, 0x05, "0.000000005"), (0xFF, 0xFE, "-0.000000002")] {
        let extended = |length: u8, sign: u8, last: u8| {
            let mut bytes = vec![sign; usize::from(length)];
            bytes[usize::from(length) - 1] = last;
            [&[length * 2][..], &bytes].concat()
        };
        reads("quantity", &decimal(9), &extended(16, sign, last), expected);
        reads("quantity", &decimal(9), &extended(17, sign, last), expected);
        reads("quantity", &decimal(9), &extended(40, sign, last), expected);
    }
    let seventeen = |first: u8, second: u8| [&[34, first, second][..], &[0; 15]].concat();
    let unsigned = [&[34, 0x00][..], &[0xFF; 16]].concat();
    reads("quantity", &decimal(9), &unsigned, beyond);
    reads("quantity", &decimal(9), &seventeen(0x00, 0x80), beyond);
    reads("quantity", &decimal(9), &seventeen(0xFF, 0x7F), beyond);
    reads("quantity", &decimal(9), &seventeen(0x01, 0x00), beyond);
}

#[test]
fn nullable_and_fixed_decimals_are_read() {
    let nullable_last = format!("[{},\"null\"]", decimal(1));
    reads("quantity", &nullable_last, b"\x00\x02\x0F", "1.5");
    reads("quantity", &nullable_last, b"\x02", "-");
    reads(
        "quantity",
        &fixed_decimal(4, 9, 3),
        b"\x00\x00\x05\xDC",
        "1.5",
    );
    reads(
        "quantity",
        &fixed_decimal(4, 9, 3),
        b"\xFF\xFF\xFF\xFF",
        "-0.001",
    );
    reads("quantity", &fixed_decimal(5, 11, 0), &[0xFF; 5], "-1");
    reads("quantity", &fixed_decimal(20, 47, 0), &[0xFF; 20], "-1");
    let nullable = format!("[\"null\",{}]", fixed_decimal(1, 2, 0));
    reads("quantity", &nullable, b"\x02\x09", "9");
    malformed(
        "quantity",
        &nullable,
        b"\x04",
        18,
        "a union of 2 has no branch 2",
    );
    malformed("quantity", &nullable, b"\x01", 18, "a length is negative");
    malformed(
        "quantity",
        &fixed_decimal(9, 9, 0),
        b"",
        18,
        "9 bytes are needed, 1 are left",
    );
}

#[test]
fn floats_and_bare_bytes_are_no_quantities() {
    for kind in ["float", "double"] {
        let reason = format!(
            "a {kind} cannot hold most decimals; quantities are a decimal, a long or a string"
        );
        refused("quantity", &format!("\"{kind}\""), &reason);
        refused("quantity", &format!("[\"null\",\"{kind}\"]"), &reason);
    }
    let advice = "is not a quantity; use a decimal, a long or a string";
    refused("quantity", r#""bytes""#, &format!("bytes {advice}"));
    refused("quantity", r#""boolean""#, &format!("boolean {advice}"));
    refused(
        "quantity",
        r#"{"type":"long","logicalType":"timestamp-micros"}"#,
        &format!("long (a timestamp) {advice}"),
    );
    for invalid in [
        r#"{"type":"bytes","logicalType":"decimal","precision":2,"scale":3}"#,
        r#"{"type":"bytes","logicalType":"decimal","precision":0}"#,
        r#"{"type":"bytes","logicalType":"decimal","precision":9,"scale":-1}"#,
        r#"{"type":"bytes","logicalType":"decimal"}"#,
    ] {
        refused("quantity", invalid, &format!("bytes {advice}"));
    }
    refused(
        "quantity",
        &fixed_decimal(5, 12, 0),
        &format!("fixed {advice}"),
    );
    refused(
        "quantity",
        &fixed_decimal(4, 10, 0),
        &format!("fixed {advice}"),
    );
    refused(
        "quantity",
        &fixed_decimal(0, 1, 0),
        &format!("fixed {advice}"),
    );
}
