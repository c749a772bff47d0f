//! Customers at Stripe are one account's, whoever links them and however many at once.

use crate::accounts::{change, offset, with_plans};
use crate::support::*;
use meterline_control::{AccountLog, Changed, ControlError, Expected};
use meterline_core::accounts::Refused;
use meterline_core::control::Decision;

fn linked(id: &str, customer: &str) -> Decision {
    let mut change = change(id, "free");
    change.terms.stripe_customer = Some(customer.to_owned());
    Decision::Account(Box::new(change))
}

fn link(log: &AccountLog, id: &str, customer: &str) -> Result<Changed, ControlError> {
    let decision = linked(id, customer);
    log.change(decision, Expected::Any, &author("admin"), TIMEOUT)
}

/// Whether it was refused because the customer is `account`'s.
fn check_taken(changed: &Result<Changed, ControlError>, account: &str) {
    let taken = matches!(
        changed,
        Err(ControlError::Unfit(Refused::CustomerTaken { account: of, .. })) if of == account
    );
    assert!(taken, "{changed:?}");
}

#[test]
fn a_customer_of_another_account_is_not_written() {
    let (settings, log) = with_plans();
    offset(link(&log, "acme", "cus_1"));
    let end = end_of(&settings);
    check_taken(&link(&log, "other", "cus_1"), "acme");
    // Not even by who skips the first look.
    let record = log.propose(linked("other", "cus_1"), &author("admin"));
    let error = log.control().decide(&record, TIMEOUT).expect_err("ignored");
    assert!(matches!(error, ControlError::Unfit(_)), "{error}");
    assert_eq!(end_of(&settings), end, "nothing was written");
    let now = log.accounts().log_time();
    assert_eq!(log.accounts().stripe_customer("acme", now), Some("cus_1"));
}

#[test]
fn of_one_batch_the_first_has_the_customer() {
    let (_, log) = with_plans();
    let batch = [("acme", "cus_1"), ("other", "cus_1"), ("third", "cus_2")];
    let batch = batch.map(|(id, customer)| (linked(id, customer), Expected::Any));
    let changed = log.change_all(batch.into(), &author("admin"), TIMEOUT);
    let mut changed = changed.expect("answered").into_iter();
    offset(changed.next().expect("the first"));
    check_taken(&changed.next().expect("the second"), "acme");
    offset(changed.next().expect("the third"));
}
