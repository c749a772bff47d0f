//! Idempotency keys.

use super::{DAY, Fake, listed};
use crate::gate;

fn keyed() -> Fake {
    let mut fake = Fake::new();
    fake.idempotency_key = Some("key".to_owned());
    fake
}

#[test]
fn a_key_repeats_its_answer_for_24_hours() {
    let mut fake = keyed();
    let first = fake.post("/v1/customers", &[("name", "A")]).ok();
    fake.wait(DAY - 1);
    let replay = fake.post("/v1/customers", &[("name", "A")]);
    assert_eq!(replay.header("idempotent-replayed"), Some("true"));
    assert_eq!(replay.ok(), first);
    fake.wait(1);
    assert_ne!(fake.post("/v1/customers", &[("name", "A")]).ok(), first);
    assert_eq!(listed(&fake.get("/v1/customers", &[]).ok()).len(), 2);
}

#[test]
fn a_key_with_other_parameters_is_an_error() {
    let mut fake = keyed();
    fake.post("/v1/customers", &[("name", "A")]).ok();
    let reply = fake.post("/v1/customers", &[("name", "B")]);
    assert_eq!(reply.body["error"]["type"], "idempotency_error");
    reply.refused(400);
    fake.post("/v1/products", &[("name", "A")]).refused(400);
}

#[test]
fn a_key_in_use_is_a_conflict_until_its_request_ends() {
    let mut fake = keyed();
    let ticket = fake.enter("/v1/customers", &[]).expect("it is let in");
    let reply = fake.post("/v1/customers", &[]);
    assert_eq!(reply.body["error"]["code"], "idempotency_key_in_use");
    reply.refused(409);
    gate::abandon(&mut fake.account, &ticket);
    fake.post("/v1/customers", &[]).ok();
    assert_eq!(listed(&fake.get("/v1/customers", &[]).ok()).len(), 1);
}

#[test]
fn a_server_error_is_repeated_and_a_refusal_is_not() {
    let mut fake = keyed();
    fake.account.settings.faults.server_error = 1.0;
    fake.post("/v1/customers", &[]).refused(500);
    fake.account.settings.faults.server_error = 0.0;
    fake.post("/v1/customers", &[]).refused(500);

    let mut fake = keyed();
    fake.post("/v1/products", &[]).refused(400);
    fake.post("/v1/products", &[("name", "A")]).ok();
}

#[test]
fn a_key_on_a_read_has_no_effect() {
    let mut fake = keyed();
    fake.get("/v1/customers", &[]).ok();
    fake.get("/v1/customers", &[("limit", "5")]).ok();
    let long = "k".repeat(256);
    fake.idempotency_key = Some(long);
    fake.post("/v1/customers", &[]).refused(400);
}

#[test]
fn an_answer_that_was_lost_is_had_by_asking_again() {
    let mut fake = keyed();
    fake.account.settings.faults.timeout_after = 1.0;
    assert_eq!(fake.post("/v1/customers", &[("name", "A")]).status, 0);
    assert_eq!(fake.post("/v1/customers", &[("name", "A")]).status, 0);
    fake.account.settings.faults.timeout_after = 0.0;
    let replay = fake.post("/v1/customers", &[("name", "A")]);
    assert_eq!(replay.header("idempotent-replayed"), Some("true"));
    assert_eq!(listed(&fake.get("/v1/customers", &[]).ok()), [replay.ok()]);
}
