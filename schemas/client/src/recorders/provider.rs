//! `provider`: the size that a tenant's data is taken to have, from what it holds.

use meterline_core::quantity::{NotAQuantity, Quantity};

/// Bytes that things are taken to need; settings of the platform.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sizes {
    /// What a tenant needs before it holds anything.
    pub base: u64,
    /// A sale.
    pub sale: u64,
    /// A ticket.
    pub ticket: u64,
    /// An entry of the audit log.
    pub audit_entry: u64,
}

impl Default for Sizes {
    /// 100 MB, 1 KB, 512 B and 256 B; KB and MB are powers of 1,024 here.
    fn default() -> Self {
        Self {
            base: 100 << 20,
            sale: 1 << 10,
            ticket: 512,
            audit_entry: 256,
        }
    }
}

/// What a tenant holds at a moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Holdings {
    /// Sales.
    pub sales: u64,
    /// Tickets.
    pub tickets: u64,
    /// Entries of the audit log.
    pub audit_entries: u64,
}

/// The bytes of a tenant, for an event `storage.size`.
///
/// ```
/// use meterline_client::Usage;
/// use meterline_client::recorders::provider::{Holdings, Sizes, storage_bytes};
///
/// let holdings = Holdings { sales: 1_000, tickets: 10, audit_entries: 4 };
/// let bytes = storage_bytes(&holdings, &Sizes::default())?;
/// assert_eq!(bytes.to_string(), "105887744");
/// let level = Usage::new("storage.size", "shop-7").quantity(bytes);
/// # Ok::<(), meterline_client::NotAQuantity>(())
/// ```
///
/// # Errors
/// The product is beyond 29 digits.
pub fn storage_bytes(holdings: &Holdings, sizes: &Sizes) -> Result<Quantity, NotAQuantity> {
    let parts = [
        (1, sizes.base),
        (holdings.sales, sizes.sale),
        (holdings.tickets, sizes.ticket),
        (holdings.audit_entries, sizes.audit_entry),
    ];
    parts
        .into_iter()
        .try_fold(Quantity::ZERO, |sum, (count, size)| {
            let whole = |number: u64| Quantity::from_unscaled(i128::from(number), 0);
            sum.plus(whole(count)?.times(whole(size)?)?)
        })
}
