//! `route`: who is told of which alerts, and how. Secrets of webhooks are derived from the
//! deployment's signing key and shown on request; no one is stored.

use super::account::{log_time, now};
use super::{KAFKA_TIMEOUT, Session, clock};
use crate::args::Output;
use crate::args::route::{
    ListArgs, RemoveArgs, RotateArgs, RouteCommand, SecretArgs, SetArgs, ShowArgs,
};
use crate::failure::Failure;
use crate::output::{Place, Table, note, print, short_time};
use anyhow::{Context as _, anyhow};
use meterline_control::{AccountLog, Changed, Expected};
use meterline_core::account::{Route, Target};
use meterline_core::catalog::plans::Severity;
use meterline_core::control::{ChainKey, Decision};
use meterline_core::nearest::hint;
use meterline_core::position::Offset;
use meterline_core::time::{EventTime, LogTime};
use meterline_notify::{check_target, webhook_secret};
use serde_json::{Value, json};
use std::io::Write;

/// Runs the command.
pub(crate) fn run(command: &RouteCommand, session: &Session<'_>) -> Result<(), Failure> {
    match command {
        RouteCommand::Set(args) => set(args, session),
        RouteCommand::List(args) => list(args, session),
        RouteCommand::Show(args) => show(args, session),
        RouteCommand::Remove(args) => remove(args, session),
        RouteCommand::Secret(args) => secret(args, session),
        RouteCommand::Rotate(args) => rotate(args, session),
    }
}

fn open(session: &Session<'_>) -> Result<AccountLog, Failure> {
    let log = session.accounts()?;
    log.control().read_to_end(KAFKA_TIMEOUT)?;
    Ok(log)
}

fn set(args: &SetArgs, session: &Session<'_>) -> Result<(), Failure> {
    let log = open(session)?;
    let (known, head) = match find(&log, &args.id) {
        Some((route, head)) => (Some(route), head),
        None => (None, None),
    };
    let route = changed(args, known).map_err(Failure::usage)?;
    check(&route, &log, session)?;
    let expected = Expected::Head(args.head.unwrap_or(head));
    let author = session.author(args.author.actor.as_deref(), &args.author.note);
    let decision = Decision::Route(Box::new(route.clone()));
    let changed = log.change(decision, expected, &author, KAFKA_TIMEOUT)?;
    Ok(print(&match changed {
        Changed::InForce(offset) => {
            let target = target_text(&route.target);
            format!(
                "route {} is in force (control offset {offset}): {target}\n",
                route.id
            )
        }
        Changed::Unchanged(offset) => format!(
            "route {} says the same and stays as it is (control offset {offset})\n",
            route.id
        ),
    })?)
}

/// The route with what the arguments say of it.
fn changed(args: &SetArgs, known: Option<Route>) -> Result<Route, String> {
    let target = target(args, known.as_ref().map(|route| &route.target));
    let known = known.unwrap_or_else(|| Route {
        id: args.id.clone(),
        account: None,
        meters: Vec::new(),
        severity: Severity::Info,
        target: Target::Email { to: Vec::new() },
        enabled: true,
    });
    let mut meters = if args.all_meters || !args.meters.is_empty() {
        args.meters.clone()
    } else {
        known.meters
    };
    meters.sort_unstable();
    meters.dedup();
    let account = if args.all_accounts {
        None
    } else {
        args.account.clone().or(known.account)
    };
    Ok(Route {
        id: known.id,
        account,
        meters,
        severity: args.severity.map_or(known.severity, Into::into),
        target: target.ok_or("a new route needs --webhook, --email, --contacts or --kafka")?,
        enabled: args.enabled.unwrap_or(known.enabled),
    })
}

