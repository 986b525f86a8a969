"""The kill switch as callers and connectors see it: done once, heard by all, and final for what was not published."""

import json
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intuition_core.config.loading import load_config
from intuition_core.errors import IntuitionError
from intuition_core.plugins.catalogue import discover
from intuition_core.serving.service import Service
from intuition_core.session.errors import IdReused, Unheard
from intuition_core.session.journal import Journal

ALWAYS = {"threshold": 0.0, "max_fraction": 0.00001}
"""A decision for each event, and cash for all of them."""

KILL = {"action": "kill", "reason": "the feed is wrong"}
CLEAR = {"action": "clear", "reason": "mended"}


def new_service(path: Path | None) -> Service:
    flags = {"algorithm.name": "random", "session": "test", "cash": "1000000", "seed": 5}
    journal: Callable[[str], Journal] | None = None if path is None else lambda _name: Journal(path)
    return Service(load_config(None, environment={}, flags=flags, flat=ALWAYS), discover(), journal=journal)


@pytest.fixture
def service_at(opened: Any) -> Callable[[Path | None], Service]:
    return lambda path: opened(new_service(path))


def deliver(service: Service, epoch: int, *keys: int, **options: Any) -> list[Any]:
    """Deliver a quote of a symbol of its own for each key, so that its order stays open."""
    return service.events(
        [{"sid": f"S{key}", "quote": 10.0} for key in keys],
        {
            "client": "c",
            "epoch": epoch,
            "deliveries": [[f"c:1:{key}", key + 1, "quotes", f"{key}"] for key in keys],
            **options,
        },
    )


def ids(records: list[Any]) -> list[str]:
    return [record["id"] for record in records]


def types(records: list[Any]) -> list[str]:
    return [record["type"] for record in records]


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        ("kill", "expected an object"),
        ({}, "`action` is one of kill, clear, shares, not None"),
        ({"action": ["kill"]}, "`action` is one of"),
        ({"action": "kill"}, "say why"),
        ({**KILL, "flatten": "yes"}, "true or false"),
        ({**KILL, "flaten": True}, "it does not take `flaten`; it takes flatten, reason"),
        ({"action": "kill", 7: True}, "it does not take `7`"),
        (CLEAR, "is not on"),
        ({"action": "shares", "shares": {"random": 0.5}}, "one algorithm has all of it"),
    ],
)
def test_a_command_that_cannot_be_done_is_refused(service_at: Any, command: Any, problem: str) -> None:
    service = service_at(None)
    with pytest.raises(IntuitionError, match=problem):
        service.control(command)
    assert service.describe()["last_seq"] == 0


@pytest.mark.parametrize("named", [True, False])
def test_a_command_that_comes_again_is_done_once(service_at: Any, tmp_path: Path, named: bool) -> None:
    service = service_at(tmp_path / "s.journal")
    epoch = service.attach("c")["epoch"]

    def tell(command: dict[str, Any], number: int) -> list[Any]:
        if named:
            return service.control({**command, "id": number, "source": "desk"})
        delivery = [f"c:{epoch}:{number}", number + 1, "control", "x"]
        return service.control(command, {"client": "c", "epoch": epoch, "deliveries": [delivery]})

    killed = tell(KILL, 0)
    assert types(killed) == ["control"]
    assert tell(KILL, 0) == killed
    cleared = tell(CLEAR, 1)
    # Both come again, in their order, after the switch was turned on by somebody else: it stays on.
    service.kill("another reason")
    assert tell(KILL, 0) == killed
    assert tell(CLEAR, 1) == cleared
    assert service.describe()["killed"] == "another reason"
    service.close()
    service = service_at(tmp_path / "s.journal")
    if not named:
        epoch = service.attach("c")["epoch"] - 1
        service.session.clients._epochs = {"c": epoch}  # the same delivery again, by whoever it is brought
    assert tell(CLEAR, 1) == cleared
    assert service.describe()["killed"] == "another reason"
    service.close()


