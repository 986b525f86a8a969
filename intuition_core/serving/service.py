"""A session's RPC methods: what callers of any language may ask."""

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any, Final

from intuition_core.config.compose import session_name
from intuition_core.config.loading import Config
from intuition_core.contracts import CONTRACT_VERSION
from intuition_core.data import Event, normalise
from intuition_core.errors import BadData, IntuitionError
from intuition_core.params.durations import read_duration
from intuition_core.plugins.catalogue import Catalogue
from intuition_core.plugins.files import is_file
from intuition_core.rpc.server import Method
from intuition_core.serving.accounts import AccountChanges
from intuition_core.serving.arguments import BadCall, Options, client_name, count, epoch_number, place, place_after
from intuition_core.serving.chores import Chores
from intuition_core.serving.clock import TimerClock
from intuition_core.serving.commands import check_upgrade, check_use, newer_plugin
from intuition_core.serving.head_checks import check_head, check_head_of_attachment, check_options_of_event
from intuition_core.serving.initializing import overlaid
from intuition_core.serving.opening import Opening
from intuition_core.serving.pacing import Pace
from intuition_core.serving.paging import fitting, page_of_decisions
from intuition_core.serving.symbols import SymbolLimit
from intuition_core.serving.venue import VenueMethods, answered
from intuition_core.session import control
from intuition_core.session.batch import Delivery
from intuition_core.session.batch_run import Item
from intuition_core.session.errors import IdReused
from intuition_core.session.identity import former_identities, identity_of
from intuition_core.session.journal import MEMORY, Journal
from intuition_core.session.monitor import WorkerMonitor
from intuition_core.trading.engine import TradingEngine
from intuition_core.trading.records import Record

MAX_ITEMS: Final = 10_000
MAX_LIMIT: Final = 10_000


class AlreadyRunning(IntuitionError):
    """A caller of `initialize` asked for other settings than those that have been running since the first event."""

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(
            f"`{key}` differs from what has been running since the first event, and initialize never resets an "
            "account; serve another session for another composition"
        )


