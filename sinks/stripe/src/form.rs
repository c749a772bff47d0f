//! Parameters in Stripe's form: `application/x-www-form-urlencoded`, brackets for what is nested
//! (<https://docs.stripe.com/api>).
//!
//! Refuses nothing: which parameters a call has is the business of [`crate::requests`].

use std::fmt::Display;
use url::form_urlencoded::Serializer;

/// Parameters in the order in which they were put.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Form(Vec<(String, String)>);

impl Form {
    /// Adds a parameter by its full name, such as `payload[value]`.
    pub(crate) fn put(&mut self, name: impl Into<String>, value: impl Display) {
        self.0.push((name.into(), value.to_string()));
    }

    /// The same where there is a value.
    pub(crate) fn put_some(&mut self, name: impl Into<String>, value: Option<impl Display>) {
        if let Some(value) = value {
            self.put(name, value);
        }
    }

    /// Adds `name[key]` for each pair.
    pub(crate) fn put_map(&mut self, name: &str, pairs: &[(&str, &str)]) {
        for (key, value) in pairs {
            self.put(format!("{name}[{key}]"), value);
        }
    }

    /// Adds `name[0]`, `name[1]`, … .
    pub(crate) fn put_list(&mut self, name: &str, values: &[&str]) {
        for (index, value) in values.iter().enumerate() {
            self.put(format!("{name}[{index}]"), value);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The form as it is sent, in a body or behind a `?`.
    pub(crate) fn encoded(&self) -> String {
        Serializer::new(String::new())
            .extend_pairs(&self.0)
            .finish()
    }
}

/// An id as one part of a path. What could end the part is escaped, and an empty id becomes a blank
/// one, which nothing has: without it the path would be that of the list.
pub(crate) fn path_part(id: &str) -> String {
    if id.is_empty() {
        return "%20".to_owned();
    }
    let escaped = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    id.bytes().map(escaped).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_names_are_escaped() {
        let mut form = Form::default();
        form.put("event_name", "a b&c=ä");
        form.put_some("absent", None::<&str>);
        form.put_map("metadata", &[("k[1]", "v")]);
        form.put_list("lookup_keys", &["x", "y"]);
        assert_eq!(
            form.encoded(),
            "event_name=a+b%26c%3D%C3%A4&metadata%5Bk%5B1%5D%5D=v\
             &lookup_keys%5B0%5D=x&lookup_keys%5B1%5D=y"
        );
    }

    #[test]
    fn an_id_never_leaves_its_part_of_the_path() {
        let check = |id, expected| assert_eq!(path_part(id), expected);
        check("in_1-A", "in_1-A");
        check("../a?b#c", "%2E%2E%2Fa%3Fb%23c");
        check("ä", "%C3%A4");
        check("", "%20");
    }
}
