"""What people decided about parts of a session, for a variant whose parts are others."""

from typing import Any, NamedTuple

from intuition_core.contracts import Data
from intuition_core.trading.composition import Composition
from intuition_core.trading.engine import CONTROL, UNHEARD


class Places(NamedTuple):
    """How a variant stands to the session.

    ``names`` are the variant's algorithms by the session's; ``own`` the places, by kind and the session's name, whose
    parts the variant has of its own.
    """

    names: dict[str, str]
    own: frozenset[tuple[str, str]]

    def event(self, data: Data) -> Data:
        """Give an event as the variant is to take it.

        What took the place of a part that the variant has of its own is nothing to it; the rest it does as the session.
        """
        if data["channel"] != CONTROL:
            return data
        if data["action"] == "swap":
            if (data["kind"], data["name"]) in self.own:
                return {**data, "channel": UNHEARD}
            return {**data, "name": self.names.get(data["name"], data["name"])}
        if data["action"] == "shares":
            return {**data, "shares": {self.names.get(name, name): share for name, share in data["shares"].items()}}
        return data


def places(variant: Composition, session: Composition) -> Places:
    """Say how a variant stands to the session that it was made from: it has as many algorithms, in the same order."""
    names: dict[str, str] = {}
    own: set[tuple[str, str]] = set()
    for mine, theirs in zip(variant.sleeves, session.sleeves, strict=True):
        place = theirs.algorithm.name
        names[place] = mine.algorithm.name
        pairs: Any = (("algorithm", mine.algorithm, theirs.algorithm), ("portfolio", mine.portfolio, theirs.portfolio))
        own |= {(kind, place) for kind, one, other in pairs if one.to_json() != other.to_json()}
    return Places(names, frozenset(own))
