"""Stripe's mock server: each request is held against Stripe's own description of its API.

Refuses what that description refuses, and keeps no state. Invariant: it is started only where it is named.
"""

import http.client

from stack_parts import cache, process

NAME = "stripe-mock"
TITLE = "stripe-mock"
READY_SECONDS = 60
STOP_SECONDS = 5
_PROBE_SECONDS = 2


def address(stack):
    return stack.stripe_mock_url


def fetch():
    return cache.stripe_mock()


def check_ports(stack):
    process.need_free_port(stack.stripe_mock_port, TITLE)


def launch(stack, folder, _options):
    command = [str(folder / "stripe-mock"), "-http-addr", f"127.0.0.1:{stack.stripe_mock_port}"]
    return process.start(NAME, command, stack)


def check_running(stack, options):
    """A running server is taken as it is."""


def ready(stack):
    """True once it answers: 401, since the probe has no key."""
    connection = http.client.HTTPConnection("127.0.0.1", stack.stripe_mock_port, timeout=_PROBE_SECONDS)
    try:
        connection.request("GET", "/v1/customers")
        return connection.getresponse().status == 401
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
