"""From a request to its answer: read the statement, spool its rows, run it.

Refuses to start an INSERT whose body is not here as a whole, so that a client that
dies half way writes nothing. Invariant: rows are in a file of the state folder, not
in memory, and the file is gone when the request is.
"""

import os
import tempfile
from contextlib import contextmanager

from front import statement
from front.errors import ClickHouseError

# The server looks at this much for the statement (its max_query_size).
_HEAD_BYTES = 256 << 10
_STATEMENT_BYTES_MAX = 16 << 20
# Inline VALUES up to this size go to the engine as text, with their parameters.
_INLINE_VALUES_BYTES_MAX = 256 << 10
_PIECE_BYTES = 256 << 10


class Query:
    """One statement, ready to run: its SQL, its format and, for an INSERT, its rows in a file."""

    def __init__(self, engine, request, sql, parsed, rows):
        self._engine, self._request = engine, request
        self._parsed, self._rows = parsed, rows
        self.sql = sql
        self.is_select = parsed.kind == "select"
        self.is_insert = parsed.kind == "insert"
        self.format = parsed.format if not self.is_insert and parsed.format else request.default_format
        self.database = request.database

    def stream(self):
        """Runs a SELECT; returns its stream of bytes."""
        head, tail = _text(self._parsed.head), _text(self._parsed.tail)
        return self._engine.stream(head, self.format, tail, self._request)

    def run(self):
        """Runs anything else; returns (answer, rows written, bytes written)."""
        sql = self.sql if self._rows is None else self._from_file()
        return self._engine.run(sql, self._request, self.format)

    def _from_file(self):
        parsed = self._parsed
        at = len(parsed.head) if parsed.settings_at is None else parsed.settings_at
        head, settings = _text(parsed.head[:at]), _text(parsed.head[at:])
        return f"{head} FROM INFILE '{self._rows}' {settings} FORMAT {parsed.format}"


@contextmanager
def open_query(engine, request, body, spool_folder):
    """Reads the whole request and yields its query; the file of rows lives that long."""
    sql = request.query
    if request.is_form:
        yield Query(engine, request, _text(sql), statement.parse(sql), None)
        return
    buffer = sql + b"\n" if sql.strip() else b""
    parsed = statement.parse(buffer) if buffer else None
    if parsed is None or parsed.kind != "insert":
        buffer += _some(body, _HEAD_BYTES)
        parsed = statement.parse(buffer)
    if parsed.kind != "insert":
        rest = body.read_all(_STATEMENT_BYTES_MAX)
        parsed = statement.parse(buffer + rest) if rest else parsed
        yield Query(engine, request, _text(buffer + rest), parsed, None)
        return
    if parsed.format == "Values" and len(buffer) <= _INLINE_VALUES_BYTES_MAX:
        buffer += _some(body, _INLINE_VALUES_BYTES_MAX - len(buffer) + 1)
        if len(buffer) <= _INLINE_VALUES_BYTES_MAX:
            yield Query(engine, request, _text(buffer), parsed, None)
            return
    with _spooled(buffer[parsed.data_start :], body, spool_folder) as path:
        yield Query(engine, request, _text(parsed.head), parsed, path)


@contextmanager
def _spooled(first, body, folder):
    handle, path = tempfile.mkstemp(prefix="rows-", dir=folder)
    try:
        with os.fdopen(handle, "wb", buffering=0) as file:
            file.write(first)
            while True:
                piece = body.read(_PIECE_BYTES)
                if not piece:
                    break
                file.write(piece)
        yield path
    finally:
        os.unlink(path)


def _some(body, size):
    """Reads until `size` bytes are there or the body ends."""
    pieces = []
    while size > 0:
        piece = body.read(min(size, _PIECE_BYTES))
        if not piece:
            break
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)


def _text(sql):
    try:
        return sql.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ClickHouseError(62, "SYNTAX_ERROR", "Syntax error: the statement is not UTF-8") from error
