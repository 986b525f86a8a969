"""What a unit is worth, in which currency; what day it is; and what changes that."""

from decimal import Context, Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intuition_core.account.actions import Booked, Dividend, Split, read_action
from intuition_core.account.hours import BadHours, Hours
from intuition_core.account.instruments import Instrument
from intuition_core.account.market import DAY, Market, NoCalendar, NoCurrency, NoRate, read_rate
from intuition_core.errors import BadData

HOUR = DAY // 24
CODES = ("EUR", "USD", "JPY", "GBP")
codes = st.sampled_from(CODES)
quotes = st.floats(1e-6, 1e6).filter(bool)
pairs = st.tuples(codes, codes).filter(lambda pair: pair[0] != pair[1])


def euro(*instruments: Instrument, **more: Any) -> Market:
    return Market(currency="EUR", instruments=instruments, **more)


DOLLAR = Instrument(symbol="US", currency="USD", lot=Decimal(1), tick=Decimal("0.01"))
FUTURE = Instrument(symbol="FUT", currency="USD", multiplier=Decimal(50))


def test_without_instruments_everything_is_plain() -> None:
    market = Market(step=Decimal("0.5"))
    assert not market.has_instruments
    assert market.unit("A", Decimal("1.1")) == Decimal("1.1")
    assert (market.step("A"), market.grain("A"), market.tick("A")) == (Decimal("0.5"), Decimal("0.5"), None)
    assert market.value("A") is None
    market.marks["A"] = 0.1
    assert (market.value("A"), market.worth("A", Decimal(-3))) == (Decimal("0.1"), Decimal("-0.3"))
    assert market.is_open("A", 0)


def test_a_unit_is_worth_its_price_times_the_multiplier_times_the_rate() -> None:
    market = euro(DOLLAR, FUTURE, Instrument(symbol="DE", currency="EUR", multiplier=Decimal(2)))
    market.rate(read_rate({"sid": "USD/EUR", "quote": 0.9}))
    assert market.has_instruments
    assert market.unit("US", Decimal("10.1")) == Decimal("9.09")
    assert market.unit("FUT", Decimal("10.1")) == Decimal("454.5")
    assert market.convert("FUT", Decimal("10.1")) == Decimal("9.09")
    assert market.unit("DE", Decimal("10.1")) == Decimal("20.2")
    assert market.unit("never heard of", Decimal("10.1")) == Decimal("10.1")
    assert (market.step("US"), market.tick("US"), market.step("FUT")) == (1, Decimal("0.01"), Decimal("1e-8"))
    assert market.grain("US") == Decimal("1e-8")


def test_without_a_rate_nothing_is_counted_and_it_says_which_one_is_missing() -> None:
    market = euro(DOLLAR)
    market.marks["US"] = 10.0
    with pytest.raises(
        NoRate, match=r"US is quoted in USD and no rate of USD and EUR is known yet; .* `rates` as USD/EUR"
    ) as caught:
        market.unit("US", Decimal(1))
    assert (caught.value.sid, caught.value.currency, caught.value.account) == ("US", "USD", "EUR")
    assert (market.value("US"), market.worth("US", Decimal(1))) == (None, None)


def test_an_inverse_is_rounded_once_to_fifteen_digits() -> None:
    market = euro(DOLLAR)
    market.rate(read_rate({"sid": "EUR/USD", "quote": 1.08}))
    assert market.unit("US", Decimal(1)) == Decimal("0.925925925925926")
    market.rate(read_rate({"sid": "EUR/USD", "quote": 0.00001}))
    assert market.unit("US", Decimal(1)) == 100_000
    market.rate(read_rate({"sid": "EUR/USD", "quote": 3e9}))
    assert market.unit("US", Decimal(3)) == Decimal("9.99999999999999E-10")


