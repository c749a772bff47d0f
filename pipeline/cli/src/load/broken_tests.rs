//! Every broken record is refused by the fold for the reason it names.

use super::*;
use crate::testing::{Folded, catalog, fold};

/// Breaks one event for each reason there is; the reason meant and what the fold says.
fn broken(partitions: u32) -> Vec<(&'static str, Folded)> {
    let catalog = catalog();
    let encoder = Encoder::default();
    let weakness = Weakness {
        quantity: Some(BadQuantity {
            property: Some("bytes".into()),
            texts: BAD_QUANTITIES[..7].to_vec(),
        }),
        dimension: Some("region".into()),
    };
    let mut random = Random::new(3);
    let mut breaker = Breaker::new(catalog.bounds.clone(), partitions, 0);
    // Often enough for every variety of every reason.
    (0..40 * Reason::ALL.len())
        .map(|number| {
            let mut event = crate::testing::event(number);
            let mut message = Message::default();
            let reason =
                breaker.break_event(&mut event, &weakness, &encoder, &mut random, &mut message);
            (
                reason.expect("broken"),
                fold(&catalog, partitions, &message),
            )
        })
        .collect()
}

#[test]
fn the_fold_refuses_every_broken_record_for_the_reason_meant() {
    let mut seen = std::collections::BTreeSet::new();
    for (reason, folded) in broken(4) {
        assert_eq!(folded, Folded::Rejected(reason));
        seen.insert(reason);
    }
    let missing: Vec<_> = Reason::ALL
        .into_iter()
        .filter(|r| !seen.contains(r.name()))
        .collect();
    let expected = [
        Reason::TooManyDimensions,
        Reason::Overflow,
        Reason::VoidRefused,
    ];
    assert_eq!(missing, expected);
}

#[test]
fn one_partition_is_never_the_wrong_one() {
    assert!(
        broken(1)
            .iter()
            .all(|(reason, _)| *reason != "wrong_partition")
    );
}
