"""Publishes usage as CloudEvents 1.0 in structured JSON: no schema, no library but Kafka's."""

import json

from usage import REPEAT_EVERY, SOURCE, Usage, arguments, uses


def cloud_event(use):
    return json.dumps({
        "specversion": "1.0",
        "id": use["id"],
        "source": SOURCE,
        "type": "llm.completion",
        # The customer who is billed.
        "subject": use["tenant"],
        "time": use["time"].isoformat(timespec="microseconds"),
        # As text, so that no parser on the way makes a float of it.
        "data": {"quantity": str(use["tokens"]), "model": use["model"]},
    })


def main():
    options = arguments(__doc__)
    usage = Usage(options.brokers, options.topic)
    for number, use in enumerate(uses(options.events)):
        value = cloud_event(use)
        usage.publish(use["tenant"], value)
        if number % REPEAT_EVERY == 0:
            usage.publish(use["tenant"], value)
    usage.finish(options.events)


if __name__ == "__main__":
    main()
