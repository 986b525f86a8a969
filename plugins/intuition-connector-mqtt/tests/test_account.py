"""The account on MQTT: whole where it is small, and by what has changed where it is large."""

import time
from typing import Any

import msgspec
import pytest
from intuition_connector_mqtt import account_feed


class Account:
    """An account of many positions, of which each fill changes one."""

    def __init__(self, backend: Any, positions: int) -> None:
        self.backend = backend
        self.seqs = {f"S{number}": 0 for number in range(positions)}
        backend.other["account_changes"] = self.changes
        backend.other["account"] = lambda: pytest.fail("the whole account is asked for")
        backend.decide = self.decide

    def decide(self, event: dict[str, Any]) -> Any:
        [record] = self.backend.decision(event)
        self.seqs[event["sid"]] = record["seq"]
        return [record | {"type": "fill"}]

    def changes(self, since: int | None) -> dict[str, Any]:
        positions = {sid: {"quantity": str(seq)} for sid, seq in self.seqs.items() if since is None or seq > since}
        more = {} if since is None else {"since": since, "closed": []}
        return {"seq": self.backend.seq, "cash": "1", "positions": positions, **more}


def test_a_large_account_is_published_by_what_changes(
    mosquitto: Any, at_work: Any, observe: Any, fake: Any, until: Any
) -> None:
    backend = fake("attach", "events", "account", "account_changes")
    account = Account(backend, 5000)
    early = observe(mosquitto)
    _, observer = at_work(mosquitto, backend)
    (whole,) = early.wait_for("portfolio")
    assert (len(whole["positions"]), len(msgspec.json.encode(whole)) > 100_000) == (5000, True)
    for sid in ("S7", "S4000"):
        observer.publish("quotes", {"sid": sid, "quote": 3.45})
        until(
            lambda sid=sid: early.on("portfolio/changes") and sid in early.on("portfolio/changes")[-1]["positions"], sid
        )
    changes = early.on("portfolio/changes")
    assert [change["since"] for change in changes] == [whole["seq"], *[change["seq"] for change in changes[:-1]]]
    known = dict(whole["positions"])
    for change in changes:
        known.update(change["positions"])
    assert known == account.changes(None)["positions"]
    assert sum(len(change["positions"]) for change in changes) == 2
    assert early.on("portfolio") == [whole]
    late = observe(mosquitto)
    assert late.wait_for("portfolio") == [whole]
    assert [retained for where, _, retained in late.seen if where.endswith("changes")] == []


def test_the_whole_account_follows_when_it_is_time(
    mosquitto: Any, at_work: Any, observe: Any, fake: Any, until: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr(account_feed, "WHOLE_RATE", 2000.0)  # the account of 5 kB every 3 seconds
    backend = fake("attach", "events", "account", "account_changes")
    account = Account(backend, 200)
    early = observe(mosquitto)
    _, observer = at_work(mosquitto, backend)
    early.wait_for("portfolio")
    observer.publish("quotes", {"sid": "S7", "quote": 3.45})
    early.wait_for("portfolio/changes")
    until(lambda: early.on("portfolio")[-1] == account.changes(None), "the whole account, with no other change")


def test_a_small_account_is_always_whole(mosquitto: Any, at_work: Any, observe: Any, fake: Any, until: Any) -> None:
    backend = fake("attach", "events", "account", "account_changes")
    account = Account(backend, 3)
    early = observe(mosquitto)
    started = time.monotonic()
    _, observer = at_work(mosquitto, backend)
    for sid in ("S0", "S1", "S2"):
        observer.publish("quotes", {"sid": sid, "quote": 3.45})
        until(lambda: early.on("portfolio") and early.on("portfolio")[-1] == account.changes(None), "the account")
    assert early.on("portfolio/changes") == []
    assert len(early.on("portfolio")) <= time.monotonic() - started + 2


def test_what_a_backend_cannot_tell_is_published_whole(mosquitto: Any, at_work: Any, observe: Any, fake: Any) -> None:
    """A session that was started anew knows none of the answers of the one before."""
    backend = fake("attach", "events", "account", "account_changes")
    account = Account(backend, 5000)
    backend.other["account_changes"] = lambda _since: account.changes(None)
    early = observe(mosquitto)
    _, observer = at_work(mosquitto, backend)
    early.wait_for("portfolio")
    observer.publish("quotes", {"sid": "S7", "quote": 3.45})
    assert early.wait_for("portfolio", 2)[-1] == account.changes(None)
    assert early.on("portfolio/changes") == []