/// The target that is given, else the one there is. A webhook that moves keeps its secret.
fn target(args: &SetArgs, known: Option<&Target>) -> Option<Target> {
    if let Some(url) = &args.webhook {
        let (generation, previous_until) = match known {
            Some(Target::Webhook {
                generation,
                previous_until,
                ..
            }) => (*generation, *previous_until),
            _ => (1, None),
        };
        return Some(Target::Webhook {
            url: url.clone(),
            generation,
            previous_until,
        });
    }
    if let Some(topic) = &args.kafka {
        let topic = topic.clone();
        return Some(Target::Kafka { topic });
    }
    if args.contacts || !args.email.is_empty() {
        let to = args.email.clone();
        return Some(Target::Email { to });
    }
    known.cloned()
}

/// Refuses what would tell nobody: unknown meters and accounts, targets that settings forbid.
fn check(route: &Route, log: &AccountLog, session: &Session<'_>) -> Result<(), Failure> {
    let view = log.control().view();
    if let Some(decision) = view.catalog() {
        let known = decision.compiled.catalog.limitable();
        for meter in &route.meters {
            if !known.clone().any(|known| known == meter) {
                let hint = hint(meter, known);
                return Err(
                    anyhow!("--meter: `{meter}` is no meter of the catalog: {hint}").into(),
                );
            }
        }
    }
    if let Some(id) = &route.account
        && log.accounts().account(id).is_none()
    {
        let near = log.accounts().nearest_account(id).map(str::to_owned);
        let hint = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
        return Err(anyhow!("--account: there is no account `{id}`{hint}").into());
    }
    let settings = &session.settings.notifications;
    check_target(&route.target, settings)
        .map_err(|reason| anyhow!("route {} is refused: {reason}", route.id).into())
}

fn list(args: &ListArgs, session: &Session<'_>) -> Result<(), Failure> {
    let file = args.result.file()?;
    let log = open(session)?;
    let mut table = Table::new(&["id", "account", "meters", "severity", "target", "enabled"]);
    let accounts = log.accounts();
    for route in accounts.routes().filter(|route| args.all || route.enabled) {
        let meters = if route.meters.is_empty() {
            "all".to_owned()
        } else {
            route.meters.join(", ")
        };
        table.push(vec![
            json!(route.id),
            json!(route.account.as_deref().unwrap_or("all")),
            json!(meters),
            json!(route.severity.name()),
            json!(target_text(&route.target)),
            json!(route.enabled),
        ]);
    }
    drop(accounts);
    let text = table.render(args.result.output)?;
    Ok(Place::of(file)?.fill(|place| Ok(place.write_all(text.as_bytes())?))?)
}

fn target_text(target: &Target) -> String {
    match target {
        Target::Webhook { url, .. } => format!("webhook {url}"),
        Target::Email { to } if to.is_empty() => "e-mail to the account's contacts".to_owned(),
        Target::Email { to } => format!("e-mail to {}", to.join(", ")),
        Target::Kafka { topic } => format!("Kafka topic {topic}"),
    }
}

fn show(args: &ShowArgs, session: &Session<'_>) -> Result<(), Failure> {
    let log = open(session)?;
    let (route, head) = known(&log, &args.id)?;
    let text = match args.output {
        Output::Table => shown(&route, head),
        Output::Json => {
            let mut json = json!(route);
            json["head"] = json!(head);
            serde_json::to_string_pretty(&json).context("failed to write JSON")? + "\n"
        }
        Output::Csv | Output::Parquet => {
            return Err(Failure::usage("a route has no rows: use table or json"));
        }
    };
    Ok(print(&text)?)
}

fn shown(route: &Route, head: Option<Offset>) -> String {
    let secrets = match &route.target {
        Target::Webhook {
            generation,
            previous_until,
            ..
        } => {
            let until = previous_until.filter(|until| *until > now());
            let old = until.map_or_else(String::new, |until| {
                format!(", and the one before it until {}", short_time(until))
            });
            format!("secret     generation {generation}{old}\n")
        }
        _ => String::new(),
    };
    let meters = if route.meters.is_empty() {
        "all".to_owned()
    } else {
        route.meters.join(", ")
    };
    let head = head.map_or(Value::Null, Value::from);
    format!(
        "route      {} (control offset {head})\ntarget     {}\n{secrets}account    {}\n\
         meters     {meters}\nseverity   at least {}\nenabled    {}\n",
        route.id,
        target_text(&route.target),
        route.account.as_deref().unwrap_or("all"),
        route.severity.name(),
        route.enabled,
    )
}

