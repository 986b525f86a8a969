import itertools
import random
import subprocess
import sys
from collections.abc import Callable, Iterable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intuition_core import Bet, Message, Order, Rejection, Signal
from intuition_core.errors import PartFailed
from intuition_core.trading.composition import Composition, Part, Sleeve
from intuition_core.trading.engine import TradingEngine
from intuition_core.trading.records import without_run


class Scripted:
    """Answers each event with what the script says for its number."""

    script: Callable[[int, dict[str, Any]], Any]

    def initialize(self, params: Any) -> None:
        self.n = 0

    def event(self, data: dict[str, Any]) -> Any:
        self.n += 1
        return type(self).script(self.n, data)


def algorithm(script: Callable[[int, dict[str, Any]], Any]) -> type:
    return type("Algorithm", (Scripted,), {"script": staticmethod(script)})


def portfolio(size: Callable[..., Any], release: Callable[..., Any] | None = None) -> type:
    methods = {"optimize": lambda self, signal, account: size(signal, account)}
    if release is not None:
        methods["release"] = lambda self, signal, account: release(signal, account)
    return type("Portfolio", (), methods)


def strategy_of(algo: type, port: type, *, risks: Iterable[type] = (), **recipe: Any) -> TradingEngine:
    params = recipe.pop("params", {})
    recipe = {"seed": 1, **recipe}

    def part(kind: str, factory: type) -> Part:
        return Part(kind=kind, name=factory.__name__.lower(), factory=factory, params=params)

    return TradingEngine(
        Composition(
            sleeves=(Sleeve(algorithm=part("algorithm", algo), portfolio=part("portfolio", port)),),
            risks=tuple(part("risk", risk) for risk in risks),
            **recipe,
        ),
        run="test.1",
    )


TIMES = itertools.count(100, 10)


def quote(price: float, sid: str = "GOOG", ts: int | None = None, **more: Any) -> dict[str, Any]:
    """Give an event after all before it; one that says its open began with the end of the one before."""
    ts = next(TIMES) if ts is None else ts
    if "open" in more:
        more.setdefault("start", ts - 10)
    return {"channel": "quotes", "sid": sid, "quote": price, "ts": ts, **more}


def buy_first(n: int, data: dict[str, Any]) -> Signal | None:
    return Signal(data["sid"], "buy", data["quote"]) if n == 1 else None


def types(records: Iterable[dict[str, Any]]) -> list[str]:
    return [record["type"] for record in records]


def test_a_decision_has_the_promised_keys_and_its_fill_comes_on_the_next_quote() -> None:
    engine = strategy_of(algorithm(buy_first), portfolio(lambda s, a: 1000))
    (decision,) = engine.step(quote(100, ts=5))
    assert decision == {
        "id": "test.1:1:0",
        "type": "decision",
        "seq": 1,
        "ts": 5,
        "sid": "GOOG",
        "cause": "test.1:1",
        "side": "buy",
        "cash": "1000",
        "quantity": "10",
        "quote": 100,
        "algorithm": "algorithm",
        "portfolio": "portfolio",
        "status": "placed",
    }
    assert engine.account.cash == 9000  # reserved meanwhile
    assert engine.ledger.cash == 10000
    assert not engine.step(quote(5, sid="AAPL", ts=5))
    (fill,) = engine.step(quote(125, ts=6))
    assert (fill["cause"], fill["quantity"], fill["price"], fill["cash"]) == (decision["id"], "8", 125, "1000")
    assert engine.ledger.cash == 9000
    assert engine.account.cash == 9000
    assert engine.account.positions == {"GOOG": 8.0}


def test_a_fill_takes_the_open_of_the_next_quote_where_it_has_one() -> None:
    engine = strategy_of(algorithm(buy_first), portfolio(lambda s, a: 1000))
    engine.step(quote(100))
    (fill,) = engine.step(quote(125, open=50.0))
    assert (fill["price"], fill["quantity"]) == (50.0, "20")


def test_fill_same_fills_at_once_at_the_signals_quote() -> None:
    engine = strategy_of(algorithm(buy_first), portfolio(lambda s, a: 1000), fill="same")
    decision, fill = engine.step(quote(100))
    assert (fill["type"], fill["cause"], fill["price"], fill["seq"]) == ("fill", decision["id"], 100, 1)
    assert not engine.open_orders


