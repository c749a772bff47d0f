//! Invoices: drafts that follow usage, and what is final.
//!
//! Invariant: a final invoice never changes its lines. "If you cancel usage that's included on a
//! finalized invoice, we won't update the invoice or issue a corrected invoice for the canceled
//! usage." (<https://docs.stripe.com/billing/subscriptions/usage-based/meters/configure>) Sources:
//! <https://docs.stripe.com/api/invoices>,
//! <https://docs.stripe.com/billing/subscriptions/usage-based/configure-grace-period>.

use crate::account::{Account, Due};
use crate::events;
use crate::form::Form;
use crate::invoice_items;
use crate::invoice_views::{self, json};
use crate::lines::{self, Line};
use crate::payments;
use crate::previews;
use crate::refusal::Refusal;
use crate::request::Call;
use crate::settings::SECOND;
use serde_json::Value;
use std::collections::BTreeMap;
use std::ops::Range;

/// Where an invoice is in its life.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Status {
    Draft,
    Open,
    Paid,
    Void,
}

impl Status {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Open => "open",
            Self::Paid => "paid",
            Self::Void => "void",
        }
    }
}

/// An invoice.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Invoice {
    pub(crate) id: String,
    pub(crate) customer: String,
    pub(crate) subscription: Option<String>,
    pub(crate) currency: String,
    pub(crate) status: Status,
    /// Of a draft without the quantities of its metered lines.
    pub(crate) lines: Vec<Line>,
    pub(crate) attempts: i64,
    pub(crate) paid_at: Option<i64>,
    pub(crate) period: Range<i64>,
    pub(crate) billing_reason: &'static str,
    pub(crate) number: Option<String>,
    pub(crate) auto_advance: bool,
    /// When it is planned to be final, in seconds; shown only when Stripe would plan it.
    pub(crate) finalizes_at: Option<i64>,
    pub(crate) finalized_at: Option<i64>,
    pub(crate) voided_at: Option<i64>,
    pub(crate) description: Option<String>,
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) created: i64,
}

/// `/v1/invoices…`
pub(crate) fn call(account: &mut Account, call: &Call<'_>) -> Result<Value, Refusal> {
    match (call.method, call.rest) {
        ("POST", []) => create(account, &call.form),
        ("POST", ["create_preview"]) => previews::create(account, &call.form),
        ("GET", []) => invoice_views::list(account, &call.form),
        ("GET", [id]) => Ok(json(account, found(account, id)?)),
        ("POST", [id]) => update(account, id, &call.form),
        ("GET", [id, "lines"]) => invoice_views::list_lines(account, id, &call.form),
        ("POST", [id, "finalize"]) => {
            call.form.only(&["auto_advance"])?;
            must_be(account, id, Status::Draft, "finalized")?;
            finalize(account, id);
            Ok(json(account, found(account, id)?))
        }
        ("POST", [id, "void"]) => {
            must_be(account, id, Status::Open, "voided")?;
            void(account, id);
            Ok(json(account, found(account, id)?))
        }
        _ => Err(call.no_such_route()),
    }
}

pub(crate) fn found<'a>(account: &'a Account, id: &str) -> Result<&'a Invoice, Refusal> {
    account
        .invoices
        .get(id)
        .ok_or_else(|| Refusal::no_such("invoice", id))
}

fn must_be(account: &Account, id: &str, status: Status, done: &str) -> Result<(), Refusal> {
    let invoice = found(account, id)?;
    if invoice.status == status {
        return Ok(());
    }
    let message = format!(
        "An invoice that is {} can't be {done}.",
        invoice.status.name()
    );
    Err(Refusal::bad(&message))
}

/// The lines as they are, or as they would be billed now.
pub(crate) fn current_lines(account: &Account, invoice: &Invoice) -> Vec<Line> {
    if invoice.status != Status::Draft {
        return invoice.lines.clone();
    }
    let current = |line| lines::current(account, &invoice.customer, line);
    invoice.lines.iter().map(current).collect()
}

/// A draft of a subscription's period; returns its id.
pub(crate) fn create_for(
    account: &mut Account,
    subscription: &str,
    period: Range<i64>,
    billing_reason: &'static str,
    lines: Vec<Line>,
) -> String {
    let id = account.new_id("in");
    let terms = account
        .subscriptions
        .get_mut(subscription)
        .map(|subscription| {
            subscription.latest_invoice = Some(id.clone());
            (subscription.customer.clone(), subscription.currency.clone())
        });
    let (customer, currency) = terms.unwrap_or_default();
    let mut invoice = blank(account, customer, currency);
    invoice.id.clone_from(&id);
    invoice.subscription = Some(subscription.to_owned());
    invoice.period = period;
    invoice.billing_reason = billing_reason;
    invoice.lines = lines;
    invoice.auto_advance = true;
    invoice
        .lines
        .extend(invoice_items::take_pending(account, &invoice));
    let finalizes_at = account.now() + account.settings.finalization_delay;
    plan(account, &mut invoice, finalizes_at);
    store(account, invoice);
    id
}

/// A draft without lines.
pub(crate) fn blank(account: &Account, customer: String, currency: String) -> Invoice {
    let now = account.seconds();
    Invoice {
        id: String::new(),
        customer,
        subscription: None,
        currency,
        status: Status::Draft,
        lines: Vec::new(),
        attempts: 0,
        paid_at: None,
        period: now..now,
        billing_reason: "manual",
        number: None,
        auto_advance: false,
        finalizes_at: None,
        finalized_at: None,
        voided_at: None,
        description: None,
        metadata: BTreeMap::new(),
        created: now,
    }
}

