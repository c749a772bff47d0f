"""Where everything of one stack is: ports, folders, user, environment.

Refuses port bases that leave no room. Invariant: two stacks with bases a hundred
apart share nothing but the cache.
"""

import argparse
import os
import re
import shlex
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
DEFAULT_PORT_BASE = 19000
_BASE_MIN, _BASE_MAX = 1024, 65400

USER = "meterline"
PASSWORD = "meterline-local"
DATABASE = "meterline"


class StackError(Exception):
    """What went wrong, in one line for the person at the terminal."""


class Stack:
    """One stack, named by its port base."""

    def __init__(self, port_base):
        self.port_base = port_base
        self.clickhouse_port = port_base + 23
        self.s3_port = port_base + 24
        self.smtp_port = port_base + 25
        self.plain_smtp_port = port_base + 26
        self.stripe_mock_port = port_base + 27
        self.localstripe_port = port_base + 28
        self.http_port = port_base + 80
        self.tls_port = port_base + 98
        self.sasl_port = port_base + 99
        self.state = _folder("METERLINE_STACK_STATE", ".state") / str(port_base)
        self.logs = self.state / "logs"
        self.tls = self.state / "tls"

    def broker_port(self, number):
        return self.port_base + 90 + 2 * number

    def controller_port(self, number):
        return self.broker_port(number) + 1

    @property
    def clickhouse_is_tls(self):
        """Whether ClickHouse was last started with TLS."""
        return (self.tls / "clickhouse").exists()

    @property
    def clickhouse_url(self):
        scheme = "https" if self.clickhouse_is_tls else "http"
        return f"{scheme}://127.0.0.1:{self.clickhouse_port}"

    @property
    def s3_url(self):
        return f"http://127.0.0.1:{self.s3_port}"

    @property
    def stripe_mock_url(self):
        return f"http://127.0.0.1:{self.stripe_mock_port}"

    @property
    def localstripe_url(self):
        return f"http://127.0.0.1:{self.localstripe_port}"

    def environment(self, brokers):
        """The settings that point Meterline at this stack, as shell lines."""
        values = {
            "METERLINE__KAFKA__BROKERS": ",".join(brokers),
            "METERLINE__CLICKHOUSE__URL": self.clickhouse_url,
            "METERLINE__CLICKHOUSE__USER": USER,
            "METERLINE__CLICKHOUSE__PASSWORD": PASSWORD,
            "METERLINE__CLICKHOUSE__DATABASE": DATABASE,
            "METERLINE__CHECKPOINT__URL": (self.state / "checkpoints").as_uri(),
            "METERLINE__HTTP__LISTEN": f"127.0.0.1:{self.http_port}",
        }
        if self.clickhouse_is_tls:
            values["METERLINE__CLICKHOUSE__CA_FILE"] = str(self.tls / "ca.pem")
        return [f"export {name}={shlex.quote(value)}" for name, value in values.items()]


def cache_folder():
    return _folder("METERLINE_STACK_CACHE", ".cache")


def kafka_wrap():
    """The command in front of java, for a broker under another clock."""
    return shlex.split(os.environ.get("METERLINE_STACK_KAFKA_WRAP", ""))


def port_base(text):
    """The number of the command line; everything is counted from it."""
    if not text.isdigit() or not _BASE_MIN <= int(text) <= _BASE_MAX:
        raise argparse.ArgumentTypeError(f"between {_BASE_MIN} and {_BASE_MAX}, not {text!r}")
    return int(text)


def kafka_property(text):
    """One `name=value` of the command line."""
    name, equals, value = text.partition("=")
    if not equals or not re.match(r"[A-Za-z0-9_.\-]+\Z", name):
        raise argparse.ArgumentTypeError(f"NAME=VALUE, not {text!r}")
    return name, value


def _folder(variable, default):
    return Path(os.path.abspath(os.environ.get(variable) or HERE / default))
