"""Buy once and keep it: what every other algorithm has to beat."""

from collections.abc import Sequence
from typing import Annotated

import msgspec

from intuition_core.contracts import Data, Signal

__all__ = ["BuyAndHold"]


class BuyAndHold:
    """Buys each symbol once, at its first quote, and never sells.

    What becomes of that one signal makes no difference: a symbol whose order was refused is not bought later.
    """

    class Params(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
        """What to buy."""

        symbols: Annotated[
            tuple[str, ...] | None,
            msgspec.Meta(description="The symbols to buy; all that are quoted where none are named."),
        ] = None

    def initialize(self, params: Params) -> list[str]:
        """Take the symbols.

        Returns:
            The channel it listens to, ``quotes``.
        """
        self._wanted = None if params.symbols is None else frozenset(params.symbols)
        self._bought: set[str] = set()
        return ["quotes"]

    def event(self, data: Data) -> Signal | None:
        """Buy if this is the symbol's first quote."""
        sid = data["sid"]
        if sid in self._bought or (self._wanted is not None and sid not in self._wanted):
            return None
        self._bought.add(sid)
        return Signal(sid, "buy", data["quote"])

    def snapshot(self) -> list[str]:
        """Return the symbols that were bought, sorted."""
        return sorted(self._bought)

    def restore(self, state: Sequence[str]) -> None:
        """Go on from a snapshot; call `initialize` first."""
        self._bought = set(state)
