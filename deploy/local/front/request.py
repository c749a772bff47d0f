"""One HTTP request as ClickHouse reads it: body, parameters, settings, credentials.

Refuses what the front does not do (compression, sessions, external tables, roles)
with a clear error instead of ignoring it. Invariant: a body that was cut off is
never taken for a whole one.
"""

import base64
import binascii
import email
import email.policy
import hmac
import re
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from front.errors import ClickHouseError

_LINE_MAX = 8192
_FORM_BYTES_MAX = 16 << 20
_SETTING = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*\Z")
_NOT_SETTINGS = {
    "query", "database", "default_format", "user", "password", "quota_key", "query_id",
    "compress", "decompress", "session_id", "session_timeout", "session_check", "close_session",
    "role", "wait_end_of_query", "buffer_size", "stacktrace",
}


class BodyCut(Exception):
    """The client closed the connection before its body was complete."""


class Body:
    """Reads a request body piece by piece: by length, in chunks, or none."""

    def __init__(self, stream, headers, method):
        self._stream = stream
        self._chunked = headers.get("Transfer-Encoding", "").lower() == "chunked"
        length = headers.get("Content-Length")
        self._left = 0 if self._chunked or length is None else int(length)
        self._done = not self._chunked and self._left == 0
        self.missing = method == "POST" and not self._chunked and length is None

    def read(self, size):
        """Up to `size` bytes; b"" at the end."""
        if self._chunked and not self._done and self._left == 0:
            self._next_chunk()
        if self._done:
            return b""
        piece = self._stream.read(min(size, self._left))
        if not piece:
            raise BodyCut()
        self._left -= len(piece)
        if self._left == 0:
            self._end_of_piece()
        return piece

    def read_all(self, limit):
        """The whole body; more than `limit` bytes are refused."""
        pieces, size = [], 0
        while True:
            piece = self.read(1 << 18)
            if not piece:
                return b"".join(pieces)
            pieces.append(piece)
            size += len(piece)
            if size > limit:
                raise ClickHouseError(62, "SYNTAX_ERROR", "Max query size exceeded")

    def drain(self):
        """Reads the rest and forgets it, so that the connection can be used again."""
        while self.read(1 << 18):
            pass

    def _end_of_piece(self):
        if self._chunked:
            self._line()
        else:
            self._done = True

    def _next_chunk(self):
        try:
            self._left = int(self._line().split(b";")[0], 16)
        except ValueError as error:
            raise BodyCut() from error
        if self._left == 0:
            self._done = True
            while self._line():
                pass

    def _line(self):
        line = self._stream.readline(_LINE_MAX)
        if not line.endswith(b"\n"):
            raise BodyCut()
        return line.rstrip(b"\r\n")


@dataclass
class Request:
    """The parameters of one request, sorted by what they are for."""

    query: bytes = b""
    database: str = "default"
    default_format: str = "TabSeparated"
    query_id: str = ""
    wait_end: bool = False
    settings: dict = field(default_factory=dict)
    params: dict = field(default_factory=dict)
    is_form: bool = False


def read_request(method, target, headers, body, credentials):
    """Builds the request; raises for wrong credentials and for what the front does not do."""
    pairs = _pairs(target)
    _authenticate(dict(pairs), headers, credentials)
    _refuse_unsupported(dict(pairs), headers, body)
    request = Request()
    if headers.get_content_type() == "multipart/form-data":
        request.is_form = True
        pairs += _form(headers, body)
    request.database = headers.get("X-ClickHouse-Database") or request.database
    request.default_format = headers.get("X-ClickHouse-Format") or request.default_format
    for name, value in pairs:
        _apply(request, name, value)
    if method in ("GET", "HEAD") and request.settings.get("readonly", "0") == "0":
        request.settings["readonly"] = "2"
    return request


def _apply(request, name, value):
    if name == "query":
        request.query += value.encode("utf-8", "surrogateescape")
    elif name == "database":
        request.database = value or request.database
    elif name == "default_format":
        request.default_format = value
    elif name == "query_id":
        request.query_id = value
    elif name == "wait_end_of_query":
        request.wait_end = value not in ("", "0", "false")
    elif name.startswith("param_"):
        request.params[name[len("param_") :]] = value
    elif name not in _NOT_SETTINGS:
        if not _SETTING.match(name):
            raise ClickHouseError(115, "UNKNOWN_SETTING", f"Unknown setting '{name}'")
        request.settings[name] = value


def _pairs(target):
    _, _, text = target.partition("?")
    return parse_qsl(text, keep_blank_values=True, errors="surrogateescape")


def _form(headers, body):
    """The fields of a multipart form: the query, its parameters and settings."""
    head = f"Content-Type: {headers['Content-Type']}\r\n\r\n".encode("latin-1")
    parsed = email.message_from_bytes(head + body.read_all(_FORM_BYTES_MAX), policy=email.policy.HTTP)
    fields = []
    for part in parsed.iter_parts():
        if part.get_filename():
            raise ClickHouseError(48, "NOT_IMPLEMENTED", "External tables are not supported")
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        fields.append((name, content.decode("utf-8", "surrogateescape")))
    return fields


def _authenticate(params, headers, credentials):
    user, password = _credentials(params, headers)
    same_user = hmac.compare_digest(_bytes(user), _bytes(credentials[0]))
    same_password = hmac.compare_digest(_bytes(password), _bytes(credentials[1]))
    if not (same_user and same_password):
        user = _bytes(user).decode("utf-8", "replace")
        text = f"{user}: Authentication failed: password is incorrect, or there is no user with such name."
        raise ClickHouseError(516, "AUTHENTICATION_FAILED", text)


def _credentials(params, headers):
    if headers.get("X-ClickHouse-User") or headers.get("X-ClickHouse-Key"):
        return _header(headers, "X-ClickHouse-User") or "default", _header(headers, "X-ClickHouse-Key")
    scheme, _, value = headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            user, _, password = base64.b64decode(value, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError) as error:
            text = "Invalid authentication: cannot decode the Authorization header"
            raise ClickHouseError(516, "AUTHENTICATION_FAILED", text) from error
        return user, password
    if scheme:
        raise ClickHouseError(516, "AUTHENTICATION_FAILED", f"Invalid authentication: {scheme} is not supported")
    return params.get("user") or "default", params.get("password", "")


def _header(headers, name):
    """Headers are bytes that the HTTP library reads as Latin-1; the server takes them as UTF-8."""
    return headers.get(name, "").encode("latin-1", "replace").decode("utf-8", "surrogateescape")


def _bytes(text):
    return text.encode("utf-8", "surrogateescape")


def _refuse_unsupported(params, headers, body):
    if body.missing:
        text = "The Transfer-Encoding is not chunked and there is no Content-Length header for POST request"
        raise ClickHouseError(381, "HTTP_LENGTH_REQUIRED", text)
    encoding = headers.get("Content-Encoding", "identity")
    if encoding not in ("", "identity"):
        raise ClickHouseError(48, "NOT_IMPLEMENTED", f"Content-Encoding {encoding} is not supported")
    for name in ("compress", "decompress"):
        if params.get(name, "0") not in ("", "0", "false"):
            raise ClickHouseError(48, "NOT_IMPLEMENTED", f"{name}=1 is not supported: turn compression off")
    for name in ("session_id", "role"):
        if name in params:
            raise ClickHouseError(48, "NOT_IMPLEMENTED", f"{name} is not supported")
