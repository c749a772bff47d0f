//! Pages of lists: a bounded number of items, and a cursor to the next.
//!
//! A cursor is the key of a page's last item, so that nothing is skipped or told twice where items
//! come and go in between. It is opaque to callers and says nothing that the page did not.

use crate::problem::{Kind, Problem};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Most items of one page: an answer of some hundred kilobytes.
const ITEMS_MAX: usize = 1_000;
/// Items of a page where nothing is said.
const ITEMS_DEFAULT: usize = 100;
/// Longest cursor that is read: a tenant, a meter and dimensions of the usual bounds.
const CURSOR_BYTES: usize = 16 << 10;

/// One page of a list.
#[derive(Serialize, ToSchema)]
pub(crate) struct Page<T> {
    /// The items.
    pub(crate) items: Vec<T>,
    /// The cursor of the next page; null at the end.
    pub(crate) next: Option<String>,
}

/// Which page, in the query of a list that takes nothing else.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct PageQuery {
    /// The `next` of the page before.
    cursor: Option<String>,
    /// Most items of the page, at most 1,000. Default 100.
    limit: Option<u32>,
}

impl PageQuery {
    /// # Errors
    /// Those of [`PageParams::new`].
    pub(crate) fn page(&self) -> Result<PageParams<'_>, Problem> {
        PageParams::new(self.cursor.as_deref(), self.limit)
    }
}

/// Which page is asked for.
pub(crate) struct PageParams<'a> {
    cursor: Option<&'a str>,
    /// Most items of it.
    pub(crate) limit: usize,
}

/// A page's last key, as text.
pub(crate) struct Cursor(String);

impl Cursor {
    /// Of a key: hexadecimal digits of its JSON, which need no escapes in a query.
    pub(crate) fn of(key: &impl Serialize) -> Self {
        let bytes = serde_json::to_vec(key).expect("keys are plain");
        Self(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

impl<'a> PageParams<'a> {
    /// # Errors
    /// 400 for a limit of none or too many.
    pub(crate) fn new(cursor: Option<&'a str>, limit: Option<u32>) -> Result<Self, Problem> {
        let limit = limit.map_or(Ok(ITEMS_DEFAULT), usize::try_from);
        match limit {
            Ok(limit @ 1..=ITEMS_MAX) => Ok(Self { cursor, limit }),
            _ => {
                let detail = format!("limit must be from 1 to {ITEMS_MAX}");
                Err(Problem::of(Kind::BadRequest, detail))
            }
        }
    }

    /// The key after which the page begins; `None` for the first page.
    ///
    /// # Errors
    /// 400 for a cursor that is not one of ours.
    pub(crate) fn after<K: DeserializeOwned>(&self) -> Result<Option<K>, Problem> {
        let Some(cursor) = self.cursor else {
            return Ok(None);
        };
        let bytes = read_hex(cursor).filter(|bytes| bytes.len() <= CURSOR_BYTES);
        let key = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        key.map(Some).ok_or_else(foreign_cursor)
    }
}

impl<T> Page<T> {
    /// Of at most `limit` items, and one more where there is another page.
    pub(crate) fn new(mut items: Vec<T>, limit: usize, key: impl Fn(&T) -> Cursor) -> Self {
        let has_more = items.len() > limit;
        items.truncate(limit);
        let last = items.last().filter(|_| has_more);
        Self {
            next: last.map(|last| key(last).0),
            items,
        }
    }
}

/// The answer to a cursor that is none, or one of another list.
pub(crate) fn foreign_cursor() -> Problem {
    Problem::of(Kind::BadRequest, "the cursor is not one of this list")
}

fn read_hex(text: &str) -> Option<Vec<u8>> {
    if !text.is_ascii() || !text.len().is_multiple_of(2) {
        return None;
    }
    let pairs = (0..text.len()).step_by(2);
    pairs
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_leads_behind_the_last_item() {
        let page = Page::new(vec!["a", "b", "ü"], 2, Cursor::of);
        assert_eq!(page.items, ["a", "b"]);
        let next = page.next.expect("another page");
        let params = PageParams::new(Some(&next), None).expect("a page");
        assert_eq!(
            params.after::<String>().ok().flatten().as_deref(),
            Some("b")
        );
        let last = Page::new(vec!["ü"], 1, Cursor::of);
        assert_eq!(last.next, None);
    }

    #[test]
    fn what_is_no_cursor_is_refused() {
        for text in ["", "x", "zz", "2", "5b", "ää"] {
            let params = PageParams::new(Some(text), Some(1)).expect("a page");
            assert!(params.after::<String>().is_err(), "{text}");
        }
        for limit in [0, 1_001] {
            assert!(PageParams::new(None, Some(limit)).is_err(), "{limit}");
        }
    }
}
