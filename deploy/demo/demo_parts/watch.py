"""Watching the worker: what it has counted, how far it is behind, how fresh the rows are.

Refuses to decide by time that the worker is done: it asks how far the rows are complete.
"""

import subprocess
import time

from trial import TrialError
from trial.output import say
from trial.worker import highest, total

_EVERY_SECONDS = 5
_CATCH_UP_SECONDS = 120


def catch_up(trial, worker, sent):
    """Waits until the rows of all records sent are in ClickHouse."""
    worker.wait_until("counting what was sent", lambda: _complete(trial, worker, sent), _CATCH_UP_SECONDS)


def live(trial, worker, process):
    """Prints a line every few seconds while events are published."""
    start = last = time.monotonic()
    before = _records(worker)
    while _goes_on(process):
        now, records = time.monotonic(), _records(worker)
        _line(now - start, (records - before) / (now - last), worker)
        last, before = now, records
    if process.returncode:
        raise TrialError(f"simulate ended with status {process.returncode}; {trial.log_tail('simulate')}")


def _goes_on(process):
    try:
        process.wait(timeout=_EVERY_SECONDS)
    except subprocess.TimeoutExpired:
        return True
    return False


def _line(elapsed, rate, worker):
    metrics = worker.metrics()
    lag = highest(metrics, "meterline_rollup_lag_records")
    freshness = highest(metrics, "meterline_rollup_freshness_seconds")
    say(f"{elapsed:4.0f} s  {rate:6,.0f} records/s  lag {lag:5,.0f} records  "
        f"oldest change not in ClickHouse yet {freshness:2.0f} s", indent=2)


def _records(worker):
    return total(worker.metrics(), "meterline_rollup_records_total")


def _complete(trial, worker, sent):
    """Progress counts every record that was sent, and reaches the end of every log partition."""
    status = worker.status()
    if not status or not all(p["complete_to"] == p["log_end"] for p in status["partitions"]):
        return False
    return trial.clickhouse.number("SELECT sum(delivered) - sum(control) FROM progress FINAL") == sent
