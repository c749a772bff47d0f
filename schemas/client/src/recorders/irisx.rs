//! `irisx`: calls, messages and e-mails that have succeeded, each once.
//!
//! Every function gives `None` for what is not charged, so that recording is one line:
//!
//! ```no_run
//! use meterline_client::recorders::irisx::{self, Direction, Message};
//!
//! # fn sent(
//! #     client: &meterline_client::Client,
//! #     created_at: std::time::SystemTime,
//! # ) -> Result<(), meterline_client::EmitError> {
//! let message = Message {
//!     id: "SM-17",
//!     direction: Direction::Outbound,
//!     status: "delivered",
//!     sent: created_at,
//!     media_types: &["image/png"],
//!     carrier: Some("carrier-a"),
//!     region: Some("us"),
//! };
//! irisx::message("acme", &message).map_or(Ok(()), |usage| client.emit(usage))
//! # }
//! ```
//!
//! A use that is told twice (by a webhook and by a backfill, say) counts once: its id is the
//! resource's id and type, its time that of the use and not of the telling, and its source the
//! channel's ([`source`]), because channels number their messages independently.

use super::{Backwards, seconds_between};
use crate::usage::Usage;
use std::time::SystemTime;

/// What events of each channel name as their source, instead of the client's own.
///
/// [`Usage::source`] on what a function here returns sets another; whoever tells the same use
/// again must then set it too.
pub mod source {
    /// Of calls.
    pub const VOICE: &str = "//irisx/voice";
    /// Of text messages, with media or without.
    pub const SMS: &str = "//irisx/sms";
    /// Of e-mails.
    pub const EMAIL: &str = "//irisx/email";
    /// Of WhatsApp messages.
    pub const WHATSAPP: &str = "//irisx/whatsapp";
    /// Of messages on social media.
    pub const SOCIAL: &str = "//irisx/social";
}

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
    /// When it was sent, as the platform keeps it: the same whenever the message is told.
    pub sent: SystemTime,
    /// The types of its media; empty for plain text.
    pub media_types: &'a [&'a str],
    /// Who carried it, where known.
    pub carrier: Option<&'a str>,
    /// Where to, as a region and never as a number.
    pub region: Option<&'a str>,
}

/// A message on WhatsApp or on social media.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ChatMessage<'a> {
    /// The message's id.
    pub id: &'a str,
    /// Which way it went.
    pub direction: Direction,
    /// Its state; `sent` and `delivered` are charged.
    pub status: &'a str,
    /// When it was sent, as the platform keeps it.
    pub sent: SystemTime,
}

/// An e-mail.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Email<'a> {
    /// The e-mail's id.
    pub id: &'a str,
    /// Which way it went.
    pub direction: Direction,
    /// Its state; `sent` and `delivered` are charged.
    pub status: &'a str,
    /// When it was sent, as the platform keeps it.
    pub sent: SystemTime,
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
        .source(source::VOICE)
        .resource(call.id, "minute")
        .at(call.ended)
        .property("direction", "outbound")
        .property("status", call.status)
        .amount("duration_seconds", seconds);
    Ok(Some(routed(usage, call.carrier, call.region)))
}

/// What a message used: one message, or one MMS where it has media.
#[must_use]
pub fn message<'a>(tenant: &'a str, message: &Message<'a>) -> Option<Usage<'a>> {
    let first = message.media_types.first();
    let resource_type = if first.is_some() { "mms" } else { "message" };
    let usage = accepted("sms.sent", tenant, message.direction, message.status)?
        .source(source::SMS)
        .resource(message.id, resource_type)
        .at(message.sent);
    let usage = match first {
        Some(media_type) => usage.property("media_type", *media_type),
        None => usage,
    };
    Some(routed(usage, message.carrier, message.region))
}

/// What an e-mail used: one for each recipient, in To, Cc and Bcc.
#[must_use]
pub fn email<'a>(tenant: &'a str, email: &Email<'a>) -> Option<Usage<'a>> {
    let recipients = email.to + email.cc + email.bcc;
    if recipients == 0 {
        return None;
    }
    let usage = accepted("email.sent", tenant, email.direction, email.status)?
        .source(source::EMAIL)
        .resource(email.id, "message")
        .at(email.sent);
    Some(usage.amount("recipients", recipients))
}

/// What a WhatsApp message used: one message.
#[must_use]
pub fn whatsapp<'a>(tenant: &'a str, message: &ChatMessage<'a>) -> Option<Usage<'a>> {
    let usage = accepted("whatsapp.sent", tenant, message.direction, message.status)?;
    let usage = usage.source(source::WHATSAPP).at(message.sent);
    Some(usage.resource(message.id, "message"))
}

/// What a message on social media used: one message of that network (`facebook`, …). It has no
/// price, and counts all the same.
#[must_use]
pub fn social<'a>(
    tenant: &'a str,
    network: &'a str,
    message: &ChatMessage<'a>,
) -> Option<Usage<'a>> {
    let usage = accepted("social.sent", tenant, message.direction, message.status)?
        .source(source::SOCIAL)
        .resource(message.id, "message")
        .at(message.sent);
    Some(usage.property("network", network))
}

/// A use of a channel, where the platform took what the tenant sent.
fn accepted<'a>(
    event_type: &'static str,
    tenant: &'a str,
    direction: Direction,
    status: &'a str,
) -> Option<Usage<'a>> {
    let is_charged = direction == Direction::Outbound && matches!(status, "sent" | "delivered");
    let usage = Usage::new(event_type, tenant)
        .property("direction", "outbound")
        .property("status", status);
    is_charged.then_some(usage)
}

/// The use with its carrier and region, as far as they are known.
fn routed<'a>(usage: Usage<'a>, carrier: Option<&'a str>, region: Option<&'a str>) -> Usage<'a> {
    let known = [("carrier", carrier), ("region", region)];
    let known = known.into_iter().filter_map(|(k, v)| Some((k, v?)));
    known.fold(usage, |usage, (key, value)| usage.property(key, value))
}
