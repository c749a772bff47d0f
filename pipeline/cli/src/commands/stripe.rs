//! `stripe`: what Stripe was told of usage, and what it made of it.

use super::Session;
use crate::args::stripe::StripeCommand;
use crate::failure::Failure;

mod reconcile;
mod statement;
mod status;

/// Runs the command.
pub(crate) fn run(command: &StripeCommand, session: &Session<'_>) -> Result<(), Failure> {
    match command {
        StripeCommand::Status(args) => status::run(args, session),
        StripeCommand::Reconcile(args) => reconcile::run(args, session),
        StripeCommand::Statement(args) => statement::run(args, session),
    }
}
