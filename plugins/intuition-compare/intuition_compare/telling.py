"""A comparison on standard output: as a table, or as JSON."""

import io
import sys
from typing import Final

import msgspec
from rich.console import Console

from intuition_compare.comparison import Comparison
from intuition_compare.table import table

_FILE_WIDTH: Final = 160
"""Columns where the output is no terminal, and nothing says how wide a line may be."""


def console() -> Console:
    """Return a console on standard output that replaces characters its locale cannot write."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # not every locale can write the root in √252
    found = Console(highlight=False)
    if not found.is_terminal:
        found.width = _FILE_WIDTH
    return found


def tell(comparison: Comparison, *, as_json: bool) -> None:
    """Write a comparison to standard output: as a table, or as one line of JSON."""
    if as_json:
        # JSON is UTF-8 whatever the locale.
        sys.stdout.buffer.write(msgspec.json.encode(comparison.to_json()) + b"\n")
        sys.stdout.buffer.flush()
        return
    out = console()
    out.print(table(comparison, width=out.width))
