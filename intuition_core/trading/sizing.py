"""Sizing: a signal becomes a bet of its portfolio, and the bet an order."""

import math
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, Final

import msgspec

from intuition_core.account.amounts import EXACT, exact
from intuition_core.account.market import Market, Unbookable
from intuition_core.contracts import Bet, Data, Order, Side, Signal, Targets
from intuition_core.data import DEFAULT_CHANNEL, MAX_PRICE, MIN_PRICE, check_sid
from intuition_core.errors import BadData
from intuition_core.trading.answers import bets, check_bracket, check_terms
from intuition_core.trading.matching import outside
from intuition_core.trading.moment import Moment
from intuition_core.trading.orders import OpenOrder, is_simple_market
from intuition_core.trading.outcomes import Outcomes
from intuition_core.trading.paper_broker import PaperBroker
from intuition_core.trading.parts import BoundSleeve
from intuition_core.trading.placement import Placement
from intuition_core.trading.records import Recorder
from intuition_core.trading.risk_gate import RiskGate
from intuition_core.trading.risk_monitor import Fail
from intuition_core.trading.targets import Aim

_ZERO: Final = Decimal(0)
_SIDES: Final = ("buy", "sell")
_ROUNDING_SLACK: Final = Decimal("1.000000001")
"""A portfolio that bets all of `account.cash`, a float, may name a hair more than there is; this much is forgiven."""

_NOTHING_TO_CLOSE: Final[dict[Side, str]] = {
    "sell": "no {} held that is not being sold already",
    "buy": "no {} sold short that is not being bought back already",
}
_NO_TERMS: Final = Signal("", "buy")
"""The terms of a bet about another symbol than its signal's: none."""

_CLOSING: Final = Bet()
"""The bet that closes a position, with no terms of its own."""


