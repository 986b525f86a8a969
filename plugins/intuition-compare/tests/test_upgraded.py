"""Variants beside a session that has gone on with another version of a part: they begin there."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from intuition_compare.shadow import NotAtBoundary, Shadow, VersionChanged

from intuition_core import Signal
from intuition_core.errors import BackendLost, BackendRefused
from intuition_core.rpc.client import Client
from intuition_core.session import control
from intuition_core.session.journal import Journal
from intuition_core.session.session import Item, Session
from intuition_core.trading.composition import Composition, Part, Sleeve
from intuition_core.trading.engine import TradingEngine
from intuition_core.trading.naive import Naive

HOUR = 3_600 * 1_000_000_000
BEGIN = 20_000 * 24 * HOUR


class Turns:
    """Buys on every third event, sells on every seventh; begins at a count of the class's own."""

    first = 0

    def initialize(self, params: Any) -> None:
        self.count = self.first

    def event(self, data: dict[str, Any]) -> Signal | None:
        self.count += 1
        if self.count % 7 == 0:
            return Signal(data["sid"], "sell", data["quote"])
        return Signal(data["sid"], "buy", data["quote"]) if self.count % 3 == 0 else None

    def snapshot(self) -> int:
        return self.count

    def restore(self, state: int) -> None:
        self.count = state


class Newer(Turns):
    """Decides otherwise from its beginning, so that it cannot have run what the older one has."""

    def event(self, data: dict[str, Any]) -> Signal | None:
        self.count += 1
        return Signal(data["sid"], "buy" if self.count % 2 else "sell", data["quote"])


def recipe(factory: type[Turns] = Turns, fraction: float = 0.5, **more: Any) -> Composition:
    portfolio = Part(kind="portfolio", name="naive", factory=Naive, params=Naive.Params(max_fraction=fraction))
    algorithm = Part(kind="algorithm", name="turns", factory=factory, params={}, version=more.pop("version", "1"))
    return Composition(sleeves=(Sleeve(algorithm=algorithm, portfolio=portfolio),), seed=1, **more)


NEWER = recipe(Newer, version="2")


def quotes(prices: Sequence[int], first: int = 0) -> list[dict[str, Any]]:
    return [
        {"channel": "quotes", "sid": "AB"[n % 2], "quote": price / 100, "ts": BEGIN + (first + n) * HOUR}
        for n, price in enumerate(prices)
    ]


def upgraded(path: Path, before: list[dict[str, Any]], after: list[dict[str, Any]]) -> Journal:
    """Give the journal of a session that took some events with one version and the others with another."""
    session = session_of(path, recipe())
    session.deliver([Item([dict(event)]) for event in before])
    hand_over(session)
    session = session_of(path, NEWER)
    if after:
        session.deliver([Item([dict(event)]) for event in after])
    session.close()
    return Journal(path, read_only=True)


def session_of(path: Path, composition: Composition) -> Session:
    journal = Journal(path)
    journal.note(session="s")
    session = Session(lambda: TradingEngine(composition, run="s.1"), journal=journal, name="s")
    session.recover()
    return session


def hand_over(session: Session) -> None:
    part = recipe().sleeves[0].algorithm
    ts = BEGIN + (session.last_seq + 1) * HOUR
    session.hand_over(control.upgrade("algorithm", "turns", before=part, version="2", ts=ts, by="test"))
    session._journal.close()


PRICES = st.lists(st.integers(100, 9_000), min_size=1, max_size=30)


@settings(deadline=None, max_examples=25)
@given(PRICES, PRICES, st.sampled_from([0.1, 0.9]))
@example(early=[100] * 14, late=[100, 347, 100, 100, 100, 100, 7233], fraction=0.9)  # it ends 130 times as rich
def test_they_begin_where_the_newer_version_did_as_if_they_were_swapped_in_there(
    early: list[int], late: list[int], fraction: float
) -> None:
    before, after = quotes(early), quotes(late, len(early) + 2)
    with TemporaryDirectory() as folder:
        journal = upgraded(Path(folder) / "s.sqlite", before, after)
        session, variant = Shadow("s", NEWER, run="s.1"), Shadow("v", recipe(Turns, fraction), run="s.1", session=NEWER)
        for shadow in (session, variant):
            shadow.take(journal, until=len(before))  # which it has behind it
            assert shadow.seq == len(before) + 1
            shadow.take(journal, until=journal.last_seq)
        journal.close()
    # The same by hand: the old parts, then the others in their places, with what the account had come to.
    expected, course = {}, {}
    for name, composition in {"s": NEWER, "v": recipe(Turns, fraction)}.items():
        [line] = composition.sleeves
        made = {"algorithm": line.algorithm, "portfolio": line.portfolio}
        engine = TradingEngine(recipe(maker=lambda kind, *_, made=made: made[kind]), run="s.1")
        for event in before:
            engine.step(event)
        worth = engine.ledger.equity
        for kind in made if name == "v" else ["algorithm"]:
            swap = control.swap(kind, "turns", "x", ts=before[-1]["ts"], by="test", keep_state=name == "s")
            engine.step(engine.prepare(swap))
        records, course[name] = [], [float(worth)]
        for event in after:
            records += engine.step(event)
            course[name].append(float(engine.ledger.equity))
        fills = sum(record["type"] == "fill" for record in records)
        expected[name] = (worth, engine.ledger.equity, fills, len(after))
    for shadow in (session, variant):
        history = shadow.result(shadow.name).history
        found = (history.deposits, history.equity, history.counts.get("fill", 0), history.events)
        assert found == expected[shadow.name]
        assert history.source == f"{shadow.name} from event {len(before) + 2} on, with another version"
        assert history.first_ts == after[0]["ts"]
        assert history.days[-1].equity == pytest.approx(float(history.equity))
        assert min(each.low for each in history.slices) == pytest.approx(min(course[shadow.name]))
        assert max(each.high for each in history.slices) == pytest.approx(max(course[shadow.name]))
        assert all(each.low <= each.close <= each.high for each in history.slices)


