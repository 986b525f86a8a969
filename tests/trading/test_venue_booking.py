"""Orders that a venue fills: what it says is booked once, at its prices, in whatever pieces and order it comes."""

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intuition_core.account.instruments import Instrument
from intuition_core.contracts import Bet, Cancel, Signal
from intuition_core.trading.composition import Composition, Part, Sleeve, Venue
from intuition_core.trading.decisions import CONTROL
from intuition_core.trading.engine import TradingEngine
from intuition_core.trading.executions import EXECUTIONS

T0 = 1_700_000_000_000_000_000
SECOND = 1_000_000_000


class Half:
    """Bets half of the cash."""

    def optimize(self, signal: Signal, account: Any) -> Bet:
        return Bet(cash=Decimal(str(account.cash)) / 2)


def engine(script: Callable[[dict[str, Any]], Any], *, on_drift: Any = "halt", **more: Any) -> TradingEngine:
    class Algorithm:
        def event(self, data: dict[str, Any]) -> Any:
            return script(data)

    def part(kind: str, factory: type) -> Part:
        return Part(kind=kind, name=factory.__name__.lower(), factory=factory, params={})

    recipe = Composition(
        sleeves=(Sleeve(algorithm=part("algorithm", Algorithm), portfolio=part("portfolio", Half)),),
        seed=1,
        cash=Decimal(1000),
        currency="USD",
        venue=Venue(broker="b", on_drift=on_drift),
        **more,
    )
    return TradingEngine(recipe, run="r")


def trading(data: dict[str, Any]) -> Any:
    """Answer as the event says."""
    match data.get("do"):
        case "buy":
            return Signal(data["sid"], "buy", data["quote"])
        case "sell":
            return Signal(data["sid"], "sell", data["quote"])
        case "cancel":
            return Cancel(sid=data["sid"])
    return None


def quote(n: int, price: float, do: str = "", sid: str = "X") -> dict[str, Any]:
    return {"channel": "quotes", "sid": sid, "quote": price, "ts": T0 + n * SECOND, "do": do}


def said(n: int, execution: str, **more: Any) -> dict[str, Any]:
    return {"channel": EXECUTIONS, "execution": execution, "ts": T0 + n * SECOND, **more}


def account(n: int, cash: str = "1000", units: str = "0", **more: Any) -> dict[str, Any]:
    return said(n, "account", cash={"USD": cash, **more}, positions={"X": units}, as_of=T0 + n * SECOND)


def trade(n: int, order: str, quantity: str, price: str = "10", side: str = "buy", **more: Any) -> dict[str, Any]:
    return said(n, "fill", order=order, trade=str(n), sid="X", side=side, quantity=quantity, price=price, **more)


def kill(n: int, *, flatten: bool = False) -> dict[str, Any]:
    return {"channel": CONTROL, "action": "kill", "reason": "enough", "flatten": flatten, "ts": T0 + n * SECOND}


