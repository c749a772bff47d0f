"""Events of the drill, and waiting for them.

Refuses to decide by time that the worker is done: it asks how far rows and checkpoints are.
"""

from trial.output import say

_EVENTS = 20_000
_LIMIT_SECONDS = 60


def publish(trial, name):
    """Publishes events, some twice, some late, some broken; returns the number of records."""
    record = trial.folder / f"{name}.jsonl"
    trial.answer(
        "simulate", "--count", str(_EVENTS), "--seed", str(len(name)), "--id-prefix", name,
        "--duplicates", "2%", "--late", "1%", "--out-of-order", "1%", "--broken", "1%",
        "--span", "now-30h..now", "--record", record, warnings=False,
    )  # fmt: skip
    with record.open() as lines:
        sent = sum(1 for _ in lines)
    say(f"published {sent} records", indent=2)
    return sent


def catch_up(trial, worker, sent):
    """Waits until the rows of all levels and the raw events are in ClickHouse."""

    def complete():
        status = worker.status()
        if not status or not all(p["complete_to"] == p["log_end"] for p in status["partitions"]):
            return False
        return delivered(trial) == sent == archived(trial)

    worker.wait_until("counting what was sent", complete, _LIMIT_SECONDS)


def checkpointed(trial, worker):
    """Waits until every partition with events has a checkpoint: what a backup can hold."""

    def all_there():
        status = worker.status()
        return status and all(p["checkpoint_offset"] for p in status["partitions"] if p["log_end"])

    worker.wait_until("writing checkpoints", all_there, _LIMIT_SECONDS)


def archived(trial):
    """Raw events up to the archive's own position, which is written after them."""
    query = """SELECT count() FROM (SELECT * FROM usage_events FINAL) AS e
        JOIN (SELECT * FROM archive_progress FINAL) AS p
        ON e.topic_id = p.topic_id AND e.log_partition = p.log_partition
        WHERE e.offset < p.to_offset AND e.outcome != 'control'"""
    return trial.clickhouse.number(query)


def delivered(trial):
    """Events that progress in ClickHouse covers."""
    return trial.clickhouse.number("SELECT sum(delivered) - sum(control) FROM progress FINAL")
