"""What the demo shows at its end: usage of the busiest tenants, what became of the records.

Numbers come from the `meterline` command; SQL only finds which tenants are worth showing.
"""

import json
from collections import defaultdict
from datetime import datetime, timedelta, timezone
from decimal import Decimal

from trial.output import say, table

_BUSIEST = 3
_HOURS = 4
_LETTERS_SHOWN = 5
_ROWS_MAX = "1000000"
_METERS = (("http_bytes", "bytes sent to a host"), ("llm_calls", "calls of a language model"))


def usage(trial):
    """Months, days and hours of the busiest tenants of two meters, then one command to try."""
    for meter, unit in _METERS:
        tenants = _busiest(trial, meter)
        say(f"{meter} ({unit}):", indent=2)
        _usage_table(trial, meter, tenants)
        say()
    tenant = _busiest(trial, _METERS[0][0])[0]
    since = datetime.now(timezone.utc) - timedelta(hours=_HOURS)
    words = ["usage", "--tenant", tenant, "--level", "hour", "--from", f"{since:%Y-%m-%dT%H:00:00Z}"]
    trial.show(*words)


def outcomes(trial):
    """What became of every record, by the counters of progress."""
    names = ["delivered", "accepted", "late", "duplicate", "ignored", "unmatched", "control"]
    sums = trial.clickhouse.rows(f"SELECT {', '.join(f'sum({name})' for name in names)}, "
                                 "sum(arraySum(mapValues(rejected))) FROM progress FINAL")[0]
    found = dict(zip([*names, "rejected"], map(int, sums)))
    explained = [
        ("counted", found["accepted"], "by at least one meter"),
        ("  of these late", found["late"], "their hour was closed already: history, shifted to the present"),
        ("duplicates", found["duplicate"], "the same tenant, source and id again: counted once"),
        ("dead letters", found["rejected"], "broken records, kept with their reason"),
        ("ignored, unmatched", found["ignored"] + found["unmatched"], "of no interest to any meter"),
        ("ticks and pointers", found["control"], "Meterline's own records"),
        ("together", found["delivered"], "records in the log"),
    ]
    table(["OUTCOME", "RECORDS", ""], explained)


def dead_letters(trial):
    """Dead letters by reason, and some of them."""
    trial.show("dead-letters", "list", "--by-reason")
    say()
    trial.show("dead-letters", "list", "--limit", str(_LETTERS_SHOWN))


def _busiest(trial, meter):
    query = ("SELECT tenant FROM usage_monthly WHERE meter = '{}' GROUP BY tenant "
             "ORDER BY sum(value) DESC, tenant LIMIT {}")
    return [tenant for tenant, in trial.clickhouse.rows(query.format(meter, _BUSIEST))]


def _usage_table(trial, meter, tenants):
    """One row per tenant, one column per window, the present last."""
    windows = {tenant: _windows(trial, meter, tenant) for tenant in tenants}
    columns = []
    for level, most in (("month", 1), ("day", 1), ("hour", _HOURS)):
        starts = {start for found in windows.values() for of, start in found if of == level}
        columns += [(level, start) for start in sorted(starts)[-most:]]
    rows = [[tenant, *(windows[tenant].get(column) for column in columns)] for tenant in tenants]
    table(["TENANT", *(_window_title(*column) for column in columns)], rows)


def _windows(trial, meter, tenant):
    """Sums over all dimensions by level and start of window, as the command tells them."""
    found = defaultdict(Decimal)
    for level in ("month", "day", "hour"):
        words = ["--tenant", tenant, "--meter", meter, "--level", level, "--limit", _ROWS_MAX, "--output", "json"]
        for row in json.loads(trial.answer("usage", *words)):
            found[level, row["window_start"]] += Decimal(row["value"])
    return found


def _window_title(level, start):
    cut = {"month": slice(0, 7), "day": slice(0, 10), "hour": slice(11, 16)}[level]
    return start[cut]
