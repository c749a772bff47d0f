//! Local stacks for tests: `deploy/local/stack`, started, broken and removed from Rust.
//!
//! A stack has ports and a state folder of its own and is removed with its owner, however the
//! process ends: a guard outside of it waits for that. It refuses nothing and retries nothing; a
//! stack that does not come up panics with what the script said.

mod guard;
mod ports;

pub use ports::free_port;

use guard::Guard;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// User of the local ClickHouse, and of Kafka's SASL listener.
pub const USER: &str = "meterline";
/// The user's password.
pub const PASSWORD: &str = "meterline-local";
/// The bucket of the local S3 server.
pub const BUCKET: &str = "meterline";

/// What a stack is made of.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Parts {
    /// This service alone; `None`: Kafka and ClickHouse.
    pub only: Option<Service>,
    /// Three brokers in the place of one.
    pub three_brokers: bool,
    /// TLS: ClickHouse by https, Kafka by listeners of its own.
    pub tls: bool,
    /// A command in front of java, such as `faketime -f +3d`; empty for none.
    pub kafka_wrap: String,
}

/// A service of a stack.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Service {
    /// The brokers.
    Kafka,
    /// The ClickHouse front; with faults.
    Clickhouse,
    /// The S3 server.
    S3,
    /// The mail server.
    Smtp,
    /// Stripe's mock server: no state, but Stripe's own description of its API.
    StripeMock,
    /// localstripe: state, but only what it knows of the API.
    Localstripe,
}

/// A stack, or one service of one. Dropping it stops it and deletes its state.
#[derive(Debug)]
pub struct Stack {
    port_base: u16,
    parts: Parts,
    guard: Guard,
}

impl Service {
    const fn name(self) -> &'static str {
        match self {
            Self::Kafka => "kafka",
            Self::Clickhouse => "clickhouse",
            Self::S3 => "s3",
            Self::Smtp => "smtp",
            Self::StripeMock => "stripe-mock",
            Self::Localstripe => "localstripe",
        }
    }
}

impl Parts {
    /// One service alone.
    #[must_use]
    pub fn only(service: Service) -> Self {
        Self {
            only: Some(service),
            ..Self::default()
        }
    }
}

impl Stack {
    /// Starts a stack and waits until it answers.
    ///
    /// # Panics
    /// When it does not come up.
    #[must_use]
    pub fn start(parts: Parts) -> Self {
        // One at a time: ports are free until somebody listens.
        static STARTING: Mutex<()> = Mutex::new(());
        let _one = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
        let port_base = ports::free_port_base();
        let stack = Self {
            port_base,
            parts,
            guard: Guard::new(&script(), port_base),
        };
        stack.up(stack.parts.only);
        stack
    }

    /// A service of its own.
    #[must_use]
    pub fn own(service: Service) -> Self {
        Self::start(Parts::only(service))
    }

    /// A broker of its own behind a command such as `faketime`.
    #[must_use]
    pub fn wrapped_kafka(wrap: &str) -> Self {
        Self::start(Parts {
            kafka_wrap: wrap.to_owned(),
            ..Parts::only(Service::Kafka)
        })
    }

    /// A stack that tests of one process share while any of them holds it.
    ///
    /// # Panics
    /// When it does not come up.
    #[must_use]
    pub fn running(running: &Mutex<Weak<Self>>, parts: Parts) -> Arc<Self> {
        let mut running = running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(stack) = running.upgrade() {
            return stack;
        }
        let stack = Arc::new(Self::start(parts));
        *running = Arc::downgrade(&stack);
        stack
    }

    /// Starts what does not run, and waits until it answers.
    pub fn up(&self, only: Option<Service>) {
        let only = only.map_or(Vec::new(), |service| vec!["--only", service.name()]);
        self.run("up", &[&self.options(), &*only].concat());
    }

    /// Kills a service as a crash would.
    pub fn kill(&self, only: Service) {
        self.run("kill", &["--only", only.name()]);
    }

    /// Kills one of three brokers; they count from 1.
    pub fn kill_broker(&self, number: u16) {
        self.run("kill", &["--broker", &number.to_string()]);
    }

    /// Starts one of three brokers.
    pub fn up_broker(&self, number: u16) {
        let number = number.to_string();
        self.run(
            "up",
            &[&self.options(), &["--broker", &*number][..]].concat(),
        );
    }

