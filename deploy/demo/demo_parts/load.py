"""What the demo publishes: two recorded inputs, and one last minute of events on time.

Every record sent is also written to a recording, which the recount reads.
"""

from dataclasses import dataclass

from trial.output import command

_FIXTURES = "tests/fixtures"
_SEED = "7"
_DUPLICATES = _OUT_OF_ORDER = "2%"
_BROKEN = "0.2%"
_LIVE_RATE = "200/s"
# So many that the made-up tenants do not outdo the recorded ones.
_LIVE_TENANTS = "20000"


@dataclass(frozen=True)
class RecordedInput:
    """A file of recorded events and how it is read."""

    name: str
    title: str
    file: str


INPUTS = (
    RecordedInput("nasa", "Requests to a NASA web server on 1 August 1995", "nasa_http_1995-08-01.tsv.gz"),
    RecordedInput("azure", "Calls of a language model on 16 November 2023", "azure_llm_conv_2023-11-16.csv.gz"),
)


def produce(trial, recorded):
    """Publishes a recorded input, its last record now; returns the recording."""
    recording = trial.folder / f"{recorded.name}.ndjson"
    trial.show("produce", f"{_FIXTURES}/{recorded.file}", "--mapping", f"{_FIXTURES}/mappings/{recorded.name}.toml",
               "--shift-to-now", *_mixing(recording))
    return recording


def start_live(trial, length):
    """Starts publishing events on time; returns the process and its recording."""
    recording = trial.folder / "live.ndjson"
    words = ["simulate", "--rate", _LIVE_RATE, "--duration", length, "--tenants", _LIVE_TENANTS, *_mixing(recording)]
    command("meterline", *words)
    return trial.start("simulate", *words), recording


def records(recordings):
    """How many records were sent."""
    total = 0
    for recording in recordings:
        with open(recording, "rb") as lines:
            total += sum(1 for _ in lines)
    return total


def _mixing(recording):
    return ["--duplicates", _DUPLICATES, "--out-of-order", _OUT_OF_ORDER, "--broken", _BROKEN,
            "--seed", _SEED, "--record", str(recording)]
