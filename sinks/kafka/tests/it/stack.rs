//! One local Kafka for a test binary, on free ports, gone when the binary ends.

use meterline_kafka::Settings;
use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// Hundreds of the port bases to choose from: below Linux's ephemeral ports.
const HUNDREDS: std::ops::Range<u16> = 220..319;
/// Added to the hundreds: people count from round numbers, and their data must not be touched.
const ODD: u16 = 50;

static STACK: LazyLock<Stack> = LazyLock::new(Stack::start);
static PREFIXES: AtomicU32 = AtomicU32::new(0);

struct Stack {
    base: u16,
    /// Waits for the end of this process, however it ends, and then stops the stack.
    _undertaker: Child,
}

/// Settings of a client of this binary's Kafka, with a topic prefix that no other test has.
pub(crate) fn settings() -> Settings {
    let prefix = PREFIXES.fetch_add(1, Ordering::Relaxed);
    Settings {
        brokers: format!("127.0.0.1:{}", STACK.base + 92),
        properties: BTreeMap::new(),
        topic_prefix: format!("test{prefix}."),
    }
}

/// Where the broker keeps its logs.
#[allow(dead_code)] // Not every test binary that shares this file looks at the broker's files.
pub(crate) fn broker_folder() -> PathBuf {
    state(STACK.base).join("kafka/log")
}

fn state(base: u16) -> PathBuf {
    root().join("deploy/local/.state").join(base.to_string())
}

fn root() -> PathBuf {
    let crate_folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let root = crate_folder.ancestors().nth(2);
    root.expect("crates lie two folders deep").to_path_buf()
}

impl Stack {
    fn start() -> Self {
        let start = usize::try_from(std::process::id()).expect("32 bits") % HUNDREDS.len();
        let base = HUNDREDS
            .cycle()
            .skip(start)
            .take(HUNDREDS.len())
            .map(|hundreds| hundreds * 100 + ODD)
            .find(|base| !state(*base).exists() && [92, 93].iter().all(|n| is_free(base + n)))
            .expect("some port base is free");
        let stack = root().join("deploy/local/stack");
        let undertaker = Command::new("sh")
            .args(["-c", "read _; exec \"$0\" reset --port-base \"$1\""])
            .arg(&stack)
            .arg(base.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell");
        let base_text = base.to_string();
        let up = Command::new(&stack)
            .args(["up", "--only", "kafka", "--port-base", &base_text])
            .output()
            .expect("the stack's script");
        assert!(up.status.success(), "{up:?}");
        Self {
            base,
            _undertaker: undertaker,
        }
    }
}

fn is_free(port: u16) -> bool {
    TcpListener::bind(("127.0.0.1", port)).is_ok()
}
