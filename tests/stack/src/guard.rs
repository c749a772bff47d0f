//! The state folder of a stack, and what removes both, however the process ends.
//!
//! The guard is a shell that waits for the end of its input, which comes when this process ends by
//! whatever means, or drops the guard.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

const SCRIPT: &str = r#"
cat > /dev/null
"$STACK" reset --port-base "$BASE"
rm -rf "$METERLINE_STACK_STATE"
"#;

/// The folder, and the shell that watches over it.
#[derive(Debug)]
pub(crate) struct Guard {
    state: TempDir,
    shell: Child,
}

impl Guard {
    pub(crate) fn new(script: &Path, port_base: u16) -> Self {
        let state = tempfile::Builder::new()
            .prefix("meterline-stack-")
            .tempdir()
            .expect("a temporary folder can be made");
        let shell = Command::new("sh")
            .args(["-c", SCRIPT])
            .env("STACK", script)
            .env("BASE", port_base.to_string())
            .env("METERLINE_STACK_STATE", state.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Ctrl-C reaches the tests, and through their end the guard.
            .process_group(0)
            .spawn()
            .expect("a shell can be started");
        Self { state, shell }
    }

    pub(crate) fn state(&self) -> &Path {
        self.state.path()
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
    }
}
