import gc
import random
import re
import time
from datetime import datetime
from decimal import Decimal
from random import Random
from typing import Annotated, Any, ClassVar

import msgspec
import pytest

from intuition_core.contracts import Cancel, Message, Signal
from intuition_core.testing import AlgorithmContract, quotes


class Params(msgspec.Struct, frozen=True):
    every: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 3


class Good:
    """Buys at every third quote, more or less: it also draws."""

    Params = Params

    def initialize(self, params, context):
        self.every = params.every
        self.rng = context.rng
        self.count = 0
        return ["quotes"]

    def event(self, data):
        self.count += 1
        if self.count % self.every or self.rng.random() < 0.3:
            return None
        return Signal(data["sid"], "buy", data["quote"])

    def snapshot(self):
        return {"count": self.count}

    def restore(self, state):
        self.count = state["count"]


def test_a_good_part_passes(passes):
    passes(AlgorithmContract, part=Good)
    passes(AlgorithmContract, part=Good, params={"every": 1})


def test_a_function_can_make_the_part(passes):
    def make() -> Good:
        return Good()

    make.Params = Params  # type: ignore[attr-defined]  # as on a class
    passes(AlgorithmContract, part=make)


class OneChannelAsText(Good):
    def initialize(self, params, context):
        super().initialize(params, context)
        return ["quotes", "quotes"]


class UnpacksAllFields(Good):
    def event(self, data):
        known = {"channel", "sid", "quote", "ts", "open", "high", "low", "close", "volume", "start", "nested"}
        return super().event(data) if known.issuperset(data) else None


class NeedsVolume(Good):
    def event(self, data):
        return super().event(data) if data["volume"] else None


class Mutates(Good):
    def event(self, data):
        data["seen"] = True
        return super().event(data)


class MutatesDeeply(Good):
    def event(self, data):
        data.get("nested", {}).get("levels", []).append(3)
        return super().event(data)


class ReadsClock(Good):
    def event(self, data):
        self.asked_at = time.time()
        return super().event(data)


class ReadsDate(Good):
    def initialize(self, params, context):
        self.day = datetime.now().astimezone()
        return super().initialize(params, context)


class SeedsAll(Good):
    def initialize(self, params, context):
        random.seed(3)
        return super().initialize(params, context)

    def event(self, data):
        self.jitter = random.uniform(0, 1)
        return super().event(data)


class DrawsFromNumpy(Good):
    def event(self, data):
        numpy = pytest.importorskip("numpy")
        self.jitter = numpy.random.rand()
        return super().event(data)


class HasOwnGenerator(Good):
    def initialize(self, params, context):
        super().initialize(params, context)
        self.rng = Random()


class Peeks(Good):
    """Finds the list that the event is in, and looks whether more will come."""

    def event(self, data):
        self.count += 1
        if self.count == 100:
            for holder in gc.get_referrers(data):
                if isinstance(holder, list) and any(each is data for each in holder[:-1]):
                    return Signal(data["sid"], "buy", data["quote"])
        return None


class ForgetsCount(Good):
    def restore(self, state):
        pass


class CannotRestore(Good):
    restore = None


class KeepsSet(Good):
    def snapshot(self):
        return {"count": self.count, "type": Good}


class CountsSnapshots(Good):
    def snapshot(self):
        self.count += 1
        return super().snapshot()


class Fraction(float):
    pass


class SaysFraction(Good):
    def event(self, data):
        signal = super().event(data)
        return signal and Signal(signal.sid, signal.side, signal.quote, probability=Fraction(0.5), win=1.0, loss=1.0)


class SaysNan(Good):
    def event(self, data):
        signal = super().event(data)
        return signal and Signal(signal.sid, signal.side, float("nan"))


class SaysDecimal(Good):
    def event(self, data):
        return Message("mine", {"value": Decimal("1.5")})


class HoldsShort(Good):
    def event(self, data):
        signal = super().event(data)
        return signal and Signal(signal.sid, "short", signal.quote)  # type: ignore[arg-type]  # the fault


HOUR = 3_600_000_000_000


class Trades(Good):
    """Uses all that can be said about an order."""

    def event(self, data):
        signal = super().event(data)
        if signal is None:
            return Cancel(data["sid"], "dip") if self.count % 2 else None
        until = data["ts"] + HOUR
        limit = msgspec.structs.replace(signal, limit=data["quote"] - 1, tif="ioc", until=until, tag="dip")
        return [Cancel(), limit, msgspec.structs.replace(signal, side="sell", stop=data["quote"] * 0.9, tif="day")]


