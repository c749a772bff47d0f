//! A YAML document as a tree of texts, lists and maps, each with its line.
//!
//! Scalars stay texts: what they mean is for the reader of a key to say. Refused are duplicate
//! keys, keys that are no scalars, tags, a second document, and everything beyond the bounds, so
//! that a small file cannot become a large tree through its aliases.

use super::Refusal;
use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput};
use std::collections::HashMap;

/// Deepest nesting; a catalog needs six.
const DEPTH_MAX: usize = 16;
/// Most memory of a tree, aliases expanded: 16 times the largest file.
const TREE_BYTES_MAX: usize = 64 << 20;
/// What a node is taken to cost beside its text.
const NODE_BYTES: usize = 64;

/// A part of the document.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// Where it begins, from 1.
    pub(super) line: usize,
    pub(super) value: Value,
}

/// What a node is.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// A scalar; `plain` where it was written without quotes and not as a block.
    Text { text: String, plain: bool },
    /// A sequence.
    List(Vec<Node>),
    /// A mapping, in written order, its keys unique.
    Map(Vec<Entry>),
}

/// One entry of a mapping.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    /// Line of the key, from 1.
    pub(super) line: usize,
    pub(super) node: Node,
}

/// Reads a text that holds exactly one document.
pub(super) fn parse(text: &str) -> Result<Node, Refusal> {
    let mut builder = Builder {
        parser: Parser::new_from_str(text),
        anchors: HashMap::new(),
        bytes: 0,
    };
    let mut root = None;
    loop {
        let (event, line) = builder.next()?;
        match event {
            Event::Nothing | Event::StreamStart | Event::DocumentEnd => {}
            Event::DocumentStart(_) if root.is_some() => {
                return Err(Refusal::new(
                    line,
                    "",
                    "a second document begins: write one",
                ));
            }
            Event::DocumentStart(_) => {
                let (event, line) = builder.next()?;
                root = Some(builder.node(event, line, 0)?);
            }
            Event::StreamEnd => break,
            other => return Err(Refusal::new(line, "", format!("unexpected {other:?}"))),
        }
    }
    root.ok_or_else(|| Refusal::new(1, "", "is empty"))
}

struct Builder<'t> {
    parser: Parser<'t, StrInput<'t>>,
    /// Finished nodes by anchor.
    anchors: HashMap<usize, Node>,
    /// What the tree costs so far.
    bytes: usize,
}

impl<'t> Builder<'t> {
    fn next(&mut self) -> Result<(Event<'t>, usize), Refusal> {
        let syntax =
            |e: ScanError| Refusal::new(e.marker().line(), "", format!("no YAML: {}", e.info()));
        let next = self.parser.next_event();
        let (event, span): (_, Span) = next
            .ok_or_else(|| Refusal::new(1, "", "no YAML: ends early"))?
            .map_err(syntax)?;
        Ok((event, span.start.line()))
    }

