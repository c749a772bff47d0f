//! Subscription schedules: a change of plan at the end of a period.
//!
//! Source: <https://docs.stripe.com/api/subscription_schedules>. A schedule is made of a
//! subscription, is told what comes after the present phase, and lets the subscription go when that
//! has begun. Refuses other phases than the present one and the next.

use crate::form::{Form, path_part};
use crate::request::Write;
use crate::requests::subscriptions::{NewItem, put_items};
use serde::Deserialize;

/// A schedule.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct Schedule {
    /// Its id.
    pub id: String,
    /// The id of the subscription that it changes; a released one has none.
    pub subscription: Option<String>,
    /// `not_started`, `active`, `completed`, `released` or `canceled`.
    pub status: String,
    /// The phase that the subscription is in.
    pub current_phase: Option<CurrentPhase>,
}

/// The phase that a subscription is in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
pub struct CurrentPhase {
    /// Its first second.
    pub start_date: i64,
    /// The first second after it: the end of the period.
    pub end_date: i64,
}

/// Makes a schedule of a subscription as it is.
#[must_use]
pub fn create(subscription: &str) -> Write<Schedule> {
    let mut form = Form::default();
    form.put("from_subscription", subscription);
    Write::post("/v1/subscription_schedules", &form)
}

/// Keeps the items of the present phase to its end, and has others from there on. Nothing is
/// prorated, since the change is at the end of a period; the schedule then lets the subscription go.
#[must_use]
pub fn set_next(
    id: &str,
    phase: CurrentPhase,
    present: &[NewItem<'_>],
    next: &[NewItem<'_>],
) -> Write<Schedule> {
    let mut form = Form::default();
    form.put("end_behavior", "release");
    form.put("phases[0][start_date]", phase.start_date);
    form.put("phases[0][end_date]", phase.end_date);
    put_items(&mut form, "phases[0][items]", present);
    put_items(&mut form, "phases[1][items]", next);
    form.put("phases[1][duration][interval]", "month");
    form.put("phases[1][duration][interval_count]", 1);
    form.put("phases[1][proration_behavior]", "none");
    Write::post(
        format!("/v1/subscription_schedules/{}", path_part(id)),
        &form,
    )
}

/// Takes a change back: the subscription goes on as it is.
#[must_use]
pub fn release(id: &str) -> Write<Schedule> {
    let mut form = Form::default();
    form.put("preserve_cancel_date", true);
    Write::post(
        format!("/v1/subscription_schedules/{}/release", path_part(id)),
        &form,
    )
}