def trading(**terms):
    """Make an algorithm whose signals are on such terms."""

    class Fault(Good):
        def event(self, data):
            signal = super().event(data)
            return signal and msgspec.structs.replace(signal, **terms)

    return Fault


def cancelling(*names):
    """Make an algorithm that takes back orders with such a symbol and tag."""

    class Fault(Good):
        def event(self, data):
            return None if super().event(data) is None else Cancel(*names)

    return Fault


def test_a_part_that_says_how_to_trade_passes(passes):
    passes(AlgorithmContract, part=Trades)


@pytest.mark.parametrize(
    ("part", "says"),
    [
        (trading(limit=float("nan")), "its limit is nan; say nothing"),
        (trading(stop=float("inf")), "its stop is inf"),
        (trading(limit=1e300), "a signal's limit is a price from"),
        (trading(limit=Decimal("99.5")), "its limit is a Decimal; make it a float"),
        (trading(stop="95"), "its stop is a str"),
        (trading(tif="gtd"), "tif is one of gtc, day, ioc, fok"),
        (trading(tif=None), "tif is one of"),
        (trading(until=1.5e18), "until is a time in nanoseconds UTC, not float"),
        (trading(tag=""), "tag is 1 to 64 characters, not 0"),
        (trading(tag="x" * 65), "tag is 1 to 64 characters, not 65"),
        (trading(tag=7), "tag is text, not int 7"),
        (cancelling("IBM", 7), "a Cancel's tag is text, not int 7"),
        (cancelling(None, ""), "a Cancel's tag is 1 to 64 characters"),
        (cancelling(7), "expected text, got .*number"),
        (cancelling(""), "expected 1 to 128 printable characters"),
    ],
)
def test_each_fault_in_how_to_trade_fails_alone(fails_only, part, says):
    message = fails_only(AlgorithmContract, "test_answers_survive_the_wire", part=part)
    assert re.search(says, message, re.DOTALL), message


@pytest.mark.parametrize("until", [0, 3600, 1_215_000_000, -1])
def test_an_order_that_is_over_before_it_begins_is_told(fails_only, until):
    message = fails_only(AlgorithmContract, "test_orders_have_time_to_fill", part=trading(until=until))
    assert "a time, not a span, in nanoseconds UTC" in message


def test_the_end_of_an_order_is_after_its_event(fails_only, passes):
    class UntilNow(Good):
        def event(self, data):
            signal = super().event(data)
            return signal and msgspec.structs.replace(signal, until=data["ts"] + late)

    late = 0
    fails_only(AlgorithmContract, "test_orders_have_time_to_fill", part=UntilNow)
    late = 1
    passes(AlgorithmContract, part=UntilNow)


class Repaints(Good):
    def initialize(self, params, context):
        self.said: list[float] = []
        return super().initialize(params, context)

    def event(self, data):
        self.said.append(data["quote"])
        del self.said[:-3]
        return Message("mine", self.said)

    def snapshot(self):
        return {"count": self.count, "said": self.said}

    def restore(self, state):
        super().restore(state)
        self.said = state["said"]


class SharesCounts(Good):
    counts: ClassVar[dict[str, int]] = {}

    def initialize(self, params, context):
        self.counts.clear()
        return super().initialize(params, context)

    def event(self, data):
        self.counts[data["sid"]] = self.counts.get(data["sid"], 0) + 1
        return None if self.counts[data["sid"]] % 4 else super().event(data)

    def snapshot(self):
        return {"count": self.count, "counts": dict(self.counts)}

    def restore(self, state):
        super().restore(state)
        self.counts.update(state["counts"])


class Unbounded(Good):
    class Params(msgspec.Struct, frozen=True):
        every: int = 3


class Untyped(Good):
    class Params(msgspec.Struct, frozen=True):
        every: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 3
        symbols: Any = None


class OddParams(Good):
    class Params:
        every = 3

    def initialize(self, params, context):
        return super().initialize(Params(), context)


class RefusesMutely(Good):
    class Params(msgspec.Struct, frozen=True):
        every: int = 3

    def initialize(self, params, context):
        if params.every < 1:
            raise ValueError
        return super().initialize(params, context)


class SleepsAtTimes(Good):
    def event(self, data):
        if self.count == 50:
            time.sleep(0.05)
        return super().event(data)


