"""A `meterline run` of a trial, and what it tells of itself over HTTP.

Refuses to wait for a worker that is dead. Invariant: the process does not outlive the `with`
statement.
"""

import http.client
import json
import re
import signal
import subprocess
import time
from urllib.error import URLError
from urllib.request import urlopen

from trial import TrialError

_POLL_SECONDS = 0.05
_ANSWER_SECONDS = 5
_STOP_SECONDS = 60
_SAMPLE = re.compile(r"([a-z_]+)(?:\{(.*)\})? ([0-9.e+-]+)$")
_LABEL = re.compile(r'([a-z_]+)="([^"]*)"')


class Worker:
    """A worker process with the default stages, or others. Use it in a `with` statement."""

    def __init__(self, installation, *options):
        self._installation = installation
        self._options = options

    def __enter__(self):
        self._process = self._installation.start("worker", "run", *self._options)
        return self

    def __exit__(self, *_):
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    @property
    def pid(self):
        return self._process.pid

    def wait_until(self, what, condition, limit, poll=_POLL_SECONDS):
        """Polls a condition; an error when the worker ends first, or after `limit` seconds."""
        deadline = time.monotonic() + limit
        while not condition():
            if self._process.poll() is not None:
                raise TrialError(f"the worker ended with status {self._process.returncode}; "
                                 + self._installation.log_tail("worker"))
            if time.monotonic() > deadline:
                raise TrialError(f"{what} took longer than {limit} s; {self._problems()}")
            time.sleep(poll)

    def status(self):
        """The worker's own `GET /status`; None while it does not answer."""
        text = self._get("/status")
        return None if text is None else json.loads(text)

    def metrics(self):
        """Its metrics as (name, labels, value)."""
        matches = (_SAMPLE.match(line) for line in (self._get("/metrics") or "").splitlines())
        return [(m[1], dict(_LABEL.findall(m[2] or "")), float(m[3])) for m in matches if m]

    def stop(self):
        """Asks it to drain and end; an error unless it says that it did."""
        self._process.send_signal(signal.SIGTERM)
        try:
            status = self._process.wait(timeout=_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            raise TrialError(f"the worker did not stop within {_STOP_SECONDS} s") from None
        if status:
            raise TrialError(f"the worker ended with status {status}; {self._installation.log_tail('worker')}")

    def _get(self, path):
        try:
            with urlopen(f"http://{self._installation.http}{path}", timeout=_ANSWER_SECONDS) as answer:
                return answer.read().decode()
        except (URLError, OSError, http.client.HTTPException):
            return None

    def _problems(self):
        status = self.status()
        problems = "; ".join(status["problems"]) if status else "the worker does not answer"
        return f"{problems or 'it reports no problem'}; {self._installation.log_tail('worker')}"


def total(metrics, name, **labels):
    """Sum of a metric over all series with these labels."""
    return sum(value for other, has, value in metrics
               if other == name and all(has.get(label) == text for label, text in labels.items()))


def highest(metrics, name):
    """Largest value of a metric over all series."""
    return max((value for other, _, value in metrics if other == name), default=0.0)
