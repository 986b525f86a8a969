"""The risk gate: an order passes the kill switch and all risk parts before it is placed."""

from collections.abc import Sequence
from typing import Any

from intuition_core.contracts import Account, Order, Rejection
from intuition_core.trading.answers import check_text
from intuition_core.trading.outcomes import Outcomes
from intuition_core.trading.parts import BoundRisk, BoundSleeve
from intuition_core.trading.placement import Placement
from intuition_core.trading.risk_monitor import Fail


class RiskGate:
    """Asks the risk parts about orders.

    Attributes:
        killed: why the kill switch is on; None while it is off.
        risks: who is asked, in their order.

    Args:
        placement: places the orders that pass.
        outcomes: records the orders that do not.
        account: the whole account as risk parts see it.
        status: where to note which part is called.
        fail: told of parts that fail.
    """

    __slots__ = ("_account", "_fail", "_outcomes", "_placement", "_status", "killed", "risks")

    def __init__(self, placement: Placement, *, outcomes: Outcomes, account: Account, status: Any, fail: Fail) -> None:
        self._placement = placement
        self._outcomes = outcomes
        self._account = account
        self._status = status
        self._fail = fail
        self.killed: str | None = None
        self.risks: Sequence[BoundRisk] = ()

    def place(self, sleeve: BoundSleeve, order: Order, *, simple: bool = False) -> None:
        """Place an order as the risk parts allow it; ``simple`` as in `Placement.place`."""
        if self.killed is None and not self.risks:
            self._placement.place(sleeve, order, simple=simple)
        elif (passed := self.passed(sleeve, order)) is not None:
            self._placement.place(sleeve, passed, simple=simple and passed is order)

    def passed(self, sleeve: BoundSleeve, order: Order) -> Order | None:
        """Return the order as the risk parts allow it; None, with a record, where it is refused."""
        if self.killed is not None:
            self._outcomes.refuse(sleeve, order, f"the kill switch is on: {self.killed}")
            return None
        status, account, closing = self._status, self._account, order.closing
        for risk in self.risks:
            if closing and risk.opening_only:
                continue
            status[1] = risk.number
            try:
                answer = risk.check(order, account)
                if answer is order:
                    continue
                if isinstance(answer, Rejection):
                    check_text("a Rejection's reason", answer.reason)
                elif not isinstance(answer, Order):
                    raise TypeError(f"expected an Order or a Rejection, got {type(answer).__name__}")  # noqa: TRY301  # recorded below, as what the part raises
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # noqa: BLE001  # a part may raise anything; the others go on
                self._fail(risk.number, "check", error, order.sid)
                reason = f"{risk.part.label} failed, and what cannot be checked is not placed"
                self._outcomes.refuse(sleeve, order, reason)
                return None
            if isinstance(answer, Rejection):
                self._outcomes.refuse(sleeve, order, answer.reason, risk=risk.part.name)
                return None
            order = answer
        return order
