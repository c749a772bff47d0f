"""Judges SPDX licence expressions.

Knows AND, OR, WITH and parentheses, and `/` for OR as old crates write it. An expression that it
cannot read is an error, never "allowed".
Syntax: https://spdx.github.io/spdx-spec/v3.0.1/annexes/spdx-license-expressions/
"""

import re

TOKEN = re.compile(r"\s*(\(|\)|[A-Za-z0-9.+-]+)")


class Unreadable(ValueError):
    """The expression is none."""


def is_allowed(expression, allowed):
    """Whether the licensee can comply with `allowed` licences only: one branch of each OR, all
    of each AND."""
    tokens = tokens_of(expression)
    verdict = any_of(tokens, allowed)
    if tokens:
        raise Unreadable(f"`{tokens[0]}` is not expected in `{expression}`")
    return verdict


def normal(expression):
    """The expression with OR in place of `/`."""
    return re.sub(r"\s*/\s*", " OR ", expression)


def tokens_of(expression):
    text, tokens, place = normal(expression).rstrip(), [], 0
    while place < len(text):
        match = TOKEN.match(text, place)
        if not match:
            raise Unreadable(f"`{text[place:]}` is not expected in `{expression}`")
        tokens.append(match.group(1))
        place = match.end()
    return tokens


def any_of(tokens, allowed):
    verdict = all_of(tokens, allowed)
    while tokens and tokens[0] == "OR":
        tokens.pop(0)
        verdict = all_of(tokens, allowed) or verdict
    return verdict


def all_of(tokens, allowed):
    verdict = one(tokens, allowed)
    while tokens and tokens[0] == "AND":
        tokens.pop(0)
        verdict = one(tokens, allowed) and verdict
    return verdict


def one(tokens, allowed):
    if not tokens or tokens[0] in (")", "AND", "OR", "WITH"):
        raise Unreadable("a licence is missing")
    name = tokens.pop(0)
    if name == "(":
        verdict = any_of(tokens, allowed)
        if not tokens or tokens.pop(0) != ")":
            raise Unreadable("a parenthesis is open")
        return verdict
    if tokens and tokens[0] == "WITH":
        tokens.pop(0)
        if not tokens:
            raise Unreadable("an exception is missing")
        name = f"{name} WITH {tokens.pop(0)}"
    return name in allowed
