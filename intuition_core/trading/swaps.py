"""Swaps: another part takes a place while a session runs."""

from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

from intuition_core.contracts import Data
from intuition_core.errors import IntuitionError, did_you_mean
from intuition_core.trading.calls import failing
from intuition_core.trading.parts import PartState, StartedPart, check_methods
from intuition_core.trading.roster import Roster


class BadSwap(IntuitionError):
    """A swap that cannot be made; what was there goes on."""

    def __init__(self, kind: str, name: str, problem: str) -> None:
        self.kind = kind
        self.name = name
        self.problem = problem
        super().__init__(f"{kind} {name} cannot be swapped: {problem}")


class Swap(msgspec.Struct, frozen=True, kw_only=True):
    """The place of a part and the plugin that takes it.

    ``name`` is that of the place: the algorithm's for an algorithm and its portfolio, the part's own for a risk part
    and an indicator. ``use`` is the plugin; with ``keep_state`` its part goes on from the old one's state.
    """

    kind: str
    name: str
    use: str
    params: dict[str, Any] = {}
    keep_state: bool = False


class _Prepared(NamedTuple):
    """A started part, the event of its swap, and the number of the event before."""

    seq: int
    event: Data
    started: StartedPart


class Swaps:
    """Swaps the parts of a roster.

    Attributes:
        made: the swaps so far, by the number of the place; always the same object.

    Args:
        roster: the live parts.
    """

    def __init__(self, roster: Roster) -> None:
        self.made: dict[int, Swap] = {}
        self._roster = roster
        self._prepared: _Prepared | None = None

    def place(self, kind: str, name: str) -> int:
        """Return the number of the part of a kind and a name; a portfolio has the name of its algorithm.

        Raises:
            BadSwap: there is none, or several.
        """
        places = self._roster.composition.places
        found = [number for number, place in enumerate(places, 1) if place == (kind, name)]
        if len(found) == 1:
            return found[0]
        if found:
            raise BadSwap(kind, name, f"{len(found)} parts are called so, and nobody knows which is meant")
        names = [each for of, each in places if of == kind]
        there = f"there is {', '.join(names)}" if names else f"the session has no {kind}"
        raise BadSwap(kind, name, f"it is not there{did_you_mean(name, names) or ';'} {there}")

    def prepare(self, seq: int, event: Data) -> Data:
        """Start the part that a swap asks for, and return the event to be taken next, completed by what the swap does.

        Whatever is wrong with the part is found here, and what was there goes on; taken, the event cannot fail. A
        replay takes the event as it is, and starts the part then.

        Args:
            seq: the number of the last event.
            event: the swap as it was asked for.

        Raises:
            BadSwap: there is no such place, or the old part's state cannot be kept.
            PartFailed: the new part cannot be made or initialised, or refuses the state.
            IntuitionError: there is no such plugin, or it does not take these parameters.
        """
        swap = msgspec.convert(data := dict(event), Swap)
        number = self.place(swap.kind, swap.name)
        before = self._roster.parts[number - 1]
        started = self._start(number, swap, seq)
        after = started.part
        swap = replace(swap, use=after.use or swap.use)
        data |= {
            **msgspec.to_builtins(swap),
            "place": number,
            "before": before.to_json(),
            "after": after.to_json(),
        }
        self._prepared = _Prepared(seq, data, started)
        return data

    def take(self, seq: int, event: Data) -> tuple[Swap, int]:
        """Bind the part that the swap of an event names; return the swap and the number of its place."""
        prepared, self._prepared = self._prepared, None
        swap = msgspec.convert(event, Swap)
        if prepared is not None and prepared.event == event and prepared.seq == seq - 1:
            started = prepared.started
        else:
            started = self._start(self.place(swap.kind, swap.name), swap, seq)
        self._roster.bind(started)
        self.made[started.number] = swap
        return swap, started.number

    def repeat(self, made: dict[int, Swap], seq: int) -> None:
        """Make the swaps of a snapshot again; the states come with the snapshot.

        Raises:
            PartFailed: a part cannot be made or initialised.
            IntuitionError: a plugin is not there, or does not take its parameters.
        """
        for number, swap in made.items():
            self._roster.bind(self._start(number, replace(swap, keep_state=False), seq))
        self.made.update(made)

    def _start(self, number: int, swap: Swap, seq: int) -> StartedPart:
        """Make and check the part that a swap names."""
        roster = self._roster
        before, maker = roster.parts[number - 1], roster.composition.maker
        if maker is None:
            raise BadSwap(swap.kind, swap.name, "this composition was made of parts at hand, and knows no others")
        part = maker(swap.kind, swap.name, swap.use, swap.params)
        state = self._state_to_keep(number, swap) if swap.keep_state else None
        with roster.between(seq):
            started = roster.make(number, replace(part, policy=before.policy, deadline=before.deadline))
            check_methods(started)
            if state is not None:
                if not started.kept.takes:
                    raise BadSwap(swap.kind, swap.name, f"{part.label} has no `restore`, and begins without a state")
                started.kept.take(state)
        return started

    def _state_to_keep(self, number: int, swap: Swap) -> PartState:
        """Return the state of the old part as a journal would give it back: nothing that both parts could change."""
        roster = self._roster
        part = roster.parts[number - 1]
        if number in roster.quarantined:
            raise BadSwap(swap.kind, swap.name, f"{part.label} is in quarantine, and its state is not asked for")
        if not roster.keeper(number).gives:
            raise BadSwap(swap.kind, swap.name, f"{part.label} has no `snapshot`, and its state cannot be kept")
        with failing(part, "snapshot"):
            drawn, own = msgspec.msgpack.decode(msgspec.msgpack.encode(roster.state_of(number)))
        return drawn, own
