//! What is sent: a seeded mix of good, duplicate, late and broken events.
//!
//! The events fit `catalogs/load.yaml`. Which of them count is not decided here: the mix only
//! names the fault that it built in, and leaves times and duplicates to the recount.

use super::{Encoder, Form, Outgoing, Usage};
use crate::support::load::broken;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::time::{SystemTime, UNIX_EPOCH};

pub(crate) const SECOND: i64 = 1_000_000;
pub(crate) const MINUTE: i64 = 60 * SECOND;
pub(crate) const HOUR: i64 = 60 * MINUTE;
pub(crate) const DAY: i64 = 24 * HOUR;

/// Events that a duplicate may repeat: some seconds of them, so that flushes, checkpoints and
/// kills lie between an event and its duplicate.
const REMEMBERED: usize = 100_000;

/// Shares in thousandths, and the world the events come from.
#[derive(Clone, Debug)]
pub(crate) struct Mix {
    /// Put before ids and source, so that several mixers do not meet.
    pub(crate) name: String,
    pub(crate) tenants: u32,
    /// Partitions of the topic.
    pub(crate) partitions: u32,
    pub(crate) duplicates: u32,
    pub(crate) late: u32,
    pub(crate) broken: u32,
    /// What the producers' clocks are ahead of this machine's, in microseconds.
    pub(crate) clock_ahead: i64,
    /// Forms to choose from.
    pub(crate) forms: Vec<Form>,
}

impl Mix {
    pub(crate) fn new(name: &str, partitions: u32) -> Self {
        Self {
            name: name.to_owned(),
            tenants: 40,
            partitions,
            duplicates: 50,
            late: 100,
            broken: 20,
            clock_ahead: 0,
            forms: Form::ALL.to_vec(),
        }
    }
}

/// Makes records from a seed.
pub(crate) struct Mixer {
    mix: Mix,
    random: StdRng,
    encoder: Encoder,
    made: u64,
    recent: Vec<Usage>,
}

impl Mixer {
    /// A mixer; the seed is printed, so that a failure can be looked at again.
    pub(crate) fn new(mix: Mix, seed: u64) -> Self {
        println!("mix {} from seed {seed}", mix.name);
        Self {
            mix,
            random: StdRng::seed_from_u64(seed),
            encoder: Encoder::new(),
            made: 0,
            recent: Vec::new(),
        }
    }

    /// The next record.
    pub(crate) fn next_record(&mut self) -> Outgoing {
        let lot = self.random.random_range(0..1_000);
        if lot < self.mix.broken {
            let usage = self.fresh();
            let partitions = self.mix.partitions;
            return broken::record(usage, partitions, &self.encoder, &mut self.random);
        }
        let is_duplicate = lot < self.mix.broken + self.mix.duplicates && !self.recent.is_empty();
        let usage = if is_duplicate {
            self.repeated()
        } else {
            let usage = self.fresh_or_ignored();
            self.remember(&usage);
            usage
        };
        let form = self.form_for(&usage);
        self.encoder.record(usage, form)
    }

    /// A form that can carry the event without loss.
    fn form_for(&mut self, usage: &Usage) -> Form {
        let form = self.mix.forms[self.random.random_range(0..self.mix.forms.len())];
        let is_coarse = usage.time % 1_000 == 0 && usage.quantity.unwrap_or(0) % 1_000_000 == 0;
        if form == Form::Confluent && !is_coarse {
            Form::Avro
        } else {
            form
        }
    }

    fn remember(&mut self, usage: &Usage) {
        if self.recent.len() < REMEMBERED {
            self.recent.push(usage.clone());
        } else {
            let place = self.random.random_range(0..REMEMBERED);
            self.recent[place] = usage.clone();
        }
    }

    /// An event that was sent before: as it was, or with another time. How far another time may
    /// lie away is the recount's to judge, so some lie too far.
    fn repeated(&mut self) -> Usage {
        let place = self.random.random_range(0..self.recent.len());
        let mut usage = self.recent[place].clone();
        if self.random.random_range(0..3) == 0 {
            usage.time += self.random.random_range(-40 * MINUTE..40 * MINUTE) / 1_000 * 1_000;
        }
        usage
    }

