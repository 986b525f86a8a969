"""Swaps: another part takes a place while a session runs."""

from typing import Any

import msgspec

from intuition_core.errors import IntuitionError


class BadSwap(IntuitionError):
    """A swap that cannot be made; what was there goes on."""

    def __init__(self, kind: str, name: str, problem: str) -> None:
        self.kind = kind
        self.name = name
        self.problem = problem
        super().__init__(f"{kind} {name} cannot be swapped: {problem}")


class Swap(msgspec.Struct, frozen=True, kw_only=True):
    """Which part takes which place.

    ``name`` is that of the place: the algorithm's for an algorithm and its portfolio, the part's own for a risk part
    and an indicator. ``use`` is the plugin; with ``keep_state`` its part goes on from the old one's state.
    """

    kind: str
    name: str
    use: str
    params: dict[str, Any] = {}
    keep_state: bool = False