def test_the_course_begins_with_what_the_positions_are_worth(tmp_path: Path) -> None:
    journal = upgraded(tmp_path / "s.sqlite", quotes([100] * 8), quotes([100], 10))
    shadow = Shadow("s", NEWER, run="s.1")
    shadow.take(journal, until=10)
    history = shadow.result("s").history
    assert history.statement["positions"]
    assert [(each.low, each.high) for each in history.slices] == [(10_000.0, 10_000.0)]
    assert [day.ts for day in history.days] == [BEGIN + 10 * HOUR]
    assert history.deposits == history.equity == Decimal(10_000)
    journal.close()


def test_nothing_is_taken_yet_and_the_account_is_there(tmp_path: Path) -> None:
    journal = upgraded(tmp_path / "s.sqlite", quotes([100] * 8), [])
    shadow = Shadow("s", NEWER, run="s.1")
    shadow.take(journal, until=journal.last_seq)
    history = shadow.result("s").history
    assert (history.events, history.first_ts, history.equity) == (0, None, Decimal(10_000))
    journal.close()


@pytest.mark.parametrize(("key", "change"), [("cash", {"cash": Decimal(5)}), ("seed", {"seed": 2})])
def test_what_only_a_beginning_decides_is_refused(tmp_path: Path, key: str, change: dict[str, Any]) -> None:
    journal = upgraded(tmp_path / "s.sqlite", quotes([100] * 8), quotes([100], 10))
    variant = Shadow("v", msgspec.structs.replace(NEWER, **change), run="s.1", session=NEWER)
    with pytest.raises(NotAtBoundary, match=f"after event 9, .* its `{key}` cannot be another"):
        variant.take(journal, until=10)
    journal.close()


def test_a_version_that_is_taken_up_while_it_is_followed_ends_it(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    session = session_of(path, recipe())
    session.deliver([Item([event]) for event in quotes([100] * 8)])
    shadow = Shadow("s", recipe(), run="s.1")
    journal = Journal(path, read_only=True)
    shadow.take(journal, until=8)
    hand_over(session)
    with pytest.raises(VersionChanged, match="after event 9; start the comparison again"):
        shadow.take(journal, until=9)
    journal.close()


# -- a real session

MOVES = """
from intuition_core import Signal

class Moves:
    def initialize(self, params):
        self.count = 0

    def event(self, data):
        self.count += 1
        return Signal(data["sid"], "{}" if self.count % 2 else "{}", data["quote"])

    def snapshot(self):
        return self.count

    def restore(self, state):
        self.count = state
"""


def install(folder: Path, version: str, *sides: str) -> None:
    (folder / "acme_moves.py").write_text(MOVES.format(*sides))
    for old in folder.glob("acme_moves-*"):
        shutil.rmtree(old)
    info = folder / f"acme_moves-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: acme-moves\nVersion: {version}\n")
    (info / "entry_points.txt").write_text("[intuition.v1.algorithm]\nmoves = acme_moves:Moves\n")


def typed(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "intuition_core", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=dict(os.environ))


def call(address: str, method: str, *arguments: Any) -> Any:
    """Call a session that may be about to go on in another process."""
    deadline = time.monotonic() + 30
    while True:
        try:
            with Client(address, timeout=10) as client:
                return client.call(method, *arguments)
        except (BackendLost, BackendRefused):
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_a_session_that_was_restarted_with_a_newer_version(
    serve: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")  # two versions written within a second look the same to a cache
    install(tmp_path, "1.0", "buy", "sell")
    _, address = serve("--algo", "moves", "--portfolio", "naive", "--session", "first")
    call(address, "events", quotes([100, 101, 103, 102, 105]))
    install(tmp_path, "1.1", "sell", "buy")
    swapped = typed("swap", "algorithm", "moves", "--restart", "--rpc", address)
    assert swapped.returncode == 0, swapped.stderr
    call(address, "events", quotes([104, 103, 106, 109, 108], 10))
    account = call(address, "account")
    compared = typed("compare", "--session", "first", "--portfolio", "fixed,kelly", "--json")
    assert compared.returncode == 0, compared.stderr
    told = json.loads(compared.stdout)
    assert told["source"] == "session first from event 7 on, with another version"
    assert told["events"] == 5
    session, fixed, _ = told["variants"]
    assert (session["final_equity"], session["cash"]) == (account["equity"], account["cash"])
    assert session["composition"]["algorithms"][0]["algorithm"]["version"] == "1.1"
    assert fixed["final_equity"] != account["equity"]
    refused = typed("compare", "--session", "first", "--portfolio", "fixed", "--cash", "7")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "after event 6, and comparisons begin there" in refused.stderr
    assert "Traceback" not in refused.stderr
