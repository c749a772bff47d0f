"""From the event that crosses a threshold to its alert on `usage.alerts`, at full load.

Rollup and limits stage run in one process with default settings, on topics of their own.
"""

from bench_parts import programs, sites
from trial.output import command, say
from trial.worker import Worker

_NAME = "crossings"
_RATE = 50_000
_SECONDS = 40
_WARM_UP_SECONDS = 10
_TENANTS = 1_000
# Flush interval (the default) and a second.
_TARGET_MILLIS = 3_000


def measure(trial):
    """Runs and prints."""
    sites.begin(trial, _NAME)
    arguments = ["--prefix", f"{_NAME}.", "--rate", str(_RATE), "--seconds", str(_SECONDS),
                 "--warm-up", str(_WARM_UP_SECONDS), "--tenants", str(_TENANTS), "--bound-ms", str(_TARGET_MILLIS)]
    with Worker(trial, "--stages", "rollup,limits") as worker:
        sites.wait_ready(worker)
        command("meterline", "run", "--stages", "rollup,limits")
        command("bench-crossings", *arguments)
        figures = programs.run(trial, "bench-crossings", *arguments)
    rate = figures["events"] * 1e6 / figures["micros"]
    say(f"{figures['crossings']:,} crossings at {rate:,.0f} events/s: alert p50 {figures['p50_ms']:,} ms, "
        f"p99 {figures['p99_ms']:,} ms, latest {figures['max_ms']:,} ms after its event; "
        f"{figures['late']} beyond {_TARGET_MILLIS:,} ms", indent=2)
    say(f"target: p99 ≤ {_TARGET_MILLIS:,} ms (flush interval + 1 s) at {_RATE:,} events/s", indent=2)
