"""What the benchmark prints."""

from bench_parts import machine, rounds
from trial.output import say, table

# Share of the path's own CPU time from which on others are worth a line.
_DISTURBED = 0.1


def filled(figures):
    """What was written."""
    rate = figures["records"] * 1e6 / figures["micros"]
    say(f"{figures['records']:,} events of {figures['bytes'] / figures['records']:.0f} bytes (key and value) "
        f"written in {figures['micros'] / 1e6:.1f} s, {rate:,.0f}/s", indent=2)


def round_line(size, measured):
    """One reading of the topic."""
    cpu = ", ".join(f"{name} {used:.1f} s" for name, used in [*measured.cpu.items(), ("other programs", measured.others)])
    say(f"{measured.path:<13} {size.events / measured.seconds:>10,.0f} events/s  {measured.seconds:6.1f} s   "
        f"CPU: {cpu}", indent=2)


def result(size, measured):
    """Rates, their ratio, memory, and what the worker did beside folding."""
    raw = [m for m in measured if not isinstance(m, rounds.WholePath)]
    whole = [m for m in measured if isinstance(m, rounds.WholePath)]
    rates = {name: _rate(size, group) for name, group in (("raw consumer", raw), ("whole path", whole))}
    rows = [[name, f"{mean:,.0f}", f"{lowest:,.0f}", f"{highest:,.0f}"]
            for name, (mean, lowest, highest) in rates.items()]
    table(["EVENTS PER SECOND", "MEAN", "LOWEST", "HIGHEST"], rows)
    say(f"the whole path reaches {100 * rates['whole path'][0] / rates['raw consumer'][0]:.0f} % of the raw consumer",
        indent=2)
    _say_disturbed(size, whole)
    say()
    _worker(size, whole)
    say()
    _flushes(whole)


def _say_disturbed(size, whole):
    """Where other programs took CPU time, what the path needs says more than its speed."""
    others = sum(m.others for m in whole)
    own = sum(sum(m.cpu.values()) for m in whole)
    if others > _DISTURBED * own:
        cores = machine.cores()
        say(f"other programs used {others:.0f} s of CPU time beside the {own:.0f} s of the whole path; at that cost "
            f"per event {cores} cores of its own carry at most {cores * size.events * len(whole) / own:,.0f} events/s",
            indent=2)


def _rate(size, group):
    rates = [size.events / m.seconds for m in group]
    return size.events * len(group) / sum(m.seconds for m in group), min(rates), max(rates)


def _worker(size, whole):
    rows = []
    for number, m in enumerate(whole, 1):
        worker = m.cpu["worker"]
        rows.append([str(number), f"{m.start_seconds:.1f} s", f"{m.seconds:.1f} s", f"{m.levels_seconds:.1f} s",
                     f"{m.peak_memory / 2**20:,.0f} MiB", f"{1e6 * worker / size.events:.2f} µs",
                     *(f"{m.cpu[name]:.1f} s" for name in ("worker", "broker", "engine")), f"{m.waited_seconds:.1f} s"])
    table(["ROUND", "START", "HOURS VISIBLE", "THEN STOPPED", "PEAK MEMORY", "WORKER CPU/EVENT", "WORKER CPU",
           "BROKER CPU", "ENGINE CPU", "WORKER WAITED FOR A CORE"], rows)


def _flushes(whole):
    rows = []
    for number, m in enumerate(whole, 1):
        rows += [[str(number), lane, f"{count:,}", f"{done:,}", f"{1000 * mean:,.0f} ms"]
                 for lane, count, done, mean in rounds.flushes(m.metrics)]
        count, mean = rounds.checkpoints(m.metrics)
        rows.append([str(number), "checkpoint", f"{count:,}", "", f"{1000 * mean:,.0f} ms"])
    table(["ROUND", "WORK", "TIMES", "ROWS", "MEAN"], rows)
