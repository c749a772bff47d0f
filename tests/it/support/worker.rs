//! Workers: processes of `meterline run`, moved by signals and watched from outside.

use super::process::Ended;
use super::wait::{SOON, until};
use reqwest::blocking::Client;
use serde_json::Value;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

/// How much of a worker's log a failed test shows.
const LOG_LINES_SHOWN: usize = 150;

/// A worker process. Dropping it kills it; in a failing test its log is printed.
#[derive(Debug)]
pub(crate) struct Worker {
    child: Child,
    http: String,
    log: PathBuf,
    client: Client,
}

impl Worker {
    /// Starts a command whose HTTP side will listen at `http`.
    pub(crate) fn start(command: &mut Command, http: &str, log: &Path) -> Self {
        let file = File::create(log).expect("a log can be made in the site's folder");
        let stderr = file.try_clone().expect("a file can be shared");
        let child = command
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(stderr)
            .spawn()
            .unwrap_or_else(|e| panic!("{command:?} cannot be started: {e}"));
        let client = Client::builder().timeout(Duration::from_secs(5)).build();
        Self {
            child,
            http: format!("http://{http}"),
            log: log.to_owned(),
            client: client.expect("an HTTP client without TLS can be made"),
        }
    }

    /// Where it listens, as `host:port`.
    pub(crate) fn http(&self) -> &str {
        self.http.trim_start_matches("http://")
    }

    /// Status code of a path; `None` where nobody answers.
    pub(crate) fn status_of(&self, path: &str) -> Option<u16> {
        let answer = self.client.get(format!("{}{path}", self.http)).send();
        answer.ok().map(|answer| answer.status().as_u16())
    }

    /// What a path answers; empty where nobody does.
    pub(crate) fn text_of(&self, path: &str) -> String {
        let answer = self.client.get(format!("{}{path}", self.http)).send();
        answer.and_then(|answer| answer.text()).unwrap_or_default()
    }

    /// Waits until `/health/ready` gives this status.
    pub(crate) fn wait_ready(&mut self, status: u16) {
        until(&format!("/health/ready to be {status}"), SOON, || {
            self.assert_running();
            let seen = self.status_of("/health/ready");
            (seen == Some(status))
                .then_some(())
                .ok_or_else(|| format!("{seen:?}"))
        });
    }

    /// What `/status` says; nothing where nobody answers.
    pub(crate) fn status(&self) -> Value {
        let answer = self.client.get(format!("{}/status", self.http)).send();
        answer.and_then(|r| r.json()).unwrap_or_default()
    }

    /// What `/status` says of each partition that the worker owns.
    pub(crate) fn partitions(&self) -> Vec<Value> {
        let status = self.status();
        status["partitions"].as_array().cloned().unwrap_or_default()
    }

    /// Waits until the worker is not ready for a reason that begins like this.
    pub(crate) fn wait_problem(&mut self, reason: &str) {
        until(&format!("a problem: {reason}"), SOON, || {
            self.assert_running();
            let problems = self.status()["problems"].clone();
            let texts = problems.as_array().into_iter().flatten();
            let mut texts = texts.filter_map(Value::as_str);
            let is_there = texts.any(|text| text.starts_with(reason));
            is_there.then_some(()).ok_or_else(|| problems.to_string())
        });
    }

    /// Waits until a partition is in this state, for a reason that begins like this.
    pub(crate) fn wait_partition(&mut self, partition: i32, state: &str, reason: &str) {
        let what = format!("partition {partition} to be {state} ({reason})");
        until(&what, SOON, || {
            self.assert_running();
            let partitions = self.partitions();
            let is_it = |p: &&Value| {
                let why = p["reason"].as_str().unwrap_or_default();
                p["partition"] == partition && p["state"] == state && why.starts_with(reason)
            };
            let found = partitions.iter().find(is_it).map(|_| ());
            found.ok_or_else(|| format!("{partitions:?}"))
        });
    }

    /// Waits until the worker owns at least this many partitions, all loaded.
    pub(crate) fn wait_owns(&mut self, count: usize) {
        until(
            &format!("the worker to own {count} partitions"),
            SOON,
            || {
                self.assert_running();
                let partitions = self.partitions();
                let loaded = partitions.iter().filter(|p| p["state"] != "loading");
                (loaded.count() >= count)
                    .then_some(())
                    .ok_or_else(|| format!("{partitions:?}"))
            },
        );
    }

    /// Kills as a crash would, and waits for the end.
    pub(crate) fn kill(mut self) {
        self.end();
    }

    /// Sends a signal by its name.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        Ended::of(Command::new("kill").args([&format!("-{name}"), &pid])).ok();
    }

    /// Asks the worker to stop and waits until it has.
    pub(crate) fn stop(mut self) -> ExitStatus {
        self.signal("TERM");
        until("the worker to stop after SIGTERM", SOON, || {
            let ended = self.child.try_wait().expect("a child can be waited for");
            ended.ok_or("still running")
        })
    }

    /// Memory that the process has in use, in KiB.
    pub(crate) fn resident_kib(&self) -> u64 {
        let status = format!("/proc/{}/status", self.child.id());
        let text = std::fs::read_to_string(status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok())
            .expect("a running process has memory")
    }

    /// What the worker has logged.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// # Panics
    /// When the worker has ended.
    pub(crate) fn assert_running(&mut self) {
        let ended = self.child.try_wait().expect("a child can be waited for");
        assert!(ended.is_none(), "the worker ended: {ended:?}");
    }

    fn end(&mut self) {
        // A process that has ended already cannot be killed; that is fine.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.end();
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let shown = &lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..];
            eprintln!("--- end of {}\n{}", self.log.display(), shown.join("\n"));
        }
    }
}
