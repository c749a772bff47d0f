"""The programs of the benchmark: building them, running them."""

import json
import os
import subprocess

from trial import TrialError
from trial.installation import ROOT
from trial.output import command


def build():
    """Builds the programs."""
    if subprocess.run(["cargo", "build", "--locked", "--release", "-p", "meterline-bench"], cwd=ROOT).returncode:
        raise TrialError("the programs of the benchmark cannot be built")


def run(trial, name, *arguments):
    """Runs a program on the trial's broker and returns the JSON object that it prints."""
    return answer(start(trial, name, "--brokers", trial.brokers, *arguments))


def ask(trial, token, name, *arguments):
    """Shows and runs a program that calls the API; returns the JSON object that it prints.

    The key's token is in its environment (`BENCH_TOKEN`), where nobody reads it.
    """
    command(name, *arguments)
    return answer(start(trial, name, *arguments, BENCH_TOKEN=token))


def start(trial, name, *arguments, **environment):
    """Starts a program; `answer` waits for it."""
    words = [trial.binary.with_name(name), *arguments]
    return subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                            env={**os.environ, **environment})


def answer(process):
    """What a program prints, once it has ended."""
    text, _ = process.communicate()
    if process.returncode:
        raise TrialError(f"`{process.args[0].name}` ended with status {process.returncode}")
    return json.loads(text)
