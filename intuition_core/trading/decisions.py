"""What people decide while a session runs, as typed events; `intuition_core.session.control` makes them."""

from collections.abc import Mapping
from typing import Any, Final, TypeAlias

import msgspec

from intuition_core.contracts import Data

CONTROL: Final = "$control"
"""The channel of what people decide; no publisher can send on it, as no name of a channel begins like this."""

UNHEARD: Final = "$unheard"
"""The channel of what people decided that is nothing to this engine: it is counted, and heard by nobody."""


class Kill(msgspec.Struct, frozen=True, kw_only=True):
    """The kill switch is turned on; with ``flatten`` every position is closed."""

    reason: str
    flatten: bool = False
    by: str | None = None


class Clear(msgspec.Struct, frozen=True, kw_only=True):
    """The kill switch is turned off."""

    reason: str
    by: str | None = None


class Shares(msgspec.Struct, frozen=True, kw_only=True):
    """Algorithms have other shares of the capital: decimals as text, from 0 to 1, by algorithm."""

    shares: dict[str, str]
    by: str | None = None


class SwapMade(msgspec.Struct, frozen=True, kw_only=True):
    """Another part takes a place; the fields of its `Swap` are beside these.

    ``before`` and ``after`` are the two parts in plain JSON types.
    """

    before: dict[str, Any]
    after: dict[str, Any]
    by: str | None = None


class Upgrade(msgspec.Struct, frozen=True, kw_only=True):
    """Another version of a plugin goes on in a place, in another process; it is recorded alone."""

    kind: str
    name: str
    before: dict[str, Any]
    after: dict[str, Any]
    by: str | None = None


class NewRules(msgspec.Struct, frozen=True, kw_only=True):
    """Orders fill by the rules of another number."""

    rules: int
    by: str | None = None


Decision: TypeAlias = Kill | Clear | Shares | SwapMade | Upgrade | NewRules

DECISIONS: Final[Mapping[str, type[Decision]]] = {
    "kill": Kill,
    "clear": Clear,
    "shares": Shares,
    "swap": SwapMade,
    "upgrade": Upgrade,
    "rules": NewRules,
}
"""The decision that an ``action`` on the channel of control stands for."""


def read_decision(data: Data) -> Decision:
    """Return the decision of an event on the channel of control; journaled ones are always in order."""
    return msgspec.convert(data, DECISIONS[data["action"]])
