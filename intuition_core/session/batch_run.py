"""One batch on its way through the engine: what is new of it, and what running it has caused."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec

from intuition_core.data import Event
from intuition_core.session.batch import Batch, Delivery, Identity, Known, encoded, first_of
from intuition_core.session.errors import IdReused, IdTooOld
from intuition_core.session.identity import OF_THE_DELIVERY
from intuition_core.session.judging import decision_after, part_name, step_by
from intuition_core.supervision.crashes import FailureDecision, WorkerCrash
from intuition_core.trading.engine import TradingEngine
from intuition_core.trading.records import Record
from intuition_core.trading.timers import TIMER
from intuition_core.trading.wall import Wall


class Item(NamedTuple):
    """One payload, normalised.

    Attributes:
        events: its events.
        identity: by what it is known again; None where nothing makes it known.
        content: a digest of its content.
        delivery: how a connector received it.
        former: the identities by which older versions knew it.
    """

    events: Sequence[Event]
    identity: str | None = None
    content: bytes = b""
    delivery: Delivery | None = None
    former: Sequence[str] = ()


class UrgentCalls(Protocol):
    """Calls that a batch makes room for between two of its items, such as one that turns the kill switch on."""

    @property
    def waiting(self) -> bool:
        """Whether there are any; asked after each item."""

    def run_waiting(self) -> None:
        """Run them, on the thread that runs the batch."""


class NoUrgentCalls:
    """The urgent calls of a session to which nobody sends any."""

    waiting = False

    def run_waiting(self) -> None:
        """Do nothing."""


class Plan(NamedTuple):
    """A batch before it is run.

    Attributes:
        items: the items, with the timers that are due before their events.
        known: the items that were taken before, by their identity.
        first: the number of the first event.
        events: the events to be run.
        content: their encoding, from before a part could change them.
    """

    items: Sequence[Item]
    known: Mapping[str, Known]
    first: int
    events: Sequence[Event]
    content: bytes


def plan_batch(
    engine: TradingEngine, items: Sequence[Item], known: Mapping[str, Known], *, wall: Wall | None, timers: bool
) -> Plan:
    """Return which events of a batch are to be run.

    Args:
        engine: the live parts, before the batch.
        items: in the order of their arrival.
        known: those that were taken before.
        wall: the wall clock, where timers go by it.
        timers: whether timers that are due are put before the events.
    """
    if timers and engine.timers:
        items = _with_timers(engine, items, known, wall)
    events = list(_new_events(items, known))
    return Plan(items, known, engine.seq + 1, events, encoded(events))


class BatchRun:
    """A planned batch, run item by item.

    Args:
        plan: the batch.
        crashes: the crashes whose events may come again, by their number in the journal.

    Attributes:
        replies: for each item that was taken or is known, its records, or why it was refused.
        records: the records of all events that were run.
        identities: the new items that have an identity.
        settled: the numbers of crashes whose events have come again.
    """

    def __init__(self, plan: Plan, crashes: Mapping[int, WorkerCrash]) -> None:
        self.replies: list[list[Record] | IdReused] = []
        self.records: list[Record] = []
        self.identities: list[Identity] = []
        self.settled: list[int] = []
        self._plan = plan
        self._crashes = crashes
        self._decisions: list[FailureDecision] = []
        self._fresh: dict[str, Known] = {}

    def run(self, engine: TradingEngine, urgent: UrgentCalls) -> None:
        """Run the items up to the end, or to the one at which the engine halts; known ones are answered at once.

        It ends after the first item at which urgent calls wait.
        """
        for item in self._plan.items:
            if urgent.waiting and self.replies:
                break
            known = None
            if item.identity is not None:
                known = self._plan.known.get(item.identity) or self._fresh.get(item.identity)
            if known is not None:
                self.replies.append(_answer(item, known))
            elif engine.halted is not None:
                break
            else:
                self._take(engine, item)

    def _take(self, engine: TradingEngine, item: Item) -> None:
        start = engine.seq + 1
        records: list[Record] = []
        for event in item.events:
            records.extend(self._step(engine, event))
            engine.leave_if_forked()
        self.records.extend(records)
        self.replies.append(records)
        if item.identity is not None:
            self._fresh[item.identity] = Known(item.content, records)
            self.identities.append(Identity(item.identity, item.content, start, engine.seq))

    def _step(self, engine: TradingEngine, event: Event) -> Sequence[Record]:
        found = self._crashed_at(event) if self._crashes else {}
        if not found:
            return engine.step(event)
        decisions = [
            decision_after(engine, crash, engine.seq + 1)
            for crash in found.values()
            if crash.part not in engine.quarantined
        ]
        self.settled.extend(found)
        self._decisions.extend(decisions)
        return step_by(engine, event, decisions)

    def decisions(self, engine: TradingEngine) -> list[FailureDecision]:
        """Return the decisions about parts that were taken in the batch, those of the engine itself included."""
        first = self._plan.first
        judged = {decision.part for decision in self._decisions}
        return self._decisions + [
            FailureDecision(why.seq, part, part_name(engine, part), called=True, quarantined=True, problem=why.problem)
            for part, why in engine.quarantined.items()
            if why.seq >= first and part not in judged
        ]

    def batch(
        self,
        engine: TradingEngine,
        *,
        client: str | None,
        acked: str | None,
        published: str | None,
        controls: Sequence[int],
        snapshot: bytes | None,
    ) -> Batch:
        """Return what is to be written of what has run."""
        plan = self._plan
        ran = engine.seq - plan.first + 1
        return Batch(
            first=plan.first,
            last=engine.seq,
            client=client,
            events=plan.content if ran == len(plan.events) else first_of(plan.content, ran),
            records=self.records,
            identities=self.identities,
            deliveries=[item.delivery for item in plan.items[: len(self.replies)] if item.delivery is not None],
            acked=acked,
            published=published,
            snapshot=snapshot,
            failures=self.decisions(engine),
            settled=self.settled,
            controls=controls,
        )

    def controls(self) -> list[int]:
        """Return the numbers of the events that have a control record."""
        return list(dict.fromkeys(record["seq"] for record in self.records if record["type"] == "control"))

    def _crashed_at(self, event: Event) -> dict[int, WorkerCrash]:
        """Return the crashes that came at this event before, by their numbers."""
        content = _content(event)
        alike = {
            n: crash
            for n, crash in self._crashes.items()
            if n not in self.settled and crash.event is not None and _content(crash.event) == content
        }
        if event["channel"] != TIMER:
            return alike
        same = {n: crash for n, crash in alike.items() if _stands_for(event, crash.event)}
        self.settled += alike.keys() - same.keys()  # a moment that was skipped never comes again
        return same


def _answer(item: Item, known: Known) -> list[Record] | IdReused:
    """Return the records of an item that was taken before, or why there are none."""
    identity = item.identity or ""
    if known.records is None:
        return IdTooOld(identity)
    return known.records if known.content == item.content else IdReused(identity)


def _content(event: Mapping[str, Any]) -> bytes:
    # As for `identity_of`; but what has no id may be told from others by its number alone.
    left_out = OF_THE_DELIVERY if "id" in event else ("ts", "start")
    if event["channel"] == TIMER:
        left_out = ("ts", "missed")  # see `_stands_for`
    return msgspec.msgpack.encode({key: value for key, value in event.items() if key not in left_out}, order="sorted")


def _stands_for(timer: Mapping[str, Any], earlier: Mapping[str, Any] | None) -> bool:
    """Return whether a timer is the earlier one, which was not kept, or a later one told in its place now."""
    if earlier is None:
        return False
    return bool(timer["ts"] == earlier["ts"] or (timer["ts"] > earlier["ts"] and timer["missed"]))


def _with_timers(
    engine: TradingEngine, items: Sequence[Item], known: Mapping[str, Known], wall: Wall | None
) -> Sequence[Item]:
    """Return the items with the timers that are due before their events, as events of the same item."""
    expanded = iter(engine.timers.between(list(_new_events(items, known)), wall))
    new = frozenset(id(event) for event in _new_events(items, known))
    given = []
    for item in items:
        events: list[Event] = []
        for event in item.events:
            if id(event) not in new:
                events.append(event)
                continue
            for each in expanded:
                events.append(dict(each) if each is not event else event)
                if each is event:
                    break
        given.append(item._replace(events=events))
    return given


def _new_events(items: Sequence[Item], known: Mapping[str, Known]) -> Iterator[Event]:
    """Yield the events of items that are neither known nor came earlier in the same batch."""
    seen: set[str] = set()
    for item in items:
        if item.identity is not None:
            if item.identity in known or item.identity in seen:
                continue
            seen.add(item.identity)
        yield from item.events
