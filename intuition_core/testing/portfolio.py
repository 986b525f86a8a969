"""The contract of portfolios as tests to subclass."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, ClassVar, Final

from intuition_core.contracts import Bet, ClosedTrade, Signal
from intuition_core.testing.account import FakeAccount
from intuition_core.testing.asked import AskedContract
from intuition_core.testing.contract import Made, must, skip
from intuition_core.testing.recording import quotes
from intuition_core.trading.answers import bets

_SLACK: Final = Decimal("1.000000001")
"""The account shows floats, and all of its cash may be a hair more than there is."""

_EDGES: Final[tuple[dict[str, Any], ...]] = (
    {},
    {"probability": 0.6, "win": 1.0, "loss": 1.0},
    {"probability": 0.2, "win": 1.0, "loss": 1.0},
    {"mean": 0.001, "variance": 0.0004, "risk_free": 0.0},
    {"mean": -0.001, "variance": 0.0004},
)
_ODD_EDGES: Final[tuple[dict[str, Any], ...]] = (
    {"probability": 1.0, "win": 1.0, "loss": 1.0},
    {"probability": 0.0, "win": 1.0, "loss": 1.0},
    {"probability": 0.6, "win": 0.0, "loss": 0.0},
    {"probability": 0.6, "win": 1e-300, "loss": 1e-300},
    {"mean": 0.001, "variance": 0.0},
    {"mean": 0.0, "variance": 0.0},
    {"mean": 1e300, "variance": 1e-300},
    {"probability": 0.6},
    {"mean": 0.001},
)
_QUESTIONS: Final = 60


class PortfolioContract(AskedContract):
    """The checks of a portfolio.

    ::

        class TestMyPortfolio(PortfolioContract):
        part = MyPortfolio
        params = {"fraction": 0.1}
    """

    kind: ClassVar[str] = "portfolio"

    def questions(self) -> list[Any]:
        """Return signals to buy, with edges and without, each with an account that could take it."""
        given = []
        for number, event in enumerate(quotes()[:_QUESTIONS]):
            edge = _EDGES[number % len(_EDGES)]
            given.append((Signal(event["sid"], "buy", event["quote"], **edge), _account(number, event)))
        return given

    def ask(self, made: Made, question: Any) -> Any:
        """Call the part to size a signal."""
        return made.live.optimize(*question)

    def read(self, answer: Any) -> Sequence[Bet]:
        """Return a stake as bets."""
        return () if answer is None else bets(answer)

    def named(self, number: int, question: Any) -> str:
        """Return the name of a signal, for messages."""
        signal, account = question
        return f"signal {number + 1} ({signal.side} {signal.sid} at {signal.quote}, cash {account.cash})"

    # -- the checks

    def test_bets_are_bounded(self) -> None:
        """No bet is for more than the cash that the account has available."""
        made = self.make()
        for number, question in enumerate(self.questions()):
            signal, account = question
            bets_of_it = (bet for bet in self._bets(made, number, question) if bet.side != "sell")
            staked = sum((_cash(bet, signal) for bet in bets_of_it), Decimal(0))
            must(
                staked <= Decimal(str(account.cash)) * _SLACK,
                f"for {self.named(number, question)} it bets {staked:f}: bet no more than `account.cash`, in which what"
                " other orders have set aside is not included",
            )

    def test_no_cash_is_no_failure(self) -> None:
        """The part raises nothing for an account without cash or equity, and its bets are within bounds."""
        poor = (FakeAccount(cash=0.0), FakeAccount(cash=1e-9), FakeAccount(cash=0.0, positions={"IBM": 1.0}))
        self._all_are_bets((Signal("IBM", "buy", 100.0, **edge), account) for account in poor for edge in _EDGES)

    def test_odd_edges_are_no_failure(self) -> None:
        """The part raises nothing for edges that are certain, zero or incomplete, and its bets are within bounds."""
        self._all_are_bets((Signal("IBM", "buy", 100.0, **edge), FakeAccount()) for edge in _ODD_EDGES)

    def test_releases_are_bets(self) -> None:
        """A part with `release` answers sells with bets."""
        made = self.make()
        if not callable(getattr(made.live, "release", None)):
            skip("it has no `release`: a sell closes the position")
        account = FakeAccount(positions={"IBM": 10.0}, marks={"IBM": 100.0})
        for held in (account, FakeAccount()):
            signal = Signal("IBM", "sell", 100.0)
            try:
                self.read(made.live.release(signal, held))
            except Exception as error:
                raise AssertionError(
                    f"`release` of {dict(held.positions) or 'a symbol that is not held'} raised"
                    f" {type(error).__name__}: {error}; answer a Bet, a number, or None"
                ) from error

    def test_bets_of_its_own_are_whole(self) -> None:
        """Bets of `observe` name a symbol and a side, and buy for no more than the cash that is available."""
        made = self.make()
        observe = getattr(made.live, "observe", None)
        if not callable(observe):
            skip("it has no `observe`: it bets on signals alone")
        for number, event in enumerate(quotes()[:_QUESTIONS]):
            account = _account(number, event)
            what = f"`observe` of quote {number + 1} ({event['sid']} at {event['quote']}, cash {account.cash})"
            try:
                given = self.read(observe(event, account))
            except Exception as error:
                raise AssertionError(f"{what} raised {type(error).__name__}: {error}; answer Bets or None") from error
            staked = Decimal(0)
            for bet in given:
                must(bet.sid is not None, f"{what} gave {bet!r}: name its `sid`, as there is no signal to take it from")
                must(bet.side is not None, f"{what} gave {bet!r}: name its `side`, `buy` or `sell`")
                if bet.side == "buy":
                    staked += _cash(bet, Signal(str(bet.sid), "buy", account.marks.get(str(bet.sid), 0.0)))
            must(
                staked <= Decimal(str(account.cash)) * _SLACK,
                f"{what} buys for {staked:f}: bet no more than `account.cash`; what is being sold is not there yet",
            )

    def _all_are_bets(self, questions: Any) -> None:
        made = self.make()
        for number, question in enumerate(questions):
            self._bets(made, number, question)

    def _bets(self, made: Made, number: int, question: Any) -> Sequence[Bet]:
        given: Sequence[Bet] = self._read(self._answered(made, number, question), number, question)
        return given


def _account(number: int, event: dict[str, Any]) -> FakeAccount:
    """Return an account: new, invested, or with orders at work and closed trades."""
    sid, quote, ts = event["sid"], event["quote"], event["ts"]
    marks = {"IBM": 120.0, "MSFT": 26.0, sid: quote}
    if number % 3 == 0:
        return FakeAccount(marks=marks)
    other = "MSFT" if sid == "IBM" else "IBM"
    trades = [ClosedTrade(other, 10.0, 1000.0, 1000.0 + 10 * (each % 7 - 2), ts - each) for each in range(40, 0, -1)]
    if number % 3 == 1:
        return FakeAccount(cash=5000.0, positions={other: 20.5}, marks=marks, closed_trades=trades)
    return FakeAccount(cash=37.25, positions={sid: 3.0}, pending={other: 900.0}, marks=marks, closed_trades=trades[:3])


def _cash(bet: Bet, signal: Signal) -> Decimal:
    if bet.units is not None:
        return Decimal(str(bet.units)) * Decimal(str(signal.quote or 0.0))
    return Decimal(str(bet.cash or 0))