class Service:
    """One session, composed and ready, and its methods.

    Args:
        config: which parts, with which parameters.
        catalogue: the plugins there are.
        journal: opens the journal of the session of that name; in memory where None.
        now: the time in nanoseconds UTC, for events that come without.
        watch: who watches the parts.
        reload: go on where files of parts have changed; those parts begin anew.
        engine: makes the live parts; `TradingEngine`, or one that tells what they do.
        restart: ends the process after the call in flight, so that another one goes on; None where nobody would.
        upgrading: do not tell of older rules: others are about to take their place.
        pause: called now and then within calls that are not queued and may take long, so that others are answered.

    Attributes:
        session: the session.
        recovery: how it came back.
        journal: its journal; None for a session in memory.
        chores: what is to be done between the calls, on the thread that runs queued ones.
        clock: tells the timers that fall due by the wall clock; None where only events tell them.
        restarting: whether the process ends so that another one goes on.

    Raises:
        CompositionChanged: the journal was begun with another composition.
        FileChanged: a part's file has changed, and ``reload`` is not set or its state was not kept.
    """

    def __init__(
        self,
        config: Config,
        catalogue: Catalogue,
        *,
        journal: Callable[[str], Journal] | None = None,
        now: Callable[[], int] = time.time_ns,
        watch: WorkerMonitor | None = None,
        reload: bool = False,
        engine: Callable[..., TradingEngine] = TradingEngine,
        restart: Callable[[], None] | None = None,
        upgrading: bool = False,
        pause: Callable[[], None] = lambda: None,
    ) -> None:
        self.restarting = False
        self._restart = restart
        self._pause = pause
        self._catalogue = catalogue
        self._now = now
        self._stamped = 0
        name = config.values.session or session_name(config, catalogue)
        kept = journal(name) if journal is not None else Journal(MEMORY)
        self.journal = None if kept.path == MEMORY else kept
        with ExitStack() as stack:
            stack.enter_context(kept)
            self._opening = Opening(
                config,
                catalogue,
                kept,
                name=name,
                now=now,
                watch=watch,
                reload=reload,
                engine=engine,
                upgrading=upgrading,
            )
            self._pace = Pace(read_duration(self._opening.config.values.journal.delay) / 1e9)
            self._symbols = SymbolLimit(self._opening.config.values.worker.symbols)
            self._ahead = read_duration(self._opening.config.values.time.ahead)
            self.session, self.recovery = self._opening.open()
            stack.pop_all()
        self._venue = VenueMethods(self.session)
        self.clock = TimerClock(self.session) if self._opening.by_the_clock else None
        self.chores = Chores((self.clock.tell if self.clock else None, self.session.tidying.step))

    def hand_over(self) -> None:
        """Write a snapshot when the session closes, from which the next worker goes on with the changed files."""
        self._opening.hand_over()

    def close(self) -> None:
        """Keep a snapshot and close the journal."""
        self._opening.note_renewal(self.session.last_seq)
        self.session.close()

    def methods(self) -> dict[str, Method]:
        """Return the methods by name; queued ones run on the one thread that owns the parts."""
        return {
            "initialize": Method(self.initialize, queued=True),
            "event": Method(self.event, queued=True),
            "events": Method(self.events, queued=True),
            "attach": Method(self.attach, queued=True, trades=None),
            "confirm": Method(self.confirm, queued=True, urgent=True, trades=None),
            "outbox": Method(self.outbox, queued=True),
            "kill": Method(self.kill, queued=True, urgent=True),
            "clear": Method(self.clear, queued=True, urgent=True),
            "shares": Method(self.shares, queued=True),
            "swap": Method(self.swap, queued=True),
            "upgrade": Method(self.upgrade, queued=True),
            "control": Method(self.control, queued=True, urgent=True),
            "controls": Method(self.controls, queued=False, drives=False, reads=True),
            "describe": Method(self.describe, queued=False, drives=False),
            "account": Method(self.account, queued=False, drives=False),
            "account_changes": Method(AccountChanges(self.session).account_changes, queued=False, drives=False),
            "decisions": Method(self.decisions, queued=False, drives=False, reads=True),
            **self._venue.methods(),
        }

    def initialize(self, conf: Any = None) -> list[str]:
        """Apply settings over the configuration, before the first event; return the channels to listen to.

        Raises:
            AlreadyRunning: events have come, and a setting differs from what runs.
        """
        session, opening = self.session, self._opening
        if conf is not None and not isinstance(conf, Mapping):
            raise BadCall("initialize", f"expected a table of settings, got {type(conf).__name__}")
        if conf:
            config, composition, changed = overlaid(opening.config, opening.composition, conf, self._catalogue)
            if changed is not None:
                if session.last_seq:
                    raise AlreadyRunning(changed)
                session.replace(opening.builder(composition))
                opening.change(config, composition)
        return session.engine.channels

    def event(self, data: Any, options: Any = None) -> Any:
        """Run one payload and return its records.

        Args:
            data: the payload.
            options: ``head``, as for `events`; the answer is then ``{"records": …, "head": …}``.

        Raises:
            BadData: the payload cannot be read; nothing of it was run.
            HeadLost: the journal does not hold what was acknowledged before; nothing was run.
        """
        check_options_of_event(self.session, options)
        reply = self.session.deliver((self._item(data),))[0]
        if isinstance(reply, IdReused):
            raise reply
        return reply if options is None else {"records": reply, "head": self.session.clients.heads.latest}

    def events(self, batch: Any, options: Any = None) -> Any:
        """Run a batch of payloads; return for each its records, or ``{"error": {"name", "message"}}``.

        Args:
            batch: payloads, each as `event` takes it.
            options: of an attached client: ``client`` and ``epoch``; ``deliveries``, one ``[key, packet, topic, hash]``
                or null for each payload; what it has passed on, as `confirm` takes it; and, if it publishes the records
                of `controls` too, ``heard``, the id of the last one that it has taken, or null. With ``head``, which
                the last answer has told, or null, the answer is ``{"replies": …, "head": …}``.

        Raises:
            HeadLost: the journal does not hold what was acknowledged with ``head``; nothing was run.
            StaleEpoch: a newer instance of the client has attached; nothing was run.
            Unheard: there are records of `controls` after ``heard``; nothing was run.
        """
        if not isinstance(batch, list | tuple):
            raise BadCall("events", f"expected an array of payloads, got {type(batch).__name__}")
        if len(batch) > MAX_ITEMS:
            raise BadCall("events", f"{len(batch)} payloads; at most {MAX_ITEMS} at once")
        given = Options.read(options, len(batch)) if options is not None else Options()
        self._check_client(given)
        check_head(self.session, given.head)
        errors: dict[int, IntuitionError] = {}
        items: list[Item] = []
        for n, payload in enumerate(batch):
            delivery = given.deliveries[n] if given.deliveries else None
            self.session.run_urgent()
            try:
                items.append(self._item(payload, delivery))
            except BadData as error:
                errors[n] = error
                items.append(Item((), delivery=delivery))
        if given.client is not None:
            self._pace.wait()
        replies = self.session.deliver(
            items, client=given.client, acked=given.acked, published=given.published, heard=given.heard
        )
        entries = [answered(errors.get(n, reply)) for n, reply in enumerate(replies)]
        return {"replies": entries, "head": self.session.clients.heads.latest} if given.with_head else entries

    def attach(self, client: Any, head: Any = None) -> dict[str, Any]:
        """Begin a new epoch of a client; an older instance of the same name is fenced, no other is.

        Args:
            client: its name.
            head: what the last answer has told as ``head``, if the client knows one.

        Raises:
            HeadLost: the journal does not hold what was acknowledged with ``head``; no epoch is begun.
        """
        check_head_of_attachment(self.session, head)
        return self.session.attach(client_name("attach", client))._asdict()

    def outbox(self, client: Any, epoch: Any, limit: Any = 1000) -> list[Record]:
        """Return the records of a client's items that it has not confirmed as published, oldest first.

        An answer may hold fewer than there are and than ``limit``, as it has to be carried; an empty one is the end.
        """
        self.session.clients.check_epoch(client_name("outbox", client), epoch_number("outbox", epoch))
        return list(fitting(self.session.outbox.of_client(client, min(count("outbox", "limit", limit), MAX_LIMIT))))

    def confirm(self, client: Any, epoch: Any, acked: Any = None, published: Any = None) -> None:
        """Write what an attached client has passed on.

        Args:
            client: its name.
            epoch: what `attach` gave it.
            acked: the key of its last settled delivery; it and all before it are forgotten.
            published: the id of the last record whose publication was acknowledged, with all before it.
        """
        given = Options.read({"client": client, "epoch": epoch, "acked": acked, "published": published}, 0)
        self._check_client(given)
        self.session.clients.confirm(client, acked=given.acked, published=given.published)

    def kill(self, reason: Any, flatten: Any = None) -> list[Record]:
        """Turn the kill switch on: open orders are cancelled, and none is placed until it is cleared.

        It is an event of the session, so it survives restarts and is replayed. Decisions whose orders it cancels are
        withheld from then on, from all callers.

        Args:
            reason: why, for the records.
            flatten: sell all that is held, too.

        Raises:
            BadControl: there is no reason that could be recorded, or it is on already and nothing is left to be done.
        """
        selling = False if flatten is None else flatten
        return self._control(control.kill(reason, ts=self._now(), by="rpc", flatten=selling))

    def clear(self, reason: Any) -> list[Record]:
        """Turn the kill switch off.

        Raises:
            BadControl: there is no reason that could be recorded, or it is not on.
        """
        return self._control(control.clear(reason, ts=self._now(), by="rpc"))

    def shares(self, shares: Any) -> list[Record]:
        """Change the algorithms' shares of the capital; free cash moves at once, and nothing is traded.

        Args:
            shares: by algorithm, from 0 to 1; who is not named keeps the share there is.

        Raises:
            BadControl, BadShares: they are no shares, or come to more than one.
        """
        there = self.session.engine.books.shares
        return self._control(control.share_out(shares, there=there, ts=self._now(), by="rpc"))

    def swap(self, kind: Any, name: Any, use: Any, params: Any = None, keep_state: Any = None) -> list[Record]:
        """Put a part in the place of another; the account, its positions and its open orders stay.

        Args:
            kind: ``algorithm``, ``portfolio``, ``risk`` or ``indicator``.
            name: the place: the algorithm's name for it and its portfolio, the part's own for the others.
            use: the plugin, as a configuration names it; no file.
            params: its parameters; null for none.
            keep_state: let the new part go on from what the old one gives by ``snapshot()``, rather than begin anew.

        Raises:
            BadControl, BadSwap, PartFailed, BadParameter: it cannot be done; nothing has changed.
            IntuitionError: there is no such plugin, or it cannot be used.
        """
        keeping = False if keep_state is None else keep_state
        event = control.swap(kind, name, use, params, ts=self._now(), by="rpc", keep_state=keeping)
        if is_file(event["use"]):
            problem = f"`{use}` is a file, and callers choose among installed plugins; install it, or restart `serve`"
            raise control.BadControl("swap", problem)
        return self._control(self.session.prepare(event))

    def upgrade(self, kind: Any, name: Any) -> list[Record]:
        """Go on with the version of a part's plugin that is installed now, from the present state of the session.

        The state is kept, and the process ends after this call; another one goes on from there. Earlier events are
        never run with the new version.

        Args:
            kind: ``algorithm``, ``portfolio``, ``risk`` or ``indicator``.
            name: the part, as for `swap`.

        Raises:
            BadControl: the version is not another, it cannot be imported, a part gives no state that could be kept, or
                there is no other process to go on.
            BadSwap: there is no such part.
            JournalFailed, NothingKept: the state of the session cannot be kept.
        """
        engine = self.session.engine
        before = engine.parts[engine.swaps.place(*control.check_place("upgrade", kind, name)) - 1]
        newer = newer_plugin(kind, before, blocked=self._opening.config.values.plugins.blocked)
        if self.journal is None or self._restart is None:
            problem = "the session would be gone with its process; serve it with a journal and its own supervisor"
            raise control.BadControl("upgrade", problem)
        check_upgrade(engine, newer)
        event = control.upgrade(kind, name, before=before, version=newer.version, ts=self._now(), by="rpc")
        records = self.session.hand_over(event)
        self.restarting = True
        self._restart()
        return records

    def take_rules(self, number: int) -> list[Record]:
        """Fill orders by newer rules from the next event on; the state of the session stays.

        Raises:
            BadControl: there are no such rules, or they are no newer ones.
        """
        before = self.session.engine.composition.rules
        return self._control(control.rules(number, before=before, ts=self._now(), by="upgrade"))

    def control(self, command: Any, options: Any = None) -> list[Record]:
        """Run `kill`, `clear` or `shares` from one object, which is recognised when it comes again, as payloads are.

        Args:
            command: ``{"action": "kill", "reason": …, "flatten": …}``, ``{"action": "clear", "reason": …}`` or
                ``{"action": "shares", "shares": …}``; with an ``id``, and maybe a ``source``, it is done once.
            options: of an attached client, as `events` takes them, with one delivery.

        Raises:
            BadControl, BadShares: it cannot be done.
            IdReused: the id was given to another command before.
            StaleEpoch: a newer instance of the client has attached.
        """
        given = Options.read(options, 1) if options is not None else Options()
        self._check_client(given)
        delivery = given.deliveries[0] if given.deliveries else None
        there = self.session.engine.books.shares
        event = control.read(command, there=there, ts=self._now(), by=given.client or "rpc")
        # Its ids are its own, whatever ids quotes have.
        named = {**event, **{key: command[key] for key in ("id", "source") if key in command}}
        return self._control(event, Item((event,), *identity_of(named, delivery), delivery), given)

    def _control(self, event: Event, item: Item | None = None, given: Options | None = None) -> list[Record]:
        item, given = item or Item((event,)), given or Options()
        if not self.session.knows(item):
            check_use(self.session.engine, event)
        reply = self.session.deliver(
            (item,), client=given.client, acked=given.acked, published=given.published, control=True
        )[0]
        if isinstance(reply, IdReused):
            raise reply
        return reply

    def controls(self, since: Any = None) -> list[Record]:
        """Return the records that no client's events have caused, oldest first.

        They are those of control events and of timers that fell due by the wall clock. An answer may hold fewer than
        there are, as it has to be carried; an empty one is the end.

        Args:
            since: the id of a record, after which to go on; null for all.
        """
        after = place("controls", "since as the id of a record", since)
        return list(fitting(self.session.outbox.controls(after)))

    def describe(self) -> dict[str, Any]:
        """Return a description of the session: composition, channels, clients, limits and failures."""
        from intuition_core import __version__

        session = self.session
        composition = session.engine.composition.to_json()
        for line in composition["algorithms"]:
            if "share" in line:  # as it is now: shares move while the session runs
                line["share"] = format(session.engine.books.shares[line["algorithm"]["name"]], "f")
        return {
            "session": session.name,
            "run": self._opening.run,
            "core": __version__,
            "contract": CONTRACT_VERSION,
            "composition": composition,
            "channels": session.engine.channels,
            "last_seq": session.last_seq,
            "kept_after": session.tidying.beginning,
            "journal": self.journal.durability if self.journal else None,
            "clients": dict(session.clients.epochs),
            "halted": session.halted,
            "killed": session.engine.killed,
            "rules": session.engine.composition.rules,
            "notices": session.engine.told,
            "quarantined": [
                {"kind": part.kind, "name": part.name, **why._asdict()} for part, why in session.quarantined()
            ],
            "limits": {"items": MAX_ITEMS, "decisions": MAX_LIMIT},
        }

    def account(self) -> dict[str, Any]:
        """Return the account as last committed, amounts and quantities as decimal strings."""
        return self.session.statement.to_json()

    def decisions(self, since_seq: Any = 0, limit: Any = 1000) -> list[Record]:
        """Return decisions of events after a sequence number, oldest first; go on from the last one's ``seq``.

        Args:
            since_seq: the number; or the id of a decision, to go on right after that one.
            limit: after so many, no further event is looked at. An answer may hold fewer than there are, as it has
                to be carried; none are the end. After a number, the decisions of one event are never parted.

        Raises:
            TooManyDecisions: an event caused more than an answer carries; go on from an id.
        """
        after, whole = place_after(since_seq)
        most = min(count("decisions", "limit", limit), MAX_LIMIT)
        if not most:
            return []
        return page_of_decisions(self.session.outbox.decisions(after), most=most, whole=whole, pause=self._pause)

    def _check_client(self, given: Options) -> None:
        """Refuse what another instance of a client sends, or what it cannot have published.

        Raises:
            StaleEpoch: a newer instance of the client has attached.
            BadCall: the record that it has published is none of the session's.
        """
        if given.client is not None:
            self.session.clients.check_epoch(given.client, given.epoch)
            given.check_published(run=self.session.engine.run, last_seq=self.session.last_seq)

    def _item(self, payload: Any, delivery: Delivery | None = None) -> Item:
        events = self._normalised(payload)
        return Item(events, *identity_of(events, delivery), delivery, former_identities(payload))

    def _normalised(self, payload: Any) -> list[Event]:
        received = self._now()
        events = normalise(
            payload,
            now=lambda: self._stamp(received),
            negative_prices=self._opening.config.values.negative_prices,
        )
        self._symbols.check(events, self.session.engine.books.market.marks)
        latest = received + self._ahead
        for event in events:
            if event["ts"] > latest:
                minutes = (event["ts"] - received) / 60e9
                problem = f"{minutes:,.0f} minutes ahead of the clock here; at most `ahead` in [time] is believed, "
                raise BadData(f"{problem}{self._opening.config.values.time.ahead}", field="ts")
        return events

    def _stamp(self, received: int) -> int:
        """Return the time of an event that comes without: that of its receipt, but later than every event before it."""
        self._stamped = max(received, self._stamped + 1, self.session.engine.now + 1)
        return self._stamped
