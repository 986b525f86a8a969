"""The base of the contracts of parts that answer questions: algorithms, portfolios, risk parts, indicators."""

import time
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from copy import deepcopy
from typing import Any, ClassVar, Final

import msgspec

from intuition_core.determinism.randomness import restore_rng, rng_state
from intuition_core.testing.contract import Contract, Made, must, skip, spread
from intuition_core.testing.effects import Effect, observed
from intuition_core.trading.parts import is_stateless

_TRIES: Final = 3
"""The number of late answers that count as too slow: a busy machine makes one or two of them late."""

_SLOW: Final = 5
"""After so many slow answers a run ends: the rest would take as long."""

_EXERCISE: Final = 60


class AskedContract(Contract):
    """Checks of a part that answers questions: events, signals, or orders.

    Attributes:
        budget: the most seconds that one question may take.
    """

    budget: ClassVar[float] = 0.02

    @abstractmethod
    def questions(self) -> list[Any]:
        """Return the questions to the part, in order; new objects each time."""

    @abstractmethod
    def ask(self, made: Made, question: Any) -> Any:
        """Ask the part a question, and return its answer as it is."""

    @abstractmethod
    def read(self, answer: Any) -> Sequence[Any]:
        """Return an answer as the core reads it.

        Raises:
            TypeError, ValueError: it is none.
        """

    def named(self, number: int, question: Any) -> str:
        """Return the name of a question, for messages."""
        return f"question {number + 1} ({question!r:.60})"

    def exercise(self, made: Made) -> None:
        """Ask the first questions."""
        for question in self.questions()[:_EXERCISE]:
            self.read(self.ask(made, question))

    # -- the checks

    def test_input_is_not_changed(self) -> None:
        """The part changes nothing of what it is given, nested values included."""
        made, given, before = self.make(), self.questions(), self.questions()
        for number, question in enumerate(given):
            self._asked(made, number, question)
        for number, (now, then) in enumerate(zip(given, before, strict=True)):
            must(
                now == then,
                f"{self.named(number, then)} was changed by the part: others get the same object; copy what you change",
            )

    def test_no_wall_clock(self) -> None:
        """The part does not read the clock: a backtest would else decide otherwise than the session."""
        self._without("clock", "take the time from what the part is given, its `ts` in nanoseconds UTC")

    def test_no_global_randomness(self) -> None:
        """The part draws from no generator that it shares with others."""
        self._without("randomness", "draw from `context.rng`, which is a `random.Random` of the part's own")

    def test_repeats_with_its_seed(self) -> None:
        """Two parts with the same seed answer the same."""
        self._compare(
            self._run(),
            self._run(),
            "the same questions and the same seed gave another answer: draw from `context.rng` alone, keep nothing on"
            " the class or the module, and do not rely on the order of a set",
        )

    def test_parts_share_nothing(self) -> None:
        """Two parts that are at work at the same time answer as each does alone."""
        alone = self._repeatable()
        one, other = self.make(), self.make()
        together = []
        for number, (question, again) in enumerate(zip(self.questions(), self.questions(), strict=True)):
            together.append(self._asked(one, number, question))
            self._asked(other, number, again)
        self._compare(
            alone,
            together,
            "with another part of this class at work, it answers otherwise: set in `initialize` what belongs to one"
            " part, not on the class or the module",
        )

    def test_goes_on_from_any_snapshot(self) -> None:
        """A new part that restores a snapshot answers as the part that gave it, at whichever question."""
        made = self.make()
        has = [name for name in ("snapshot", "restore") if callable(getattr(made.live, name, None))]
        must(len(has) != 1, f"it has `{''.join(has)}` alone: define both `snapshot` and `restore`, or neither")
        if not has:
            if is_stateless(made.live):
                return
            skip("it has no `snapshot` and `restore`, so all events are run again when a session starts")
        whole = self._repeatable()
        points = {0, *spread(len(whole), [number for number, said in enumerate(whole) if said is not None])}
        kept: dict[int, bytes] = {}
        watched = []
        for number, question in enumerate(self.questions()):
            if number in points:
                kept[number] = self._state(made)
            watched.append(self._asked(made, number, question))
        self._compare(whole, watched, "it answers otherwise after `snapshot()` was called: that must change nothing")
        for point, state in kept.items():
            questions = self.questions()
            anew = self.make()
            drawn, own = msgspec.msgpack.decode(state)
            restore_rng(anew.context.rng, drawn)
            try:
                anew.live.restore(own)
            except Exception as error:
                raise AssertionError(
                    f"`restore` raised {type(error).__name__} ({error}) for a snapshot taken after {point}"
                    " questions: expect lists where `snapshot` gave tuples, as MessagePack has no others"
                ) from error
            rest = [self._asked(anew, number, question) for number, question in enumerate(questions[point:], point)]
            self._compare(
                whole[point:],
                rest,
                f"restored from a snapshot taken after {point} questions, it answers otherwise: put all that it"
                " remembers into `snapshot`, and take all of it up in `restore`",
                first=point,
            )

    def test_answers_survive_the_wire(self) -> None:
        """What the part answers is of the contract's types, in plain values, the same after JSON and MessagePack."""
        made = self.make()
        for number, question in enumerate(self.questions()):
            answer = self._answered(made, number, question)
            try:
                for each in self.read(answer):
                    self.check(each)
            except (TypeError, ValueError, msgspec.ValidationError) as error:
                raise AssertionError(f"to {self.named(number, question)} it answers {answer!r:.120}: {error}") from None

    def test_answers_stay_as_they_are(self) -> None:
        """The part does not change an answer after it has given it."""
        made = self.make()
        given = []
        for number, question in enumerate(self.questions()):
            read = self._read(self._answered(made, number, question), number, question)
            given.append((question, read, _encoded(read)))
        for number, (question, read, before) in enumerate(given):
            must(
                _encoded(read) == before,
                f"the answer to {self.named(number, question)} was changed afterwards, when it may have been passed"
                " on already: give a copy of what you go on changing",
            )

    def test_answers_in_time(self) -> None:
        """No question takes longer than the budget, in seconds."""
        slow: dict[int, float] = {}
        for attempt in range(_TRIES):
            taken = self._timed()
            slow = {
                number: min(seconds, slow.get(number, seconds))
                for number, seconds in taken.items()
                if not attempt or number in slow
            }
            if not slow:
                return
        number, seconds = max(slow.items(), key=lambda item: item[1])
        raise AssertionError(
            f"{self.named(number, self.questions()[number])} took {seconds:.3f} s, in {_TRIES} attempts at least, and"
            f" {self.budget:g} s are allowed: load and compute beforehand in `initialize`, carry sums on rather than"
            " going through the past again, and wait for nothing; or set `budget`"
        )

    def seconds(self) -> float:
        """Return how many seconds a question takes on average, in the quickest of some runs."""
        return min(self._spent() for _ in range(_TRIES))

    def check(self, answer: Any) -> None:
        """Check a single answer.

        Raises:
            TypeError, ValueError: it cannot be passed on.
        """
        content = msgspec.json.encode(answer), msgspec.msgpack.encode(answer)
        for again in (
            msgspec.json.decode(content[0], type=type(answer)),
            msgspec.msgpack.decode(content[1], type=type(answer)),
        ):
            must(again == answer, f"{answer!r} is {again!r} after it was encoded and decoded: use plain values")

    # -- how they are made

    def _run(self, questions: Sequence[Any] | None = None) -> list[bytes | None]:
        """Ask a new part all questions, and return its answers in a form that compares; None for no answer."""
        made = self.make()
        return [
            self._asked(made, number, question)
            for number, question in enumerate(self.questions() if questions is None else questions)
        ]

    def _repeatable(self) -> list[bytes | None]:
        whole = self._run()
        if self._run() != whole:
            skip("it cannot be judged before it answers the same twice, see test_repeats_with_its_seed")
        return whole

    def _asked(self, made: Made, number: int, question: Any) -> bytes | None:
        return _encoded(self._read(self._answered(made, number, question), number, question))

    def _answered(self, made: Made, number: int, question: Any) -> Any:
        try:
            return self.ask(made, question)
        except Exception as error:
            raise AssertionError(
                f"{self.named(number, question)} made the part raise {type(error).__name__}: {error};"
                " answer None where there is nothing to say"
            ) from error

    def _read(self, answer: Any, number: int, question: Any) -> Sequence[Any]:
        try:
            return self.read(answer)
        except (TypeError, ValueError) as error:
            raise AssertionError(f"to {self.named(number, question)} it answers {answer!r:.120}: {error}") from None

    def _without(self, effect: Effect, advice: str) -> None:
        self._run()  # what is imported when first needed may read the clock
        module = getattr(self.factory, "__module__", None) or type(self.factory).__module__
        with observed(module) as calls:
            self._run()
        found = list(dict.fromkeys(str(call) for call in calls if call.effect == effect))
        must(not found, f"the part calls {', '.join(found[:3])}: {advice}")

    def _compare(
        self, expected: Sequence[bytes | None], got: Sequence[bytes | None], problem: str, *, first: int = 0
    ) -> None:
        questions = self.questions()
        for number, (one, other) in enumerate(zip(expected, got, strict=True), first):
            must(
                one == other, f"{self.named(number, questions[number])}: {_shown(one)}, then {_shown(other)}: {problem}"
            )

    def _state(self, made: Made) -> bytes:
        state = made.live.snapshot()
        try:
            return msgspec.msgpack.encode((rng_state(made.context.rng), state))
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            raise AssertionError(
                f"MessagePack cannot carry what `snapshot` gives ({error}): use lists, dicts, texts and numbers"
            ) from error

    def _timed(self) -> dict[int, float]:
        """Ask all questions once, and return the seconds of those that took too long."""
        made = self.make()
        slow = {}
        for number, question in enumerate(self.questions()):
            started = time.perf_counter()
            self._answered(made, number, question)
            taken = time.perf_counter() - started
            if taken > self.budget:
                slow[number] = taken
                if len(slow) == _SLOW:
                    break
        return slow

    def _spent(self) -> float:
        made, questions = self.make(), self.questions()
        started = time.perf_counter()
        for question in questions:
            self.ask(made, question)
        return (time.perf_counter() - started) / max(len(questions), 1)


def plain_number(what: str, value: Any) -> None:
    """Check that a value is a finite number of Python's own, or None.

    Raises:
        TypeError, ValueError: it is not.
    """
    if value is None:
        return
    if type(value) not in (int, float):
        raise TypeError(f"{what} is a {type(value).__name__}; make it a float")
    if not -float("inf") < value < float("inf"):
        raise ValueError(f"{what} is {value}; say nothing where there is no finite number to say")


def copies(given: Iterable[Any]) -> list[Any]:
    """Return a deep copy of what a part is given, which shares nothing with that of other parts."""
    return [deepcopy(each) for each in given]


def _encoded(answers: Sequence[Any]) -> bytes | None:
    """Return answers as bytes that differ where the answers do; None for no answer."""
    if not answers:
        return None
    # What cannot be encoded is compared by what it says of itself; that it cannot is another check's business.
    return _lenient.encode([(type(answer).__name__, answer) for answer in answers])


_lenient: Final = msgspec.msgpack.Encoder(enc_hook=repr)


def _shown(answer: bytes | None) -> str:
    if answer is None:
        return "nothing"
    said = ", ".join(f"{name} {content}" for name, content in msgspec.msgpack.decode(answer))
    return said if len(said) <= 100 else f"{said[:97]}..."