def test_a_sell_closes_the_position_once() -> None:
    def script(n: int, data: dict[str, Any]) -> Any:
        return [None, Signal("GOOG", "buy"), None, [Signal("GOOG", "sell"), Signal("GOOG", "sell")]][n % 4]

    engine = strategy_of(algorithm(script), portfolio(lambda s, a: Bet(units=3)))
    engine.step(quote(10))
    engine.step(quote(10))
    decision, rejection = engine.step(quote(20))
    assert (decision["side"], decision["quantity"], decision["cash"]) == ("sell", "3", "60")
    assert rejection["reason"] == "no GOOG held that is not being sold already"
    (fill,) = engine.step(quote(30))
    assert (fill["side"], fill["profit"], fill["cash"]) == ("sell", "60", "90")
    assert engine.account.positions == {}
    assert engine.account.closed_trades[0].profit == 60


def test_release_sells_part_of_a_position() -> None:
    def script(n: int, data: dict[str, Any]) -> Any:
        return Signal("GOOG", "buy" if n == 1 else "sell")

    engine = strategy_of(
        algorithm(script), portfolio(lambda s, a: Bet(units=10), lambda s, a: Bet(units=4)), fill="same"
    )
    engine.step(quote(10))
    decision, _ = engine.step(quote(10))
    assert decision["quantity"] == "4"
    assert engine.account.positions == {"GOOG": 6.0}


def test_units_that_cost_more_than_there_is_by_the_time_they_fill_are_refused() -> None:
    engine = strategy_of(algorithm(buy_first), portfolio(lambda s, a: Bet(units=100)))
    (decision,) = engine.step(quote(100))
    (rejection,) = engine.step(quote(101))
    assert rejection["cause"] == decision["id"]
    assert rejection["reason"] == "GOOG at 101: 10100 cash asked for, 10000 available"
    assert engine.account.cash == 10000


@pytest.mark.parametrize(
    ("stake", "reason"),
    [
        (Bet(cash=0, reason="no edge"), "no edge"),
        (20_000, "20000 cash asked for, 10000 available"),
        (Bet(units=101), "10100 cash asked for, 10000 available"),
        (1e-7, "0.0000001 comes to less than 0.00000001 GOOG at 100.0"),
        (Bet(cash=10, sid="MSFT"), "no quote of MSFT is known yet"),
    ],
)
def test_a_bet_that_is_not_placed_says_why(stake: Any, reason: str) -> None:
    engine = strategy_of(algorithm(buy_first), portfolio(lambda s, a: stake))
    (rejection,) = engine.step(quote(100))
    assert (rejection["type"], rejection["reason"]) == ("rejection", reason)
    assert engine.account.cash == 10000


@pytest.mark.parametrize("stake", [None, 0, 0.0, Bet(), Bet(cash=0), []])
def test_a_bet_of_nothing_without_a_reason_is_silence(stake: Any) -> None:
    engine = strategy_of(algorithm(buy_first), portfolio(lambda s, a: stake))
    assert not engine.step(quote(100))


def test_all_of_the_cash_can_be_bet_although_the_account_shows_it_as_a_float() -> None:
    cash = Decimal("1234567890.123456789012345")
    engine = strategy_of(algorithm(buy_first), portfolio(lambda s, a: a.cash), cash=cash)
    (decision,) = engine.step(quote(100))
    assert decision["type"] == "decision"
    assert engine.ledger.available >= 0
    assert float(engine.ledger.available) < 1e-5


@pytest.mark.parametrize(
    "stake",
    [
        float("nan"),
        float("inf"),
        -1,
        "100",
        b"1",
        True,
        Bet(cash=1, units=1),
        [1],
        {"cash": 1},
        object(),
        1e300,
        1e-300,
    ],
)
def test_a_stake_of_nonsense_is_an_error_that_names_the_portfolio(stake: Any) -> None:
    engine = strategy_of(algorithm(buy_first), portfolio(lambda s, a: stake))
    (error,) = engine.step(quote(100))
    assert (error["type"], error["kind"], error["part"], error["method"]) == (
        "error",
        "portfolio",
        "portfolio",
        "optimize",
    )
    assert engine.account.cash == 10000


