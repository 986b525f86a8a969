"""The contract of sources as tests to subclass."""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, ClassVar, Final

from intuition_core.data import DEFAULT_CHANNEL, normalise
from intuition_core.errors import BadData
from intuition_core.params.checking import parameter_names
from intuition_core.testing.contract import Contract, Made, must, skip
from intuition_core.testing.effects import Effect, observed

_EXERCISE: Final = 20
_BAR: Final = frozenset({"open", "high", "low"})


class SourceContract(Contract):
    """The checks of a source.

    ::

        class TestMySource(SourceContract):
            part = MySource
            params = {"path": "prices.csv"}

    Attributes:
        limit: how many events are looked at.
        live: whether it gives what happens now, so that no two runs are the same and the clock is its business.
    """

    kind: ClassVar[str] = "source"
    limit: ClassVar[int] = 2000
    live: ClassVar[bool] = False

    def events(self, params: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """Return the first events, normalised as by the core."""
        made = self.make(params)
        negative = bool(getattr(self.parameters(params), "negative_prices", False))
        return [
            event
            for number, payload in enumerate(self._payloads(made))
            for event in _normalised(number, payload, negative_prices=negative)
        ]

    def exercise(self, made: Made) -> None:
        """Read the first events."""
        if not self.live:
            for _ in islice(made.live.events(), _EXERCISE):
                pass

    # -- the checks

    def test_events_can_be_read(self) -> None:
        """Each event is one that can be normalised, with a time of its own; there are some."""
        must(bool(self.events()), "it gives no events: set `params` to some that it has events for")

    def test_time_never_goes_back(self) -> None:
        """Events come in the order of their ``ts``."""
        if getattr(self.make().live, "live", False):
            skip("it is live: what was overtaken on its way keeps its time")
        last = None
        for number, event in enumerate(self.events()):
            must(
                last is None or event["ts"] >= last,
                f"event {number + 1} is of {event['ts']}, and the one before of {last}: give events in the order of"
                " time, and refuse data that is not in it with its place",
            )
            last = event["ts"]

    def test_bars_say_when_they_began(self) -> None:
        """An event with an ``open``, a ``high`` or a ``low`` has a ``start``, which is not after its ``ts``."""
        bars = 0
        for number, event in enumerate(self.events()):
            if event["channel"] != DEFAULT_CHANNEL or not _BAR.intersection(event):
                continue
            bars += 1
            must(
                "start" in event,
                f"event {number + 1} of {event['sid']} has prices from before its `ts`, and no `start`: say when the"
                " bar began, or orders can have its close alone",
            )
        if not bars:
            skip("it gives no bars, which would say when they began")

    def test_reads_the_same_again(self) -> None:
        """A second source with the same parameters gives the same events."""
        self._must_be_recorded()
        self._same(self.events(), self.events(), "another source with the same parameters gives other events")

    def test_no_wall_clock(self) -> None:
        """The source does not read the clock."""
        self._must_be_recorded()
        self._without("clock", "give the time at which the market said it; leave it out where it is not known")

    def test_no_global_randomness(self) -> None:
        """The source draws from no generator that it shares with others."""
        self._without("randomness", "draw from a `random.Random` of its own, with a seed as a parameter")

    def test_batches_are_the_events(self) -> None:
        """The events of ``batches()`` are those of ``events()``, normalised."""
        made = self.make()
        if not callable(getattr(made.live, "batches", None)):
            skip("it has no `batches`, so it is slower with many events than it could be")
        given: list[dict[str, Any]] = []
        for batch in made.live.batches():
            must(isinstance(batch, list), f"`batches()` gives a {type(batch).__name__}: give lists of events")
            given += batch
            if len(given) >= self.limit:
                break
        given = given[: self.limit]
        owned = {id(event) for event in given}
        must(len(owned) == len(given), "`batches()` gives an object twice: each event is a dict of its own")
        for number, (event, expected) in enumerate(zip(given, self.events(), strict=False)):
            must(
                type(event) is dict and _exactly(event, expected),
                f"event {number + 1} of `batches()` is {event!r:.200}, and normalised it is {expected!r:.200}: nobody"
                " normalises what comes in batches, so give it as `events` would after that",
            )
        count = len(self.events())
        must(len(given) == count, f"`batches()` gives {len(given)} events, and `events()` {count}: give the same")

    def test_start_and_end_are_honoured(self) -> None:
        """With ``start`` and ``end`` the source gives its events from ``start`` on and before ``end``."""
        names = parameter_names(self.factory) or ()
        if not {"start", "end"}.intersection(names):
            skip("it does not take `start` and `end`, so the core leaves out what is not asked for")
        self._must_be_recorded()
        whole = self.events()
        for numerator in (1, 2, 3):
            ts = whole[len(whole) * numerator // 4]["ts"]
            if "start" in names:
                got, expected = self.events({"start": ts}), [event for event in whole if event["ts"] >= ts]
                # With a later start it gives more that is later, before the limit is reached.
                self._same(expected, got[: len(expected)], f"with `start = {ts}` (which is included) it gives others")
            if "end" in names:
                before = [event for event in whole if event["ts"] < ts]
                self._same(
                    before,
                    self.events({"end": ts}),
                    f"with `end = {ts}` (which is not included) it gives other events than it gives up to there when it"
                    " knows what comes later",
                )

    def test_symbols_are_honoured(self) -> None:
        """With ``symbols`` the source gives the events of these symbols alone, unchanged."""
        if "symbols" not in (parameter_names(self.factory) or ()):
            skip("it does not take `symbols`, so the core leaves out what is not asked for")
        self._must_be_recorded()
        whole = self.events()
        for sid in sorted({event["sid"] for event in whole if "sid" in event})[:3]:
            expected = [event for event in whole if event.get("sid") == sid]
            got = self.events({"symbols": [sid]})
            self._same(expected, got[: len(expected)], f'with `symbols = ["{sid}"]` it gives other events')
            others = {event.get("sid") for event in got} - {sid}
            must(not others, f'with `symbols = ["{sid}"]` it also gives {", ".join(map(str, others))}')

    def test_pages_are_the_events(self) -> None:
        """What ``fetch`` gives of a symbol, page by page, are the events of ``events()`` of that symbol and span."""
        made = self.make()
        if not callable(getattr(made.live, "fetch", None)):
            skip("it has no `fetch`, so it cannot be asked for a span of time")
        self._must_be_recorded()
        whole = self.events()
        start, end = whole[0]["ts"], whole[-1]["ts"] + 1
        for sid in sorted({event["sid"] for event in whole if "sid" in event})[:3]:
            expected = [event for event in whole if event.get("sid") == sid]
            negative = bool(getattr(self.parameters(None), "negative_prices", False))
            got: list[dict[str, Any]] = []
            since = start
            while since < end:
                page = made.live.fetch(sid, since, end)
                events = [
                    event
                    for number, payload in enumerate(page.events)
                    for event in _normalised(number, payload, negative_prices=negative)
                ]
                inside = all(since <= event["ts"] < min(page.upto, end) for event in events)
                must(inside, f"the page of {sid} from {since} up to {page.upto} has events of other times")
                must(
                    page.upto > since,
                    f"the page of {sid} from {since} is complete up to {page.upto}: asking never ends",
                )
                got, since = got + events, page.upto
            self._same(expected, got, f"the pages of {sid} have other events than `events()`")
            must(len(got) == len(expected), f"the pages of {sid} have {len(got)} events, `events()` {len(expected)}")

    def test_progress_is_a_fraction(self) -> None:
        """``progress()`` rises from 0 to 1, or is None."""
        made = self.make()
        progress = getattr(made.live, "progress", None)
        if progress is None:
            skip("it has no `progress`, so nobody sees how far it is")
        last = 0.0
        for number, _ in enumerate(self._payloads(made)):
            now = progress()
            must(
                now is None or last <= now <= 1,
                f"after event {number + 1} `progress()` is {now!r}, and was {last} before: give the part of all events"
                " that has been given, from 0 to 1, or None where it is not known",
            )
            last = last if now is None else now

    # -- how they are made

    def _payloads(self, made: Made) -> Iterator[Any]:
        try:
            events = iter(made.live.events())
        except TypeError as error:
            raise AssertionError(f"`events()` gives what cannot be iterated over: {error}") from None
        try:
            yield from islice(events, self.limit)
        finally:
            close = getattr(events, "close", None)  # a generator holds files and connections until it is closed
            if close is not None:
                close()

    def _must_be_recorded(self) -> None:
        if self.live:
            skip("it is live: no two runs are the same")

    def _without(self, effect: Effect, advice: str) -> None:
        self.events()  # what is imported when first needed may read the clock
        with observed(getattr(self.factory, "__module__", "")) as calls:
            self.events()
        found = list(dict.fromkeys(str(call) for call in calls if call.effect == effect))
        must(not found, f"the source calls {', '.join(found[:3])}: {advice}")

    def _same(self, expected: list[dict[str, Any]], got: list[dict[str, Any]], problem: str) -> None:
        for number, (one, other) in enumerate(zip(expected, got, strict=False)):
            must(one == other, f"{problem}: event {number + 1} is {other!r:.150}, expected {one!r:.150}")
        must(len(expected) == len(got), f"{problem}: {len(got)} of them, expected {len(expected)}")


def _normalised(number: int, payload: Any, *, negative_prices: bool) -> list[dict[str, Any]]:
    try:
        return normalise(payload, now=_no_clock, negative_prices=negative_prices)
    except BadData as error:
        raise AssertionError(f"event {number + 1}, {payload!r:.120}, cannot be read: {error}") from None


def _no_clock() -> int:
    raise BadData("missing; a source says when it happened, in nanoseconds UTC", field="ts")


def _exactly(event: dict[str, Any], expected: dict[str, Any]) -> bool:
    """Return whether two events are equal in values and in types: 1 and 1.0 differ."""
    return event == expected and all(type(event[key]) is type(value) for key, value in expected.items())