    /// Stops a service and waits for its end.
    pub fn down(&self, only: Service) {
        self.run("down", &["--only", only.name()]);
    }

    /// Stops Kafka and starts it behind another command.
    pub fn rewrap_kafka(&mut self, wrap: &str) {
        self.down(Service::Kafka);
        wrap.clone_into(&mut self.parts.kafka_wrap);
        self.up(Some(Service::Kafka));
    }

    /// Sends a signal to a service by its name, such as `STOP`.
    ///
    /// # Panics
    /// When the service does not run.
    pub fn signal(&self, service: Service, name: &str) {
        let path = self.folder().join(format!("{}.pid", service.name()));
        let text = std::fs::read_to_string(&path).expect("the service was started");
        let digits = text.chars().skip_while(|c| !c.is_ascii_digit());
        let pid: String = digits.take_while(char::is_ascii_digit).collect();
        let sent = Command::new("kill")
            .args([&format!("-{name}"), &pid])
            .status();
        assert!(
            sent.is_ok_and(|status| status.success()),
            "kill -{name} {pid}"
        );
    }

    /// `host:port` of every broker, with commas.
    #[must_use]
    pub fn brokers(&self) -> String {
        let count = if self.parts.three_brokers { 3 } else { 1 };
        let address = |n| format!("127.0.0.1:{}", self.port_base + ports::broker(n));
        (1..=count).map(address).collect::<Vec<_>>().join(",")
    }

    /// `host:port` of the TLS listener.
    #[must_use]
    pub fn tls_brokers(&self) -> String {
        format!("127.0.0.1:{}", self.port_base + ports::TLS)
    }

    /// `host:port` of the listener for a user and password over TLS.
    #[must_use]
    pub fn sasl_brokers(&self) -> String {
        format!("127.0.0.1:{}", self.port_base + ports::SASL)
    }

    /// URL of the ClickHouse front.
    #[must_use]
    pub fn clickhouse_url(&self) -> String {
        let scheme = if self.parts.tls { "https" } else { "http" };
        format!(
            "{scheme}://127.0.0.1:{}",
            self.port_base + ports::CLICKHOUSE
        )
    }

    /// URL of the S3 server.
    #[must_use]
    pub fn s3_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port_base + ports::S3)
    }

    /// URL of Stripe's mock server.
    #[must_use]
    pub fn stripe_mock_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port_base + ports::STRIPE_MOCK)
    }

    /// URL of localstripe.
    #[must_use]
    pub fn localstripe_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port_base + ports::LOCALSTRIPE)
    }

    /// Port of the mail server that asks for STARTTLS and a user.
    #[must_use]
    pub fn smtp_port(&self) -> u16 {
        self.port_base + ports::SMTP
    }

    /// Port of the mail server that knows no TLS.
    #[must_use]
    pub fn plain_smtp_port(&self) -> u16 {
        self.port_base + ports::PLAIN_SMTP
    }

    /// The authority that TLS clients must trust.
    #[must_use]
    pub fn ca_file(&self) -> PathBuf {
        self.folder().join("tls/ca.pem")
    }

    /// Where data, logs and certificates are.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        self.guard.state().join(self.port_base.to_string())
    }

    fn options(&self) -> Vec<&'static str> {
        let mut options = Vec::new();
        // Faults are ClickHouse's.
        if matches!(self.parts.only, None | Some(Service::Clickhouse)) {
            options.push("--faults");
        }
        if self.parts.tls {
            options.push("--tls");
        }
        if self.parts.three_brokers {
            options.extend(["--brokers", "3"]);
        }
        options
    }

    fn run(&self, command: &str, options: &[&str]) {
        let output = Command::new(script())
            .env("METERLINE_STACK_STATE", self.guard.state())
            .env("METERLINE_STACK_KAFKA_WRAP", &self.parts.kafka_wrap)
            .args([command, "--port-base", &self.port_base.to_string()])
            .args(options)
            .output()
            .unwrap_or_else(|e| panic!("the stack's script cannot be started: {e}"));
        let said =
            [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
        assert!(
            output.status.success(),
            "stack {command} {options:?}: {said:?}"
        );
    }
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/local/stack")
}