def run(at: TradingEngine, events: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return [dict(record) for event in events for record in at.step(event)]


def kinds(records: Iterable[dict[str, Any]]) -> list[str]:
    return [each.get("execution", each["type"]) for each in records]


def state_of(at: TradingEngine) -> tuple[Any, ...]:
    ledger = at.ledger
    positions = {sid: (each.quantity, each.cost) for sid, each in ledger.positions.items()}
    return ledger.cash, ledger.reserved, ledger.realised, positions, [order.order for order in at.open_orders]


BOUGHT = "r:2:0"
"""The order of the second event."""


def begun(**more: Any) -> TradingEngine:
    """Return an engine whose account is known and whose order of 50 units at 10 is open."""
    at = engine(trading, **more)
    assert kinds(run(at, [account(0), quote(1, 10.0, "buy")])) == ["account", "decision"]
    return at


def test_no_order_is_placed_before_the_venue_has_said_what_it_holds() -> None:
    at = engine(trading)
    (refused,) = run(at, [quote(1, 10.0, "buy")])
    assert refused["type"] == "rejection"
    assert "has not said yet" in refused["reason"]


def test_quotes_fill_nothing_and_the_reservation_stays() -> None:
    at = begun()
    assert run(at, [quote(n, 10.0) for n in range(2, 9)]) == []
    assert at.ledger.reserved == 500
    assert [order.id for order in at.open_orders] == [BOUGHT]


def test_trades_are_booked_at_the_venues_price_with_its_fees() -> None:
    at = begun()
    records = run(at, [trade(2, BOUGHT, "20", "9.5", fee="0.1"), trade(3, BOUGHT, "30", "10.5", fee="0.2")])
    assert [each["quantity"] for each in records] == ["20", "30"]
    assert at.ledger.cash == Decimal(1000) - Decimal("190.1") - Decimal("315.2")
    assert at.ledger.reserved == 0
    assert not at.open_orders


def test_a_fee_in_units_lowers_the_position_exactly() -> None:
    at = begun()
    run(at, [trade(2, BOUGHT, "50", fee_units="0.05", other_fees={"BNB": "0.001"})])
    assert at.ledger.positions["X"].quantity == Decimal("49.95")
    assert at.ledger.positions["X"].cost == 500
    sides = {"cash": {"USD": "500", "BNB": "-0.001"}, "positions": {"X": "49.95"}}
    for n in (10, 20, 30):
        assert run(at, [said(n, "account", as_of=T0 + n * SECOND, **sides)]) == []
    assert at.killed is None


def test_a_fee_in_the_currency_of_the_quotes_is_converted_like_the_price() -> None:
    instrument = Instrument(symbol="X", currency="EUR", multiplier=Decimal(5))
    at = engine(trading, instruments=(instrument,))
    run(at, [account(0), {"channel": "rates", "sid": "EUR/USD", "quote": 2.0, "ts": T0 + SECOND}])
    (decision,) = run(at, [quote(2, 10.0, "buy")])
    run(at, [trade(3, decision["id"], "5", "10", fee="1")])
    assert at.ledger.cash == Decimal(1000) - 2 * (5 * 5 * 10 + 1)


def test_a_trade_of_a_currency_without_a_rate_stops_trading_and_books_nothing() -> None:
    at = engine(trading, instruments=(Instrument(symbol="X", currency="EUR"),))
    run(at, [account(0)])
    before = state_of(at)
    traded = {"sid": "X", "side": "buy", "quantity": "1", "price": "10", "trade": "t"}
    assert kinds(run(at, [said(1, "foreign", **traded)])) == ["rejection", "control"]
    assert state_of(at) == before
    assert at.killed is not None
    assert "EUR" in at.killed


def test_more_cash_than_there_is_becomes_a_debt_and_not_a_lost_trade() -> None:
    at = begun()
    run(at, [trade(2, BOUGHT, "50", "30")])
    assert at.ledger.cash == -500


def test_a_cancel_is_asked_for_and_what_is_filled_meanwhile_is_booked() -> None:
    at = begun()
    (asked,) = run(at, [quote(2, 10.0, "cancel")])
    assert (asked["type"], asked["order"]) == ("cancel", BOUGHT)
    assert run(at, [quote(3, 10.0, "cancel")]) == [], "it is asked for once"
    run(at, [trade(4, BOUGHT, "20")])
    ended = run(at, [said(5, "ended", order=BOUGHT, state="cancelled", filled="20")])
    assert [each["reason"] for each in ended] == ["cancelled by the algorithm"]
    assert at.ledger.reserved == 0
    assert at.ledger.positions["X"].quantity == 20


def test_an_end_waits_for_the_trades_that_it_counts() -> None:
    at = begun()
    assert run(at, [said(2, "ended", order=BOUGHT, state="cancelled", filled="20")]) == []
    assert at.open_orders
    assert kinds(run(at, [trade(3, BOUGHT, "20")])) == ["fill", "rejection"]
    assert not at.open_orders


def test_a_kill_asks_to_cancel_what_opens_and_flatten_sells_once_the_orders_have_ended() -> None:
    at = begun()
    run(at, [trade(2, BOUGHT, "20")])
    asked = run(at, [kill(3, flatten=True)])
    assert [each["type"] for each in asked] == ["cancel", "control"]
    late = run(at, [trade(4, BOUGHT, "5")])
    assert kinds(late) == ["fill"]
    ended = run(at, [said(5, "ended", order=BOUGHT, state="cancelled", filled="25")])
    assert kinds(ended) == ["rejection", "decision"]
    assert (ended[1]["side"], ended[1]["quantity"]) == ("sell", "25")


def test_a_kill_keeps_what_closes() -> None:
    at = begun()
    run(at, [trade(2, BOUGHT, "50"), quote(3, 11.0, "sell")])
    assert kinds(run(at, [kill(4)])) == ["control"]
    assert [order.order.side for order in at.open_orders] == ["sell"]


def test_an_unknown_order_stops_its_symbol_until_it_is_known() -> None:
    at = begun()
    run(at, [said(2, "unknown", order=BOUGHT, reason="no answer within 5 s")])
    (refused,) = run(at, [quote(3, 10.0, "buy")])
    assert "not known yet" in refused["reason"]
    assert kinds(run(at, [quote(4, 10.0, "buy", sid="Y")])) == ["decision"]
    assert kinds(run(at, [said(5, "taken", order=BOUGHT, venue_order="7"), quote(6, 10.0, "buy")])) == [
        "taken",
        "decision",
    ]


@pytest.mark.parametrize("what", [{"order": "r:9:9"}, {"quantity": "51"}, {"side": "sell"}, {"sid": "Y"}])
def test_a_trade_that_fits_no_order_is_booked_outside_and_stops_trading(what: dict[str, str]) -> None:
    at = begun()
    before = state_of(at)[:4]
    records = run(at, [{**trade(2, BOUGHT, "20"), **what}])
    assert "foreign" in kinds(records)
    assert at.killed is not None
    assert before[0] == at.ledger.cash
    assert not at.ledger.positions


@pytest.mark.parametrize(
    ("on_drift", "units", "killed"),
    [("halt", "3", True), ("book", "3", False), ("warn", "3", False), ("book", "-3", True)],
)
def test_a_difference_counts_once_it_has_lasted(on_drift: str, units: str, killed: bool) -> None:
    at = begun(on_drift=on_drift)
    run(at, [said(2, "ended", order=BOUGHT, state="refused", reason="closed")])
    assert run(at, [account(3, units=units), account(4, units=units)]) == []
    assert "reconciled" in kinds(run(at, [account(9, units=units)]))
    assert (at.killed is not None) is killed
    if on_drift == "book" and not killed:
        assert run(at, [account(20, units=units), account(30, units=units)]) == []


def test_no_difference_counts_while_an_order_is_under_way() -> None:
    at = begun()
    assert run(at, [account(n, cash="500", units="50") for n in (2, 10, 20)]) == []
    assert kinds(run(at, [trade(21, BOUGHT, "50")])) == ["fill"]
    assert run(at, [account(n, cash="500", units="50") for n in (22, 30, 40)]) == []
    assert at.killed is None


def test_a_session_with_more_cash_than_the_venue_has_trades_nothing() -> None:
    at = engine(trading)
    run(at, [account(0, cash="999")])
    assert at.killed is not None
    assert "less than the 1000" in at.killed


BAD = (
    {"execution": "dream"},
    {"execution": "fill", "order": BOUGHT},
    {"execution": "ended", "order": BOUGHT, "state": "gone"},
    {"execution": "ended", "order": BOUGHT, "state": "cancelled", "filled": "-1"},
    *(
        {**trade(2, BOUGHT, "20"), **wrong}
        for wrong in (
            {"quantity": "0"},
            {"quantity": "-1"},
            {"quantity": "NaN"},
            {"price": "Infinity"},
            {"price": "1E+400"},
            {"fee_units": "21"},
            {"fee_units": "-1"},
            {"side": "hold"},
        )
    ),
)


@pytest.mark.parametrize("what", BAD)
def test_what_makes_no_sense_is_recorded_and_books_nothing(what: dict[str, Any]) -> None:
    at = begun()
    before = state_of(at)
    (record,) = run(at, [{"channel": EXECUTIONS, "ts": T0 + 2 * SECOND, **what}])
    assert record["type"] == "rejection"
    assert record["reason"].startswith("an execution: ")
    assert state_of(at) == before


def _pieces(cuts: Sequence[int]) -> list[str]:
    """Cut 50 units into trades."""
    at = [0, *sorted(set(cuts)), 50]
    return [str(b - a) for a, b in pairwise(at) if b > a]


@given(
    cuts=st.lists(st.integers(1, 49), max_size=5),
    end_at=st.integers(0, 6),
    restored_at=st.integers(0, 8),
    noise=st.lists(st.integers(0, 8), max_size=3),
)
def test_any_order_of_ends_trades_and_restarts_gives_one_ledger(
    cuts: list[int], end_at: int, restored_at: int, noise: list[int]
) -> None:
    pieces = _pieces(cuts)
    events: list[dict[str, Any]] = [trade(2 + n, BOUGHT, piece, fee="0.01") for n, piece in enumerate(pieces)]
    events.insert(min(end_at, len(events)), said(20, "ended", order=BOUGHT, state="filled", filled="50"))
    for place in noise:
        events.insert(min(place, len(events)), said(21, "taken", order=BOUGHT))
    at = begun()
    for n, event in enumerate(events):
        if n == restored_at:
            content = at.snapshot()
            assert content is not None
            at = engine(trading)
            assert at.restore(content)
        at.step(event)
    assert at.ledger.cash == Decimal(500) - Decimal("0.01") * len(pieces)
    assert at.ledger.positions["X"].quantity == 50
    assert at.ledger.reserved == 0
    assert not at.open_orders
