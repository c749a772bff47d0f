"""The ClickHouse service of a stack: the front over the engine, on one data path.

Refuses to call a front ready that does not answer. Invariant: its data is in the
stack's state folder and nowhere else.
"""

import http.client
import json
import ssl
import sys

from stack_parts import cache, process, tls
from stack_parts.settings import HERE, PASSWORD, USER, StackError

NAME = "clickhouse"
TITLE = "ClickHouse"
READY_SECONDS = 60
STOP_SECONDS = 15
_PROBE_SECONDS = 2


def address(stack):
    return stack.clickhouse_url


def fetch():
    return cache.chdb_site()


def check_ports(stack):
    process.need_free_port(stack.clickhouse_port, TITLE)


def launch(stack, site, options):
    command = [sys.executable, str(HERE / "clickhouse_front.py"), "--data", str(stack.state / "clickhouse"),
               "--port", str(stack.clickhouse_port), "--user", USER]
    command += ["--faults"] * options.faults
    mark = stack.tls / "clickhouse"
    if options.tls:
        tls.make(stack)
        mark.touch()
        command += ["--tls", str(stack.tls / "server.pem")]
    else:
        mark.unlink(missing_ok=True)
    environment = {
        "PYTHONPATH": str(site),
        "PYTHONPYCACHEPREFIX": str(cache.cache_folder() / "pycache"),
        "METERLINE_FRONT_PASSWORD": PASSWORD,
        "TZ": "UTC",
    }
    return process.start(NAME, command, stack, environment)


def ready(stack):
    return _get(stack, "/ping") is not None


def check_running(stack, options):
    """Refuses to leave a front without faults to a test that asked for them."""
    if options.faults and _get(stack, "/__faults") is None:
        raise StackError("clickhouse runs without faults: take it down first, then up --faults")


def _get(stack, path):
    if stack.clickhouse_is_tls:
        trusted = ssl.create_default_context(cafile=stack.tls / "ca.pem")
        connection = http.client.HTTPSConnection("127.0.0.1", stack.clickhouse_port, timeout=_PROBE_SECONDS,
                                                 context=trusted)
    else:
        connection = http.client.HTTPConnection("127.0.0.1", stack.clickhouse_port, timeout=_PROBE_SECONDS)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        text = answer.read().decode()
        return (json.loads(text) if path != "/ping" else text) if answer.status == 200 else None
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
