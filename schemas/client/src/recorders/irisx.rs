//! `irisx`: calls, messages and e-mails that have succeeded, each once.
//!
//! Every function gives `None` for what is not charged, so that recording is one line:
//!
//! ```no_run
//! use meterline_client::recorders::irisx::{self, Direction, Message};
//!
//! # fn sent(client: &meterline_client::Client) -> Result<(), meterline_client::EmitError> {
//! let message = Message {
//!     id: "SM-17",
//!     direction: Direction::Outbound,
//!     status: "delivered",
//!     media_types: &["image/png"],
//! };
//! irisx::message("acme", &message).map_or(Ok(()), |usage| client.emit(usage))
//! # }
//! ```

use super::{Backwards, seconds_between};
use crate::usage::Usage;
use std::time::SystemTime;

/// Which way it went. Only outbound use is charged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// From the tenant.
    Outbound,
    /// To the tenant.
    Inbound,
}

/// A call, as its detail record or webhook tells it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Call<'a> {
    /// The call's id.
    pub id: &'a str,
    /// Which way it went.
    pub direction: Direction,
    /// Its state; `completed` is charged.
    pub status: &'a str,
    /// When it was answered.
    pub answered: SystemTime,
    /// When it ended.
    pub ended: SystemTime,
    /// Who carried it, where known.
    pub carrier: Option<&'a str>,
    /// Where to, as a region and never as a number.
    pub region: Option<&'a str>,
}

/// A text message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Message<'a> {
    /// The message's id.
    pub id: &'a str,
    /// Which way it went.
    pub direction: Direction,
    /// Its state; `sent` and `delivered` are charged.
    pub status: &'a str,
    /// The types of its media; empty for plain text.
    pub media_types: &'a [&'a str],
}

/// An e-mail.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Email<'a> {
    /// The e-mail's id.
    pub id: &'a str,
    /// Its state; `sent` and `delivered` are charged.
    pub status: &'a str,
    /// Addressees in To.
    pub to: usize,
    /// Addressees in Cc.
    pub cc: usize,
    /// Addressees in Bcc.
    pub bcc: usize,
}

/// What a call used: its seconds, exactly. Its time is the call's end.
///
/// # Errors
/// The call ended before it was answered.
pub fn call<'a>(tenant: &'a str, call: &Call<'a>) -> Result<Option<Usage<'a>>, Backwards> {
    let is_charged = call.direction == Direction::Outbound && call.status == "completed";
    if !is_charged || call.answered == call.ended {
        return Ok(None);
    }
    let seconds = seconds_between(call.answered, call.ended)?;
    let usage = Usage::new("call.ended", tenant)
        .resource(call.id, "minute")
        .at(call.ended)
        .property("direction", "outbound")
        .property("status", call.status)
        .amount("duration_seconds", seconds);
    let places = [("carrier", call.carrier), ("region", call.region)];
    let known = places.into_iter().filter_map(|(k, v)| Some((k, v?)));
    Ok(Some(known.fold(usage, |usage, (key, value)| {
        usage.property(key, value)
    })))
}

/// What a message used: one message, or one MMS where it has media.
#[must_use]
pub fn message<'a>(tenant: &'a str, message: &Message<'a>) -> Option<Usage<'a>> {
    let is_charged = message.direction == Direction::Outbound && was_accepted(message.status);
    let first = message.media_types.first();
    let resource_type = if first.is_some() { "mms" } else { "message" };
    let usage = Usage::new("sms.sent", tenant)
        .resource(message.id, resource_type)
        .property("direction", "outbound")
        .property("status", message.status);
    let usage = match first {
        Some(media_type) => usage.property("media_type", *media_type),
        None => usage,
    };
    is_charged.then_some(usage)
}

/// What an e-mail used: one for each recipient, in To, Cc and Bcc.
#[must_use]
pub fn email<'a>(tenant: &'a str, email: &Email<'a>) -> Option<Usage<'a>> {
    let recipients = email.to + email.cc + email.bcc;
    let is_charged = was_accepted(email.status) && recipients > 0;
    let usage = Usage::new("email.sent", tenant)
        .resource(email.id, "message")
        .property("direction", "outbound")
        .property("status", email.status)
        .amount("recipients", recipients);
    is_charged.then_some(usage)
}

fn was_accepted(status: &str) -> bool {
    matches!(status, "sent" | "delivered")
}
