//! Faults: which of them a request meets.
//!
//! After a network error "clients are left in a state where they don't know whether or not the
//! server received the request"; "you should treat the result of a `500` request as indeterminate"
//! (<https://docs.stripe.com/error-low-level>).

use crate::account::Account;
use rand::Rng;

/// What goes wrong with a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    TimeoutAfter,
    TimeoutBefore,
    TooMany,
    /// Whether it was done nevertheless.
    ServerError {
        done: bool,
    },
    LockTimeout {
        status: u16,
    },
    Reset,
}

/// Draws what goes wrong with the next request.
pub(crate) fn draw(account: &mut Account) -> Option<Fault> {
    let now = account.now();
    let faults = &account.settings.faults;
    if faults
        .outages
        .iter()
        .any(|outage| (outage.from..outage.until).contains(&now))
    {
        return Some(Fault::Reset);
    }
    let shares = [
        faults.timeout_after,
        faults.timeout_before,
        faults.too_many,
        faults.server_error,
        faults.lock_timeout,
        faults.reset,
    ];
    let hit = |share: f64| share > 0.0 && account.random.random_bool(share.min(1.0));
    let drawn = shares.map(hit).iter().position(|hit| *hit)?;
    let coin = account.random.random_bool(0.5);
    Some(match drawn {
        0 => Fault::TimeoutAfter,
        1 => Fault::TimeoutBefore,
        2 => Fault::TooMany,
        3 => Fault::ServerError { done: coin },
        4 => Fault::LockTimeout {
            status: if coin { 409 } else { 429 },
        },
        _ => Fault::Reset,
    })
}
