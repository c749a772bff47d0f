"""Writes answers as the server does: status, headers, chunked bodies, late errors.

Refuses to end a body properly when its query failed half way: the exception goes
out as the last chunk, between tags, and the connection is closed without the end
mark. Invariant: a client that saw the end mark has the whole answer.
"""

import json
import secrets
import tempfile

from front.errors import ClickHouseError

# The server too sends nothing before this much is ready, so most errors get a status.
_FIRST_BYTES = 1 << 20
_PIECE_BYTES = 1 << 20
_TYPES = {
    "TabSeparated": "text/tab-separated-values; charset=UTF-8",
    "TSV": "text/tab-separated-values; charset=UTF-8",
    "CSV": "text/csv; charset=UTF-8; header=absent",
    "CSVWithNames": "text/csv; charset=UTF-8; header=present",
    "JSON": "application/json; charset=UTF-8",
    "JSONCompact": "application/json; charset=UTF-8",
    "JSONEachRow": "application/x-ndjson; charset=UTF-8",
    "RowBinary": "application/octet-stream",
    "RowBinaryWithNamesAndTypes": "application/octet-stream",
    "Native": "application/octet-stream",
    "Parquet": "application/octet-stream",
}


class ClientGone(Exception):
    """The client closed the connection while it was answered."""


class Responder:
    """Answers one request on one connection."""

    def __init__(self, handler, version):
        self._handler = handler
        self._version = version
        self.started = False

    def plain(self, status, text, headers=()):
        """A short answer with its length."""
        body = text if isinstance(text, bytes) else text.encode("utf-8", "replace")
        self._head(status, [*headers, ("Content-Length", str(len(body)))])
        self._send(body)

    def error(self, error):
        headers = [
            ("X-ClickHouse-Exception-Code", str(error.code)),
            ("Content-Type", "text/plain; charset=UTF-8"),
        ]
        self.plain(error.status, error.body(self._version), headers)

    def answer(self, query, query_id, body, rows=0, size=0):
        """The answer of a statement that is not a stream."""
        self.plain(200, body, self._headers(query, query_id, summary(rows, size)))

    def stream(self, query, query_id, stream, wait_end):
        """Passes a stream on in chunks; an error before the first chunk gets its status."""
        first, ended = _ahead(stream, wait_end)
        tag = secrets.token_hex(8)
        headers = self._headers(query, query_id, summary(0, 0))
        headers += [("X-ClickHouse-Exception-Tag", tag), ("Transfer-Encoding", "chunked")]
        self._head(200, headers)
        with first:
            for piece in iter(lambda: first.read(_PIECE_BYTES), b""):
                self._chunk(piece)
        try:
            while not ended:
                piece = stream.read(_PIECE_BYTES)
                ended = not piece
                if piece:
                    self._chunk(piece)
        except ClickHouseError as error:
            self._late(error, tag)
            return
        self._send(b"0\r\n\r\n")

    def cut(self, query, query_id, body):
        """Half of the answer, then nothing: for tests."""
        headers = self._headers(query, query_id, summary(0, 0))
        self._head(200, headers + [("Content-Length", str(max(len(body), 1)))])
        self._send(body[: len(body) // 2])
        self.drop()

    def drop(self):
        """Closes the connection without another byte."""
        self.started = True
        self._handler.close_connection = True

    def _late(self, error, tag):
        text = error.body(self._version).rstrip("\n") + "\n"
        message = text.encode("utf-8", "replace")
        block = b"\r\n__exception__\r\n%s\r\n%s%d %s\r\n__exception__\r\n"
        self._chunk(block % (tag.encode(), message, len(message), tag.encode()))
        self.drop()

    def _headers(self, query, query_id, totals):
        return [
            ("X-ClickHouse-Query-Id", query_id),
            ("X-ClickHouse-Format", query.format),
            ("X-ClickHouse-Timezone", "UTC"),
            ("X-ClickHouse-Server-Display-Name", "meterline-local"),
            ("X-ClickHouse-Summary", totals),
            ("Content-Type", _TYPES.get(query.format, "text/plain; charset=UTF-8")),
        ]

    def _head(self, status, headers):
        self.started = True
        handler = self._handler
        handler.send_response(status)
        for name, value in headers:
            handler.send_header(name, value.replace("\r", "").replace("\n", ""))
        closing = handler.close_connection
        handler.send_header("Connection", "close" if closing else "keep-alive")
        handler.close_connection = closing
        self._guarded(handler.end_headers)

    def _chunk(self, piece):
        self._send(b"%x\r\n%s\r\n" % (len(piece), piece))

    def _send(self, piece):
        if piece and self._handler.command != "HEAD":
            self._guarded(self._handler.wfile.write, piece)

    def _guarded(self, write, *args):
        try:
            write(*args)
        except OSError as error:
            self._handler.close_connection = True
            raise ClientGone() from error


def summary(rows, size):
    """The X-ClickHouse-Summary header; only what an INSERT wrote is known."""
    names = ("read_rows", "read_bytes", "written_rows", "written_bytes", "total_rows_to_read",
             "result_rows", "result_bytes", "elapsed_ns")
    values = {name: "0" for name in names}
    values.update(written_rows=str(rows), written_bytes=str(size))
    return json.dumps(values, separators=(",", ":"))


def _ahead(stream, wait_end):
    """Reads what is sent after the headers: a first part, or everything; (file, ended)."""
    ahead = tempfile.SpooledTemporaryFile(max_size=2 * _FIRST_BYTES)
    ended, size = False, 0
    while not ended and (wait_end or size < _FIRST_BYTES):
        piece = stream.read(_PIECE_BYTES)
        ended = not piece
        size += len(piece)
        ahead.write(piece)
    ahead.seek(0)
    return ahead, ended
