"""Daily loss and drawdown: what is remembered of the account, and the kill switch."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from intuition_risk import DailyLoss, Drawdown
from intuition_risk.days import day_of

from intuition_core.contracts import Account, Order, Rejection, Signal, Watch
from intuition_core.testing.account import FakeAccount
from intuition_core.testing.risk import RiskContract
from intuition_core.trading.composition import Composition, Part, Sleeve
from intuition_core.trading.engine import TradingEngine

DAY = 86_400_000_000_000
HOUR = DAY // 24
BUY = Order("A", "buy", 100.0, cash=Decimal(1))
SELL = Order("A", "sell", 100.0, quantity=Decimal(1))


def made(part: type, **params: Any) -> Any:
    class Here(RiskContract):
        pass

    Here.part = part
    return Here().make(params, account=FakeAccount(cash=1000.0)).live


def worth(equity: float) -> FakeAccount:
    return FakeAccount(cash=equity)


def reason(part: Any, equity: float, ts: int = 0, order: Order = BUY) -> str | None:
    """Ask for an order, and give the reason of the refusal."""
    order = msgspec.structs.replace(order, ts=ts)
    verdict = part.check(order, worth(equity))
    if isinstance(verdict, Rejection):
        return verdict.reason
    assert verdict is order
    return None


def told(seen: str | Watch | None) -> str | None:
    """Give the reason that was told for the kill switch, if one was."""
    return None if isinstance(seen, Watch) else seen


def again(part: Any, **params: Any) -> Any:
    """Make the part anew from its snapshot."""
    other = made(type(part), **params)
    other.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(part.snapshot())))
    assert other.snapshot() == part.snapshot()
    return other


# -- daily loss


@pytest.mark.parametrize("params", [{"cash": 50}, {"fraction": 0.05}, {"cash": 50, "fraction": 1}])
def test_what_is_lost_in_a_day_is_limited(params: Any) -> None:
    part = made(DailyLoss, **params)
    assert reason(part, 950.0) is None
    said = reason(part, 949.99)
    assert said is not None
    assert said.startswith("the account has lost 50.01 on 1970-01-01 UTC; at most 50")
    assert reason(part, 949.99, order=SELL) is None
    assert reason(part, 950.0) is None


def test_a_day_begins_with_the_equity_that_the_day_before_ended_with() -> None:
    part = made(DailyLoss, fraction=0.1)
    assert told(part.observe(worth(850.0), DAY - 1)) is None  # it does not kill unless told to
    assert reason(part, 850.0, DAY - 1) is not None
    assert reason(part, 800.0, DAY) is None  # 50 below 850, and 85 are allowed
    assert reason(part, 765.0, DAY + 1) is None
    assert reason(part, 764.99, DAY + 2) == ("the account has lost 85.01 on 1970-01-02 UTC; at most 85, 10% of 850")
    assert reason(part, 764.99, DAY - 5) is not None  # late: the day has begun
    assert reason(part, 764.99, 5 * DAY) is None


def test_a_day_may_begin_elsewhere() -> None:
    params = {"cash": 50, "zone": "America/New_York"}
    part = made(DailyLoss, **params)
    opening = int(datetime(2024, 3, 10, 5, tzinfo=UTC).timestamp()) * 10**9  # midnight there; the day has 23 hours
    assert reason(part, 1000.0, opening) is None
    assert reason(part, 940.0, opening + 23 * HOUR - 1) == (
        "the account has lost 60 on 2024-03-10 America/New_York; at most 50"
    )
    part = again(part, **params)
    assert reason(part, 940.0, opening + 23 * HOUR - 1) is not None
    assert reason(part, 940.0, opening + 23 * HOUR) is None


@given(
    ts=st.integers(-(2**62), 2**62),
    zone=st.sampled_from(
        ["UTC", "America/New_York", "America/Havana", "Pacific/Apia", "Asia/Kathmandu", "Africa/Cairo"]
    ),
)
def test_every_moment_is_in_one_day(ts: int, zone: str) -> None:
    day = day_of(ts, ZoneInfo(zone))
    assert day.begin <= ts < day.end
    assert day_of(day.begin, ZoneInfo(zone)) == day_of(day.end - 1, ZoneInfo(zone)) == day
    assert day_of(day.end, ZoneInfo(zone)).begin == day.end


# -- drawdown


def test_what_is_lost_of_the_peak_is_limited() -> None:
    part = made(Drawdown, peak=0.1)
    assert told(part.observe(worth(1200.0), 1)) is None
    assert reason(part, 1080.0) is None
    assert reason(part, 1079.0) == "the equity of 1079 is 10.08333333% below its peak of 1200; at most 10%"
    assert reason(part, 1079.0, order=SELL) is None
    part = again(part, peak=0.1)
    assert reason(part, 1079.0) is not None


def test_what_is_lost_of_the_start_is_limited_by_itself() -> None:
    part = made(Drawdown, start=0.1)
    assert told(part.observe(worth(2000.0), 1)) is None
    assert reason(part, 900.0) is None
    assert reason(part, 899.0) == "the equity of 899 is 10.1% below its start of 1000; at most 10%"
    part = made(Drawdown, start=0.1, peak=0.5)
    assert reason(part, 3000.0) is None
    assert reason(part, 1499.0) is not None


def test_the_noise_of_floats_breaks_no_limit() -> None:
    for part in (made(Drawdown, peak=0.1), made(Drawdown, start=0.1), made(DailyLoss, cash=100)):
        assert reason(part, 900.0 - 1e-10) is None
        assert reason(part, 900.0 - 1e-6) is not None


# -- the kill switch


@pytest.mark.parametrize(("part", "params"), [(DailyLoss, {"cash": 100}), (Drawdown, {"peak": 0.1})])
def test_the_kill_switch_is_turned_on_once_for_each_time_that_the_limit_is_broken(part: type, params: Any) -> None:
    live = made(part, kill=True, **params)
    assert told(live.observe(worth(900.0), 1)) is None
    assert "at most" in live.observe(worth(899.0), 2)
    assert told(live.observe(worth(898.0), 3)) is None  # whoever cleared the switch has seen it
    live = again(live, kill=True, **params)
    assert told(live.observe(worth(897.0), 4)) is None
    assert reason(live, 897.0) is not None  # but nothing is bought
    assert told(live.observe(worth(900.0), 5)) is None
    assert told(live.observe(worth(899.0), 6)) is not None


@given(course=st.lists(st.integers(500, 2000), min_size=1, max_size=30), cut=st.integers(0, 30))
def test_a_snapshot_makes_no_difference(course: list[int], cut: int) -> None:
    for part, params in ((DailyLoss, {"fraction": 0.1}), (Drawdown, {"peak": 0.2, "start": 0.3})):
        one, other = made(part, kill=True, **params), made(part, kill=True, **params)
        for number, equity in enumerate(course):
            if number == cut:
                other = again(other, kill=True, **params)
            ts = number * DAY // 3
            assert one.observe(worth(equity), ts) == other.observe(worth(equity), ts)
            assert reason(one, equity, ts) == reason(other, equity, ts)


@given(course=st.lists(st.integers(500, 2000), min_size=1, max_size=30))
def test_the_fall_is_that_from_the_highest_so_far(course: list[int]) -> None:
    part, seen = made(Drawdown, peak=0.25), [1000]
    for equity in course:
        seen.append(equity)
        assert (reason(part, equity) is not None) == (4 * equity < 3 * max(seen))


# -- what they wait for


class Trader:
    """Buys and sells as the quotes say."""

    def event(self, data: Any) -> Signal | None:
        return Signal(data["sid"], data["do"]) if "do" in data else None


class Half:
    def optimize(self, _signal: Signal, account: Account) -> float:
        return account.cash / 2


def impatient(part: type) -> type:
    """Give the same part, which does not say what it waits for, and so is shown everything."""

    class Impatient(part):  # type: ignore[misc]  # whichever it is
        def observe(self, account: Account, ts: int) -> str | None:
            return told(super().observe(account, ts))

    return Impatient


def decided(risk: type, params: Any, events: list[dict[str, Any]], cut: int) -> list[Any]:
    """Run events under a limit, with a snapshot taken up at some event; give the records."""
    line = Sleeve(
        algorithm=Part(kind="algorithm", name="trader", factory=Trader, params={}),
        portfolio=Part(kind="portfolio", name="half", factory=Half, params={}),
    )
    limit = Part(kind="risk", name="limit", factory=risk, params=params)
    recipe = Composition(sleeves=(line,), risks=(limit,), seed=0, cash=Decimal(1000))
    engine = TradingEngine(recipe, run="r")
    records: list[Any] = []
    for number, data in enumerate(events):
        if number == cut:
            kept = engine.snapshot()
            assert kept is not None
            engine = TradingEngine(recipe, run="r")
            assert engine.restore(kept)
        records += engine.step(data)
    return records


@st.composite
def courses(draw: st.DrawFn) -> list[dict[str, Any]]:
    ts, events = 0, []
    for _ in range(draw(st.integers(1, 40))):
        ts += draw(st.sampled_from([1, HOUR, 9 * HOUR, DAY]))
        event = {"channel": "quotes", "sid": draw(st.sampled_from("AB")), "ts": ts}
        event["quote"] = draw(st.sampled_from([50.0, 80.0, 90.0, 99.0, 100.0, 101.0, 110.0, 150.0]))
        if (do := draw(st.sampled_from(["buy", "buy", "sell", None]))) is not None:
            event["do"] = do
        events.append(event)
    return events


@pytest.mark.parametrize(
    ("limit", "params"),
    [
        (DailyLoss, {"cash": 30, "kill": True}),
        (DailyLoss, {"fraction": 0.05, "zone": "America/New_York"}),
        (Drawdown, {"peak": 0.05, "kill": True}),
        (Drawdown, {"peak": 0.1, "start": 0.03, "kill": True}),
        (Drawdown, {"peak": 0.02}),
    ],
)
@given(events=courses(), cut=st.integers(0, 39))
def test_who_waits_misses_nothing(limit: Any, params: Any, events: list[dict[str, Any]], cut: int) -> None:
    params = msgspec.convert(params, limit.Params)
    expected = decided(impatient(limit), params, events, -1)
    assert decided(limit, params, events, -1) == expected
    assert decided(limit, params, events, cut) == expected
