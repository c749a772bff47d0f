//! Snapshots: all accounts, keys and routes as bytes, so that a start does not read the log.
//!
//! The same state is always the same bytes. A binary reads only its own format; bytes that
//! contradict themselves are refused, and the log is read from its beginning instead. Damage is
//! for whoever stores them to find: there is no checksum in here.
//!
//! ```text
//! format u16 | position u64 | log time i64 | actors | accounts | keys | routes | customers
//! actors, accounts, keys, routes, customers: count u32, then each, by rising name or id
//! actor: text
//! account: id text, versions u32, then each
//! version: offset u64 | effective i64 | running u8 | actor u32, its place | name text | plan text
//!     | status u8 | start text | zone text | contacts u32, then texts | overrides text, JSON or ''
//!     | customer at Stripe text or ''
//! customer: id text | account text, the one that it was ever linked to
//! key, route: offset of its head u64, then text (JSON)
//! text: length u32, then UTF-8
//! ```
//! Integers are little-endian.

use super::account::{Account, Version};
use super::form::{self, Refused};
use super::snapshot::read::{Fault, Reader};
use super::{Accounts, Id};
use crate::account::{AccountStatus, AccountTerms, ApiKey, Route, RunningPeriod};
use crate::chain::{self, Chains};
use crate::halt::Halt;
use crate::position::Offset;
use serde::Serialize;
use serde::de::DeserializeOwned;
use smallvec::SmallVec;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

mod read;

/// Format of a snapshot; a binary takes only its own.
pub const SNAPSHOT_FORMAT: u16 = 2;

/// Bytes of a plain account, rounded up: what is set aside before writing.
const ACCOUNT_BYTES: usize = 192;

const RUNNING: [RunningPeriod; 2] = [RunningPeriod::Keep, RunningPeriod::Restart];
const STATUS: [AccountStatus; 3] = [
    AccountStatus::Active,
    AccountStatus::Suspended,
    AccountStatus::Closed,
];

impl Accounts {
    /// The state as bytes.
    #[must_use]
    pub fn snapshot(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.accounts.len() * ACCOUNT_BYTES);
        out.extend_from_slice(&SNAPSHOT_FORMAT.to_le_bytes());
        out.extend_from_slice(&self.position().to_le_bytes());
        out.extend_from_slice(&self.log_time().0.to_le_bytes());
        let actors = self.actors_in_use();
        write_count(&mut out, actors.len());
        for actor in actors.keys() {
            write_text(&mut out, actor);
        }
        write_count(&mut out, self.accounts.len());
        for (id, account) in &self.accounts {
            write_text(&mut out, id);
            write_count(&mut out, account.versions().len());
            for version in account.versions() {
                write_version(&mut out, version, actors[&*version.actor]);
            }
        }
        self.write_heads(&mut out, &self.keys, Id::ApiKey);
        self.write_heads(&mut out, &self.routes, Id::Route);
        write_count(&mut out, self.customers.len());
        for (customer, account) in &self.customers {
            write_text(&mut out, customer);
            write_text(&mut out, account);
        }
        out
    }

    /// Names of the actors of all versions that are kept, with their places.
    fn actors_in_use(&self) -> BTreeMap<&str, u32> {
        let versions = self.accounts.values().flat_map(Account::versions);
        let mut actors: BTreeMap<&str, u32> = BTreeMap::new();
        for version in versions {
            actors.entry(&version.actor).or_default();
        }
        for (place, at) in actors.values_mut().zip(0..) {
            *place = at;
        }
        actors
    }

    fn write_heads<T: Serialize>(
        &self,
        out: &mut Vec<u8>,
        contents: &BTreeMap<Arc<str>, Arc<T>>,
        key: fn(Arc<str>) -> Id,
    ) {
        write_count(out, contents.len());
        for (id, content) in contents {
            let head = self.chains.head(&key(Arc::clone(id)));
            let head = head.expect("a content in force is that of its chain's head");
            out.extend_from_slice(&head.to_le_bytes());
            write_json(out, &**content);
        }
    }

    /// Goes on from a snapshot.
    ///
    /// # Errors
    /// [`Halt::UnknownFormat`] where the bytes are of another format, contradict themselves, or
    /// hold what this binary does not fold by.
    pub fn restore(bytes: &[u8]) -> Result<Self, Halt> {
        read_accounts(&mut Reader::new(bytes)).map_err(|Fault(reason)| {
            Halt::UnknownFormat(format!(
                "a snapshot of accounts {reason}; read the log from its beginning instead"
            ))
        })
    }
}

