//! What operators do by commands on a real stack, and what they are told where they err.

mod access;
mod accounts;
mod races;
mod standings;

use crate::support::site::Site;
use serde_json::Value;

/// Where commands are run, written as one writes them.
struct Desk {
    site: Site,
}

impl Desk {
    /// A command that goes well says these.
    fn says(&self, words: &str, parts: &[&str]) {
        let words: Vec<&str> = words.split(' ').collect();
        self.site.meterline(&words).ok().says(parts);
    }

    /// A command that ends with this code says these; gives all that it says.
    fn refused(&self, words: &str, code: i32, parts: &[&str]) -> String {
        let words: Vec<&str> = words.split(' ').collect();
        let ended = self.site.meterline(&words).with_code(code).says(parts);
        ended.stdout + &ended.stderr
    }

    fn json(&self, words: &str) -> Value {
        self.site.json(&words.split(' ').collect::<Vec<_>>())
    }

    /// All that a command prints on its standard output.
    fn printed(&self, words: &str) -> String {
        let words: Vec<&str> = words.split(' ').collect();
        self.site.meterline(&words).ok().stdout.trim().to_owned()
    }
}

fn rows(table: &Value) -> &[Value] {
    table.as_array().expect("rows")
}

/// A column of rows, as texts; null is empty.
fn column(table: &Value, name: &str) -> Vec<String> {
    let cells = rows(table).iter().map(|row| match &row[name] {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    });
    cells.collect()
}
