import re
from decimal import Decimal

import pytest

from intuition_core.contracts import Order, Rejection
from intuition_core.testing import RiskContract


class Good:
    """Lets no order through for more than a thousand."""

    def check(self, order, account):
        if order.cash is not None and order.cash > 1000:
            return Order(order.sid, order.side, order.quote, cash=Decimal(1000))
        if order.quantity is not None and order.quantity > 1000:
            return Rejection("more than a thousand units")
        return order


def test_a_good_part_passes(passes):
    passes(RiskContract, part=Good)


class Doubles(Good):
    def check(self, order, account):
        if order.quantity is not None:
            return Order(order.sid, order.side, order.quote, quantity=order.quantity * 2)
        return order


class Turns(Good):
    def check(self, order, account):
        return Order(order.sid, "sell", order.quote, cash=order.cash, quantity=order.quantity)


class Alternates(Good):
    def initialize(self, params):
        self.count = 0

    def check(self, order, account):
        self.count += 1
        return Rejection("every other one") if self.count % 2 else order

    def snapshot(self):
        return self.count

    def restore(self, state):
        self.count = state


class ClosesNothing(Good):
    opening_only = True


class SaysNo(Good):
    def check(self, order, account):
        return Rejection("")


class AnswersYes(Good):
    def check(self, order, account):
        return True


class SellsForItself(Good):
    def check(self, order, account):
        account.positions.pop("MSFT", None)
        return order


class ObservesInNumbers(Good):
    def observe(self, account, ts):
        return account.equity


@pytest.mark.parametrize(
    ("part", "check", "says"),
    [
        (Doubles, "test_never_enlarges", "a smaller one"),
        (Turns, "test_never_enlarges", "change nothing but the size"),
        (ClosesNothing, "test_lets_pass_what_it_is_not_asked_about", "let what closes a position pass"),
        (Alternates, "test_asked_again_lets_no_more_through", "how often you are asked"),
        (SellsForItself, "test_input_is_not_changed", "copy what you change"),
    ],
)
def test_each_fault_fails_its_check_alone(fails_only, part, check, says):
    message = fails_only(RiskContract, check, part=part)
    assert re.search(says, message, re.DOTALL), message


@pytest.mark.parametrize(
    ("part", "says"),
    [
        (SaysNo, "a Rejection without a reason"),
        (AnswersYes, "expected the Order, a smaller one, or a Rejection"),
        (ObservesInNumbers, "what `observe` answers is text"),
    ],
)
def test_what_is_no_verdict_is_told(part, says):
    contract = type("Contract", (RiskContract,), {"part": part})
    with pytest.raises(AssertionError, match=says):
        contract().test_answers_survive_the_wire()
