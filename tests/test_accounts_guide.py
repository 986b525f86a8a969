"""docs/accounts.md, as it says."""

import re
import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from intuition_core.composition import Composition, Line, Part
from intuition_core.config import convert, load_config
from intuition_core.contracts import Bet, Signal
from intuition_core.costs import Costs
from intuition_core.plugins import discover
from intuition_core.service import Service
from intuition_core.strategy import Strategy

GUIDE = Path(__file__).parent.parent / "docs" / "accounts.md"
TABLES = re.findall(r"```toml\n(.*?)```", GUIDE.read_text(), re.DOTALL)


@pytest.mark.parametrize("table", TABLES)
def test_every_table_can_be_read(table: str) -> None:
    convert(tomllib.loads(table), origin="docs/accounts.md")


def test_two_algorithms_and_moved_capital(tmp_path: Path) -> None:
    file = tmp_path / "intuition.toml"
    file.write_text(TABLES[0])
    session = Service(load_config(file, environment={}), discover())
    parts = session.account()["algorithms"]
    assert (parts["first"]["cash"], parts["second"]["cash"]) == ("600", "400")
    [decision] = session.event({"sid": "A", "quote": 10, "ts": 1})
    assert (decision["algorithm"], decision["cash"]) == ("first", "100")
    [fill] = session.event({"sid": "A", "quote": 20, "ts": 2})
    assert fill["quantity"] == "5"
    session.shares({"first": 0.5, "second": 0.5})
    account = session.account()
    assert account["equity"] == "1000"
    assert {name: part["equity"] for name, part in account["algorithms"].items()} == {"first": "500", "second": "500"}


class Trader:
    def initialize(self, params: Any) -> None:
        pass

    def event(self, data: Any) -> Signal | None:
        return Signal(data["sid"], data["do"]) if data["do"] else None


def strategy(bet: Bet, **more: Any) -> Strategy:
    class Staking:
        def optimize(self, signal: Any, account: Any) -> Bet:
            return bet

    table = tomllib.loads(TABLES[2])["costs"]
    line = Line(
        algorithm=Part(kind="algorithm", name="trader", factory=Trader, params={}),
        portfolio=Part(kind="portfolio", name="staking", factory=Staking, params={}),
    )
    costs = Costs(**{name: Decimal(str(amount)) for name, amount in table.items()})
    return Strategy(Composition(lines=(line,), seed=0, cash=Decimal(1000), costs=costs, **more), run="r")


def step(at: Strategy, quote: float, do: str | None = None) -> list[dict[str, Any]]:
    return list(at.step({"channel": "quotes", "sid": "A", "quote": quote, "ts": at.seq, "do": do}))


def test_a_fill_recomputed_by_hand() -> None:
    trading = strategy(Bet(units=3))
    step(trading, 100.0, "buy")
    bought, *_ = step(trading, 100.0, "sell")
    sold, *_ = step(trading, 110.0)
    assert (bought["price"], bought["commission"], bought["cash"]) == (100.5, "1.3015", "302.8015")
    assert (sold["price"], sold["commission"], sold["cash"]) == (109.45, "1.32835", "327.02165")
    assert sold["profit"] == "24.22015"
    assert trading.ledger.cash == Decimal("1024.22015")


@pytest.mark.parametrize(("cash", "units"), [("302.8015", "3"), ("302.80", "2")])
def test_quantities_are_floored_with_all_costs(cash: str, units: str) -> None:
    trading = strategy(Bet(cash=Decimal(cash)), step=Decimal(1))
    step(trading, 100.0, "buy")
    [fill] = step(trading, 100.0)
    assert fill["quantity"] == units
