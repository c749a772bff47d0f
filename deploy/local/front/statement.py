"""Finds, in one SQL text, what the front must know before the engine runs it.

That is: does it return rows, where does its data begin, in which format. Refuses
two statements in one request, and files named by the client, as the server does.
Invariant: what lies inside strings, quoted names, comments and brackets is never
taken for a keyword, so no value can change the meaning of a statement.
"""

import re
from dataclasses import dataclass
from typing import Optional

from front.errors import ClickHouseError

_TOKEN = re.compile(
    rb"""(?P<skip>\s+|--[^\n]*|\#[\ !][^\n]*|/\*.*?\*/)
    |(?P<string>'(?:[^'\\]|\\.|'')*')
    |(?P<name>"(?:[^"\\]|\\.|"")*"|`(?:[^`\\]|\\.|``)*`)
    |(?P<heredoc>\$(?P<tag>\w*)\$.*?\$(?P=tag)\$)
    |(?P<word>[A-Za-z_]\w*)
    |(?P<open>[(\[{])|(?P<close>[)\]}])
    |(?P<end>;)
    |(?P<number>\d[\w.]*)
    |(?P<other>.)""",
    re.S | re.X,
)

_RETURNS_ROWS = {"SELECT", "WITH", "FROM"}
_DATA_BLANKS = b" \t\f"


@dataclass
class Statement:
    """What one SQL text is; offsets are in bytes of that text."""

    kind: str  # "select", "insert" (rows follow from `data_start`) or "other"
    format: Optional[str] = None
    head: bytes = b""  # select: the text before FORMAT; insert: the text before FORMAT or VALUES
    tail: bytes = b""  # select: what follows the format's name (SETTINGS …)
    settings_at: Optional[int] = None  # insert: where SETTINGS stands in `head`
    data_start: int = 0


def parse(sql):
    """Reads the shape of `sql` (bytes); rows after an INSERT's head are not looked at."""
    tokens = _top_level(sql)
    first = next(tokens, None)
    if first is None:
        raise ClickHouseError(62, "SYNTAX_ERROR", "Syntax error: failed at position 1 (end of query): Empty query")
    if _upper(sql, first) == "INSERT":
        return _insert(sql, tokens)
    return _query(sql, first, list(tokens))


def _insert(sql, tokens):
    settings_at, format_at, before = None, None, ""
    for token in tokens:
        # A table may be called `settings`; what stands after INTO or a dot is a name.
        word = "" if before in ("INTO", "TABLE", ".") else _upper(sql, token)
        before = _upper(sql, token) or sql[token[1] : token[2]].decode(errors="replace")
        if format_at is not None:
            return _insert_with(sql, sql[token[1] : token[2]].decode(), token[2], format_at, settings_at)
        if word in ("SELECT", "WITH") or (token[0] == "open_query"):
            _refuse_second(sql, tokens)
            return Statement("other")
        if word == "INFILE":
            raise ClickHouseError(48, "NOT_IMPLEMENTED", "INFILE is for clickhouse-client only")
        if word == "VALUES":
            return _insert_with(sql, "Values", token[2], token[1], settings_at)
        if word == "SETTINGS":
            settings_at = token[1]
        if word == "FORMAT":
            format_at = token[1]
    return Statement("other")  # incomplete: the engine words the error


def _insert_with(sql, format, end, head_end, settings_at):
    start = end
    while start < len(sql) and sql[start] in _DATA_BLANKS:
        start += 1
    start += sql[start : start + 1] == b"\r"
    start += sql[start : start + 1] == b"\n"
    return Statement("insert", format, sql[:head_end], b"", settings_at, start)


def _query(sql, first, rest):
    end, words = len(sql), [first] + rest
    rows = _upper(sql, first) in _RETURNS_ROWS or first[0].startswith("open")
    inserts = any(_upper(sql, token) == "INSERT" for token in rest)  # WITH … INSERT
    kind = "select" if rows and not inserts else "other"
    ends = [i for i, token in enumerate(words) if token[0] == "end"]
    if ends:
        _refuse_after(words[ends[0] :])
        end = words[ends[0]][1]
        words = words[: ends[0]]
    at = _format_at(sql, words)
    if at is None:
        return Statement(kind, None, _without_comment_tail(sql, words, end))
    name = sql[words[at + 1][1] : words[at + 1][2]].decode()
    return Statement(kind, name, sql[: words[at][1]], sql[words[at + 1][2] : end])


def _format_at(sql, words):
    """Index of the FORMAT keyword that ends the query, if there is one."""
    for i in range(len(words) - 2, 0, -1):
        if _upper(sql, words[i]) == "INTO" and _upper(sql, words[i + 1]) == "OUTFILE":
            raise ClickHouseError(48, "NOT_IMPLEMENTED", "INTO OUTFILE is for clickhouse-client only")
        is_clause = _upper(sql, words[i]) == "FORMAT" and words[i + 1][0] == "word"
        if is_clause and (i + 2 == len(words) or _begins_settings(sql, words[i + 2 : i + 5])):
            return i
    return None


def _begins_settings(sql, words):
    """True for `SETTINGS name =`; `SELECT format FROM settings` is another thing."""
    return len(words) == 3 and _upper(sql, words[0]) == "SETTINGS" and sql[words[2][1] : words[2][2]] == b"="


def _without_comment_tail(sql, words, end):
    """The text up to its last token: a trailing comment would swallow what is appended."""
    return sql[: words[-1][2]] if words else sql[:end]


def _refuse_after(words):
    if any(token[0] != "end" for token in words):
        raise ClickHouseError(62, "SYNTAX_ERROR", "Syntax error (Multi-statements are not allowed)")


def _refuse_second(sql, tokens):
    seen = False
    for token in tokens:
        if seen and token[0] != "end":
            _refuse_after([token])
        seen = seen or token[0] == "end"


def _upper(sql, token):
    return sql[token[1] : token[2]].decode().upper() if token[0] == "word" else ""


def _top_level(sql):
    """Yields (kind, start, end) of every token outside brackets; a bracket pair is one token."""
    depth, opened, at = 0, 0, 0
    while at < len(sql):
        token = _TOKEN.match(sql, at)
        kind, start, at = token.lastgroup, token.start(), token.end()
        kind = "heredoc" if kind == "tag" else kind
        if kind == "open":
            opened = start if depth == 0 else opened
            depth += 1
        elif kind == "close" and depth:
            depth -= 1
            if depth == 0:
                yield (_bracket_kind(sql, opened, at), opened, at)
        elif depth == 0 and kind != "skip":
            yield (kind, start, at)


def _bracket_kind(sql, start, end):
    inside = sql[start + 1 : end - 1].lstrip()[:6].upper()
    return "open_query" if inside.startswith((b"SELECT", b"WITH")) else "open"