@pytest.mark.parametrize(("rules", "type_"), [(1, "error"), (2, "rejection")])
def test_a_symbol_without_a_quote_is_no_failure_of_the_algorithm(rules: int, type_: str) -> None:
    engine = strategy_of(algorithm(lambda n, d: Signal("MSFT", "buy")), portfolio(lambda s, a: 1000), rules=rules)
    [record] = engine.step(quote(10.0))
    assert record["type"] == type_
    assert "no quote of MSFT is known yet" in record.get("reason", record.get("problem"))


@pytest.mark.parametrize(
    "answer",
    [
        "buy",
        7,
        {"sid": "GOOG"},
        [Signal("GOOG", "buy"), "sell"],
        Signal("GOOG", "hold"),  # type: ignore[arg-type]  # that is the point
        Signal("GOOG", "buy", float("nan")),
        Signal("", "buy"),
        Signal("a\x1b[31m", "buy", 1.0),
        Signal(7, "buy", 1.0),  # type: ignore[arg-type]  # the same
    ],
)
def test_an_answer_of_nonsense_is_an_error_that_names_the_algorithm(answer: Any) -> None:
    engine = strategy_of(algorithm(lambda n, data: answer), portfolio(lambda s, a: 1))
    (error,) = engine.step(quote(100))
    assert (error["type"], error["kind"], error["method"]) == ("error", "algorithm", "event")


def test_a_part_that_raises_or_exits_spoils_nothing_else() -> None:
    def script(n: int, data: dict[str, Any]) -> Any:
        if n == 1:
            raise ValueError("no idea")
        if n == 2:
            sys.exit(3)
        if n == 3:

            def generate() -> Iterable[Signal]:
                yield Signal("GOOG", "buy")
                raise RuntimeError("half way")

            return generate()
        return Signal("GOOG", "buy")

    engine = strategy_of(algorithm(script), portfolio(lambda s, a: 1))
    problems = [engine.step(quote(100))[0]["problem"] for _ in range(3)]
    assert problems == [
        "algorithm algorithm.event: ValueError: no idea",
        "algorithm algorithm.event: SystemExit: 3",
        "algorithm algorithm.event: RuntimeError: half way",
    ]
    assert types(engine.step(quote(100))) == ["decision"]


def test_a_message_is_recorded_and_marks_nothing() -> None:
    engine = strategy_of(
        algorithm(lambda n, data: Message("sma", {"sid": "GOOG", "quote": 1.0})), portfolio(lambda s, a: 1)
    )
    (message,) = engine.step(quote(100))
    assert (message["type"], message["channel"], message["data"]["quote"]) == ("message", "sma", 1.0)
    assert engine.account.marks == {"GOOG": 100}


def test_a_message_is_a_copy_and_one_that_cannot_be_sent_is_an_error_that_spoils_nothing_else() -> None:
    kept = {"n": 0}

    def script(n: int, data: dict[str, Any]) -> Any:
        kept["n"] += 1
        return [Message("c", kept), Signal("GOOG", "buy"), Message("c", [{1, 2}]), Message("a+b", 1)]

    engine = strategy_of(algorithm(script), portfolio(lambda s, a: 1))
    first, second = engine.step(quote(1)), engine.step(quote(1))
    assert types(first) == ["message", "decision", "error", "error"]
    assert "expected plain JSON, got set" in first[2]["problem"]
    assert (first[0]["data"], second[1]["data"]) == ({"n": 1}, {"n": 2})


def test_the_account_shows_the_cash_of_orders_that_are_not_filled() -> None:
    engine = strategy_of(
        algorithm(lambda n, d: Signal("GOOG", "buy")), portfolio(lambda s, a: 100 if not a.pending else 7)
    )
    engine.step(quote(10))
    assert engine.account.pending == {"GOOG": 100.0}
    engine.step(quote(10))
    assert engine.account.positions == {"GOOG": 10.0}
    assert engine.account.pending == {"GOOG": 100.0}


