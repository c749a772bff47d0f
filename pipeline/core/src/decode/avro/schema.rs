//! Avro schemas: from JSON to nodes that refer to each other by number.
//!
//! Refuses what the specification refuses (bad names, unknown types, unions in unions). A logical
//! type that is unknown or does not fit its type is ignored, as the specification wants; whether
//! a field can do without it is the plan's to judge.

use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

mod logical;
mod name;

pub(super) use logical::Logical;

/// The place of a node in its schema.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct NodeId(usize);

/// A parsed schema.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct Schema {
    nodes: Vec<Node>,
    root: NodeId,
}

/// One type of a schema.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct Node {
    pub(super) kind: Kind,
    pub(super) logical: Option<Logical>,
    /// Encoded length, where all values have the same.
    pub(super) fixed_length: Option<usize>,
}

#[derive(PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Null,
    Boolean,
    Int,
    Long,
    Float,
    Double,
    Bytes,
    String,
    Array(NodeId),
    Map(NodeId),
    Union(Vec<NodeId>),
    Record { name: String, fields: Vec<Field> },
    Enum { name: String, symbols: Vec<String> },
    Fixed { name: String, size: usize },
}

#[derive(PartialEq, Eq, Debug)]
pub(super) struct Field {
    pub(super) name: String,
    /// What the writer says that the field was once called.
    pub(super) aliases: Vec<String>,
    pub(super) node: NodeId,
}

impl Schema {
    /// Reads a schema.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let json: Value =
            serde_json::from_str(text).map_err(|e| format!("the schema is not JSON: {e}"))?;
        let mut parser = Parser::default();
        let root = parser.schema(&json, "")?;
        Ok(Self {
            nodes: parser.nodes,
            root,
        })
    }

    pub(super) fn root(&self) -> NodeId {
        self.root
    }

    pub(super) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0]
    }

    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Forgets the aliases of all fields, so that schemas that read alike are equal.
    pub(super) fn forget_aliases(&mut self) {
        for node in &mut self.nodes {
            if let Kind::Record { fields, .. } = &mut node.kind {
                fields.iter_mut().for_each(|field| field.aliases.clear());
            }
        }
    }
}

impl NodeId {
    pub(super) fn index(self) -> usize {
        self.0
    }
}

impl Kind {
    /// The full name of a named type.
    pub(super) fn name(&self) -> Option<&str> {
        match self {
            Self::Record { name, .. } | Self::Enum { name, .. } | Self::Fixed { name, .. } => {
                Some(name)
            }
            _ => None,
        }
    }

    /// The type's name as the specification has it.
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean => "boolean",
            Self::Int => "int",
            Self::Long => "long",
            Self::Float => "float",
            Self::Double => "double",
            Self::Bytes => "bytes",
            Self::String => "string",
            Self::Array(_) => "array",
            Self::Map(_) => "map",
            Self::Union(_) => "union",
            Self::Record { .. } => "record",
            Self::Enum { .. } => "enum",
            Self::Fixed { .. } => "fixed",
        }
    }

    fn primitive(name: &str) -> Option<Self> {
        Some(match name {
            "null" => Self::Null,
            "boolean" => Self::Boolean,
            "int" => Self::Int,
            "long" => Self::Long,
            "float" => Self::Float,
            "double" => Self::Double,
            "bytes" => Self::Bytes,
            "string" => Self::String,
            _ => return None,
        })
    }
}

#[derive(Default)]
struct Parser {
    nodes: Vec<Node>,
    /// Named types by full name.
    named: BTreeMap<String, NodeId>,
}

impl Parser {
    fn schema(&mut self, json: &Value, namespace: &str) -> Result<NodeId, String> {
        match json {
            Value::String(name) => self.by_name(name, namespace),
            Value::Array(branches) => self.union(branches, namespace),
            Value::Object(object) => self.object(object, namespace),
            other => Err(format!("{other} is not a schema")),
        }
    }

    fn object(&mut self, object: &Map<String, Value>, namespace: &str) -> Result<NodeId, String> {
        let kind = match object.get("type") {
            Some(Value::String(kind)) => kind.as_str(),
            Some(nested) => return self.schema(nested, namespace),
            None => return Err("a schema has no `type`".to_owned()),
        };
        match kind {
            "record" => self.record(object, namespace),
            "enum" => self.enumeration(object, namespace),
            "fixed" => self.fixed(object, namespace),
            "array" => {
                let items = self.member(object, "items", kind, namespace)?;
                Ok(self.add(Kind::Array(items)))
            }
            "map" => {
                let values = self.member(object, "values", kind, namespace)?;
                Ok(self.add(Kind::Map(values)))
            }
            name => {
                let Some(kind) = Kind::primitive(name) else {
                    return self.by_name(name, namespace);
                };
                let logical = Logical::of(object, &kind);
                let id = self.add(kind);
                self.nodes[id.0].logical = logical;
                Ok(id)
            }
        }
    }

    fn by_name(&mut self, written: &str, namespace: &str) -> Result<NodeId, String> {
        if let Some(kind) = Kind::primitive(written) {
            return Ok(self.add(kind));
        }
        let name = name::full(written, namespace)?;
        let known = self.named.get(&name).copied();
        known.ok_or_else(|| format!("the type `{name}` is not defined before it is used"))
    }

