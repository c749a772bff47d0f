//! `key`: API keys. A token is made here, printed once and never stored: the control log has the
//! SHA-256 of its secret part, which is of 256 random bits, so that no slow hash is needed.

use super::account::{log_time, now};
use super::{KAFKA_TIMEOUT, Session};
use crate::args::key::{CreateArgs, KeyCommand, ListArgs, RevokeArgs, RotateArgs};
use crate::failure::Failure;
use crate::output::{Place, Table, note, print, short_time};
use anyhow::{Context as _, anyhow};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::fill;
use meterline_control::{AccountLog, Changed, Expected};
use meterline_core::account::{ApiKey, PreviousHash, Role, TenantScope};
use meterline_core::control::{ChainKey, Decision};
use meterline_core::nearest::hint;
use meterline_core::position::Offset;
use meterline_core::time::LogTime;
use serde_json::json;
use std::io::Write;

/// Characters of a key's id.
const ID_CHARS: usize = 12;
/// What ids are made of: the first 32 of these, so that five random bits are one of them.
const ID_ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
/// Random bytes of a secret.
const SECRET_BYTES: usize = 32;

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
    let id = random_id()?;
    let secret = random_secret()?;
    let mut roles: Vec<Role> = args.roles.iter().map(|role| (*role).into()).collect();
    roles.sort_unstable();
    roles.dedup();
    let key = ApiKey {
        id: id.clone(),
        name: args.name.clone(),
        hash: hash(&secret),
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
    let author = session.author(args.author.actor.as_deref(), &args.author.note);
    let decision = Decision::ApiKey(Box::new(key));
    // Where it is unknown whether this took effect, nobody has seen the token: make another.
    log.change(decision, Expected::Head(None), &author, KAFKA_TIMEOUT)?;
    show_token(&id, &secret)
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
fn show_token(id: &str, secret: &str) -> Result<(), Failure> {
    note(&format!(
        "the token of key {id} is shown this once; send it as `Authorization: Bearer …`"
    ));
    Ok(print(&format!("mlk_{id}_{secret}\n"))?)
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
    let secret = random_secret()?;
    let old = std::mem::replace(&mut key.hash, hash(&secret));
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
    show_token(&args.id, &secret)
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

fn random_id() -> Result<String, Failure> {
    let mut bytes = [0; ID_CHARS];
    fill(&mut bytes).context("the operating system gives no random bytes")?;
    let letter = |byte: u8| char::from(ID_ALPHABET[usize::from(byte & 31)]);
    Ok(bytes.into_iter().map(letter).collect())
}

fn random_secret() -> Result<String, Failure> {
    let mut bytes = [0; SECRET_BYTES];
    fill(&mut bytes).context("the operating system gives no random bytes")?;
    Ok(hex(&bytes))
}

/// SHA-256 of a token's secret part, as it is written in the token.
fn hash(secret: &str) -> String {
    hex(digest(&SHA256, secret.as_bytes()).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_sha_256_of_the_text_in_the_token() {
        // printf abc | sha256sum
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hash("abc"), expected);
    }

    #[test]
    fn ids_and_secrets_have_the_form_of_tokens_and_are_never_the_same() {
        let (id, secret) = (
            random_id().expect("random"),
            random_secret().expect("random"),
        );
        assert_eq!((id.len(), secret.len()), (12, 64));
        let lower = |text: &str| {
            text.bytes()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
        };
        assert!(lower(&id) && lower(&secret));
        assert_ne!(id, random_id().expect("random"));
        assert_ne!(secret, random_secret().expect("random"));
    }
}
