"""What the demo publishes: two recorded inputs, and one last minute of events on time.

Every record sent is also written to a recording, which the recount reads.
"""

from dataclasses import dataclass

from trial.installation import ROOT

_FIXTURES = ROOT / "tests/fixtures"
_SEED = "7"
_DUPLICATES = _OUT_OF_ORDER = "2%"
_BROKEN = "0.2%"
_LIVE_RATE = "200/s"
_LIVE_TENANTS = "1000"


@dataclass(frozen=True)
class RecordedInput:
    """A file of recorded events and how it is read."""

    title: str
    file: str
    mapping: str


INPUTS = (
    RecordedInput("requests to a NASA web server, 1 August 1995", "nasa_http_1995-08-01.tsv.gz", "nasa.toml"),
    RecordedInput("calls of a language model at Azure, 16 November 2023", "azure_llm_conv_2023-11-16.csv.gz",
                  "azure.toml"),
)


def produce(trial, recorded):
    """Publishes a recorded input, its last record now; returns the recording."""
    recording = trial.folder / f"{recorded.mapping}.ndjson"
    trial.meterline("produce", str(_FIXTURES / recorded.file), "--mapping",
                    str(_FIXTURES / "mappings" / recorded.mapping), "--shift-to-now", *_mixing(recording))
    return recording


def start_minute(trial, length):
    """Starts publishing events on time; returns the process and its recording."""
    recording = trial.folder / "minute.ndjson"
    process = trial.start("simulate", "simulate", "--rate", _LIVE_RATE, "--duration", length,
                          "--tenants", _LIVE_TENANTS, *_mixing(recording))
    return process, recording


def records(recordings):
    """How many records were sent."""
    total = 0
    for recording in recordings:
        with open(recording, "rb") as lines:
            total += sum(1 for _ in lines)
    return total


def mixing_text():
    """What is mixed in, for people."""
    return f"{_DUPLICATES} duplicates, {_OUT_OF_ORDER} out of order, {_BROKEN} broken; seed {_SEED}"


def _mixing(recording):
    return ["--duplicates", _DUPLICATES, "--out-of-order", _OUT_OF_ORDER, "--broken", _BROKEN,
            "--seed", _SEED, "--record", str(recording)]