@given(story=st.lists(st.tuples(pairs, quotes), max_size=12))
def test_rates_are_the_latest_of_each_pair_directly_or_through_one_other(story: list[Any]) -> None:
    market = euro(*(Instrument(symbol=code, currency=code) for code in CODES))
    latest: dict[tuple[str, str], Fraction] = {}
    for (base, other), quote in story:
        market.rate(read_rate({"sid": f"{base}/{other}", "quote": quote}))
        latest[base, other] = Fraction(str(quote))
        latest[other, base] = Fraction(f"{Context(prec=60).divide(1, Decimal(str(quote))):.14e}")
    for code in CODES:
        through = sorted(each for each in CODES if (code, each) in latest and (each, "EUR") in latest)
        if code == "EUR":
            expected: Fraction | None = Fraction(1)
        elif (code, "EUR") in latest:
            expected = latest[code, "EUR"]
        else:
            expected = latest[code, through[0]] * latest[through[0], "EUR"] if through else None
        if expected is None:
            with pytest.raises(NoRate):
                market.unit(code, Decimal(7))
        else:
            assert market.unit(code, Decimal(7)) == 7 * expected
    again = euro(*(Instrument(symbol=code, currency=code) for code in CODES))
    again.restore(market.snapshot())
    assert again.snapshot() == market.snapshot()
    for code in CODES:
        again.marks[code] = market.marks[code] = 3.0
        assert again.value(code) == market.value(code)


def test_pairs_that_nobody_needs_are_forgotten() -> None:
    market = euro(DOLLAR)
    market.rate(read_rate({"sid": "GBP/CHF", "quote": 1.1}))
    assert market.snapshot() == {}
    market.rate(read_rate({"sid": "GBP/USD", "quote": 1.1}))
    assert market.snapshot() == {"GBP/USD": Decimal("1.1"), "USD/GBP": Decimal("0.909090909090909")}


@pytest.mark.parametrize(
    ("sid", "quote", "words"),
    [
        ("EURUSD", 1.0, "sid: expected two currencies such as EUR/USD, got 'EURUSD'"),
        ("EUR/EUR", 1.0, "sid: expected two currencies"),
        ("eur/usd", 1.0, "sid: expected two currencies"),
        (None, 1.0, "sid: expected two currencies such as EUR/USD, got None"),
        ("EUR/USD", 0.0, "quote: expected a rate above zero, got 0.0"),
        ("EUR/USD", -1.0, "quote: expected a rate above zero, got -1.0"),
        ("EUR/USD", float("nan"), "quote: expected a rate above zero, got nan"),
        ("EUR/USD", True, "quote: expected a rate above zero, got True"),
        ("EUR/USD", None, "quote: expected a rate above zero, got None"),
        ("EUR/USD", "1.08", "quote: expected a rate above zero, got '1.08'"),
    ],
)
def test_a_rate_that_is_none_says_what_is_wrong_and_changes_nothing(sid: object, quote: object, words: str) -> None:
    market = euro(DOLLAR)
    with pytest.raises(BadData) as caught:
        market.rate(read_rate({"sid": sid, "quote": quote}))
    assert words in str(caught.value)
    assert market.snapshot() == {}


def test_instruments_in_a_currency_need_one_of_the_account() -> None:
    with pytest.raises(
        NoCurrency, match='US is quoted in USD; say what the account is kept in, such as currency = "EUR"'
    ):
        Market(instruments=[DOLLAR])
    Market(instruments=[Instrument(symbol="A", multiplier=Decimal(2))])


def test_a_split_brings_the_mark_to_what_it_is_then() -> None:
    market = Market()
    marks = market.marks
    market.split(Split("A", 4, 1))
    assert "A" not in marks
    marks["A"] = 100.4
    market.split(Split("A", 4, 1))
    assert marks["A"] == 25.1
    market.split(Split("A", 1, 3))
    assert marks["A"] == 75.3
    assert market.splits == {"A": pytest.approx(4 / 3)}
    assert market.marks is marks


# -- days and hours


@given(ts=st.integers(-(10**18), 4 * 10**18))
def test_days_end_at_midnight_utc(ts: int) -> None:
    end = Market().day_end("A", ts)
    assert end % DAY == 0
    assert ts < end <= ts + DAY


sessions = st.lists(st.integers(1, 50), min_size=2, max_size=20).map(
    lambda steps: [
        pair for n, pair in enumerate(pairwise([sum(steps[: k + 1]) for k in range(len(steps))])) if n % 2 == 0
    ]
)


