//! How values of one writer schema become usage events: one step per field of the writer.
//!
//! Follows the specification's schema resolution with `UsageEvent` as the reader's schema: fields
//! by name, others skipped, `quantity` and `properties` default where the writer lacks them. What
//! the specification leaves to the application is taken generously where it stays exact, and
//! refused where it does not:
//!
//! - a null where text or a time is expected is a missing one, as in JSON;
//! - a quantity may be a decimal of any scale in bytes or fixed, an int or long, or a string that
//!   is read as in JSON; never a float, not even a whole one;
//! - a time may be a timestamp in milliseconds or microseconds, or a string by RFC 3339; a plain
//!   long says no unit and is refused;
//! - every branch of a union must be readable: better a refused schema than dead letters later;
//! - the record's own name does not matter;
//! - a field that the writer renamed is known by its alias ([`called`]).

use super::schema::{Field, Kind, Logical, Node, NodeId, Schema};

mod called;

/// A compiled writer schema.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct Plan {
    /// What skipped fields look like.
    pub(super) schema: Schema,
    /// In the order of the writer's fields.
    pub(super) steps: Vec<Step>,
}

/// What to do with the next field of the writer.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Step {
    Id(OneOf<Text>),
    Source(OneOf<Text>),
    Kind(OneOf<Text>),
    Tenant(OneOf<Text>),
    Time(OneOf<Time>),
    Quantity(OneOf<Number>),
    Properties(OneOf<TextMap>),
    Skip(NodeId),
}

/// A reading, or one for each branch of a union.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum OneOf<T> {
    Always(T),
    Branch(Vec<T>),
}

/// A string, or bytes that must be UTF-8: both are encoded alike.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Text {
    Null,
    Text,
}

#[derive(PartialEq, Eq, Debug)]
pub(super) enum Time {
    Null,
    Millis,
    Micros,
    Rfc3339,
}

#[derive(PartialEq, Eq, Debug)]
pub(super) enum Number {
    Null,
    Int,
    Long,
    Text,
    Decimal { scale: u32 },
    FixedDecimal { size: usize, scale: u32 },
}

#[derive(PartialEq, Eq, Debug)]
pub(super) enum TextMap {
    Null,
    Values(OneOf<Text>),
}

impl Plan {
    /// Compiles a writer schema.
    pub(super) fn new(mut schema: Schema) -> Result<Self, String> {
        let root = schema.node(schema.root());
        let Kind::Record { fields, .. } = &root.kind else {
            return Err(format!(
                "a usage event is a record, not of type {}",
                root.kind.type_name()
            ));
        };
        let called = called::fields(fields)?;
        for needed in ["id", "source", "type", "tenant", "time"] {
            if !called.contains(&Some(needed)) {
                return Err(format!(
                    "the record has no field `{needed}`, which UsageEvent needs"
                ));
            }
        }
        let steps = fields.iter().zip(called);
        let steps: Result<_, _> = steps
            .map(|(field, called)| step(&schema, field, called))
            .collect();
        let steps = steps?;
        schema.forget_aliases();
        Ok(Self { steps, schema })
    }
}

impl Step {
    /// The field that the step reads.
    pub(super) fn field(&self) -> &'static str {
        match self {
            Self::Id(_) => "id",
            Self::Source(_) => "source",
            Self::Kind(_) => "type",
            Self::Tenant(_) => "tenant",
            Self::Time(_) => "time",
            Self::Quantity(_) => "quantity",
            Self::Properties(_) => "properties",
            Self::Skip(_) => "a field that is not read",
        }
    }
}

/// The step for a field of the writer that `UsageEvent` calls so.
fn step(schema: &Schema, field: &Field, called: Option<&str>) -> Result<Step, String> {
    let id = field.node;
    let step = match called {
        Some("id") => one_of(schema, id, text).map(Step::Id),
        Some("source") => one_of(schema, id, text).map(Step::Source),
        Some("type") => one_of(schema, id, text).map(Step::Kind),
        Some("tenant") => one_of(schema, id, text).map(Step::Tenant),
        Some("time") => one_of(schema, id, time).map(Step::Time),
        Some("quantity") => one_of(schema, id, number).map(Step::Quantity),
        Some("properties") => {
            one_of(schema, id, |node| text_map(schema, node)).map(Step::Properties)
        }
        _ => Ok(Step::Skip(id)),
    };
    step.map_err(|reason| match called {
        Some(called) if called != field.name => {
            format!("field `{}`, by its alias `{called}`: {reason}", field.name)
        }
        _ => format!("field `{}`: {reason}", field.name),
    })
}

fn one_of<T>(
    schema: &Schema,
    id: NodeId,
    read: impl Fn(&Node) -> Result<T, String>,
) -> Result<OneOf<T>, String> {
    let node = schema.node(id);
    let Kind::Union(branches) = &node.kind else {
        return read(node).map(OneOf::Always);
    };
    let branches: Result<_, _> = branches.iter().map(|id| read(schema.node(*id))).collect();
    branches.map(OneOf::Branch)
}

fn text(node: &Node) -> Result<Text, String> {
    match (&node.kind, node.logical) {
        (Kind::Null, _) => Ok(Text::Null),
        (Kind::String | Kind::Bytes, None) => Ok(Text::Text),
        _ => Err(format!("{} is not text; use string", described(node))),
    }
}

fn time(node: &Node) -> Result<Time, String> {
    match (&node.kind, node.logical) {
        (Kind::Null, _) => Ok(Time::Null),
        (Kind::String, _) => Ok(Time::Rfc3339),
        (Kind::Long, Some(Logical::TimestampMillis)) => Ok(Time::Millis),
        (Kind::Long, Some(Logical::TimestampMicros)) => Ok(Time::Micros),
        _ => Err(format!(
            "{} is not a time; use a long with the logical type timestamp-micros or \
             timestamp-millis, or a string by RFC 3339",
            described(node)
        )),
    }
}

fn number(node: &Node) -> Result<Number, String> {
    match (&node.kind, node.logical) {
        (Kind::Null, _) => Ok(Number::Null),
        (Kind::Int, None) => Ok(Number::Int),
        (Kind::Long, None) => Ok(Number::Long),
        (Kind::String, None) => Ok(Number::Text),
        (Kind::Bytes, Some(Logical::Decimal { scale })) => Ok(Number::Decimal { scale }),
        (Kind::Fixed { size, .. }, Some(Logical::Decimal { scale })) => {
            let size = *size;
            Ok(Number::FixedDecimal { size, scale })
        }
        (Kind::Float | Kind::Double, _) => Err(format!(
            "a {} cannot hold most decimals; quantities are a decimal, a long or a string",
            node.kind.type_name()
        )),
        _ => Err(format!(
            "{} is not a quantity; use a decimal, a long or a string",
            described(node)
        )),
    }
}

fn text_map(schema: &Schema, node: &Node) -> Result<TextMap, String> {
    match &node.kind {
        Kind::Null => Ok(TextMap::Null),
        Kind::Map(values) => one_of(schema, *values, text).map(TextMap::Values),
        _ => Err(format!("{} is not a map of strings", described(node))),
    }
}

/// `bytes (a decimal)`, `long`, …
fn described(node: &Node) -> String {
    let kind = node.kind.type_name();
    match node.logical {
        None => kind.to_owned(),
        Some(Logical::Decimal { .. }) => format!("{kind} (a decimal)"),
        Some(Logical::TimestampMillis | Logical::TimestampMicros) => {
            format!("{kind} (a timestamp)")
        }
    }
}