fn store(account: &mut Account, invoice: Invoice) {
    let created = json(account, &invoice);
    account.invoices.insert(invoice.id.clone(), invoice);
    events::publish(account, "invoice.created", created);
}

/// Plans the finalization, at a time in milliseconds.
fn plan(account: &mut Account, invoice: &mut Invoice, at: i64) {
    invoice.finalizes_at = Some(at.div_euclid(SECOND));
    account.at(at, Due::Finalize(invoice.id.clone()));
}

fn create(account: &mut Account, form: &Form) -> Result<Value, Refusal> {
    form.only(&[
        "auto_advance",
        "currency",
        "customer",
        "description",
        "metadata",
    ])?;
    let customer = form.required("customer")?.to_owned();
    if !account.customers.contains_key(&customer) {
        return Err(Refusal::names_no("customer", "customer", &customer));
    }
    let currency = form.get("currency").unwrap_or("usd").to_owned();
    let mut invoice = blank(account, customer, currency);
    invoice.id = account.new_id("in");
    invoice.description = form.get("description").map(str::to_owned);
    form.change_metadata(&mut invoice.metadata);
    if form.boolean("auto_advance")? == Some(true) {
        invoice.auto_advance = true;
        let finalizes_at = account.now() + account.settings.finalization_delay;
        plan(account, &mut invoice, finalizes_at);
    }
    let created = json(account, &invoice);
    store(account, invoice);
    Ok(created)
}

/// "You can toggle the `auto_advance` property on `draft` and `open` invoices."
/// (<https://docs.stripe.com/invoicing/integration/automatic-advancement-collection>)
fn update(account: &mut Account, id: &str, form: &Form) -> Result<Value, Refusal> {
    form.only(&[
        "auto_advance",
        "automatically_finalizes_at",
        "description",
        "metadata",
    ])?;
    let mut invoice = found(account, id)?.clone();
    let advance = form.boolean("auto_advance")?;
    let finalizes_at = form.integer("automatically_finalizes_at")?;
    if finalizes_at.is_some() {
        must_be(account, id, Status::Draft, "scheduled")?;
    }
    if let Some(description) = form.get("description") {
        invoice.description = Some(description.to_owned());
    }
    form.change_metadata(&mut invoice.metadata);
    if invoice.status == Status::Draft && (advance.is_some() || finalizes_at.is_some()) {
        reschedule(account, &mut invoice, advance, finalizes_at)?;
    }
    let updated = json(account, &invoice);
    account.invoices.insert(id.to_owned(), invoice);
    events::publish(account, "invoice.updated", updated.clone());
    Ok(updated)
}

/// Holds a draft, or lets it go; a subscription's no longer than [`crate::Settings::hold_max`].
fn reschedule(
    account: &mut Account,
    invoice: &mut Invoice,
    advance: Option<bool>,
    finalizes_at: Option<i64>,
) -> Result<(), Refusal> {
    let latest = invoice.created * SECOND + account.settings.hold_max;
    invoice.auto_advance = advance.unwrap_or(invoice.auto_advance);
    if !invoice.auto_advance {
        invoice.finalizes_at = None;
        if invoice.subscription.is_some() {
            plan(account, invoice, latest);
        }
        return Ok(());
    }
    let earliest = invoice.created * SECOND + account.settings.finalization_delay;
    let at = finalizes_at.map_or(earliest.max(account.now()), |at| at * SECOND);
    let wrong = |message| Err(Refusal::parameter("automatically_finalizes_at", message));
    if at < account.now() {
        return wrong("The time of finalization must be in the future.");
    }
    if invoice.subscription.is_some() && at > latest {
        return wrong("A draft can be held for no more than 72 hours.");
    }
    plan(account, invoice, at);
    Ok(())
}

/// Finalizes a draft whose time has come; one that was rescheduled waits.
pub(crate) fn finalize_if_due(account: &mut Account, id: &str) {
    let now = account.seconds();
    let due = |invoice: &Invoice| {
        invoice.status == Status::Draft && invoice.finalizes_at.is_some_and(|at| at <= now)
    };
    if account.invoices.get(id).is_some_and(due) {
        finalize(account, id);
    }
}

/// Freezes the lines, and has the invoice paid.
pub(crate) fn finalize(account: &mut Account, id: &str) {
    let Some(mut invoice) = account.invoices.get(id).cloned() else {
        return;
    };
    invoice.lines = current_lines(account, &invoice);
    invoice.status = Status::Open;
    invoice.finalized_at = Some(account.seconds());
    invoice.number = Some(account.new_id("FAKE").replace('_', "-"));
    let finalized = json(account, &invoice);
    account.invoices.insert(id.to_owned(), invoice);
    events::publish(account, "invoice.finalized", finalized);
    payments::collect(account, id);
}

fn void(account: &mut Account, id: &str) {
    let now = account.seconds();
    if let Some(invoice) = account.invoices.get_mut(id) {
        invoice.status = Status::Void;
        invoice.voided_at = Some(now);
        let voided = invoice.clone();
        let voided = json(account, &voided);
        events::publish(account, "invoice.voided", voided);
    }
}
