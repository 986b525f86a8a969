"""The limits on accounts of their own: through a whole strategy."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from intuition_risk import DailyLoss, Drawdown, Exposure, MaxPosition, OrderRate, OrderSize, PriceCollar, StaleData

from intuition_core.account.instruments import Instrument
from intuition_core.account.margin import Margin
from intuition_core.contracts import Bet, Data, Signal
from intuition_core.params.checking import check_params
from intuition_core.session import control
from intuition_core.trading.composition import Composition, Part, Sleeve
from intuition_core.trading.engine import TradingEngine

SECOND = 1_000_000_000
DAY = 86_400 * SECOND


class Scripted:
    """Does as the events say: ``do`` is the side, ``by`` the algorithm, ``at`` the price, ``of`` another symbol.

    ``terms`` is how to trade.
    """

    def initialize(self, params: str) -> list[str]:
        self.name = params
        return ["quotes", "news"]

    def event(self, data: Data) -> Signal | None:
        if "do" not in data or data.get("by", self.name) != self.name:
            return None
        return Signal(data.get("of", data["sid"]), data["do"], data.get("at"), **data.get("terms", {}))

    def snapshot(self) -> None:
        pass

    def restore(self, state: None) -> None:
        pass


class Stake:
    """Bets 1,000, or as many units as it is told."""

    def initialize(self, params: Any) -> None:
        self.bet = Bet(**params) if params else Bet(cash=1000.0)

    def optimize(self, signal: Signal, account: Any) -> Bet:
        return self.bet

    def snapshot(self) -> None:
        pass

    def restore(self, state: None) -> None:
        pass


def engine(
    *risks: tuple[type, dict[str, Any]], names: Sequence[str] = ("one",), stake: Any = None, **more: Any
) -> TradingEngine:
    recipe = Composition(
        sleeves=tuple(
            Sleeve(
                algorithm=Part(kind="algorithm", name=name, factory=Scripted, params=name),
                portfolio=Part(kind="portfolio", name="stake", factory=Stake, params=stake),
            )
            for name in names
        ),
        risks=tuple(
            Part(kind="risk", name=risk.__name__, factory=risk, params=check_params("risk", risk, params))
            for risk, params in risks
        ),
        seed=1,
        **more,
    )
    return TradingEngine(recipe, run="r")


def quote(price: float, ts: int | None = None, sid: str = "A", **more: Any) -> dict[str, Any]:
    event = {"channel": "quotes", "sid": sid, "quote": price, **more}
    return event if ts is None else {**event, "ts": ts}


def step(live: TradingEngine, event: dict[str, Any]) -> Sequence[dict[str, Any]]:
    """Take an event; one without a time comes a nanosecond after the one before it."""
    return live.step({"ts": live.seq, **event})


def types(live: TradingEngine, *events: dict[str, Any]) -> list[str]:
    return [record["type"] for event in events for record in step(live, event)]


def test_a_refusal_is_recorded_with_its_reason_and_who_refused() -> None:
    live = engine((MaxPosition, {"value": 500}))
    (record,) = step(live, quote(10.0, do="buy"))
    assert (record["type"], record["risk"]) == ("rejection", "MaxPosition")
    assert record["reason"] == "A would come to 1000 (0 held, 0 ordered, 1000 more); at most 500"


def test_the_account_is_that_of_all_algorithms_and_orders_at_work_count() -> None:
    for risk in ((Exposure, {"gross": 0.15}), (MaxPosition, {"value": 1500})):
        live = engine(risk, names=("one", "two"))
        assert types(live, quote(10.0, do="buy")) == ["decision", "rejection"]
        assert types(live, quote(10.0, do="buy")) == ["fill", "rejection", "rejection"]
        assert types(live, quote(10.0, do="sell", by="one")) == ["decision"]
        assert types(live, quote(10.0, do="buy", by="two")) == ["fill", "decision"]


def test_the_smaller_order_is_the_one_that_is_placed() -> None:
    live = engine((MaxPosition, {"value": 1500, "shrink": True}), names=("one", "two"))
    first, second = step(live, quote(10.0, do="buy"))
    assert (first["cash"], second["cash"]) == ("1000", "500")
    live = engine((Exposure, {"gross": 0.1, "shrink": True}), stake={"units": 333})
    (record,) = step(live, quote(7.0, do="buy"))
    assert (record["type"], record["quantity"]) == ("decision", "142.85714285")


def test_shorts_are_held_to_limits_as_longs_are_and_what_closes_them_passes() -> None:
    for risk in (
        (Exposure, {"gross": 0.15}),
        (Exposure, {"net": 0.15}),
        (MaxPosition, {"value": 1500}),
        (MaxPosition, {"units": 150}),
    ):
        live = engine(risk, names=("one", "two"), margin=Margin())
        assert types(live, quote(10.0, do="sell")) == ["decision", "rejection"]
        assert types(live, quote(10.0, do="sell")) == ["fill", "rejection", "rejection"]
        assert live.account.values == {"A": -1000.0}
        assert types(live, quote(10.0, do="buy", by="one")) == ["decision"]
        assert types(live, quote(10.0, do="sell", by="two")) == ["fill", "decision"]


def test_a_margin_is_no_exposure() -> None:
    live = engine((Exposure, {"gross": 0.2, "net": 0.2}), margin=Margin(initial=Decimal(3), maintenance=Decimal(2)))
    assert types(live, quote(10.0, do="sell"), quote(10.0, do="sell"), quote(10.0)) == [
        *("decision", "fill", "decision", "fill")
    ]
    assert (live.account.equity, live.account.cash) == (10_000.0, 6000.0)  # of 12,000, three times 2,000 are kept
    assert types(live, quote(10.0, do="sell")) == ["rejection"]


def test_one_algorithm_may_be_long_of_what_another_is_short_of() -> None:
    live = engine((Exposure, {"net": 0.1, "gross": 0.1}), names=("one", "two"), margin=Margin())
    assert types(live, quote(10.0, do="buy", by="one"), quote(10.0)) == ["decision", "fill"]
    assert types(live, quote(10.0, do="buy", by="two")) == ["rejection"]
    (record,) = step(live, quote(10.0, do="sell", by="two"))
    assert record["reason"].startswith("the gross exposure would come to 2000 (1000 now")
    live = engine((MaxPosition, {"value": 1000}), names=("one", "two"), margin=Margin())
    assert types(live, quote(10.0, do="buy", by="one"), quote(10.0, do="sell", by="two")) == [
        *("decision", "fill", "decision")
    ]
    assert types(live, quote(10.0)) == ["fill"]
    assert live.account.positions == {}


def test_units_are_counted_in_the_currency_of_the_account() -> None:
    instruments = (
        Instrument(symbol="F", multiplier=Decimal(50)),
        Instrument(symbol="U", currency="USD"),
    )
    rate = {"channel": "rates", "sid": "USD/EUR", "quote": 0.5, "ts": 0}
    for risk, refused in [
        ((MaxPosition, {"value": 1000}), (2, 20)),
        ((MaxPosition, {"fraction": 0.1}), (2, 20)),
        ((Exposure, {"gross": 0.1}), (2, 20)),
        ((Exposure, {"net": 0.1}), (2, 20)),
        ((OrderSize, {"cash": 500}), (1.5, 11)),
    ]:
        for units, sid, price, verdict in [
            (1, "F", 10.0, "decision"),
            (refused[0] + 0.1, "F", 10.0, "rejection"),
            (10, "U", 100.0, "decision"),
            (refused[1] + 0.1, "U", 100.0, "rejection"),
        ]:
            for side in ("buy", "sell"):
                live = engine(risk, stake={"units": units}, currency="EUR", instruments=instruments, margin=Margin())
                assert types(live, rate, quote(price, sid=sid, do=side)) == [verdict]


def test_a_limit_far_from_the_market_is_a_slip_of_the_finger() -> None:
    live = engine((PriceCollar, {"fraction": 0.1}), (OrderSize, {"cash": 1000}), stake={"units": 10})
    assert types(live, quote(100.0, do="buy", terms={"limit": 1000.0})) == ["rejection"]
    assert types(live, quote(100.0, do="buy", terms={"limit": 90.0})) == ["decision"]
    (record,) = step(live, quote(100.0, do="buy", terms={"limit": 101.0}))
    assert record["reason"] == "an order of 1010; at most 1000"


def test_orders_at_work_are_seen_until_they_end_and_what_replaces_one_counts_once() -> None:
    live = engine((MaxPosition, {"value": 1500}), (Exposure, {"gross": 0.15}))
    low = {"limit": 5.0, "tag": "entry"}
    assert types(live, quote(10.0, do="buy", terms=low)) == ["decision"]
    (order,) = live.account.orders
    assert (order.sid, order.limit, order.cash, order.closing) == ("A", 5.0, Decimal(1000), False)
    assert types(live, quote(10.0, do="buy")) == ["rejection"]
    assert types(live, quote(10.0, do="buy", terms={**low, "limit": 6.0})) == ["rejection", "decision"]
    assert [order.limit for order in live.account.orders] == [6.0]
    assert types(live, quote(6.0)) == ["fill"]
    assert live.account.orders == ()


def test_orders_are_counted_by_the_time_of_events() -> None:
    live = engine((OrderRate, {"orders": 1, "seconds": 1}))
    assert types(live, quote(10.0, do="buy"), quote(10.0, SECOND - 1, do="buy")) == ["decision", "fill", "rejection"]
    assert types(live, quote(10.0, SECOND, do="buy")) == ["decision"]


def test_a_price_that_a_signal_makes_up_is_held_against_the_market() -> None:
    live = engine((PriceCollar, {"fraction": 0.1}))
    assert types(live, quote(100.0, do="buy", at=11.0)) == ["rejection"]
    assert types(live, quote(100.0, do="buy", at=110.0)) == ["decision"]


def test_what_went_silent_is_not_bought() -> None:
    live = engine((StaleData, {"seconds": 1}))
    assert types(live, quote(10.0)) == []
    news = {"channel": "news", "sid": "A", "quote": 0.0, "do": "buy"}
    assert types(live, {**news, "ts": SECOND}) == ["decision"]
    assert types(live, {**news, "ts": SECOND + 1}) == ["rejection"]
    assert types(live, quote(5.0, 3 * SECOND, "B", do="buy", of="A")) == ["rejection"]


def test_a_day_of_losses_stops_buying_and_the_next_day_begins_anew() -> None:
    live = engine((DailyLoss, {"cash": 100}))
    assert types(live, quote(10.0, do="buy"), quote(10.0, 1)) == ["decision", "fill"]
    assert types(live, quote(9.0, 2, do="buy"), quote(8.99, 3, do="buy")) == ["decision", "fill", "rejection"]
    assert types(live, quote(8.99, 4, do="sell")) == ["decision"]
    assert types(live, quote(8.99, DAY, do="buy")) == ["fill", "decision"]


def test_a_fall_turns_the_kill_switch_on_and_clearing_it_holds() -> None:
    live = engine((Drawdown, {"peak": 0.01, "kill": True}))
    assert types(live, quote(10.0, do="buy"), quote(10.0, 1), quote(9.0, 2)) == ["decision", "fill"]
    (record,) = step(live, quote(8.99, 3))
    assert (record["type"], record["action"], record["by"]) == ("control", "kill", "risk Drawdown")
    assert record["reason"] == "the equity of 9899 is 1.01% below its peak of 10000; at most 1%"
    assert types(live, quote(8.9, 4, do="sell")) == ["rejection"]  # the kill switch stops everything
    assert types(live, control.clear("seen", ts=5, by="me")) == ["control"]
    assert types(live, quote(8.8, 6, do="buy"), quote(8.8, 7, do="sell")) == ["rejection", "decision"]
    assert live.killed is None


def test_a_short_loses_by_a_rising_price() -> None:
    live = engine((DailyLoss, {"cash": 100}), margin=Margin())
    assert types(live, quote(10.0, do="sell"), quote(10.0, 1)) == ["decision", "fill"]
    assert types(live, quote(11.0, 2, do="sell"), quote(11.0, 3)) == ["decision", "fill"]
    assert types(live, quote(11.01, 4, do="sell")) == ["rejection"]
    assert types(live, quote(11.01, 5, do="buy"), quote(11.01, 6)) == ["decision", "fill"]
    live = engine((Drawdown, {"peak": 0.01, "kill": True}), margin=Margin())
    assert types(live, quote(10.0, do="sell"), quote(10.0, 1), quote(9.0, 2)) == ["decision", "fill"]
    assert types(live, quote(10.01, 3)) == []  # 10,100 was the peak, and 101 may be lost of it
    (record,) = step(live, quote(10.02, 4))
    assert (record["action"], record["by"]) == ("kill", "risk Drawdown")


def test_the_rate_of_orders_and_the_age_of_quotes_hold_for_shorts() -> None:
    live = engine((OrderRate, {"orders": 1, "seconds": 1}), margin=Margin())
    assert types(live, quote(10.0, do="sell"), quote(10.0, SECOND - 1, do="sell")) == ["decision", "fill", "rejection"]
    assert types(live, quote(10.0, SECOND - 1, do="buy")) == ["decision"]
    live = engine((StaleData, {"seconds": 1}), margin=Margin())
    assert types(live, quote(10.0)) == []
    news = {"channel": "news", "sid": "A", "quote": 0.0, "do": "sell"}
    assert types(live, {**news, "ts": SECOND}, {**news, "ts": SECOND + 1}) == ["decision", "rejection"]


def test_limits_come_out_of_a_snapshot_as_they_went_in() -> None:
    risks = (
        (OrderRate, {"orders": 2, "seconds": 3}),
        (DailyLoss, {"cash": 150, "kill": True}),
        (Drawdown, {"peak": 0.05}),
        (MaxPosition, {"value": 3000}),
        (Exposure, {"gross": 0.5}),
        (StaleData, {"seconds": 5}),
    )
    events = [quote(10.0 - (number % 17) / 5, number * SECOND, do="buy") for number in range(60)]
    events += [quote(8.0, 61 * SECOND, do="sell"), *[{**event, "ts": event["ts"] + DAY} for event in events]]
    whole = engine(*risks)
    records = [whole.step(event) for event in events]
    assert {record.get("risk") for each in records for record in each} >= {"OrderRate", "MaxPosition"}
    assert whole.killed
    for cut in (1, 10, 20, 61, 80):
        begun = engine(*risks)
        for event in events[:cut]:
            begun.step(event)
        kept = begun.snapshot()
        assert kept is not None
        other = engine(*risks)
        assert other.restore(kept)
        assert [other.step(event) for event in events[cut:]] == records[cut:]
