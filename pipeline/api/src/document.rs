//! What the OpenAPI document says beside what is generated from the handlers.
//!
//! Words that stand for a choice are listed as the core writes them, so that the core itself needs
//! no generator. It changes nothing but the document.

use crate::problem::ProblemBody;
use meterline_core::account::{AccountStatus, Role, RunningPeriod};
use meterline_core::alert::AlertState;
use meterline_core::catalog::plans::{Cap, PeriodZone, Reset, Severity};
use meterline_core::standing::Health;
use meterline_core::time::Level;
use serde::Serialize;
use std::borrow::Cow;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::schema::{ArrayItems, Schema};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{
    Components, ContentBuilder, ObjectBuilder, OpenApi, Ref, RefOr, ResponseBuilder,
};
use utoipa::{Modify, PartialSchema, ToSchema};

/// Adds what every operation has.
pub(crate) struct Common;

impl Modify for Common {
    fn modify(&self, document: &mut OpenApi) {
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("key", SecurityScheme::Http(key()));
        share_items(components);
        for (path, item) in &mut document.paths.paths {
            if path.starts_with("/v1/") {
                operations(item).for_each(add_problems);
            }
        }
    }
}

fn key() -> utoipa::openapi::security::Http {
    HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("mlk_<id>_<secret>")
        .description(Some("An API key."))
        .build()
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let methods = [
        &mut item.get,
        &mut item.put,
        &mut item.post,
        &mut item.delete,
    ];
    methods.into_iter().flatten()
}

/// Any call with a key may be answered these, whatever it asks.
fn add_problems(operation: &mut Operation) {
    for (status, description) in [
        (
            "429",
            "Too many requests with this key, or too many at once",
        ),
        ("500", "The service failed"),
        ("503", "The service cannot answer now"),
        ("504", "The request took too long"),
    ] {
        let body = Ref::from_schema_name(ProblemBody::name());
        let content = ContentBuilder::new().schema(Some(body)).build();
        let response = ResponseBuilder::new()
            .description(description)
            .content("application/problem+json", content)
            .build();
        let responses = &mut operation.responses.responses;
        let missing = responses.entry(status.to_owned());
        missing.or_insert(RefOr::T(response));
    }
}

/// Gives the items of pages their own names: the generator writes a page's items into the page.
fn share_items(components: &mut Components) {
    let mut found = Vec::new();
    for (name, schema) in &mut components.schemas {
        let (Some(item), RefOr::T(Schema::Object(page))) = (name.strip_prefix("Page_"), schema)
        else {
            continue;
        };
        let items = page.properties.get_mut("items");
        let Some(RefOr::T(Schema::Array(array))) = items else {
            continue;
        };
        let reference = RefOr::Ref(Ref::from_schema_name(item));
        let written = std::mem::replace(
            &mut array.items,
            ArrayItems::RefOrSchema(Box::new(reference)),
        );
        if let ArrayItems::RefOrSchema(schema) = written {
            found.push((item.to_owned(), *schema));
        }
    }
    components.schemas.extend(found);
}

/// A choice of these, as the wire has them.
fn choice<T: Serialize>(description: &str, all: &[T]) -> RefOr<Schema> {
    let word = |one| serde_json::to_value(one).expect("a choice is a word");
    let object = ObjectBuilder::new()
        .schema_type(utoipa::openapi::schema::Type::String)
        .description(Some(description))
        .enum_values(Some(all.iter().map(word)));
    RefOr::T(Schema::Object(object.build()))
}

/// [`Severity`].
pub(crate) enum SeverityWord {}

impl PartialSchema for SeverityWord {
    fn schema() -> RefOr<Schema> {
        choice("How bad an alert is.", &Severity::ALL)
    }
}

impl ToSchema for SeverityWord {
    fn name() -> Cow<'static, str> {
        "Severity".into()
    }
}

/// [`AlertState`].
pub(crate) enum AlertStateWord {}

impl PartialSchema for AlertStateWord {
    fn schema() -> RefOr<Schema> {
        let all = [AlertState::Opened, AlertState::Resolved];
        choice("State of an alert.", &all)
    }
}

impl ToSchema for AlertStateWord {
    fn name() -> Cow<'static, str> {
        "AlertState".into()
    }
}

/// [`Health`].
pub(crate) enum HealthWord {}

impl PartialSchema for HealthWord {
    fn schema() -> RefOr<Schema> {
        let all = [
            Health::Healthy,
            Health::Caution,
            Health::Warning,
            Health::Critical,
        ];
        choice("How well a tenant is.", &all)
    }
}

impl ToSchema for HealthWord {
    fn name() -> Cow<'static, str> {
        "Health".into()
    }
}

/// [`Cap`].
pub(crate) enum CapWord {}

impl PartialSchema for CapWord {
    fn schema() -> RefOr<Schema> {
        let all = [Cap::None, Cap::Soft, Cap::Hard];
        choice("What a check does beyond the limit.", &all)
    }
}

impl ToSchema for CapWord {
    fn name() -> Cow<'static, str> {
        "Cap".into()
    }
}

/// [`Role`].
pub(crate) enum RoleWord {}

impl PartialSchema for RoleWord {
    fn schema() -> RefOr<Schema> {
        let all = [Role::Ingest, Role::Read, Role::Check, Role::Admin];
        choice("What an API key may do.", &all)
    }
}

impl ToSchema for RoleWord {
    fn name() -> Cow<'static, str> {
        "Role".into()
    }
}

/// [`AccountStatus`].
pub(crate) enum AccountStatusWord {}

impl PartialSchema for AccountStatusWord {
    fn schema() -> RefOr<Schema> {
        let all = [
            AccountStatus::Active,
            AccountStatus::Suspended,
            AccountStatus::Closed,
        ];
        choice("Whether an account is served.", &all)
    }
}

impl ToSchema for AccountStatusWord {
    fn name() -> Cow<'static, str> {
        "AccountStatus".into()
    }
}

/// [`RunningPeriod`].
pub(crate) enum RunningPeriodWord {}

impl PartialSchema for RunningPeriodWord {
    fn schema() -> RefOr<Schema> {
        let all = [RunningPeriod::Keep, RunningPeriod::Restart];
        choice("What a change does to the running period.", &all)
    }
}

impl ToSchema for RunningPeriodWord {
    fn name() -> Cow<'static, str> {
        "RunningPeriod".into()
    }
}

/// [`Level`].
pub(crate) enum LevelWord {}

impl PartialSchema for LevelWord {
    fn schema() -> RefOr<Schema> {
        choice("Length of a window.", &Level::ALL)
    }
}

impl ToSchema for LevelWord {
    fn name() -> Cow<'static, str> {
        "Level".into()
    }
}

/// [`Reset`].
pub(crate) enum ResetWord {}

impl PartialSchema for ResetWord {
    fn schema() -> RefOr<Schema> {
        let all = [Reset::Hour, Reset::Day, Reset::Month, Reset::BillingMonth];
        choice("When use starts at zero again.", &all)
    }
}

impl ToSchema for ResetWord {
    fn name() -> Cow<'static, str> {
        "Reset".into()
    }
}

/// [`PeriodZone`].
pub(crate) enum PeriodZoneWord {}

impl PartialSchema for PeriodZoneWord {
    fn schema() -> RefOr<Schema> {
        let all = [PeriodZone::Utc, PeriodZone::Account];
        choice("In whose days and months a period is.", &all)
    }
}

impl ToSchema for PeriodZoneWord {
    fn name() -> Cow<'static, str> {
        "PeriodZone".into()
    }
}
