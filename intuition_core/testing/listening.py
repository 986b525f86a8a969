"""The base of the contracts of algorithms and indicators, which listen to events on channels."""

import inspect
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Final

from intuition_core.contracts import Cancel, Message, Signal, Targets
from intuition_core.data import DEFAULT_CHANNEL, as_json, check_channel, check_sid, normalise
from intuition_core.errors import BadData
from intuition_core.testing.asked import AskedContract, copies, plain_number
from intuition_core.testing.contract import Made, must, spread
from intuition_core.testing.recording import quotes as recorded
from intuition_core.trading.answers import answers, check_terms

_NUMBERS: Final = ("quote", "probability", "win", "loss", "mean", "variance", "risk_free", "limit", "stop")


class ListeningContract(AskedContract):
    """Checks of a part that listens to events.

    Attributes:
        quotes: the events that it is checked with, as anybody would publish them, oldest first; some recorded quotes
            where None. A part that listens to another channel needs events of that channel here.
    """

    quotes: ClassVar[Iterable[Mapping[str, Any]] | None] = None

    def events(self) -> list[dict[str, Any]]:
        """Return the events, normalised, each an object of its own."""
        given = inspect.getattr_static(self, "quotes")
        if given is None:
            return recorded()
        return [event for quote in copies(given) for event in normalise(quote, now=lambda: 0)]

    def questions(self) -> list[Any]:
        """Return the events of the channels that the part listens to, with a mutable value in each."""
        channels = self.channels()
        return [{**event, "nested": {"levels": [1, 2]}} for event in self.events() if event["channel"] in channels]

    def channels(self) -> Sequence[str]:
        """Return the channels that the part listens to.

        Raises:
            AssertionError: what `initialize` answers names none.
        """
        answer = self.make().answer
        if answer is None:
            return (DEFAULT_CHANNEL,)
        is_list = isinstance(answer, Sequence) and not isinstance(answer, str | bytes)
        must(is_list, f'`initialize` answers {answer!r}: give a list of channels, such as ["quotes"], or None')
        for channel in answer:
            try:
                check_channel(channel)
            except BadData as error:
                raise AssertionError(f"`initialize` names a channel {channel!r}: {error}") from None
        return tuple(answer)

    def ask(self, made: Made, question: Any) -> Any:
        """Call the part with an event."""
        return made.live.event(question)

    def read(self, answer: Any) -> Sequence[Signal | Cancel | Message | Targets]:
        """Return the answer to an event as signals, cancels and messages."""
        return () if answer is None else answers(answer)

    def named(self, number: int, question: Any) -> str:
        """Return the name of an event, for messages."""
        return f"event {number + 1} ({question.get('sid')} at {question.get('quote')})"

    def check(self, answer: Any) -> None:
        """Check a signal, a `Cancel` or a message."""
        if isinstance(answer, Signal):
            if answer.side not in ("buy", "sell"):
                raise ValueError(f"a signal's side is `buy` or `sell`, not {answer.side!r}")
            for name in _NUMBERS:
                plain_number(f"its {name}", getattr(answer, name))
            check_terms("a signal", answer.limit, answer.stop, answer.tif, answer.until, answer.tag)
            _plainly(check_sid, answer.sid)
        elif isinstance(answer, Cancel):
            check_terms("a Cancel", None, None, "gtc", None, answer.tag)
            if answer.sid is not None:
                _plainly(check_sid, answer.sid)
        else:
            _plainly(check_channel, answer.channel)
            _plainly(lambda data: as_json("data", data), answer.data)
        super().check(answer)

    # -- the checks

    def test_channels_are_well_formed(self) -> None:
        """The part names the channels that it listens to, and hears something there."""
        channels = self.channels()
        must(len(set(channels)) == len(channels), f"`initialize` names a channel twice: {list(channels)}; once will do")
        heard = {event["channel"] for event in self.events()}
        must(
            bool(heard.intersection(channels)),
            f"it listens to {', '.join(channels) or 'nothing'}, and the events to check it with are on"
            f" {', '.join(sorted(heard))}: name a channel in `initialize`, or set `quotes` in this class to events that"
            " it would hear",
        )

    def test_unknown_fields_make_no_difference(self) -> None:
        """Fields that the part does not know change none of its answers."""
        more = {"x-note": "text", "x-levels": [[1.5, 2], [3.5, 4]], "x-nothing": None, "x-flag": True}
        self._compare(
            self._repeatable(),
            self._run([{**event, **more} for event in self.questions()]),
            "with fields in the event that it does not know, it answers otherwise: take what you need by name",
        )

    def test_optional_fields_may_be_missing(self) -> None:
        """A quote has `channel`, `sid`, `quote` and `ts`; a part that needs more is silent without it."""
        made = self.make()
        for number, event in enumerate(self.questions()):
            if event["channel"] == DEFAULT_CHANNEL:
                bare = {key: event[key] for key in ("channel", "sid", "quote", "ts")}
                try:
                    self.read(self.ask(made, bare))
                except Exception as error:
                    raise AssertionError(
                        f"{self.named(number, bare)} with nothing but `channel`, `sid`, `quote` and `ts` made the part"
                        f" raise {type(error).__name__}: {error}; use `data.get(...)`, and answer None without it"
                    ) from error

    def test_no_look_ahead(self) -> None:
        """The answers to the first events are the same whichever events follow."""
        whole = self._repeatable()
        for cut in spread(len(whole), [number for number, said in enumerate(whole) if said is not None]):
            self._compare(
                whole[:cut],
                self._run(self.questions()[:cut]),
                f"where the events end after {cut} of them, it answers otherwise: it knows what is still to come",
            )


def _plainly(check: Any, value: Any) -> None:
    """Run a check of the core on an answer, and raise its error in words for authors of parts."""
    try:
        check(value)
    except BadData as error:
        raise ValueError(f"{error}; give plain values, as JSON has them") from None
