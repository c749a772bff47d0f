//! Stacks: the one that tests share, and those of tests that break or bend theirs.

use super::guard::{stack_script, stack_state};
use super::process::Ended;
use rand::Rng;
use std::net::TcpListener;
use std::process::Command;
use std::sync::{Mutex, OnceLock, PoisonError};

/// User of the local ClickHouse front.
pub(crate) const USER: &str = "meterline";
/// Its password.
pub(crate) const PASSWORD: &str = "meterline-local";

/// Where a stack's services listen, counted from its port base.
const CLICKHOUSE: u16 = 23;
const BROKER: u16 = 92;
const CONTROLLER: u16 = 93;

/// What a command of the stack is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Service {
    Kafka,
    Clickhouse,
}

impl Service {
    const fn name(self) -> &'static str {
        match self {
            Self::Kafka => "kafka",
            Self::Clickhouse => "clickhouse",
        }
    }
}

/// A stack, or one service of one. Dropping it stops it and deletes its state.
#[derive(Debug)]
pub(crate) struct Stack {
    port_base: u16,
    /// A command in front of java.
    kafka_wrap: String,
}

/// The stack that tests share; it lives as long as the test binary.
pub(crate) fn shared() -> &'static Stack {
    static SHARED: OnceLock<Stack> = OnceLock::new();
    SHARED.get_or_init(|| Stack::start(None, ""))
}

impl Stack {
    /// Starts a service of its own.
    pub(crate) fn own(service: Service) -> Self {
        Self::start(Some(service), "")
    }

    /// Starts a broker of its own behind a command such as `faketime`.
    pub(crate) fn wrapped_kafka(wrap: &str) -> Self {
        Self::start(Some(Service::Kafka), wrap)
    }

    fn start(only: Option<Service>, kafka_wrap: &str) -> Self {
        // One at a time: ports are free until somebody listens.
        static STARTING: Mutex<()> = Mutex::new(());
        let _one = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
        let stack = Self {
            port_base: free_port_base(),
            kafka_wrap: kafka_wrap.to_owned(),
        };
        stack.up(only);
        stack
    }

    /// Starts what does not run, and waits until it answers.
    pub(crate) fn up(&self, only: Option<Service>) {
        self.run("up", only, &["--faults"]);
    }

    /// Kills as a crash would.
    pub(crate) fn kill(&self, only: Service) {
        self.run("kill", Some(only), &[]);
    }

    /// Stops a service and starts it behind another command.
    pub(crate) fn rewrap_kafka(&mut self, wrap: &str) {
        self.run("down", Some(Service::Kafka), &[]);
        wrap.clone_into(&mut self.kafka_wrap);
        self.up(Some(Service::Kafka));
    }

    /// `host:port` of the broker.
    pub(crate) fn brokers(&self) -> String {
        format!("127.0.0.1:{}", self.port_base + BROKER)
    }

    /// URL of the ClickHouse front.
    pub(crate) fn clickhouse_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port_base + CLICKHOUSE)
    }

    fn run(&self, command: &str, only: Option<Service>, more: &[&str]) {
        let mut stack = Command::new(stack_script());
        stack
            .env("METERLINE_STACK_STATE", stack_state())
            .env("METERLINE_STACK_KAFKA_WRAP", &self.kafka_wrap)
            .args([command, "--port-base", &self.port_base.to_string()])
            .args(more);
        if let Some(service) = only {
            stack.args(["--only", service.name()]);
        }
        Ended::of(&mut stack).ok();
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        self.run("reset", None, &[]);
    }
}

/// A base whose ports are all free, below those that clients are given.
fn free_port_base() -> u16 {
    let mut random = rand::rng();
    std::iter::repeat_with(|| random.random_range(100..320) * 100)
        .find(|base| {
            [CLICKHOUSE, BROKER, CONTROLLER]
                .iter()
                .all(|port| TcpListener::bind(("127.0.0.1", base + port)).is_ok())
        })
        .expect("the search only ends with a base")
}

/// A port that nobody listens on.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    listener.local_addr().expect("it listens").port()
}
