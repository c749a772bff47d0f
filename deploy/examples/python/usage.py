"""What both programs share: some usage to tell, and a producer with the right settings.

Nothing here knows Meterline's code; the two settings that matter are in `producer`.
"""

import argparse
import sys
import uuid
from datetime import datetime, timezone
from decimal import Decimal

from confluent_kafka import Producer

SOURCE = "//examples/python"
MODELS = ["small", "large"]
TENANTS = ["acme", "globex", "initech"]
FLUSH_SECONDS = 60
# One event in so many is published a second time, as a caller would that heard no answer.
REPEAT_EVERY = 10


def arguments(description):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--brokers", default="localhost:9092", help="host:port, separated by commas")
    parser.add_argument("--topic", default="usage.events")
    parser.add_argument("--events", type=int, default=1000, help="how many to publish")
    return parser.parse_args()


def uses(count):
    """Answers of a language model: id, tenant, time, tokens and model of each."""
    run = uuid.uuid4()
    for number in range(count):
        yield {
            # The id of the request, so that telling it again counts once.
            "id": f"{run}-{number}",
            "tenant": TENANTS[number % len(TENANTS)],
            # When it happened, set once: a repeat carries the same time.
            "time": datetime.now(timezone.utc),
            # Exact: whole numbers, or decimals. A float would be neither.
            "tokens": Decimal(number) + Decimal("0.25"),
            "model": MODELS[number % len(MODELS)],
        }


class Usage:
    """A producer that counts what the broker took and what it did not."""

    def __init__(self, brokers, topic):
        self.topic = topic
        self.delivered = self.failed = 0
        self.producer = Producer({
            "bootstrap.servers": brokers,
            # Retries of the client neither repeat nor reorder.
            "enable.idempotence": True,
            # Java's default. librdkafka's own is CRC32, and events would be in the wrong
            # partition for their tenant: dead letters, `wrong_partition`.
            "partitioner": "murmur2_random",
            "compression.type": "lz4",
            "linger.ms": 20,
        })

    def publish(self, tenant, value, headers=None):
        """Publishes one event, keyed by its tenant; waits only while the buffer is full."""
        while True:
            try:
                self.producer.produce(self.topic, key=tenant, value=value, headers=headers,
                                      on_delivery=self._report)
                break
            except BufferError:
                self.producer.poll(0.1)
        self.producer.poll(0)

    def finish(self, events):
        """Waits for all reports and says how it went; the exit status is 1 if any event failed."""
        pending = self.producer.flush(FLUSH_SECONDS)
        print(f"events={events} records={self.delivered} failed={self.failed + pending}")
        sys.exit(1 if self.failed + pending else 0)

    def _report(self, error, _message):
        if error is None:
            self.delivered += 1
        else:
            self.failed += 1
            print(f"an event is not known to be delivered: {error}", file=sys.stderr)
