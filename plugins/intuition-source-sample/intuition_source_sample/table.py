"""The recorded table, read where it is installed without importing the package that ships it."""

import csv
import gzip
from collections.abc import Iterator
from importlib.resources import files
from importlib.util import find_spec, module_from_spec
from typing import NamedTuple

from intuition_core.errors import IntuitionError

PACKAGE = "bokeh_sampledata"
FILE = "_data/stocks.csv.gz"
HEADER = ["Ticker", "Date", "Open", "High", "Low", "Close", "Volume", "Adj Close"]


class NoTable(IntuitionError):
    """The package that ships the prices is not installed, or not in a version that has them as expected."""

    def __init__(self, problem: str) -> None:
        self.problem = problem
        super().__init__(f"{problem}; `pip install 'bokeh-sampledata>=2026.1'` brings a version that fits")


class Row(NamedTuple):
    """One session of one stock, as written in the file: prices in US dollars, not adjusted for splits or dividends."""

    sid: str
    date: str
    open: str
    high: str
    low: str
    close: str
    volume: str
    adjusted_close: str


def rows() -> Iterator[Row]:
    """Yield the rows in the order of the file: by symbol, then by date.

    Raises:
        NoTable: the file is not there, or has other columns.
    """
    spec = find_spec(PACKAGE)
    if spec is None:
        raise NoTable(f"the package {PACKAGE} is not installed")
    # A module that is made but never run: older versions of the package import pandas when they are imported.
    path = files(module_from_spec(spec)).joinpath(FILE)
    try:
        packed = path.open("rb")
    except FileNotFoundError:
        raise NoTable(f"the installed {PACKAGE} has no {FILE}") from None
    with packed, gzip.open(packed, "rt", encoding="utf-8", newline="") as text:
        table = csv.reader(text)
        if next(table, None) != HEADER:
            raise NoTable(f"{FILE} of the installed {PACKAGE} has other columns than {', '.join(HEADER)}")
        yield from map(Row._make, table)