def test_an_event_of_another_channel_marks_nothing_and_reaches_only_its_listeners() -> None:
    class News(Scripted):
        @staticmethod
        def script(n: int, data: dict[str, Any]) -> Signal:
            return Signal("GOOG", "buy", 50.0)

        def initialize(self, params: Any) -> list[str]:
            super().initialize(params)
            return ["news", "news"]

    engine = strategy_of(News, portfolio(lambda s, a: 100))
    assert engine.channels == ["news"]
    assert not engine.step(quote(100))
    assert engine.account.marks == {"GOOG": 100}
    (decision,) = engine.step({"channel": "news", "ts": 3, "headline": "up"})
    assert (decision["type"], decision["quantity"]) == ("decision", "2")


def test_risks_are_asked_in_order_and_their_refusal_is_recorded() -> None:
    asked = []

    class Halve:
        def check(self, order: Order, account: Any) -> Order:
            asked.append("halve")
            return Order(order.sid, order.side, order.quote, cash=(order.cash or Decimal(0)) / 2)

    class Cap:
        def check(self, order: Order, account: Any) -> Order | Rejection:
            asked.append("cap")
            return Rejection("more than 100") if (order.cash or 0) > 100 else order

    engine = strategy_of(algorithm(lambda n, d: Signal("GOOG", "buy")), portfolio(lambda s, a: 200), risks=[Halve, Cap])
    (decision,) = engine.step(quote(10))
    assert (decision["type"], decision["cash"]) == ("decision", "100")
    engine = strategy_of(algorithm(lambda n, d: Signal("GOOG", "buy")), portfolio(lambda s, a: 202), risks=[Halve, Cap])
    (rejection,) = engine.step(quote(10))
    assert (rejection["reason"], rejection["risk"]) == ("more than 100", "cap")
    assert asked == ["halve", "cap"] * 2


def test_a_risk_part_that_lets_all_pass_that_closes_is_asked_about_what_opens_alone() -> None:
    asked: list[str] = []

    class Opening:
        def initialize(self, params: Any) -> None:
            self.opening_only = True

        def check(self, order: Order, account: Any) -> Order | Rejection:
            asked.append(order.side)
            return order if len(asked) == 1 else Rejection("once is enough")

    turns = algorithm(lambda n, d: Signal("GOOG", "buy" if n % 2 else "sell"))
    engine = strategy_of(turns, portfolio(lambda s, a: 200), risks=[Opening])
    records = [types(engine.step(quote(10))) for _ in range(4)]
    assert records == [["decision"], ["fill", "decision"], ["fill", "rejection"], ["rejection"]]
    assert asked == ["buy", "buy"]
    engine = strategy_of(turns, portfolio(lambda s, a: 200), risks=[Opening])
    asked.clear()
    engine.step(quote(10))
    engine.quarantine(1, "it is known for its failures")
    assert [types(engine.step(quote(10))) for _ in range(2)] == [["fill", "decision"], ["fill", "rejection"]]


def test_an_order_is_not_placed_when_a_risk_part_fails() -> None:
    class Broken:
        def check(self, order: Order, account: Any) -> Any:
            return None

    engine = strategy_of(algorithm(buy_first), portfolio(lambda s, a: 1), risks=[Broken])
    assert types(engine.step(quote(10))) == ["error", "rejection"]
    assert not engine.open_orders


def test_orders_that_cannot_fill_any_more_are_cancelled_and_reported() -> None:
    engine = strategy_of(algorithm(buy_first), portfolio(lambda s, a: 1000))
    (decision,) = engine.step(quote(100))
    (rejection,) = engine.cancel_open_orders(9)
    assert (rejection["cause"], rejection["ts"]) == (decision["id"], 9)
    assert rejection["id"] != decision["id"]
    assert engine.account.cash == 10000


def test_a_plain_class_is_a_part_and_gets_a_context_only_if_it_asks() -> None:
    class Plain:
        def initialize(self, params: Any) -> list[str]:
            self.params = params
            return ["quotes"]

        def event(self, data: Any) -> None:
            assert self.params == {"a": 1}

    class Asking:
        def initialize(self, params: Any, context: Any) -> None:
            context.log.info("draws %s", context.rng.random())
            assert context.account.cash == 10000
            assert context.name == "asking"

        def optimize(self, signal: Any, account: Any) -> None:
            return None

    assert not strategy_of(Plain, Asking, params={"a": 1}).step(quote(1))


