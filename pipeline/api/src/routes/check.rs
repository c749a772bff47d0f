//! `POST /v1/limits/check`: may this tenant do one more?
//!
//! Answered from memory, without waiting for anybody. It decides and never counts.

use crate::body::{Json, JsonBytes, Params, parse};
use crate::caller::Caller;
use crate::document::CapWord;
use crate::known::{Tenants, must_know_meter};
use crate::problem::{FieldProblem, Kind, Problem, ProblemBody};
use crate::room::room;
use crate::settings::WhenStale;
use crate::state::{Shared, now};
use crate::tenant::{KnownTenant, TermsSource};
use crate::text::{QuantityText, millis, quantity, time};
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use meterline_core::account::Role;
use meterline_core::catalog::plans::Cap;
use meterline_core::limits::{Measure, Verdict, check as judge};
use meterline_core::quantity::Quantity;
use meterline_core::time::LogTime;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Instant;
use utoipa::{IntoParams, ToSchema};

/// Most meters of one call: more than any catalog's plans speak of at once.
const METERS_MAX: usize = 100;

/// What is asked. Either `meter` and `quantity`, or `meters`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CheckRequest {
    /// The tenant.
    tenant: String,
    /// One meter or derived quantity.
    meter: Option<String>,
    /// How much more of it is wanted, in its base unit; default 1.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "1")]
    quantity: Option<QuantityText>,
    /// Several of them.
    #[serde(default)]
    #[schema(required = false)]
    meters: Vec<Wanted>,
}

/// One meter of several.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// The meter or derived quantity.
    meter: String,
    /// How much more of it is wanted, in its base unit; default 1.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "1")]
    quantity: Option<QuantityText>,
}

/// How the answer is given.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct CheckParams {
    /// Answer 429 instead of 200 where anything is refused.
    #[serde(default)]
    #[param(required = false)]
    enforce: bool,
}

/// The answer.
#[derive(Serialize, ToSchema)]
pub(super) struct CheckAnswer {
    /// The tenant.
    tenant: String,
    /// Whether all of it is allowed.
    allowed: bool,
    /// Age of what is known of the tenant's use, in milliseconds; null where nothing is known.
    age_ms: Option<u64>,
    /// Whether that is older than the service takes for good; `allowed` follows its rule then.
    stale: bool,
    /// Each meter, in the order of the request.
    meters: Vec<CheckedMeter>,
}

/// The answer for one meter. Quantities are strings, in the base unit of what it is about.
#[derive(Serialize, ToSchema)]
pub(super) struct CheckedMeter {
    /// The meter or derived quantity that was asked for.
    meter: String,
    /// What the meter measures: a `flow` adds up, a `level` holds until changed, of a `peak` the
    /// highest counts, so that what was checked before takes nothing off `room`. Null where use of
    /// it cannot be limited.
    measure: Option<&'static str>,
    /// Whether it is allowed.
    allowed: bool,
    /// Whether it is allowed although it is beyond a soft cap.
    soft: bool,
    /// Why: `within`, `unlimited`, `overage`, `soft_cap`; `hard_cap`, `grace_over`, `suspended`,
    /// `closed`, `stale`.
    reason: &'static str,
    /// The derived quantity that the answer is about, where it is not the meter itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    because: Option<String>,
    /// Use in the running period, without what is wanted.
    used: String,
    /// What is included; null where nothing is said.
    included: Option<String>,
    /// The limit; null where there is none.
    limit: Option<String>,
    /// What is left of the limit, or of what is included; null where there is neither.
    remaining: Option<String>,
    /// Use as a share of the same, in percent with one decimal.
    percentage: Option<String>,
    /// What may still be used of the meter that was asked for, in its own base unit, before any cap
    /// refuses, its own or that of a derived quantity: a hard one at its limit, a soft one where its
    /// grace ends. Of a peak, how high it may be. Null where no cap would refuse.
    room: Option<String>,
    /// What happens beyond the limit.
    #[schema(value_type = CapWord)]
    cap: Cap,
    /// When the running period ends.
    resets_at: Option<String>,
    /// Seconds until asking again can help; null where it is allowed, or time does not help.
    retry_after: Option<u64>,
    /// When a soft cap begins to refuse; null where it does not.
    grace_until: Option<String>,
}

