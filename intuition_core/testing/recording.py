"""Recorded daily bars of two symbols, few enough for many runs a second."""

import csv
from functools import cache
from importlib.resources import files
from typing import Any, Final

_SESSION: Final = 23_400 * 10**9
"""The length of a session in nanoseconds."""


def quotes() -> list[dict[str, Any]]:
    """Return daily bars of IBM and MSFT from 1 July 2008 to 5 January 2009, as normalised events, new ones each time.

    Prices are US dollars, not adjusted for dividends; ``start`` and ``ts`` are those of the session, 9:30 and 16:00 in
    New York. The half
    year has quiet weeks and a crash. They are what the source ``sample`` gives for these days.
    """
    return [dict(event) for event in _events()]


@cache
def _events() -> list[dict[str, Any]]:
    text = files("intuition_core.testing").joinpath("quotes.csv").read_text("ascii")
    return [
        {
            "channel": "quotes",
            "sid": row["sid"],
            "quote": float(row["close"]),
            "start": int(row["ts"]) - _SESSION,
            "ts": int(row["ts"]),
            **{name: float(row[name]) for name in ("open", "high", "low", "close")},
            "volume": int(row["volume"]),
        }
        for row in csv.DictReader(text.splitlines())
    ]
