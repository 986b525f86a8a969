"""The contract of risk checks as tests to subclass."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, ClassVar, Final

import msgspec

from intuition_core.contracts import Order, Rejection, Side, Watch
from intuition_core.testing.account import FakeAccount
from intuition_core.testing.asked import AskedContract
from intuition_core.testing.contract import Made, must
from intuition_core.trading.answers import check_text

_TS: Final = 1_700_000_000_000_000_000
_NOT_THE_SIZE: Final = ("sid", "side", "quote", "short", "limit", "stop", "tif", "until", "tag")
_CASH: Final = (Decimal(0), Decimal("0.01"), Decimal(100), Decimal("9999.99"), Decimal(10_000), Decimal(1_000_000))


class RiskContract(AskedContract):
    """The checks of a risk.

    ::

        class TestMyRisk(RiskContract):
        part = MyRisk
        params = {"limit": 1000}
    """

    kind: ClassVar[str] = "risk"

    def questions(self) -> list[Any]:
        """Return orders of all sizes and prices, opening and closing longs and shorts, on accounts rich and poor."""
        sizes: list[tuple[Side, Decimal | None, Decimal | None]] = [("buy", cash, None) for cash in _CASH]
        sizes += [("buy", None, cash / 100) for cash in _CASH]
        sizes += [("sell", None, quantity) for quantity in (Decimal(1), Decimal(10))]
        orders = [Order("IBM", side, 100.0, cash, quantity, algorithm="test") for side, cash, quantity in sizes]
        orders += [
            Order("IBM", side, 100.0, None, quantity, algorithm="test", short=True, limit=limit, stop=stop)
            for side in ("buy", "sell")
            for quantity in (Decimal(1), Decimal(1_000_000))
            for limit, stop in ((None, None), (90.0, None), (None, 1e6), (110.0, 105.0))
        ]
        return [
            (msgspec.structs.replace(order, ts=_TS + number * 10**9), account)
            for number, order in enumerate(orders)
            for account in _accounts(_TS + number * 10**9)
        ]

    def ask(self, made: Made, question: Any) -> Any:
        """Show the part the account, if it has `observe`, and call it to check an order."""
        order, account = question
        observe = getattr(made.live, "observe", None)
        if observe is not None:
            reason = observe(account, order.ts)
            if reason is not None and not isinstance(reason, Watch):
                check_text("what `observe` answers", reason)
        return made.live.check(order, account)

    def read(self, answer: Any) -> Sequence[Order | Rejection]:
        """Return the answer as the core reads it."""
        if isinstance(answer, Rejection):
            check_text("a Rejection's reason", answer.reason)
            if not answer.reason.strip():
                raise ValueError("a Rejection without a reason; say why, to the person who reads the records")
        elif not isinstance(answer, Order):
            raise TypeError("expected the Order, a smaller one, or a Rejection")
        return (answer,)

    def named(self, number: int, question: Any) -> str:
        """Return the name of an order, for messages."""
        order, account = question
        size = f"{order.cash} in cash" if order.quantity is None else f"{order.quantity} units"
        return f"order {number + 1} ({order.side} {size} of {order.sid}, cash {account.cash})"

    # -- the checks

    def test_never_enlarges(self) -> None:
        """An order that passes has the symbol and the side of the order asked about, and is not larger."""
        made = self.make()
        for number, question in enumerate(self.questions()):
            order = question[0]
            for answer in self._read(self._answered(made, number, question), number, question):
                if isinstance(answer, Rejection):
                    continue
                same = all(getattr(answer, name) == getattr(order, name) for name in _NOT_THE_SIZE)
                must(same, f"of {self.named(number, question)} it made {answer!r}: change nothing but the size of it")
                one = (answer.cash is None) != (answer.quantity is None)
                must(
                    one, f"of {self.named(number, question)} it made {answer!r}: set `cash` or `quantity`, one of them"
                )
                must(
                    _size(answer) <= _size(order),
                    f"of {self.named(number, question)} it made one of {_size(answer):f}: give it back as it is, or a"
                    " smaller one",
                )

    def test_lets_pass_what_it_is_not_asked_about(self) -> None:
        """A part with `opening_only` lets orders that close a position pass."""
        made = self.make()
        if not getattr(made.live, "opening_only", False):
            return
        for number, question in enumerate(self.questions()):
            order = question[0]
            if order.closing:
                answer = self._answered(made, number, question)
                must(
                    answer == order,
                    f"`opening_only` says that it is not to be asked about {self.named(number, question)}, and asked it"
                    f" answers {answer!r}: let what closes a position pass, or leave `opening_only` out",
                )

    def test_asked_again_lets_no_more_through(self) -> None:
        """A second order like the first is let through for no more than the first."""
        made = self.make()
        for number, (question, again) in enumerate(zip(self.questions(), self.questions(), strict=True)):
            first, second = (
                sum(map(_passed, self._read(self._answered(made, number, each), number, each)), Decimal(0))
                for each in (question, again)
            )
            must(
                second <= first,
                f"asked twice about {self.named(number, question)}, it lets {first:f} through and then {second:f}:"
                " decide by the order, the account and what was before, not by how often you are asked",
            )


def _accounts(ts: int) -> list[FakeAccount]:
    marks, at = {"IBM": 100.0, "MSFT": 25.0}, {"IBM": ts, "MSFT": ts - 10**9}
    held = {"IBM": 10.0, "MSFT": 100.0}
    buy = Order("MSFT", "buy", 25.0, cash=Decimal(500), ts=ts, algorithm="test")
    return [
        FakeAccount(marks=marks, quoted_at=at),
        FakeAccount(cash=0.0, positions={"IBM": 10.0}, marks=marks, quoted_at=at),
        FakeAccount(cash=5000.0, positions=held, pending={"MSFT": 500.0}, orders=[buy], marks=marks, quoted_at=at),
        FakeAccount(positions={"IBM": -10.0}, margin=1500.0, rates={"IBM": 0.9}, marks=marks, quoted_at=at),
    ]


def _size(order: Order) -> Decimal:
    if order.quantity is not None:
        return order.quantity * Decimal(str(order.quote))
    return order.cash or Decimal(0)


def _passed(answer: Order | Rejection) -> Decimal:
    return Decimal(0) if isinstance(answer, Rejection) else _size(answer)