@pytest.mark.parametrize(
    ("part", "check", "says"),
    [
        (OneChannelAsText, "test_channels_are_well_formed", "twice"),
        (UnpacksAllFields, "test_unknown_fields_make_no_difference", "by name"),
        (NeedsVolume, "test_optional_fields_may_be_missing", "data.get"),
        (Mutates, "test_input_is_not_changed", "copy what you change"),
        (MutatesDeeply, "test_input_is_not_changed", "copy what you change"),
        (ReadsClock, "test_no_wall_clock", r"time\.time` at test_algorithm_contract\.py:\d+.*`ts`"),
        (ReadsDate, "test_no_wall_clock", r"datetime\.now"),
        (SeedsAll, "test_no_global_randomness", r"random\.seed.*context\.rng"),
        (DrawsFromNumpy, "test_no_global_randomness", r"numpy\.random.*context\.rng"),
        (HasOwnGenerator, "test_repeats_with_its_seed", "context.rng"),
        (Peeks, "test_no_look_ahead", "still to come"),
        (ForgetsCount, "test_goes_on_from_any_snapshot", "all that it remembers"),
        (CannotRestore, "test_goes_on_from_any_snapshot", "define both"),
        (KeepsSet, "test_goes_on_from_any_snapshot", "MessagePack cannot carry"),
        (CountsSnapshots, "test_goes_on_from_any_snapshot", "must change nothing"),
        (SaysFraction, "test_answers_survive_the_wire", "its probability is a Fraction; make it a float"),
        (SaysNan, "test_answers_survive_the_wire", "say nothing where there is no finite number"),
        (SaysDecimal, "test_answers_survive_the_wire", "plain values"),
        (HoldsShort, "test_answers_survive_the_wire", "`buy` or `sell`"),
        (Repaints, "test_answers_stay_as_they_are", "give a copy"),
        (SharesCounts, "test_parts_share_nothing", "set in `initialize`"),
        (Unbounded, "test_bad_parameters_are_refused", r"`every = 0` is taken.*msgspec\.Meta"),
        (Untyped, "test_bad_parameters_are_refused", "`symbols` of `Params` takes anything"),
        (RefusesMutely, "test_bad_parameters_are_refused", "`every = -1` is refused without a word|say which values"),
        (SleepsAtTimes, "test_answers_in_time", r"event 51 .* took 0\.0"),
    ],
)
def test_each_fault_fails_its_check_alone(fails_only, part, check, says):
    message = fails_only(AlgorithmContract, check, part=part, budget=1.0 if part is Peeks else 0.02)
    assert re.search(says, message, re.DOTALL), message


@pytest.mark.parametrize(
    ("answer", "says"), [("quotes", "give a list of channels"), ([7], "a channel 7"), (["a#"], "a channel 'a#'")]
)
def test_channels_that_are_none_are_told(answer, says):
    class Odd(Good):
        def initialize(self, params, context):
            super().initialize(params, context)
            return answer

    class Contract(AlgorithmContract):
        part = Odd

    with pytest.raises(AssertionError, match=says):
        Contract().test_channels_are_well_formed()


def test_a_part_that_hears_nothing_is_told_so(fails_only, passes):
    class Hears(Good):
        def initialize(self, params, context):
            super().initialize(params, context)
            return ["sma"]

    message = fails_only(AlgorithmContract, "test_channels_are_well_formed", part=Hears)
    assert "set `quotes`" in message
    values = [{"channel": "sma", "sid": "IBM", "quote": 1.5, "ts": ts} for ts in range(30)]
    passes(AlgorithmContract, part=Hears, quotes=values)


def test_a_class_without_methods_is_told_so():
    class Contract(AlgorithmContract):
        part = object

    with pytest.raises(AssertionError, match="defines `initialize`, `event`"):
        Contract().test_has_its_methods()


def test_a_contract_without_a_part_is_told_so():
    with pytest.raises(AssertionError, match="set `part = MyPart`"):
        AlgorithmContract().test_has_its_methods()


def test_params_of_no_known_class_are_told():
    class Contract(AlgorithmContract):
        part = OddParams

    with pytest.raises(AssertionError, match="make it a msgspec Struct"):
        Contract().test_bad_parameters_are_refused()


def test_logging_may_read_the_clock(passes):
    class Logs(Good):
        def initialize(self, params, context):
            self.log = context.log
            return super().initialize(params, context)

        def event(self, data):
            self.log.warning("a quote of %s", data["sid"])
            return super().event(data)

    passes(AlgorithmContract, part=Logs)


def test_the_recorded_quotes_are_the_callers_own():
    first = quotes()
    first[0]["quote"] = -1
    assert quotes()[0]["quote"] == 119.27
    assert len(first) == 260
    assert [event["ts"] for event in first] == sorted(event["ts"] for event in first)
    assert {event["sid"] for event in first} == {"IBM", "MSFT"}
