//! `stripe`: setting it up, what it was told of usage, and what it made of it.

use super::Session;
use crate::args::stripe::{CustomerCommand, StripeCommand};
use crate::failure::Failure;
use meterline_billing::stripe::Stripe;

mod customer;
mod reconcile;
mod setup;
mod statement;
mod status;

/// Runs the command.
pub(crate) fn run(command: &StripeCommand, session: &Session<'_>) -> Result<(), Failure> {
    match command {
        StripeCommand::Customer(CustomerCommand::Sync(args)) => customer::run(args, session),
        StripeCommand::Setup(args) => setup::run(args, session),
        StripeCommand::Status(args) => status::run(args, session),
        StripeCommand::Reconcile(args) => reconcile::run(args, session),
        StripeCommand::Statement(args) => statement::run(args, session),
    }
}

/// The connection to Stripe; nothing is sent yet.
fn connect(session: &Session<'_>) -> Result<Stripe, Failure> {
    let stripe = Stripe::connect(&session.settings.stripe);
    let failed = "set stripe.api_key_file (or stripe.api_key) and stripe.api_base";
    stripe.map_err(|error| Failure::Usage(anyhow::Error::new(error).context(failed)))
}
