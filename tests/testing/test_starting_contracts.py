"""The contracts of what is asked once at the start: tables of instruments, and trading calendars."""

import random
import re
import time
from decimal import Decimal
from typing import Annotated, ClassVar

import msgspec
import pytest

from intuition_core.testing import CalendarContract, InstrumentsContract

DAY = 86_400 * 10**9
HOUR = 3_600 * 10**9
MONDAY = 1_704_067_200 * 10**9  # the first of January 2024


class Futures:
    """Gives some futures."""

    class Params(msgspec.Struct, frozen=True):
        months: Annotated[str, msgspec.Meta(min_length=1, pattern="^[A-Z]+$")] = "HMUZ"

    def initialize(self, params):
        self.months = params.months

    def instruments(self):
        yield {"symbol": "SAP", "currency": "EUR", "tick": 0.02, "calendar": "XETR"}
        for month in dict.fromkeys(self.months):
            yield {"symbol": f"ES{month}6", "currency": "USD", "lot": 1, "tick": "0.25", "multiplier": Decimal(50)}


class Bare:
    """Gives some stocks, and takes no parameters."""

    def instruments(self):
        yield {"symbol": "SAP", "currency": "EUR", "tick": 0.02, "calendar": "XETR"}
        yield {"symbol": "IBM"}


class IsEmpty(Bare):
    def instruments(self):
        return []


class Breaks(Bare):
    def instruments(self):
        raise RuntimeError("the file is gone")


class GivesNothing(Bare):
    def instruments(self):
        return None


class GivesTexts(Bare):
    def instruments(self):
        return ["SAP"]


class Misspells(Bare):
    def instruments(self):
        yield {"symbol": "SAP", "curency": "EUR"}


class SaysTwice(Bare):
    def instruments(self):
        yield from [*super().instruments(), {"symbol": "SAP"}]


class Rounds(Bare):
    def instruments(self):
        yield {"symbol": "SAP", "tick": 0.1 * 3}


class Shuffles(Bare):
    turns: ClassVar[list[int]] = []

    def instruments(self):
        self.turns.append(1)
        rows = [*super().instruments()]
        return rows[:: -1 if len(self.turns) % 2 else 1]


class Forgets(Bare):
    turns: ClassVar[list[int]] = []

    def instruments(self):
        self.turns.append(1)
        return [*super().instruments()][len(self.turns) % 2 :]


class DrawsLots(Bare):
    def instruments(self):
        self.luck = random.random()
        return super().instruments()


class WantsContext(Bare):
    def initialize(self, params, context):
        pass


class TakesAnyMonths(Futures):
    class Params(msgspec.Struct, frozen=True):
        months: str = "HMUZ"

    def instruments(self):
        return [{"symbol": f"ES{'HMUZ'.index(month)}"} for month in dict.fromkeys(self.months)]


@pytest.mark.parametrize("part", [Futures, Bare])
def test_good_tables_pass(passes, part):
    passes(InstrumentsContract, part=part)


@pytest.mark.parametrize(
    ("part", "check", "says"),
    [
        (IsEmpty, "test_rows_can_be_read", "gives no instruments"),
        (Breaks, "test_rows_can_be_read", "the file is gone; give an iterable of rows"),
        (GivesNothing, "test_rows_can_be_read", "'NoneType' object is not iterable; give an iterable"),
        (GivesTexts, "test_rows_can_be_read", "row 1 is 'SAP': give a mapping"),
        (Misspells, "test_rows_can_be_read", "row 1: `curency`: unknown; did you mean `currency`"),
        (SaysTwice, "test_rows_can_be_read", "row 3: `symbol`: SAP is in row 1 too"),
        (Rounds, "test_numbers_are_exact", r"`tick` is 0\.30000000000000004.*give text or a Decimal"),
        (Shuffles, "test_gives_the_same_again", "keep the order"),
        (Forgets, "test_gives_the_same_again", "draw nothing|from another part"),
        (DrawsLots, "test_no_global_randomness", r"random\.random"),
        (WantsContext, "test_initialize_takes_parameters_alone", r"define `initialize\(self, params\)`"),
        (TakesAnyMonths, "test_bad_parameters_are_refused", "say which values are possible"),
    ],
)
def test_each_fault_of_a_table_fails_its_check_alone(fails_only, part, check, says):
    message = fails_only(InstrumentsContract, check, part=part)
    assert re.search(says, message, re.DOTALL), message


