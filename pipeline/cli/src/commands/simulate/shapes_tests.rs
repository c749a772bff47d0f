//! Events fit the meters they were made for.

use super::*;
use meterline_core::time::EventTime;

#[test]
fn ids_with_a_time_are_of_their_form() {
    let micros = 1_700_000_000_123_456;
    // The version and variant bits of RFC 9562 around the milliseconds 0x18BCFE5687B.
    assert_eq!(
        timed_id(IdTime::Uuidv7, micros, 0),
        "018bcfe5-687b-7000-8000-000000000000"
    );
    assert_eq!(
        timed_id(IdTime::Ulid, micros, 31),
        "01HF7YAT3V000000000000000Z"
    );
}

#[test]
fn mended_events_fit_the_filter_of_their_meter() {
    let catalog = crate::testing::catalog();
    let mut random = Random::new(5);
    for (meter, shape) in catalog.meters.iter().zip(shapes(&catalog)) {
        for number in 0..200 {
            let mut event = crate::testing::event(number);
            event.kind = Arc::clone(&shape.kind);
            event.properties.clear();
            shape.fill(&mut event, &mut random);
            shape.mend(&mut event);
            event.time = EventTime(crate::testing::NOW);
            let outcome = crate::testing::fold_event(&catalog, &event);
            assert_eq!(
                outcome,
                crate::testing::Folded::Counted,
                "{}: {event:?}",
                meter.name
            );
        }
    }
}
