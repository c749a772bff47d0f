"""A trial: a temporary installation of Meterline on this machine, for the demo and the benchmark.

Refuses to touch what it did not start. Invariant: everything it starts ends with it, and
everything it writes lies in one temporary folder.
"""


class TrialError(Exception):
    """What went wrong, in words for the person at the terminal."""