fn remove(args: &RemoveArgs, session: &Session<'_>) -> Result<(), Failure> {
    let log = open(session)?;
    let (mut route, head) = known(&log, &args.id)?;
    route.enabled = false;
    let author = session.author(args.author.actor.as_deref(), &args.author.note);
    let decision = Decision::Route(Box::new(route));
    log.change(decision, Expected::Head(head), &author, KAFKA_TIMEOUT)?;
    Ok(print(&format!(
        "route {} is off; its history stays, and `route set {} --enabled true` switches it on\n",
        args.id, args.id
    ))?)
}

fn secret(args: &SecretArgs, session: &Session<'_>) -> Result<(), Failure> {
    let log = open(session)?;
    let (route, _) = known(&log, &args.id)?;
    let newest = generation(&route)?;
    let generation = args.generation.unwrap_or(newest);
    if generation > newest {
        let reason = format!("route {} has generations up to {newest}", args.id);
        return Err(Failure::usage(reason));
    }
    print_secret(&args.id, generation, session)
}

fn print_secret(id: &str, generation: u32, session: &Session<'_>) -> Result<(), Failure> {
    let key = &session.settings.notifications.signing_key;
    if key.expose().is_empty() {
        return Err(Failure::usage(
            "notifications.signing_key is not set; secrets of webhooks are derived from it",
        ));
    }
    let secret = webhook_secret(key, id, generation);
    Ok(print(&format!("{}\n", secret.expose()))?)
}

fn rotate(args: &RotateArgs, session: &Session<'_>) -> Result<(), Failure> {
    let log = open(session)?;
    let (mut route, head) = known(&log, &args.id)?;
    let next = generation(&route)?
        .checked_add(1)
        .context("the route has no generation left; make another")?;
    let micros = clock().0.saturating_add(args.keep_old.micros());
    let until: LogTime = log_time(EventTime(micros));
    if let Target::Webhook {
        generation,
        previous_until,
        ..
    } = &mut route.target
    {
        *generation = next;
        *previous_until = Some(until);
    }
    let author = session.author(args.author.actor.as_deref(), &args.author.note);
    let decision = Decision::Route(Box::new(route));
    log.change(decision, Expected::Head(head), &author, KAFKA_TIMEOUT)?;
    note(&format!(
        "route {} signs with generation {next}, and with the one before it too until {}",
        args.id,
        short_time(until)
    ));
    print_secret(&args.id, next, session)
}

/// Number of a webhook's newest secret.
fn generation(route: &Route) -> Result<u32, Failure> {
    match &route.target {
        Target::Webhook { generation, .. } => Ok(*generation),
        other => {
            let target = target_text(other);
            Err(anyhow!(
                "route {} is no webhook ({target}): it has no secret",
                route.id
            )
            .into())
        }
    }
}

fn find(log: &AccountLog, id: &str) -> Option<(Route, Option<Offset>)> {
    let accounts = log.accounts();
    let route = (**accounts.route(id)?).clone();
    Some((route, accounts.head_of(&ChainKey::Route(id.to_owned()))))
}

fn known(log: &AccountLog, id: &str) -> Result<(Route, Option<Offset>), Failure> {
    find(log, id).ok_or_else(|| {
        let accounts = log.accounts();
        let ids: Vec<&str> = accounts.routes().map(|route| route.id.as_str()).collect();
        let hint = hint(id, ids.into_iter());
        anyhow!("there is no route `{id}`, {hint}").into()
    })
}
