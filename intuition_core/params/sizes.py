"""Sizes of files as people write them: ``500MB``, ``10GB``, ``2GiB``."""

import re
from typing import Final

from intuition_core.errors import BadData

UNITS: Final = {
    "kB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
    "TiB": 2**40,
}
"""Bytes by unit."""

_WRITTEN: Final = re.compile(r"([0-9]{1,15})(kB|MB|GB|TB|KiB|MiB|GiB|TiB)")


def read_size(text: str) -> int:
    """Return a size in bytes.

    Raises:
        BadData: it is no whole number with a unit.
    """
    found = _WRITTEN.fullmatch(text)
    if found is None:
        raise BadData(f"expected a size such as 500MB, 10GB or 2GiB, got {text!r:.60}")
    return int(found[1]) * UNITS[found[2]]
