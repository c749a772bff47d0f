//! Faults, keys and permissions.

use super::{Fake, START, listed};
use crate::settings::{Faults, HOUR, Key, Outage, SECOND, Settings};
use crate::truth::{Seen, Truth};

fn faulty(faults: Faults) -> Fake {
    Fake::with(Settings {
        limits: None,
        faults,
        ..Settings::default()
    })
}

fn customers(fake: &mut Fake) -> usize {
    fake.account.settings.faults = Faults::default();
    listed(&fake.get("/v1/customers", &[("limit", "100")]).ok()).len()
}

#[test]
fn a_timeout_is_after_the_work_or_before_it() {
    let mut after = faulty(Faults {
        timeout_after: 1.0,
        ..Faults::default()
    });
    assert_eq!(after.post("/v1/customers", &[]).status, 0);
    let truth = Truth(&after.account);
    let call = truth.calls().next().expect("a call");
    assert_eq!(
        (call.seen, call.answer.as_ref().map(|answer| answer.0)),
        (Seen::Nothing, Some(200))
    );
    assert_eq!(customers(&mut after), 1);

    for faults in [
        Faults {
            timeout_before: 1.0,
            ..Faults::default()
        },
        Faults {
            reset: 1.0,
            ..Faults::default()
        },
    ] {
        let mut before = faulty(faults);
        assert_eq!(before.post("/v1/customers", &[]).status, 0);
        assert_eq!(customers(&mut before), 0);
    }
}

#[test]
fn a_server_error_may_have_been_done() {
    let mut fake = faulty(Faults {
        server_error: 1.0,
        ..Faults::default()
    });
    for _ in 0..40 {
        fake.post("/v1/customers", &[]).refused(500);
    }
    let done = customers(&mut fake);
    assert!((1..40).contains(&done), "{done}");
}

#[test]
fn refusals_are_not_done() {
    let mut fake = faulty(Faults {
        too_many: 0.5,
        lock_timeout: 1.0,
        ..Faults::default()
    });
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..40 {
        let reply = fake.post("/v1/customers", &[]);
        seen.insert((reply.status, reply.body["error"]["code"].to_string()));
    }
    let expected = [
        (409, "\"lock_timeout\"".to_owned()),
        (429, "\"lock_timeout\"".to_owned()),
        (429, "\"rate_limit\"".to_owned()),
    ];
    assert_eq!(seen, expected.into());
    assert_eq!(customers(&mut fake), 0);
}

#[test]
fn the_same_seed_brings_the_same_faults() {
    let statuses = |seed| {
        let mut fake = faulty(Faults {
            timeout_after: 0.1,
            too_many: 0.1,
            server_error: 0.1,
            ..Faults::default()
        });
        fake = Fake::with(Settings {
            seed,
            ..fake.account.settings.clone()
        });
        (0..200)
            .map(|_| fake.post("/v1/customers", &[]).status)
            .collect::<Vec<_>>()
    };
    assert_eq!(statuses(5), statuses(5));
    assert_ne!(statuses(5), statuses(6));
    let good = statuses(5).iter().filter(|status| **status == 200).count();
    assert!((110..180).contains(&good), "{good}");
}

#[test]
fn an_outage_lies_between_two_times() {
    let start = START * SECOND;
    let mut fake = faulty(Faults {
        outages: vec![Outage {
            from: start + HOUR,
            until: start + 31 * HOUR,
        }],
        ..Faults::default()
    });
    let mut answers = Vec::new();
    for _ in 0..33 {
        answers.push(fake.post("/v1/customers", &[]).status);
        fake.wait(super::HOUR);
    }
    assert_eq!(answers.iter().filter(|status| **status == 0).count(), 30);
    assert_eq!(
        (answers[0], answers[1], answers[30], answers[31]),
        (200, 0, 0, 200)
    );
}

#[test]
fn a_key_must_be_right_and_allowed() {
    let restricted = Key {
        secret: "rk".to_owned(),
        denied: vec!["billing/meter_events".to_owned()],
    };
    let mut fake = Fake::with(Settings {
        keys: vec![Key::full("sk"), restricted],
        ..Settings::default()
    });
    fake.post("/v1/customers", &[]).refused(401);
    fake.key = None;
    fake.post("/v1/customers", &[]).refused(401);
    fake.key = Some("rk".to_owned());
    let customer = super::id(&fake.post("/v1/customers", &[]).ok());
    fake.send("tokens", (&customer, "1", START), "a")
        .refused(403);
    fake.key = Some("sk".to_owned());
    fake.send("tokens", (&customer, "1", START), "a").ok();
}
