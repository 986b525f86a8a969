"""The order manager: what parts ask for becomes orders on the account, and what becomes of orders becomes records.

It puts its parts together, each of which does one thing: `Sizing` asks portfolios, `RiskGate` asks risk parts,
`Placement` puts orders into the `OrderBook`, `PaperBroker` fills them, `Outcomes` records what became of them, `Aim`
places what targets ask for, `CorporateActions` books splits and dividends, `Interventions` does what people decide. All
of them look at the same `Moment`, the event that is being taken.
"""

from collections.abc import Sequence
from typing import Any, Final

from intuition_core.account.books import Books
from intuition_core.account.readable import Readable
from intuition_core.contracts import Account, Cancel, Data, Fill, Message, Signal, Targets
from intuition_core.data import as_json, check_channel, check_sid
from intuition_core.errors import BadData
from intuition_core.trading.answers import answers, check_terms
from intuition_core.trading.composition import Composition
from intuition_core.trading.corporate_actions import CorporateActions
from intuition_core.trading.interventions import Interventions
from intuition_core.trading.moment import Moment
from intuition_core.trading.order_book import OrderBook
from intuition_core.trading.ordered import Ordered
from intuition_core.trading.orders import OVER
from intuition_core.trading.outcomes import Outcomes
from intuition_core.trading.paper_broker import PaperBroker
from intuition_core.trading.parts import BoundRisk, BoundSleeve
from intuition_core.trading.placement import Placement
from intuition_core.trading.records import Recorder
from intuition_core.trading.risk_gate import RiskGate
from intuition_core.trading.risk_monitor import Fail, RiskMonitor
from intuition_core.trading.sizing import Sizing
from intuition_core.trading.targets import Aim
from intuition_core.trading.venue_booking import VenueBooking
from intuition_core.trading.view import LedgerView

NO_MORE: Final = "the data ended before the order could fill"
"""Why an order ends with a history; what else is to be said follows after a colon."""


