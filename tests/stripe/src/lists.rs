//! Pages of objects, newest first.
//!
//! "A limit on the number of objects to be returned. Limit can range between 1 and 100, and the
//! default is 10." "`starting_after` is an object ID that defines your place in the list."
//! (<https://docs.stripe.com/api/pagination>)

use crate::form::Form;
use crate::refusal::Refusal;
use serde_json::{Value, json};

/// Parameters of every list.
pub(crate) const PAGE: [&str; 3] = ["limit", "starting_after", "ending_before"];

/// A page of objects that are given newest first, each with its id.
pub(crate) fn page(
    form: &Form,
    url: &str,
    objects: impl Iterator<Item = (String, Value)>,
) -> Result<Value, Refusal> {
    page_of(form, url, objects, |object| object)
}

/// The same of objects that cost much to write: only those of the page are written.
pub(crate) fn page_of<T>(
    form: &Form,
    url: &str,
    objects: impl Iterator<Item = (String, T)>,
    write: impl Fn(T) -> Value,
) -> Result<Value, Refusal> {
    let limit = match form.integer("limit")? {
        None => 10,
        Some(limit @ 1..=100) => usize::try_from(limit).expect("at most 100"),
        Some(_) => {
            return Err(Refusal::parameter(
                "limit",
                "Limit must be between 1 and 100",
            ));
        }
    };
    if form.has("ending_before") {
        return Err(Refusal::parameter(
            "ending_before",
            "This stand-in pages forwards only; use starting_after.",
        ));
    }
    let mut objects = objects.peekable();
    if let Some(cursor) = form.get("starting_after")
        && !objects.any(|(id, _)| id == cursor)
    {
        return Err(Refusal::names_no("object", "starting_after", cursor));
    }
    let shown: Vec<_> = objects
        .by_ref()
        .take(limit)
        .map(|(_, object)| write(object))
        .collect();
    Ok(json!({
        "object": "list",
        "url": url,
        "has_more": objects.peek().is_some(),
        "data": shown,
    }))
}

/// A list that always fits one page, inside another object.
pub(crate) fn whole(url: &str, objects: Vec<Value>) -> Value {
    json!({ "object": "list", "url": url, "has_more": false, "data": objects })
}
