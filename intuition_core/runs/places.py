"""Control events of a session as a composition with other parts takes them."""

from typing import Any, NamedTuple

from intuition_core.contracts import Data
from intuition_core.trading.composition import Composition
from intuition_core.trading.decisions import CONTROL, UNHEARD


class Places(NamedTuple):
    """The places of a variant's parts in the session that it was made from.

    Attributes:
        names: the names of the variant's algorithms, by those of the session.
        own: the places, by kind and the session's name, that hold another part in the variant.
    """

    names: dict[str, str]
    own: frozenset[tuple[str, str]]

    def event(self, data: Data) -> Data:
        """Return an event of the session as the variant takes it.

        A swap at a place that holds another part in the variant is heard by nobody; names are the variant's.
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
    """Return the places of a variant, which has as many algorithms as the session, in the same order."""
    names: dict[str, str] = {}
    own: set[tuple[str, str]] = set()
    for mine, theirs in zip(variant.sleeves, session.sleeves, strict=True):
        place = theirs.algorithm.name
        names[place] = mine.algorithm.name
        pairs: Any = (("algorithm", mine.algorithm, theirs.algorithm), ("portfolio", mine.portfolio, theirs.portfolio))
        own |= {(kind, place) for kind, one, other in pairs if one.to_json() != other.to_json()}
    return Places(names, frozenset(own))
