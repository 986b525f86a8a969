"""Plays recorded runs: a configuration and its events, as a backtest and as a session that stops and goes on.

A run is ``runs/NAME.toml`` with ``runs/NAME.jsonl.gz``. The session is sent batches of seven events, every third one
backwards, so that some quotes are late; what people decide comes in between, at the time of the latest event.
"""

import gzip
import hashlib
import io
import json
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any, Final

from intuition_core.cli import main
from intuition_core.config.loading import load_config
from intuition_core.plugins.catalogue import discover
from intuition_core.serving.service import Service
from intuition_core.session.journal import Journal

FOLDER: Final = Path(__file__).parent
RUNS: Final = FOLDER / "runs"
NAMES: Final = tuple(sorted(path.stem for path in RUNS.glob("*.toml")))
BATCH: Final = 7
STOP: Final = 147
"""After how many events a session stops; the rest it is sent after it has gone on."""
STOPS: Final = {"groups": 116, "targets": 97}
"""The same of two runs: legs of brackets are open then, and buys that wait for sales."""

Event = dict[str, Any]
Record = dict[str, Any]
Step = tuple[str, tuple[Any, ...]]

DECIDED: Final[dict[str, dict[int, Step]]] = {
    "swap": {
        49: ("swap", ("portfolio", "parts", "fixed", {"units": 3})),
        98: ("swap", ("risk", "max-position", "order-size", {"units": 9})),
        140: ("swap", ("portfolio", "parts", "fixed", {"cash": 150}, True)),
        196: ("swap", ("algorithm", "parts", "sma-cross", {"fast": 3, "slow": 7})),
    },
    "kill": {
        70: ("kill", ("to look at it",)),
        91: ("clear", ("looked at",)),
        119: ("kill", ("to be out", True)),
        133: ("clear", ("back",)),
        147: ("kill", ("at the end",)),
        175: ("clear", ("after the start",)),
        210: ("kill", ("once more", True)),
    },
    "several": {
        77: ("shares", ({"first": "0.3", "second": "0.4"},)),
        182: ("shares", ({"third": 0.1},)),
    },
}
"""What people decide, by run and the number of events before it."""

UPGRADED: Final = 196
"""After how many events the run `orders`, begun under rules 1, goes over to rules 2."""

_VERSION: Final = re.compile(rb'"version":"[^"]*"')


