"""A session whose journal was put back to an earlier state refuses what its clients know better."""

import re
import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from intuition_core.cli import main
from intuition_core.config.loading import load_config
from intuition_core.plugins.catalogue import discover
from intuition_core.rpc.client import Client
from intuition_core.serving.arguments import BadCall
from intuition_core.serving.service import Service
from intuition_core.session import archive
from intuition_core.session.errors import Halted, HeadLost
from intuition_core.session.journal import Journal
from intuition_core.session.keeping import Keep
from intuition_core.session.verification import verified


def service_of(path: Path | None, **options: Any) -> Service:
    flags = {"algorithm.name": "random", "session": "s", "seed": 5, "cash": "1000000"}
    config = load_config(None, environment={}, flags=flags, flat={"threshold": 0.0, "max_fraction": 0.001})
    return Service(config, discover(), journal=None if path is None else lambda _: Journal(path, **options))


def quotes(first: int, last: int) -> list[dict[str, Any]]:
    return [{"sid": "goog", "quote": 10 + n % 5, "ts": n, "id": n} for n in range(first, last + 1)]


def put_back(kept: Path, path: Path) -> None:
    """Put an older copy, with all that belongs to it, in the place of a journal."""
    for each in (path, *archive.companions(path)):
        each.unlink(missing_ok=True)
    for each in kept.iterdir():
        shutil.copyfile(each, path.parent / each.name)


def kept_copy(path: Path) -> Path:
    target = path.parent / "copy"
    target.mkdir()
    for each in (path, *archive.companions(path)):
        if each.exists():
            shutil.copyfile(each, target / each.name)
    return target


class Caller:
    """A client that tells what was acknowledged to it."""

    def __init__(self) -> None:
        self.head: str | None = None

    def send(self, service: Service, first: int, last: int) -> list[Any]:
        answer = service.events(quotes(first, last), {**self.attached, "head": self.head})
        self.head = answer["head"]
        return list(answer["replies"])

    def attach(self, service: Service) -> None:
        told = service.attach("c", self.head)
        self.attached = {"client": "c", "epoch": told["epoch"]}
        self.head = told["head"]


@pytest.fixture
def lost(tmp_path: Path) -> tuple[Path, Caller, Path]:
    """Give a journal of 10 events in the place of one of 20, who was answered all of them, and a copy of the newer."""
    path, caller = tmp_path / "s.sqlite", Caller()
    with closing(service_of(path)) as service:
        caller.attach(service)
        caller.send(service, 1, 10)
    older = kept_copy(path)
    with closing(service_of(path)) as service:
        caller.attach(service)
        caller.send(service, 11, 20)
    newer = tmp_path / "newer"
    newer.mkdir()
    for each in (path, *archive.companions(path)):
        if each.exists():
            shutil.copyfile(each, newer / each.name)
    put_back(older, path)
    return path, caller, newer


@pytest.mark.parametrize("way", ["attach", "events", "event"])
def test_an_older_copy_is_refused_and_runs_nothing(lost: tuple[Path, Caller, Path], way: str) -> None:
    path, caller, newer = lost
    assert not verified(path).damages  # type: ignore[union-attr]  # it is whole in itself
    with closing(service_of(path)) as service:
        caller.attached = {"client": "c", "epoch": service.attach("c")["epoch"]}
        ways: dict[str, Callable[[], Any]] = {
            "attach": lambda: caller.attach(service),
            "events": lambda: caller.send(service, 21, 22),
            "event": lambda: service.event(quotes(21, 21)[0], {"head": caller.head}),
        }
        with pytest.raises(HeadLost, match=r"event 20 was acknowledged, .* ends with event 10.*repair --older"):
            ways[way]()
        with pytest.raises(Halted, match="event 20 was acknowledged"):
            service.event(quotes(21, 21)[0])
        assert service.account()["seq"] == 10
    put_back(newer, path)
    with closing(service_of(path)) as service:
        caller.attach(service)
        assert len(caller.send(service, 21, 22)) == 2
        assert service.account()["seq"] == 22


def test_another_course_of_the_same_journal_is_refused(lost: tuple[Path, Caller, Path]) -> None:
    path, caller, _ = lost
    with closing(service_of(path)) as service:
        service.events(quotes(31, 60))
        with pytest.raises(HeadLost, match="holds another event 20"):
            caller.attach(service)


