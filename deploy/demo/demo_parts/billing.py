"""What the demo shows of billing: a Stripe set up, three customers, pushes, and a reconciliation.

Stripe is the stateful stand-in of `tests/stripe`, a process of its own that counts late and in no
order, as Stripe does. Refuses to go on where an hour is not proved there: the demo fails then.
"""

import secrets
import subprocess
import time

from trial import TrialError
from trial.installation import ROOT
from trial.output import grouped, say

_METERS = ("http_requests", "http_bytes")
# The busiest host is left to the limits, which are shown with it.
_FIRST, _CUSTOMERS = 1, 3
_START_SECONDS = 10
# Nothing is proved before all that was sent must have arrived: two minutes, and the minute until it counts.
_PROVED_SECONDS = 420


class Stripe:
    """The stand-in on a free port of this machine. Use it in a `with` statement."""

    def __init__(self, trial):
        self._binary = trial.binary.with_name("fake-stripe")
        if not self._binary.exists():
            raise TrialError(f"{self._binary} is not built; run `make demo`")
        self._key = f"sk_test_{secrets.token_hex(12)}"

    def __enter__(self):
        words = [self._binary, "--key", self._key]
        self._process = subprocess.Popen(words, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                                         start_new_session=True)
        self._address = self._process.stdout.readline().strip()
        if not self._address:
            raise TrialError(f"{self._binary} ended with status {self._process.wait(_START_SECONDS)}")
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()

    def settings(self):
        """Settings of the stages and commands that call it."""
        return {"METERLINE__STRIPE__API_BASE": f"http://{self._address}", "METERLINE__STRIPE__API_KEY": self._key}


def prepare(trial):
    """Meters, products and prices of the catalog."""
    trial.show("stripe", "setup", "--apply")


def link(trial):
    """Gives some busy tenants an account and a customer; returns the tenants."""
    query = (f"SELECT tenant FROM usage_monthly WHERE meter = '{_METERS[0]}' GROUP BY tenant "
             f"ORDER BY sum(value) DESC, tenant LIMIT {_CUSTOMERS} OFFSET {_FIRST}")
    tenants = [tenant for tenant, in trial.clickhouse.rows(query)]
    for tenant in tenants:
        trial.show("account", "set", tenant, "--plan", "partner", "--actor", "demo")
    trial.show("stripe", "customer", "sync", "--apply", "--actor", "demo")
    return tenants


def show(trial, worker, tenants):
    """Waits until every closed hour is proved, and compares; returns the differences."""
    start = time.monotonic()
    say("a push is proved by a summary that is read when nothing can arrive any more, minutes later", indent=2)
    proved = 0

    def are_proved():
        nonlocal proved
        closed, proved = _closed_hours(trial, tenants)
        return 0 < closed == proved

    worker.wait_until("proving the closed hours at Stripe", are_proved, _PROVED_SECONDS, poll=1)
    say(f"all {grouped(proved)} closed hours are proved, {time.monotonic() - start:.0f} s later", indent=2)
    trial.show("stripe", "status")
    return sum(_reconcile(trial, tenant, month) for tenant in tenants for month in _months(trial, tenants))


def _closed_hours(trial, tenants):
    query = ("SELECT count(), countIf(w.step = 'confirmed' AND w.quantity = h.value) FROM "
             f"(SELECT tenant, meter, window_start, sum(value) AS value FROM usage_hourly WHERE {_of(tenants)} "
             "AND sealed GROUP BY tenant, meter, window_start) AS h "
             "LEFT JOIN stripe_windows AS w USING (tenant, meter, window_start)")
    (closed, proved), = trial.clickhouse.rows(query)
    return int(closed), int(proved)


def _months(trial, tenants):
    query = f"SELECT DISTINCT formatDateTime(window_start, '%Y-%m') AS m FROM usage_hourly WHERE {_of(tenants)} ORDER BY m"
    return [month for month, in trial.clickhouse.rows(query)]


def _of(tenants):
    quoted = ["'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'" for text in (*tenants, *_METERS)]
    return f"tenant IN ({', '.join(quoted[:len(tenants)])}) AND meter IN ({', '.join(quoted[len(tenants):])})"


def _reconcile(trial, tenant, month):
    say()
    return trial.differences("stripe", "reconcile", "--period", month, "--tenant", tenant, "--in-work", "1s")
