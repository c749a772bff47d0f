"""What the parts on limits and the API stand on: topics and tables of their own, and an API.

Invariant: an API does not outlive its `with` statement.
"""

import signal
import subprocess
import time
from urllib.error import URLError
from urllib.request import urlopen

from bench_parts import machine
from trial import TrialError
from trial.clickhouse import ClickHouse

_CATALOG = "tests/bench/limits.yaml"
_READY_SECONDS = 120
_STOP_SECONDS = 60
# Often enough for a hundredth of the seconds that are measured.
_POLL_SECONDS = 0.01
_ANSWER_SECONDS = 5


def begin(trial, name):
    """Points the trial at topics, tables, checkpoints and a group of this name; returns the database."""
    trial.environment.update({
        "METERLINE__KAFKA__TOPIC_PREFIX": f"{name}.",
        "METERLINE__KAFKA__GROUP": name,
        "METERLINE__CLICKHOUSE__DATABASE": name,
        "METERLINE__CHECKPOINT__URL": (trial.folder / f"checkpoints-{name}").as_uri(),
    })
    trial.answer("init", warnings=False)
    trial.answer("catalog", "apply", _CATALOG, "--actor", "bench", warnings=False)
    return ClickHouse(trial.environment)


def key(trial):
    """A key for everything that is measured; its rate is none."""
    return trial.answer("key", "create", "--role", "check,ingest", "--all-tenants", "--name", "bench",
                        "--rate", "1000000", "--actor", "bench", warnings=False).strip()


class Api:
    """`meterline run --stages api` in a process of its own. Use it in a `with` statement."""

    def __init__(self, trial, name):
        self._trial = trial
        self._name = name
        self.address = f"127.0.0.1:{trial.free_port()}"

    def __enter__(self):
        before = dict(self._trial.environment)
        self._trial.environment.update({
            # Beside a worker, which has the trial's port.
            "METERLINE__HTTP__LISTEN": "127.0.0.1:0",
            "METERLINE__API__LISTEN": self.address,
        })
        started = time.monotonic()
        try:
            self._process = self._trial.start(self._name, "run", "--stages", "api")
        finally:
            self._trial.environment.update(before)
        try:
            self._wait_ready()
        except BaseException:
            self._kill()
            raise
        self.start_seconds = time.monotonic() - started
        return self

    def __exit__(self, *_):
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(timeout=_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._kill()

    @property
    def pid(self):
        return self._process.pid

    def memory(self):
        """Resident memory now, in bytes."""
        return machine.memory(self.pid, "VmRSS")

    def _wait_ready(self):
        deadline = time.monotonic() + _READY_SECONDS
        while not self._is_ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise TrialError(f"the API does not get ready; {self._trial.log_tail(self._name)}")
            time.sleep(_POLL_SECONDS)

    def _is_ready(self):
        try:
            with urlopen(f"http://{self.address}/health/ready", timeout=_ANSWER_SECONDS) as answer:
                return answer.status == 200
        except (URLError, OSError):
            return False

    def _kill(self):
        self._process.kill()
        self._process.wait()


def wait_ready(worker):
    """Until a worker names no problem of any of its stages."""
    def is_ready():
        status = worker.status()
        return bool(status) and not status["problems"]
    worker.wait_until("the stages to be ready", is_ready, _READY_SECONDS)
