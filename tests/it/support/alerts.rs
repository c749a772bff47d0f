//! `usage.alerts` folded by the tests' own reading of the rules: what is in force, what is ignored.
//!
//! A record is in force if it names the head of its chain, knew at least what the head knew, and
//! follows its state and episode. Written from the design, without the core.

use super::avro::single_object_frame;
use super::site::Site;
use apache_avro::types::Value;
use apache_avro::{Schema, from_avro_datum};
use std::collections::BTreeMap;

const TRANSITION: &str = include_str!("../../../schemas/avro/alert_transition.avsc");
const DELIVERY: &str = include_str!("../../../schemas/avro/alert_delivery.avsc");

/// Tenant, meter, start of the period (microseconds), threshold.
pub(crate) type Chain = (String, String, i64, String);

/// A transition in force.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Transition {
    pub(crate) chain: Chain,
    pub(crate) state: String,
    pub(crate) episode: i64,
    /// In units of 10⁻⁹.
    pub(crate) limit: i128,
    judged: Judged,
    offset: i64,
}

/// What the log says up to its end.
#[derive(Debug, Default)]
pub(crate) struct Folded {
    /// In the order of each partition.
    pub(crate) in_force: Vec<Transition>,
    /// Transitions that nobody heeds.
    pub(crate) ignored: usize,
    /// Outcomes of attempts to deliver.
    pub(crate) deliveries: usize,
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Judged {
    usage: BTreeMap<(Vec<u8>, i64), (i64, i64)>,
    catalog: i64,
    account: Option<i64>,
    effective: Option<i64>,
}

impl Judged {
    /// Decisions are compared catalog first, then the account as read, then as in effect: all are
    /// offsets of one log.
    fn is_behind(&self, head: &Self) -> bool {
        let mut usage = head.usage.iter();
        let lacks = usage.any(|(log, stamp)| self.usage.get(log).is_none_or(|own| own < stamp));
        let decisions = |judged: &Self| (judged.catalog, judged.account, judged.effective);
        lacks || decisions(self) < decisions(head)
    }
}

impl Transition {
    /// `threshold state episode`, as tests write it.
    pub(crate) fn told(&self) -> String {
        let (.., threshold) = &self.chain;
        format!("{threshold} {} {}", self.state, self.episode)
    }

    fn follows(&self, head: Option<&Self>) -> bool {
        match (head, self.state.as_str()) {
            (None, "opened") => self.episode == 1,
            (Some(head), _) if self.judged.is_behind(&head.judged) => false,
            (Some(head), "opened") => {
                let is_new = head.state == "resolved" || head.limit != self.limit;
                is_new && self.episode == head.episode + 1
            }
            (Some(head), "resolved") => head.state == "opened" && self.episode == head.episode,
            _ => false,
        }
    }
}

/// Reads and folds the whole log.
pub(crate) fn fold(site: &Site) -> Folded {
    let transitions = Reader::new(TRANSITION);
    let deliveries = Reader::new(DELIVERY);
    let mut folded = Folded::default();
    let mut heads: BTreeMap<Chain, Transition> = BTreeMap::new();
    for record in site.kafka().read_all(&site.topic("usage.alerts")) {
        if deliveries.read(&record.value).is_some() {
            folded.deliveries += 1;
            continue;
        }
        let fields = transitions.read(&record.value);
        let fields = fields.unwrap_or_else(|| panic!("no schema fits {record:?}"));
        let (transition, names) = transition(&fields, record.offset);
        let head = heads.get(&transition.chain);
        if names == head.map(|head| head.offset) && transition.follows(head) {
            heads.insert(transition.chain.clone(), transition.clone());
            folded.in_force.push(transition);
        } else {
            folded.ignored += 1;
        }
    }
    folded
}

impl Folded {
    /// What was told of a tenant's meter, in order.
    pub(crate) fn told(&self, tenant: &str, meter: &str) -> Vec<String> {
        let of_it = |t: &&Transition| t.chain.0 == tenant && t.chain.1 == meter;
        self.in_force
            .iter()
            .filter(of_it)
            .map(Transition::told)
            .collect()
    }

