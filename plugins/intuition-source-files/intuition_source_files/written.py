"""How the times of a file are written, where it is not as in ISO 8601: found out from some of them."""

import re
from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from typing import Final

_CLOCKS: Final = (
    "",
    " %H:%M",
    " %H:%M:%S",
    " %H:%M:%S.%f",
    " %I:%M %p",
    " %I:%M:%S %p",
    ", %H:%M",
    ", %H:%M:%S",
    "T%H:%M:%S",
)
_SHAPES: Final[tuple[tuple[re.Pattern[str], tuple[str, ...]], ...]] = (
    (re.compile(r"\d{1,2}\.\d{1,2}\.\d{4}(?!\d)"), ("%d.%m.%Y",)),
    (re.compile(r"\d{1,2}\.\d{1,2}\.\d{2}(?!\d)"), ("%d.%m.%y",)),
    (re.compile(r"\d{1,2}/\d{1,2}/\d{4}(?!\d)"), ("%m/%d/%Y", "%d/%m/%Y")),
    (re.compile(r"\d{1,2}-\d{1,2}-\d{4}(?!\d)"), ("%m-%d-%Y", "%d-%m-%Y")),
    (re.compile(r"\d{1,2}-[A-Za-z]{3}-\d{4}(?!\d)"), ("%d-%b-%Y",)),
    (re.compile(r"\d{1,2} [A-Za-z]{3} \d{4}(?!\d)"), ("%d %b %Y",)),
    (re.compile(r"[A-Za-z]{3} \d{1,2}, \d{4}(?!\d)"), ("%b %d, %Y",)),
    (re.compile(r"\d{8}(?= )"), ("%Y%m%d",)),
)
_ZONED: Final = re.compile(r"\d\s+(?P<zone>[A-Z][A-Za-z]+/[A-Za-z_/]+|UTC|GMT)")
"""A time with the name of its zone behind it."""


class TwoFormats(Exception):
    """Times that may be written in two ways; becomes an error with the file's name."""

    def __init__(self, text: str, formats: Sequence[str]) -> None:
        self.text = text
        self.formats = tuple(formats)
        super().__init__(text)


def zone_of(texts: Sequence[str]) -> str | None:
    """Return the name of the zone that stands behind times; None where there is none, or not the same."""
    found = {match["zone"] if (match := _ZONED.search(text.strip())) else None for text in texts}
    return found.pop() if len(found) == 1 else None


def find_format(texts: Sequence[str], known: Sequence[str] = ()) -> str | None:
    """Return how times are written.

    Args:
        texts: some of them, in the order of the file.
        known: the formats of a layout; others are tried where none of them fits.

    Returns:
        A format as for `datetime.strptime`; None where no known one fits.

    Raises:
        TwoFormats: two fit, and the order of the times does not tell which is meant.
    """
    texts = [text.strip() for text in texts]
    if not texts:
        return None
    for likely in (known, _likely(texts[0])):
        fitting = {written: times for written in likely if (times := _all(texts, written))}
        if fitting:
            break
    if len(fitting) > 1:
        ordered = [written for written, times in fitting.items() if _ordered(times)]
        if len(ordered) == 1:
            return ordered[0]
        different = {tuple(times) for times in fitting.values()}
        if len(different) > 1:
            raise TwoFormats(texts[0], tuple(fitting))
    return next(iter(fitting), None)


def _likely(text: str) -> list[str]:
    for shape, dates in _SHAPES:
        if shape.match(text):
            return [f"{date}{clock}" for date in dates for clock in _CLOCKS]
    return []


def _all(texts: Sequence[str], written: str) -> list[datetime]:
    try:
        return [datetime.strptime(text, written) for text in texts]  # noqa: DTZ007  # only their order counts
    except ValueError:
        return []


def _ordered(times: Sequence[datetime]) -> bool:
    """Whether times go one way, and go on at all."""
    if len(set(times)) < 2:
        return False
    return all(a <= b for a, b in pairwise(times)) or all(a >= b for a, b in pairwise(times))
