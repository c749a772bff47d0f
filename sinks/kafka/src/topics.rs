//! Names of Meterline's topics.

/// Names of all topics under one prefix.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Topics {
    prefix: String,
}

impl Topics {
    /// The names under `prefix`, which is put before each as it is.
    #[must_use]
    pub fn new(prefix: &str) -> Self {
        Self {
            prefix: prefix.to_owned(),
        }
    }

    fn name(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// Usage events, keyed by tenant.
    #[must_use]
    pub fn usage_events(&self) -> String {
        self.name("usage.events")
    }

    /// Usage events of producers that cannot key by tenant.
    #[must_use]
    pub fn usage_incoming(&self) -> String {
        self.name("usage.incoming")
    }

    /// Events that were not counted, with their reasons.
    #[must_use]
    pub fn dead_letter(&self) -> String {
        self.name("usage.dead-letter")
    }

    /// `whole` and `only` buckets with stamps, and progress.
    #[must_use]
    pub fn totals(&self) -> String {
        self.name("usage.totals")
    }

    /// Use against limits, per tenant and meter.
    #[must_use]
    pub fn standing(&self) -> String {
        self.name("usage.standing")
    }

    /// Transitions of alerts: a decision log.
    #[must_use]
    pub fn alerts(&self) -> String {
        self.name("usage.alerts")
    }

    /// The control log: decisions of admins and adoptions.
    #[must_use]
    pub fn control(&self) -> String {
        self.name("meterline.control")
    }

    /// All of them.
    #[must_use]
    pub fn all(&self) -> Vec<String> {
        vec![
            self.usage_events(),
            self.usage_incoming(),
            self.dead_letter(),
            self.totals(),
            self.standing(),
            self.alerts(),
            self.control(),
            self.pushes(),
        ]
    }

    /// Pushes to Stripe: a decision log.
    #[must_use]
    pub fn pushes(&self) -> String {
        self.name("meterline.pushes")
    }
}
