"""The two things that are measured: reading the topic for nothing, and the whole path.

Both read the same prefilled topic from its beginning. Every round of the whole path has its own
database, checkpoints and consumer group, so it begins as a new installation would.
"""

import resource
import time
from dataclasses import dataclass

from bench_parts import machine, programs
from trial.clickhouse import ClickHouse
from trial import TrialError
from trial.worker import Worker, total

_CATALOG = "tests/bench/bench.yaml"
_LIMIT_SECONDS = 600
# Often enough for a hundredth of the time measured, seldom enough not to be measured itself.
_STATUS_POLL_SECONDS = 0.2
_ROWS_POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Measured:
    """One reading of the topic. `others` is the CPU time of programs that are no part of it."""

    path: str
    seconds: float
    cpu: dict
    others: float


@dataclass(frozen=True)
class WholePath(Measured):
    """One run of the whole path, and what the worker says of its own work."""

    levels_seconds: float
    start_seconds: float
    waited_seconds: float
    peak_memory: int
    metrics: list


class CpuMeter:
    """CPU time from its making on: of the services, of one more process, and of all others."""

    def __init__(self, trial):
        self._services = machine.service_pids(trial)
        self._busy = machine.busy_seconds()
        self._before = machine.cpu_seconds(self._services)

    def read(self, name, own):
        """What was used since: by `name`, whose `own` seconds are given, by the services, by others."""
        used = {name: own, **machine.used(self._before, machine.cpu_seconds(self._services))}
        return used, max(machine.busy_seconds() - self._busy - sum(used.values()), 0.0)


def fill(trial, size):
    """Topic, catalog, events; returns what was written."""
    trial.init()
    trial.show("catalog", "apply", _CATALOG, "--wait", "--actor", "bench")
    return programs.run(trial, "bench-fill", "--events", str(size.events), "--tenants", str(size.tenants),
                    "--minutes", str(size.minutes))


def raw(trial, size):
    """Reads the topic and does nothing."""
    meter, before = CpuMeter(trial), _children_cpu()
    figures = programs.run(trial, "bench-raw")
    cpu, others = meter.read("consumer", _children_cpu() - before)
    if figures["records"] < size.events:
        raise TrialError(f"the raw consumer read {figures['records']} records of {size.events}")
    return Measured("raw consumer", figures["micros"] / 1e6, cpu, others)


def whole(trial, size, number, attach=None):
    """Runs the whole path once; `attach` may look at the worker from its first record on."""
    clickhouse = _new_installation(trial, number)
    meter, started = CpuMeter(trial), time.monotonic()
    with Worker(trial) as worker:
        worker.wait_until("the first record", lambda: _position(worker) is not None, _LIMIT_SECONDS, 0.01)
        first = time.monotonic()
        if attach:
            attach(worker.pid)
        worker.wait_until("reading the topic", lambda: _is_read(worker), _LIMIT_SECONDS, _STATUS_POLL_SECONDS)
        worker.wait_until("the last row", lambda: _is_visible(clickhouse, size), _LIMIT_SECONDS, _ROWS_POLL_SECONDS)
        last = time.monotonic()
        cpu, others = meter.read("worker", machine.cpu_seconds({"worker": worker.pid})["worker"])
        waited, peak = machine.waited_seconds(worker.pid), machine.peak_memory(worker.pid)
        metrics = worker.metrics()
        worker.stop()
        stopped = time.monotonic()
    _verify(clickhouse, size)
    return WholePath("whole path", last - first, cpu, others, stopped - last, first - started, waited, peak, metrics)


def _new_installation(trial, number):
    """Points the trial at tables, checkpoints and a group of this round's own; returns the database."""
    trial.environment.update({
        "METERLINE__CLICKHOUSE__DATABASE": f"round_{number}",
        "METERLINE__CHECKPOINT__URL": (trial.folder / f"checkpoints-{number}").as_uri(),
        "METERLINE__KAFKA__GROUP": f"round-{number}",
    })
    trial.answer("init", warnings=False)
    return ClickHouse(trial.environment)


def _position(worker):
    """Something only once every partition is at work: the first of them reads from here on."""
    status = worker.status()
    running = status and [p for p in status["partitions"] if p["state"] == "running"]
    return running[0]["position"] if running else None


def _is_read(worker):
    status = worker.status()
    return bool(status) and all(p["log_end"] is not None and p["position"] >= p["log_end"] for p in status["partitions"])


def _is_visible(clickhouse, size):
    """Progress, which follows its rows, names every event."""
    return clickhouse.number("SELECT sum(delivered) - sum(control) FROM progress FINAL") == size.events


def _verify(clickhouse, size):
    """Every level holds every event once."""
    for view in ("usage_hourly", "usage_daily", "usage_monthly"):
        found = clickhouse.number(f"SELECT sum(events) FROM {view}")
        if found != size.events:
            raise TrialError(f"{view} has {found} events instead of {size.events}")


def flushes(metrics):
    """What every lane of the flush did: name, flushes, rows, mean seconds."""
    lanes = sorted({labels["lane"] for name, labels, _ in metrics if name == "meterline_rollup_flush_rows_total"})
    for lane in lanes:
        count = total(metrics, "meterline_rollup_flush_seconds_count", lane=lane)
        rows = total(metrics, "meterline_rollup_flush_rows_total", lane=lane)
        yield lane, int(count), int(rows), total(metrics, "meterline_rollup_flush_seconds_sum", lane=lane) / max(count, 1)


def checkpoints(metrics):
    """Number of checkpoints and their mean seconds."""
    count = total(metrics, "meterline_rollup_checkpoint_seconds_count")
    return int(count), total(metrics, "meterline_rollup_checkpoint_seconds_sum") / max(count, 1)


def _children_cpu():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