def test_who_decides_to_go_on_with_an_older_copy_can(
    lost: tuple[Path, Caller, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path, caller, _ = lost
    monkeypatch.setattr(archive, "folder", lambda: path.parent)
    assert main(["sessions", "repair", "s"]) == 0
    assert "is whole; nothing is changed" in capsys.readouterr().err
    assert main(["sessions", "repair", "--older", "s"]) == 0
    with closing(service_of(path)) as service:
        caller.attach(service)
        caller.send(service, 11, 20)
        assert service.account()["seq"] == 20


def test_heads_of_before_are_taken_and_those_of_others_say_nothing(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    with closing(service_of(path)) as service:
        heads = [service.events(quotes(n, n + 3), {"head": None})["head"] for n in range(1, 41, 4)]
    assert len({head.split(":")[0] for head in heads}) == 1
    other = "0123456789abcdef:99:" + "0" * 32
    with closing(service_of(path)) as service:
        for head in (*heads, other, None):
            assert service.events([], {"head": head})["head"] == heads[-1]
            assert service.event({"sid": "x", "quote": 1, "id": "same"}, {"head": head})["records"] is not None
            heads[-1] = service.events([], {"head": None})["head"]
        assert service.events(quotes(1, 2)) == service.events(quotes(1, 2), {"head": heads[0]})["replies"]


def test_heads_of_dropped_events_are_taken(tmp_path: Path) -> None:
    path, day = tmp_path / "s.sqlite", [0]
    options = {"keep": Keep(age=10), "now": lambda: day[0]}
    heads = []
    with closing(service_of(path, **options)) as service:
        for day[0] in range(40):
            heads.append(service.events(quotes(day[0], day[0]), {"head": None})["head"])
        retention = service.session._journal.retention
        assert retention is not None
        retention._next = 0.0
        while retention.step() < 0.5:
            retention._next = 0.0
        assert service.session._journal.beginning > 20
    with closing(service_of(path, **options)) as service:
        for head in heads:
            service.session.clients.heads.check(head)
        at = service.session._journal.beginning
        wrong = re.sub("[0-9a-f]{32}$", "1" * 32, next(head for head in heads if f":{at}:" in head))
        with pytest.raises(HeadLost):
            service.session.clients.heads.check(wrong)


def test_a_session_in_memory_tells_no_head() -> None:
    with closing(service_of(None)) as service:
        assert service.attach("c")["head"] is None
        assert service.events(quotes(1, 2), {"head": None})["head"] is None


@pytest.mark.parametrize(
    "head", ["", "x", 7, [], "0123456789abcdef:1:" + "0" * 31, "0" * 200, "0" * 16 + ":01:" + "0" * 32]
)
def test_what_is_no_head_is_told(head: Any) -> None:
    with closing(service_of(None)) as service:
        for call in (
            lambda: service.events([], {"head": head}),
            lambda: service.event(quotes(1, 1)[0], {"head": head}),
            lambda: service.attach("c", head),
        ):
            with pytest.raises(BadCall, match="the head that an answer told"):
                call()
        with pytest.raises(BadCall, match="options with `head` alone"):
            service.event(quotes(1, 1)[0], {"client": "c"})


def test_our_client_tells_the_head(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with closing(service_of(tmp_path / "s.sqlite")) as service:
        client = Client("tcp://127.0.0.1:1")
        told: list[Any] = []

        def call(method: str, *args: Any) -> Any:
            told.append(args[-1]["head"])
            return getattr(service, method)(*args)

        monkeypatch.setattr(client, "call", call)
        epoch = service.attach("c")["epoch"]
        for n in range(3):
            assert len(client.events(quotes(n, n), {"client": "c", "epoch": epoch})) == 1
        assert told[0] is None
        assert client.head == service.session.clients.heads.latest
        assert told[2] is not None
        monkeypatch.setattr(client, "call", lambda *_: [[]])  # an older version
        assert client.events(quotes(9, 9), {"client": "c", "epoch": epoch}) == [[]]
        assert client.head == service.session.clients.heads.latest
