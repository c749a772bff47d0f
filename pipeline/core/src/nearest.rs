//! The known name that may have been meant by an unknown one.
//!
//! It is for refusals that people read. It never decides anything: what is unknown stays refused.

/// Longest name that is compared with others: the cost grows with the product of both lengths.
const COMPARED_BYTES_MAX: usize = 256;
/// Most names in a list of all that are known.
const LISTED_MAX: usize = 20;

/// The nearest of the known names, if one is near: half of the letters, or more, are right.
#[must_use]
pub fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    if word.len() > COMPARED_BYTES_MAX {
        return None;
    }
    let distance = |k: &'k str| (strsim::damerau_levenshtein(word, k), k);
    let (distance, nearest) = known.into_iter().map(distance).min_by_key(|(d, _)| *d)?;
    (distance <= word.len().max(2) / 2).then_some(nearest)
}

/// A sentence for a refusal: "did you mean `event_type`?", or what is known where none is near.
#[must_use]
pub fn hint<'k>(word: &str, known: impl Iterator<Item = &'k str> + Clone) -> String {
    if let Some(nearest) = nearest(word, known.clone()) {
        return format!("did you mean `{nearest}`?");
    }
    let count = known.clone().count();
    if count == 0 {
        return "there are none".to_owned();
    }
    let listed = known.take(LISTED_MAX).collect::<Vec<_>>().join(", ");
    match count.checked_sub(LISTED_MAX) {
        Some(more @ 1..) => format!("known are {listed} and {more} more"),
        _ => format!("known are {listed}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(word: &str, known: &[&str], expected: &str) {
        assert_eq!(hint(word, known.iter().copied()), expected);
    }

    #[test]
    fn names_the_nearest_or_all() {
        let known = ["event_type", "filter", "unit"];
        check("evnt_type", &known, "did you mean `event_type`?");
        check("type", &known, "known are event_type, filter, unit");
        check("x", &[], "there are none");
        let long = "a".repeat(COMPARED_BYTES_MAX + 1);
        check(&long, &[&long], &format!("known are {long}"));
    }

    #[test]
    fn a_long_list_is_cut() {
        let names: Vec<_> = (0..23).map(|n| format!("long_name_{n}")).collect();
        let shown = hint("z", names.iter().map(String::as_str));
        assert!(shown.ends_with("long_name_19 and 3 more"), "{shown}");
    }
}