@given(sessions=sessions, ts=st.integers(-5, 1100))
def test_with_a_calendar_they_end_with_the_session_or_the_next_one(sessions: list[tuple[int, int]], ts: int) -> None:
    hours = Hours("X", sessions)
    market = Market(instruments=[Instrument(symbol="A", calendar="X")], hours=[hours])
    closes = [close for _, close in sessions if close > ts]
    assert market.day_end("A", ts) == (min(closes) + 1 if closes else (ts // DAY + 1) * DAY)
    assert market.is_open("A", ts) is any(begun <= ts <= close for begun, close in sessions)
    assert market.day_end("B", ts) == (ts // DAY + 1) * DAY


def test_in_a_break_nothing_is_traded_and_the_session_goes_on() -> None:
    hours = Hours("X", [(10, 20), (20, 30)], [(14, 16)])
    assert [hours.is_open(ts) for ts in (9, 10, 13, 14, 15, 16, 19, 20, 29, 30)] == [
        *(False, True, True),
        *(True, False, True, True, True, True, True),
    ]
    assert [hours.end(ts) for ts in (9, 15, 19, 20, 29, 30)] == [20, 20, 20, 30, 30, None]


def test_daily_bars_stamped_at_the_close_fill_an_order_for_the_day() -> None:
    hours = Hours("X", [(10, 20), (30, 40), (50, 60)])
    market = Market(instruments=[Instrument(symbol="A", calendar="X")], hours=[hours])
    assert market.is_open("A", 40)
    assert 40 < market.day_end("A", 20) < 50


@pytest.mark.parametrize("sessions", [[(1, 1)], [(2, 1)], [(1, 3), (2, 4)], [(5, 6), (1, 2)]])
def test_hours_that_cannot_be_are_refused(sessions: list[tuple[int, int]]) -> None:
    with pytest.raises(BadHours, match="calendar X: a session"):
        Hours("X", sessions)
    with pytest.raises(BadHours, match="calendar X: a session"):
        Hours("X", [(0, 100)], sessions)


def test_hours_are_told_apart_by_their_hash() -> None:
    plain = Hours("X", [(1, 2), (3, 4)]).to_json()
    assert plain == Hours("X", [(1, 2), (3, 4)]).to_json()
    others = (Hours("X", [(1, 2), (3, 5)]), Hours("X", [(1, 2)], [(3, 4)]), Hours("X", [(1, 2), (3, 4)], [(1, 2)]))
    assert len({plain["sha256"], *(other.to_json()["sha256"] for other in others)}) == 4


def test_a_calendar_without_hours_is_refused() -> None:
    with pytest.raises(NoCalendar, match="A trades by the calendar X, whose hours are not there"):
        Market(instruments=[Instrument(symbol="A", calendar="X")])


# -- corporate actions


@given(new=st.integers(1, 10**6), old=st.integers(1, 10**6))
def test_splits_are_read(new: int, old: int) -> None:
    data = {"channel": "actions", "sid": "AAPL", "action": "split", "ratio": f"{new}:{old}"}
    assert read_action(data) == Split("AAPL", new, old)


@pytest.mark.parametrize("amount", ["0.24", 0.24])
def test_dividends_are_read_as_they_are_written(amount: object) -> None:
    assert read_action({"sid": "A", "action": "dividend", "amount": amount}) == Dividend("A", Decimal("0.24"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"sid": None}, "sid: expected text"),
        ({"action": "merger"}, "action: expected `split` or `dividend`, got 'merger'"),
        ({"action": None}, "action: expected `split` or `dividend`, got None"),
        *(
            ({"ratio": ratio}, "ratio: expected")
            for ratio in ("4", "4:0", "0:1", "4:1:1", "4.5:1", "-4:1", "a:b", 4, None, "²:1", "99999999:1", ":")
        ),
        *(
            ({"action": "dividend", "amount": amount}, "amount: expected")
            for amount in (0, -1, "nan", "inf", "x", None, True, [], "1e16", "1e-19")
        ),
    ],
)
def test_an_action_that_is_none_says_what_is_wrong(change: dict[str, Any], words: str) -> None:
    data = {"sid": "A", "action": "split", "ratio": "2:1", **change}
    with pytest.raises(BadData) as caught:
        read_action(data)
    assert str(caught.value).startswith(words)


def test_an_action_without_a_symbol_is_refused() -> None:
    with pytest.raises(BadData, match="sid: missing, and an action is of one symbol"):
        read_action({"action": "split", "ratio": "2:1"})


def test_what_an_action_did_is_told_in_plain_text() -> None:
    booked = Booked(
        before=Decimal(-3), after=Decimal("-1.50"), paid_out=Decimal(0), cash=Decimal("1E+2"), profit=Decimal(0)
    )
    assert booked.to_json() == {"before": "-3", "after": "-1.5", "paid_out": "0", "cash": "100", "profit": "0"}
