//! Running programs to their end, and finding the binary under test.

use super::guard::{repository, run_folder};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

/// How a program ended and what it said.
#[derive(Debug)]
pub(crate) struct Ended {
    /// What was run, for messages.
    pub(crate) command: String,
    /// The exit code; −1 where a signal ended it.
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    /// Runs a program to its end.
    pub(crate) fn of(command: &mut Command) -> Self {
        let text = format!("{command:?}");
        let Output {
            status,
            stdout,
            stderr,
        } = command
            .output()
            .unwrap_or_else(|e| panic!("{text} cannot be started: {e}"));
        Self {
            command: text,
            code: status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&stdout).into_owned(),
            stderr: String::from_utf8_lossy(&stderr).into_owned(),
        }
    }

    /// Asserts how it ended.
    #[track_caller]
    pub(crate) fn with_code(self, code: i32) -> Self {
        assert_eq!(self.code, code, "exit code; {self}");
        self
    }

    /// Asserts that it is done.
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        self.with_code(0)
    }

    /// Asserts that what it said, on either stream, holds all of these texts.
    #[track_caller]
    pub(crate) fn says(self, parts: &[&str]) -> Self {
        for part in parts {
            let said = self.stdout.contains(part) || self.stderr.contains(part);
            assert!(said, "`{part}` is missing; {self}");
        }
        self
    }
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            command,
            code,
            stdout,
            stderr,
        } = self;
        write!(
            f,
            "{command}\nended with {code}\n--- stdout\n{stdout}\n--- stderr\n{stderr}"
        )
    }
}

/// The binary under test: `$METERLINE_BIN`, or what cargo builds from this tree.
///
/// It is copied into the run's folder, so that a build beside the tests cannot change it.
pub(crate) fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let built =
            std::env::var_os("METERLINE_BIN").map_or_else(|| built("meterline"), PathBuf::from);
        let copy = run_folder().join("meterline");
        std::fs::copy(&built, &copy)
            .unwrap_or_else(|e| panic!("{} cannot be copied: {e}", built.display()));
        copy
    })
}

/// A binary of this repository, as cargo builds it from this tree.
pub(crate) fn built(name: &str) -> PathBuf {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    Ended::of(
        Command::new(cargo)
            .args(["build", "--release", "--bin", name])
            .current_dir(repository()),
    )
    .ok();
    let tests = std::env::current_exe().expect("a running program has a path");
    let folder = tests.ancestors().nth(2);
    folder
        .expect("cargo puts test binaries into target/release/deps")
        .join(name)
}
