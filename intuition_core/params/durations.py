"""Lengths of time as people write them: ``250ms``, ``2s``, ``1m``, ``1h``, ``1d``."""

import re
from typing import Final

from intuition_core.errors import BadData

UNITS: Final = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9, "d": 86_400 * 10**9}
"""Nanoseconds by unit."""

_WRITTEN: Final = re.compile(r"([0-9]{1,18})(ns|us|ms|s|m|h|d)")
_MOST: Final = 2**62


def read_duration(text: str) -> int:
    """Return a length of time in nanoseconds.

    Raises:
        BadData: it is no whole number with a unit, or longer than 146 years.
    """
    found = _WRITTEN.fullmatch(text)
    if found is None:
        raise BadData(f"expected a length of time such as 250ms, 2s, 1m, 1h or 1d, got {text!r:.60}")
    length = int(found[1]) * UNITS[found[2]]
    if length > _MOST:
        raise BadData(f"expected a length of time of at most 146 years, got {text!r:.60}")
    return length