    fn fresh_or_ignored(&mut self) -> Usage {
        let mut usage = self.fresh();
        if self.random.random_range(0..40) == 0 {
            usage.kind = "noise".to_owned();
        }
        usage
    }

    fn time(&mut self) -> i64 {
        let now = now() + self.mix.clock_ahead;
        let random = &mut self.random;
        let lot = random.random_range(0..1_000);
        let time = match lot {
            // Beyond either edge of acceptance, by a margin.
            0 => now - random.random_range(35 * DAY + MINUTE..40 * DAY),
            1 => now + random.random_range(6 * MINUTE..DAY),
            2 => now + random.random_range(0..4 * MINUTE),
            _ if lot < self.mix.late => now - random.random_range(HOUR..34 * DAY),
            _ => now - random.random_range(0..2 * MINUTE),
        };
        // Half of the producers have clocks of milliseconds.
        if time % 2 == 0 {
            time / 1_000 * 1_000
        } else {
            time
        }
    }

    /// An event that was never sent before.
    fn fresh(&mut self) -> Usage {
        self.made += 1;
        let time = self.time();
        let random = &mut self.random;
        // The square makes some tenants much busier than others.
        let place = random
            .random_range(0..self.mix.tenants * self.mix.tenants)
            .isqrt();
        let mut usage = Usage {
            id: format!("{}-{}", self.mix.name, self.made),
            source: format!("/{}/{}", self.mix.name, random.random_range(0..3)),
            kind: String::new(),
            tenant: format!("tenant-{place}"),
            time,
            quantity: None,
            properties: Vec::new(),
        };
        match random.random_range(0..100) {
            0..40 => api_request(&mut usage, random),
            40..65 => completion(&mut usage, random),
            65..85 => call(&mut usage, random),
            85..95 => {
                usage.kind = "storage.level".to_owned();
                usage.quantity = Some(random.random_range(0..1_000_000_000_000_000_000));
            }
            _ => {
                usage.kind = "credit".to_owned();
                usage.quantity = Some(random.random_range(-500_000..500_000) * 1_000_000);
            }
        }
        usage
    }
}

fn api_request(usage: &mut Usage, random: &mut StdRng) {
    usage.kind = "api.request".to_owned();
    // One in twenty comes without the property that its meter groups by.
    if random.random_range(0..20) > 0 {
        let endpoint = format!("/v1/things/{}", random.random_range(0..12));
        usage.properties.push(("endpoint".to_owned(), endpoint));
    }
    let method = ["GET", "POST"][random.random_range(0..2)];
    usage
        .properties
        .push(("method".to_owned(), method.to_owned()));
}

fn completion(usage: &mut Usage, random: &mut StdRng) {
    usage.kind = "llm.completion".to_owned();
    usage.quantity = Some(random.random_range(1..5_000) * 1_000_000_000);
    let model = ["small", "large", "größer \"x\""][random.random_range(0..3)];
    usage
        .properties
        .push(("model".to_owned(), model.to_owned()));
}

fn call(usage: &mut Usage, random: &mut StdRng) {
    usage.kind = "call".to_owned();
    let direction = ["outbound", "outbound", "inbound"][random.random_range(0..3)];
    let seconds = format!(
        "{}.{}",
        random.random_range(0..600),
        random.random_range(0..10)
    );
    usage
        .properties
        .push(("direction".to_owned(), direction.to_owned()));
    usage.properties.push(("seconds".to_owned(), seconds));
}

/// This machine's clock, in microseconds.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let micros = since.expect("the clock is after 1970").as_micros();
    i64::try_from(micros).expect("the clock is before the year 290000")
}

/// An event of the load's catalog that counts, for tests of few events.
pub(crate) fn plain(tenant: &str, id: &str, time: i64) -> Usage {
    Usage {
        id: id.to_owned(),
        source: "/plain".to_owned(),
        kind: "llm.completion".to_owned(),
        tenant: tenant.to_owned(),
        time,
        quantity: Some(1_000_000_000),
        properties: vec![("model".to_owned(), "small".to_owned())],
    }
}
