"""A session's RPC methods: what callers of any language may ask."""

import logging
import secrets
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from copy import deepcopy
from itertools import accumulate, takewhile
from typing import Any, Final, NamedTuple

import gevent
import msgspec
from msgspec.structs import replace

from intuition_core.config.compose import compose, session_name
from intuition_core.config.editing import overlay, settle
from intuition_core.config.loading import BadConfiguration, Config, Mistake
from intuition_core.config.portable import portable, recorded
from intuition_core.contracts import CONTRACT_VERSION
from intuition_core.data import Event, normalise
from intuition_core.determinism.hashing import is_seeded
from intuition_core.errors import BadData, IntuitionError
from intuition_core.params.checking import json_params
from intuition_core.params.durations import read_duration
from intuition_core.plugins.catalogue import Catalogue, Plugin, discover
from intuition_core.plugins.files import FILE, is_file
from intuition_core.plugins.trial import check
from intuition_core.rpc.server import Method
from intuition_core.rpc.wire import MAX_MESSAGE
from intuition_core.serving.reload import Renewal, changed_files
from intuition_core.session import control
from intuition_core.session.journal import MEMORY, Delivery, Journal, JournalFailed
from intuition_core.session.session import (
    Halted,
    IdReused,
    Item,
    Session,
    Stopping,
    WorkerMonitor,
    identity_of,
    swapped,
)
from intuition_core.trading.composition import RULES, Composition, Part, difference, json_parts, rules_of
from intuition_core.trading.engine import TradingEngine
from intuition_core.trading.records import Record, record_key
from intuition_core.trading.wall import Wall

MAX_ITEMS: Final = 10_000
MAX_LIMIT: Final = 10_000
MAX_ANSWER: Final = MAX_MESSAGE * 3 // 4
"""Bytes of records in one answer; the rest is for what goes around them."""

LOOK: Final = 1.0
"""Seconds after which timers are looked at again at the latest: the clock may be set, and parts bring timers along."""
AGAIN: Final = 1.0
"""Seconds after which timers are told again that could not be kept."""
AGAIN_AFTER_A_DEFECT: Final = 60.0

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


class TooManyDecisions(IntuitionError):
    """An event that caused more decisions than one answer carries, so that a number is no place to go on from."""

    def __init__(self, seq: int, first: str) -> None:
        self.seq = seq
        self.first = first
        super().__init__(
            f"event {seq} caused more decisions than one answer carries: ask for those after the id of a decision "
            f"rather than after a number; the first one's is {first}"
        )


class CompositionChanged(IntuitionError):
    """A session that was begun with another composition than the one it is to go on with."""

    def __init__(self, session: str, key: str, swaps: Sequence[Record] = ()) -> None:
        self.session = session
        self.key = key
        self.swaps = tuple(swaps)
        places = ", ".join(f"{swap['kind']} {swap['name']}" for swap in swaps)
        since = f" (name its parts as they were, or all as they are since the swaps of {places})" if places else ""
        super().__init__(
            f"session `{session}` was begun with another composition: `{key}` differs{since}; give it another name "
            f"with --session NAME, or put the old one away with `intuition sessions archive {session}`"
        )


