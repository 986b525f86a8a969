"""Targets: what is held is brought to what is wanted, and sales pay for buys whatever the order of rows."""

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intuition_core.account.costs import Costs
from intuition_core.account.margin import Margin
from intuition_core.contracts import Order, Rejection, Signal, Targets
from intuition_core.trading.composition import Composition, Part, Sleeve
from intuition_core.trading.engine import TradingEngine
from intuition_core.trading.orders import FillRules

HOUR = 3600 * 10**9
SIDS = ("A", "B", "C")


class Nobody:
    """Sizes nothing: targets say how much."""

    def optimize(self, signal: Any, account: Any) -> float:
        raise AssertionError


def engine(script: Callable[[dict[str, Any]], Any], *, risks: Iterable[type] = (), **recipe: Any) -> TradingEngine:
    class Algorithm:
        def event(self, data: dict[str, Any]) -> Any:
            return script(data)

    def part(kind: str, factory: type) -> Part:
        return Part(kind=kind, name=factory.__name__.lower(), factory=factory, params={})

    line = Sleeve(algorithm=part("algorithm", Algorithm), portfolio=part("portfolio", Nobody))
    recipe = {"cash": Decimal(1000), "seed": 1, **recipe}
    return TradingEngine(
        Composition(sleeves=(line,), risks=tuple(part("risk", risk) for risk in risks), **recipe), run="r"
    )


def bar(sid: str, hour: int, price: float, **more: Any) -> dict[str, Any]:
    """Give the bar of an hour, whose open is its close."""
    ts = hour * HOUR
    return {"channel": "quotes", "sid": sid, "quote": price, "open": price, "start": ts - HOUR, "ts": ts, **more}


