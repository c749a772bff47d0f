//! The local stack of this test binary, started by the first test that asks and removed with the
//! last that holds it.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tempfile::TempDir;

/// Distance of ClickHouse's port from the stack's port base; the others are near it.
const CLICKHOUSE_PORT: u16 = 23;

static RUNNING: Mutex<Weak<Stack>> = Mutex::new(Weak::new());

/// A broker and a ClickHouse of our own.
pub(crate) struct Stack {
    port_base: u16,
    state: TempDir,
    environment: String,
}

impl Stack {
    /// The stack of this process.
    pub(crate) fn running() -> Arc<Self> {
        let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(stack) = running.upgrade() {
            return stack;
        }
        let stack = Arc::new(Self::start());
        *running = Arc::downgrade(&stack);
        stack
    }

    fn start() -> Self {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let mut stack = Self {
            port_base: port - CLICKHOUSE_PORT,
            state: tempfile::tempdir().unwrap(),
            environment: String::new(),
        };
        stack.run(&["up", "--faults"]);
        stack.environment = stack.run(&["env"]);
        stack
    }

    /// A setting that points at the stack, like `CLICKHOUSE__URL`.
    pub(crate) fn setting(&self, name: &str) -> &str {
        let prefix = format!("export METERLINE__{name}=");
        let line = self
            .environment
            .lines()
            .find_map(|line| line.strip_prefix(&prefix));
        line.unwrap().trim_matches('\'')
    }

    fn run(&self, arguments: &[&str]) -> String {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/local/stack");
        let output = Command::new(program)
            .args(arguments)
            .args(["--port-base", &self.port_base.to_string()])
            .env("METERLINE_STACK_STATE", self.state.path())
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {text}{complaint}");
        text
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        self.run(&["reset"]);
    }
}
