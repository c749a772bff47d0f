//! `key`: API keys. A token is printed once and never stored: the control log has the SHA-256 of
//! its secret part, which is of 256 random bits, so that no slow hash is needed.

use super::account::{log_time, now};
use super::{KAFKA_TIMEOUT, Session};
use crate::args::key::{CreateArgs, KeyCommand, ListArgs, RevokeArgs, RotateArgs};
use crate::failure::Failure;
use crate::output::{Place, Table, note, print, short_time};
use anyhow::anyhow;
use meterline_api::NewToken;
use meterline_control::{AccountLog, Changed, Expected};
use meterline_core::account::{ApiKey, PreviousHash, Role, TenantScope};
use meterline_core::control::{ChainKey, Decision};
use meterline_core::nearest::hint;
use meterline_core::position::Offset;
use meterline_core::time::LogTime;
use serde_json::json;
use std::io::Write;

/// Runs the command.
pub(crate) fn run(command: &KeyCommand, session: &Session<'_>) -> Result<(), Failure> {
    match command {
        KeyCommand::Create(args) => create(args, session),
        KeyCommand::List(args) => list(args, session),
        KeyCommand::Revoke(args) => revoke(args, session),
        KeyCommand::Rotate(args) => rotate(args, session),
    }
}

fn open(session: &Session<'_>) -> Result<AccountLog, Failure> {
    let log = session.accounts()?;
    log.control().read_to_end(KAFKA_TIMEOUT)?;
    Ok(log)
}

fn create(args: &CreateArgs, session: &Session<'_>) -> Result<(), Failure> {
    let log = open(session)?;
    let new = NewToken::mint();
    let mut roles: Vec<Role> = args.roles.iter().map(|role| (*role).into()).collect();
    roles.sort_unstable();
    roles.dedup();
    let key = ApiKey {
        id: new.id.clone(),
        name: args.name.clone(),
        hash: new.hash.clone(),
        previous: None,
        roles,
        tenants: scope(args),
        rate: args.rate,
        revoked: false,
        expires: args.expires.map(log_time),
    };
    if key.expires.is_some_and(|end| end <= now()) {
        return Err(Failure::usage("--expires is in the past"));
    }
    if args.tenants.iter().any(String::is_empty) {
        return Err(Failure::usage("--tenant is empty"));
    }
    // What the API writes for all tenants; it must not look like them.
    if args.tenants.iter().any(|tenant| tenant == "*") {
        return Err(Failure::usage(
            "--tenant * would be one tenant of this name; --all-tenants speaks for all",
        ));
    }
    let author = session.author(args.author.actor.as_deref(), &args.author.note);
    let decision = Decision::ApiKey(Box::new(key));
    // Where it is unknown whether this took effect, nobody has seen the token: make another.
    log.change(decision, Expected::Head(None), &author, KAFKA_TIMEOUT)?;
    show_token(&new)
}

fn scope(args: &CreateArgs) -> TenantScope {
    if args.all_tenants {
        return TenantScope::All;
    }
    let mut tenants = args.tenants.clone();
    tenants.sort_unstable();
    tenants.dedup();
    TenantScope::These(tenants)
}

/// Prints the token, alone, so that a script can take it; what people must know goes beside it.
fn show_token(new: &NewToken) -> Result<(), Failure> {
    note(&format!(
        "the token of key {} is shown this once; send it as `Authorization: Bearer …`",
        new.id
    ));
    Ok(print(&format!("{}\n", new.token))?)
}

