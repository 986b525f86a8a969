"""A session with the portfolio can be kept, and goes on from what was kept."""

from intuition_portfolio_kelly import Kelly

from intuition_core.contracts import Data, Signal
from intuition_core.testing import quotes, strategy_of
from intuition_core.trading.engine import TradingEngine
from intuition_core.trading.records import Record


class Turns:
    """Buys and sells in turn, by the time; keeps nothing."""

    def event(self, data: Data) -> Signal:
        side = "buy" if data["ts"] // 86_400_000_000_000 % 2 else "sell"
        return Signal(data["sid"], side, data["quote"], probability=0.6, win=1.0, loss=1.0)


def session() -> TradingEngine:
    return strategy_of(Turns, (Kelly, {"min_trades": 2}))


def taken(engine: TradingEngine, events: list[Data]) -> list[Record]:
    return [record for event in events for record in engine.step(event)]


def test_a_session_goes_on_from_its_snapshot() -> None:
    events = quotes()[:200]
    whole, first, again = session(), session(), session()
    expected = taken(whole, events)
    got = taken(first, events[:100])
    kept = first.snapshot()
    assert kept is not None
    assert again.restore(kept)
    assert got + taken(again, events[100:]) == expected
    assert {record["type"] for record in got} >= {"decision", "fill"}
