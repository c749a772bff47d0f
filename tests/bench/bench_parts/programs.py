"""The programs of the benchmark: building them, running them."""

import json
import subprocess

from trial import TrialError
from trial.installation import ROOT


def build():
    """Builds the programs."""
    if subprocess.run(["cargo", "build", "--locked", "--release", "-p", "meterline-bench"], cwd=ROOT).returncode:
        raise TrialError("the programs of the benchmark cannot be built")


def run(trial, name, *arguments):
    """Runs a program and returns the JSON object that it prints."""
    words = [trial.binary.with_name(name), "--brokers", trial.brokers, *arguments]
    done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise TrialError(f"`{name}` ended with status {done.returncode}")
    return json.loads(done.stdout)
