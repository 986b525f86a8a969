"""Engines of parts that are Python objects, without a configuration or an installed plugin."""

import re
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any, TypeAlias

from intuition_core.account.costs import NO_COSTS, Costs
from intuition_core.params.checking import check_params
from intuition_core.testing.contract import SEED
from intuition_core.trading.composition import DEFAULT_CASH, Composition, Fill, Part, Sleeve
from intuition_core.trading.engine import TradingEngine
from intuition_core.trading.naive import Naive

Choice: TypeAlias = Callable[[], Any] | tuple[Callable[[], Any], Mapping[str, Any]]
"""A part's class, or the class and its parameters."""


def strategy_of(
    algorithm: Choice,
    portfolio: Choice = Naive,
    *,
    indicators: Iterable[Choice] = (),
    risks: Iterable[Choice] = (),
    seed: int = SEED,
    cash: Decimal = DEFAULT_CASH,
    fill: Fill = "next",
    costs: Costs = NO_COSTS,
) -> TradingEngine:
    """Return an engine of parts, started.

    ``engine.step(event)`` takes a normalised event and gives the records that it led to. A part is called after its
    class: ``SmaCross`` is ``sma-cross``.

    Args:
        algorithm: the algorithm's class, or that and its parameters, as are the others.
        portfolio: what sizes its signals.
        indicators: what sees each event before the algorithm.
        risks: what checks each order.
        seed: what the parts' draws follow from.
        cash: what the account starts with, in its currency.
        fill: whether orders fill at the ``next`` quote of their symbol or the ``same``.
        costs: what each fill pays.

    Raises:
        BadParameter: a part does not take a parameter.
        PartFailed: a part cannot be made or initialised.
    """
    line = Sleeve(algorithm=_part("algorithm", algorithm), portfolio=_part("portfolio", portfolio))
    composition = Composition(
        sleeves=(line,),
        risks=tuple(_part("risk", risk) for risk in risks),
        indicators=tuple(_part("indicator", indicator) for indicator in indicators),
        seed=seed,
        cash=cash,
        fill=fill,
        costs=costs,
    )
    return TradingEngine(composition, run="test")


def _part(kind: str, choice: Choice) -> Part:
    factory, given = choice if isinstance(choice, tuple) else (choice, {})
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", getattr(factory, "__name__", kind)).lower()
    return Part(kind=kind, name=name, factory=factory, params=check_params(f"{kind} {name}", factory, given))