def test_a_quote_may_have_the_id_of_a_command(service_at: Any) -> None:
    service = service_at(None)
    service.event({"goog": 1.0, "id": 7})
    assert types(service.control({**KILL, "id": 7})) == ["rejection", "control"]
    with pytest.raises(IdReused):
        service.control({**CLEAR, "id": 7})


def test_a_kill_that_is_on_says_so(service_at: Any) -> None:
    service = service_at(None)
    service.event({"goog": 1.0})
    service.event({"goog": 1.0})
    service.kill("first")
    seq = service.describe()["last_seq"]
    with pytest.raises(IntuitionError, match="is on already: first"):
        service.kill("second")
    assert service.describe()["last_seq"] == seq
    *_, sale = service.kill("sell, too", flatten=True)
    assert (sale["type"], sale["side"]) == ("decision", "sell")
    with pytest.raises(IntuitionError, match="is on already, and sells all: sell, too"):
        service.kill("sell, too", flatten=True)


def test_what_was_decided_by_others_is_in_the_outbox_in_its_place(service_at: Any, tmp_path: Path) -> None:
    service = service_at(tmp_path / "s.journal")
    epoch = service.attach("c")["epoch"]
    (first,) = deliver(service, epoch, 0)
    service.confirm("c", epoch, None, first[-1]["id"])
    killed = service.kill("enough")
    cleared = service.clear("mended")
    (second,) = deliver(service, epoch, 1)
    (_others,) = service.events([{"sid": "X", "quote": 1.0}])
    service.close()
    again = service_at(tmp_path / "s.journal")
    epoch = again.attach("c")["epoch"]
    assert types(killed) == ["rejection", "control"]
    assert again.outbox("c", epoch) == [*killed, *cleared, *second]
    assert again.outbox("c", epoch, 1) == killed[:1]
    assert again.controls() == [*killed, *cleared]
    assert again.controls(killed[0]["id"]) == [killed[1], *cleared]
    assert again.controls(cleared[-1]["id"]) == []
    again.close()


def test_a_client_that_comes_late_is_told_nothing_of_what_was(service_at: Any, tmp_path: Path) -> None:
    service = service_at(tmp_path / "s.journal")
    service.event({"goog": 1.0})
    service.kill("enough", flatten=True)
    epoch = service.attach("late")["epoch"]
    assert service.outbox("late", epoch) == []
    cleared = service.clear("mended")
    service.close()
    again = service_at(tmp_path / "s.journal")
    assert again.outbox("late", again.attach("late")["epoch"]) == cleared
    again.close()


def test_a_client_that_has_not_heard_is_refused_until_it_has(service_at: Any, tmp_path: Path) -> None:
    service = service_at(None)
    epoch = service.attach("c")["epoch"]
    deliver(service, epoch, 0, heard=None)
    killed = service.kill("enough")
    with pytest.raises(Unheard, match="ask for `controls`"):
        deliver(service, epoch, 1, heard=None)
    with pytest.raises(Unheard):
        deliver(service, epoch, 1, heard=killed[0]["id"])
    assert service.describe()["last_seq"] == 2
    deliver(service, epoch, 1, heard=killed[-1]["id"])
    deliver(service, epoch, 2)  # who publishes nothing of it need not know
    with pytest.raises(IntuitionError, match="heard as the id of a record"):
        deliver(service, epoch, 3, heard="x")


def test_decisions_that_a_kill_cancelled_are_given_to_nobody(service_at: Any, tmp_path: Path) -> None:
    service = service_at(tmp_path / "s.journal")
    epoch = service.attach("c")["epoch"]
    filled, *_ = deliver(service, epoch, 0)
    deliver(service, epoch, 0)
    service.event({"sid": "S0", "quote": 10.0})  # the order of the first fills
    placed = [record for reply in deliver(service, epoch, 1, 2) for record in reply]
    assert types(placed) == ["decision", "decision"]
    assert ids(placed)[0] in ids(service.outbox("c", epoch))
    killed = service.kill("enough")
    assert {record["cause"] for record in killed if record["type"] == "rejection"} >= set(ids(placed))
    for _ in range(2):  # now, and when the session has come back
        assert deliver(service, epoch, 0, 1, 2) == [filled, [], []]
        assert ids(service.outbox("c", epoch)) == [*ids(filled), *ids(killed)]
        assert service.outbox("c", epoch, 1) == filled
        assert ids(service.decisions()) == ids(filled)
        assert service.describe()["killed"] == "enough"
        service.close()
        service = service_at(tmp_path / "s.journal")
        epoch = service.attach("c")["epoch"]
    service.close()
    # The journal keeps what was decided, whatever became of it.
    with Journal(tmp_path / "s.journal", read_only=True) as journal:
        kept = [record for _, records in journal.batches() for record in records]
    assert set(ids(placed)) <= set(ids(kept))


