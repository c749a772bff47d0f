"""The check of the Rust client where a good answer is kept: `schemas/client/benches/check.rs`."""

import subprocess

from trial import TrialError
from trial.installation import ROOT
from trial.output import command, say

_WORDS = ["cargo", "bench", "--locked", "-p", "meterline-client", "--features", "check", "--bench", "check",
          "--profile", "release"]


def measure():
    """Runs and prints."""
    command(*_WORDS)
    done = subprocess.run(_WORDS, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise TrialError(f"the client's benchmark ended with status {done.returncode}")
    for line in done.stdout.splitlines():
        if "ns a call" in line:
            say(line, indent=2)
    say("target: ≤ 1,000 ns a call", indent=2)
