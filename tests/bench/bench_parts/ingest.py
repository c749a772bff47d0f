"""Ingest over HTTP: events in batches, each acknowledged by the broker before it is answered."""

from bench_parts import machine, programs, rounds, sites
from trial.output import say

_NAME = "ingest"
_EVENTS = 1_000_000
_BATCH = 500
_CONNECTIONS = 8
_TENANTS = 1_000
_TARGET = 50_000


def measure(trial):
    """Runs and prints."""
    sites.begin(trial, _NAME)
    token = sites.key(trial)
    with sites.Api(trial, "api-ingest") as api:
        meter = rounds.CpuMeter(trial)
        before = machine.cpu_seconds({"API": api.pid})
        figures = programs.ask(trial, token, "bench-ingest", "--address", api.address, "--events", str(_EVENTS),
                               "--batch", str(_BATCH), "--connections", str(_CONNECTIONS), "--tenants", str(_TENANTS))
        used = machine.used(before, machine.cpu_seconds({"API": api.pid}))["API"]
        cpu, others = meter.read("API", used)
    rate = figures["records"] * 1e6 / figures["micros"]
    say(f"{rate:,.0f} events/s acknowledged, in batches of {_BATCH} on {_CONNECTIONS} connections; a batch takes "
        f"p50 {figures['p50_us'] / 1000:,.0f} ms, p99 {figures['p99_us'] / 1000:,.0f} ms; "
        f"{1e6 * used / figures['records']:.1f} µs of the API's CPU time per event", indent=2)
    say("CPU: " + ", ".join(f"{name} {seconds:.1f} s" for name, seconds in cpu.items())
        + f", client and others {others:.1f} s (also for making the events)", indent=4)
    say(f"target: ≥ {_TARGET:,} events/s", indent=2)
