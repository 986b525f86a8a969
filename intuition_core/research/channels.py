"""Channels that parts listen to, and that nobody can send in a run over history."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from intuition_core.errors import IntuitionError, did_you_mean
from intuition_core.params.checking import json_params

if TYPE_CHECKING:
    from intuition_core.plugins.catalogue import Catalogue
    from intuition_core.trading.engine import TradingEngine

_BOOKED = ("quotes", "actions", "rates")


class NobodySends(IntuitionError):
    """A channel that a part listens to and that nobody can send."""

    def __init__(self, channel: str, known: Iterable[str], *, indicator: bool) -> None:
        self.channel = channel
        self.known = tuple(known)
        there = ", ".join(f"`{name}`" for name in self.known)
        hint = (
            f'an indicator of that name is installed and not configured: [[indicators]] name = "{channel}"'
            if indicator
            else f"there is {there}{did_you_mean(channel, self.known)}"
        )
        super().__init__(f"a part listens to the channel `{channel}`, on which nothing can come; {hint}")


def check_channels(engine: "TradingEngine", catalogue: "Catalogue") -> None:
    """Check that each channel that a part listens to can have events: an indicator must be configured for it.

    A channel of a name of its own may be in the data; what has come of it is known at the end alone.

    Raises:
        NobodySends: there is such a channel.
    """
    known = [*_BOOKED, *engine.timers.names]
    for part in engine.parts:
        if part.kind == "indicator":
            channel = json_params(part.params).get("channel")
            known += [part.name, *([channel] if isinstance(channel, str) else [])]
    indicators = {plugin.name for plugin in catalogue.plugins if plugin.kind == "indicator"}
    for channel in engine.channels:
        if channel in known:
            continue
        if channel in indicators or did_you_mean(channel, known):
            raise NobodySends(channel, known, indicator=channel in indicators)


def silent_channels(engine: "TradingEngine") -> list[str]:
    """Return the channels that parts listen to and on which no event came; never quotes, rates, actions or timers."""
    booked = {*_BOOKED, *engine.timers.names}
    return [channel for channel in engine.channels if channel not in booked and channel not in engine.came]
