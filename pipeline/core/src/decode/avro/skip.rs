//! Steps over the values of fields that a usage event does not have.
//!
//! They are skipped by their lengths and not judged further: the content of what nobody reads
//! cannot make an event malformed. The work is bounded by the bytes left, whatever the schema:
//! types of fixed length are skipped at once, all others take at least a byte each.

use super::cursor::Cursor;
use super::schema::{Kind, NodeId, Schema};
use crate::decode::fault::Fault;

/// Deepest nesting of a skipped value; a bound on recursion, for schemas that refer to themselves.
const DEPTH_MAX: usize = 64;

/// Skips one value of the node's type.
pub(super) fn skip(cursor: &mut Cursor<'_>, schema: &Schema, id: NodeId) -> Result<(), Fault> {
    skip_within(cursor, schema, id, DEPTH_MAX)
}

fn skip_within(
    cursor: &mut Cursor<'_>,
    schema: &Schema,
    id: NodeId,
    depth: usize,
) -> Result<(), Fault> {
    let node = schema.node(id);
    if let Some(length) = node.fixed_length {
        return cursor.take(length).map(|_| ());
    }
    let too_deep = || Fault::new(cursor.at(), "nested too deeply");
    let depth = depth.checked_sub(1).ok_or_else(too_deep)?;
    match &node.kind {
        Kind::Int => cursor.int().map(|_| ()),
        Kind::Long | Kind::Enum { .. } => cursor.long().map(|_| ()),
        Kind::Bytes | Kind::String => cursor.bytes().map(|_| ()),
        Kind::Array(items) => skip_blocks(cursor, schema, *items, false, depth),
        Kind::Map(values) => skip_blocks(cursor, schema, *values, true, depth),
        Kind::Union(branches) => {
            let branch = cursor.branch(branches.len())?;
            skip_within(cursor, schema, branches[branch], depth)
        }
        Kind::Record { fields, .. } => fields
            .iter()
            .try_for_each(|field| skip_within(cursor, schema, field.node, depth)),
        Kind::Null | Kind::Boolean | Kind::Float | Kind::Double | Kind::Fixed { .. } => {
            unreachable!("their length is fixed")
        }
    }
}

fn skip_blocks(
    cursor: &mut Cursor<'_>,
    schema: &Schema,
    item: NodeId,
    keyed: bool,
    depth: usize,
) -> Result<(), Fault> {
    let item_length = schema.node(item).fixed_length.filter(|_| !keyed);
    while let Some(block) = cursor.block()? {
        if let Some(length) = block.length {
            cursor.take(length)?;
        } else if let Some(length) = item_length {
            cursor.take(length.saturating_mul(block.count))?;
        } else {
            for _ in 0..block.count {
                if keyed {
                    cursor.bytes()?;
                }
                skip_within(cursor, schema, item, depth)?;
            }
        }
    }
    Ok(())
}
