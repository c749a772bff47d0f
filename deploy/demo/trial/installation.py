"""Stack, settings and the `meterline` command of one trial.

Refuses settings of the user's own installation: neither its variables nor its settings file are
seen here. Invariant: the stack is stopped and the folder removed, however the trial ends.
"""

import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

from trial import TrialError
from trial.clickhouse import ClickHouse
from trial.output import command, say

ROOT = Path(__file__).resolve().parents[3]
_STACK = ROOT / "deploy/local/stack"
_SERVICE_PORTS = (23, 80, 92, 93)
_SPARE_PORT = 84
_PORT_BASE_STEP = 100
_PORT_BASES_MAX = 100
_LOG_TAIL_LINES = 15


class Installation:
    """A stack of its own on free ports, in a temporary folder. Use it in a `with` statement."""

    def __init__(self, name, port_base, keep=False):
        self.port_base = _free_port_base(port_base)
        self.keep = keep
        self.binary = _target_folder() / "release/meterline"
        if not self.binary.exists():
            raise TrialError(f"{self.binary} is not built; run `make build`")
        self.folder = Path(tempfile.mkdtemp(prefix=f"meterline-{name}-"))
        (self.folder / "meterline.toml").touch()
        self.environment = _clean_environment(self.folder)

    def __enter__(self):
        try:
            # Its first use fetches the downloads; that is worth watching.
            _run([_STACK, "up", "--port-base", str(self.port_base)], env=self.environment)
            self.environment.update(self._stack_settings())
        except BaseException:
            self._end()
            raise
        self.clickhouse = ClickHouse(self.environment)
        return self

    def __exit__(self, *_):
        self._end()

    @property
    def brokers(self):
        return self.environment["METERLINE__KAFKA__BROKERS"]

    @property
    def http(self):
        return self.environment["METERLINE__HTTP__LISTEN"]

    @property
    def stack_state(self):
        """Where the stack keeps its process ids and logs."""
        return self.folder / "stack" / str(self.port_base)

    def free_port(self):
        """A port of the trial that no service of its stack takes."""
        return self.port_base + _SPARE_PORT

    def show(self, *arguments, warnings=True):
        """Runs the command in the foreground: the reader sees what is run and what it prints."""
        command("meterline", *arguments)
        for line in self.answer(*arguments, warnings=warnings).splitlines():
            say(line, indent=2)

    def answer(self, *arguments, warnings=True):
        """Runs the command and returns what it prints; progress and warnings go to the terminal."""
        stderr = None if warnings else subprocess.DEVNULL
        return _run(self._words(arguments), cwd=ROOT, env=self.environment, stdout=subprocess.PIPE, stderr=stderr)

    def differences(self, *arguments):
        """Runs a comparison in the foreground; returns the number that it ends with."""
        command("meterline", *arguments)
        done = subprocess.run([str(word) for word in self._words(arguments)], cwd=ROOT, env=self.environment,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        for line in done.stdout.splitlines():
            say(line, indent=2)
        name, _, number = done.stdout.strip().rpartition("\n")[2].partition(": ")
        # Differences end it with status 1, and so does a comparison that could not be made.
        if name != "differences" or (done.returncode != 0) != (int(number) > 0):
            raise TrialError(f"`meterline {' '.join(arguments)}` ended with status {done.returncode}")
        return int(number)

    def init(self):
        """Makes topics and tables, and says once what `init` warns of for every topic."""
        self.show("init", warnings=False)
        say("(warnings left out: with one broker, every record exists once; production needs three)", indent=2)

    def start(self, name, *arguments):
        """Starts the command in the background; its output goes to a log file.

        Ctrl-C does not reach it, so that the trial ends it in its own order.
        """
        with open(self.log(name), "ab") as log:
            return subprocess.Popen(self._words(arguments), cwd=ROOT, env=self.environment,
                                    stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)

    def log(self, name):
        """The log file of a command in the background."""
        return self.folder / f"{name}.log"

    def log_tail(self, name):
        """The last lines of a log, for an error."""
        lines = self.log(name).read_text(errors="replace").splitlines()[-_LOG_TAIL_LINES:]
        return "\n".join([f"the end of {self.log(name)}:"] + [f"  {line}" for line in lines])

    def _words(self, arguments):
        """The command with a settings file of the trial's own, so that no other is read."""
        return [self.binary, "--config", self.folder / "meterline.toml", *arguments]

    def _stack_settings(self):
        lines = _run([_STACK, "env", "--port-base", str(self.port_base)], env=self.environment, stdout=subprocess.PIPE)
        pairs = (word.partition("=") for line in lines.splitlines() for word in shlex.split(line)[1:])
        return {name: value for name, _, value in pairs}

    def _say_how_to_go_on(self):
        stack = f"{_STACK.relative_to(ROOT)} {{}} --port-base {self.port_base}"
        say("Kept as it is. To look at it, and to stop it:", indent=2)
        say(f"export METERLINE_STACK_STATE={self.folder / 'stack'}", indent=4)
        say(f'eval "$({stack.format("env")})"', indent=4)
        say(stack.format("reset"), indent=4)

    def _end(self):
        if self.keep:
            self._say_how_to_go_on()
            return
        # A second Ctrl-C must not leave a broker behind.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        subprocess.run([_STACK, "down", "--port-base", str(self.port_base)], env=self.environment,
                       stdout=subprocess.DEVNULL, start_new_session=True)
        shutil.rmtree(self.folder, ignore_errors=True)


def run_to_exit(main):
    """Runs `main` as a program: errors are lines, signals end it in order; exits with its status."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    # A shell starts background jobs with Ctrl-C ignored, and Python would leave it so.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        status = main()
    except TrialError as error:
        say(f"failed: {error}")
        status = 1
    except KeyboardInterrupt:
        say("interrupted")
        status = 130
    sys.exit(status)


def _run(words, stdout=None, **options):
    words = [str(word) for word in words]
    done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=stdout, text=True, **options)
    if done.returncode:
        name = " ".join([Path(words[0]).name, *words[1:]])
        raise TrialError(f"`{name}` ended with status {done.returncode}")
    return done.stdout


def _clean_environment(folder):
    """The user's environment without settings of Meterline, and state in the trial's folder."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("METERLINE__")}
    return {**environment, "METERLINE_STACK_STATE": str(folder / "stack")}


def _target_folder():
    return ROOT / os.environ.get("CARGO_TARGET_DIR", "target")


def _free_port_base(first):
    for base in range(first, first + _PORT_BASES_MAX * _PORT_BASE_STEP, _PORT_BASE_STEP):
        if all(_is_free(base + port) for port in (*_SERVICE_PORTS, _SPARE_PORT)):
            return base
    raise TrialError(f"no free ports from {first} on; choose another --port-base")


def _is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
