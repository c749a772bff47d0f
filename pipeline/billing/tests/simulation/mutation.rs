//! Defects that are put between the engine and the world, to show that the simulation finds them.

/// A defect.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mutation {
    /// The identifier is made of tenant, meter, window and revision: pushes of an open hour, whose
    /// revision is 0, share one.
    IdentifierOfTheRevision,
    /// Stripe is called before the intent is in the log.
    LedgerAfterTheCall,
    /// The customer is the one that the account has now, not the one of the window's first intent.
    CustomerOfTheCurrentLink,
    /// A window is confirmed without looking at its summary.
    ConfirmedByTheAnswer,
}
