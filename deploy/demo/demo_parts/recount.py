"""The comparison with an independent recount: SQL over the raw input, in `recount.sql`.

Refuses to call nothing equal: a comparison without rows is a failure.
"""

from itertools import count, islice
from pathlib import Path

from trial import TrialError
from trial.output import grouped, say, table

_STATEMENTS = Path(__file__).with_name("recount.sql").read_text().split("\n-----\n")
_SHOWN_MAX = 10
_CHUNK_LINES = 5_000


def load(clickhouse, recordings):
    """Puts what was sent into the raw table and prepares the views; returns the number of records."""
    for statement in _STATEMENTS:
        clickhouse.run(statement)
    for number, recording in zip(count(1), recordings):
        with open(recording, "rb") as lines:
            clickhouse.insert("INSERT INTO recount_raw FORMAT JSONEachRow", _chunks(lines, number))
    return clickhouse.number("SELECT count() FROM recount_raw")


def differences(clickhouse):
    """Compares, prints what differs, and returns the number of differences."""
    expected = clickhouse.rows("SELECT level, count(), sum(events) FROM recount_expected GROUP BY level "
                               "ORDER BY indexOf(['hour', 'day', 'month'], level)")
    if not expected:
        raise TrialError("the recount found no usage at all")
    for level, rows, events in expected:
        say(f"{level + 's':<7}{grouped(rows):>9} rows over {grouped(events)} counted events compared", indent=2)
    return _usage_differences(clickhouse) + _letter_differences(clickhouse)


def _usage_differences(clickhouse):
    found = clickhouse.number("SELECT count() FROM recount_differences")
    if found:
        columns = ["level", "tenant", "meter", "part", "window_start", "expected_value", "actual_value",
                   "expected_events", "actual_events"]
        rows = clickhouse.rows(f"SELECT {', '.join(columns)} FROM recount_differences "
                               f"ORDER BY tenant, meter, part, level, window_start LIMIT {_SHOWN_MAX}")
        say(f"the first {len(rows)} of {grouped(found)} rows that differ:", indent=2)
        table([column.upper().replace("_", " ") for column in columns], rows)
    return found


def _letter_differences(clickhouse):
    rows = clickhouse.rows("SELECT reason, expected_records, actual_records FROM recount_letter_differences "
                           "ORDER BY reason")
    if rows:
        say("dead letters that are not what the broken records were made for:", indent=2)
        table(["REASON", "EXPECTED", "ACTUAL"], rows)
    return len(rows)


def _chunks(lines, number):
    """The lines of a recording, each with the recording's number, in pieces worth sending."""
    mark = b'{"recording":%d,' % number
    while chunk := list(islice(lines, _CHUNK_LINES)):
        yield b"".join(mark + line[1:] for line in chunk)