fn write_count(out: &mut Vec<u8>, count: usize) {
    let count = u32::try_from(count).expect("2³² records in force are more than a log is read of");
    out.extend_from_slice(&count.to_le_bytes());
}

fn write_text(out: &mut Vec<u8>, text: &str) {
    write_count(out, text.len());
    out.extend_from_slice(text.as_bytes());
}

fn write_json(out: &mut Vec<u8>, content: &impl Serialize) {
    let text = serde_json::to_string(content);
    write_text(out, &text.expect("contents of records have a JSON form"));
}

fn write_version(out: &mut Vec<u8>, version: &Version, actor: u32) {
    let terms = &version.terms;
    out.extend_from_slice(&version.offset.to_le_bytes());
    out.extend_from_slice(&version.effective.0.to_le_bytes());
    out.push(place_in(&RUNNING, version.running));
    out.extend_from_slice(&actor.to_le_bytes());
    write_text(out, &terms.name);
    write_text(out, &terms.plan);
    out.push(place_in(&STATUS, terms.status));
    write_text(out, &terms.start);
    write_text(out, &terms.time_zone);
    write_count(out, terms.contacts.len());
    for contact in &terms.contacts {
        write_text(out, contact);
    }
    if terms.overrides.is_empty() {
        write_text(out, "");
    } else {
        write_json(out, &terms.overrides);
    }
    write_text(out, terms.stripe_customer.as_deref().unwrap_or_default());
}

fn place_in<T: PartialEq>(all: &[T], one: T) -> u8 {
    let place = all.iter().position(|known| *known == one);
    let place = place.expect("the list has every value");
    u8::try_from(place).expect("the list is short")
}

fn read_accounts(reader: &mut Reader<'_>) -> Result<Accounts, Fault> {
    let format = u16::from_le_bytes(reader.take()?);
    if format != SNAPSHOT_FORMAT {
        let reason = format!("has format {format}, this binary reads {SNAPSHOT_FORMAT}");
        return Err(Fault(reason));
    }
    let position = reader.u64()?;
    let log_time = reader.log_time()?;
    let actors = reader.list(|reader| Ok(Arc::<str>::from(reader.text()?)))?;
    let mut heads = Vec::new();
    let accounts = reader.list(|reader| read_account(reader, &actors))?;
    let sorted = accounts.is_sorted_by(|(a, _), (b, _)| a < b);
    let newest = accounts.iter().map(|(_, account)| account.newest().offset);
    if !sorted || newest.max() >= Some(position) {
        return Err(Fault("has accounts that cannot be".to_owned()));
    }
    let keys = reader.list(|reader| {
        let (head, key): (Offset, ApiKey) = read_head(reader, form::check_key)?;
        let id: Arc<str> = key.id.as_str().into();
        heads.push((Id::ApiKey(Arc::clone(&id)), head));
        Ok((id, Arc::new(key)))
    })?;
    let routes = reader.list(|reader| {
        let (head, route): (Offset, Route) = read_head(reader, form::check_route)?;
        let id: Arc<str> = route.id.as_str().into();
        heads.push((Id::Route(Arc::clone(&id)), head));
        Ok((id, Arc::new(route)))
    })?;
    let accounts: BTreeMap<_, _> = accounts.into_iter().collect();
    let customers = read_customers(reader, &accounts)?;
    reader.end()?;
    let snapshot = chain::Snapshot {
        format: chain::SNAPSHOT_FORMAT,
        position,
        log_time,
        heads,
    };
    let contradicts = |halt: Halt| Fault(format!("has heads that cannot be: {halt}"));
    Ok(Accounts {
        chains: Chains::restore(snapshot, |_, _| false).map_err(contradicts)?,
        accounts,
        keys: keys.into_iter().collect(),
        routes: routes.into_iter().collect(),
        actors: actors
            .into_iter()
            .take(super::ACTORS_MAX)
            .collect::<BTreeSet<_>>(),
        customers,
    })
}

