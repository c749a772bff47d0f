"""CPU time and memory of the processes of a trial, from `/proc`.

Invariant: a difference of two readings is what these processes themselves used in between.
"""

import json
import os
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def description():
    """Cores and memory of this machine."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return f"{cores()} cores, {pages / 2**30:.0f} GiB"


def cores():
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))


def service_pids(trial):
    """Process ids of the trial's broker and engine."""
    return {name: json.loads((trial.stack_state / f"{file}.pid").read_text())["pid"]
            for name, file in (("broker", "kafka"), ("engine", "clickhouse"))}


def cpu_seconds(pids):
    """CPU time that each process has used so far, its threads included."""
    return {name: _cpu(pid) for name, pid in pids.items()}


def busy_seconds():
    """CPU time that all programs of this machine have used so far."""
    fields = Path("/proc/stat").read_text().split(maxsplit=9)[1:]
    user, nice, system, _idle, _waiting, interrupt, soft = map(int, fields[:7])
    return (user + nice + system + interrupt + soft) / _TICKS


def used(before, after):
    """What was used between two readings."""
    return {name: after[name] - before[name] for name in after}


def give_way(pids):
    """Puts all threads of processes into the scheduler's idle class: they run where nobody else
    wants to (sched(7), SCHED_IDLE), and are stopped at once for whoever does."""
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").iterdir():
            try:
                os.sched_setscheduler(int(task.name), os.SCHED_IDLE, os.sched_param(0))
            except ProcessLookupError:
                pass  # A thread that has ended in between.


def waited_seconds(pid):
    """How long the threads of a process were ready to run and had no core, in total."""
    nanoseconds = 0
    for file in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        nanoseconds += int(file.read_text().split()[1])
    return nanoseconds / 1e9


def peak_memory(pid):
    """Largest resident memory of a process so far, in bytes."""
    return memory(pid, "VmHWM")


def memory(pid, name):
    """What `/proc` says of a process's memory by this name, in bytes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    return 0


def _cpu(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS
