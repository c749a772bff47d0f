//! The way of a request: let in, in work, answered or not.
//!
//! The order is Stripe's: who asks, how often, whether it was asked before, then the endpoint.
//! Faults of the network come before all of that and after. Invariant: what is in work is ended
//! exactly once, whether or not anybody still waits for the answer.

use crate::account::Account;
use crate::faults::{self, Fault};
use crate::form::Form;
use crate::limits::{METER_EVENTS, Subject};
use crate::meter_events;
use crate::refusal::Refusal;
use crate::request::{Answer, Request};
use crate::truth::Seen;

/// A request that was let in.
#[derive(Debug)]
pub(crate) struct Ticket {
    pub(crate) request: Request,
    subject: Option<Subject>,
    fault: Option<Fault>,
}

/// What comes back over the wire.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Outcome {
    Answer(Answer),
    /// Nothing: the client waits.
    Silence,
    /// The connection is reset.
    Reset,
}

/// Lets a request in, or ends it.
pub(crate) fn enter(account: &mut Account, request: Request) -> Result<Ticket, Outcome> {
    let fault = faults::draw(account);
    match fault {
        Some(Fault::Reset) => return Err(ended(account, &request, Outcome::Reset)),
        Some(Fault::TimeoutBefore) => return Err(ended(account, &request, Outcome::Silence)),
        _ => {}
    }
    match admitted(account, &request, fault) {
        Ok(Admission::Known(answer)) => {
            // An answer that is repeated can be lost like the first one.
            let outcome = match fault {
                Some(Fault::TimeoutAfter) => Outcome::Silence,
                _ => Outcome::Answer(answer),
            };
            Err(ended(account, &request, outcome))
        }
        Ok(Admission::New(subject)) => Ok(Ticket {
            request,
            subject,
            fault,
        }),
        Err(refusal) => {
            let outcome = Outcome::Answer(refusal.answer());
            Err(ended(account, &request, outcome))
        }
    }
}

enum Admission {
    Known(Answer),
    New(Option<Subject>),
}

fn admitted(
    account: &mut Account,
    request: &Request,
    fault: Option<Fault>,
) -> Result<Admission, Refusal> {
    check_key(account, request)?;
    match fault {
        Some(Fault::TooMany) => return Err(Refusal::too_many("global-concurrency")),
        Some(Fault::LockTimeout { status }) => return Err(Refusal::lock_timeout(status)),
        _ => {}
    }
    let operation = request.operation();
    let subject = (operation == METER_EVENTS)
        .then(|| meter_events::subject(account, &Form::parse(&request.body)))
        .flatten();
    let (limits, now) = (account.settings.limits, account.now());
    let entered = account
        .limiter
        .enter(limits, now, &operation, subject.as_ref());
    entered.map_err(Refusal::too_many)?;
    let known = account.keys.take(request);
    if let Some(subject) = &subject
        && !matches!(known, Ok(None))
    {
        account.limiter.leave(subject);
    }
    Ok(match known? {
        Some(answer) => Admission::Known(answer),
        None => Admission::New(subject),
    })
}

/// "401 Unauthorized: No valid API key provided. 403 Forbidden: The API key doesn't have permissions
/// to perform the request." (<https://docs.stripe.com/api/errors>)
fn check_key(account: &Account, request: &Request) -> Result<(), Refusal> {
    let Some(given) = &request.key else {
        return Err(Refusal::unauthorized());
    };
    let keys = &account.settings.keys;
    if keys.is_empty() {
        return Ok(());
    }
    let key = keys.iter().find(|key| key.secret == *given);
    let key = key.ok_or_else(Refusal::unauthorized)?;
    let resource = request.resource();
    if key.denied.contains(&resource) {
        return Err(Refusal::forbidden(&resource));
    }
    Ok(())
}

/// Does what was let in.
pub(crate) fn finish(account: &mut Account, ticket: &Ticket) -> Outcome {
    let request = &ticket.request;
    let answer = match ticket.fault {
        Some(Fault::ServerError { done }) => {
            if done {
                account.answer(request);
            }
            Refusal::server_error().answer()
        }
        _ => account.answer(request),
    };
    let now = account.now();
    account.keys.settle(request, now, Some(&answer));
    leave(account, ticket);
    if ticket.fault == Some(Fault::TimeoutAfter) {
        account
            .calls
            .note(now, request, Some(&answer), Seen::Nothing);
        return Outcome::Silence;
    }
    account
        .calls
        .note(now, request, Some(&answer), Seen::Answer);
    Outcome::Answer(answer)
}

/// Gives up what was let in and nobody waits for any more, before it was done.
pub(crate) fn abandon(account: &mut Account, ticket: &Ticket) {
    let now = account.now();
    account.keys.settle(&ticket.request, now, None);
    leave(account, ticket);
    account
        .calls
        .note(now, &ticket.request, None, Seen::Nothing);
}

fn leave(account: &mut Account, ticket: &Ticket) {
    if let Some(subject) = &ticket.subject {
        account.limiter.leave(subject);
    }
}

fn ended(account: &mut Account, request: &Request, outcome: Outcome) -> Outcome {
    let (answer, seen) = match &outcome {
        Outcome::Answer(answer) => (Some(answer), Seen::Answer),
        Outcome::Silence | Outcome::Reset => (None, Seen::Nothing),
    };
    let now = account.now();
    account.calls.note(now, request, answer, seen);
    outcome
}