def test_what_the_guide_publishes_is_done(opened: Any, tmp_path: Path) -> None:
    guide = (Path(__file__).parent.parent.parent / "docs" / "accounts.md").read_text()
    file = tmp_path / "intuition.toml"
    file.write_text(re.findall(r"```toml\n(.*?)```", guide, re.DOTALL)[0])
    service = opened(Service(load_config(file, environment={}), discover()))
    commands = re.findall(r"-t intuition/1/SESSION/control/set -m '(.*)'", guide)
    assert [service.control(json.loads(command))[-1]["action"] for command in commands] == ["kill", "clear", "shares"]


class Carrier:
    """A connector as the protocol wants it: what it takes waits until it is published, one after the other."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.published: list[str] = []
        self.taken_back: set[str] = set()
        self.start()

    def start(self) -> None:
        self.service = new_service(self._path)
        attached = self.service.attach("c")
        self._epoch, self._heard = attached["epoch"], attached["published"]
        self._waiting: list[Any] = []
        while records := self.service.outbox("c", self._epoch, 3):
            self._waiting += records
            self._heard = records[-1]["id"]
            while self._waiting:
                self.publish()

    def die(self) -> None:
        self.service.close()
        self.start()

    def deliver(self, key: int) -> None:
        try:
            (reply,) = deliver(self.service, self._epoch, key, heard=self._heard)
        except Unheard:
            self.hear()
            (reply,) = deliver(self.service, self._epoch, key, heard=self._heard)
        self._waiting += reply

    def hear(self) -> None:
        while records := self.service.controls(self._heard):
            self.taken_back |= {record["cause"] for record in records if record["type"] == "rejection"}
            waiting = [record for record in self._waiting if record["id"] not in self.taken_back]
            self._waiting = waiting + records
            self._heard = records[-1]["id"]

    def publish(self) -> None:
        if self._waiting:
            record = self._waiting.pop(0)
            assert record["id"] not in self.taken_back
            self.published.append(record["id"])
            self.service.confirm("c", self._epoch, None, record["id"])

    def switch(self) -> None:
        """Have somebody else use the switch."""
        if self.service.describe()["killed"] is None:
            self.service.kill("enough", flatten=True)
        else:
            self.service.clear("mended")


@settings(max_examples=50, deadline=None)
@given(steps=st.lists(st.sampled_from(["deliver", "deliver", "others", "switch", "hear", "publish", "die"])))
def test_whatever_happens_all_is_published_in_order_but_what_was_taken_back(steps: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "s.journal"
        carrier = Carrier(path)
        for key, step in enumerate(steps):
            if step == "deliver":
                carrier.deliver(key)
            elif step == "others":
                carrier.service.event({"sid": "X", "quote": 1.0})
            else:
                getattr(carrier, step)()
        carrier.die()
        carrier.service.close()
        due: list[str] = []
        taken_back: set[str] = set()
        with Journal(path, read_only=True) as journal:
            for events, records in journal.batches():
                if events[0].get("sid") != "X":
                    due += ids(records)
                if events[0]["channel"] == "$control":
                    taken_back |= {record["cause"] for record in records if record["type"] == "rejection"}
        assert carrier.published == [each for each in due if each in set(carrier.published)], "each once, in order"
        assert set(due) - set(carrier.published) <= taken_back