class OrderManager:
    """Trades for the sleeves of one composition on one account.

    Attributes:
        books: the account, by algorithm.
        ledger: the account as a whole.
        account: the whole account as risk parts see it.
        book: the open orders.
        broker: fills them.
        moment: the event that is being taken.
        recorder: what was recorded and not taken yet.
        fills: what is to be told to those whose orders it filled; always the same object.
        monitor: shows risk parts how the account fares.
        actions: books splits, dividends and rates.
        interventions: does what people decide.
        venue: books what a venue says, where one fills the orders; None on paper.

    Args:
        composition: the recipe.
        run: what the ids of the records start with.
        status: where to note which part is called.
        fail: told of parts that fail.
    """

    __slots__ = (
        "_fail",
        "_gate",
        "_market",
        "_outcomes",
        "_placement",
        "_shut",
        "_sizing",
        "_status",
        "_targets",
        "account",
        "actions",
        "book",
        "books",
        "broker",
        "fills",
        "interventions",
        "ledger",
        "moment",
        "monitor",
        "recorder",
        "signal",
        "venue",
    )

    def __init__(self, composition: Composition, *, run: str, status: Any, fail: Fail) -> None:
        self._status, self._fail = status, fail
        self._market = market = composition.market()
        margin, costly = composition.margin, bool(composition.costs)
        books = Books(composition.cash, composition.shares, market=market, margin=margin, rules=composition.rules)
        self.books = books
        self.ledger: Readable = books if len(books.ledgers) > 1 else next(iter(books.ledgers.values()))
        self.moment = moment = Moment(composition, market)
        self.book = OrderBook(books.ledgers, market)
        self.broker = broker = PaperBroker(self.book, costs=composition.costs, rules=composition.fills)
        self.account: Account = LedgerView(
            self.ledger, quoted_at=market.quoted_at, working=self.book.open, ordered=Ordered(self.book)
        )
        self.recorder = recorder = Recorder(run, costly=costly)
        self._shut: set[str] = set()  # symbols with open orders that were not traded at their last event
        self.monitor = RiskMonitor(
            self.ledger,
            self.account,
            market,
            status=status,
            fail=fail,
            alarm=lambda risk, reason: self.interventions.kill_for(risk, reason),
        )
        self._outcomes = outcomes = Outcomes(books, broker, moment=moment, recorder=recorder, monitor=self.monitor)
        self.fills = outcomes.fills
        self._placement = placement = Placement(
            books, broker, moment=moment, recorder=recorder, outcomes=outcomes, margin=margin, costly=costly
        )
        self._gate = gate = RiskGate(placement, outcomes=outcomes, account=self.account, status=status, fail=fail)
        shared: dict[str, Any] = {"moment": moment, "outcomes": outcomes, "recorder": recorder}
        self._targets = Aim(gate, placement, broker=broker, market=market, fail=fail, **shared)
        self._sizing = Sizing(
            gate,
            placement,
            aim=self._targets,
            broker=broker,
            market=market,
            shorts=margin is not None,
            status=status,
            fail=fail,
            **shared,
        )
        self.signal = self._sizing.signal
        self.actions = CorporateActions(books, self.book, monitor=self.monitor, **shared)
        self.interventions = interventions = Interventions(books, self.book, gate=gate, placement=placement, **shared)
        self.venue: VenueBooking | None = None
        if composition.venue is not None:
            self.venue = VenueBooking(
                books,
                self.book,
                outcomes=outcomes,
                recorder=recorder,
                currency=composition.currency or "",
                on_drift=composition.venue.on_drift,
                kill=interventions.control,
                close=interventions.close,
            )
            interventions.venue = placement.venue = self.venue
            outcomes.ask_to_cancel = self.venue.ask_to_cancel

    def open(self, sleeves: Sequence[BoundSleeve], risks: Sequence[BoundRisk]) -> None:
        """Trade for these sleeves, under these risk parts, from now on."""
        self.interventions.sleeves = sleeves
        told = [each for each in sleeves if each.filled is not None or each.portfolio_filled is not None]
        self._outcomes.tell({sleeve.names[0]: sleeve for sleeve in told})
        self._gate.risks = risks
        self.monitor.open(risks)

    @property
    def killed(self) -> str | None:
        """Why the kill switch is on; None while it is off."""
        return self._gate.killed

    @killed.setter
    def killed(self, reason: str | None) -> None:
        self._gate.killed = reason

    # -- what algorithms and portfolios ask for

    def answer_all(self, sleeve: BoundSleeve, given: Sequence[Signal | Cancel | Message | Targets], data: Data) -> None:
        """Process an algorithm's answers to one event: closing orders before the opening ones they pay for."""
        self._placement.forget_settled()
        if len(given) > 1 and self.moment.rules > 1:
            signals = [answer for answer in given if isinstance(answer, Signal)]
            opening = [each for each in signals if not self._sizing.closes(sleeve, each.sid, each.side)]
            if opening and len(opening) < len(signals):
                ordered = iter((*(each for each in signals if each not in opening), *opening))
                with self._placement.together(sleeve):
                    for answer in given:
                        self._answer(sleeve, next(ordered) if isinstance(answer, Signal) else answer, data)
                return
        for answer in given:
            self._answer(sleeve, answer, data)

    def _answer(self, sleeve: BoundSleeve, answer: Signal | Cancel | Message | Targets, data: Data) -> None:
        """Process one answer of an algorithm."""
        if isinstance(answer, Signal):
            self.signal(sleeve, answer, data)
        elif isinstance(answer, Targets):
            self._targets.at(sleeve, answer, sleeve.number, "event", data.get("sid"))
        elif isinstance(answer, Message):
            self._publish(sleeve, answer, data)
        else:
            self._cancel(sleeve, answer, data)

    def rebalance(self, sleeve: BoundSleeve, data: Data) -> None:
        """Call a portfolio's `observe` with a quote, and place its bets."""
        self._sizing.rebalance(sleeve, "observe", lambda: sleeve.observe(data, sleeve.account), data["sid"])  # type: ignore[misc]  # only those that have it are asked

    def tell(self, sleeve: BoundSleeve, fill: Fill, data: Data) -> None:
        """Call `filled` of a sleeve's parts, and process their answers."""
        if sleeve.filled is not None:
            self._status[1] = sleeve.number
            try:
                outcome = sleeve.filled(fill)
                given = answers(outcome) if outcome is not None else ()
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # noqa: BLE001  # a part may raise anything; the others go on
                self._fail(sleeve.number, "filled", error, fill.sid)
            else:
                for answer in given:
                    self._answer(sleeve, answer, data)
        if sleeve.portfolio_filled is not None:
            self._sizing.rebalance(
                sleeve,
                "filled",
                lambda: sleeve.portfolio_filled(fill, sleeve.account),  # type: ignore[misc]  # not None: asked above
                fill.sid,
            )

    def _publish(self, sleeve: BoundSleeve, message: Message, data: Data) -> None:
        """Record a copy of a message: the part may go on changing what it gave."""
        try:
            channel, content = check_channel(message.channel), as_json("data", message.data)
        except BadData as error:
            self._fail(sleeve.number, "event", error, data.get("sid"))
            return
        self.recorder.write("message", data.get("sid"), channel=channel, data=content, algorithm=sleeve.algorithm.name)

    def _cancel(self, sleeve: BoundSleeve, wish: Cancel, data: Data) -> None:
        """Cancel the open orders of a sleeve that a `Cancel` names."""
        try:
            check_terms("a Cancel", None, None, "gtc", None, wish.tag)
            if wish.sid is not None:
                check_sid(wish.sid)
        except (BadData, TypeError, ValueError) as error:
            problem = f"a Cancel's {error}" if isinstance(error, BadData) else str(error)
            self._fail(sleeve.number, "event", TypeError(problem), data.get("sid"))
            return
        named = [
            each
            for each in self.book
            if each.algorithm == sleeve.names[0]
            and wish.sid in (None, each.order.sid)
            and wish.tag in (None, each.order.tag)
        ]
        self._outcomes.take_back(named, "cancelled by the algorithm")

    # -- what events bring about

    def fill(self, sid: str, data: Data) -> None:
        """Fill a symbol's open orders with a quote; the recorder is at its event.

        Orders that have ended by its time are taken back. Where the symbol's exchange is closed by its calendar, its
        orders wait.
        """
        if self.venue is not None:
            return  # it fills them, and tells
        book, ts = self.book, data["ts"]
        there = sid in book.open
        if there and self.moment.rules > 1:
            self.moment.note_reach(sid, data)
        traded = there and (not self._market.has_instruments or self._is_traded(sid, data))
        if book.expiring:
            for open_order in book.expire(ts, sid=sid if traded else None):
                self._outcomes.reject(open_order, open_order.why or OVER)
            there = sid in book.open
        if not there:
            return
        if not traded:
            self._shut.add(sid)
            return
        if self._shut:
            self._shut.discard(sid)
        self._outcomes.fill_with(sid, data)

    def _is_traded(self, sid: str, data: Data) -> bool:
        if self.moment.rules == 1:
            return self._market.is_open(sid, data["ts"])
        return self._market.traded_until(sid, data) is not None

    def end(self) -> None:
        """Cancel every open order at the end of the events."""
        for open_order in self.book.cancel_all():
            sid, reason = open_order.order.sid, NO_MORE
            if open_order.recalled is not None:
                reason = open_order.why
            elif sid in self._shut:
                calendar = self._market.calendar_of(sid)
                reason += f": by the calendar {calendar}, {sid}'s exchange was closed at each event that it waited for"
            self._outcomes.reject(open_order, reason)
