from typing import Any

import pytest

from intuition_core.history import Section
from intuition_core.plugins.hooks import Hooks, hookimpl
from intuition_core.testing import empty_history


class Listener:
    def __init__(self, name: str, heard: list[Any]) -> None:
        self.name = name
        self.heard = heard

    @hookimpl
    def session_started(self, session: str, description: dict[str, Any]) -> None:
        self.heard.append((self.name, "started", session, description))

    @hookimpl
    def decision(self, record: dict[str, Any]) -> None:
        self.heard.append((self.name, record["id"]))

    @hookimpl
    def session_finished(self) -> None:
        self.heard.append((self.name, "finished"))


class Failing:
    @hookimpl
    def decision(self, session: str, record: dict[str, Any]) -> None:
        raise RuntimeError("no network")


def test_listeners_are_told_in_the_order_they_are_enabled() -> None:
    heard: list[Any] = []
    hooks = Hooks("s", [("one", Listener("one", heard)), ("two", Listener("two", heard))])
    hooks.session_started({"a": 1})
    hooks([{"type": "message", "id": "m"}, {"type": "decision", "id": "d"}, {"type": "fill", "id": "f"}])
    hooks.session_finished()
    assert heard == [
        ("one", "started", "s", {"a": 1}),
        ("two", "started", "s", {"a": 1}),
        ("one", "d"),
        ("two", "d"),
        ("one", "finished"),
        ("two", "finished"),
    ]


def test_a_failing_listener_is_logged_and_silences_no_other(caplog: pytest.LogCaptureFixture) -> None:
    heard: list[Any] = []
    hooks = Hooks("s", [("bad", Failing()), ("good", Listener("good", heard))])
    hooks([{"type": "decision", "id": "d"}])
    assert heard == [("good", "d")]
    assert "hook plugin bad failed in decision: no network" in caplog.text


def test_a_listener_may_be_given_as_a_class() -> None:
    Hooks("s", [("failing", Failing)])([{"type": "decision", "id": "d"}])


class Telling:
    @hookimpl
    def report_sections(self, history: Any) -> Any:
        return [("Weather", [("events", history.events), ("sky", "<b>clear</b>")])]


class Mumbling:
    @hookimpl
    def report_sections(self) -> Any:
        return [("no lines",)]


def test_what_plugins_add_to_a_report_is_gathered(caplog: pytest.LogCaptureFixture) -> None:
    hooks = Hooks("s", [("mumbling", Mumbling()), ("telling", Telling()), ("failing", Failing())])
    history = empty_history()
    assert hooks.report_sections(history) == [Section("Weather", (("events", "0"), ("sky", "<b>clear</b>")))]
    assert "mumbling failed in report_sections" in caplog.text
