"""The hash seed that all processes have which run parts: a set of texts has the same order in each of them."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # `typing` takes longer to import than this process may take to begin
if TYPE_CHECKING:
    from typing import Final

HASH_SEED: Final = "0"
_VARIABLE: Final = "PYTHONHASHSEED"


def seeded_environment(seed: str = HASH_SEED) -> dict[str, str]:
    """Return the environment for a process that runs parts."""
    return {**os.environ, _VARIABLE: seed}


def is_seeded() -> bool:
    """Return whether this process has the hash seed; an interpreter reads it only when it begins."""
    return not sys.flags.hash_randomization


def may_be_seeded() -> bool:
    """Return whether this process, begun again in `seeded_environment`, would have the hash seed, and has not."""
    ignored = bool(sys.flags.ignore_environment)  # `python -E` and `-I` do not heed variables
    return not is_seeded() and not ignored and bool(sys.executable) and os.environ.get(_VARIABLE) != HASH_SEED