def events_of(name: str) -> list[Event]:
    """Return the events of a run, each with an id."""
    with gzip.open(RUNS / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [{**json.loads(line), "id": f"{name}-{number}"} for number, line in enumerate(lines)]


def hashed(records: Sequence[Record], run: str = "") -> str:
    """Return the SHA-256 of records as JSON lines, without the run in their ids and without versions of plugins."""
    lines = "".join(json.dumps(record, separators=(",", ":"), ensure_ascii=False) + "\n" for record in records)
    text = _VERSION.sub(b'"version":"-"', lines.encode())
    return hashlib.sha256(text.replace(f'"{run}:'.encode(), b'"') if run else text).hexdigest()


def command(*arguments: str) -> tuple[int, str]:
    """Return the exit code of ``intuition`` and what it wrote to standard output."""
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    with redirect_stdout(out):
        code = main(list(arguments))
        sys.stdout.flush()
    return code, out.buffer.getvalue().decode()


def backtested(name: str, folder: Path) -> dict[str, Any]:
    """Run ``intuition backtest`` and return its hashes and the account at the end."""
    written = folder / f"{name}.jsonl"
    given = ("--config", str(RUNS / f"{name}.toml"), "--data", str(RUNS / f"{name}.jsonl.gz"))
    code, out = command("backtest", *given, "--on-error", "skip", "--json", "--decisions", str(written))
    told = json.loads(out)
    records = [json.loads(line) for line in written.read_text(encoding="utf-8").splitlines()]
    return {
        "code": code,
        "decisions": told["decisions_sha256"],
        "records": {"count": len(records), "sha256": hashed(records)},
        "fills": told["fills"],
        "cash": told["cash"],
        "equity": told["final_equity"],
        "positions": {sid: position["quantity"] for sid, position in sorted(told["positions"].items())},
    }


class Session:
    """A session of a run, with the clock at the latest event.

    Args:
        name: the run.
        path: its journal.
    """

    def __init__(self, name: str, path: Path) -> None:
        self.name = name
        self.now = 0
        config = load_config(RUNS / f"{name}.toml", flags={"session": name})
        self._service = Service(config, discover(), journal=lambda _: Journal(path), now=lambda: self.now)
        self._epoch = self._service.attach("recorder")["epoch"]
        journal = self._service.journal
        assert journal is not None
        self.run: str = journal.meta()["run"]

    def close(self) -> None:
        """Keep a snapshot and let the journal go."""
        self._service.close()

    def send(self, events: Sequence[Event]) -> list[Record]:
        """Send a batch and return its records."""
        self.now = max([self.now, *(event["ts"] for event in events)])
        entries = self._service.events(events, {"client": "recorder", "epoch": self._epoch})
        return [record for entry in entries for record in (entry if isinstance(entry, list) else [entry])]

    def decide(self, method: str, *arguments: Any) -> list[Record]:
        """Call a method by which people decide, and return its records."""
        records: list[Record] = getattr(self._service, method)(*arguments)
        return records

    def outbox(self) -> list[Record]:
        """Return what the client has not confirmed."""
        return list(self._service.outbox("recorder", self._epoch, 10_000))

    def account(self) -> dict[str, Any]:
        """Return the account."""
        return self._service.account()

    @property
    def rules(self) -> int:
        """The number of the rules that it goes by."""
        return int(self._service.describe()["rules"])


def play(session: Session, events: Sequence[Event], *, first: int = 0, after: int | None = None) -> list[Record]:
    """Send events from ``first`` up to ``after`` with what people decide in between, and return all records."""
    records: list[Record] = []
    end = len(events) if after is None else after
    decided = dict(DECIDED.get(session.name, {}))
    if session.name == "orders" and session.rules == 1:
        decided[UPGRADED] = ("take_rules", (2,))
    session.now = max((event["ts"] for event in events[:first]), default=0)
    for begin in range(first, end, BATCH):
        batch = list(events[begin : min(begin + BATCH, end)])
        if begin // BATCH % 3 == 2:
            batch.reverse()
        records += session.send(batch)
        if begin + BATCH in decided:
            method, arguments = decided[begin + BATCH]
            records += session.decide(method, *arguments)
    return records


def result(session: Session, records: Sequence[Record]) -> dict[str, Any]:
    """Return the hash of records and the account after them."""
    return {
        "records": {"count": len(records), "sha256": hashed(records, session.run)},
        "account": hashlib.sha256(json.dumps(session.account(), sort_keys=True).encode()).hexdigest(),
        "equity": session.account()["equity"],
    }


@contextmanager
def opened(name: str, path: Path) -> Iterator[Session]:
    """Open a session, and close it."""
    session = Session(name, path)
    try:
        yield session
    finally:
        session.close()


def begun(name: str, path: Path) -> dict[str, Any]:
    """Play the first part of a run into a new journal."""
    with opened(name, path) as session:
        return result(session, play(session, events_of(name), after=STOPS.get(name, STOP)))


def gone_on(name: str, path: Path) -> dict[str, Any]:
    """Go on with a journal: the latest batch again, which is known, then the rest; what the client then has to get."""
    events = events_of(name)
    stop = STOPS.get(name, STOP)
    with opened(name, path) as session:
        records = session.send(events[stop - BATCH : stop]) + play(session, events, first=stop)
        return {**result(session, records), "outbox": hashed(session.outbox(), session.run)}


def replayed(path: Path) -> dict[str, Any]:
    """Run ``intuition replay``, which holds each record against the journal's, and return what it tells."""
    code, out = command("replay", str(path), "--json")
    return {"code": code, **(json.loads(out) if out else {})}
