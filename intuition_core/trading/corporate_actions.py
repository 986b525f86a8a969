"""Corporate actions and rates: what splits, dividends and rates do to the account and to open orders."""

from collections import Counter
from decimal import Decimal

import msgspec

from intuition_core.account.actions import Dividend, Split, read_action
from intuition_core.account.amounts import EXACT, ROUNDING, exact, floor_to_step
from intuition_core.account.books import Books
from intuition_core.account.market import Unbookable, read_rate
from intuition_core.contracts import Data
from intuition_core.errors import BadData
from intuition_core.trading.moment import Moment
from intuition_core.trading.order_book import OrderBook
from intuition_core.trading.orders import on_ticks
from intuition_core.trading.outcomes import Outcomes
from intuition_core.trading.records import Recorder
from intuition_core.trading.risk_monitor import RiskMonitor


class CorporateActions:
    """Books splits, dividends and rates; the recorder is at their event.

    Attributes:
        unquoted: how many splits and dividends were booked of each symbol that had no quote by then.

    Args:
        books: the account.
        book: the open orders.
        moment: says by which rules.
        outcomes: takes back the orders that protect what is no more.
        recorder: writes what was booked.
        monitor: told that the account has changed.
    """

    __slots__ = ("_book", "_books", "_market", "_moment", "_monitor", "_outcomes", "_recorder", "unquoted")

    def __init__(
        self,
        books: Books,
        book: OrderBook,
        *,
        moment: Moment,
        outcomes: Outcomes,
        recorder: Recorder,
        monitor: RiskMonitor,
    ) -> None:
        self._books = books
        self._market = books.market
        self._book = book
        self._moment = moment
        self._outcomes = outcomes
        self._recorder = recorder
        self._monitor = monitor
        self.unquoted: Counter[str] = Counter()

    def take_rate(self, data: Data) -> None:
        """Take a rate between two currencies."""
        try:
            self._market.rate(read_rate(data))
        except BadData as error:
            self._refuse(data, str(error))
            return
        self._monitor.invalidate()

    def act(self, data: Data) -> None:
        """Book a split or a dividend."""
        ts, market, newer = data["ts"], self._market, self._moment.rules > 1
        try:
            action = read_action(data)
            marked = isinstance(action, Split)
            if newer:
                if isinstance(action, Dividend):
                    market.check(action)
                marked = market.quoted_at.get(action.sid, ts) <= ts
            booked = self._books.act(action, marked=marked)
        except (BadData, Unbookable) as error:
            self._refuse(data, str(error))
            return
        if action.sid not in market.marks:
            self.unquoted[action.sid] += 1
        if isinstance(action, Split):
            split_orders(self._book, action, ts)
        if newer:
            market.acted_at[action.sid] = max(ts, market.acted_at.get(action.sid, ts))
            for each in list(self._book.open_for(action.sid)):  # prices from before it count no more
                if each.since is not None and each.since < ts:
                    self._book.replace(msgspec.structs.replace(each, since=ts))
        what = {"action": data["action"]}
        for key in ("ratio", "amount"):
            if key in data:
                what[key] = str(data[key])
        for algorithm, done in booked.items():
            self._recorder.write("action", action.sid, algorithm=algorithm, **what, **done.to_json())
            if not done.after:
                self._outcomes.end_orphans(algorithm, action.sid)
        if self._monitor.needed:
            self._monitor.settle()
            self._monitor.invalidate()

    def _refuse(self, data: Data, reason: str) -> None:
        self._recorder.write("rejection", data.get("sid"), reason=f"an event of `{data['channel']}`: {reason}")


def split_orders(book: OrderBook, split: Split, ts: int) -> None:
    """Convert the units, limits and stops of a symbol's open orders by a split; amounts of cash stay.

    Args:
        book: the open orders; those that were decided after the split stay as they are.
        split: the split.
        ts: its time, nanoseconds UTC.
    """
    new, old = Decimal(split.new), Decimal(split.old)
    step, tick = book.market.step(split.sid), book.market.tick(split.sid)
    for placed in list(book.open_for(split.sid)):
        if placed.since is not None and placed.since > ts:
            continue
        order = placed.order
        quantity, ordered = order.quantity, placed.ordered
        if quantity is not None:
            quantity = floor_to_step(EXACT.multiply(quantity, new), old, step)
            if ordered is not None:
                ordered = floor_to_step(EXACT.multiply(ordered, new), old, step)
        limit, stop, lose, take = (
            None if price is None else float(ROUNDING.divide(ROUNDING.multiply(exact(price), old), new))
            for price in (order.limit, order.stop, order.stop_loss, order.take_profit)
        )
        order = msgspec.structs.replace(
            order, quantity=quantity, limit=limit, stop=stop, stop_loss=lose, take_profit=take
        )
        book.replace(msgspec.structs.replace(placed, order=on_ticks(order, tick), ordered=ordered))
