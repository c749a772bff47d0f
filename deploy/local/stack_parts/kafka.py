"""The Kafka service of a stack: one broker in KRaft mode, made for tests.

Refuses to call a broker ready before it has registered itself: a listening port is
not enough. Invariant: the properties file is written anew at every start, so what
runs is what the command line said; only the log folder is kept.
"""

import base64
import os
import socket
import struct
import subprocess

from stack_parts import cache, process
from stack_parts.settings import HERE, StackError, kafka_wrap

NAME = "kafka"
TITLE = "Kafka"
READY_SECONDS = 90
STOP_SECONDS = 20
_PROBE_SECONDS = 2
_FORMAT_SECONDS_MAX = 60
_JAVA_OPTIONS = ["-Xms256m", "-Xmx512m", "-XX:+UseSerialGC", "-Djava.awt.headless=true"]

# One broker for tests: replication is 1, groups settle at once, sessions may be short,
# and retention acts within a second, so that a test need not wait for it.
_PROPERTIES = {
    "process.roles": "broker,controller",
    "node.id": "1",
    # A broker that was killed must not wait long for its old registration to end.
    "broker.session.timeout.ms": "4000",
    "broker.heartbeat.interval.ms": "500",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "auto.create.topics.enable": "false",
    "num.partitions": "1",
    "default.replication.factor": "1",
    "min.insync.replicas": "1",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "1",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    "group.consumer.min.session.timeout.ms": "1000",
    "group.consumer.min.heartbeat.interval.ms": "100",
    "message.max.bytes": str(8 << 20),
    "log.retention.check.interval.ms": "1000",
    "log.initial.task.delay.ms": "1000",
    "log.segment.delete.delay.ms": "500",
    "log.cleaner.threads": "1",
    "log.cleaner.dedupe.buffer.size": str(16 << 20),
    "num.network.threads": "2",
    "num.io.threads": "4",
    "background.threads": "2",
}


def address(stack):
    return stack.brokers


def fetch():
    return cache.kafka_jars()


def check_ports(stack):
    process.need_free_port(stack.broker_port, f"{TITLE} broker")
    process.need_free_port(stack.controller_port, f"{TITLE} controller")


def launch(stack, jars, options):
    folder = stack.state / "kafka"
    folder.mkdir(parents=True, exist_ok=True)
    _write_properties(stack, folder, dict(options.kafka_property))
    if not (folder / "log" / "meta.properties").exists():
        _format(folder, jars)
    return process.start(NAME, [*kafka_wrap(), *_java(jars), "kafka.Kafka", str(folder / "server.properties")], stack)


def check_running(stack, options):
    """A running broker is taken as it is."""


def ready(stack):
    """True once the broker lists itself in its own metadata."""
    try:
        with socket.create_connection(("127.0.0.1", stack.broker_port), timeout=_PROBE_SECONDS) as link:
            return _brokers(link) > 0
    except (OSError, struct.error):
        return False


def _brokers(link):
    """Asks for metadata version 1 without topics and counts the brokers in the answer."""
    client = b"stack"
    header = struct.pack(">hhih", 3, 1, 7, len(client)) + client
    request = header + struct.pack(">i", 0)
    link.sendall(struct.pack(">i", len(request)) + request)
    _, _, count = struct.unpack(">iii", _exactly(link, 12))
    return count


def _exactly(link, size):
    pieces = b""
    while len(pieces) < size:
        piece = link.recv(size - len(pieces))
        if not piece:
            raise OSError("closed")
        pieces += piece
    return pieces


def _write_properties(stack, folder, extra):
    ports = {
        "listeners": f"PLAINTEXT://127.0.0.1:{stack.broker_port},CONTROLLER://127.0.0.1:{stack.controller_port}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{stack.broker_port}",
        "controller.quorum.bootstrap.servers": f"127.0.0.1:{stack.controller_port}",
        "log.dirs": str(folder / "log"),
    }
    lines = [f"{name}={value}" for name, value in {**_PROPERTIES, **ports, **extra}.items()]
    (folder / "server.properties").write_text("\n".join(lines) + "\n")


def _format(folder, jars):
    """Gives the empty log folder a cluster id."""
    cluster = base64.urlsafe_b64encode(os.urandom(16)).decode().rstrip("=").replace("-", "A")
    command = [*_java(jars), "kafka.tools.StorageTool", "format", "--standalone", "-t", cluster,
               "-c", str(folder / "server.properties")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_FORMAT_SECONDS_MAX)
    if done.returncode:
        raise StackError(f"kafka format failed: {(done.stdout + done.stderr).strip()[-600:]}")


def _java(jars):
    config = f"-Dlog4j2.configurationFile={(HERE / 'log4j2.properties').as_uri()}"
    return ["java", *_JAVA_OPTIONS, config, "-cp", f"{jars}/*"]
