"""An S3-compatible object store for tests: moto's server, objects in memory.

Refuses nothing that asks: it checks no credentials. Invariant: it is started only where
it is named, and what it holds is gone when it ends.
"""

import http.client
import sys

from stack_parts import cache, process

NAME = "s3"
TITLE = "S3"
READY_SECONDS = 60
STOP_SECONDS = 5
BUCKET = "meterline"
_PROBE_SECONDS = 2


def address(stack):
    return stack.s3_url


def fetch():
    return cache.moto_site()


def check_ports(stack):
    process.need_free_port(stack.s3_port, TITLE)


def launch(stack, site, _options):
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(stack.s3_port)]
    environment = {"PYTHONPATH": str(site), "PYTHONPYCACHEPREFIX": str(cache.cache_folder() / "pycache")}
    return process.start(NAME, command, stack, environment)


def check_running(stack, options):
    """A running server is taken as it is."""


def ready(stack):
    """True once it has made the bucket; making it again changes nothing."""
    connection = http.client.HTTPConnection("127.0.0.1", stack.s3_port, timeout=_PROBE_SECONDS)
    try:
        connection.request("PUT", f"/{BUCKET}")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
