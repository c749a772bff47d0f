"""How large the benchmark is: variables of the environment, so that `make bench EVENTS=…` works.

Refuses what is no whole number above zero.
"""

import os
from dataclasses import dataclass

from trial import TrialError


@dataclass(frozen=True)
class Size:
    """What is filled in and how often it is read."""

    events: int
    tenants: int
    minutes: int
    rounds: int


def size(**defaults):
    """The size by the environment; `defaults` for what it does not say."""
    standard = {"events": 5_000_000, "tenants": 1_000, "minutes": 60, "rounds": 2}
    return Size(**{name: _number(name.upper(), value) for name, value in {**standard, **defaults}.items()})


def _number(name, default):
    text = os.environ.get(name, str(default)).replace("_", "")
    if not text.isdigit() or int(text) == 0:
        raise TrialError(f"{name} must be a whole number above zero, not {text!r}")
    return int(text)
