"""localstripe: a Stripe with state that others wrote, for what it knows of customers and products.

Refuses parameters that it does not know. Invariant: it is started only where it is named, and what it holds is gone
when it ends.
"""

import sys

from stack_parts import cache, process
from stack_parts.settings import HERE

NAME = "localstripe"
TITLE = "localstripe"
READY_SECONDS = 60
STOP_SECONDS = 5


def address(stack):
    return stack.localstripe_url


def fetch():
    return cache.localstripe_site()


def check_ports(stack):
    process.need_free_port(stack.localstripe_port, TITLE)


def launch(stack, site, _options):
    command = [sys.executable, str(HERE / "localstripe_server.py"), "--port", str(stack.localstripe_port)]
    environment = {"PYTHONPATH": str(site), "PYTHONPYCACHEPREFIX": str(cache.cache_folder() / "pycache")}
    return process.start(NAME, command, stack, environment)


def check_running(stack, options):
    """A running server is taken as it is."""


def ready(stack):
    """True once it answers."""
    return process.answers_401(stack.localstripe_port)
