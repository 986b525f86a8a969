import json
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from intuition_core.errors import VenueUnavailable
from intuition_core.testing.broker import BrokerContract, FakeVenue

CHECKS = sorted(name for name in vars(BrokerContract) if name.startswith("test_"))


class Reference:
    """Keeps its intentions in SQLite: ``sending`` until the venue has answered."""

    def __init__(self, venue: FakeVenue, folder: Path) -> None:
        self.venue = venue
        self.db = sqlite3.connect(self.path(folder), isolation_level=None)
        self.db.execute("CREATE TABLE IF NOT EXISTS intentions (id TEXT PRIMARY KEY, body TEXT, state TEXT)")

    def submit(self, order: Mapping[str, Any]) -> None:
        state = self.kept(order["id"])
        if state not in (None, "sending"):
            return
        if state is None:
            self.keep(order)
            self.venue.step("kept")
        else:
            found = self.ask(order["id"])
            if found is not None:
                self.note(order["id"], found["state"])
                return
        answer = self.send(order)
        self.venue.step("answered")
        self.note(order["id"], answer["state"])
        self.venue.step("noted")

    def query(self, order_id: str) -> Mapping[str, Any] | None:
        if self.kept(order_id) == "rejected":
            return {"id": order_id, "state": "rejected"}
        return self.ask(order_id)

    def close(self) -> None:
        self.db.close()

    def path(self, folder: Path) -> str:
        return str(folder / "intentions.sqlite")

    def client_id(self, order: Mapping[str, Any]) -> str:
        return str(order["id"])

    def kept(self, order_id: str) -> str | None:
        row = self.db.execute("SELECT state FROM intentions WHERE id = ?", (order_id,)).fetchone()
        return row and row[0]

    def keep(self, order: Mapping[str, Any]) -> None:
        self.db.execute("INSERT INTO intentions VALUES (?, ?, 'sending')", (order["id"], json.dumps(dict(order))))

    def note(self, order_id: str, state: str) -> None:
        self.db.execute("UPDATE intentions SET state = ? WHERE id = ?", (state, order_id))

    def forget(self, order_id: str) -> None:
        self.db.execute("DELETE FROM intentions WHERE id = ?", (order_id,))

    def ask(self, order_id: str) -> Mapping[str, Any] | None:
        try:
            return self.venue.find(order_id)
        except (TimeoutError, ConnectionError) as error:
            raise VenueUnavailable(order_id, str(error)) from error

    def send(self, order: Mapping[str, Any]) -> Mapping[str, Any]:
        try:
            return self.venue.place(self.client_id(order), order)
        except (TimeoutError, ConnectionError) as error:
            self.failed(order["id"], error)
            raise VenueUnavailable(order["id"], str(error)) from error

    def failed(self, order_id: str, error: OSError) -> None:
        pass


class TestReference(BrokerContract):
    def broker(self, venue: FakeVenue, folder: Path) -> Reference:
        return Reference(venue, folder)


class NoMemory(Reference):
    def submit(self, order):
        self.send(order)


class OwnNumber(Reference):
    def client_id(self, order):
        return f"mine-{order['id']}"


class ChangesOrder(Reference):
    def send(self, order):
        return super().send({**order, "quantity": "11"})


class LostReplyMeansNo(Reference):
    def failed(self, order_id, error):
        if isinstance(error, ConnectionError):
            self.forget(order_id)


class TimeoutMeansNo(Reference):
    def failed(self, order_id, error):
        if isinstance(error, TimeoutError):
            self.forget(order_id)


class TimeoutMeansYes(Reference):
    def failed(self, order_id, error):
        if isinstance(error, TimeoutError):
            self.note(order_id, "open")


class LeaksTimeouts(Reference):
    def send(self, order):
        return self.venue.place(order["id"], order)


class FreshNumberEachTime(Reference):
    def client_id(self, order):
        tried = self.venue.sent
        return f"{order['id']}/{len(tried)}" if tried else order["id"]


class SilenceMeansNo(Reference):
    def ask(self, order_id):
        try:
            return super().ask(order_id)
        except VenueUnavailable:
            return None


class SilenceMeansYes(Reference):
    def submit(self, order):
        try:
            super().submit(order)
        except VenueUnavailable:
            return


class Forgetful(Reference):
    def path(self, folder):
        return ":memory:"