    /// Builds the node that this event begins.
    fn node(&mut self, event: Event<'t>, line: usize, depth: usize) -> Result<Node, Refusal> {
        if depth > DEPTH_MAX {
            let reason = format!("is nested deeper than {DEPTH_MAX}");
            return Err(Refusal::new(line, "", reason));
        }
        let (value, anchor, tag) = match event {
            Event::Alias(anchor) => return self.copy(anchor, line, depth),
            Event::Scalar(text, style, anchor, tag) => {
                self.spend(NODE_BYTES + text.len(), line)?;
                let (text, plain) = (text.into_owned(), style == ScalarStyle::Plain);
                (Value::Text { text, plain }, anchor, tag)
            }
            Event::SequenceStart(anchor, tag) => (Value::List(self.list(depth)?), anchor, tag),
            Event::MappingStart(anchor, tag) => (Value::Map(self.map(depth)?), anchor, tag),
            other => return Err(Refusal::new(line, "", format!("unexpected {other:?}"))),
        };
        if let Some(tag) = tag {
            return Err(Refusal::new(
                line,
                "",
                format!("the tag `{tag}` says nothing here"),
            ));
        }
        let node = Node { line, value };
        if anchor > 0 {
            self.spend(size(&node), line)?;
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Node>, Refusal> {
        let mut nodes = Vec::new();
        loop {
            let (event, line) = self.next()?;
            if event == Event::SequenceEnd {
                return Ok(nodes);
            }
            nodes.push(self.node(event, line, depth + 1)?);
            self.spend(NODE_BYTES, line)?;
        }
    }

    fn map(&mut self, depth: usize) -> Result<Vec<Entry>, Refusal> {
        let mut entries = Vec::new();
        let mut lines: HashMap<String, usize> = HashMap::new();
        loop {
            let (event, line) = self.next()?;
            if event == Event::MappingEnd {
                return Ok(entries);
            }
            let Value::Text { text: key, .. } = self.node(event, line, depth + 1)?.value else {
                return Err(Refusal::new(line, "", "a key must be a text"));
            };
            if let Some(first) = lines.insert(key.clone(), line) {
                let reason = format!("the key `{key}` is there twice, first on line {first}");
                return Err(Refusal::new(line, "", reason));
            }
            let (event, value_line) = self.next()?;
            let node = self.node(event, value_line, depth + 1)?;
            entries.push(Entry { key, line, node });
        }
    }

    /// The node behind an alias, with the alias' line: that is where a person has to look first.
    fn copy(&mut self, anchor: usize, line: usize, depth: usize) -> Result<Node, Refusal> {
        let Some(node) = self.anchors.get(&anchor) else {
            return Err(Refusal::new(line, "", "an alias inside of its own anchor"));
        };
        if depth + height(node) > DEPTH_MAX {
            let reason = format!("is nested deeper than {DEPTH_MAX}");
            return Err(Refusal::new(line, "", reason));
        }
        let bytes = size(node);
        self.spend(bytes, line)?;
        let mut node = self.anchors[&anchor].clone();
        node.line = line;
        Ok(node)
    }

    fn spend(&mut self, bytes: usize, line: usize) -> Result<(), Refusal> {
        self.bytes += bytes;
        if self.bytes <= TREE_BYTES_MAX {
            return Ok(());
        }
        Err(Refusal::new(line, "", "holds too much, aliases included"))
    }
}

/// What a copy of the node costs.
fn size(node: &Node) -> usize {
    NODE_BYTES
        + match &node.value {
            Value::Text { text, .. } => text.len(),
            Value::List(nodes) => nodes.iter().map(size).sum(),
            Value::Map(entries) => entries.iter().map(|e| e.key.len() + size(&e.node)).sum(),
        }
}

/// How many levels hang below the node.
fn height(node: &Node) -> usize {
    let below = match &node.value {
        Value::Text { .. } => None,
        Value::List(nodes) => nodes.iter().map(height).max(),
        Value::Map(entries) => entries.iter().map(|e| height(&e.node)).max(),
    };
    below.map_or(0, |levels| levels + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, line: usize, reason: &str) {
        let refusal = parse(text).expect_err("refused");
        assert_eq!((refusal.line, refusal.reason.as_str()), (line, reason));
    }

    #[test]
    fn refuses_what_is_not_one_plain_document() {
        check("", 1, "is empty");
        check("# only a comment\n", 1, "is empty");
        check(
            "a: 1\n---\nb: 2\n",
            2,
            "a second document begins: write one",
        );
        check(
            "a: 1\nb:\n  c: 1\n  c: 2\n",
            4,
            "the key `c` is there twice, first on line 3",
        );
        check("a: 1\n? [x]\n: 2\n", 2, "a key must be a text");
        check(
            "a: 1\nb: !!int 2\n",
            2,
            "the tag `tag:yaml.org,2002:!int` says nothing here",
        );
        check("a: &x [*x]\n", 1, "an alias inside of its own anchor");
    }

    #[test]
    fn syntax_errors_have_their_line() {
        for (text, line) in [
            ("a: [1\nb: 2\n", 2),
            ("a:\n  - b\n c: 2\n", 3),
            ("a: *none\n", 1),
        ] {
            let refusal = parse(text).expect_err("refused");
            assert_eq!(refusal.line, line, "{refusal:?}");
            assert!(refusal.reason.starts_with("no YAML: "), "{refusal:?}");
        }
    }

    #[test]
    fn depth_is_bounded_through_aliases_too() {
        let flat = format!("{}{}", "[".repeat(17), "]".repeat(17));
        assert!(parse(&flat).is_ok());
        check(&format!("[\n{flat}]"), 2, "is nested deeper than 16");
        for open in ["[", "{", "- ", "? ", "{a: "] {
            assert!(parse(&open.repeat(100_000)).is_err(), "{open}");
        }
        let mut chain = String::from("a0: &a0 [x]\n");
        for n in 1..20 {
            chain += &format!("a{n}: &a{n} [*a{}]\n", n - 1);
        }
        check(&chain, 16, "is nested deeper than 16");
    }

    #[test]
    fn aliases_cannot_blow_up_a_tree() {
        let mut laughs = format!("a0: &a0 {}\n", "x".repeat(1_000));
        for n in 1..10 {
            let nine = vec![format!("*a{}", n - 1); 9].join(", ");
            laughs += &format!("a{n}: &a{n} [{nine}]\n");
        }
        let refusal = parse(&laughs).expect_err("refused");
        assert_eq!(refusal.reason, "holds too much, aliases included");
    }

    #[test]
    fn a_copy_has_the_line_of_its_alias() {
        let root = parse("a: &x 1\nb:\n  - *x\n").expect("parses");
        let Value::Map(entries) = root.value else {
            panic!("a map");
        };
        let Value::List(items) = &entries[1].node.value else {
            panic!("a list");
        };
        assert_eq!(items[0].line, 3);
        assert!(matches!(&items[0].value, Value::Text { text, plain: true } if text == "1"));
    }
}
