import re
from collections import deque
from typing import Annotated

import msgspec
import pytest

from intuition_core.contracts import Message, Signal
from intuition_core.testing import IndicatorContract


class Good:
    """The mean of the last quotes of a symbol."""

    class Params(msgspec.Struct, frozen=True):
        window: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 5

    def initialize(self, params, context):
        self.window = params.window
        self.quotes: dict[str, deque[float]] = {}
        return ["quotes"]

    def event(self, data):
        window = self.quotes.setdefault(data["sid"], deque(maxlen=self.window))
        window.append(data["quote"])
        return self.say(data["sid"], window) if self.full(window) else None

    def full(self, window):
        return len(window) == self.window

    def say(self, sid, window):
        return Message("mean", {"sid": sid, "value": sum(window) / len(window)})

    def snapshot(self):
        return {sid: list(window) for sid, window in self.quotes.items()}

    def restore(self, state):
        self.quotes = {sid: deque(window, maxlen=self.window) for sid, window in state.items()}


def test_a_good_part_passes(passes):
    passes(IndicatorContract, part=Good)
    passes(IndicatorContract, part=Good, warmup=5)


class SpeaksEarly(Good):
    def full(self, window):
        return True


class NeverSpeaks(Good):
    def full(self, window):
        return False


class Advises(Good):
    def say(self, sid, window):
        return Signal(sid, "buy", window[-1])


class LooksLikePrices(Good):
    def say(self, sid, window):
        return Message("quotes", {"sid": sid, "quote": window[-1]})


class SaysNumber(Good):
    def say(self, sid, window):
        return Message("mean", [1.5])


class SaysInfinity(Good):
    def say(self, sid, window):
        return Message("mean", {"sid": sid, "value": float("inf")})


class SumsUp(Good):
    """Keeps one sum for all symbols, and does not put it into its snapshot."""

    def initialize(self, params, context):
        self.total = 0.0
        return super().initialize(params, context)

    def say(self, sid, window):
        self.total += window[-1]
        return Message("mean", {"sid": sid, "value": self.total})


@pytest.mark.parametrize(
    ("part", "check", "says"),
    [
        (SpeaksEarly, "test_silent_until_full", "from 1 of the 5 that it needs"),
        (NeverSpeaks, "test_says_something", "shorter window"),
        (Advises, "test_answers_survive_the_wire", "an indicator gives Messages"),
        (LooksLikePrices, "test_answers_survive_the_wire", "look like a price"),
        (SaysInfinity, "test_answers_survive_the_wire", "finite number|is inf"),
        (SumsUp, "test_goes_on_from_any_snapshot", "all that it remembers"),
    ],
)
def test_each_fault_fails_its_check_alone(fails_only, part, check, says):
    message = fails_only(IndicatorContract, check, part=part)
    assert re.search(says, message, re.DOTALL), message


def test_a_message_that_is_no_mapping_is_told():
    class Contract(IndicatorContract):
        part = SaysNumber

    with pytest.raises(AssertionError, match="a mapping, such as"):
        Contract().test_answers_survive_the_wire()
