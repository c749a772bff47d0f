"""A webhook's receiver: takes what Meterline posts, and checks every signature.

Refuses (401) what is not signed with the route's secret, or older than five minutes. Written from
the Standard Webhooks specification, not from the code that signs.
"""

import base64
import hashlib
import hmac
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_TOLERANCE_SECONDS = 300
_BODY_BYTES_MAX = 1 << 20


class Receiver:
    """Listens on a free port of this machine. Use it in a `with` statement."""

    def __init__(self):
        self.secret = None
        self._alerts = []
        self._arrived = threading.Condition()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self):
        return f"http://127.0.0.1:{self._server.server_port}/alerts"

    def wait_for(self, condition, limit):
        """The first alert that fits, once it is there; None after `limit` seconds."""
        with self._arrived:
            self._arrived.wait_for(lambda: any(map(condition, self._alerts)), timeout=limit)
            return next(filter(condition, self._alerts), None)

    def count(self):
        with self._arrived:
            return len(self._alerts)

    def take(self, headers, body):
        """Whether the request is one of ours; then its alerts are kept."""
        if self.secret is None or not _is_signed(self.secret, headers, body):
            return False
        with self._arrived:
            self._alerts.extend(json.loads(body)["data"]["alerts"])
            self._arrived.notify_all()
        return True


def _is_signed(secret, headers, body):
    sent = headers.get("webhook-timestamp", "0")
    if not sent.isdigit() or abs(time.time() - int(sent)) > _TOLERANCE_SECONDS:
        return False
    key = base64.b64decode(secret.removeprefix("whsec_"))
    content = f"{headers.get('webhook-id')}.{sent}.".encode() + body
    expected = "v1," + base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
    given = headers.get("webhook-signature", "").split(" ")
    return any(hmac.compare_digest(expected, signature) for signature in given)


def _handler(receiver):
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            length = min(int(self.headers.get("content-length", "0")), _BODY_BYTES_MAX)
            is_ours = receiver.take(self.headers, self.rfile.read(length))
            self.send_response(204 if is_ours else 401)
            self.end_headers()

        def log_message(self, *_):
            """What arrives is shown by the demo itself."""

    return Handler
