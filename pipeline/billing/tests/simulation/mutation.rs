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
    /// A call that Stripe may have taken counts as not taken: it is made again while the first one
    /// may still arrive after it, and be the one that was received last.
    LastReceivedIgnored,
    /// A window is confirmed without looking at its summary.
    ConfirmedByTheAnswer,
}