def run(at: TradingEngine, events: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return [dict(record) for event in events for record in at.step(event)]


def fills(records: Iterable[dict[str, Any]]) -> list[tuple[str, str, str, float]]:
    return [(each["side"], each["sid"], each["quantity"], each["price"]) for each in records if each["type"] == "fill"]


def rotating(data: dict[str, Any]) -> Targets | None:
    """Hold A and B, and from the third hour on C and B."""
    if data["do"] == "first":
        return Targets(weights={"A": 0.5, "B": 0.5})
    return Targets(weights={"C": 0.5, "B": 0.5}) if data["do"] == "second" else None


def history(order: Sequence[str]) -> list[dict[str, Any]]:
    prices = {"A": [10, 10, 10, 20, 10], "B": [10, 10, 10, 10, 10], "C": [5, 5, 5, 4, 8]}
    events = []
    for hour in range(5):
        for n, sid in enumerate(order):
            last = n == len(order) - 1
            do = {0: "first", 2: "second"}.get(hour) if last else None
            events.append(bar(sid, hour + 1, prices[sid][hour], do=do))
    return events


@pytest.mark.parametrize("order", list(permutations(SIDS)))
def test_sales_pay_for_buys_whatever_the_order_of_rows(order: tuple[str, ...]) -> None:
    at = engine(rotating)
    records = run(at, history(order))
    # 50 of A at 20 bring 1000; of the equity of 1000, half was C's when it was decided: 500 at 4 are 125.
    assert sorted(fills(records)) == [
        ("buy", "A", "50", 10.0),
        ("buy", "B", "50", 10.0),
        ("buy", "C", "125", 4.0),
        ("sell", "A", "50", 20.0),
    ]
    assert not [each for each in records if each["type"] == "rejection"]


def test_a_buy_that_waits_has_its_decision_at_once_and_says_for_what_it_waits() -> None:
    records = run(engine(rotating), history(SIDS)[:9])
    sale, buy = [each for each in records if each["type"] == "decision"][2:]
    assert (sale["sid"], buy["sid"], buy["after"]) == ("A", "C", [sale["id"]])


def test_buys_become_smaller_where_the_sale_brings_less() -> None:
    events = history(SIDS)
    for event in events:
        if event["sid"] == "A" and event["ts"] == 4 * HOUR:
            event |= {"quote": 5.0, "open": 5.0}
    at = engine(rotating)
    # The sale brings 250 instead of 500: 250 at 4.
    assert ("buy", "C", "62.5", 4.0) in fills(run(at, events))


@pytest.mark.parametrize("order", list(permutations("BC")))
def test_a_buy_shrinks_to_the_cash_that_another_buy_of_the_same_sale_has_left(order: tuple[str, ...]) -> None:
    def script(data: dict[str, Any]) -> Targets | None:
        wanted: dict[str, float] | None = data.get("want")
        return None if wanted is None else Targets(quantities=wanted)

    events = [bar(sid, 1, 10.0) for sid in SIDS]
    events[-1]["want"] = {"A": 100}
    events += [bar(sid, 2, 10.0) for sid in SIDS]
    events[-1]["want"] = {"A": 0, "B": 50, "C": 50}
    events += [bar(sid, 3, {"B": 16.0, "C": 10.0}[sid]) for sid in order] + [bar("A", 3, 10.0)]
    at = engine(script)
    # The sale brings 1000; B costs 800 instead of 500, and 200 are left for C.
    assert fills(run(at, events))[1:] == [
        ("sell", "A", "100", 10.0),
        ("buy", "B", "50", 16.0),
        ("buy", "C", "20", 10.0),
    ]
    assert at.ledger.cash == 0


def falling(wanted: Any, *, bring: float) -> list[dict[str, Any]]:
    """Hold A and B, go over to what is wanted, and let the sale of 50 of A have a price; give all records."""

    def script(data: dict[str, Any]) -> Any:
        return wanted if data["do"] == "second" else rotating(data)

    events = [*history(SIDS)[:9], bar("A", 4, bring, do=None), bar("C", 4, 4.0, do=None)]
    return run(engine(script), events)


WEIGHTS = Targets(weights={"C": 0.5, "B": 0.5})
UNITS = Targets(quantities={"C": 100, "B": 50})


@pytest.mark.parametrize(
    ("wanted", "bring", "told"),
    [
        (WEIGHTS, 10.0, {}),
        (WEIGHTS, 12.0, {}),
        (WEIGHTS, 5.0, {"ordered_cash": "500"}),
        (UNITS, 10.0, {}),
        (UNITS, 5.0, {"ordered_quantity": "100"}),
    ],
)
def test_a_fill_tells_that_its_order_had_become_smaller(wanted: Targets, bring: float, told: dict[str, str]) -> None:
    records = falling(wanted, bring=bring)
    assert records[-1]["sid"] == "C"
    assert {key: value for key, value in records[-1].items() if key.startswith("ordered")} == told
    decision = next(each for each in records if each["id"] == records[-1]["cause"])
    assert told in ({}, {"ordered_cash": decision["cash"]}, {"ordered_quantity": decision["quantity"]})
    assert not [key for each in records[:-1] for key in each if key.startswith("ordered")]


def test_what_an_order_was_for_is_told_of_all_its_fills_and_in_units_of_after_a_split() -> None:
    def script(data: dict[str, Any]) -> Any:
        return UNITS if data["do"] == "second" else rotating(data)

    at = engine(script, fills=FillRules(volume_share=Decimal("0.5")))
    begun = [{**event, "volume": 1000} for event in history(SIDS)[:9]]
    records = run(at, [*begun, bar("A", 4, 5.0, do=None, volume=1000), bar("C", 4, 5.0, do=None, volume=40)])
    split = {"channel": "actions", "sid": "C", "action": "split", "ratio": "2:1", "ts": 4 * HOUR}
    records += run(at, [split, bar("C", 5, 2.5, do=None, volume=40), bar("C", 6, 2.5, do=None, volume=1000)])
    bought = [each for each in records if each["type"] == "fill" and each["sid"] == "C"]
    assert [(each["quantity"], each.get("left_quantity"), each["ordered_quantity"]) for each in bought] == [
        ("20", "30", "100"),
        ("20", "40", "200"),
        ("40", None, "200"),
    ]


def test_what_became_smaller_and_was_not_filled_tells_it_too() -> None:
    at = engine(lambda data: UNITS if data["do"] == "second" else rotating(data))
    run(at, [*history(SIDS)[:9], bar("A", 4, 5.0, do=None)])
    [order] = at.open_orders
    content = at.snapshot()
    assert content is not None
    again = engine(lambda _: None)
    assert again.restore(content)
    for one in (at, again):
        [record] = one.cancel_open_orders(5 * HOUR)
        assert (record["cause"], record["ordered_quantity"]) == (order.id, "100")


def test_a_buy_of_another_moment_is_filled_at_its_first_price_after_the_sale() -> None:
    at = engine(rotating)
    events = [event for event in history(SIDS) if not (event["sid"] == "A" and event["ts"] == 4 * HOUR)]
    records = run(at, events)
    # C's bar of the fourth hour goes by; both trade in the fifth.
    assert fills(records)[-2:] == [("sell", "A", "50", 10.0), ("buy", "C", "62.5", 8.0)]


def test_what_is_sold_in_the_bar_that_follows_gives_only_a_later_close_of_a_longer_bar() -> None:
    at = engine(rotating)
    events = history(SIDS)[:9]
    events.append(bar("A", 4, 10.0, do=None))  # the sale, at three o'clock
    events.append({**bar("C", 5, 8.0, do=None), "open": 4.0, "start": 3 * HOUR})  # began before the sale was known
    assert fills(run(at, events))[-1] == ("buy", "C", "62.5", 8.0)


@pytest.mark.parametrize("at_hour", [3, 4, 5])
def test_a_snapshot_goes_on_the_same(at_hour: int) -> None:
    events = history(("C", "A", "B"))
    whole = run(engine(rotating), events)
    for cut in range((at_hour - 1) * 3, at_hour * 3):
        first, second = engine(rotating), engine(rotating)
        records = run(first, events[:cut])
        content = first.snapshot()
        assert content is not None
        assert second.restore(content)
        assert records + run(second, events[cut:]) == whole


class NoC:
    def check(self, order: Order, account: Any) -> Order | Rejection:
        return Rejection("no C here") if order.sid == "C" else order


@pytest.mark.parametrize("partial", [False, True])
def test_a_refused_order_leaves_the_others_unless_they_are_to_be_placed(partial: bool) -> None:
    def script(data: dict[str, Any]) -> Targets | None:
        targets = rotating(data)
        return None if targets is None else Targets(weights=targets.weights, partial=partial)

    records = run(engine(script, risks=(NoC,)), history(SIDS))
    reasons = [each["reason"] for each in records if each["type"] == "rejection"]
    assert reasons[0] == "no C here"
    assert (len(fills(records)) == 3) is partial
    assert (reasons[1:] == ["another order of the same targets is refused"]) is not partial


def test_what_comes_to_less_than_the_minimum_is_not_traded() -> None:
    wanted = iter([{"A": 0.5}, {"A": 0.51}, {"A": 0.6}])

    def script(data: dict[str, Any]) -> Targets:
        return Targets(weights=next(wanted), minimum=50)

    at = engine(script)
    records = run(at, [bar("A", hour, 10.0) for hour in (1, 2, 3)])
    assert [each["cash"] for each in records if each["type"] == "decision"] == ["500", "100"]


def test_symbols_that_are_not_named_are_closed_or_kept() -> None:
    for others, positions in (("close", {"B"}), ("keep", {"A", "B"})):

        def script(data: dict[str, Any], others: Any = others) -> Targets | None:
            if data["do"] is None:
                return None
            return Targets(quantities={data["do"]: 10}, others=others)

        at = engine(script)
        run(
            at,
            [
                bar("A", 1, 10.0, do=None),
                bar("B", 1, 10.0, do="A"),
                bar("A", 2, 10.0, do="B"),
                bar("B", 2, 10.0, do=None),
            ],
        )
        run(at, [bar("A", 3, 10.0, do=None), bar("B", 3, 10.0, do=None), bar("B", 4, 10.0, do=None)])
        assert set(at.ledger.positions) == positions


def test_a_position_is_turned_by_closing_it_first() -> None:
    wanted = iter([{"A": 5}, None, {"A": -5}, None, None, {"A": 5}, None, None])

    def script(data: dict[str, Any]) -> Targets | None:
        quantities = next(wanted)
        return None if quantities is None else Targets(quantities=quantities)

    at = engine(script, margin=Margin())
    held = []
    for hour in range(1, 9):
        run(at, [bar("A", hour, 10.0)])
        held.append(at.account.positions.get("A", 0.0))
    assert held == [0, 5, 5, 0, -5, -5, 0, 5] or held == [0, 5, 5, -5, -5, -5, 5, 5]


def test_targets_that_make_no_sense_are_the_parts_mistake() -> None:
    for targets in (
        Targets(),
        Targets(weights={"A": 0.5}, quantities={"A": 1}),
        Targets(weights={"A": 0.7, "B": 0.7}),
        Targets(weights={"A": float("nan")}),
        Targets(weights={"": 0.5}),
        Targets(weights={"A": 0.5}, others="sell"),  # type: ignore[arg-type]  # that is the point
        Targets(weights={"A": 0.5}, minimum=-1),
    ):
        [record] = run(engine(lambda data, targets=targets: targets), [bar("A", 1, 10.0)])
        assert record["type"] == "error"


def test_signals_of_one_decision_pay_for_each_other() -> None:
    def script(data: dict[str, Any]) -> Any:
        if data["do"] == "first":
            return Signal("A", "buy", 10.0)
        return [Signal("B", "buy", 10.0), Signal("A", "sell", 10.0)] if data["do"] == "second" else None

    class Everything:
        def optimize(self, signal: Any, account: Any) -> float:
            return account.cash  # type: ignore[no-any-return]  # the account is Any here

    at = engine(script)
    at = TradingEngine(
        Composition(
            sleeves=(
                Sleeve(
                    algorithm=at.composition.sleeves[0].algorithm,
                    portfolio=Part(kind="portfolio", name="everything", factory=Everything, params={}),
                ),
            ),
            seed=1,
            cash=Decimal(1000),
        ),
        run="r",
    )
    events = [bar("A", 1, 10.0, do="first"), bar("B", 2, 10.0, do=None), bar("A", 2, 10.0, do="second")]
    events += [bar("B", 3, 10.0, do=None), bar("A", 3, 11.0, do=None)]
    assert fills(run(at, events)) == [("buy", "A", "100", 10.0), ("sell", "A", "100", 11.0), ("buy", "B", "100", 10.0)]


walks = st.lists(st.sampled_from([8.0, 9.0, 10.0, 11.0, 12.5]), min_size=3, max_size=3)
weights = st.dictionaries(st.sampled_from(SIDS), st.sampled_from([0.0, 0.1, 0.25, 0.3]), max_size=3)


@given(st.lists(st.tuples(walks, weights), min_size=2, max_size=12), st.permutations(SIDS), st.booleans())
def test_any_targets_are_reached_and_no_cash_is_missing(
    hours: list[tuple[list[float], dict[str, float]]], order: list[str], costly: bool
) -> None:
    def script(data: dict[str, Any]) -> Targets | None:
        return None if data["do"] is None else Targets(weights=data["do"])

    def course(symbols: Sequence[str]) -> tuple[list[Any], TradingEngine]:
        costs = Costs(commission_bps=Decimal(10), slippage_bps=Decimal(5)) if costly else Costs()
        at = engine(script, costs=costs)
        events = []
        for hour, (prices, wanted) in enumerate(hours, 1):
            events += [bar(sid, hour, prices[SIDS.index(sid)], do=None) for sid in symbols]
            events.append({"channel": "quotes", "sid": "Z", "quote": 1.0, "ts": hour * HOUR, "do": wanted})
        return sorted(fills(run(at, events))), at

    first, at = course(SIDS)
    second, other = course(order)
    assert first == second
    assert at.ledger.cash == other.ledger.cash >= 0
    wanted = {sid for sid, weight in hours[-2][1].items() if weight} if len(hours) > 1 else set()
    assert set(at.ledger.positions) == wanted
