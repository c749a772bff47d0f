"""A profile of the worker: samples of `perf` with their call chains, grouped by stage.

A sample belongs to the stage of the innermost function of its chain that a stage knows: memory
that the decoder allocates counts as decoding. Inlined functions count for the function that holds
them. What no stage knows is shown as `other`, never spread over the rest.
"""

import re
import signal
import subprocess
from collections import Counter

from trial import TrialError
from trial.output import say, table

_HERTZ = "499"
# Enough of the stack for the chains here; larger copies slow the worker down.
_CALL_GRAPH = "dwarf,8192"
_FUNCTIONS_SHOWN = 25
_SYMBOL_WIDTH = 72

_STAGES = (
    ("checkpoint", r"meterline_checkpoint::(?!run_set::RunSet.*(find|has))|cut_checkpoint|partition::checkpoint|bfuse|Filter.*build"),
    ("dedupe", r"fold::ids|hash::identity|meterline_checkpoint::|touched_hours"),
    ("decode", r"meterline_core::(decode|quantity::Quantity::parse|time::parse)"),
    ("fold", r"meterline_core::"),
    ("flush", r"meterline_clickhouse|meterline_schemas|meterline_kafka|partition::(flush|deliver|ledger)|hyper|reqwest"),
    ("kafka", r"rd_kafka|rd_|rdkafka|LZ4|^(mtx|cnd)_|snappy"),
    ("worker", r"meterline_worker|tokio"),
)
_PATTERNS = tuple((stage, re.compile(pattern)) for stage, pattern in _STAGES)


class Recorder:
    """`perf record` on one process."""

    def __init__(self, recording):
        self._recording = recording
        self._perf = None

    def attach(self, pid):
        """Begins to sample the process. Its threads must be there: perf cannot unwind those it sees born."""
        words = ["perf", "record", "--quiet", "-F", _HERTZ, "--call-graph", _CALL_GRAPH,
                 "-o", str(self._recording), "-p", str(pid)]
        self._perf = subprocess.Popen(words, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def finish(self):
        """Ends with the process, or when asked."""
        self._perf.send_signal(signal.SIGINT)
        self._perf.wait()


def show(recording, micros):
    """Prints stages and functions; `micros` is the CPU time per event that the shares are of."""
    stages, functions = Counter(), Counter()
    for chain in _chains(recording):
        stage = stage_of(chain)
        stages[stage] += 1
        functions[stage, chain[0]] += 1
    samples = sum(stages.values())
    if not samples:
        raise TrialError("perf recorded nothing")
    say(f"{samples:,} samples", indent=2)
    rows = [[stage, f"{100 * count / samples:.1f} %", f"{micros * count / samples:.2f} µs"]
            for stage, count in stages.most_common()]
    table(["STAGE", "SHARE", "PER EVENT"], rows)
    say()
    rows = [[stage, f"{100 * count / samples:.1f} %", _short(symbol)]
            for (stage, symbol), count in functions.most_common(_FUNCTIONS_SHOWN)]
    table(["STAGE", "SELF", "FUNCTION"], rows)


def stage_of(chain):
    """The stage of the innermost function that one knows."""
    for symbol in chain:
        for stage, pattern in _PATTERNS:
            if pattern.search(symbol):
                return stage
    return "other"


def _chains(recording):
    """The call chains of all samples, innermost function first."""
    words = ["perf", "script", "-i", str(recording), "--no-inline", "-F", "ip,sym"]
    with subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          text=True) as script:
        chain = []
        for line in script.stdout:
            if line.strip():
                chain.append(line.strip().partition(" ")[2])
            elif chain:
                yield chain
                chain = []
        if chain:
            yield chain


def _short(symbol):
    return symbol if len(symbol) <= _SYMBOL_WIDTH else symbol[: _SYMBOL_WIDTH - 1] + "…"