/// Says whether a tenant may use more.
///
/// Nothing is counted by asking. With `enforce=true` a refusal is answered 429 with `Retry-After`.
#[utoipa::path(
    post, path = "/v1/limits/check", tag = "limits", operation_id = "check_limits",
    params(CheckParams),
    request_body = CheckRequest,
    responses(
        (status = 200, body = CheckAnswer),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "No such tenant or meter", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, body = ProblemBody, content_type = "application/problem+json"),
        (status = 429, description = "Refused, with `enforce=true`; or the key's rate", content(
            (CheckAnswer = "application/json"),
            (ProblemBody = "application/problem+json"),
        )),
        (status = 503, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn check(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Params(params): Params<CheckParams>,
    JsonBytes(body): JsonBytes,
) -> Result<Response, Problem> {
    let start = Instant::now();
    caller.must(Role::Check)?;
    let request: CheckRequest = parse(&body)?;
    let wanted = wanted(&request)?;
    shared.must_be_caught_up()?;
    let answer = answer(&shared, &caller, &request.tenant, &wanted, now())?;
    shared.metrics.check_took(start.elapsed());
    Ok(respond(&shared, answer, params.enforce))
}

/// The meters that are asked for, with what is wanted of each.
fn wanted(request: &CheckRequest) -> Result<Vec<(&str, Quantity)>, Problem> {
    let one = request.meter.iter().map(|meter| (meter, &request.quantity));
    let many = request.meters.iter().map(|w| (&w.meter, &w.quantity));
    let mut errors = Vec::new();
    let mut wanted = Vec::new();
    for (at, (meter, text)) in one.chain(many).enumerate() {
        match read_quantity(text.as_ref()) {
            Ok(quantity) => wanted.push((meter.as_str(), quantity)),
            Err(detail) => {
                let field = match &request.meter {
                    Some(_) => "quantity".to_owned(),
                    None => format!("meters[{at}].quantity"),
                };
                errors.push(FieldProblem { field, detail });
            }
        }
    }
    if !errors.is_empty() {
        return Err(Problem::invalid(errors));
    }
    let is_one_form = request.meter.is_some() == request.meters.is_empty();
    if !is_one_form || (request.quantity.is_some() && request.meter.is_none()) {
        let detail = "give `meter` with `quantity`, or `meters`, not both";
        return Err(Problem::of(Kind::BadRequest, detail));
    }
    if wanted.len() > METERS_MAX {
        let detail = format!("more than {METERS_MAX} meters");
        return Err(Problem::of(Kind::TooLarge, detail));
    }
    Ok(wanted)
}

fn read_quantity(text: Option<&QuantityText>) -> Result<Quantity, String> {
    let Some(text) = text else {
        return Ok(Quantity::ONE);
    };
    let quantity = text.read()?;
    if quantity.is_negative() {
        return Err("is negative".to_owned());
    }
    Ok(quantity)
}

/// The verdicts at a moment.
fn answer(
    shared: &Shared,
    caller: &Caller,
    tenant: &str,
    wanted: &[(&str, Quantity)],
    now: LogTime,
) -> Result<CheckAnswer, Problem> {
    let decision = shared.catalog()?;
    let catalog = &decision.compiled.catalog;
    for (meter, _) in wanted {
        must_know_meter(catalog, meter)?;
    }
    let age = shared.age_of(tenant, now);
    let stale = age.is_none_or(|age| age > shared.settings.max_view_age);
    let when_stale = if stale {
        shared.settings.when_stale
    } else {
        WhenStale::Open
    };
    shared.with_accounts(|accounts| {
        let account = accounts.account(tenant);
        Tenants::new(shared, caller).must_know(tenant, account, catalog, accounts)?;
        let source = TermsSource::new(&catalog.plans, account, now);
        let names = wanted.iter().map(|(meter, _)| *meter);
        let known = KnownTenant::new(tenant, catalog, &shared.standings, source, names);
        let meters = wanted.iter().map(|(meter, quantity)| {
            let verdict = judge(&known, &catalog.plans, meter, *quantity, now);
            let room = room(&known, &catalog.plans, meter, now);
            let measure = Measure::named(catalog, meter);
            checked(meter, measure, &verdict, room, when_stale)
        });
        let meters: Vec<_> = meters.collect();
        Ok(CheckAnswer {
            tenant: tenant.to_owned(),
            allowed: meters.iter().all(|meter| meter.allowed),
            age_ms: age.map(millis),
            stale,
            meters,
        })
    })
}

/// One verdict, with the rule for what is stale.
fn checked(
    meter: &str,
    measure: Option<Measure>,
    verdict: &Verdict<'_>,
    room: Option<Quantity>,
    when_stale: WhenStale,
) -> CheckedMeter {
    let closes = when_stale == WhenStale::Closed && verdict.capped && verdict.allowed;
    CheckedMeter {
        meter: meter.to_owned(),
        measure: measure.map(|measure| match measure {
            Measure::Flow => "flow",
            Measure::Level => "level",
            Measure::Peak => "peak",
        }),
        allowed: verdict.allowed && !closes,
        soft: verdict.soft && !closes,
        reason: if closes {
            "stale"
        } else {
            verdict.reason.name()
        },
        because: verdict.because.map(str::to_owned),
        used: quantity(verdict.used),
        included: verdict.included.map(quantity),
        limit: verdict.limit.map(quantity),
        remaining: verdict.remaining.map(quantity),
        room: room.map(quantity),
        percentage: verdict.percentage.map(|share| share.to_string()),
        cap: verdict.cap,
        resets_at: verdict.resets_at.map(time),
        // Progress comes with every flush, a few seconds apart.
        retry_after: if closes {
            Some(STALE_RETRY_SECONDS)
        } else {
            verdict.retry_after
        },
        grace_until: verdict.grace_until.map(|at| time(at.as_event_time())),
    }
}

/// When to ask again where what is known was too old.
const STALE_RETRY_SECONDS: u64 = 5;

fn respond(shared: &Shared, answer: CheckAnswer, enforce: bool) -> Response {
    for meter in &answer.meters {
        shared.metrics.checked(match (meter.allowed, meter.soft) {
            (false, _) => "refused",
            (true, true) => "soft",
            (true, false) => "allowed",
        });
        if answer.stale {
            shared.metrics.checked("stale");
        }
    }
    let refused = answer.meters.iter().filter(|meter| !meter.allowed);
    // All of them must be allowed: the last one to be says when.
    let wait = refused.filter_map(|meter| meter.retry_after).max();
    let refuses = enforce && !answer.allowed;
    let mut response = Json(answer).into_response();
    if refuses {
        shared.metrics.turned_away("limit");
        *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
        if let Some(seconds) = wait {
            let value = HeaderValue::from(seconds);
            response.headers_mut().insert(header::RETRY_AFTER, value);
        }
    }
    response
}
