"""The Kafka service of a stack: one broker in KRaft mode, or three, made for tests.

Refuses to call a broker ready before it has registered itself: a listening port is
not enough; and refuses data that was made with another number of brokers. Invariant: the
properties file is written anew at every start, so what runs is what the command line said;
only the log folder is kept.
"""

import base64
import os
import socket
import struct
import subprocess

from stack_parts import cache, process, tls
from stack_parts.settings import HERE, PASSWORD, USER, StackError, kafka_wrap

NAME = "kafka"
_PROBE_SECONDS = 2
_FORMAT_SECONDS_MAX = 60
_JAVA_OPTIONS = ["-XX:+UseSerialGC", "-Djava.awt.headless=true"]
_ALONE = ["-Xms256m", "-Xmx512m"]
# Three on one small machine: little memory, and no time for the optimizing compiler.
_OF_THREE = ["-Xmx384m", "-XX:TieredStopAtLevel=1"]

# For tests: groups settle at once, sessions may be short, and retention acts within a second, so
# that a test need not wait for it.
_PROPERTIES = {
    "process.roles": "broker,controller",
    # A broker that was killed must not wait long for its old registration to end.
    "broker.session.timeout.ms": "4000",
    "broker.heartbeat.interval.ms": "500",
    "controller.listener.names": "CONTROLLER",
    "auto.create.topics.enable": "false",
    "num.partitions": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.num.partitions": "4",
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
_REPLICATION = ["default.replication.factor", "offsets.topic.replication.factor",
                "transaction.state.log.replication.factor", "share.coordinator.state.topic.replication.factor"]
_IN_SYNC = ["min.insync.replicas", "transaction.state.log.min.isr", "share.coordinator.state.topic.min.isr"]
# A follower that is gone leaves the replicas in sync soon, so that a test need not wait for it.
_QUICK_FAILOVER = {"replica.lag.time.max.ms": "3000", "controller.quorum.election.timeout.ms": "500",
                   "controller.quorum.fetch.timeout.ms": "1000"}


def brokers(stack, asked=None):
    """The brokers of a stack: as many as its data was made with, or as are asked for."""
    noted = _count_file(stack)
    made_with = int(noted.read_text()) if noted.exists() else None
    if made_with and asked and made_with != asked:
        raise StackError(f"this stack's data was made with --brokers {made_with}; reset it first")
    count = asked or made_with or 1
    return [Broker(number, count) for number in range(1, count + 1)]


def _count_file(stack):
    return stack.state / "kafka" / "brokers"


class Broker:
    """One broker, which is a controller too."""

    READY_SECONDS = 90

    def __init__(self, number, count):
        self.number, self.count = number, count
        # The last of three waits in vain for a quorum of controllers to let it go.
        self.STOP_SECONDS = 20 if count == 1 else 8
        self.NAME = NAME if number == 1 else f"{NAME}-{number}"
        self.TITLE = "Kafka" if count == 1 else f"Kafka {number}"

    def address(self, stack):
        return f"127.0.0.1:{stack.broker_port(self.number)}"

    def fetch(self):
        return cache.kafka_jars()

    def check_ports(self, stack):
        process.need_free_port(stack.broker_port(self.number), f"{self.TITLE} broker")
        process.need_free_port(stack.controller_port(self.number), f"{self.TITLE} controller")

    def launch(self, stack, jars, options):
        folder = stack.state / self.NAME
        folder.mkdir(parents=True, exist_ok=True)
        _count_file(stack).parent.mkdir(parents=True, exist_ok=True)
        _count_file(stack).write_text(str(self.count))
        if options.tls:
            tls.make(stack)
        self._write_properties(stack, folder, options)
        if not (folder / "log" / "meta.properties").exists():
            self._format(stack, folder, jars)
        command = [*kafka_wrap(), *self._java(jars), "kafka.Kafka", str(folder / "server.properties")]
        return process.start(self.NAME, command, stack)

    def check_running(self, stack, options):
        """A running broker is taken as it is."""

    def ready(self, stack):
        """True once the broker lists itself in its own metadata."""
        try:
            address = ("127.0.0.1", stack.broker_port(self.number))
            with socket.create_connection(address, timeout=_PROBE_SECONDS) as link:
                return self.number in _registered(link)
        except (OSError, struct.error):
            return False

    def _write_properties(self, stack, folder, options):
        address = self.address(stack)
        own = {
            "node.id": str(self.number),
            "listeners": f"PLAINTEXT://{address},CONTROLLER://127.0.0.1:{stack.controller_port(self.number)}",
            "advertised.listeners": f"PLAINTEXT://{address}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "log.dirs": str(folder / "log"),
        }
        quorum = {"controller.quorum.bootstrap.servers": f"127.0.0.1:{stack.controller_port(1)}"}
        if self.count > 1:
            voters = [f"{n}@127.0.0.1:{stack.controller_port(n)}" for n in range(1, self.count + 1)]
            quorum = {"controller.quorum.voters": ",".join(voters), **_QUICK_FAILOVER}
        replicas = {name: str(self.count) for name in _REPLICATION}
        replicas |= {name: str(self.count // 2 + 1) for name in _IN_SYNC}
        secure = _tls_listeners(stack, own) if options.tls else {}
        every = {**_PROPERTIES, **own, **quorum, **replicas, **secure, **dict(options.kafka_property)}
        lines = [f"{name}={value}" for name, value in every.items()]
        (folder / "server.properties").write_text("\n".join(lines) + "\n")

    def _format(self, stack, folder, jars):
        """Gives the empty log folder the cluster's id, and the cluster its user."""
        command = [*self._java(jars), "kafka.tools.StorageTool", "format", "-t", _cluster_id(stack),
                   "-c", str(folder / "server.properties"),
                   "--add-scram", f"SCRAM-SHA-512=[name={USER},password={PASSWORD}]"]
        command += ["--standalone"] * (self.count == 1)
        done = subprocess.run(command, capture_output=True, text=True, timeout=_FORMAT_SECONDS_MAX)
        if done.returncode:
            raise StackError(f"kafka format failed: {(done.stdout + done.stderr).strip()[-600:]}")

    def _java(self, jars):
        config = f"-Dlog4j2.configurationFile={(HERE / 'log4j2.properties').as_uri()}"
        memory = _ALONE if self.count == 1 else _OF_THREE
        return ["java", *memory, *_JAVA_OPTIONS, config, "-cp", f"{jars}/*"]


def _cluster_id(stack):
    path = stack.state / "kafka" / "cluster"
    if not path.exists():
        path.write_text(base64.urlsafe_b64encode(os.urandom(16)).decode().rstrip("=").replace("-", "A"))
    return path.read_text()


def _tls_listeners(stack, own):
    """Two more listeners: TLS, and TLS with a password by PLAIN or SCRAM-SHA-512."""
    plain = "org.apache.kafka.common.security.plain.PlainLoginModule"
    scram = "org.apache.kafka.common.security.scram.ScramLoginModule"
    added = f"SSL://127.0.0.1:{stack.tls_port},SASL_SSL://127.0.0.1:{stack.sasl_port}"
    return {
        "listeners": f"{own['listeners']},{added}",
        "advertised.listeners": f"{own['advertised.listeners']},{added}",
        "listener.security.protocol.map": f"{own['listener.security.protocol.map']},SSL:SSL,SASL_SSL:SASL_SSL",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(stack.tls / "server.pem"),
        "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-512",
        "listener.name.sasl_ssl.plain.sasl.jaas.config": f'{plain} required user_{USER}="{PASSWORD}";',
        "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": f"{scram} required;",
    }


def _registered(link):
    """Asks for metadata version 1 without topics; the ids of the brokers in the answer."""
    client = b"stack"
    header = struct.pack(">hhih", 3, 1, 7, len(client)) + client
    request = header + struct.pack(">i", 0)
    link.sendall(struct.pack(">i", len(request)) + request)
    _, _, count = struct.unpack(">iii", _exactly(link, 12))
    ids = []
    for _ in range(count):
        number, host = struct.unpack(">ih", _exactly(link, 6))
        _exactly(link, host + 4)
        (rack,) = struct.unpack(">h", _exactly(link, 2))
        _exactly(link, max(rack, 0))
        ids.append(number)
    return ids


def _exactly(link, size):
    pieces = b""
    while len(pieces) < size:
        piece = link.recv(size - len(pieces))
        if not piece:
            raise OSError("closed")
        pieces += piece
    return pieces
