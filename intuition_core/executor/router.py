"""The order router of one session at one venue: what is done in which order, and what is kept before it is done.

What a session decides is kept before it is sent, and what the venue says before the session is told; each is passed on
until it is confirmed, and known again by its id. So both processes may end at any moment: no order is placed twice, and
no trade is lost or booked twice.

The order of things in a step: trades and balances are asked for, the session is told, orders are cancelled, orders are
sent. At the beginning nothing is sent before all that the venue has done meanwhile is told.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from intuition_core.contracts import Backend
from intuition_core.errors import BackendRefused, IntuitionError, VenueUnavailable
from intuition_core.executor.payloads import Payloads
from intuition_core.executor.store import Intent, Store
from intuition_core.system.backoff import Backoff
from intuition_core.trading.orders import SUPERSEDED

_log: Final = logging.getLogger(__name__)

BATCH: Final = 500
"""The most orders and executions that are taken and told at once."""

_ENDS: Final = {"filled": "filled", "cancelled": "cancelled", "rejected": "refused", "expired": "expired"}


class CannotTrade(IntuitionError):
    """A broker that lacks what trading takes."""

    def __init__(self, name: str, missing: Sequence[str]) -> None:
        self.name = name
        self.missing = tuple(missing)
        super().__init__(
            f"broker {name} has no {' and no '.join(f'`{each}`' for each in missing)}, which a broker of version 1.1 "
            "has (docs/brokers.md); without that nobody knows what was traded"
        )


class Fenced(IntuitionError):
    """Another executor of the same name has taken over."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(
            f"another executor `{name}` has attached to the session since; this one ends and sends nothing"
        )


def check_broker(name: str, broker: object) -> None:
    """Refuse a broker that cannot be driven.

    Raises:
        CannotTrade: it lacks methods.
    """
    wanted = ("submit", "query", "traits", "cancel", "fills", "account")
    if missing := [each for each in wanted if not callable(getattr(broker, each, None))]:
        raise CannotTrade(name, missing)


class Pace:
    """How often things are done, in seconds.

    Attributes:
        trades: between two questions for trades and for open orders.
        account: between two questions for balances.
        silence: after how long without the session what opens is cancelled.
    """

    def __init__(self, *, trades: float = 1.0, account: float = 10.0, silence: float = 30.0) -> None:
        self.trades = trades
        self.account = account
        self.silence = silence


