"""The contract of indicators as tests to subclass."""

from collections import Counter
from collections.abc import Mapping
from typing import Any, ClassVar

from intuition_core.contracts import Message
from intuition_core.data import DEFAULT_CHANNEL
from intuition_core.params.checking import json_params
from intuition_core.testing.asked import plain_number
from intuition_core.testing.contract import must, skip
from intuition_core.testing.listening import ListeningContract


class IndicatorContract(ListeningContract):
    """The checks of an indicator.

    ::

        class TestMyIndicator(IndicatorContract):
            part = MyIndicator
            params = {"window": 20}

    Attributes:
        warmup: the events of a symbol that it needs before it can say anything; its parameter ``window`` where None.
    """

    kind: ClassVar[str] = "indicator"
    warmup: ClassVar[int | None] = None

    def check(self, answer: Any) -> None:
        """Check a message: a mapping whose numbers are finite, on a channel that the indicator does not hear."""
        if not isinstance(answer, Message):
            raise TypeError("an indicator gives Messages; a Signal is an algorithm's")
        super().check(answer)
        if answer.channel in (DEFAULT_CHANNEL, *self.channels()):
            problem = "look like a price" if answer.channel == DEFAULT_CHANNEL else "answer itself"
            raise ValueError(
                f"on `{answer.channel}` it would {problem}; speak on a channel of its own, such as `context.name`"
            )
        if not isinstance(answer.data, Mapping):
            raise TypeError('an indicator\'s message is a mapping, such as {"sid": sid, "value": 1.5}')
        for name, value in answer.data.items():
            if not isinstance(value, str | bool):
                plain_number(f"its {name}", value)

    def test_says_something(self) -> None:
        """The indicator has a value within the events of the contract."""
        must(
            any(said is not None for said in self._run()),
            "it said nothing at all: set `params` to a shorter window, or `quotes` to events that it has a value for",
        )

    def test_silent_until_full(self) -> None:
        """The first value of a symbol comes when there are enough events of it, and not before."""
        made, seen = self.make(), Counter[Any]()
        least = self._least()
        for number, question in enumerate(self.questions()):
            seen[question.get("sid")] += 1
            for message in self.read(self.ask(made, question)):
                sid = message.data.get("sid") if isinstance(message, Message) else None
                count = seen.total() if sid is None else seen[sid]
                must(
                    count >= least,
                    f"at {self.named(number, question)} it gives a value of {sid} from {count} of the {least} that"
                    " it needs: answer None until the window is full",
                )

    def _least(self) -> int:
        if self.warmup is not None:
            return self.warmup
        window = json_params(self.parameters()).get("window")
        if not isinstance(window, int):
            skip("how many events it needs is not known; set `warmup` in this class")
        return window
