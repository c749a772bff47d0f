//! What single values mean: durations, sizes, numbers, switches and words.
//!
//! Each function is total on its text and says in its refusal what would have been right.

pub(super) use meterline_core::nearest::hint;
use meterline_core::quantity::Quantity;
use meterline_core::time::Millis;

/// Reads `35d`, `15m`, `90s`: a whole number and one of ms, s, m, h, d.
pub(super) fn duration(text: &str) -> Result<Millis, String> {
    let expected = || format!("`{text}` is no duration: write a whole number and ms, s, m, h or d");
    let (digits, unit) = split_unit(text).ok_or_else(expected)?;
    let factor: u32 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(expected()),
    };
    let millis = digits
        .parse::<u32>()
        .ok()
        .and_then(|n| n.checked_mul(factor));
    millis
        .map(Millis)
        .ok_or_else(|| format!("`{text}` is too long: 49d is the most that fits"))
}

/// Reads `256`, `256B`, `64KiB`, `1MiB`: a whole number of bytes, or with a power of 1,024.
pub(super) fn size(text: &str) -> Result<u32, String> {
    let expected = || format!("`{text}` is no size: write a whole number and B, KiB or MiB");
    let (digits, unit) = split_unit(text).ok_or_else(expected)?;
    let factor: u32 = match unit {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        _ => return Err(expected()),
    };
    let bytes = digits
        .parse::<u32>()
        .ok()
        .and_then(|n| n.checked_mul(factor));
    bytes.ok_or_else(|| format!("`{text}` is too large: 4095MiB is the most that fits"))
}

/// Reads a whole number from 0 to 2³² − 1, without sign or separators.
pub(super) fn whole(text: &str) -> Result<u32, String> {
    let number = split_unit(text).filter(|(_, unit)| unit.is_empty());
    let number = number.and_then(|(digits, _)| digits.parse().ok());
    number.ok_or_else(|| format!("`{text}` is no whole number from 0 to {}", u32::MAX))
}

/// Reads an exact decimal number.
pub(super) fn quantity(text: &str) -> Result<Quantity, String> {
    Quantity::parse(text).map_err(|reason| format!("`{text}` {reason}"))
}

/// Reads `true` or `false`.
pub(super) fn switch(text: &str) -> Result<bool, String> {
    match text {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(format!("`{text}` is neither `true` nor `false`")),
    }
}

/// Reads one of a few words.
pub(super) fn word<T: Copy>(text: &str, known: &[(&str, T)]) -> Result<T, String> {
    if let Some((_, meaning)) = known.iter().find(|(word, _)| *word == text) {
        return Ok(*meaning);
    }
    Err(format!(
        "`{text}` is unknown: {}",
        hint(text, known.iter().map(|(word, _)| *word))
    ))
}

/// Splits a number from its unit; `None` where it does not begin with a digit.
fn split_unit(text: &str) -> Option<(&str, &str)> {
    let end = text.bytes().take_while(u8::is_ascii_digit).count();
    (end > 0).then(|| text.split_at(end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Debug;

    fn check<T: Debug + PartialEq>(
        read: fn(&str) -> Result<T, String>,
        right: &[(&str, T)],
        wrong: &[(&str, &str)],
    ) {
        for (text, value) in right {
            assert_eq!(read(text).as_ref(), Ok(value), "{text}");
        }
        for (text, part) in wrong {
            let refusal = read(text).expect_err(text);
            assert!(
                refusal.contains(part) && refusal.contains(&format!("`{text}`")),
                "{refusal}"
            );
        }
    }

    #[test]
    fn durations_have_a_unit() {
        check(
            duration,
            &[
                ("0s", Millis(0)),
                ("1500ms", Millis(1_500)),
                ("15m", Millis(900_000)),
                ("1h", Millis(3_600_000)),
                ("35d", Millis(3_024_000_000)),
            ],
            &[
                ("35", "no duration"),
                ("", "no duration"),
                ("1.5h", "no duration"),
                ("-1h", "no duration"),
                ("1 h", "no duration"),
                ("1w", "no duration"),
                ("50d", "too long"),
                ("99999999999ms", "too long"),
            ],
        );
    }

    #[test]
    fn sizes_are_binary() {
        check(
            size,
            &[
                ("256", 256),
                ("256B", 256),
                ("64KiB", 65_536),
                ("1MiB", 1_048_576),
            ],
            &[
                ("1MB", "no size"),
                ("1kb", "no size"),
                ("", "no size"),
                ("4096MiB", "too large"),
            ],
        );
    }

    #[test]
    fn numbers_and_switches_are_exact() {
        let wrong = "no whole number";
        check(
            whole,
            &[("0", 0), ("4294967295", u32::MAX)],
            &[
                ("", wrong),
                ("+1", wrong),
                ("1_000", wrong),
                ("1.0", wrong),
                ("4294967296", wrong),
            ],
        );
        check(
            switch,
            &[("true", true), ("false", false)],
            &[("yes", "neither"), ("", "neither")],
        );
        let thousandth = Quantity::from_raw(1_000_000).expect("in range");
        check(
            quantity,
            &[("0.001", thousandth), ("1e-3", thousandth)],
            &[
                ("1/1000", "is not a decimal number"),
                ("1e-10", "has more than 9 decimals"),
            ],
        );
    }

    #[test]
    fn unknown_words_are_hinted_at() {
        assert_eq!(word("sum", &[("count", 1), ("sum", 2)]), Ok(2));
        let refusal = word("sums", &[("count", 1), ("sum", 2)]);
        assert_eq!(
            refusal,
            Err("`sums` is unknown: did you mean `sum`?".to_owned())
        );
    }
}
