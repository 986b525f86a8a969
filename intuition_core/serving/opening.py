"""Opening a session: composed as configured, and gone on with where its journal ends.

A journal was begun with a composition. It goes on with the same one, with the one that swaps have made of it since, or,
where asked for, with parts from files that have changed; with no other.
"""

import logging
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from copy import deepcopy
from typing import Any

from msgspec.structs import replace

from intuition_core.config.compose import compose
from intuition_core.config.editing import settle
from intuition_core.config.loading import Config
from intuition_core.config.portable import portable, recorded
from intuition_core.determinism.hashing import is_seeded
from intuition_core.errors import IntuitionError
from intuition_core.params.durations import read_duration
from intuition_core.plugins.catalogue import Catalogue
from intuition_core.serving.reload import Renewal, changed_files
from intuition_core.session.errors import JournalFailed
from intuition_core.session.journal import Journal
from intuition_core.session.monitor import WorkerMonitor
from intuition_core.session.recovery import Recovery, swapped
from intuition_core.session.session import Session
from intuition_core.trading.composition import RULES, Composition, difference, json_parts, rules_of
from intuition_core.trading.engine import TradingEngine
from intuition_core.trading.records import Record
from intuition_core.trading.wall import Wall

_log = logging.getLogger("intuition")


class CompositionChanged(IntuitionError):
    """A session was begun with another composition than the one it is to go on with."""

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
    """A part of a session comes from a file whose content has changed."""

    def __init__(self, session: str, part: str, remedy: str) -> None:
        self.session = session
        self.part = part
        super().__init__(
            f"session `{session}` was run with `{part}` from a file that has changed since; {remedy}, give the session "
            f"another name with --session NAME, or put the old one away with `intuition sessions archive {session}`"
        )


