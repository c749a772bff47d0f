//! `operate`: one line for a tracked feature, whose quantity is 1 where nothing else is said.

use crate::usage::Usage;

/// One use of a feature (`PDF_EXPORT`, `OCR_SCAN`, …) by an organization; say more with
/// [`Usage::quantity`] where it was more.
///
/// The product's default of 1 is written here, because Meterline refuses an event that says no
/// quantity rather than guess one.
///
/// ```
/// use meterline_client::recorders::operate::feature;
///
/// let export = feature("PDF_EXPORT", "org-4").request_id("req-9");
/// let scans = feature("OCR_SCAN", "org-4").quantity(12).property("document_type", "invoice");
/// ```
pub fn feature<'a>(identifier: &'a str, organization: &'a str) -> Usage<'a> {
    Usage::new(identifier, organization).quantity(1)
}
