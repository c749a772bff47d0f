"""Backup and restore as the guide describes them, with the means of this machine.

A production installation copies its bucket and uses BACKUP and RESTORE of ClickHouse, which the
local engine is not set up for; rows go through files in the Native format here. The order is the
same, and it is what the drill is about: a checkpoint must never be ahead of the rows.
"""

import shutil

from trial.output import say

# Filled by a view from `progress`, or made by `meterline init`.
_NOT_COPIED = {"schema_migrations", "progress_history"}
# Tables that say up to where others are whole. They come first: older than what they speak of they
# are true, newer they would hide what is missing.
_POSITIONS = ["archive_progress", "dead_letter_replay_positions", "progress", "projection_positions", "standing_progress"]
_COMPARED = ["bucket_hourly", "bucket_daily", "bucket_monthly", "dead_letters", "usage_events", "progress"]
# A position in usage.totals depends on when a flush happened, not on the log; so does when a last
# tick was written, and with it an idle log's end.
_COLUMNS = {"progress": "topic_id, log_partition, epoch, delivered - control, accepted, duplicate, ignored, "
            "unmatched, late, rejected, matched"}
_ROWS = {"usage_events": "WHERE outcome != 'control'"}


def take(clickhouse, store, kept):
    """Copies manifests, then the files they name, then positions, then the other tables."""
    # A manifest's files stay for a day after it is gone, so what is copied first stays whole.
    shutil.copytree(store / "manifests", kept / "store" / "manifests")
    shutil.copytree(store, kept / "store", dirs_exist_ok=True, ignore=shutil.ignore_patterns("manifests", "spool"))
    (kept / "tables").mkdir()
    for name in _tables(clickhouse):
        rows = clickhouse.read(f"SELECT * FROM {name} FORMAT Native")
        (kept / "tables" / name).write_bytes(rows)
        say(f"table {name}: {len(rows)} bytes", indent=2)


def restore(clickhouse, store, kept):
    """Puts everything back; tables exist already and are empty."""
    shutil.copytree(kept / "store", store)
    for path in sorted((kept / "tables").iterdir()):
        rows = path.read_bytes()
        if rows:
            clickhouse.insert(f"INSERT INTO {path.name} FORMAT Native", [rows])


def progress(clickhouse):
    """Events that the restored rows cover."""
    return clickhouse.number("SELECT sum(delivered) - sum(control) FROM progress FINAL")


def fingerprints(clickhouse):
    """Rows and a hash over all of them, by table: equal means equal rows, stamps included."""
    return {name: _fingerprint(clickhouse, name) for name in _COMPARED}


def _fingerprint(clickhouse, name):
    columns = _COLUMNS.get(name, "*")
    query = f"SELECT count(), sum(cityHash64(*)) FROM (SELECT {columns} FROM {name} FINAL {_ROWS.get(name, '')})"
    return clickhouse.rows(query)[0]


def _tables(clickhouse):
    query = "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%MergeTree'"
    names = [name for (name,) in clickhouse.rows(query) if name not in _NOT_COPIED]
    return sorted(names, key=lambda name: (name not in _POSITIONS, name))
