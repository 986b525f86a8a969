import re
import time
from decimal import Decimal

import msgspec
import pytest

from intuition_core.contracts import Bet
from intuition_core.testing import PortfolioContract
from intuition_core.trading.naive import Naive


class Good:
    """Bets a tenth of the cash."""

    def optimize(self, signal, account):
        return Bet(cash=account.cash / 10)


def test_good_parts_pass(passes):
    passes(PortfolioContract, part=Good)
    passes(PortfolioContract, part=Naive)
    passes(PortfolioContract, part=Rebalances)


class BetsTooMuch(Good):
    def optimize(self, signal, account):
        return Bet(cash=5000.0 if account.cash else 0.0)


class BetsTooManyUnits(Good):
    def optimize(self, signal, account):
        return Bet(units=1000)


class BetsNothing(Good):
    """Bets a number that is none where there is no cash."""

    def optimize(self, signal, account):
        return Bet(cash=account.cash / 10 if account.cash > 1 else float("nan"))


class DividesByCash(Good):
    def optimize(self, signal, account):
        return Bet(cash=account.cash * (account.cash / 10) / account.cash)


class DividesByVariance(Good):
    def optimize(self, signal, account):
        share = 1.0 if signal.variance is None else signal.mean / signal.variance
        return Bet(cash=account.cash / 10 * min(max(share, 0.0), 1.0))


class NeedsWholeEdge(Good):
    def optimize(self, signal, account):
        edge = 1.0 if signal.probability is None else signal.probability * signal.win
        return Bet(cash=round(account.cash / 10 * min(edge, 1.0), 2))


class Rebalances(Good):
    """Moves by itself, a little."""

    def observe(self, data, account):
        return [Bet(cash=account.cash / 10, sid=data["sid"], side="buy"), Bet(units=1, sid="IBM", side="sell")]


class ForgetsTheSide(Good):
    def observe(self, data, account):
        return Bet(cash=account.cash / 10, sid=data["sid"])


class ForgetsTheSymbol(Good):
    def observe(self, data, account):
        return Bet(cash=account.cash / 10, side="buy")


class SpendsWhatItSells(Good):
    def observe(self, data, account):
        return [Bet(units=10, sid="IBM", side="sell"), Bet(cash=account.cash + 1, sid="IBM", side="buy")]


class StumblesOverQuotes(Good):
    def observe(self, data, account):
        return Bet(cash=account.positions[data["sid"]], sid=data["sid"], side="buy")


class BooksForItself(Good):
    def optimize(self, signal, account):
        account.cash *= 0.9
        return Bet(cash=account.cash / 10)


class ReleasesText(Good):
    def release(self, signal, account):
        return "all of it"


class ReleasesWhatIsNotHeld(Good):
    def release(self, signal, account):
        return Bet(units=account.positions[signal.sid])


class ReadsClock(Good):
    def optimize(self, signal, account):
        self.asked = time.monotonic()
        return super().optimize(signal, account)


class SaysMuch(Good):
    class Params(msgspec.Struct, frozen=True):
        fraction: float = 0.1

    def initialize(self, params):
        self.fraction = params.fraction

    def optimize(self, signal, account):
        return Bet(cash=Decimal(str(account.cash)) * Decimal(str(self.fraction)))


@pytest.mark.parametrize(
    ("part", "check", "says"),
    [
        (BetsTooMuch, "test_bets_are_bounded", r"it bets 5000\.0: bet no more than `account\.cash`"),
        (BetsTooManyUnits, "test_bets_are_bounded", "bet no more"),
        (BetsNothing, "test_no_cash_is_no_failure", "finite and not negative"),
        (DividesByCash, "test_no_cash_is_no_failure", "ZeroDivisionError"),
        (DividesByVariance, "test_odd_edges_are_no_failure", "ZeroDivisionError"),
        (NeedsWholeEdge, "test_odd_edges_are_no_failure", "TypeError"),
        (BooksForItself, "test_input_is_not_changed", "copy what you change"),
        (ReleasesText, "test_releases_are_bets", "answer a Bet"),
        (ReleasesWhatIsNotHeld, "test_releases_are_bets", "a symbol that is not held"),
        (ForgetsTheSide, "test_bets_of_its_own_are_whole", "name its `side`"),
        (ForgetsTheSymbol, "test_bets_of_its_own_are_whole", "name its `sid`"),
        (SpendsWhatItSells, "test_bets_of_its_own_are_whole", "what is being sold is not there yet"),
        (StumblesOverQuotes, "test_bets_of_its_own_are_whole", "KeyError"),
        (ReadsClock, "test_no_wall_clock", "time.monotonic"),
        (SaysMuch, "test_bad_parameters_are_refused", r"`fraction = -1` is taken.*msgspec\.Meta"),
    ],
)
def test_each_fault_fails_its_check_alone(fails_only, part, check, says):
    message = fails_only(PortfolioContract, check, part=part)
    assert re.search(says, message, re.DOTALL), message
