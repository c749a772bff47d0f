//! What an account must keep to before it is written.

use super::effective;
use crate::account::{AccountTerms, LimitOverride, Override};
use crate::accounts::customer_fault;
use crate::catalog::check::plans::{Measures, terms as rules, too_long};
use crate::catalog::plans::{Cap, Plans, Terms};
use crate::catalog::{Catalog, Problem};
use crate::nearest::hint;
use crate::period::Zone;
use crate::time::parse_rfc3339;

/// Longest name: it is shown, never computed with.
const NAME_BYTES_MAX: usize = 256;
/// Most overrides: one for each of the most meters.
const OVERRIDES_MAX: usize = crate::catalog::check::METERS_MAX;
/// Most people to tell.
const CONTACTS_MAX: usize = 32;
/// Longest e-mail address (RFC 5321, sections 4.5.3.1.1 and 4.5.3.1.3: a path of 256 with its two
/// brackets) and part before the `@`.
const EMAIL_BYTES_MAX: usize = 254;
const EMAIL_LOCAL_BYTES_MAX: usize = 64;

/// All that is wrong with an account under this catalog, which is the newest; empty when it may
/// be written. Paths are those of [`AccountTerms`], such as `overrides.storage_gb.limit`.
#[must_use]
pub fn check_account(terms: &AccountTerms, catalog: &Catalog) -> Vec<Problem> {
    let mut problems = Vec::new();
    problems.extend(too_long("name", &terms.name, NAME_BYTES_MAX));
    if terms.name.chars().any(char::is_control) {
        problems.push(Problem::new("name", "holds a control character"));
    }
    plan(&terms.plan, &catalog.plans, &mut problems);
    start(&terms.start, &mut problems);
    time_zone(&terms.time_zone, &mut problems);
    overrides(terms, catalog, &mut problems);
    contacts(&terms.contacts, &mut problems);
    let customer = terms.stripe_customer.as_deref();
    let fault = customer.and_then(customer_fault);
    problems.extend(fault.map(|reason| Problem::new("stripe_customer", reason)));
    problems
}

fn plan(plan: &str, plans: &Plans, problems: &mut Vec<Problem>) {
    if plans.plan(plan).is_none() {
        let known = plans.plans.iter().map(|plan| plan.name.as_str());
        let reason = format!("`{plan}` is no plan of the catalog: {}", hint(plan, known));
        problems.push(Problem::new("plan", reason));
    }
}

fn start(start: &str, problems: &mut Vec<Problem>) {
    let is_date = start.len() == 10 && parse_rfc3339(&format!("{start}T00:00:00Z")).is_some();
    if !is_date {
        let reason = format!("`{start}` is no date: write YYYY-MM-DD");
        problems.push(Problem::new("start", reason));
    }
}

fn time_zone(zone: &str, problems: &mut Vec<Problem>) {
    if let Err(reason) = Zone::parse(zone) {
        problems.push(Problem::new("time_zone", reason.to_string()));
    }
}

fn overrides(terms: &AccountTerms, catalog: &Catalog, problems: &mut Vec<Problem>) {
    let count = terms.overrides.len();
    if count > OVERRIDES_MAX {
        let reason = format!("are {count}, more than {OVERRIDES_MAX}");
        problems.push(Problem::new("overrides", reason));
        return;
    }
    let measures = Measures::of(catalog);
    for (meter, of) in &terms.overrides {
        let path = format!("overrides.{meter}");
        if let Some(reason) = measures.cannot_be_limited(meter) {
            problems.push(Problem::new(path, reason));
            continue;
        }
        by_itself(of, &path, problems);
        let result = effective(&catalog.plans, &terms.plan, meter, Some(of));
        let result = result.expect("an override makes terms");
        with_the_plan(of, &result, &path, problems);
    }
}

/// The rules for what an override says, whatever the plan.
fn by_itself(of: &Override, path: &str, problems: &mut Vec<Problem>) {
    let at = |field: &str| format!("{path}.{field}");
    if let Some(included) = of.included {
        problems.extend(rules::below_zero(at("included"), included));
    }
    if let Some(LimitOverride::At(limit)) = of.limit {
        problems.extend(rules::below_zero(at("limit"), limit));
    }
    if let Some(grace) = &of.grace {
        rules::grace(&at("grace"), grace, problems);
    }
    if let Some(thresholds) = &of.thresholds {
        rules::thresholds(&at("thresholds"), thresholds, problems);
    }
}

/// The rules for what comes out of plan and override; only what the override says is refused.
fn with_the_plan(of: &Override, result: &Terms, path: &str, problems: &mut Vec<Problem>) {
    let at = |field: &str| format!("{path}.{field}");
    if rules::included_above_limit(result) {
        let field = match (of.included, of.limit) {
            (Some(_), _) => Some("included"),
            (None, Some(_)) => Some("limit"),
            (None, None) => None,
        };
        let problem = |field| Problem::new(at(field), rules::INCLUDED_ABOVE_LIMIT);
        problems.extend(field.map(problem));
    }
    if of.cap.is_some_and(|cap| cap != Cap::None) && result.limit.is_none() {
        problems.push(Problem::new(at("cap"), rules::CAP_WITHOUT_LIMIT));
    }
    if of.grace.is_some() && result.cap != Cap::Soft {
        problems.push(Problem::new(at("grace"), rules::GRACE_WITHOUT_CAP));
    }
}

fn contacts(contacts: &[String], problems: &mut Vec<Problem>) {
    if contacts.len() > CONTACTS_MAX {
        let reason = format!("are {}, more than {CONTACTS_MAX}", contacts.len());
        problems.push(Problem::new("contacts", reason));
        return;
    }
    for (index, contact) in contacts.iter().enumerate() {
        let path = format!("contacts[{index}]");
        if !is_email(contact) {
            let reason = "is no e-mail address: write one such as `name@example.org`";
            problems.push(Problem::new(path, reason));
        } else if let Some(first) = contacts[..index].iter().position(|c| c == contact) {
            let reason = format!("is contacts[{first}] already");
            problems.push(Problem::new(path, reason));
        }
    }
}

/// Whether it has the form of an e-mail address that needs no quotes: dot-atoms on both sides of
/// the `@` (RFC 5322, section 3.4.1), the domain of letters, digits and hyphens.
///
/// Nothing that passes can end a line or begin another address.
fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else {
        return false;
    };
    let symbol = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&b);
    let atoms = |text: &str, of: &dyn Fn(u8) -> bool| {
        text.split('.')
            .all(|atom| !atom.is_empty() && atom.bytes().all(of))
    };
    let label = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    let hyphens = |label: &str| label.starts_with('-') || label.ends_with('-');
    text.len() <= EMAIL_BYTES_MAX
        && local.len() <= EMAIL_LOCAL_BYTES_MAX
        && atoms(local, &symbol)
        && atoms(domain, &label)
        && !domain.split('.').any(hyphens)
}
