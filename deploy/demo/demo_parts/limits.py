"""What the demo shows of limits: an account, an alert by webhook, a refused call.

Refuses to go on where an alert does not come or a call is not refused: the demo fails then.
"""

import json
import secrets
import time
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from trial import TrialError
from trial.output import command, grouped, say

_METER = "http_requests"
_ROUTE = "demo"
_ALERT_SECONDS = 60
_READY_SECONDS = 90
_ANSWER_SECONDS = 10
_ROWS = "5"


def settings(port):
    """Settings of the stages for this machine: plain HTTP to receivers on it is allowed."""
    return {
        "METERLINE__API__LISTEN": f"127.0.0.1:{port}",
        "METERLINE__NOTIFICATIONS__SIGNING_KEY": secrets.token_hex(32),
        "METERLINE__NOTIFICATIONS__WEBHOOK__ALLOW_HTTP": "true",
        "METERLINE__NOTIFICATIONS__WEBHOOK__ALLOW_PRIVATE_ADDRESSES": "true",
    }


def prepare(trial, receiver):
    """A route for alerts, and a key for the gateway; returns the key."""
    trial.show("route", "set", _ROUTE, "--webhook", receiver.url, "--severity", "warning", "--actor", "demo")
    receiver.secret = trial.answer("route", "secret", _ROUTE).strip()
    words = ["key", "create", "--role", "check", "--all-tenants", "--name", "gateway", "--actor", "demo"]
    command("meterline", *words)
    say("mlk_… (shown once; only its hash is kept)", indent=2)
    return trial.answer(*words).strip()


def show(trial, worker, receiver, key):
    """Gives the busiest tenant an account with a limit just below its use, and what follows."""
    trial.show("limits", "list", "--meter", _METER, "--health", "warning", "--limit", _ROWS)
    say()
    tenant, used = _busiest(trial)
    say(f"{tenant} has made {grouped(used)} requests this month. An account with a limit below that:", indent=2)
    start = time.monotonic()
    trial.show("account", "set", tenant, "--plan", "visitor", "--override", f"{_METER}:limit={used - 1}",
               "--actor", "demo", "--note", "limits are shown")
    _alert(receiver, tenant, used - 1, start)
    _refused_call(trial, worker, key, tenant)
    trial.show("limits", "explain", tenant, _METER)


def _busiest(trial):
    query = (f"SELECT tenant, toUInt64(used) FROM standing FINAL WHERE meter = '{_METER}' AND period_end > now() "
             "AND used >= 2 ORDER BY used DESC, tenant LIMIT 1")
    rows = trial.clickhouse.rows(query)
    if not rows:
        raise TrialError(f"the table `standing` has nobody with use of {_METER}")
    (tenant, used), = rows
    return tenant, int(used)


def _alert(receiver, tenant, limit, start):
    def is_it(alert):
        wanted = {"tenant": tenant, "meter": _METER, "limit": str(limit), "severity": "critical"}
        return wanted.items() <= alert.items()

    alert = receiver.wait_for(is_it, _ALERT_SECONDS)
    if alert is None:
        raise TrialError(f"no alert of {tenant} came by webhook within {_ALERT_SECONDS} s")
    say()
    say(f"received by webhook, signature checked, {time.monotonic() - start:.1f} s after the command began:", indent=2)
    shown = {name: alert[name] for name in ("severity", "state", "threshold", "percentage", "message")}
    say(json.dumps(shown, ensure_ascii=False), indent=4)
    say(f"({grouped(receiver.count())} alerts so far: other tenants passed shares of their plan's limits)", indent=4)
    say()


def _refused_call(trial, worker, key, tenant):
    body = {"tenant": tenant, "meter": _METER, "quantity": "1"}
    url = f"http://{trial.environment['METERLINE__API__LISTEN']}/v1/limits/check?enforce=true"
    say("a gateway asks whether one more request is allowed:", indent=2)
    command("curl", "-X", "POST", url, "-H", "authorization: Bearer mlk_…", "-d", json.dumps(body))
    answers = []

    def is_refused():
        status, answer = _ask(url, key, body)
        answers[:] = [(status, answer)]
        return status == 429

    worker.wait_until("refusing a call of a tenant over its limit", is_refused, _READY_SECONDS)
    status, answer = answers[0]
    checked, = answer["meters"]
    if checked["allowed"] or checked["reason"] != "hard_cap":
        raise TrialError(f"the call was not refused for its cap: {checked}")
    shown = {name: checked[name] for name in ("allowed", "reason", "used", "limit", "percentage", "resets_at")}
    say(f"HTTP {status}  {json.dumps(shown)}", indent=2)
    say()


def _ask(url, key, body):
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    request = Request(url, json.dumps(body).encode(), headers, method="POST")
    try:
        with urlopen(request, timeout=_ANSWER_SECONDS) as answer:
            return answer.status, json.load(answer)
    except HTTPError as error:
        return error.code, json.loads(error.read() or b"{}")
    except OSError:
        return None, {}
