"""RPC methods for executors: the orders that a venue is to be told of, and what the venue says."""

import threading
from collections.abc import Mapping, Sequence
from typing import Any, Final

from intuition_core.data import Event, as_json, check_id, check_sid
from intuition_core.errors import BadData, IntuitionError
from intuition_core.rpc.server import Method
from intuition_core.serving.arguments import BadCall, Options, count, place
from intuition_core.serving.paging import fitting
from intuition_core.session.batch import CLOCK
from intuition_core.session.batch_run import Item
from intuition_core.session.identity import identity_of
from intuition_core.session.session import Session
from intuition_core.trading.executions import EXECUTIONS, read_execution
from intuition_core.trading.records import Record, record_key

MAX_EXECUTIONS: Final = 1_000
MAX_ORDERS: Final = 1_000

LONGEST_WAIT: Final = 5.0
"""Seconds for which `orders` waits at most."""


class NoVenue(IntuitionError):
    """Something of a venue was told to a session whose orders are filled on paper."""

    def __init__(self) -> None:
        super().__init__(
            "this session fills its orders on paper: serve one of a configuration with a [broker] and "
            'mode = "live" to trade at a venue'
        )


class VenueMethods:
    """The methods of one session for executors.

    Args:
        session: the session.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._news = threading.Condition()
        self._count = 0
        session.listen(self._note)

    def methods(self) -> dict[str, Method]:
        """Return the methods by name."""
        return {
            "orders": Method(self.orders, queued=False, drives=False, reads=True),
            "executions": Method(self.executions, queued=True, trades=True),
        }

    def _note(self, records: Sequence[Record]) -> None:
        if any(record["type"] in ("decision", "cancel") for record in records):
            with self._news:
                self._count += 1
                self._news.notify_all()

    def orders(self, since: Any = None, limit: Any = MAX_ORDERS, wait: Any = 0) -> list[Record]:
        """Return the decisions and the orders to be cancelled after a record, oldest first.

        Args:
            since: the id of a record, after which to go on; null for all.
            limit: the most records of an answer, which may hold fewer, as it has to be carried.
            wait: the seconds to wait for some where there are none, at most five. An empty answer is the end.
        """
        after = place("orders", "since as the id of a record", since)
        most = min(count("orders", "limit", limit), MAX_ORDERS)
        if isinstance(wait, bool) or not isinstance(wait, int | float) or not 0 <= wait <= LONGEST_WAIT:
            raise BadCall("orders", f"expected wait as 0 to {LONGEST_WAIT:g} seconds, got {wait!r:.60}")
        seen = self._count
        found = self._after(after, most)
        if not found and wait:
            with self._news:
                self._news.wait_for(lambda: self._count != seen, wait)
            found = self._after(after, most)
        return found

    def _after(self, after: tuple[int, int], most: int) -> list[Record]:
        found: list[Record] = []
        for some in self._session.outbox.orders(after):
            found += some
            if len(found) >= most:
                break
        return list(fitting(found[:most]))

    def executions(self, batch: Any, options: Any) -> list[Any]:
        """Book what a venue says, each once by its id; return for each its records, or its error as `events` does.

        Args:
            batch: objects with ``id``, ``ts`` in nanoseconds UTC by the venue's clock, ``execution`` and what that
                kind has.
            options: ``client`` and ``epoch``, as `attach` gave it.

        Raises:
            NoVenue: the session fills its orders on paper.
            StaleEpoch: a newer instance of the client has attached; nothing was booked.
        """
        session = self._session
        if session.engine.composition.venue is None:
            raise NoVenue
        if not isinstance(batch, list | tuple) or len(batch) > MAX_EXECUTIONS:
            raise BadCall("executions", f"expected an array of at most {MAX_EXECUTIONS} objects")
        given = Options.read(options, 0)
        if given.client is None:
            raise BadCall("executions", "expected options with `client` and `epoch`")
        session.clients.check_epoch(given.client, given.epoch)
        errors: dict[int, IntuitionError] = {}
        items: list[Item] = []
        for n, said in enumerate(batch):
            try:
                event = checked(said)
            except BadData as error:
                errors[n] = error
                items.append(Item(()))
            else:
                items.append(Item((event,), *identity_of(event, None)))
        # As no client's: whoever publishes hears of it, however the executor is called.
        replies = session.deliver(items, client=CLOCK)
        return [answered(errors.get(n, reply)) for n, reply in enumerate(replies)]


def checked(said: Any) -> Event:
    """Return what a venue says as an event.

    Raises:
        BadData: it is no object, has no id or time, or is none of the kinds of executions.
    """
    if not isinstance(said, Mapping):
        raise BadData(f"expected an object, got {type(said).__name__}", field="execution")
    event: dict[str, Any] = {**as_json("execution", dict(said)), "channel": EXECUTIONS}
    event["id"] = check_id(event.get("id"))
    ts = event.get("ts")
    if type(ts) is not int or not 0 < ts < 2**63:
        raise BadData(f"expected nanoseconds UTC as a whole number, got {ts!r:.60}", field="ts")
    if "sid" in event:
        check_sid(event["sid"])
    if "order" in event:
        try:
            record_key(event["order"])
        except (ValueError, AttributeError):
            raise BadData(f"expected the id of a decision, got {event['order']!r:.60}", field="order") from None
    read_execution(event)
    return event


def answered(reply: list[Record] | IntuitionError) -> Any:
    """Return an entry of an answer: records, or the error as an object."""
    if isinstance(reply, IntuitionError):
        return {"error": {"name": type(reply).__name__, "message": str(reply)}}
    return reply
