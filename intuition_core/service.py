"""A session's RPC methods: what callers of any language may ask."""

import logging
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from intuition_core.compose import compose, overlay, session_name, settle
from intuition_core.composition import difference
from intuition_core.config import Config
from intuition_core.contracts import CONTRACT_VERSION
from intuition_core.data import Event, normalise
from intuition_core.errors import BadData, IntuitionError
from intuition_core.plugins import Catalogue
from intuition_core.records import Record
from intuition_core.rpc.server import Method
from intuition_core.session import Listener, Session
from intuition_core.strategy import Strategy

MAX_ITEMS: Final = 10_000
MAX_LIMIT: Final = 10_000

_log = logging.getLogger("intuition")


class AlreadyRunning(IntuitionError):
    """A caller of `initialize` asked for something else than what has been running since the first event."""

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(
            f"`{key}` differs from what has been running since the first event, and initialize never resets an "
            "account; serve another session for another composition"
        )


class BadCall(IntuitionError):
    """An argument of a call that is not what the method takes."""

    def __init__(self, method: str, problem: str) -> None:
        self.method = method
        self.problem = problem
        super().__init__(f"{method}: {problem}")


class Service:
    """One session, composed and ready, and its methods.

    Args:
        config: which parts, with which parameters.
        catalogue: the plugins there are.
        listeners: told of the records of each delivery.
        now: the time in nanoseconds UTC, for events that come without.
    """

    def __init__(
        self,
        config: Config,
        catalogue: Catalogue,
        *,
        listeners: Sequence[Listener] = (),
        now: Callable[[], int] = time.time_ns,
    ) -> None:
        self._catalogue = catalogue
        self._now = now
        self._config = settle(config, catalogue)
        composition = compose(self._config, catalogue)
        name = self._config.values.session or session_name(composition)
        # The run keeps ids unique when a session of the same name is started anew.
        self._run = f"{name}.{secrets.token_hex(4)}"
        self.session = Session(Strategy(composition, run=self._run, log=_log), name=name, listeners=listeners)

    def methods(self) -> dict[str, Method]:
        """Give the methods by name; the queued ones run on the one thread that owns the parts."""
        return {
            "initialize": Method(self.initialize, queued=True),
            "event": Method(self.event, queued=True),
            "events": Method(self.events, queued=True),
            "attach": Method(self.attach, queued=True),
            "confirm": Method(self.confirm, queued=True),
            "describe": Method(self.describe, queued=False),
            "account": Method(self.account, queued=False),
            "decisions": Method(self.decisions, queued=False),
        }

    def initialize(self, conf: Any = None) -> list[str]:
        """Lay conf over the configuration, before the first event; give the channels to listen to.

        Raises:
            AlreadyRunning: events have come, and conf would change something.
        """
        session = self.session
        if conf is not None and not isinstance(conf, Mapping):
            raise BadCall("initialize", f"expected a table of settings, got {type(conf).__name__}")
        if conf:
            config = overlay(self._config, conf, self._catalogue)
            composition = compose(config, self._catalogue)
            changed = difference(session.strategy.composition.plain(), composition.plain())
            if config.values.negative_prices != self._config.values.negative_prices:
                changed = "negative_prices"
            if changed is not None:
                if session.last_seq:
                    raise AlreadyRunning(changed)
                session.replace(Strategy(composition, run=self._run, log=_log))
                self._config = config
        return session.strategy.channels

    def event(self, data: Any) -> list[Record]:
        """Take one payload and give the records it caused.

        Raises:
            BadData: the payload cannot be read; nothing of it was run.
        """
        return self.session.deliver((self._normalised(data),))[0]

    def events(self, batch: Any, options: Any = None) -> list[Any]:
        """Take a batch of payloads; give one entry for each, its records or ``{"error": {"name", "message"}}``.

        Args:
            batch: payloads, each as `event` takes it.
            options: of an attached client: ``client`` and ``epoch``, and what it has passed on, as `confirm` takes it.

        Raises:
            StaleEpoch: a newer instance of the client has attached; nothing was run.
        """
        if not isinstance(batch, list | tuple):
            raise BadCall("events", f"expected an array of payloads, got {type(batch).__name__}")
        if len(batch) > MAX_ITEMS:
            raise BadCall("events", f"{len(batch)} payloads; at most {MAX_ITEMS} at once")
        if options is not None:
            if not isinstance(options, Mapping) or "client" not in options or "epoch" not in options:
                raise BadCall("events", "expected options with `client` and `epoch`, as `attach` gave them")
            self.confirm(options["client"], options["epoch"], options.get("acked"), options.get("published"))
        replies: list[Any] = []
        good: list[list[Event]] = []
        places: list[int] = []
        for n, payload in enumerate(batch):
            try:
                good.append(self._normalised(payload))
            except BadData as error:
                replies.append({"error": {"name": "BadData", "message": str(error)}})
            else:
                replies.append(None)
                places.append(n)
        for place, records in zip(places, self.session.deliver(good), strict=True):
            replies[place] = records
        return replies

    def attach(self, client: Any) -> dict[str, Any]:
        """Begin a new epoch of a client; an older instance of the same name is fenced, no other is."""
        return self.session.attach(_client("attach", client))._asdict()

    def confirm(self, client: Any, epoch: Any, acked: Any = None, published: Any = None) -> None:
        """Note what an attached client has passed on: items acknowledged, and the last record it published."""
        name = _client("confirm", client)
        if isinstance(epoch, bool) or not isinstance(epoch, int):
            raise BadCall("confirm", f"expected the epoch that `attach` gave, got {epoch!r}")
        if acked is not None and (isinstance(acked, bool) or not isinstance(acked, int)):
            raise BadCall("confirm", f"expected a count of acknowledged items, got {acked!r}")
        if published is not None and not isinstance(published, str):
            raise BadCall("confirm", f"expected the id of a record, got {published!r}")
        self.session.confirm(name, epoch, acked=acked, published=published)

    def describe(self) -> dict[str, Any]:
        """Describe the session: its composition, channels, clients and limits."""
        from intuition_core import __version__

        session = self.session
        return {
            "session": session.name,
            "run": self._run,
            "core": __version__,
            "contract": CONTRACT_VERSION,
            "composition": session.strategy.composition.plain(),
            "channels": session.strategy.channels,
            "last_seq": session.last_seq,
            "journal": None,
            "clients": dict(session.clients()),
            "limits": {"items": MAX_ITEMS, "decisions": MAX_LIMIT},
        }

    def account(self) -> dict[str, Any]:
        """Give the account as last committed, amounts and quantities as decimal strings."""
        return self.session.statement.plain()

    def decisions(self, since_seq: Any = 0, limit: Any = 1000) -> list[Record]:
        """Give decisions of events after a sequence number, oldest first."""
        for name, value in (("since_seq", since_seq), ("limit", limit)):
            if isinstance(value, bool) or not isinstance(value, int) or value < 0:
                raise BadCall("decisions", f"expected {name} as a whole number from 0, got {value!r}")
        return self.session.decisions(since_seq, min(limit, MAX_LIMIT))

    def _normalised(self, payload: Any) -> list[Event]:
        return normalise(payload, now=self._now, negative_prices=self._config.values.negative_prices)


def _client(method: str, client: Any) -> str:
    if not isinstance(client, str) or not 0 < len(client) <= 128:
        raise BadCall(method, f"expected a client's name of 1 to 128 characters, got {client!r:.60}")
    return client