@pytest.mark.parametrize("channels", ["quotes", 3, ["a+b"], ["#"], [""], [7], ["$SYS"]])
def test_channels_that_no_topic_can_carry_are_refused(channels: Any) -> None:
    class Wrong:
        def initialize(self, params: Any) -> Any:
            return channels

        def event(self, data: Any) -> None: ...

    with pytest.raises(PartFailed, match=r"algorithm wrong\.initialize"):
        strategy_of(Wrong, portfolio(lambda s, a: 1))


def test_a_part_without_its_method_is_refused_when_composing() -> None:
    with pytest.raises(PartFailed, match=r"portfolio nothing\.optimize: missing"):
        strategy_of(algorithm(buy_first), type("Nothing", (), {}))


class Dice:
    def initialize(self, params: Any, context: Any) -> None:
        self.rng = context.rng

    def event(self, data: dict[str, Any]) -> Signal | None:
        draw = self.rng.random()
        if draw < 0.6:
            return Signal(data["sid"], "buy" if draw < 0.4 else "sell", data["quote"])
        return None


class Draw:
    def initialize(self, params: Any, context: Any) -> None:
        self.rng = context.rng

    def optimize(self, signal: Signal, account: Any) -> Any:
        draw = self.rng.random()
        return account.cash * draw if draw < 0.8 else Bet(units=draw * 3)


events = st.lists(
    st.tuples(st.sampled_from(["A", "B", "C"]), st.floats(0.01, 1e6), st.booleans()), min_size=1, max_size=60
)


@settings(max_examples=80, deadline=None)
@given(events, st.integers(0, 2**63), st.sampled_from(["next", "same"]))
def test_any_stream_is_repeatable_pure_and_never_spends_what_is_not_there(
    stream: list[tuple[str, float, bool]], seed: int, fill: Any
) -> None:
    def run() -> tuple[list[Any], TradingEngine]:
        engine = strategy_of(Dice, Draw, seed=seed, fill=fill)
        records = []
        for ts, (sid, price, with_open) in enumerate(stream):
            data = quote(price, sid, ts, **({"open": price * 1.1} if with_open else {}))
            before = dict(data)
            records.extend(engine.step(data))
            assert data == before
            assert engine.ledger.available >= 0
        return records, engine

    state = random.getstate()
    records, engine = run()
    again, _ = run()
    assert random.getstate() == state
    assert records == again
    assert msgspec.json.decode(msgspec.json.encode(records)) == records
    assert len({record["id"] for record in records}) == len(records)
    assert "error" not in types(records)
    decided = {record["id"] for record in records if record["type"] == "decision"}
    filled = [record["cause"] for record in records if record["type"] == "fill"]
    assert set(filled) <= decided
    assert len(filled) == len(set(filled))
    # An independent reader of the fills alone comes to the same account.
    cash, held = Fraction(10000), dict.fromkeys("ABC", Fraction(0))
    for record in records:
        if record["type"] == "fill":
            sign = 1 if record["side"] == "buy" else -1
            moved = Fraction(record["quantity"]) * Fraction(str(record["price"]))
            assert moved == Fraction(record["cash"])
            cash -= sign * moved
            held[record["sid"]] += sign * Fraction(record["quantity"])
    assert cash == engine.ledger.cash
    assert {sid: units for sid, units in held.items() if units} == {
        sid: position.quantity for sid, position in engine.ledger.positions.items()
    }


def test_the_run_is_taken_off_the_ids_so_that_runs_compare() -> None:
    engine = strategy_of(algorithm(buy_first), portfolio(lambda s, a: 1000))
    (decision,) = engine.step(quote(100))
    assert dict(without_run(decision))["id"] == "1:0"


def test_importing_the_package_loads_no_edge() -> None:
    program = "import intuition_core, sys; print([m for m in sys.modules if m.split('.')[0] in %r or m in %r])"
    heavy = ["gevent", "zerorpc", "zmq", "click", "rich", "stevedore", "pluggy", "paho", "numpy", "pandas"]
    edges = [f"intuition_core.{name}" for name in ("config", "plugins", "hooks", "compose", "service", "rpc", "cli")]
    ran = subprocess.run(
        [sys.executable, "-c", program % (heavy, edges)], capture_output=True, text=True, check=True, timeout=60
    )
    assert ran.stdout.strip() == "[]"
