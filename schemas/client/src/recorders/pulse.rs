//! `pulse`: what a participant or an egress used, told once, when it has ended.

use super::{Backwards, seconds_between};
use crate::usage::Usage;
use std::time::SystemTime;

/// A participant's stay in a room.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stay<'a> {
    /// The id of the stay; the same participant may come again under another one.
    pub session_id: &'a str,
    /// The room.
    pub room: &'a str,
    /// The participant, by the platform's own id.
    pub participant: &'a str,
    /// When the participant came.
    pub joined: SystemTime,
    /// When the participant left.
    pub left: SystemTime,
}

/// The seconds of a stay, exactly. Its time is its end.
///
/// # Errors
/// The participant left before coming.
pub fn participant_left<'a>(project: &'a str, stay: &Stay<'a>) -> Result<Usage<'a>, Backwards> {
    let seconds = seconds_between(stay.joined, stay.left)?;
    let usage = Usage::new("participant.left", project)
        .session_id(stay.session_id)
        .at(stay.left)
        .quantity(seconds);
    Ok(usage
        .property("room", stay.room)
        .property("participant", stay.participant))
}

/// The seconds of an egress (a recording or a stream out), exactly. Its time is its end.
///
/// # Errors
/// The egress ended before it started.
pub fn egress_ended<'a>(
    project: &'a str,
    egress_id: &'a str,
    started: SystemTime,
    ended: SystemTime,
) -> Result<Usage<'a>, Backwards> {
    let seconds = seconds_between(started, ended)?;
    let usage = Usage::new("egress.ended", project)
        .session_id(egress_id)
        .at(ended);
    Ok(usage.quantity(seconds).property("egress_id", egress_id))
}