class FileChanged(IntuitionError):
    """A session with a part from a file whose content is another than it was."""

    def __init__(self, session: str, part: str, remedy: str) -> None:
        self.session = session
        self.part = part
        super().__init__(
            f"session `{session}` was run with `{part}` from a file that has changed since; {remedy}, give the session "
            f"another name with --session NAME, or put the old one away with `intuition sessions archive {session}`"
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

    Attributes:
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
    ) -> None:
        self.restarting = False
        self._upgrading = upgrading
        self._restart = restart
        self._watch = watch
        self._engine = engine
        self._renewal = Renewal() if reload else None
        self._catalogue = catalogue
        self._now = now
        self._stamped = 0
        name = config.values.session or session_name(config, catalogue)
        self._journal = journal(name) if journal is not None else Journal(MEMORY)
        with ExitStack() as stack:
            stack.enter_context(self._journal)
            self._recover(name, config)
            stack.pop_all()

    def _recover(self, name: str, config: Config) -> None:
        """Compose the session, and bring it to where its journal ends."""
        catalogue, now, watch = self._catalogue, self._now, self._watch
        noted = self._journal.meta()
        self._config = settle(config, catalogue, seed=noted.get("seed"))
        self._ahead = read_duration(self._config.values.time.ahead)
        composition = compose(self._config, catalogue)
        if "run" in noted:
            composition = replace(composition, rules=rules_of(noted["composition"]))
        self._composition = composition
        reloads: list[dict[str, Any]] = []
        if "run" in noted:
            composition = self._begun(name, noted)
            reloads = changed_files(noted["composition"], composition.to_json())
            if reloads:
                self._renew(name, reloads)
            self._run = noted["run"]
        else:
            # The run keeps ids unique when a session of the same name is started anew.
            self._run = f"{name}.{secrets.token_hex(4)}"
            self._journal.note(session=name, run=self._run, begun=now(), **self._recipe(composition))
        self.session = Session(self._builder(composition), journal=self._journal, name=name, watch=watch)
        self.recovery = self.session.recover()
        if "seeded_after" not in noted and is_seeded():
            self._journal.note(seeded_after=self.session.last_seq)
        if (rules := self.session.engine.composition.rules) != RULES and not self._upgrading:
            _log.warning(
                "session %s goes on under rules %d, by which orders filled when it was begun; `intuition upgrade %s "
                "--rules %d` goes over to the present ones",
                name,
                rules,
                name,
                RULES,
            )
        if reloads:
            self._note_reloads(reloads, [*noted.get("reloads", ()), *reloads], composition)
        if self.by_the_clock:
            grace = read_duration(self._config.values.clock.grace)
            self.session.go_by(Wall(now, grace=grace, begun=self._journal.meta()["begun"]))

    def _begun(self, name: str, noted: Mapping[str, Any]) -> Composition:
        """Give the recipe that the session was begun with, whether that is configured or what swaps have made of it."""
        composition = self._composition
        now = _comparable(composition.to_json())
        swaps = {swap["place"]: swap for swap in swapped(self._journal.records_of(self._journal.control_events()))}
        if swaps and difference(_comparable(_swapped(noted["composition"], swaps)), now) is None:
            uses = {number: composition.parts[number - 1].use for number in swaps}
            if all(swap["use"] == uses[number] for number, swap in swaps.items()):
                return self._with_parts_of(noted["configuration"], swaps)
        changed = difference(_comparable(noted["composition"]), now)
        if changed is not None:
            raise CompositionChanged(name, changed, list(swaps.values()))
        return composition

    def _with_parts_of(self, configuration: Mapping[str, Any], numbers: Iterable[int]) -> Composition:
        """Put parts back that the session was begun with; their policies are those of the present configuration."""
        composition = self._composition
        begun = recorded(configuration, self._catalogue, {}, rules=composition.rules)
        for number in numbers:
            present = composition.parts[number - 1]
            part = replace(begun.parts[number - 1], policy=present.policy, deadline=present.deadline)
            composition = composition.with_part(number, part)
        return composition

    def _renew(self, name: str, reloads: list[dict[str, Any]]) -> None:
        """Let parts begin anew whose files have changed, where that is wanted and everything else was kept."""
        part = reloads[0]["name"]
        if self._renewal is None:
            raise FileChanged(name, part, "go on with it as it is now with --reload, put it back as it was")
        last = self._journal.last_seq
        if last and last not in [seq for seq, _ in self._journal.snapshots()]:
            gone = "what it had come to was not kept, and only the file as it was can run the latest events again"
            raise FileChanged(name, part, f"{gone}: put it back")
        self._renewal.changed = frozenset((each["kind"], each["name"]) for each in reloads)

    def _note_reloads(
        self, reloads: list[dict[str, Any]], all_reloads: list[dict[str, Any]], composition: Composition
    ) -> None:
        assert self._renewal is not None  # noqa: S101  # `_renew` has seen to it
        if self.session.last_seq:
            with self._renewal.ending():
                self.session.keep_snapshot()
        for each in reloads:
            each["seq"] = self.session.last_seq
            _log.info("%s %s begins anew after event %d", each["kind"], each["name"], each["seq"])
        self._renewal.changed = frozenset()
        self._journal.note(reloads=all_reloads, **self._recipe(composition))

    def _note_renewal(self) -> None:
        """Note after which event parts that keep no state begin anew, whatever the files will then be."""
        renewals = [*self._journal.meta().get("renewals", ()), self.session.last_seq]
        with suppress(JournalFailed):
            self._journal.note(renewals=list(dict.fromkeys(renewals)))

    def hand_over(self) -> None:
        """Write a snapshot when the session closes, from which the next worker goes on with the changed files."""
        if self._renewal is not None:
            self._renewal.over = True

    @property
    def journal(self) -> Journal | None:
        """The journal, or None for a session in memory."""
        return None if self._journal.path == MEMORY else self._journal

    def close(self) -> None:
        """Keep a snapshot and let the journal go."""
        if self._renewal is not None and self._renewal.over:
            self._note_renewal()
        self.session.close()

    @property
    def by_the_clock(self) -> bool:
        """Whether timers are told by the wall clock, too, with each call of `tell_timers`."""
        return self._config.values.clock.time == "wall"

    def tell_timers(self) -> float | None:
        """Tell the timers that are due by the wall clock; give in how many seconds to ask again, None for never.

        It is called by the one thread that owns the parts, and raises nothing.
        """
        try:
            wait = self.session.tell_timers()
        except (Halted, Stopping):
            return None
        except JournalFailed as error:
            _log.warning("timers wait: %s", error)
            return AGAIN
        except Exception as error:  # noqa: BLE001  # the thread is that of all calls, which go on
            _log.error("timers wait: %s", error, exc_info=error if _log.isEnabledFor(logging.DEBUG) else None)
            return AGAIN_AFTER_A_DEFECT
        return LOOK if wait is None else min(wait, LOOK)

    def _builder(self, composition: Composition) -> Callable[[], TradingEngine]:
        watch = self._watch
        if self._renewal is not None:
            composition = self._renewal.wrapped(composition)
        if watch is None:
            return lambda: self._engine(composition, run=self._run, log=_log)
        watch.introduce(composition.parts)
        return lambda: self._engine(composition, run=self._run, log=_log, status=watch.status)

    def _recipe(self, composition: Composition) -> dict[str, Any]:
        return {
            "composition": composition.to_json(),
            "seed": composition.seed,
            "configuration": portable(self._config, composition),
        }

    def methods(self) -> dict[str, Method]:
        """Give the methods by name; the queued ones run on the one thread that owns the parts."""
        return {
            "initialize": Method(self.initialize, queued=True),
            "event": Method(self.event, queued=True),
            "events": Method(self.events, queued=True),
            "attach": Method(self.attach, queued=True),
            "confirm": Method(self.confirm, queued=True),
            "outbox": Method(self.outbox, queued=True),
            "kill": Method(self.kill, queued=True),
            "clear": Method(self.clear, queued=True),
            "shares": Method(self.shares, queued=True),
            "swap": Method(self.swap, queued=True),
            "upgrade": Method(self.upgrade, queued=True),
            "control": Method(self.control, queued=True),
            "controls": Method(self.controls, queued=False, drives=False),
            "describe": Method(self.describe, queued=False, drives=False),
            "account": Method(self.account, queued=False, drives=False),
            "decisions": Method(self.decisions, queued=False, drives=False),
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
            _refuse_files(conf)
            # As asked first, so that nonsense is refused also where a flag has the last word.
            asked = compose(overlay(replace(self._config, pinned=frozenset()), conf, self._catalogue), self._catalogue)
            asked = replace(asked, rules=self._composition.rules)
            config = overlay(self._config, conf, self._catalogue)
            composition = replace(compose(config, self._catalogue), rules=self._composition.rules)
            stays = difference(asked.to_json(), composition.to_json())
            if stays is not None:
                _log.info("initialize: `%s` stays as it was given by flag", stays)
            changed = difference(self._composition.to_json(), composition.to_json())
            changed = changed or difference(_parameters(self._composition), _parameters(composition))
            if config.values.negative_prices != self._config.values.negative_prices:
                changed = "negative_prices"
            if changed is not None:
                if session.last_seq:
                    raise AlreadyRunning(changed)
                session.replace(self._builder(composition))
                self._config, self._composition = config, composition
                self._journal.note(**self._recipe(composition))
        return session.engine.channels

    def event(self, data: Any) -> list[Record]:
        """Take one payload and give the records it caused.

        Raises:
            BadData: the payload cannot be read; nothing of it was run.
        """
        identity, content = identity_of(data, None)
        reply = self.session.deliver((Item(self._normalised(data), identity, content),))[0]
        if isinstance(reply, IdReused):
            raise reply
        return reply

    def events(self, batch: Any, options: Any = None) -> list[Any]:
        """Take a batch of payloads; give one entry for each, its records or ``{"error": {"name", "message"}}``.

        Args:
            batch: payloads, each as `event` takes it.
            options: of an attached client: ``client`` and ``epoch``; ``deliveries``, one ``[key, packet, topic, hash]``
                or null for each payload; what it has passed on, as `confirm` takes it; and, if it publishes the records
                of `controls` too, ``heard``, the id of the last one that it has taken, or null.

        Raises:
            StaleEpoch: a newer instance of the client has attached; nothing was run.
            Unheard: there are records of `controls` after ``heard``; nothing was run.
        """
        if not isinstance(batch, list | tuple):
            raise BadCall("events", f"expected an array of payloads, got {type(batch).__name__}")
        if len(batch) > MAX_ITEMS:
            raise BadCall("events", f"{len(batch)} payloads; at most {MAX_ITEMS} at once")
        given = Options.read(options, len(batch)) if options is not None else Options()
        if given.client is not None:
            self.session.check_epoch(given.client, given.epoch)
        errors: dict[int, IntuitionError] = {}
        items: list[Item] = []
        for n, payload in enumerate(batch):
            delivery = given.deliveries[n] if given.deliveries else None
            try:
                events = self._normalised(payload)
            except BadData as error:
                errors[n] = error
                items.append(Item((), delivery=delivery))
            else:
                items.append(Item(events, *identity_of(payload, delivery), delivery))
        replies = self.session.deliver(
            items, client=given.client, acked=given.acked, published=given.published, heard=given.heard
        )
        return [_entry(errors.get(n, reply)) for n, reply in enumerate(replies)]

    def attach(self, client: Any) -> dict[str, Any]:
        """Begin a new epoch of a client; an older instance of the same name is fenced, no other is."""
        return self.session.attach(_client("attach", client))._asdict()

    def outbox(self, client: Any, epoch: Any, limit: Any = 1000) -> list[Record]:
        """Give the records of a client's items that it has not confirmed as published, oldest first.

        They may be fewer than there are and than ``limit``, as an answer has to be carried; none are the end.
        """
        self.session.check_epoch(_client("outbox", client), _epoch("outbox", epoch))
        records = self.session.outbox(client, _count("outbox", "limit", limit))
        sizes = accumulate(map(_size, records))
        fitting = sum(1 for _ in takewhile(lambda size: size <= MAX_ANSWER, sizes))
        return records[: max(1, fitting)]

    def confirm(self, client: Any, epoch: Any, acked: Any = None, published: Any = None) -> None:
        """Note what an attached client has passed on.

        Args:
            client: its name.
            epoch: what `attach` gave it.
            acked: the key of its last settled delivery; it and all before it are forgotten.
            published: the id of the last record whose publication was acknowledged, with all before it.
        """
        given = Options.read({"client": client, "epoch": epoch, "acked": acked, "published": published}, 0)
        self.session.check_epoch(client, epoch)
        self.session.confirm(client, acked=given.acked, published=given.published)

    def kill(self, reason: Any, flatten: Any = None) -> list[Record]:
        """Turn the kill switch on: open orders are cancelled, and none is placed until it is cleared.

        It is an event of the session, so it survives restarts and is replayed. Decisions whose orders it cancels are
        given to nobody any more, neither again nor for the first time.

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
        """Give algorithms other shares of the capital; free cash moves at once, and nothing is traded.

        Args:
            shares: by algorithm, from 0 to 1; who is not named keeps the share there is.

        Raises:
            BadControl, BadShares: they are no shares, or come to more than one.
        """
        there = self.session.engine.books.shares
        return self._control(control.share_out(shares, there=there, ts=self._now(), by="rpc"))

    def swap(self, kind: Any, name: Any, use: Any, params: Any = None, keep_state: Any = None) -> list[Record]:
        """Let another part take the place of one; the account, its positions and its open orders stay.

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
        """Go on with the version of a part's plugin that is installed now, with all that the session has come to.

        That is kept, and the process ends after this call; another one goes on from there. What was before is never run
        with the new version.

        Args:
            kind: ``algorithm``, ``portfolio``, ``risk`` or ``indicator``.
            name: the part, as for `swap`.

        Raises:
            BadControl: the version is not another, it cannot be imported, a part gives no state that could be kept, or
                there is no other process to go on.
            BadSwap: there is no such part.
            JournalFailed, NothingKept: what the session has come to cannot be kept.
        """
        engine = self.session.engine
        before = engine.parts[engine.place(*control.check_place("upgrade", kind, name)) - 1]
        newer = self._installed_now(kind, before)
        if self.journal is None or self._restart is None:
            problem = "the session would be gone with its process; serve it with a journal and its own supervisor"
            raise control.BadControl("upgrade", problem)
        if found := check(newer).problem:
            raise control.BadControl("upgrade", f"{newer} cannot be imported: {found}")
        if unkept := engine.unkept():
            labels = " and ".join(part.label for part in unkept)
            problem = f"what {labels} has come to would be lost: it gives no state by `snapshot()`"
            raise control.BadControl("upgrade", problem)
        event = control.upgrade(kind, name, before=before, version=newer.version, ts=self._now(), by="rpc")
        records = self.session.hand_over(event)
        self.restarting = True
        self._restart()
        return records

    def take_rules(self, number: int) -> list[Record]:
        """Have orders fill by rules of another number from now on, and keep what the session has come to by then.

        Raises:
            BadControl: there are no such rules, or they are no newer ones.
        """
        before = self.session.engine.composition.rules
        return self._control(control.rules(number, before=before, ts=self._now(), by="upgrade"))

    def _installed_now(self, kind: str, part: Part) -> Plugin:
        """Give the plugin of a part, in the version that another process would import."""
        if part.use is None or part.distribution == FILE:
            problem = f"{part.label} is no installed plugin; a file is taken up anew by `serve --reload`"
            raise control.BadControl("upgrade", problem)
        newer = discover(blocked=self._config.values.plugins.blocked).find(kind, part.use)
        if newer.version == part.version:
            problem = f"{part.label} is the version that is installed; install the other one first"
            raise control.BadControl("upgrade", problem)
        return newer

    def control(self, command: Any, options: Any = None) -> list[Record]:
        """Do what `kill`, `clear` or `shares` does, told in one piece, which is known again like any payload.

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
        if given.client is not None:
            self.session.check_epoch(given.client, given.epoch)
        delivery = given.deliveries[0] if given.deliveries else None
        there = self.session.engine.books.shares
        event = control.read(command, there=there, ts=self._now(), by=given.client or "rpc")
        # Its ids are its own, whatever ids quotes have.
        identity, content = identity_of({**command, "channel": event["channel"]}, delivery)
        return self._control(event, Item((event,), identity, content, delivery), given)

    def _control(self, event: Event, item: Item | None = None, given: "Options | None" = None) -> list[Record]:
        item, given = item or Item((event,)), given or Options()
        if not self.session.knows(item.identity):
            self._check_use(event)
        reply = self.session.deliver(
            (item,), client=given.client, acked=given.acked, published=given.published, control=True
        )[0]
        if isinstance(reply, IdReused):
            raise reply
        return reply

    def _check_use(self, event: Event) -> None:
        """Refuse what would change nothing."""
        engine = self.session.engine
        if event["action"] == "clear" and engine.killed is None:
            raise control.BadControl("clear", "the kill switch is not on")
        if event["action"] == "kill" and engine.killed is not None:
            # Orders placed since can only be those that sell all; to place them anew would sell it twice.
            selling = {order.order.sid for order in engine.open_orders}
            if not event["flatten"]:
                raise control.BadControl("kill", f"the kill switch is on already: {engine.killed}")
            if selling and selling >= engine.ledger.positions.keys():
                raise control.BadControl("kill", f"the kill switch is on already, and sells all: {engine.killed}")

    def controls(self, since: Any = None) -> list[Record]:
        """Give the records of all events by which the kill switch or the shares were changed, whoever did it.

        Those of timers that the clock told are among them, as no client's events have caused them. They may be fewer
        than there are, as an answer has to be carried; none are the end.

        Args:
            since: the id of a record, to go on right after it; null for all.
        """
        after = _place("controls", "since", since)
        records: list[Record] = []
        size = 0
        for record in self.session.controls(after):
            size += _size(record)
            if size > MAX_ANSWER and records:
                break
            records.append(record)
        return records

    def describe(self) -> dict[str, Any]:
        """Describe the session: its composition, channels, clients and limits."""
        from intuition_core import __version__

        session = self.session
        composition = session.engine.composition.to_json()
        for line in composition["algorithms"]:
            if "share" in line:  # as it is now: shares move while the session runs
                line["share"] = format(session.engine.books.shares[line["algorithm"]["name"]], "f")
        return {
            "session": session.name,
            "run": self._run,
            "core": __version__,
            "contract": CONTRACT_VERSION,
            "composition": composition,
            "channels": session.engine.channels,
            "last_seq": session.last_seq,
            "journal": self.journal.durability if self.journal else None,
            "clients": dict(session.clients()),
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
        """Give the account as last committed, amounts and quantities as decimal strings."""
        return self.session.statement.to_json()

    def decisions(self, since_seq: Any = 0, limit: Any = 1000) -> list[Record]:
        """Give decisions of events after a sequence number, oldest first; go on from the last one's ``seq``.

        Args:
            since_seq: the number; or the id of a decision, to go on right after that one.
            limit: after so many, no further event is looked at. An answer may hold fewer than there are, as it has
                to be carried; none are the end. After a number, the decisions of one event are never parted.

        Raises:
            TooManyDecisions: an event caused more than an answer carries; go on from an id.
        """
        after, whole = _after(since_seq)
        most = min(_count("decisions", "limit", limit), MAX_LIMIT)
        answer: list[Record] = []
        size = 0
        for found in self.session.decisions(after) if most else ():
            for record in found:
                if len(answer) >= most and record["seq"] != answer[-1]["seq"]:
                    return answer
                size += _size(record)
                if size > MAX_ANSWER and answer:
                    return _without(answer, record["seq"]) if whole else answer
                answer.append(record)
            gevent.sleep(0)  # others are answered meanwhile: there may be a million events to look through
        return answer

    def _normalised(self, payload: Any) -> list[Event]:
        received = self._now()
        events = normalise(
            payload,
            now=lambda: self._stamp(received),
            negative_prices=self._config.values.negative_prices,
        )
        latest = received + self._ahead
        for event in events:
            if event["ts"] > latest:
                minutes = (event["ts"] - received) / 60e9
                problem = f"{minutes:,.0f} minutes ahead of the clock here; at most `ahead` in [time] is believed, "
                raise BadData(f"{problem}{self._config.values.time.ahead}", field="ts")
        return events

    def _stamp(self, received: int) -> int:
        """Give the time of an event that comes without: now, but after every event that has come before."""
        self._stamped = max(received, self._stamped + 1, self.session.engine.now + 1)
        return self._stamped


class Options(NamedTuple):
    """What an attached client sends along with its items."""

    client: str | None = None
    epoch: int = 0
    deliveries: Sequence[Delivery | None] = ()
    acked: str | None = None
    published: str | None = None
    heard: tuple[int, int] | None = None

    @classmethod
    def read(cls, options: Any, count: int) -> "Options":
        """Check what a caller sent.

        Raises:
            BadCall: something is not what it should be.
        """
        if not isinstance(options, Mapping) or "client" not in options or "epoch" not in options:
            raise BadCall("events", "expected options with `client` and `epoch`, as `attach` gave them")
        acked, published = options.get("acked"), options.get("published")
        if acked is not None and not isinstance(acked, str):
            raise BadCall("confirm", f"expected the key of a delivery, got {acked!r:.60}")
        if published is not None:
            try:
                record_key(published)
            except (ValueError, AttributeError):
                raise BadCall("confirm", f"expected the id of a record, got {published!r:.60}") from None
        return cls(
            _client("events", options["client"]),
            _epoch("events", options["epoch"]),
            _deliveries(options.get("deliveries") or (), count),
            acked,
            published,
            _place("events", "heard", options["heard"]) if "heard" in options else None,
        )


def _place(method: str, name: str, record: Any) -> tuple[int, int]:
    """Read the id of a record as its place; none is the place before the first."""
    try:
        return (0, 0) if record is None else record_key(record)
    except (ValueError, AttributeError):
        raise BadCall(method, f"expected {name} as the id of a record, got {record!r:.60}") from None


def _deliveries(given: Any, count: int) -> Sequence[Delivery | None]:
    if not isinstance(given, list | tuple) or (given and len(given) != count):
        raise BadCall("events", f"expected {count} deliveries, one for each item")
    read: list[Delivery | None] = []
    for each in given:
        match each:
            case None:
                read.append(None)
            case [str(key), int(packet), str(topic), str(hash_)]:
                read.append(Delivery(key, packet, topic, hash_))
            case _:
                raise BadCall("events", f"expected a delivery as [key, packet, topic, hash], got {each!r:.60}")
    return read


def _after(since: Any) -> tuple[tuple[int, int], bool]:
    """Read the place after which decisions are wanted, and say whether those of one event are to stay together."""
    if not isinstance(since, str):
        return (_count("decisions", "since_seq", since), sys.maxsize), True
    try:
        return record_key(since), False
    except ValueError:
        raise BadCall("decisions", f"expected since_seq as a number or a decision's id, got {since!r:.60}") from None


def _without(answer: list[Record], seq: int) -> list[Record]:
    kept = [record for record in answer if record["seq"] != seq]
    if not kept:
        raise TooManyDecisions(seq, answer[0]["id"])
    return kept


def _size(record: Record) -> int:
    return len(msgspec.msgpack.encode(record))


def _entry(reply: list[Record] | IntuitionError) -> Any:
    if isinstance(reply, IntuitionError):
        return {"error": {"name": type(reply).__name__, "message": str(reply)}}
    return reply


def _parameters(composition: Composition) -> dict[str, Any]:
    """Give the parameters of all parts with the secrets, which `Composition.to_json` leaves out, by part."""
    return {f"{part.kind} {part.name}": json_params(part.params) for part in composition.parts}


def _comparable(composition: Mapping[str, Any]) -> dict[str, Any]:
    """Leave the versions of the parts out: a newer one may go on with what an older one began."""
    plain = dict(composition)
    plain["algorithms"] = [
        {kind: {**part, "version": None} if isinstance(part, Mapping) else part for kind, part in line.items()}
        for line in composition["algorithms"]
    ]
    for kind in ("risks", "indicators"):
        if kind in composition:
            plain[kind] = [{**part, "version": None} for part in composition[kind]]
    return plain


def _swapped(composition: Mapping[str, Any], swaps: Mapping[int, Record]) -> dict[str, Any]:
    """Give what swaps have made of a plain composition."""
    plain = deepcopy(dict(composition))
    for number, (_, part) in enumerate(json_parts(plain), 1):
        if number in swaps:
            part |= swaps[number]["after"]
    return plain


def _refuse_files(conf: Mapping[str, Any]) -> None:
    """Let no caller have a file run: that is for who starts the session."""
    for key in ("algorithm", "portfolio"):
        table = conf.get(key)
        chosen = [table.get("name"), table.get("use")] if isinstance(table, Mapping) else []
        for reference in chosen:
            if isinstance(reference, str) and is_file(reference):
                problem = f"`{reference}` is a file, and callers choose among installed plugins; name it to `serve`"
                raise BadConfiguration(Mistake("initialize", key, problem))


def _epoch(method: str, epoch: Any) -> int:
    if isinstance(epoch, bool) or not isinstance(epoch, int):
        raise BadCall(method, f"expected the epoch that `attach` gave, got {epoch!r:.60}")
    return epoch


def _count(method: str, name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise BadCall(method, f"expected {name} as a whole number from 0, got {value!r:.60}")
    return value


def _client(method: str, client: Any) -> str:
    if not isinstance(client, str) or not 0 < len(client) <= 128:
        raise BadCall(method, f"expected a client's name of 1 to 128 characters, got {client!r:.60}")
    return client
