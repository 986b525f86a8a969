import random
import re
import time

import msgspec
import pytest

from intuition_core.recordings import Page
from intuition_core.testing import SourceContract, quotes


class Good:
    """Gives the recorded quotes, in all the ways a source can."""

    class Params(msgspec.Struct, frozen=True):
        start: int | None = None
        end: int | None = None
        symbols: tuple[str, ...] = ()

    def initialize(self, params):
        self.params = params
        self.given = 0
        self.all = [event for event in self.recorded() if self.wanted(event)]

    def recorded(self):
        return quotes()

    def wanted(self, event):
        return self.after_start(event) and self.before_end(event) and self.asked_for(event)

    def after_start(self, event):
        return self.params.start is None or event["ts"] >= self.params.start

    def before_end(self, event):
        return self.params.end is None or event["ts"] < self.params.end

    def asked_for(self, event):
        return not self.params.symbols or event["sid"] in self.params.symbols

    def events(self):
        for event in self.all:
            self.given += 1
            yield dict(event)

    def batches(self):
        for at in range(0, len(self.all), 50):
            yield [dict(event) for event in self.all[at : at + 50]]

    def progress(self):
        return self.given / max(len(self.all), 1)


class Asked(Good):
    def fetch(self, sid, start, end):
        """Give ten events at most."""
        events = [event for event in self.all if event["sid"] == sid and start <= event["ts"] < end]
        return Page(events[:10], events[9]["ts"] + 1 if len(events) > 10 else end)


@pytest.mark.parametrize("part", [Good, Asked])
def test_a_good_part_passes(passes, part):
    passes(SourceContract, part=part)


class GoesBack(Good):
    def recorded(self):
        return quotes()[::-1]


class HasNoTimes(Good):
    def recorded(self):
        return [{**event, "ts": "today"} for event in quotes()]


class BeginsNowhere(Good):
    def recorded(self):
        return [{key: value for key, value in event.items() if key != "start"} for event in quotes()]


class IsEmpty(Good):
    def recorded(self):
        return []


class SkipsInBatches(Good):
    def batches(self):
        yield self.all[:50]


class GivesTextInBatches(Good):
    def batches(self):
        yield [{**event, "quote": str(event["quote"])} for event in self.all]


class RepeatsAnObject(Good):
    def batches(self):
        yield [self.all[0]] * len(self.all)


class IncludesEnd(Good):
    def before_end(self, event):
        return self.params.end is None or event["ts"] <= self.params.end


class ExcludesStart(Good):
    def after_start(self, event):
        return self.params.start is None or event["ts"] > self.params.start


class KnowsTheEnd(Good):
    """Gives prices as parts of the last one, as those do who adjust them for what came later."""

    def events(self):
        last = {event["sid"]: event["quote"] for event in self.all}
        if self.params.symbols:
            last = {event["sid"]: event["quote"] for event in quotes()}
        for event in self.all:
            yield {**event, "quote": event["quote"] / last[event["sid"]]}

    batches = None


class IgnoresSymbols(Good):
    def asked_for(self, event):
        return True


class DrawsNoise(Good):
    def events(self):
        rng = random.Random()  # the fault
        for event in self.all:
            yield {**event, "noise": rng.random()}

    batches = None
    initialize_params = None

    class Params(msgspec.Struct, frozen=True):
        pass

    def wanted(self, event):
        return True


class SharesNoise(Good):
    def events(self):
        random.random()
        return super().events()


class StampsNow(Good):
    def initialize(self, params):
        super().initialize(params)
        self.read_at = time.time_ns()


class ProgressesBackwards(Good):
    def progress(self):
        return 1 - super().progress()


class SkipsInPages(Asked):
    def fetch(self, sid, start, end):
        page = super().fetch(sid, start, end)
        return page._replace(events=page.events[1:])


class PagesNeverEnd(Asked):
    def fetch(self, sid, start, end):
        return Page([], start)


class PagesBeginEarly(Asked):
    def fetch(self, sid, start, end):
        return super().fetch(sid, start - 10**15, end)


@pytest.mark.parametrize(
    ("part", "check", "says"),
    [
        (SkipsInPages, "test_pages_are_the_events", "other events than"),
        (PagesNeverEnd, "test_pages_are_the_events", "asking never ends"),
        (PagesBeginEarly, "test_pages_are_the_events", "events of other times"),
        (BeginsNowhere, "test_bars_say_when_they_began", "say when the bar began"),
        (SkipsInBatches, "test_batches_are_the_events", "gives 50 events, and `events"),
        (GivesTextInBatches, "test_batches_are_the_events", "nobody normalises"),
        (RepeatsAnObject, "test_batches_are_the_events", "a dict of its own"),
        (IncludesEnd, "test_start_and_end_are_honoured", "which is not included"),
        (ExcludesStart, "test_start_and_end_are_honoured", "which is included"),
        (KnowsTheEnd, "test_start_and_end_are_honoured", "knows what comes later"),
        (IgnoresSymbols, "test_symbols_are_honoured", "symbols"),
        (DrawsNoise, "test_reads_the_same_again", "other events"),
        (SharesNoise, "test_no_global_randomness", "random.random"),
        (StampsNow, "test_no_wall_clock", "time.time_ns"),
        (ProgressesBackwards, "test_progress_is_a_fraction", "from 0 to 1"),
    ],
)
def test_each_fault_fails_its_check_alone(fails_only, part, check, says):
    message = fails_only(SourceContract, check, part=part)
    assert re.search(says, message, re.DOTALL), message


@pytest.mark.parametrize(
    ("part", "check", "says"),
    [
        (GoesBack, "test_time_never_goes_back", "in the order of time"),
        (HasNoTimes, "test_events_can_be_read", "cannot be read: ts"),
        (IsEmpty, "test_events_can_be_read", "it gives no events"),
    ],
)
def test_what_cannot_be_read_is_told(part, check, says):
    contract = type("Contract", (SourceContract,), {"part": part})
    with pytest.raises(AssertionError, match=says):
        getattr(contract(), check)()
