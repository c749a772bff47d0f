"""The whole path beside a raw consumer, alternating, on one prefilled topic."""

from bench_parts import machine, report, rounds, settings
from trial.output import heading, say


def measure(trial):
    """Runs and prints; fails unless every event was counted once."""
    size = settings.size()
    say(f"{size.events:,} events, {size.tenants:,} tenants, {size.minutes} minutes, 4 partitions", indent=2)
    report.filled(rounds.fill(trial, size))
    measured = []
    for number in range(1, size.rounds + 1):
        heading(f"Round {number} of {size.rounds}")
        for once in (lambda: rounds.raw(trial, size), lambda: rounds.whole(trial, size, number)):
            measured.append(once())
            report.round_line(size, measured[-1])
    heading(f"Result on {machine.description()}, broker and engine included")
    report.result(size, measured)
    say("every event was counted once, in hours, days and months", indent=2)
