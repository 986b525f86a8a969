"""What is followed as it changes is the same to the last digit as what all positions and orders come to."""

from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intuition_core import exact
from intuition_core.account import market as market_module
from intuition_core.account.actions import read_action
from intuition_core.account.instruments import Instrument
from intuition_core.account.ledger import Ledger
from intuition_core.account.margin import Margin
from intuition_core.account.market import Market, Unbookable, read_rate
from intuition_core.account.positions import LedgerState
from intuition_core.contracts import Order
from intuition_core.trading import ordered, view
from intuition_core.trading.order_book import OrderBook
from intuition_core.trading.ordered import Ordered
from intuition_core.trading.orders import OpenOrder
from intuition_core.trading.view import LedgerView

SYMBOLS = tuple(f"S{number}" for number in range(9))
INSTRUMENTS = (
    Instrument(symbol="S1", currency="USD"),
    Instrument(symbol="S2", multiplier=Decimal(50)),
    Instrument(symbol="S3", currency="USD", multiplier=Decimal("0.1")),
)
steps = st.tuples(
    st.sampled_from(["mark", "mark", "buy", "buy", "sell", "short", "cover", "split", "rate", "order", "end", "look"]),
    st.sampled_from(SYMBOLS),
    st.integers(1, 5).map(Decimal),
    st.floats(0.01, 1000).map(lambda price: round(price, 2)),
)


class Case:
    """A ledger and its open orders, and how a risk part sees them."""

    def __init__(self, instruments: tuple[Instrument, ...]) -> None:
        self.market = Market(currency="EUR", instruments=instruments)
        self.ledger = Ledger(Decimal(10**9), market=self.market, margin=Margin())
        self.book = OrderBook({"own": self.ledger}, self.market)
        self.view = LedgerView(self.ledger, working=self.book.open, ordered=Ordered(self.book))
        self.orders = 0

    def step(self, what: str, sid: str, quantity: Decimal, price: float) -> None:
        market, ledger, written = self.market, self.ledger, Decimal(str(price))
        if what == "mark":
            market.marks[sid] = price
            market.requoted.append(sid)
        elif what == "rate":
            market.rate(read_rate({"sid": "USD/EUR", "quote": price}))
        elif what == "split":
            split = read_action({"sid": sid, "action": "split", "ratio": f"{quantity}:3", "ts": 1})
            ledger.act(split)
            market.split(split)  # type: ignore[arg-type]  # of a split, it returns a split
        elif what == "order":
            order = Order(sid=sid, side="buy", quantity=quantity, quote=price, ts=1)
            self.orders += 1
            self.book.add(OpenOrder(id=f"o{self.orders}", order=order, algorithm="own", portfolio="own"), written)
        elif what == "end":
            for each in list(self.book.open_for(sid))[:1]:
                self.book.cancel(each)
        elif what != "look":
            with suppress(Unbookable):
                getattr(ledger, what)(sid, quantity, written, *((1,) if what in ("sell", "cover") else ()))

    def seen(self) -> list[Any]:
        account = self.view
        return [
            account.equity.hex(),
            [(sid, worth.hex()) for sid, worth in account.values.items()],
            exact.gross(account).hex(),
            exact.net(account).hex(),
            [exact.worth_of(account, sid).hex() for sid in SYMBOLS],
            list(account.pending.items()),
            [exact.orders_for(account, sid) for sid in SYMBOLS],
        ]


@given(
    story=st.lists(steps, max_size=80),
    instruments=st.sampled_from([(), INSTRUMENTS]),
    kept=st.sampled_from([3, 4096]),
    restored=st.booleans(),
)
def test_what_is_followed_is_what_all_comes_to(
    story: list[Any], instruments: tuple[Instrument, ...], kept: int, restored: bool
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(market_module, "_KEPT_MARKS", kept)
        followed, plain = Case(instruments), Case(instruments)
        for what, *with_what in [*story, ("look", "S0", Decimal(1), 1.0)]:
            for case in (followed, plain):
                case.step(what, *with_what)
            if what != "look":
                continue
            patch.setattr(view, "_FEW", 10**9)
            patch.setattr(ordered, "_FEW", 10**9)
            expected, most = plain.seen(), exact.most_ordered(plain.view)
            patch.setattr(view, "_FEW", 0)
            patch.setattr(ordered, "_FEW", 0)
            assert followed.seen() == expected
            assert exact.most_ordered(followed.view) == pytest.approx(most, rel=1e-12, nan_ok=True)
            if restored:
                state: LedgerState = followed.ledger.snapshot()
                followed.ledger.restore(state)


def test_what_a_part_has_read_stays_as_it_was() -> None:
    case = Case(())
    case.step("order", "S1", Decimal(2), 10.0)
    case.step("order", "S2", Decimal(2), 7.0)
    before = case.view.pending
    assert dict(before) == {"S1": 10.0, "S2": 7.0}
    case.step("end", "S1", Decimal(1), 1.0)
    case.step("order", "S3", Decimal(2), 4.0)
    assert (dict(before), len(before), "S1" in before) == ({"S1": 10.0, "S2": 7.0}, 2, True)
    assert dict(case.view.pending) == {"S2": 7.0, "S3": 4.0}