    /// Thresholds that are open of a tenant's meter, with their limits.
    pub(crate) fn open(&self, tenant: &str, meter: &str) -> BTreeMap<String, i128> {
        let mut open = BTreeMap::new();
        for transition in &self.in_force {
            let (of, on, _, threshold) = &transition.chain;
            if of != tenant || on != meter {
                continue;
            }
            if transition.state == "opened" {
                open.insert(threshold.clone(), transition.limit);
            } else {
                open.remove(threshold);
            }
        }
        open
    }
}

struct Reader {
    frame: Vec<u8>,
    schema: Schema,
}

type Fields = BTreeMap<String, Value>;

impl Reader {
    fn new(text: &str) -> Self {
        Self {
            frame: single_object_frame(text),
            schema: Schema::parse_str(text).expect("the schema is Avro"),
        }
    }

    fn read(&self, record: &[u8]) -> Option<Fields> {
        let mut datum = record.strip_prefix(self.frame.as_slice())?;
        let value = from_avro_datum(&self.schema, &mut datum, None);
        match value.unwrap_or_else(|e| panic!("a record cannot be read: {e}")) {
            Value::Record(fields) => Some(fields.into_iter().collect()),
            other => panic!("all schemas are records, not {other:?}"),
        }
    }
}

/// A transition, and the head that it names.
fn transition(fields: &Fields, offset: i64) -> (Transition, Option<i64>) {
    let text = |name: &str| match &fields[name] {
        Value::String(text) | Value::Enum(_, text) => text.clone(),
        other => panic!("{name} is {other:?}"),
    };
    let judged = Judged {
        usage: judged_usage(&fields["judged_usage"]),
        catalog: number(&fields["judged_catalog"]).expect("never null"),
        account: number(&fields["judged_account"]),
        effective: number(&fields["judged_effective"]),
    };
    let period_start = number(&fields["period_start"]).expect("never null");
    let transition = Transition {
        chain: (
            text("tenant"),
            text("meter"),
            period_start,
            text("threshold"),
        ),
        state: text("state"),
        episode: number(&fields["episode"]).expect("never null"),
        limit: decimal(&fields["limit"]),
        judged,
        offset,
    };
    (transition, number(&fields["head"]))
}

fn judged_usage(value: &Value) -> BTreeMap<(Vec<u8>, i64), (i64, i64)> {
    let Value::Array(items) = value else {
        panic!("judged_usage is {value:?}");
    };
    let read = |item: &Value| {
        let Value::Record(fields) = item else {
            panic!("judged_usage has {item:?}");
        };
        let fields: Fields = fields.iter().cloned().collect();
        let Value::Fixed(_, topic) = &fields["topic_id"] else {
            panic!("a topic id is {:?}", fields["topic_id"]);
        };
        let number = |name: &str| number(&fields[name]).expect("never null");
        let log = (topic.clone(), number("partition"));
        (log, (number("epoch"), number("offset")))
    };
    items.iter().map(read).collect()
}

/// A number, also of a time; `None` for null.
fn number(value: &Value) -> Option<i64> {
    match value {
        Value::Long(n) | Value::TimestampMicros(n) => Some(*n),
        Value::Union(_, inner) => number(inner),
        Value::Null => None,
        other => panic!("no number: {other:?}"),
    }
}

fn decimal(value: &Value) -> i128 {
    let Value::Decimal(decimal) = value else {
        panic!("no decimal: {value:?}");
    };
    let bytes = Vec::<u8>::try_from(decimal).expect("a decimal has bytes");
    let start = if bytes[0] & 0x80 == 0 { 0 } else { -1 };
    bytes
        .iter()
        .fold(start, |sum: i128, byte| (sum << 8) | i128::from(*byte))
}
