"""Orders with a tag: replaced as if they were not there, and kept where nothing replaces them."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intuition_core.account.margin import Margin
from intuition_core.contracts import Account, Bet, Cancel, Order, Rejection, Signal
from intuition_core.trading.composition import Composition, Part, Sleeve
from intuition_core.trading.engine import TradingEngine
from intuition_core.trading.orders import FillRules

TENTH = FillRules(volume_share=Decimal("0.1"))


class Scripted:
    """Answers what the event says."""

    def initialize(self, params: Any) -> None:
        pass

    def event(self, data: Mapping[str, Any]) -> Any:
        return data.get("say")


class Stakes:
    """Bets what the test says; once for each symbol, unless it is to bet in any case."""

    bet: Any = Bet(cash=1000)
    always = False

    def optimize(self, signal: Signal, account: Account) -> Any:
        if not self.always and any(order.sid == signal.sid for order in account.orders):
            return Bet(cash=0, reason="ordered already")
        return self.bet


class Gate:
    """Refuses everything while it is shut."""

    shut = False

    def check(self, order: Order, account: Account) -> Order | Rejection:
        return Rejection("shut") if self.shut else order


class Trader:
    """A strategy whose signals, bets and refusals the test says."""

    def __init__(self, **terms: Any) -> None:
        self.stakes, self.gate = Stakes(), Gate()
        line = Sleeve(
            algorithm=Part(kind="algorithm", name="scripted", factory=Scripted, params={}),
            portfolio=Part(kind="portfolio", name="stakes", factory=lambda: self.stakes, params={}),
        )
        risk = Part(kind="risk", name="gate", factory=lambda: self.gate, params={})
        composition = Composition(sleeves=(line,), risks=(risk,), seed=1, cash=Decimal(1000), **terms)
        self.engine = TradingEngine(composition, run="r")
        self.ts = 0

    def step(self, *say: Any, sid: str = "A", quote: float = 100.0, **more: Any) -> Sequence[dict[str, Any]]:
        self.ts += 1
        event = {"channel": "quotes", "sid": sid, "quote": quote, "ts": self.ts, "say": say, **more}
        return self.engine.step(event)

    @property
    def orders(self) -> Sequence[Order]:
        return self.engine.account.orders

    @property
    def reserved(self) -> Mapping[str, Any]:
        return dict(self.engine.books.ledgers["scripted"].reservations)


def buy(limit: float, tag: str | None = "entry", sid: str = "A") -> Signal:
    return Signal(sid, "buy", 100.0, limit=limit, tag=tag)


def told(records: Sequence[Mapping[str, Any]]) -> list[str]:
    return [record.get("reason") or record["type"] for record in records]


def test_all_cash_can_be_bet_again() -> None:
    trader = Trader()
    (first,) = trader.step(buy(90.0))
    gone, second = trader.step(buy(95.0))
    assert (gone["reason"], gone["cause"]) == ("replaced", first["id"])
    assert (second["limit"], second["cash"], second["replaces"]) == (95.0, "1000", [first["id"]])
    assert [order.limit for order in trader.orders] == [95.0]
    assert [*trader.reserved] == [second["id"]]


def test_a_stop_can_follow_the_market() -> None:
    trader = Trader()
    trader.step(buy(100.0))
    trader.step()
    (first,) = trader.step(Signal("A", "sell", stop=90.0, tag="exit"))
    gone, second = trader.step(Signal("A", "sell", stop=95.0, tag="exit"), quote=105.0)
    assert (gone["reason"], gone["cause"], second["stop"]) == ("replaced", first["id"], 95.0)
    assert second["quantity"] == first["quantity"] == "10"
    (fill,) = trader.step(quote=94.0)
    assert (fill["cause"], fill["price"], fill["quantity"]) == (second["id"], 94.0, "10")
    assert not trader.orders


@pytest.mark.parametrize("again", [{"limit": 120.0, "tag": "target"}, {"limit": 120.0}, {}])
def test_a_stop_has_its_units_until_it_is_replaced(again: dict[str, Any]) -> None:
    trader = Trader()
    trader.step(buy(100.0))
    trader.step()
    trader.step(Signal("A", "sell", stop=90.0, tag="exit"))
    assert told(trader.step(Signal("A", "sell", **again))) == ["no A held that is not being sold already"]
    assert told(trader.step(Signal("A", "sell", tag="exit"))) == ["replaced", "decision"]
    (fill,) = trader.step(quote=101.0)
    assert (fill["quantity"], fill["price"]) == ("10", 101.0)


def test_a_short_position_can_be_bought_back_at_another_stop() -> None:
    trader = Trader(margin=Margin())
    trader.stakes.bet = Bet(units=5)
    trader.step(Signal("A", "sell"))
    trader.step()
    trader.step(Signal("A", "buy", stop=110.0, tag="exit"))
    assert told(trader.step(Signal("A", "buy", stop=105.0, tag="exit"))) == ["replaced", "decision"]
    (fill,) = trader.step(quote=106.0)
    assert (fill["side"], fill["quantity"], fill["price"]) == ("buy", "5", 106.0)


def test_only_what_is_left_of_an_order_is_replaced() -> None:
    trader = Trader(fills=TENTH)
    trader.step(buy(100.0))
    (fill,) = trader.step(volume=40)
    assert fill["left_cash"] == "600"
    assert told(trader.step(buy(95.0), volume=0)) == ["1000 cash asked for, 600 available"]
    trader.stakes.bet = Bet(cash=600)
    assert told(trader.step(buy(95.0), volume=0)) == ["replaced", "decision"]


@pytest.mark.parametrize(
    ("bet", "shut", "says"),
    [
        (Bet(cash=1000), True, ["shut"]),
        (Bet(cash=0, reason="no"), False, ["no"]),
        (Bet(cash=5000), False, ["5000 cash asked for, 1000 available"]),
        (None, False, []),
        ("all", False, None),
    ],
)
def test_where_no_order_comes_of_it_the_old_one_stays(bet: Any, shut: bool, says: list[str] | None) -> None:
    trader = Trader()
    (first,) = trader.step(buy(90.0))
    before = trader.orders, trader.reserved
    trader.stakes.bet, trader.gate.shut = bet, shut
    records = trader.step(buy(95.0))
    assert told(records) == says if says is not None else [record["type"] for record in records] == ["error"]
    assert (trader.orders, trader.reserved) == before
    (fill,) = trader.step(quote=89.0)
    assert (fill["cause"], fill["price"]) == (first["id"], 89.0)


def test_an_order_that_stays_keeps_its_place() -> None:
    trader = Trader(fills=TENTH)
    trader.stakes.bet, trader.stakes.always = Bet(units=2), True
    first, second, third = trader.step(buy(90.0, "x"), buy(90.0, "y"), buy(90.0, None))
    trader.gate.shut = True
    assert told(trader.step(buy(95.0, "x"))) == ["shut"]
    fills = trader.step(quote=89.0, volume=60)
    assert [fill["cause"] for fill in fills] == [first["id"], second["id"], third["id"]]


def test_an_order_whose_cash_went_elsewhere_meanwhile_is_gone() -> None:
    trader = Trader()
    (first,) = trader.step(buy(90.0))
    trader.step(sid="B")
    trader.stakes.bet = [Bet(cash=600, sid="B"), Bet(cash=5000)]
    other, refused, gone = trader.step(buy(95.0))
    assert (other["sid"], other["type"]) == ("B", "decision")
    assert refused["reason"] == "5000 cash asked for, 400 available"
    assert (gone["cause"], gone["reason"]) == (
        first["id"],
        "other orders were placed with what it needs: 1000 cash asked for, 400 available",
    )
    assert [order.sid for order in trader.orders] == [each.sid for each in trader.reserved.values()] == ["B"]


@pytest.mark.parametrize(
    ("wish", "says"),
    [
        (Cancel(5), "a Cancel's sid: expected text"),  # type: ignore[arg-type]  # the fault
        (Cancel("A", ""), "a Cancel's tag is 1 to 64 characters, not 0"),
        (Cancel(tag=7), "a Cancel's tag is text, not int 7"),  # type: ignore[arg-type]  # the same
    ],
)
def test_a_wish_that_makes_no_sense_is_an_error_and_takes_nothing_back(wish: Cancel, says: str) -> None:
    trader = Trader()
    trader.step(buy(90.0))
    (error,) = trader.step(wish)
    assert error["type"] == "error"
    assert says in str(error)
    assert len(trader.orders) == 1


def test_what_is_named_is_taken_back() -> None:
    trader = Trader()
    trader.stakes.bet, trader.stakes.always = Bet(units=1), True
    wishes = [(Cancel("A", "x"), 3), (Cancel("A"), 2), (Cancel(tag="x"), 1), (Cancel("B", "x"), 1), (Cancel(), 0)]
    for sid, tag in (("A", "x"), ("A", "y"), ("B", "x"), ("B", "y")):
        trader.step(buy(9.0, tag, sid), sid=sid)
    for wish, left in wishes:
        assert {*told(trader.step(wish))} <= {"cancelled by the algorithm"}
        assert len(trader.orders) == len(trader.reserved) == left


SIGNALS = st.builds(buy, st.sampled_from([10.0, 20.0]), st.sampled_from([None, "x", "y"]), st.sampled_from("AB"))
BETS = st.one_of(st.none(), st.builds(Bet, cash=st.integers(0, 1500)), st.builds(Bet, units=st.integers(1, 30)))


@given(steps=st.lists(st.tuples(SIGNALS, BETS, st.booleans()), max_size=12))
def test_of_a_tag_there_is_one_order_and_nothing_is_lost(steps: list[tuple[Signal, Any, bool]]) -> None:
    trader = Trader()
    trader.stakes.always = True
    opened: dict[str, tuple[str, str | None]] = {}
    for signal, bet, shut in steps:
        trader.stakes.bet, trader.gate.shut = bet, shut
        before = trader.reserved
        records = trader.step(signal, sid=signal.sid)
        for record in records:
            if "cause" in record and record["cause"] in opened:
                assert (record["reason"], opened.pop(record["cause"])) == ("replaced", (signal.sid, signal.tag))
            elif record["type"] == "decision":
                opened[record["id"]] = (signal.sid, signal.tag)
        assert sorted((order.sid, str(order.tag)) for order in trader.orders) == sorted(
            (sid, str(tag)) for sid, tag in opened.values()
        )
        tagged = [key for key in opened.values() if key[1] is not None]
        assert len(tagged) == len({*tagged})
        assert trader.reserved.keys() == opened.keys()
        assert all(trader.reserved[key] == kept for key, kept in before.items() if key in opened)
        total = sum((each.cash for each in trader.reserved.values()), Decimal(0))
        assert trader.engine.books.ledgers["scripted"].reserved == total <= 1000


# -- what is left to close


def test_nothing_is_closed_twice_where_a_bracket_has_closed_what_another_order_was_to_close() -> None:
    trader = Trader()
    trader.engine = TradingEngine(_recipe_of_sizes(), run="r")
    trader.step(Signal("A", "buy"), Signal("A", "buy", stop_loss=90.0, take_profit=110.0))
    trader.step(Signal("A", "sell", limit=130.0))
    filled = trader.step(quote=112.0)
    assert [(record["side"], record["quantity"]) for record in filled if record["type"] == "fill"] == [("sell", "5")]
    [refused] = trader.step(Signal("A", "sell"), quote=112.0)
    assert refused["reason"] == "no A held that is not being sold already"


class _Sizes:
    """Stakes more on what it protects, and closes more than the other order has brought."""

    def optimize(self, signal: Signal, account: Account) -> Bet:
        return Bet(units=1 if signal.stop_loss is None else 5)

    def release(self, signal: Signal, account: Account) -> Bet:
        return Bet(units=3)


def _recipe_of_sizes() -> Composition:
    line = Sleeve(
        algorithm=Part(kind="algorithm", name="scripted", factory=Scripted, params={}),
        portfolio=Part(kind="portfolio", name="sizes", factory=_Sizes, params={}),
    )
    return Composition(sleeves=(line,), seed=1, cash=Decimal(1000))
