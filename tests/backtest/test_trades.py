"""Packed fills are the trades that they were, wherever they are looked at."""

import pickle
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from intuition_core.backtest.trades import Trades
from intuition_core.history import Trade
from intuition_core.trading.records import FillRecord

decimals = st.decimals(allow_nan=False, allow_infinity=False).map(str)
fills = st.lists(
    st.fixed_dictionaries(
        {
            "ts": st.integers(-(2**63), 2**63 - 1),
            "sid": st.text(min_size=1, max_size=5),
            "side": st.sampled_from(("buy", "sell")),
            "quantity": decimals,
            "price": st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**15), 10**15),
            "cash": decimals,
        },
        optional={"commission": decimals, "profit": decimals},
    ).map(lambda given: record(**given))
)


def trade(fill: FillRecord) -> Trade:
    return Trade(
        ts=fill.ts,
        sid=str(fill.sid),
        side=fill.side,
        quantity=Decimal(fill.quantity),
        price=Decimal(str(fill.price)),
        cash=Decimal(fill.cash),
        commission=Decimal(fill.commission or 0),
        profit=None if fill.profit is None else Decimal(fill.profit),
    )


def record(**given: Any) -> FillRecord:
    ids = {"id": "1:1", "type": "fill", "seq": 1, "cause": "0:0", "algorithm": "a", "portfolio": "p"}
    return FillRecord(**ids, **given)


@given(fills, fills, st.slices(8))
def test_each_is_what_its_record_says(first: list[FillRecord], second: list[FillRecord], part: slice) -> None:
    trades = Trades(first)
    trades.extend(second)
    expected = [trade(fill) for fill in first + second]
    assert len(trades) == len(expected)
    assert [repr(each) for each in trades] == [repr(each) for each in expected]  # digits and exponents included
    assert trades[part] == expected[part]
    assert [trades[-number] for number in range(1, len(trades) + 1)] == expected[::-1]
    assert trades == expected
    assert trades == pickle.loads(pickle.dumps(trades))
    assert trades == Trades(first + second)
    assert trades != [*expected, None]


def test_one_that_differs_and_one_that_is_not_there() -> None:
    fill = record(ts=1, sid="A", side="buy", quantity="1", price=2.5, cash="2.5")
    trades = Trades([fill])
    assert trades != Trades([replace(fill, cash="2.6")])
    assert trades != Trades([replace(fill, profit="0")])
    for index in (1, -2):
        with pytest.raises(IndexError):
            trades[index]
