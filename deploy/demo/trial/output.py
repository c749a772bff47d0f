"""What a person reads: headings, aligned tables, numbers with separators.

Refuses colours and boxes where nobody looks: without a terminal the output is plain text.
"""

import os
import shlex
import sys
import textwrap
from decimal import Decimal

_COMMAND_WIDTH = 100
_BOLD, _PLAIN = "\033[1m", "\033[0m"


def heading(text):
    """Opens a part of the output."""
    say("")
    say(f"{_BOLD}{text}{_PLAIN}" if _is_terminal() else f"== {text}")


def say(text="", indent=0):
    """One line, at once: the reader watches."""
    print(" " * indent + text, flush=True)


def command(*words):
    """Shows a command that is about to run, so that the reader can repeat it."""
    lines = textwrap.wrap(shlex.join(words), _COMMAND_WIDTH, break_long_words=False, break_on_hyphens=False,
                          initial_indent="$ ", subsequent_indent="    ")
    say(" \\\n  ".join(lines), indent=2)


def table(columns, rows, indent=2):
    """Aligned columns; those that hold only numbers stand to the right."""
    rows = [[_cell(value) for value in row] for row in rows]
    numeric = [all(_is_number(row[c]) for row in rows) and bool(rows) for c in range(len(columns))]
    widths = [max(len(row[c]) for row in [columns, *rows]) for c in range(len(columns))]
    for row in [columns, *rows]:
        cells = [text.rjust(width) if right else text.ljust(width)
                 for text, width, right in zip(row, widths, numeric)]
        say("  ".join(cells).rstrip(), indent)


def grouped(number):
    """1234567.5 as 1,234,567.5; nothing is rounded."""
    text = f"{Decimal(str(number)):,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def seconds(length):
    """A duration for people."""
    return f"{length:.1f} s" if length < 100 else f"{int(length) // 60} min {int(length) % 60:02d} s"


def _cell(value):
    return "-" if value is None else value if isinstance(value, str) else grouped(value)


def _is_number(text):
    return text == "-" or text.replace(",", "").replace(".", "", 1).lstrip("-").isdigit()


def _is_terminal():
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb" and "NO_COLOR" not in os.environ
