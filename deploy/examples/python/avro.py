"""Publishes usage in Avro single-object encoding, by Meterline's own schema: small and typed."""

import io
import json
from pathlib import Path

import fastavro
from fastavro.schema import fingerprint, to_parsing_canonical_form

from usage import REPEAT_EVERY, SOURCE, Usage, arguments, uses

SCHEMA_FILE = Path(__file__).resolve().parents[3] / "schemas/avro/usage_event.avsc"
MARKER = b"\xc3\x01"


class Encoder:
    """Marker, fingerprint of the schema in little-endian order, and the event."""

    def __init__(self, schema_file):
        schema = json.loads(schema_file.read_text())
        self.schema = fastavro.parse_schema(schema)
        number = fingerprint(to_parsing_canonical_form(schema), "CRC-64-AVRO")
        self.frame = MARKER + bytes.fromhex(number)

    def encode(self, use):
        out = io.BytesIO()
        out.write(self.frame)
        fastavro.schemaless_writer(out, self.schema, {
            "id": use["id"],
            "source": SOURCE,
            "type": "llm.completion",
            "tenant": use["tenant"],
            "time": use["time"],
            "quantity": use["tokens"],
            "properties": {"model": use["model"]},
        })
        return out.getvalue()


def main():
    options = arguments(__doc__)
    encoder = Encoder(SCHEMA_FILE)
    usage = Usage(options.brokers, options.topic)
    for number, use in enumerate(uses(options.events)):
        value = encoder.encode(use)
        usage.publish(use["tenant"], value)
        if number % REPEAT_EVERY == 0:
            usage.publish(use["tenant"], value)
    usage.finish(options.events)


if __name__ == "__main__":
    main()