fn list(args: &ListArgs, session: &Session<'_>) -> Result<(), Failure> {
    let file = args.result.file()?;
    let log = open(session)?;
    let mut table = Table::new(&[
        "id",
        "name",
        "roles",
        "tenants",
        "state",
        "expires",
        "rate",
        "old_token_until",
    ]);
    let now = now();
    for key in log.accounts().keys() {
        let state = state(key, now);
        let speaks = args
            .tenant
            .as_ref()
            .is_none_or(|tenant| key.tenants.holds(tenant));
        if !speaks || (state != "active" && !args.all) {
            continue;
        }
        let roles: Vec<&str> = key.roles.iter().map(|role| role_name(*role)).collect();
        let previous = key
            .previous
            .as_ref()
            .filter(|previous| previous.until > now);
        table.push(vec![
            json!(key.id),
            json!(key.name),
            json!(roles.join(", ")),
            json!(tenants(&key.tenants)),
            json!(state),
            json!(key.expires.map(short_time)),
            json!(key.rate),
            json!(previous.map(|previous| short_time(previous.until))),
        ]);
    }
    let text = table.render(args.result.output)?;
    Ok(Place::of(file)?.fill(|place| Ok(place.write_all(text.as_bytes())?))?)
}

fn tenants(scope: &TenantScope) -> String {
    match scope {
        TenantScope::All => "all".to_owned(),
        TenantScope::These(tenants) => tenants.join(", "),
    }
}

fn state(key: &ApiKey, now: LogTime) -> &'static str {
    match key.expires {
        _ if key.revoked => "revoked",
        Some(end) if end <= now => "expired",
        _ => "active",
    }
}

const fn role_name(role: Role) -> &'static str {
    match role {
        Role::Ingest => "ingest",
        Role::Read => "read",
        Role::Check => "check",
        Role::Admin => "admin",
    }
}

fn revoke(args: &RevokeArgs, session: &Session<'_>) -> Result<(), Failure> {
    check_id(&args.id)?;
    let log = open(session)?;
    let (mut key, head) = known(&log, &args.id)?;
    key.revoked = true;
    key.previous = None;
    let author = session.author(args.author.actor.as_deref(), &args.author.note);
    let decision = Decision::ApiKey(Box::new(key));
    let changed = log.change(decision, Expected::Head(head), &author, KAFKA_TIMEOUT)?;
    Ok(print(&match changed {
        Changed::InForce(offset) => format!(
            "key {} is revoked (control offset {offset}); APIs refuse it within seconds\n",
            args.id
        ),
        Changed::Unchanged(_) => format!("key {} was revoked before\n", args.id),
    })?)
}

fn rotate(args: &RotateArgs, session: &Session<'_>) -> Result<(), Failure> {
    check_id(&args.id)?;
    let log = open(session)?;
    let (mut key, head) = known(&log, &args.id)?;
    if state(&key, now()) != "active" {
        let reason = anyhow!("key {} is {}; make a new one", args.id, state(&key, now()));
        return Err(reason.into());
    }
    let new = NewToken::of(&args.id);
    let old = std::mem::replace(&mut key.hash, new.hash.clone());
    key.previous = args.keep_old.map(|length| {
        let millis = i64::try_from(length.0.as_millis()).unwrap_or(i64::MAX);
        PreviousHash {
            hash: old,
            until: LogTime(now().0.saturating_add(millis)),
        }
    });
    let author = session.author(args.author.actor.as_deref(), &args.author.note);
    let decision = Decision::ApiKey(Box::new(key));
    log.change(decision, Expected::Head(head), &author, KAFKA_TIMEOUT)?;
    show_token(&new)
}

/// Refuses a whole token: it may be in use, and must not end up in an error.
fn check_id(id: &str) -> Result<(), Failure> {
    if id.starts_with("mlk_") {
        return Err(Failure::usage(
            "give the key's id, the 12 characters behind `mlk_`, not its token",
        ));
    }
    Ok(())
}

/// A key and the head of its chain.
fn known(log: &AccountLog, id: &str) -> Result<(ApiKey, Option<Offset>), Failure> {
    let accounts = log.accounts();
    let Some(key) = accounts.key(id) else {
        let ids: Vec<&str> = accounts.keys().map(|key| key.id.as_str()).collect();
        let hint = hint(id, ids.into_iter());
        return Err(anyhow!("there is no key `{id}`, {hint}").into());
    };
    let head = accounts.head_of(&ChainKey::ApiKey(id.to_owned()));
    Ok(((**key).clone(), head))
}
