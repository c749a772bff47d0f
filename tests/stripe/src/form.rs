//! Request parameters: `application/x-www-form-urlencoded` with brackets for what is nested.
//!
//! It refuses parameters that an endpoint does not know, as Stripe does, so that a misspelt one is
//! found here and not in production. Source: <https://docs.stripe.com/api>, "Our API … accepts
//! form-encoded request bodies", and the error code `parameter_unknown` in
//! <https://docs.stripe.com/error-codes>.

use crate::decimal::Decimal;
use crate::refusal::Refusal;
use std::collections::BTreeMap;

/// Parameters by their flat names, such as `payload[value]`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Form(BTreeMap<String, String>);

impl Form {
    /// Reads a query or a body; of a name that is there twice the last value holds.
    pub(crate) fn parse(text: &str) -> Self {
        let pairs = url::form_urlencoded::parse(text.as_bytes()).into_owned();
        Self(pairs.collect())
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The value, or `parameter_missing`.
    pub(crate) fn required(&self, name: &str) -> Result<&str, Refusal> {
        self.get(name)
            .filter(|value| !value.is_empty())
            .ok_or_else(|| Refusal::missing(name))
    }

    /// Refuses any parameter whose outermost name is not listed; `expand` is always known.
    pub(crate) fn only(&self, known: &[&str]) -> Result<(), Refusal> {
        let outermost = |name: &'_ str| name.split('[').next().unwrap_or_default().to_owned();
        let unknown = |name: &&String| {
            let name = outermost(name);
            name != "expand" && !known.contains(&name.as_str())
        };
        match self.0.keys().find(unknown) {
            None => Ok(()),
            Some(name) => Err(Refusal::invalid(
                "parameter_unknown",
                name,
                &format!("Received unknown parameter: {}", outermost(name)),
            )),
        }
    }

    pub(crate) fn integer(&self, name: &str) -> Result<Option<i64>, Refusal> {
        let parse = |text: &str| {
            text.parse().map_err(|_| {
                let message = format!("Invalid integer: {text}");
                Refusal::invalid("parameter_invalid_integer", name, &message)
            })
        };
        self.get(name).map(parse).transpose()
    }

    pub(crate) fn boolean(&self, name: &str) -> Result<Option<bool>, Refusal> {
        match self.get(name) {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(other) => Err(Refusal::parameter(
                name,
                &format!("Invalid boolean: {other}"),
            )),
        }
    }

    pub(crate) fn decimal(&self, name: &str) -> Result<Option<Decimal>, Refusal> {
        let parse = |text: &str| {
            Decimal::parse(text)
                .ok_or_else(|| Refusal::parameter(name, &format!("Invalid decimal: {text}")))
        };
        self.get(name).map(parse).transpose()
    }

    /// One of the listed values.
    pub(crate) fn one_of<'a>(
        &'a self,
        name: &str,
        values: &[&str],
    ) -> Result<Option<&'a str>, Refusal> {
        match self.get(name) {
            Some(value) if !values.contains(&value) => Err(Refusal::parameter(
                name,
                &format!("Invalid {name}: must be one of {}", values.join(", ")),
            )),
            value => Ok(value),
        }
    }

    /// What is inside `name[…]`, by the inner name.
    pub(crate) fn inside(&self, name: &str) -> impl Iterator<Item = (&str, &str)> {
        let prefix = format!("{name}[");
        self.0.iter().filter_map(move |(key, value)| {
            let inner = key.strip_prefix(&prefix)?.strip_suffix(']')?;
            Some((inner, value.as_str()))
        })
    }

    /// The entries of `name[0][…]`, `name[1][…]`, in their order.
    pub(crate) fn entries(&self, name: &str) -> Vec<Self> {
        let mut entries: BTreeMap<u32, Self> = BTreeMap::new();
        for (inner, value) in self.inside(name) {
            if let Some((index, field)) = inner.split_once("][")
                && let Ok(index) = index.parse()
            {
                let field = match field.split_once("][") {
                    Some((outer, rest)) => format!("{outer}[{rest}]"),
                    None => field.to_owned(),
                };
                let entry = entries.entry(index).or_default();
                entry.0.insert(field, value.to_owned());
            }
        }
        entries.into_values().collect()
    }

    /// Sets, changes and (by an empty value) removes what `metadata[…]` names.
    ///
    /// "Individual keys can be unset by posting an empty value to them."
    /// (<https://docs.stripe.com/api/customers/update>)
    pub(crate) fn change_metadata(&self, metadata: &mut BTreeMap<String, String>) {
        if self.get("metadata") == Some("") {
            metadata.clear();
        }
        for (key, value) in self.inside("metadata") {
            if value.is_empty() {
                metadata.remove(key);
            } else {
                metadata.insert(key.to_owned(), value.to_owned());
            }
        }
    }
}
