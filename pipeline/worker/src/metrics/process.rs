//! What Linux says of this process, under the names that Prometheus's own clients use.
//!
//! Read from `/proc` at each scrape; what cannot be read there is left out, never guessed.

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;
use std::fmt;
use std::time::{Duration, SystemTime};

/// One tick of the times in `/proc/self/stat`: Linux shows 100 a second on every machine (proc(5),
/// USER_HZ).
const TICK: Duration = Duration::from_millis(10);

/// Fields of `/proc/self/stat` after the command's name, which is in parentheses: user and system
/// time are the 14th and 15th of all.
const TIMES: std::ops::Range<usize> = 11..13;

/// This process.
#[derive(Debug)]
pub(super) struct Process {
    started: Duration,
}

impl Process {
    /// A process that starts now.
    pub(super) fn now() -> Self {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        Self {
            started: since.unwrap_or_default(),
        }
    }
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let seconds = Some(&Unit::Seconds);
        if let Some(time) = processor_time() {
            let help = "Processor time of the process, user and system";
            let value = ConstCounter::new(time.as_secs_f64());
            let kind = value.metric_type();
            value.encode(encoder.encode_descriptor("process_cpu", help, seconds, kind)?)?;
        }
        let help = "When the process started, since 1970-01-01 UTC";
        let value = ConstGauge::new(self.started.as_secs_f64());
        let kind = value.metric_type();
        value.encode(encoder.encode_descriptor("process_start_time", help, seconds, kind)?)?;
        let gauges = [
            (
                "process_resident_memory",
                "Memory that is held in RAM",
                Some(&Unit::Bytes),
                status("VmRSS:").and_then(|kib| kib.checked_mul(1_024)),
            ),
            ("process_threads", "Threads", None, status("Threads:")),
            (
                "process_open_fds",
                "Open files and sockets",
                None,
                open_files(),
            ),
            (
                "process_max_fds",
                "Most files and sockets that may be open",
                None,
                max_files(),
            ),
        ];
        for (name, help, unit, number) in gauges {
            if let Some(number) = number {
                let value = ConstGauge::new(number);
                let kind = value.metric_type();
                value.encode(encoder.encode_descriptor(name, help, unit, kind)?)?;
            }
        }
        Ok(())
    }
}

fn processor_time() -> Option<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    let fields = fields.split_whitespace().collect::<Vec<_>>();
    let ticks = fields
        .get(TIMES)?
        .iter()
        .map(|text| text.parse::<u32>().ok());
    let ticks = ticks.sum::<Option<u32>>()?;
    Some(TICK * ticks)
}

/// The first number of a line of `/proc/self/status`.
fn status(name: &str) -> Option<i64> {
    first_number("/proc/self/status", name)
}

fn max_files() -> Option<i64> {
    first_number("/proc/self/limits", "Max open files")
}

fn first_number(path: &str, name: &str) -> Option<i64> {
    let text = std::fs::read_to_string(path).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

fn open_files() -> Option<i64> {
    let open = std::fs::read_dir("/proc/self/fd").ok()?.count();
    i64::try_from(open).ok()
}
