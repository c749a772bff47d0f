"""Faults on request: rules that tests post, each of which misleads some queries.

Refuses to act unless the front was started with faults enabled. Invariant: a rule
is applied at most `times` times, every application is counted before it acts, and
removing a rule lets go whatever it holds. Random choices come from the rule's seed.
"""

import random
import re
import threading
from dataclasses import dataclass, field

KINDS = ("lose_answer", "delay", "hold", "fail", "cut")
_RULES_MAX = 1000
_KEYS = {
    "match", "kind", "times", "skip", "probability", "seed", "database", "seconds",
    "status", "code", "name", "message",
}


class BadRule(ValueError):
    """A posted rule that cannot be used; the text says why."""


@dataclass
class Rule:
    """One rule with its counters."""

    id: int
    spec: dict
    pattern: "re.Pattern"
    chance: random.Random
    left: int
    skip: int
    seen: int = 0
    hits: int = 0
    held: int = 0
    released: threading.Event = field(default_factory=threading.Event)

    @property
    def kind(self):
        return self.spec["kind"]

    def view(self):
        return {**self.spec, "id": self.id, "seen": self.seen, "hits": self.hits, "held": self.held}


class Faults:
    """The rules in force, in the order in which they were posted."""

    def __init__(self, enabled):
        self.enabled = enabled
        self._rules = {}
        self._next = 1
        self._changed = threading.Condition()

    def add(self, spec):
        with self._changed:
            if len(self._rules) >= _RULES_MAX:
                raise BadRule(f"more than {_RULES_MAX} rules")
            rule = _checked(self._next, spec)
            self._rules[rule.id] = rule
            self._next += 1
            return rule.view()

    def remove(self, rule_id=None):
        """Removes one rule or all, and lets go what they hold; returns how many."""
        with self._changed:
            ids = list(self._rules) if rule_id is None else [rule_id] * (rule_id in self._rules)
            for each in ids:
                self._rules.pop(each).released.set()
            self._changed.notify_all()
            return len(ids)

    def view(self, rule_id=None):
        with self._changed:
            rules = [rule.view() for rule in self._rules.values()]
        return rules if rule_id is None else [rule for rule in rules if rule["id"] == rule_id]

    def wait(self, rule_id, hits, held, seconds):
        """Waits until a rule was hit and holds that often; None if it did not come to that."""

        def reached():
            rule = self._rules.get(rule_id)
            return rule is None or (rule.hits >= hits and rule.held >= held)

        with self._changed:
            done = self._changed.wait_for(reached, timeout=seconds)
            rule = self._rules.get(rule_id)
            return rule.view() if done and rule else None

    def take(self, sql, database):
        """The rule that misleads this query, counted as one hit; None for no fault."""
        if not self.enabled:
            return None
        with self._changed:
            for rule in self._rules.values():
                if _applies(rule, sql, database):
                    rule.left -= rule.left > 0
                    rule.hits += 1
                    self._changed.notify_all()
                    return rule
        return None

    def pause(self, rule, seconds=None):
        """Holds the calling query until the rule is removed or `seconds` are over."""
        with self._changed:
            rule.held += 1
            self._changed.notify_all()
        rule.released.wait(seconds)
        with self._changed:
            rule.held -= 1
            self._changed.notify_all()


def _applies(rule, sql, database):
    if rule.left == 0 or not rule.pattern.search(sql):
        return False
    if rule.spec.get("database", database) != database:
        return False
    rule.seen += 1
    if rule.seen <= rule.skip:
        return False
    return rule.chance.random() < rule.spec.get("probability", 1.0)


def _checked(rule_id, spec):
    if not isinstance(spec, dict) or "match" not in spec:
        raise BadRule("a rule is a JSON object with at least match and kind")
    unknown = sorted(set(spec) - _KEYS)
    if unknown:
        raise BadRule(f"unknown key {unknown[0]!r}; known: {', '.join(sorted(_KEYS))}")
    if spec.get("kind") not in KINDS:
        raise BadRule(f"kind is one of {', '.join(KINDS)}")
    if spec["kind"] == "delay" and not isinstance(spec.get("seconds"), (int, float)):
        raise BadRule("a delay needs seconds")
    try:
        pattern = re.compile(spec["match"], re.I | re.S)
        times, skip = int(spec.get("times", -1)), int(spec.get("skip", 0))
        float(spec.get("probability", 1.0))
    except (re.error, TypeError, ValueError) as error:
        raise BadRule(f"bad rule: {error}") from error
    return Rule(rule_id, spec, pattern, random.Random(spec.get("seed", 0)), times, skip)
