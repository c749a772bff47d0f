"""The quota check over HTTP: 100,000 tenants on five meters in view, and use behind it.

The standings are made by the pipeline itself, from an event of every tenant on every meter.
"""

import http.client
import time

from bench_parts import machine, programs, rounds, sites
from trial.output import say
from trial.worker import Worker

_NAME = "checks"
_TENANTS = 100_000
_METERS = 5
_FILL_SECONDS = 300
_FILL_POLL_SECONDS = 1
_EVENTS_RATE = 10_000
_CHECKS_RATE = 5_000
_SECONDS = 20
_WARM_UP_SECONDS = 5
# The use begins before the checks, and goes on until they end.
_AHEAD_SECONDS = 5


def measure(trial):
    """Runs and prints."""
    clickhouse = sites.begin(trial, _NAME)
    token = sites.key(trial)
    with sites.Api(trial, "api-empty") as empty:
        bare = empty.memory()
    with Worker(trial, "--stages", "rollup,limits") as worker:
        sites.wait_ready(worker)
        _fill(trial, worker, clickhouse)
        with sites.Api(trial, "api") as api:
            _say_view(api, bare)
            _say_checks("nobody uses anything", *_checks(trial, token, worker, api))
            _say_checks(*_checks_with_use(trial, token, worker, api, seed=2))
            behind = [worker.pid, *machine.service_pids(trial).values()]
            machine.give_way(behind)
            what, figures, cpu = _checks_with_use(trial, token, worker, api, seed=3)
            _say_checks(f"{what}, with worker, broker and engine in the idle class", figures, cpu)
    say(f"target: p99 ≤ 1 ms at {_CHECKS_RATE:,} checks/s with {_EVENTS_RATE:,} events/s behind, on 2 cores", indent=2)


def _checks_with_use(trial, token, worker, api, seed):
    """Asks while events are published; what was behind, figures and CPU time.

    Each seed has events of its own: those of one that was published before would be duplicates.
    """
    use = programs.start(trial, "bench-use", *_target(trial), "--rate", str(_EVENTS_RATE),
                         "--seconds", str(_AHEAD_SECONDS + _SECONDS + 2), "--seed", str(seed))
    time.sleep(_AHEAD_SECONDS)
    figures, cpu = _checks(trial, token, worker, api)
    published = programs.answer(use)
    rate = published["records"] * 1e6 / published["micros"]
    return f"{rate:,.0f} events/s behind", figures, cpu


def _target(trial):
    return ["--brokers", trial.brokers, "--prefix", f"{_NAME}.", "--tenants", str(_TENANTS), "--meters", str(_METERS)]


def _fill(trial, worker, clickhouse):
    """Use of every tenant on every meter, until the table has every standing."""
    started = time.monotonic()
    programs.answer(programs.start(trial, "bench-use", *_target(trial)))
    expected = _TENANTS * _METERS

    def is_filled():
        try:
            return clickhouse.number("SELECT count() FROM standing FINAL") == expected
        except (OSError, http.client.HTTPException):
            # An engine in the middle of its merges may close a connection.
            return False

    worker.wait_until("a standing of every tenant and meter", is_filled, _FILL_SECONDS, _FILL_POLL_SECONDS)
    say(f"{expected:,} standings in the table {time.monotonic() - started:.0f} s after the first event", indent=2)


def _say_view(api, bare):
    each = (api.memory() - bare) / (_TENANTS * _METERS)
    say(f"the API is ready {api.start_seconds:.1f} s after its start, with {each:,.0f} bytes resident per "
        "tenant-meter more than without any; targets: ≤ 10 s, ≤ 500 bytes", indent=2)


def _checks(trial, token, worker, api):
    """Asks for a while; figures, and CPU time of all who take part."""
    meter = rounds.CpuMeter(trial)
    pids = {"worker": worker.pid, "API": api.pid}
    before = machine.cpu_seconds(pids)
    figures = programs.ask(trial, token, "bench-checks", "--address", api.address, "--rate", str(_CHECKS_RATE),
                           "--seconds", str(_SECONDS), "--warm-up", str(_WARM_UP_SECONDS),
                           "--tenants", str(_TENANTS), "--meters", str(_METERS))
    own = machine.used(before, machine.cpu_seconds(pids))
    cpu, others = meter.read("worker", own["worker"])
    api_seconds = own["API"]
    return figures, {"API": api_seconds, **cpu, "clients and others": max(others - api_seconds, 0.0)}


def _say_checks(what, figures, cpu):
    rate = figures["checks"] / (_SECONDS - _WARM_UP_SECONDS)
    say(f"{what}: {rate:,.0f} checks/s, p50 {figures['p50_us']:,} µs, p90 {figures['p90_us']:,} µs, "
        f"p99 {figures['p99_us']:,} µs, p99.9 {figures['p999_us']:,} µs; {figures['stale']} stale, "
        f"{figures['refused']} refused", indent=2)
    say("CPU: " + ", ".join(f"{name} {used:.1f} s" for name, used in cpu.items()) + f" in {_SECONDS} s", indent=4)
