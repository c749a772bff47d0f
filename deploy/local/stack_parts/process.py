"""Processes of a stack: started in their own group, known by pid and start time.

Refuses to signal a process that it did not start: a pid alone is not proof, since
the system gives numbers out again. Invariant: a pid file names a process by a pair
that no other process ever has.
"""

import http.client
import json
import os
import signal
import socket
import subprocess
import time

from stack_parts.settings import StackError

_POLL_SECONDS = 0.02
_PROBE_SECONDS = 2
_LOG_TAIL_LINES = 12


def start(name, command, stack, environment=None):
    """Starts a service in the background, its output in a log file."""
    stack.logs.mkdir(parents=True, exist_ok=True)
    with open(_log(stack, name), "ab") as log:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=stack.state,
                                 env={**os.environ, **(environment or {})}, start_new_session=True)
    path = _pid_file(stack, name)
    part = path.with_suffix(".part")
    part.write_text(json.dumps({"pid": child.pid, "started": _started(child.pid)}))
    os.rename(part, path)
    return child


def running(stack, name):
    """The pid of the service, if the very process that was started still lives."""
    try:
        noted = json.loads(_pid_file(stack, name).read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    alive = noted["started"] is not None and _started(noted["pid"]) == noted["started"]
    return noted["pid"] if alive else None


def wait_ready(name, child, stack, ready, seconds):
    """Waits for a condition; a service that ends, or is too slow, is an error with its log."""
    deadline = time.monotonic() + seconds
    while not ready():
        if child.poll() is not None:
            raise StackError(_with_tail(stack, name, f"{name} ended with status {child.returncode}"))
        if time.monotonic() > deadline:
            raise StackError(_with_tail(stack, name, f"{name} was not ready after {seconds} s"))
        time.sleep(_POLL_SECONDS)


def answers_401(port):
    """True once an HTTP server on the port asks a probe without a key for one."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_PROBE_SECONDS)
    try:
        connection.request("GET", "/v1/customers")
        return connection.getresponse().status == 401
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def stop(stack, name, seconds):
    """Asks the service to end and kills it when it takes too long; returns what happened."""
    pid = running(stack, name)
    if pid is None:
        forget(stack, name)
        return "not running"
    _signal(pid, signal.SIGTERM)
    ended = _wait_gone(stack, name, seconds)
    if not ended:
        _signal(pid, signal.SIGKILL)
        _wait_gone(stack, name, seconds)
    forget(stack, name)
    return "stopped" if ended else f"killed, it did not stop within {seconds} s"


def kill(stack, name):
    """Ends the service at once, as a crash would."""
    pid = running(stack, name)
    if pid is None:
        return "not running"
    _signal(pid, signal.SIGKILL)
    _wait_gone(stack, name, 10)
    forget(stack, name)
    return "killed"


def forget(stack, name):
    _pid_file(stack, name).unlink(missing_ok=True)


def need_free_port(port, what):
    """Refuses a port that another program listens on."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            text = f"port {port} ({what}) is taken by another program; choose another --port-base"
            raise StackError(text) from error


def _signal(pid, number):
    try:
        os.killpg(pid, number)
    except ProcessLookupError:
        pass


def _wait_gone(stack, name, seconds):
    deadline = time.monotonic() + seconds
    while running(stack, name) is not None:
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def _started(pid):
    """When the process began, in the system's own words; None if it is gone or a zombie."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
        return None if fields[0] == "Z" else fields[19]
    except (FileNotFoundError, ProcessLookupError):
        return None


def _with_tail(stack, name, text):
    lines = _log(stack, name).read_text(errors="replace").splitlines()[-_LOG_TAIL_LINES:]
    return "\n".join([f"{text}; the end of {_log(stack, name)}:"] + [f"  {line}" for line in lines])


def _log(stack, name):
    return stack.logs / f"{name}.log"


def _pid_file(stack, name):
    return stack.state / f"{name}.pid"