class Sizing:
    """Asks portfolios how much to bet on signals, and makes orders of their bets.

    Args:
        gate: passes the orders on.
        placement: places what belongs together.
        aim: places the orders that targets ask for.
        broker: estimates orders; what can be closed its order book says.
        moment: the event that is being taken.
        outcomes: records refusals.
        recorder: says at which time orders are decided.
        market: the latest quotes.
        shorts: whether units may be sold short.
        status: where to note which part is called.
        fail: told of parts that fail.
    """

    __slots__ = (
        "_aim",
        "_book",
        "_broker",
        "_fail",
        "_gate",
        "_marks",
        "_moment",
        "_outcomes",
        "_placement",
        "_recorder",
        "_shorts",
        "_status",
    )

    def __init__(
        self,
        gate: RiskGate,
        placement: Placement,
        *,
        aim: Aim,
        broker: PaperBroker,
        moment: Moment,
        outcomes: Outcomes,
        recorder: Recorder,
        market: Market,
        shorts: bool,
        status: Any,
        fail: Fail,
    ) -> None:
        self._gate = gate
        self._placement = placement
        self._aim = aim
        self._broker = broker
        self._book = broker.book
        self._moment = moment
        self._outcomes = outcomes
        self._recorder = recorder
        self._marks = market.marks
        self._shorts = shorts
        self._status = status
        self._fail = fail

    def closes(self, sleeve: BoundSleeve, sid: str, side: Side) -> bool:
        """Return whether an order of a side closes the sleeve's position in a symbol, rather than opening one.

        Without the permission to sell short every sale does.
        """
        if not self._shorts:
            return side == "sell"
        held = sleeve.ledger.positions.get(sid)
        return held is not None and (held.quantity > 0) is (side == "sell")

    def signal(self, sleeve: BoundSleeve, signal: Signal, data: Data) -> None:
        """Size a signal by its portfolio, and place the resulting orders."""
        quote = signal.quote
        # Nearly every signal is a simple one at the quote of its event, which was checked on its way in.
        simple = (
            quote is not None
            and quote is data.get("quote")
            and data["channel"] == DEFAULT_CHANNEL
            and signal.sid is data.get("sid")
            and signal.side in _SIDES
            and signal.tag is None
            and is_simple_market(signal)
        )
        if not simple:
            checked = self._checked(sleeve, signal, data)
            if checked is None:
                return
            signal = checked
            if signal.tag is not None and (replaced := self._tagged(sleeve, signal)):
                with self._placement.in_place_of(replaced):
                    self.signal(sleeve, signal, data)
                return
        if self.closes(sleeve, signal.sid, signal.side):
            size, method = sleeve.release, "release"
            if size is None:
                self._close(sleeve, signal, simple=simple)
                return
        else:
            size, method = sleeve.optimize, "optimize"
        number = sleeve.number + 1
        self._status[1] = number
        try:
            stake = size(signal, sleeve.account)
            if stake is None:
                return
            if type(stake) is Targets:
                self._aim.at(sleeve, stake, number, method, signal.sid)
                return
            if stake is not sleeve.checked:  # a bet that is given again and again need not be checked again
                staked = bets(stake)
                sleeve.checked = stake if type(stake) is Bet else None
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001  # a part may raise anything; the others go on
            self._fail(number, method, error, signal.sid)
            return
        if sleeve.checked is not None:
            self._bet(sleeve, signal, sleeve.checked, simple=simple)
        else:
            self._bet_all(sleeve, [(signal, bet) for bet in staked])

    def rebalance(self, sleeve: BoundSleeve, method: str, ask: Callable[[], Any], sid: str) -> None:
        """Place the bets that a portfolio makes without a signal.

        Args:
            sleeve: whose.
            method: of the portfolio, which is asked.
            ask: calls it.
            sid: the symbol of the event.
        """
        number = sleeve.number + 1
        self._status[1] = number
        try:
            stake = ask()
            if not stake:
                return
            if type(stake) is Targets:
                self._aim.at(sleeve, stake, number, method, sid)
                return
            staked = bets(stake)
            for bet in staked:
                if bet.sid is None or bet.side is None:
                    raise ValueError(f"a bet of `{method}` names its `sid` and its `side`")  # noqa: TRY301  # recorded below, as what the part raises
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001  # the same
            self._fail(number, method, error, sid)
            return
        pairs = []
        for bet in staked:
            about, side = bet.sid or sid, bet.side or "buy"
            pairs.append((Signal(about, side, self._marks.get(about)), bet))
        self._bet_all(sleeve, pairs)

    def _tagged(self, sleeve: BoundSleeve, signal: Signal) -> list[OpenOrder]:
        """Return a sleeve's open orders with the symbol and the tag of a signal."""
        there, name, tag = self._book.open_for(signal.sid), sleeve.names[0], signal.tag
        return [each for each in there if each.order.tag == tag and each.algorithm == name and each.recalled is None]

    def _checked(self, sleeve: BoundSleeve, signal: Signal, data: Data) -> Signal | None:
        """Return the signal with its quote; None, with a record, if it is invalid."""
        quote = signal.quote
        problem = None
        try:
            check_sid(signal.sid)
            check_terms("a signal", signal.limit, signal.stop, signal.tif, signal.until, signal.tag)
            check_bracket("a signal", signal.stop_loss, signal.take_profit, signal.group)
        except (BadData, TypeError, ValueError) as error:
            problem = f"a signal's {error}" if isinstance(error, BadData) else str(error)
        if quote is None and problem is None:
            quote = self._marks.get(signal.sid)
        unquoted = f"no quote of {signal.sid} is known yet; give the signal one"
        if problem is not None:
            pass
        elif signal.side not in _SIDES:
            problem = f"a signal's side is `buy` or `sell`, not {signal.side!r}"
        elif quote is None and self._moment.rules > 1:  # the market has said nothing yet: no mistake of the part
            self._outcomes.refuse(sleeve, Order(signal.sid, signal.side, 0.0), unquoted)
            return None
        elif quote is None:
            problem = unquoted
        elif isinstance(quote, bool) or not isinstance(quote, int | float) or not math.isfinite(quote):
            problem = f"a signal's quote is a finite number, not {quote!r}"
        elif quote and not MIN_PRICE <= abs(quote) <= MAX_PRICE:
            problem = f"a signal's quote is from {MIN_PRICE:g} to {MAX_PRICE:g}, not {quote!r}"
        if problem is not None:
            self._fail(sleeve.number, "event", TypeError(problem), data.get("sid"))
            return None
        moment = self._moment
        if moment.at_once and moment.rules > 1 and quote is not None and moment.is_about_root(signal.sid):
            if (told := outside(moment.root, quote)) is not None:
                self._outcomes.refuse(sleeve, Order(signal.sid, signal.side, float(quote)), told)
                return None
            quote = moment.root["quote"]
        return signal if signal.quote is quote else msgspec.structs.replace(signal, quote=quote)

    # -- from a bet to an order

    def _bet_all(self, sleeve: BoundSleeve, staked: Sequence[tuple[Signal, Bet]]) -> None:
        """Place the bets of one decision: closing orders before the opening ones they pay for."""
        opening = []
        if len(staked) > 1 and self._moment.rules > 1:
            opening = [
                pair
                for pair in staked
                if not self.closes(sleeve, pair[1].sid or pair[0].sid, pair[1].side or pair[0].side)
            ]
        if not opening or len(opening) == len(staked):
            for signal, bet in staked:
                self._bet(sleeve, signal, bet)
            return
        with self._placement.together(sleeve):
            for signal, bet in (*(pair for pair in staked if pair not in opening), *opening):
                self._bet(sleeve, signal, bet)

    def _bet(self, sleeve: BoundSleeve, signal: Signal, bet: Bet, *, simple: bool = False) -> None:
        """Place the order that a bet comes to; ``simple`` as in `_place`."""
        sid = signal.sid
        side = bet.side or signal.side
        if bet.sid is None or bet.sid == sid:
            mark = signal.quote
        else:
            sid = bet.sid
            mark = self._marks.get(sid)
        quote = float(mark or 0.0)
        problem = None
        cash: Decimal | None = None
        units: Decimal | None = None
        short = False
        if mark is None:
            problem = f"no quote of {sid} is known yet"
        elif not bet.cash and not bet.units:
            if bet.reason is None:
                return
            problem = bet.reason
        elif quote <= 0 and bet.units is None:
            problem = f"a bet cannot be sized at a price of {mark}"
        elif self.closes(sleeve, sid, side):
            closable = self._closable(sleeve, sid, side, bet.group or signal.group)
            units, short = min(self._units(bet, sid, quote), closable), side == "buy"
            if not closable:
                problem = _NOTHING_TO_CLOSE[side].format(sid)
        elif quote <= 0 and side == "buy":
            problem = f"a bet cannot be sized at a price of {mark}"
        elif side == "sell":
            units, short = self._units(bet, sid, quote), True
        elif bet.units is not None:
            units = exact(bet.units)
        else:
            cash = exact(bet.cash or 0)
            there = EXACT.add(sleeve.ledger.available, sleeve.ledger.expected)
            if there < cash <= EXACT.multiply(there, _ROUNDING_SLACK):
                cash = there
        if problem is not None:
            self._outcomes.refuse(sleeve, Order(sid, side, quote, reason=bet.reason), problem)
        else:
            self._place(sleeve, signal, bet, sid, side, quote, cash, units, short=short, simple=simple)

    def _close(self, sleeve: BoundSleeve, signal: Signal, *, simple: bool) -> None:
        """Place an order that closes a sleeve's position in a symbol; ``simple`` as in `_place`."""
        sid, side = signal.sid, signal.side
        quantity = self._closable(sleeve, sid, side, signal.group)
        quote, short = float(signal.quote or 0.0), side == "buy"
        if quantity:
            self._place(sleeve, signal, _CLOSING, sid, side, quote, None, quantity, short=short, simple=simple)
        else:
            self._outcomes.refuse(sleeve, Order(sid, side, quote), _NOTHING_TO_CLOSE[side].format(sid))

    def _closable(self, sleeve: BoundSleeve, sid: str, side: Side, group: str | None) -> Decimal:
        """Return the units that a closing side can close and no open order closes already."""
        return (self._book.sellable if side == "sell" else self._book.coverable)(sleeve.names[0], sid, group)

    def _units(self, bet: Bet, sid: str, quote: float) -> Decimal:
        """Return the units of a bet, those that its cash comes to included."""
        if bet.units is not None:
            return exact(bet.units)
        try:
            return self._broker.estimate(Order(sid, "sell", quote, cash=exact(bet.cash or 0)))[0]
        except Unbookable:  # the order will be refused for it
            return _ZERO

    def _place(
        self,
        sleeve: BoundSleeve,
        signal: Signal,
        bet: Bet,
        sid: str,
        side: Side,
        quote: float,
        cash: Decimal | None,
        quantity: Decimal | None,
        *,
        short: bool,
        simple: bool,
    ) -> None:
        """Pass the order of a bet to the gate, on the bet's terms, or else on those of a signal about the same symbol.

        Args:
            sleeve: whose it is.
            signal: what the bet answers.
            bet: the terms.
            sid: of the order, as are the following.
            side: whether it buys or sells.
            quote: the price that it is decided at.
            cash: to be spent; None for units.
            quantity: the units; None for cash.
            short: whether it is about a short position.
            simple: whether the signal is known to name no terms, and no tag: most do not, and then nothing is copied.
        """
        order = Order(sid, side, quote, cash, quantity, bet.reason, self._recorder.ts, sleeve.names[0], short)
        # Asked here, as a bet is no order yet: without a `tif` it has that of the signal, which is then "gtc".
        if (
            simple
            and bet.limit is None
            and bet.stop is None
            and bet.tif is None
            and bet.until is None
            and bet.stop_loss is None
            and bet.take_profit is None
            and bet.group is None
        ):
            self._gate.place(sleeve, order, simple=not short)
        else:
            self._gate.place(sleeve, _on_terms(order, bet, signal if sid == signal.sid else _NO_TERMS))


def _on_terms(order: Order, bet: Bet, signal: Signal) -> Order:
    """Return an order on the terms of its bet, or else on those of its signal."""
    limit, stop, until = bet.limit, bet.stop, bet.until
    if limit is None and stop is None:
        limit, stop = signal.limit, signal.stop
    lose, take = bet.stop_loss, bet.take_profit
    if lose is None and take is None:
        lose, take = signal.stop_loss, signal.take_profit
    return msgspec.structs.replace(
        order,
        limit=limit,
        stop=stop,
        tif=bet.tif or signal.tif,
        until=signal.until if until is None else until,
        tag=signal.tag,
        stop_loss=lose,
        take_profit=take,
        group=bet.group or signal.group,
    )
