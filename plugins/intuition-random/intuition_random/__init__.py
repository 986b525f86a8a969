"""An algorithm that buys when a random draw exceeds a threshold: the smallest part that does something."""

from random import Random as Generator
from typing import Annotated, Any

import msgspec

from intuition_core import restore_rng, rng_state
from intuition_core.contracts import Context, Data, Signal

__all__ = ["Random"]


class Random:
    """Draws once per quote, uniformly from [0, 1), and buys when the draw exceeds the threshold.

    It remembers nothing but its generator.
    """

    class Params(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
        """How often to buy, and where the draws come from."""

        threshold: Annotated[
            float,
            msgspec.Meta(ge=0, le=1, description="Buy when a draw from [0, 1) exceeds this; at 1 it never buys."),
        ] = 0.5
        seed: Annotated[
            int | None,
            msgspec.Meta(description="Makes the draws reproducible by themselves; without it the session's seed does."),
        ] = None

    def initialize(self, params: Params, context: Context) -> list[str]:
        """Take the threshold and a generator: one of its own if a seed is given, else the session's.

        Returns:
            The channel it listens to, ``quotes``.
        """
        self._threshold = params.threshold
        self._rng = context.rng if params.seed is None else Generator(params.seed)  # noqa: S311  # reproducible, no secret
        return ["quotes"]

    def event(self, data: Data) -> Signal | None:
        """Draw, and buy at the quote if the draw exceeds the threshold."""
        if self._rng.random() > self._threshold:
            return Signal(data["sid"], "buy", data["quote"])
        return None

    def snapshot(self) -> dict[str, Any]:
        """Return the state of the generator, in types that msgpack carries."""
        return {"rng": rng_state(self._rng)}

    def restore(self, state: dict[str, Any]) -> None:
        """Draw from here on what would have been drawn after that snapshot; call `initialize` first.

        Raises:
            ValueError: the state is not one that `snapshot` gave.
        """
        restore_rng(self._rng, state["rng"])