/// Reads who was ever linked; every customer that a version names is one of them.
fn read_customers(
    reader: &mut Reader<'_>,
    accounts: &BTreeMap<Arc<str>, Account>,
) -> Result<BTreeMap<Arc<str>, Arc<str>>, Fault> {
    let customers = reader.list(|reader| {
        let (customer, owner) = (reader.text()?, reader.text()?);
        let known = accounts.get_key_value(owner).map(|(id, _)| Arc::clone(id));
        let known = known.ok_or_else(|| Fault(format!("links to no account `{owner}`")))?;
        Ok((Arc::<str>::from(customer), known))
    })?;
    let sorted = customers.is_sorted_by(|(a, _), (b, _)| a < b);
    let customers: BTreeMap<_, _> = customers.into_iter().collect();
    let mut linked = accounts.iter().flat_map(|(id, account)| {
        let versions = account.versions().iter();
        versions.filter_map(move |version| Some((version.terms.stripe_customer.as_deref()?, id)))
    });
    if sorted && linked.all(|(customer, id)| customers.get(customer) == Some(id)) {
        return Ok(customers);
    }
    Err(Fault("has customers that cannot be".to_owned()))
}

fn read_account(
    reader: &mut Reader<'_>,
    actors: &[Arc<str>],
) -> Result<(Arc<str>, Account), Fault> {
    let id = reader.text()?;
    let mut versions = SmallVec::new();
    for _ in 0..reader.u32()? {
        versions.push(read_version(reader, id, actors)?);
    }
    let account = Account::from_versions(versions);
    let account = account.ok_or_else(|| Fault(format!("has no order in account `{id}`")))?;
    Ok((id.into(), account))
}

fn read_version(reader: &mut Reader<'_>, id: &str, actors: &[Arc<str>]) -> Result<Version, Fault> {
    let offset = reader.u64()?;
    let effective = reader.log_time()?;
    let running = reader.one_of(&RUNNING)?;
    let actor = usize::try_from(reader.u32()?).ok();
    let actor = actor.and_then(|place| actors.get(place));
    let actor = Arc::clone(actor.ok_or_else(|| Fault("names an actor it lacks".to_owned()))?);
    let terms = AccountTerms {
        name: reader.text()?.to_owned(),
        plan: reader.text()?.to_owned(),
        status: reader.one_of(&STATUS)?,
        start: reader.text()?.to_owned(),
        time_zone: reader.text()?.to_owned(),
        contacts: reader.list(|reader| Ok(reader.text()?.to_owned()))?,
        overrides: match reader.text()? {
            "" => BTreeMap::new(),
            json => read_json(json)?,
        },
        stripe_customer: match reader.text()? {
            "" => None,
            customer => Some(customer.to_owned()),
        },
    };
    let calendar = form::calendar(id, &terms).map_err(unfit)?;
    Ok(Version {
        offset,
        effective,
        running,
        zone: calendar.zone,
        anchor_day: calendar.anchor_day,
        actor,
        terms: Arc::new(terms),
    })
}

fn read_head<T: DeserializeOwned>(
    reader: &mut Reader<'_>,
    check: fn(&T) -> Result<(), Refused>,
) -> Result<(Offset, T), Fault> {
    let head = reader.u64()?;
    let content = read_json(reader.text()?)?;
    check(&content).map_err(unfit)?;
    Ok((head, content))
}

fn read_json<T: DeserializeOwned>(text: &str) -> Result<T, Fault> {
    serde_json::from_str(text).map_err(|error| Fault(format!("holds what cannot be read: {error}")))
}

fn unfit(refused: Refused) -> Fault {
    Fault(format!(
        "holds what this binary does not fold by: {refused}"
    ))
}
