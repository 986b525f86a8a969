"""What is short, or ordered to be, is not sold short again."""

from decimal import Decimal
from typing import Any

import pytest
from intuition_portfolio_fixed import Fixed

from intuition_core.account.margin import Margin
from intuition_core.contracts import Data, Signal
from intuition_core.params.checking import check_params
from intuition_core.trading.composition import Composition, Part, Sleeve
from intuition_core.trading.engine import TradingEngine


class Told:
    """Signals what the events say, with the sides in ``do``."""

    def event(self, data: Data) -> list[Signal]:
        return [Signal(data["sid"], side) for side in data.get("do", ())]


@pytest.mark.parametrize("side", ["buy", "sell"])
@pytest.mark.parametrize("initial", ["1", "1.5"])
@pytest.mark.parametrize(("params", "units"), [({"units": 7}, 7), ({"cash": 700}, 7), ({"fraction": 0.07}, 7)])
@pytest.mark.parametrize("at", [{0: 1, 2: 1, 4: 1}, {0: 3}, {0: 2, 1: 2}])
def test_it_bets_once(side: str, initial: str, params: dict[str, Any], units: int, at: dict[int, int]) -> None:
    engine = TradingEngine(
        Composition(
            sleeves=(
                Sleeve(
                    algorithm=Part(kind="algorithm", name="told", factory=Told, params={}),
                    portfolio=Part(
                        kind="portfolio", name="fixed", factory=Fixed, params=check_params("fixed", Fixed, params)
                    ),
                ),
            ),
            seed=1,
            cash=Decimal(10_000),
            margin=Margin(initial=Decimal(initial), maintenance=Decimal("1.05")),
        ),
        run="r",
    )
    for n in range(8):
        do = [side] * at.get(n, 0)
        engine.step({"channel": "quotes", "sid": "A", "quote": 100.0, "ts": n, "do": do})
    assert engine.account.positions == {"A": pytest.approx(units if side == "buy" else -units)}
