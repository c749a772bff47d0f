//! Reads keys out of a tree, and gathers refusals and marks on the way.
//!
//! A refusal never ends the reading: the caller goes on with a default, so that all refusals of a
//! file come at once. What was read is used only if there was none.

use super::Refusal;
use super::marks::{Marks, Place};
use super::scalar;
use super::tree::{Entry, Node, Value};

/// What was found wrong, and where things are.
#[derive(Debug, Default)]
pub(super) struct Reader {
    refusals: Vec<Refusal>,
    marks: Marks,
}

/// A value and its place.
#[derive(Clone, Debug)]
pub(super) struct Item<'a> {
    pub(super) place: Place,
    pub(super) node: &'a Node,
}

/// A mapping whose keys are all known.
#[derive(Debug)]
pub(super) struct Section<'a> {
    pub(super) place: Place,
    entries: &'a [Entry],
}

impl<'a> Item<'a> {
    /// The whole document.
    pub(super) fn root(node: &'a Node) -> Self {
        let place = Place {
            line: node.line,
            ..Place::default()
        };
        Self { place, node }
    }
}

impl Reader {
    pub(super) fn into_parts(self) -> (Vec<Refusal>, Marks) {
        (self.refusals, self.marks)
    }

    pub(super) fn refusal_count(&self) -> usize {
        self.refusals.len()
    }

    pub(super) fn mark(&mut self, place: &Place) {
        self.marks.add(place);
    }

    pub(super) fn refuse(&mut self, place: &Place, reason: impl Into<String>) {
        self.refusals
            .push(Refusal::new(place.line, &place.shown, reason));
    }

    /// The item as a mapping with these keys and no others.
    pub(super) fn section<'a>(&mut self, item: &Item<'a>, known: &[&str]) -> Section<'a> {
        let section = Section {
            place: item.place.clone(),
            entries: self.entries(item),
        };
        for entry in section.entries {
            if !known.contains(&entry.key.as_str()) {
                let hint = scalar::hint(&entry.key, known.iter().copied());
                let reason = format!("unknown key `{}`: {hint}", entry.key);
                let place = Place {
                    line: entry.line,
                    ..section.place.clone()
                };
                self.refuse(&place, reason);
            }
        }
        section
    }

    /// The item as a mapping from names that the file chooses.
    pub(super) fn entries<'a>(&mut self, item: &Item<'a>) -> &'a [Entry] {
        self.mark(&item.place);
        match &item.node.value {
            Value::Map(entries) => entries,
            value if is_null(value) => &[],
            _ => {
                self.refuse(&item.place, "must be a map of keys and values");
                &[]
            }
        }
    }

    /// The value of a key that may be missing.
    pub(super) fn optional<'a>(&mut self, section: &Section<'a>, key: &str) -> Option<Item<'a>> {
        let entry = section.entries.iter().find(|entry| entry.key == key)?;
        let place = section.place.key(key, entry.line);
        self.mark(&place);
        let node = &entry.node;
        Some(Item { place, node })
    }

    /// The value of a key that must be there.
    pub(super) fn required<'a>(&mut self, section: &Section<'a>, key: &str) -> Option<Item<'a>> {
        let item = self.optional(section, key);
        if item.is_none() {
            self.refuse(&section.place, format!("`{key}` is missing"));
        }
        item
    }

    /// The items of a list; none where the key is missing.
    pub(super) fn list<'a>(&mut self, list: Option<&Item<'a>>) -> Vec<Item<'a>> {
        let Some(list) = list else {
            return Vec::new();
        };
        let Value::List(nodes) = &list.node.value else {
            self.refuse(&list.place, "must be a list");
            return Vec::new();
        };
        let mut items = Vec::new();
        for (index, node) in nodes.iter().enumerate() {
            let place = list.place.item(index, node.line);
            self.mark(&place);
            items.push(Item { place, node });
        }
        items
    }

    /// The texts of a list, in their order.
    pub(super) fn texts(&mut self, list: Option<&Item<'_>>) -> Vec<String> {
        let items = self.list(list);
        items.iter().filter_map(|item| self.text(item)).collect()
    }

    /// The texts of a list whose order means nothing, sorted as the catalog keeps them.
    pub(super) fn sorted_texts(&mut self, list: Option<&Item<'_>>) -> Vec<String> {
        let items = self.list(list);
        let mut texts: Vec<_> = items
            .iter()
            .filter_map(|item| self.text(item).map(|text| (text, item.place.line)))
            .collect();
        texts.sort();
        if let Some(list) = list {
            for (index, (_, line)) in texts.iter().enumerate() {
                let place = Place {
                    line: *line,
                    ..list.place.clone()
                };
                self.mark(&place.standing_for(format!("{}[{index}]", list.place.model)));
            }
        }
        texts.into_iter().map(|(text, _)| text).collect()
    }

    /// The item as a text; `null` and `~` without quotes are refused, because YAML means nothing
    /// by them and a person may mean the word.
    pub(super) fn text(&mut self, item: &Item<'_>) -> Option<String> {
        match &item.node.value {
            value if is_null(value) => {
                self.refuse(
                    &item.place,
                    "has no value; write a text that looks so in quotes",
                );
                None
            }
            Value::Text { text, .. } => Some(text.clone()),
            Value::List(_) | Value::Map(_) => {
                self.refuse(&item.place, "must be a single value");
                None
            }
        }
    }

    /// The item, understood by one of [`scalar`]'s functions.
    pub(super) fn scalar<T>(
        &mut self,
        item: Option<&Item<'_>>,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        let item = item?;
        match read(&self.text(item)?) {
            Ok(value) => Some(value),
            Err(reason) => {
                self.refuse(&item.place, reason);
                None
            }
        }
    }
}

/// Whether YAML's core schema reads the value as null (YAML 1.2.2, section 10.3.2).
fn is_null(value: &Value) -> bool {
    let nulls = ["", "~", "null", "Null", "NULL"];
    matches!(value, Value::Text { text, plain: true } if nulls.contains(&text.as_str()))
}
