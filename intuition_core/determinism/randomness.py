"""The state of a random generator as plain lists and integers, so that a part's snapshot can carry it."""

from collections.abc import Sequence
from random import Random
from typing import Any


def rng_state(rng: Random) -> list[Any]:
    """Return the state of a generator as lists, integers and at most one float, all of which msgpack and JSON carry."""
    version, internal, gauss = rng.getstate()
    return [version, list(internal), gauss]


def restore_rng(rng: Random, state: Sequence[Any]) -> None:
    """Put a generator into the state that `rng_state` gave; it then draws what it would have drawn from there on.

    Raises:
        ValueError: the state is not one that `rng_state` gives.
    """
    try:
        version, internal, gauss = state
        rng.setstate((version, tuple(internal), gauss))
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"not the state of a random generator: {error}") from error
