"""A mail server for tests: aiosmtpd, with STARTTLS and a user on one port, with neither on another.

Refuses nothing but mailboxes with certain names. Invariant: it is started only where it is named, and
e-mails stay in the state folder until the stack is reset.
"""

import socket
import sys

from stack_parts import cache, process, tls
from stack_parts.settings import HERE, PASSWORD, USER

NAME = "smtp"
TITLE = "SMTP"
READY_SECONDS = 60
STOP_SECONDS = 5
_PROBE_SECONDS = 2


def address(stack):
    return f"127.0.0.1:{stack.smtp_port}"


def fetch():
    return cache.notify_site()


def check_ports(stack):
    process.need_free_port(stack.smtp_port, TITLE)
    process.need_free_port(stack.plain_smtp_port, TITLE)


def launch(stack, site, _options):
    tls.make(stack)
    folder = stack.state / "mails"
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, str(HERE / "smtp_server.py"), "--port", str(stack.smtp_port),
               "--plain-port", str(stack.plain_smtp_port), "--certificate", str(stack.tls / "server.pem"),
               "--folder", str(folder), "--user", USER, "--password", PASSWORD]
    environment = {"PYTHONPATH": str(site), "PYTHONPYCACHEPREFIX": str(cache.cache_folder() / "pycache")}
    return process.start(NAME, command, stack, environment)


def check_running(stack, options):
    """A running server is taken as it is."""


def ready(stack):
    """True once both ports greet."""
    return all(_greets(port) for port in (stack.smtp_port, stack.plain_smtp_port))


def _greets(port):
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=_PROBE_SECONDS) as connection:
            return connection.recv(3) == b"220"
    except OSError:
        return False
