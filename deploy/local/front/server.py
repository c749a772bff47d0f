"""The HTTP server of the front: one thread per connection, one query at a time on each.

Refuses requests without the right user and password, and the fault endpoint unless
faults are enabled. Invariant: an INSERT is answered only after the engine has it, and
the engine's files are written by then, so kill -9 loses no acknowledged row.
"""

import json
import re
import ssl
import sys
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

from front.errors import ClickHouseError
from front.faults import BadRule
from front.query import open_query
from front.request import Body, BodyCut, read_request
from front.response import ClientGone, Responder

_IDLE_SECONDS = 30
_FAULT_BYTES_MAX = 1 << 20
_WAIT_SECONDS_MAX = 60.0
_FAULT_PATH = re.compile(r"/__faults(?:/(\d+))?\Z")


class Front(ThreadingHTTPServer):
    """Everything that the handlers share."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, address, engine, faults, credentials, spool_folder, certificate=None):
        super().__init__(address, Handler)
        self.tls = _tls(certificate)
        self.engine, self.faults = engine, faults
        self.credentials, self.spool_folder = credentials, spool_folder

    def finish_request(self, request, client_address):
        # On the connection's own thread: a client that does not shake hands delays nobody else.
        if self.tls:
            request.settimeout(_IDLE_SECONDS)
            request = self.tls.wrap_socket(request, server_side=True)
        super().finish_request(request, client_address)

    def handle_error(self, request, client_address):
        error = sys.exc_info()[1]
        if not isinstance(error, (ConnectionError, TimeoutError, ssl.SSLError)):
            super().handle_error(request, client_address)


def _tls(certificate):
    if certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    timeout = _IDLE_SECONDS
    disable_nagle_algorithm = True

    def version_string(self):
        return "meterline-clickhouse-front"

    def do_GET(self):
        self._serve()

    do_POST = do_PUT = do_DELETE = do_HEAD = do_GET

    def _serve(self):
        path = self.path.partition("?")[0]
        responder = Responder(self, self.server.engine.version)
        body = Body(self.rfile, self.headers, self.command)
        try:
            if path.startswith("/__faults"):
                self._faults(path, responder, body)
            elif path == "/ping" or (self.path == "/" and self.command == "GET"):
                responder.plain(200, "Ok.\n", [("Content-Type", "text/html; charset=UTF-8")])
            elif path == "/":
                self._query(responder, body)
            else:
                responder.plain(404, f"There is no handle {path}\n")
            if not self.close_connection:
                body.drain()
        except (BodyCut, ClientGone, ConnectionError, TimeoutError):
            self.close_connection = True

    def _query(self, responder, body):
        started, server = time.monotonic(), self.server
        try:
            request = read_request(self.command, self.path, self.headers, body, server.credentials)
            query_id = request.query_id or str(uuid.uuid4())
            with open_query(server.engine, request, body, server.spool_folder) as query:
                rule = server.faults.take(query.sql, query.database)
                if rule is None:
                    _answer(responder, query, query_id, request.wait_end)
                else:
                    self.log_message("fault %s %s: %.200s", rule.id, rule.kind, query.sql)
                    _mislead(server.faults, rule, responder, query, query_id)
        except ClickHouseError as error:
            spent = time.monotonic() - started
            self.log_message("%s after %.3f s: Code %s %.500s", error.status, spent, error.code, error.text)
            if responder.started:
                responder.drop()
                return
            # The client may still be sending: it reads the answer only after that.
            body.drain()
            responder.error(error)

    def _faults(self, path, responder, body):
        faults, named = self.server.faults, _FAULT_PATH.match(path)
        if not faults.enabled or not named:
            responder.plain(404, "faults are not enabled here: start the front with --faults\n")
            return
        rule_id = int(named[1]) if named[1] else None
        if self.command == "POST" and rule_id is None:
            self._add_fault(responder, body.read_all(_FAULT_BYTES_MAX))
        elif self.command == "DELETE":
            removed = faults.remove(rule_id)
            _json(responder, 200 if removed or rule_id is None else 404, {"removed": removed})
        elif self.command == "GET" and rule_id is not None:
            self._show_fault(responder, rule_id)
        elif self.command == "GET":
            _json(responder, 200, {"rules": faults.view()})
        else:
            responder.plain(405, "GET, POST /__faults or DELETE\n")

    def _add_fault(self, responder, text):
        try:
            _json(responder, 200, self.server.faults.add(json.loads(text)))
        except (BadRule, json.JSONDecodeError, UnicodeDecodeError) as error:
            _json(responder, 400, {"error": str(error)})

    def _show_fault(self, responder, rule_id):
        wanted = {key: float(values[0]) for key, values in parse_qs(self.path.partition("?")[2]).items()}
        seconds = min(wanted.get("timeout", 0.0), _WAIT_SECONDS_MAX)
        rule = self.server.faults.wait(rule_id, wanted.get("hits", 0), wanted.get("held", 0), seconds)
        found = rule or next(iter(self.server.faults.view(rule_id)), {"error": "no such rule"})
        _json(responder, 200 if rule else 408 if "id" in found else 404, found)

    def log_request(self, code="-", size="-"):
        pass  # a line per query would be most of the log; errors and faults are logged

    def log_message(self, text, *args):
        sys.stderr.write(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {text % args}\n")


def _answer(responder, query, query_id, wait_end):
    if not query.is_select:
        answer, rows, size = query.run()
        if query.is_insert:
            responder.answer(query, query_id, b"", rows, size)
        else:
            responder.answer(query, query_id, answer)
        return
    stream = query.stream()
    try:
        responder.stream(query, query_id, stream, wait_end)
    finally:
        stream.close()


def _mislead(faults, rule, responder, query, query_id):
    spec = rule.spec
    if rule.kind == "fail":
        name = spec.get("name", "NETWORK_ERROR")
        text = spec.get("message", "a fault of the test")
        raise ClickHouseError(spec.get("code", 210), name, text, spec.get("status", 500))
    if rule.kind in ("hold", "delay"):
        faults.pause(rule, spec.get("seconds"))
        _answer(responder, query, query_id, False)
        return
    body = _whole(query)
    if rule.kind == "cut":
        responder.cut(query, query_id, body)
    else:
        responder.drop()


def _whole(query):
    """Runs the query to its end and keeps the answer: only faults need it."""
    if not query.is_select:
        answer = query.run()[0]
        return b"" if query.is_insert else answer
    stream = query.stream()
    try:
        return b"".join(iter(lambda: stream.read(1 << 20), b""))
    finally:
        stream.close()


def _json(responder, status, value):
    body = json.dumps(value) + "\n"
    responder.plain(status, body, [("Content-Type", "application/json")])