class Weekdays:
    """Opens on weekdays from 8 to 17, with a break at noon."""

    def names(self):
        return ["WEEKDAYS", "LATE"]

    def sessions(self, name):
        begin = {"WEEKDAYS": 8, "LATE": 10}.get(name)
        if begin is None:
            raise LookupError(f"no calendar is called `{name}`; there are WEEKDAYS and LATE")
        for day in range(260):
            midnight = MONDAY + (day + day // 5 * 2) * DAY
            yield midnight + begin * HOUR, midnight + 17 * HOUR

    def breaks(self, name):
        return [(opened + 3 * HOUR, opened + 4 * HOUR) for opened, _ in self.sessions(name)]


class NewYork(Weekdays):
    """Says nothing about names, and has one of the common ones."""

    names = None
    breaks = None

    def sessions(self, name):
        if name != "XNYS":
            raise LookupError("XNYS is all there is")
        return super().sessions("WEEKDAYS")


class NeverOpens(Weekdays):
    def sessions(self, name):
        return [*super().sessions(name)][:0]

    def breaks(self, name):
        return []


class GoesBack(Weekdays):
    def sessions(self, name):
        return [*super().sessions(name)][::-1]


class Overlaps(Weekdays):
    def sessions(self, name):
        return [(opened, closed + DAY) for opened, closed in super().sessions(name)]


class GivesFloats(Weekdays):
    def sessions(self, name):
        return [(opened / 1, closed / 1) for opened, closed in super().sessions(name)]


class GivesTriples(Weekdays):
    def sessions(self, name):
        return [(opened, closed, "day") for opened, closed in super().sessions(name)]


class GivesSeconds(Weekdays):
    breaks = None

    def sessions(self, name):
        return [(opened // 10**9, closed // 10**9) for opened, closed in super().sessions(name)]


class GivesMicroseconds(GivesSeconds):
    def sessions(self, name):
        return [(opened * 10**6, closed * 10**6) for opened, closed in super().sessions(name)]


class LostItsOwn(Weekdays):
    def names(self):
        return ["EARLY"]


class PausesAfterClosing(Weekdays):
    def breaks(self, name):
        return [(opened, closed + HOUR) for opened, closed in super().sessions(name)]


class PausesBeforeOpening(Weekdays):
    def breaks(self, name):
        return [(opened - 2 * HOUR, opened - HOUR) for opened, _ in super().sessions(name)]


class PausesBackwards(Weekdays):
    def breaks(self, name):
        return [*super().breaks(name)][::-1]


class PausesInFloats(Weekdays):
    def breaks(self, name):
        return [(begun / 1, ended / 1) for begun, ended in super().breaks(name)]


class EndsElsewhere(Weekdays):
    turns: ClassVar[list[int]] = []

    def sessions(self, name):
        yield from [*super().sessions(name)][len(self.turns) % 2 :]
        self.turns.append(1)

    breaks = None


class ReadsClock(Weekdays):
    def sessions(self, name):
        self.asked_at = time.time()
        return super().sessions(name)


class DrawsHours(Weekdays):
    def sessions(self, name):
        self.luck = random.random()
        return super().sessions(name)


class KnowsAll(Weekdays):
    def sessions(self, name):
        return super().sessions("WEEKDAYS")


class RaisesValueError(Weekdays):
    def sessions(self, name):
        if name not in self.names():
            raise ValueError("no such")
        return super().sessions(name)


class SaysNothing(Weekdays):
    def sessions(self, name):
        dict.fromkeys(self.names(), 1)[name]
        return super().sessions(name)


class AsksForContext(Weekdays):
    def initialize(self, params, context):
        pass


class NeedsParameter(Weekdays):
    class Params(msgspec.Struct, frozen=True):
        zone: Annotated[int, msgspec.Meta(ge=-12, le=14)]

    def initialize(self, params):
        pass


@pytest.mark.parametrize(
    ("part", "attributes"), [(Weekdays, {}), (Weekdays, {"calendars": ("LATE",)}), (NewYork, {}), (EndsElsewhere, None)]
)
def test_good_calendars_pass(passes, part, attributes):
    if attributes is None:  # so that the fault below is the fault
        part, attributes = type("Fixed", (part,), {"sessions": Weekdays.sessions}), {}
    passes(CalendarContract, part=part, **attributes)


@pytest.mark.parametrize(
    ("part", "check", "says"),
    [
        (NeverOpens, "test_sessions_are_in_order", "gives none"),
        (GoesBack, "test_sessions_are_in_order", "before the one before it closes.*in order"),
        (Overlaps, "test_sessions_are_in_order", "each closed before the next opens"),
        (GivesFloats, "test_sessions_are_in_order", "pairs of `int`"),
        (GivesTriples, "test_sessions_are_in_order", "pairs of `int`"),
        (GivesSeconds, "test_sessions_are_in_order", "around the first of January 1970.*nanoseconds UTC"),
        (GivesMicroseconds, "test_sessions_are_in_order", "around the first of January 1970"),
        (LostItsOwn, "test_sessions_are_in_order", "no calendar is called `EARLY`"),
        (PausesAfterClosing, "test_breaks_are_within_sessions", "not within a session"),
        (PausesBeforeOpening, "test_breaks_are_within_sessions", "not within a session"),
        (PausesBackwards, "test_breaks_are_within_sessions", "`breaks`: .*a break opens at"),
        (PausesInFloats, "test_breaks_are_within_sessions", "`breaks.*pairs of `int`"),
        (EndsElsewhere, "test_gives_the_same_again", "a replay must see what the run saw"),
        (ReadsClock, "test_no_wall_clock", r"time\.time.*two fixed days"),
        (DrawsHours, "test_no_global_randomness", r"random\.random"),
        (KnowsAll, "test_unknown_names_are_refused", "gives 260 sessions: raise `LookupError`"),
        (RaisesValueError, "test_unknown_names_are_refused", "make it a `LookupError`"),
        (SaysNothing, "test_unknown_names_are_refused", "KeyError without a word"),
        (AsksForContext, "test_initialize_takes_parameters_alone", r"define `initialize\(self, params\)`"),
        (NeedsParameter, "test_works_without_parameters", "it needs `zone`.*give each a default"),
    ],
)
def test_each_fault_of_a_calendar_fails_its_check_alone(fails_only, part, check, says):
    message = fails_only(CalendarContract, check, part=part, params={"zone": 1} if part is NeedsParameter else {})
    assert re.search(says, message, re.DOTALL), message


def test_a_calendar_of_which_no_name_is_known_is_not_judged(passes):
    class Mute(Weekdays):
        names = None

    passes(CalendarContract, part=Mute)
    with pytest.raises(BaseException, match="set `calendars`") as caught:
        type("Checked", (CalendarContract,), {"part": Mute})().test_sessions_are_in_order()
    assert type(caught.value).__name__ == "SkipTest"
