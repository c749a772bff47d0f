//! Templates: how a field of an event is made from a record of a file.
//!
//! `{name}` is a field of the record, `{line}` the record's number from 1, `{line%17}` its
//! remainder, `{hash(name)%17}` Kafka's murmur2 of a field's text modulo 17 (also of `line`). `{{`
//! and `}}` are braces; everything else stands for itself. A field that the record does not have
//! is an error, never an empty text.

use meterline_core::hash::partition_of;

/// A parsed template.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Part {
    Text(String),
    Value(Source),
    Remainder(Source, u32),
    Hash(Source, u32),
}

/// What a part reads.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Source {
    Line,
    Field(String),
}

/// A record of the file, as templates read it.
pub(crate) trait Fields {
    /// The record's number in the file, from 1.
    fn line(&self) -> u64;
    /// The text of a field; `None` where there is no such field.
    fn field(&self, name: &str) -> Option<&str>;
    /// The fields whose names begin so, by what follows; none where records are flat.
    fn below(&self, _prefix: &str) -> Vec<(&str, &str)> {
        Vec::new()
    }
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// A sentence that quotes what cannot be read.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            plain.push_str(&rest[..at]);
            let brace = &rest[at..=at];
            rest = &rest[at + 1..];
            if let Some(after) = rest.strip_prefix(brace) {
                plain.push_str(brace);
                rest = after;
                continue;
            }
            let end = rest.find('}').filter(|_| brace == "{");
            let end = end.ok_or_else(|| format!("`{text}` has a `{brace}` without its partner; write `{brace}{brace}` for the character"))?;
            if !plain.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut plain)));
            }
            parts.push(parse_part(&rest[..end])?);
            rest = &rest[end + 1..];
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        Ok(Self { parts })
    }

    /// The text, where nothing of it depends on the record.
    pub(crate) fn constant(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [] => Some(""),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// Names of the fields that it reads.
    pub(crate) fn fields(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Value(Source::Field(name))
            | Part::Remainder(Source::Field(name), _)
            | Part::Hash(Source::Field(name), _) => Some(name.as_str()),
            _ => None,
        })
    }

    /// Whether the record has every field that it reads.
    pub(crate) fn fits(&self, record: &impl Fields) -> bool {
        self.fields().all(|name| record.field(name).is_some())
    }

    /// The text for a record.
    ///
    /// # Errors
    /// A sentence that names the field that is missing or no whole number.
    pub(crate) fn render(&self, record: &impl Fields) -> Result<String, String> {
        let mut out = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Value(source) => match source {
                    Source::Line => out.push_str(&record.line().to_string()),
                    Source::Field(name) => out.push_str(field(record, name)?),
                },
                Part::Remainder(source, modulus) => {
                    let number = number(record, source)?;
                    out.push_str(&(number % u64::from(*modulus)).to_string());
                }
                Part::Hash(source, modulus) => {
                    let hash = match source {
                        Source::Line => {
                            partition_of(record.line().to_string().as_bytes(), *modulus)
                        }
                        Source::Field(name) => {
                            partition_of(field(record, name)?.as_bytes(), *modulus)
                        }
                    };
                    out.push_str(&hash.to_string());
                }
            }
        }
        Ok(out)
    }
}

fn field<'a>(record: &'a impl Fields, name: &str) -> Result<&'a str, String> {
    record
        .field(name)
        .ok_or_else(|| format!("there is no field `{name}`"))
}

fn number(record: &impl Fields, source: &Source) -> Result<u64, String> {
    match source {
        Source::Line => Ok(record.line()),
        Source::Field(name) => {
            let text = field(record, name)?;
            text.parse()
                .map_err(|_| format!("field `{name}` is `{text}`, no whole number"))
        }
    }
}

fn parse_part(text: &str) -> Result<Part, String> {
    let Some((operand, modulus)) = text.rsplit_once('%') else {
        return Ok(Part::Value(parse_source(text)?));
    };
    let modulus = modulus.parse().ok().filter(|m| *m > 0);
    let modulus =
        modulus.ok_or_else(|| format!("`{{{text}}}`: a whole number above 0 must follow `%`"))?;
    match operand
        .strip_prefix("hash(")
        .and_then(|rest| rest.strip_suffix(')'))
    {
        Some(name) => Ok(Part::Hash(parse_source(name)?, modulus)),
        None => Ok(Part::Remainder(parse_source(operand)?, modulus)),
    }
}

fn parse_source(name: &str) -> Result<Source, String> {
    match name.trim() {
        "" => Err("`{}` names no field".to_owned()),
        "line" => Ok(Source::Line),
        name if name.starts_with("hash(") => {
            Err(format!("`{{{name}}}` needs `%` and a number behind it"))
        }
        name => Ok(Source::Field(name.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Record;

    impl Fields for Record {
        fn line(&self) -> u64 {
            20
        }
        fn field(&self, name: &str) -> Option<&str> {
            [("host", "a.example"), ("size", "37"), ("empty", "")]
                .into_iter()
                .find_map(|(key, value)| (key == name).then_some(value))
        }
    }

    fn check(template: &str, expected: Result<&str, &str>) {
        let rendered = Template::parse(template).and_then(|t| t.render(&Record));
        match (&rendered, expected) {
            (Ok(text), Ok(expected)) => assert_eq!(text, expected, "{template}"),
            (Err(error), Err(part)) => assert!(error.contains(part), "{template}: {error}"),
            _ => panic!("{template}: {rendered:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn fields_numbers_and_text_are_put_together() {
        check("{host}", Ok("a.example"));
        check("req-{line}-{size}", Ok("req-20-37"));
        check("t{line%17}", Ok("t3"));
        check("{size%10}{empty}", Ok("7"));
        check("{{{line}}}", Ok("{20}"));
        check("constant", Ok("constant"));
        check("", Ok(""));
        // murmur2("21") is -973932308, see the core's test; here of "20" and "a.example".
        let expected =
            partition_of(b"20", 5).to_string() + &partition_of(b"a.example", 9).to_string();
        check("{hash(line)%5}{hash(host)%9}", Ok(&expected));
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        check("{nobody}", Err("there is no field `nobody`"));
        check(
            "{host%3}",
            Err("field `host` is `a.example`, no whole number"),
        );
        check("{host", Err("`{` without its partner"));
        check("host}", Err("`}` without its partner"));
        check("{}", Err("names no field"));
        check("{line%0}", Err("a whole number above 0"));
        check("{line%x}", Err("a whole number above 0"));
        check("{hash(host)}", Err("needs `%`"));
    }
}