    fn union(&mut self, branches: &[Value], namespace: &str) -> Result<NodeId, String> {
        let mut ids = Vec::with_capacity(branches.len());
        let mut seen: Vec<String> = Vec::with_capacity(branches.len());
        for branch in branches {
            let id = self.schema(branch, namespace)?;
            let kind = &self.nodes[id.0].kind;
            if matches!(kind, Kind::Union(_)) {
                return Err("a union is directly inside a union".to_owned());
            }
            let name = kind.name().unwrap_or(kind.type_name()).to_owned();
            if seen.contains(&name) {
                return Err(format!("a union has two branches of type `{name}`"));
            }
            seen.push(name);
            ids.push(id);
        }
        if ids.is_empty() {
            return Err("a union has no branches".to_owned());
        }
        Ok(self.add(Kind::Union(ids)))
    }

    fn record(&mut self, object: &Map<String, Value>, namespace: &str) -> Result<NodeId, String> {
        let name = name::defined(object, namespace)?;
        let Some(Value::Array(list)) = object.get("fields") else {
            return Err(format!("the record `{name}` has no list of fields"));
        };
        // Known before its fields are read: they may refer to it.
        let id = self.define(Kind::Record {
            name: name.clone(),
            fields: Vec::new(),
        })?;
        let mut fields: Vec<Field> = Vec::with_capacity(list.len());
        let mut names = BTreeSet::new();
        for json in list {
            let field = self.field(json, name::namespace_of(&name), &name)?;
            if !names.insert(field.name.clone()) {
                return Err(format!(
                    "the record `{name}` has two fields `{}`",
                    field.name
                ));
            }
            fields.push(field);
        }
        let lengths = fields
            .iter()
            .map(|field| self.nodes[field.node.0].fixed_length);
        let length = lengths.sum_checked();
        let node = &mut self.nodes[id.0];
        node.fixed_length = length;
        node.kind = Kind::Record { name, fields };
        Ok(id)
    }

    fn field(&mut self, json: &Value, namespace: &str, record: &str) -> Result<Field, String> {
        let name = json.get("name").and_then(Value::as_str);
        let name = name.ok_or_else(|| format!("a field of the record `{record}` has no name"))?;
        name::check_simple(name)?;
        let schema = json.get("type");
        let schema = schema.ok_or_else(|| format!("the field `{name}` has no `type`"))?;
        let node = self
            .schema(schema, namespace)
            .map_err(|reason| format!("field `{name}`: {reason}"))?;
        Ok(Field {
            name: name.to_owned(),
            aliases: name::aliases(json)
                .ok_or_else(|| format!("the aliases of the field `{name}` are no list of names"))?,
            node,
        })
    }

    fn enumeration(
        &mut self,
        object: &Map<String, Value>,
        namespace: &str,
    ) -> Result<NodeId, String> {
        let name = name::defined(object, namespace)?;
        let Some(Value::Array(list)) = object.get("symbols") else {
            return Err(format!("the enum `{name}` has no list of symbols"));
        };
        let mut symbols: Vec<String> = Vec::with_capacity(list.len());
        let mut seen = BTreeSet::new();
        for symbol in list {
            let symbol = symbol.as_str().unwrap_or_default();
            name::check_simple(symbol)?;
            if !seen.insert(symbol) {
                return Err(format!("the enum `{name}` has the symbol `{symbol}` twice"));
            }
            symbols.push(symbol.to_owned());
        }
        self.define(Kind::Enum { name, symbols })
    }

    fn fixed(&mut self, object: &Map<String, Value>, namespace: &str) -> Result<NodeId, String> {
        let name = name::defined(object, namespace)?;
        let size = object.get("size").and_then(Value::as_u64);
        let size = size.and_then(|size| usize::try_from(size).ok());
        let size = size.ok_or_else(|| format!("the fixed `{name}` has no size"))?;
        let kind = Kind::Fixed { name, size };
        let logical = Logical::of(object, &kind);
        let id = self.define(kind)?;
        self.nodes[id.0].logical = logical;
        Ok(id)
    }

    fn member(
        &mut self,
        object: &Map<String, Value>,
        member: &str,
        kind: &str,
        namespace: &str,
    ) -> Result<NodeId, String> {
        let schema = object.get(member);
        let schema = schema.ok_or_else(|| format!("a schema of type {kind} has no `{member}`"))?;
        self.schema(schema, namespace)
    }

    fn define(&mut self, kind: Kind) -> Result<NodeId, String> {
        let name = kind
            .name()
            .expect("only named types are defined")
            .to_owned();
        if self.named.contains_key(&name) {
            return Err(format!("the type `{name}` is defined twice"));
        }
        let id = self.add(kind);
        self.named.insert(name, id);
        Ok(id)
    }

    fn add(&mut self, kind: Kind) -> NodeId {
        let fixed_length = match &kind {
            Kind::Null => Some(0),
            Kind::Boolean => Some(1),
            Kind::Float => Some(4),
            Kind::Double => Some(8),
            Kind::Fixed { size, .. } => Some(*size),
            _ => None,
        };
        self.nodes.push(Node {
            kind,
            logical: None,
            fixed_length,
        });
        NodeId(self.nodes.len() - 1)
    }
}

/// The sum of lengths, where each is known and the sum can be one.
trait SumChecked {
    fn sum_checked(self) -> Option<usize>;
}

impl<I: Iterator<Item = Option<usize>>> SumChecked for I {
    fn sum_checked(mut self) -> Option<usize> {
        self.try_fold(0usize, |sum, length| sum.checked_add(length?))
    }
}