class Opening:
    """A session's configuration and composition, and the engines that are built from them.

    Args:
        config: which parts, with which parameters.
        catalogue: the plugins there are.
        journal: the session's journal.
        name: the session's name.
        now: the time in nanoseconds UTC.
        watch: who watches the parts; None for nobody.
        reload: go on where files of parts have changed; those parts begin anew.
        engine: makes the live parts.
        upgrading: do not tell of older rules: others are about to take their place.

    Attributes:
        config: the configuration, complete.
        composition: the composition as configured.
        run: the id of the run, the first part of each record's id.
    """

    def __init__(
        self,
        config: Config,
        catalogue: Catalogue,
        journal: Journal,
        *,
        name: str,
        now: Callable[[], int],
        watch: WorkerMonitor | None,
        reload: bool,
        engine: Callable[..., TradingEngine],
        upgrading: bool,
    ) -> None:
        self._noted = noted = journal.meta()
        self.config = settle(config, catalogue, seed=noted.get("seed"))
        self.composition = compose(self.config, catalogue, served=True)
        if "run" in noted:
            self.composition = replace(self.composition, rules=rules_of(noted["composition"]))
        self._catalogue = catalogue
        self._journal = journal
        self._name = name
        self._now = now
        self._watch = watch
        self._renewal = Renewal() if reload else None
        self._engine = engine
        self._upgrading = upgrading
        # The run keeps ids unique when a session of the same name is started anew.
        self.run: str = noted["run"] if "run" in noted else f"{name}.{secrets.token_hex(4)}"

    def open(self) -> tuple[Session, Recovery]:
        """Return the session, brought to where its journal ends, and how it came back.

        Raises:
            CompositionChanged: the journal was begun with another composition.
            FileChanged: a part's file has changed, and that is not asked for, or its state was not kept.
        """
        noted, composition = self._noted, self.composition
        reloads: list[dict[str, Any]] = []
        if "run" in noted:
            composition = self._begun_with()
            reloads = changed_files(noted["composition"], composition.to_json())
            if reloads:
                self._renew(reloads)
        else:
            self._journal.note(session=self._name, run=self.run, begun=self._now(), **self._recipe(composition))
        session = Session(self.builder(composition), journal=self._journal, name=self._name, watch=self._watch)
        session.clients.set_aside_unusable(run=self.run, last_seq=self._journal.last_seq)
        recovery = session.recover()
        if "seeded_after" not in noted and is_seeded():
            self._journal.note(seeded_after=session.last_seq)
        if (rules := session.engine.composition.rules) != RULES and not self._upgrading:
            _log.warning(
                "session %s goes on under rules %d, by which orders filled when it was begun; `intuition upgrade %s "
                "--rules %d` goes over to the present ones",
                self._name,
                rules,
                self._name,
                RULES,
            )
        if reloads:
            self._note_reloads(session, reloads, composition)
        if self.by_the_clock:
            grace = read_duration(self.config.values.clock.grace)
            session.go_by(Wall(self._now, grace=grace, begun=self._journal.meta()["begun"]))
        return session, recovery

    @property
    def by_the_clock(self) -> bool:
        """Whether timers fall due by the wall clock, too."""
        return self.config.values.clock.time == "wall"

    def builder(self, composition: Composition) -> Callable[[], TradingEngine]:
        """Return a function that makes the live parts of a composition."""
        watch = self._watch
        if self._renewal is not None:
            composition = self._renewal.wrapped(composition)
        if watch is None:
            return lambda: self._engine(composition, run=self.run, log=_log)
        watch.introduce(composition.parts)
        return lambda: self._engine(composition, run=self.run, log=_log, status=watch.status)

    def change(self, config: Config, composition: Composition) -> None:
        """Replace the configuration and composition, and write them; only before the first event.

        Raises:
            JournalFailed: they cannot be written.
        """
        self.config, self.composition = config, composition
        self._journal.note(**self._recipe(composition))

    def _recipe(self, composition: Composition) -> dict[str, Any]:
        return {
            "composition": composition.to_json(),
            "seed": composition.seed,
            "configuration": portable(self.config, composition),
        }

    # -- a session that goes on

    def _begun_with(self) -> Composition:
        """Return the composition that the session was begun with: the configured one, or that one before its swaps."""
        composition, noted = self.composition, self._noted
        now = _comparable(composition.to_json())
        swaps = {swap["place"]: swap for swap in swapped(self._journal.records.controls())}
        if swaps and difference(_comparable(_after_swaps(noted["composition"], swaps)), now) is None:
            uses = {number: composition.parts[number - 1].use for number in swaps}
            if all(swap["use"] == uses[number] for number, swap in swaps.items()):
                return self._with_parts_of(noted["configuration"], swaps)
        changed = difference(_comparable(noted["composition"]), now)
        if changed is not None:
            raise CompositionChanged(self._name, changed, list(swaps.values()))
        return composition

    def _with_parts_of(self, configuration: Mapping[str, Any], numbers: Iterable[int]) -> Composition:
        """Put parts back that the session was begun with; their policies are those of the present configuration."""
        composition = self.composition
        begun = recorded(configuration, self._catalogue, {}, rules=composition.rules)
        for number in numbers:
            present = composition.parts[number - 1]
            part = replace(begun.parts[number - 1], policy=present.policy, deadline=present.deadline)
            composition = composition.with_part(number, part)
        return composition

    # -- files that have changed

    def _renew(self, reloads: list[dict[str, Any]]) -> None:
        """Mark the parts whose files have changed to begin anew.

        Raises:
            FileChanged: that is not asked for, or the state of the other parts was not kept.
        """
        name, part = self._name, reloads[0]["name"]
        if self._renewal is None:
            raise FileChanged(name, part, "go on with it as it is now with --reload, put it back as it was")
        last = self._journal.last_seq
        if last and last not in [seq for seq, _ in self._journal.snapshots()]:
            gone = "what it had come to was not kept, and only the file as it was can run the latest events again"
            raise FileChanged(name, part, f"{gone}: put it back")
        self._renewal.changed = frozenset((each["kind"], each["name"]) for each in reloads)

    def _note_reloads(self, session: Session, reloads: list[dict[str, Any]], composition: Composition) -> None:
        """Write which parts begin anew after the last event, and the composition with their new versions."""
        assert self._renewal is not None  # noqa: S101  # `_renew` has seen to it
        if session.last_seq:
            with self._renewal.ending():
                session.keep_snapshot()
        for each in reloads:
            each["seq"] = session.last_seq
            _log.info("%s %s begins anew after event %d", each["kind"], each["name"], each["seq"])
        self._renewal.changed = frozenset()
        self._journal.note(reloads=[*self._noted.get("reloads", ()), *reloads], **self._recipe(composition))

    def hand_over(self) -> None:
        """On close, keep a snapshot from which the next worker goes on with changed files."""
        if self._renewal is not None:
            self._renewal.over = True

    def note_renewal(self, last_seq: int) -> None:
        """Write, after `hand_over`, after which event parts that keep no state begin anew."""
        if self._renewal is not None and self._renewal.over:
            renewals = [*self._journal.meta().get("renewals", ()), last_seq]
            with suppress(JournalFailed):
                self._journal.note(renewals=list(dict.fromkeys(renewals)))


def _comparable(composition: Mapping[str, Any]) -> dict[str, Any]:
    """Return a composition in plain types without versions: a newer one may go on with what an older one began."""
    plain = dict(composition)
    plain["algorithms"] = [
        {kind: {**part, "version": None} if isinstance(part, Mapping) else part for kind, part in line.items()}
        for line in composition["algorithms"]
    ]
    for kind in ("risks", "indicators"):
        if kind in composition:
            plain[kind] = [{**part, "version": None} for part in composition[kind]]
    return plain


def _after_swaps(composition: Mapping[str, Any], swaps: Mapping[int, Record]) -> dict[str, Any]:
    """Return a composition in plain types with the parts that swaps have put in, by their number."""
    plain = deepcopy(dict(composition))
    for number, (_, part) in enumerate(json_parts(plain), 1):
        if number in swaps:
            part |= swaps[number]["after"]
    return plain
