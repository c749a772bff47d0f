"""Stripe's mock server: each request is held against Stripe's own description of its API.

Refuses what that description refuses, and keeps no state. Invariant: it is started only where it is named.
"""

from stack_parts import cache, process

NAME = "stripe-mock"
TITLE = "stripe-mock"
READY_SECONDS = 60
STOP_SECONDS = 5


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
    """True once it answers."""
    return process.answers_401(stack.stripe_mock_port)
