//! Which field of `UsageEvent` a writer's field is: by its name, else by what it was once called.
//!
//! In the specification aliases are the reader's, who knows what older writers said. Here the
//! reader's schema is built in and knows no producer, so it is the writer who says that a field
//! of another name used to be one of ours. That may only fill a gap: a field's own name always
//! counts first, and where an alias leaves a choice, the schema is refused and not guessed at.

use crate::decode::avro::schema::Field;

/// The fields of `UsageEvent`.
const OURS: [&str; 7] = [
    "id",
    "source",
    "type",
    "tenant",
    "time",
    "quantity",
    "properties",
];

/// For each field of the writer the one of `UsageEvent` that it is read as; `None` to skip it.
pub(super) fn fields(fields: &[Field]) -> Result<Vec<Option<&'static str>>, String> {
    let named = |name: &str| OURS.into_iter().find(|ours| *ours == name);
    let mut called: Vec<_> = fields.iter().map(|field| named(&field.name)).collect();
    for ours in OURS {
        if fields.iter().any(|field| field.name == ours) {
            continue;
        }
        let once_called =
            |field: &Field| named(&field.name).is_none() && field.aliases.iter().any(|a| a == ours);
        let mut candidates = (0..fields.len()).filter(|place| once_called(&fields[*place]));
        let Some(place) = candidates.next() else {
            continue;
        };
        if let Some(second) = candidates.next() {
            let (first, second) = (&fields[place].name, &fields[second].name);
            return Err(format!(
                "the fields `{first}` and `{second}` both have the alias `{ours}`: leave it to one"
            ));
        }
        if let Some(other) = called[place].replace(ours) {
            let name = &fields[place].name;
            return Err(format!(
                "field `{name}`: it has the aliases `{other}` and `{ours}`, and can be read as one \
                 of them only"
            ));
        }
    }
    Ok(called)
}
