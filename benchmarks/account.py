"""What many parts on one account cost, as ratios in one run.

The workload is that of ``backtest.py``: crossings of SMA(10) and SMA(30) over synthetic one-minute bars.

- ``ten / one``: ten algorithms on one account, each with a tenth of the capital, against one with all of it.
- ``limits / none``: all limits of intuition-risk, wide enough to refuse nothing, against none; the same decisions.

Parts that take turns share the noise of the machine; figures are medians of five. Run ``python benchmarks/account.py
[--bars N]``.
"""

import argparse
from decimal import Decimal
from typing import Any, Final

import intuition_risk
import msgspec
from backtest import BATCH, UNITS, Columns, batches, columns, composition, in_turns, ratio
from intuition_algorithms import SmaCross
from intuition_portfolio_fixed import Fixed

from intuition_core.backtest.run import Backtest
from intuition_core.trading.composition import Composition, Part, Sleeve

BARS: Final = 100_000
TEN: Final = 10
LIMITS: Final[dict[str, dict[str, Any]]] = {
    "MaxPosition": {"units": 10.0 * UNITS},
    "Exposure": {"gross": 1.0, "net": 1.0},
    "OrderSize": {"cash": 500_000.0},
    "OrderRate": {"orders": 1000, "seconds": 60.0},
    "DailyLoss": {"fraction": 0.5, "kill": True},
    "Drawdown": {"peak": 0.9, "start": 0.9, "kill": True},
    "PriceCollar": {"fraction": 0.5},
    "StaleData": {"seconds": 3600.0},
}


def ten() -> Composition:
    """Give the recipe with ten algorithms, whose averages differ a little so that they do not all act at once."""
    units = Fixed.Params(units=Decimal(UNITS))
    lines = tuple(
        Sleeve(
            algorithm=Part(
                kind="algorithm", name=f"cross-{number}", factory=SmaCross, params=SmaCross.Params(slow=25 + number)
            ),
            portfolio=Part(kind="portfolio", name="fixed", factory=Fixed, params=units),
        )
        for number in range(TEN)
    )
    return msgspec.structs.replace(composition(), sleeves=lines)


def limited() -> Composition:
    """Give the recipe with all limits."""
    parts = ((name, getattr(intuition_risk, name), params) for name, params in LIMITS.items())
    risks = tuple(
        Part(kind="risk", name=name, factory=limit, params=msgspec.convert(params, limit.Params))
        for name, limit, params in parts
    )
    return msgspec.structs.replace(composition(), risks=risks)


def run(bars: Columns, recipe: Composition) -> Backtest:
    """Run the bars through a backtest."""
    backtest = Backtest(recipe)
    for number, batch in enumerate(batches(bars), 1):
        backtest.take(batch, part=min(1.0, number * BATCH / len(bars["ts"])))
    return backtest


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bars", type=int, default=BARS)
    bars = columns(parser.parse_args().bars)
    one, many, careful = composition(), ten(), limited()
    whole = run(bars, many).finish(source="synthetic", complete=True)
    told = run(bars, one)
    sha256 = told.decisions_sha256
    assert run(bars, careful).decisions_sha256 == sha256, "the limits change what is decided"
    print(f"{len(bars['ts']):,} bars; {told.counts['fill']:,} fills of one, {whole.counts['fill']:,} of ten algorithms")
    print(f"decisions of one: {sha256}")
    taken = in_turns(one=lambda: run(bars, one), ten=lambda: run(bars, many))
    print(f"ten / one: {ratio(taken, 'ten', 'one')}; goal at most 11")
    taken = in_turns(none=lambda: run(bars, one), limits=lambda: run(bars, careful))
    print(f"limits / none: {ratio(taken, 'limits', 'none')}; goal at most 1.3")


if __name__ == "__main__":
    main()
