"""Arithmetic that comes to the same everywhere."""

import ast
from fractions import Fraction
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from intuition_core.account.amounts import added

ROOT = Path(__file__).parent.parent
FLOATS = (
    "intuition_core/backtest/equity.py",
    "intuition_core/testing/account.py",
    "plugins/intuition-portfolio-kelly/intuition_portfolio_kelly",
    "plugins/intuition-risk/intuition_risk",
    "plugins/intuition-indicators/intuition_indicators",
    "plugins/intuition-report/intuition_report/figures.py",
)
"""Where floats are added up, and what comes of it is a decision or a figure."""


def test_floats_are_added_one_after_the_other() -> None:
    assert added([1e16, 1.0, -1e16]) == 0.0
    assert added([0.1] * 10) == 0.9999999999999999
    assert added(iter([])) == 0.0


@given(st.lists(st.floats(-1e12, 1e12), max_size=30))
def test_each_step_is_rounded_once(numbers: list[float]) -> None:
    there = 0.0
    for number in numbers:
        there = float(Fraction(there) + Fraction(number))
    assert added(numbers) == there


def test_nothing_that_counts_is_added_as_this_python_happens_to() -> None:
    found = []
    for place in map(ROOT.joinpath, FLOATS):
        for path in [place] if place.suffix else sorted(place.rglob("*.py")):
            calls = [each for each in ast.walk(ast.parse(path.read_text())) if isinstance(each, ast.Call)]
            sums = [each for each in calls if isinstance(each.func, ast.Name) and each.func.id in ("sum", "sumprod")]
            # What begins with a number of its own adds decimals, and what gives an attribute's length adds ints.
            plain = [each for each in sums if len(each.args) == 1 and "getattr" not in ast.unparse(each)]
            found += [f"{path.relative_to(ROOT)}:{each.lineno}" for each in plain]
    assert found == []