class NotesTooEarly(Reference):
    def keep(self, order):
        super().keep(order)
        self.note(order["id"], "open")


class OwnOpinion(Reference):
    def query(self, order_id):
        state = self.kept(order_id)
        return state and {"state": state}


class UnknownIsAState(Reference):
    def query(self, order_id):
        return super().query(order_id) or {"state": "unknown"}


class RetriesRefusals(Reference):
    def kept(self, order_id):
        state = super().kept(order_id)
        return "sending" if state == "rejected" else state

    def query(self, order_id):
        refused = Reference.kept(self, order_id) == "rejected"
        return {"state": "rejected"} if refused else self.ask(order_id)


class HidesRefusals(Reference):
    def query(self, order_id):
        return self.ask(order_id)


class OneForEachSymbol(Reference):
    def client_id(self, order):
        return order["sid"]


FLAWS = [
    (NoMemory, "test_submitted_twice_is_placed_once", "placed 2 times after it was submitted twice"),
    (OwnNumber, "test_id_is_the_client_order_id", "as the client order id"),
    (ChangesOrder, "test_id_is_the_client_order_id", "another quantity"),
    (LostReplyMeansNo, "test_lost_reply", "placed 2 times after its reply was lost"),
    (TimeoutMeansNo, "test_timeout", "placed 2 times after a timeout"),
    (TimeoutMeansYes, "test_timeout", "placed 0 times after a timeout"),
    (LeaksTimeouts, "test_timeout", "raise VenueUnavailable instead"),
    (FreshNumberEachTime, "test_late_arrival", "the same client order id with every attempt"),
    (SilenceMeansNo, "test_no_answer_is_not_a_no", "is not a no"),
    (SilenceMeansYes, "test_no_answer_is_not_a_no", "raise VenueUnavailable"),
    (Forgetful, "test_restart_at_every_step", "placed 2 times after a crash"),
    (NotesTooEarly, "test_restart_at_every_step", "placed 0 times after a crash"),
    (OwnOpinion, "test_query_tells_the_truth", "ask the venue each time"),
    (SilenceMeansNo, "test_query_tells_the_truth", "though the venue did not answer"),
    (UnknownIsAState, "test_unknown_id_is_none", "return None"),
    (RetriesRefusals, "test_refused_is_reported_and_not_retried", "do not retry"),
    (HidesRefusals, "test_refused_is_reported_and_not_retried", "keep the refusal"),
    (OneForEachSymbol, "test_two_ids_are_two_orders", "by their id alone"),
    (Forgetful, "test_seeded_misbehaviour", "FakeVenue(seed="),
]


@pytest.mark.parametrize(("flawed", "check", "advice"), FLAWS, ids=lambda value: getattr(value, "__name__", None))
def test_a_flaw_is_found_by_its_check(flawed: type[Reference], check: str, advice: str, tmp_path: Path) -> None:
    class Contract(BrokerContract):
        def broker(self, venue: FakeVenue, folder: Path) -> Reference:
            return flawed(venue, folder)

    with pytest.raises(AssertionError) as found:
        getattr(Contract(), check)(tmp_path)
    assert advice in str(found.value)


def test_every_check_has_a_flaw_that_it_finds() -> None:
    assert sorted({check for _, check, _ in FLAWS}) == CHECKS


def test_the_broker_is_crashed_at_each_step(tmp_path: Path) -> None:
    crashed = set()

    class Watched(FakeVenue):
        def step(self, name: str) -> None:
            try:
                super().step(name)
            except BaseException:
                crashed.add((name, bool(self.orders)))
                raise

    class Contract(BrokerContract):
        def broker(self, venue: FakeVenue, folder: Path) -> Reference:
            venue.__class__ = Watched
            return Reference(venue, folder)

    Contract().test_restart_at_every_step(tmp_path)
    before = {(name, False) for name in ("kept", "sending", "asking", "asked")}
    assert crashed == before | {(name, True) for name in ("placed", "answered", "noted")}


def test_seeds_repeat() -> None:
    def history(seed: int) -> list[str]:
        venue = FakeVenue(seed=seed, rate=0.5)
        answers = []
        for n in range(20):
            try:
                answers.append(str(venue.place(str(n), {})))
            except OSError as error:
                answers.append(repr(error))
        return answers

    assert history(1) == history(1)
    assert history(1) != history(2)