class OrderRouter:
    """Carries orders to a venue and what it says back, one step at a time, on one thread.

    Args:
        broker: the broker part of version 1.1, initialised.
        store: what must not be forgotten.
        name: what the session knows this executor by.
        max_age: nanoseconds after whose event a decision is not sent any more.
        pace: how often things are done.
        now: the time in nanoseconds UTC.
        elapsed: seconds that have passed, from any beginning.
    """

    def __init__(
        self,
        broker: Any,
        store: Store,
        *,
        name: str,
        max_age: int,
        pace: Pace | None = None,
        now: Callable[[], int] = time.time_ns,
        elapsed: Callable[[], float] = time.monotonic,
    ) -> None:
        self._broker = broker
        self._store = store
        self._name = name
        self._max_age = max_age
        self._pace = pace or Pace()
        self._now = now
        self._elapsed = elapsed
        self._traits = broker.traits()
        self._epoch: int | None = None
        self._session = ""
        self._payloads = Payloads(self._traits, "")
        self._settled = False  # whether the session knows all that the venue did while this was not running
        self._trades_at = self._account_at = 0.0
        self._heard_at = elapsed()
        self._later: dict[str, tuple[float, Backoff]] = {}
        self._missing: dict[str, float] = {}

    # -- the session

    @property
    def attached(self) -> bool:
        """Whether the session knows this instance."""
        return self._epoch is not None

    def attach(self, backend: Backend) -> None:
        """Begin as the latest instance of this executor: older ones are fenced.

        Raises:
            OtherExecutor: what is kept is another session's.
            BackendLost: the session does not answer.
        """
        attached = backend.call("attach", self._name)
        self._store.belongs_to(attached["run"])
        self._payloads = Payloads(self._traits, attached["run"])
        self._epoch = attached["epoch"]
        self._settled = False
        self._account_at = 0.0
        self.hear()
        self._session = attached["session"]

    def detach(self) -> None:
        """Note that the session does not answer."""
        self._epoch = None

    def hear(self) -> None:
        """Note that the session has answered."""
        self._heard_at = self._elapsed()

    def hint(self) -> None:
        """Note that the venue has something new."""
        self._trades_at = 0.0

    def take(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Keep what the session has decided: decisions and orders to be cancelled, oldest first."""
        self._store.take(records)

    def mind_silence(self) -> None:
        """Cancel what opens a position while the session has been silent for long; what closes one stays."""
        if self._elapsed() - self._heard_at > self._pace.silence:
            for intent in self._store.open_orders():
                if intent.opens and intent.state != "waiting":
                    self._cancel(intent, "the session is silent")

    # -- one step

    def step(self, backend: Backend, *, news: Callable[[], bool] = lambda: False) -> bool:
        """Do what there is to do; return whether there may be more at once.

        Args:
            backend: the session.
            news: whether the session has decided something since, which may be that an order is to be cancelled.

        Raises:
            Fenced: another instance of this executor has attached.
            BackendLost: the session does not answer.
        """
        self.mind_silence()
        self._ask()
        told = self._tell(backend)
        if not self._settled:
            return told
        intents = self._store.open_orders()
        for intent in intents:
            if intent.cancel is not None:
                self._cancel(intent, intent.cancel)
        sent = 0
        for intent in intents:
            if intent.state in ("waiting", "sending") and intent.cancel is None and self._is_due(intent):
                self._send(backend, intent)
                sent += 1
                if sent >= BATCH or news():
                    break  # what is to be cancelled goes first
        return bool(sent) or told

    def _tell(self, backend: Backend) -> bool:
        """Send the oldest unconfirmed executions to the session; return whether more may be waiting."""
        queued, traits = self._store.unconfirmed(BATCH), self._traits
        if queued:
            options = {"client": self._name, "epoch": self._epoch}
            answers = self._call(backend, "executions", [said for _, said in queued], options)
            for (_, said), answer in zip(queued, answers, strict=True):
                if isinstance(answer, Mapping):
                    _log.error("the session refuses %s: %s", said, answer["error"]["message"])
            self._store.confirm(queued[-1][0])
            self.hear()
        if len(queued) == BATCH:
            return True
        if self._account_at and not self._settled:
            self._settled = True
            _log.info("ready: orders of %s go to %s, account %s", self._session, traits.venue, traits.account)
            return True
        return False

    def _call(self, backend: Backend, method: str, *args: Any) -> Any:
        try:
            return backend.call(method, *args)
        except BackendRefused as error:
            if error.name == "StaleEpoch":
                raise Fenced(self._name) from None
            raise

    # -- what the venue says

    def _ask(self) -> None:
        """Ask for trades, for what has become of open orders, and for balances, as often as each is due."""
        now = self._elapsed()
        if now >= self._trades_at:
            self._trades_at = now + self._pace.trades
            try:
                self._ask_trades()
                self._ask_orders()
            except VenueUnavailable as error:
                _log.warning("%s does not answer: %s", self._traits.venue, error)
                self._account_at = 0.0 if not self._settled else self._account_at
                return
        if now >= self._account_at or not self._settled:
            try:
                self._ask_trades()
                account = self._broker.account()
            except VenueUnavailable as error:
                _log.warning("%s does not say what is held: %s", self._traits.venue, error)
                return
            self._store.queue([self._payloads.account(account)])
            self._account_at = now + self._pace.account

    def _ask_trades(self) -> None:
        since = self._store.value("cursor")
        trades, cursor = self._broker.fills(since)
        if trades or cursor != since:
            self._store.queue([self._payloads.trade(trade) for trade in trades], cursor=cursor)

    def _ask_orders(self) -> None:
        """Ask what has become of the orders that the venue has; a broker that lists open ones saves questions."""
        listed = getattr(self._broker, "open_orders", None)
        working = [intent for intent in self._store.open_orders() if intent.state == "working"]
        still = frozenset(listed()) if listed is not None and working else frozenset()
        for intent in working:
            if intent.id not in still and (state := self._broker.query(intent.id)) is not None:
                self._note(intent, state)

    def _note(self, intent: Intent, state: Mapping[str, Any]) -> None:
        """Note the state of an order at the venue."""
        end = _ENDS.get(state["state"])
        if end is not None:
            self.hint()  # its trades may not have been asked for yet, and the session waits for them
            self._end(intent, end, state)
        elif intent.state != "working":
            self._store.move(intent.id, "working", self._payloads.taken(intent.id, self._now(), state))

    def _end(self, intent: Intent, end: str, state: Mapping[str, Any]) -> None:
        """Note that an order is over, and queue that for the session."""
        self._store.move(intent.id, "ended", self._payloads.ended(intent.id, self._now(), end, state))

    # -- what the venue is asked

    def _cancel(self, intent: Intent, reason: str) -> None:
        """Cancel an order; one that was never sent ends at once."""
        if intent.state == "waiting":
            self._end(intent, "cancelled", {"reason": reason})
            return
        if self._must_wait(f"cancel {intent.id}"):
            return
        try:
            self._broker.cancel(intent.id)
            state = self._broker.query(intent.id)
        except VenueUnavailable as error:
            _log.warning("the order %s is not cancelled yet: %s", intent.id, error)
            self._put_off(f"cancel {intent.id}")
            return
        self._put_off(f"cancel {intent.id}")  # until the venue has ended it
        if state is not None:
            self._note(intent, state)
        elif self._elapsed() - self._missing.setdefault(intent.id, self._elapsed()) > self._traits.valid_for:
            self._end(intent, "cancelled", {"reason": reason})

    def _is_due(self, intent: Intent) -> bool:
        """Return whether an order may be sent now: not before those whose place it takes have ended."""
        if self._must_wait(intent.id):
            return False
        outcomes = [self._store.outcome(each) for each in intent.record.get("replaces", ())]
        if any(each is not None and each[0] != "ended" for each in outcomes):
            return False
        if intent.state == "waiting" and any(each is not None and each[1] for each in outcomes):
            self._end(intent, "refused", {"reason": SUPERSEDED})
            return False
        return True

    def _send(self, backend: Backend, intent: Intent) -> None:
        """Send an order, unless it is too old or another executor has taken over."""
        age = self._now() - int(intent.record["ts"])
        if intent.state == "waiting" and age > self._max_age:
            reason = f"decided {age / 1e9:,.1f} s ago, which is longer than `max_age`"
            self._end(intent, "refused", {"reason": reason})
            return
        self._call(backend, "confirm", self._name, self._epoch)  # refused where another executor has taken over
        if intent.state == "waiting":
            self._store.move(intent.id, "sending")
        sending = Intent(intent.id, "sending", intent.record, intent.cancel)
        try:
            state = self._broker.submit(intent.record) or self._broker.query(intent.id)
        except VenueUnavailable as error:
            if intent.id not in self._later:
                _log.warning("whether %s has the order %s is not known: %s", self._traits.venue, intent.id, error)
                self._store.queue([self._payloads.unknown(intent.id, self._now(), str(error))])
            self._put_off(intent.id)
            return
        self._later.pop(intent.id, None)
        self._note(sending, state or {"state": "open"})

    def _must_wait(self, what: str) -> bool:
        later = self._later.get(what)
        return later is not None and self._elapsed() < later[0]

    def _put_off(self, what: str) -> None:
        _, waits = self._later.get(what, (0.0, Backoff(first=0.2, longest=5.0)))
        self._later[what] = self._elapsed() + waits.next(), waits
