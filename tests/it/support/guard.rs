//! The folder of this run, and a guard that clears up after it, however the run ends.
//!
//! The guard is a shell that waits for the end of its input, which comes when this process ends
//! by whatever means. It then ends the processes whose working folder lies in the run's folder
//! (workers of tests that were killed) and removes the folder. It touches nothing else; stacks
//! have guards of their own.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

const SCRIPT: &str = r#"
cat > /dev/null
for process in /proc/[0-9]*; do
    case "$(readlink "$process/cwd")" in
        "$RUN"/sites/*) kill -9 "${process#/proc/}" ;;
    esac
done
rm -rf "$RUN"
"#;

/// The run's folder and its guard, which lives until this process ends.
struct Run {
    folder: PathBuf,
    _guard: Child,
}

static RUN: OnceLock<Run> = OnceLock::new();

/// The folder of this run of the test binary.
pub(crate) fn run_folder() -> &'static Path {
    &RUN.get_or_init(start).folder
}

/// The root of the repository.
pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the tests are a folder of the repository")
        .to_owned()
}

fn start() -> Run {
    let folder = tempfile::Builder::new()
        .prefix("meterline-tests-")
        .tempdir()
        .expect("a temporary folder can be made")
        .keep();
    std::fs::create_dir(folder.join("sites")).expect("a folder can be made in a new folder");
    let guard = Command::new("sh")
        .args(["-c", SCRIPT])
        .env("RUN", &folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // Ctrl-C reaches the tests, and through their end the guard.
        .process_group(0)
        .spawn()
        .expect("a shell can be started");
    Run {
        folder,
        _guard: guard,
    }
}
