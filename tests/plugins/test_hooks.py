import sys
from collections.abc import Callable, Iterator
from types import FunctionType, ModuleType
from typing import Any

import pytest

from intuition_core.history import Section
from intuition_core.plugins.hooks import BadHook, Hooks, check_hooks, hookimpl
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
    heard: list[Any] = []

    class Told:
        def __init__(self) -> None:
            self.calls = 0

        @hookimpl
        def decision(self, record: dict[str, Any]) -> None:
            self.calls += 1
            heard.append((self.calls, record["id"]))

    Hooks("s", [("told", Told)])([{"type": "decision", "id": "d"}, {"type": "decision", "id": "e"}])
    assert heard == [(1, "d"), (2, "e")]


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


# Order, wrappers


def listener(name: str, heard: list[Any], **marks: bool) -> Any:
    class Listener:
        @hookimpl(**marks)
        def fill(self, session: str, record: dict[str, Any]) -> None:
            heard.append((name, session, record["id"]))

    return Listener()


def test_a_listener_may_ask_to_be_first_or_last() -> None:
    heard: list[Any] = []
    plugins = [
        ("one", listener("one", heard, trylast=True)),
        ("two", listener("two", heard)),
        ("three", listener("three", heard)),
        ("four", listener("four", heard, tryfirst=True)),
    ]
    Hooks("s", plugins)([{"type": "fill", "id": "f"}])
    assert [name for name, *_ in heard] == ["four", "two", "three", "one"]


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_wrapper_runs_around_the_others_wherever_it_is_enabled(place: int) -> None:
    heard: list[Any] = []

    class Wrapper:
        @hookimpl(wrapper=True)
        def fill(self, record: dict[str, Any]) -> Iterator[None]:
            heard.append(("before", record["id"]))
            yield
            heard.append(("after", record["id"]))

    plugins = [("one", listener("one", heard)), ("two", listener("two", heard))]
    plugins.insert(place, ("wrapper", Wrapper()))
    Hooks("s", plugins)([{"type": "fill", "id": "f"}])
    assert heard == [("before", "f"), ("one", "s", "f"), ("two", "s", "f"), ("after", "f")]


class FailsBefore:
    @hookimpl(wrapper=True)
    def fill(self) -> Iterator[None]:
        raise RuntimeError("no room")
        yield


class FailsAfter:
    @hookimpl(wrapper=True)
    def fill(self) -> Iterator[None]:
        yield
        raise RuntimeError("no room")


class YieldsTwice:
    @hookimpl(wrapper=True)
    def fill(self) -> Iterator[None]:
        yield
        yield


class YieldsNever:
    @hookimpl(wrapper=True)
    def fill(self, record: dict[str, Any]) -> Iterator[None]:
        if record["id"] == "":
            yield


class Exits:
    @hookimpl
    def fill(self) -> None:
        sys.exit("no room")


@pytest.mark.parametrize("essential", [False, True])
@pytest.mark.parametrize(
    ("bad", "problem"),
    [
        (FailsBefore, "no room"),
        (FailsAfter, "no room"),
        (YieldsTwice, "the wrapper yielded more than once"),
        (YieldsNever, "the wrapper did not yield"),
        (Exits, "no room"),
    ],
)
def test_whatever_fails_is_named_and_all_others_are_told(
    caplog: pytest.LogCaptureFixture, bad: Callable[[], Any], problem: str, *, essential: bool
) -> None:
    heard: list[Any] = []
    stopped: list[str] = []

    class Wrapper:
        @hookimpl(wrapper=True)
        def fill(self) -> Iterator[None]:
            heard.append("before")
            yield
            heard.append("after")

    hooks = Hooks(
        "s",
        [("one", listener("one", heard)), ("bad", bad()), ("outer", Wrapper()), ("two", listener("two", heard))],
        essential=["bad"] if essential else [],
        stop=stopped.append,
    )
    hooks([{"type": "fill", "id": "f"}, {"type": "fill", "id": "g"}])
    told = [["before", ("one", "s", each), ("two", "s", each), "after"] for each in "fg"]
    assert heard == [*told[0], *told[1]]
    assert [record.getMessage() for record in caplog.records] == [f"hook plugin bad failed in fill: {problem}"] * 2
    assert stopped == [f"the essential hook plugin bad failed in fill: {problem}"] * (2 if essential else 0)


def test_an_interrupt_is_no_failure_of_a_listener() -> None:
    ended: list[str] = []

    class Interrupted:
        @hookimpl
        def fill(self) -> None:
            raise KeyboardInterrupt

    class Wrapper:
        @hookimpl(wrapper=True)
        def fill(self) -> Iterator[None]:
            try:
                yield
            finally:
                ended.append("wrapper")

    with pytest.raises(KeyboardInterrupt):
        Hooks("s", [("one", Interrupted()), ("wrapper", Wrapper())])([{"type": "fill"}])
    assert ended == ["wrapper"]


# Sections of reports


def told_by(wrapped: Callable[[list[Any]], Any]) -> list[Section]:
    class Wrapper:
        @hookimpl(wrapper=True)
        def report_sections(self) -> Any:
            results = yield
            return wrapped(results)

    class Silent:
        @hookimpl
        def report_sections(self) -> None:
            return None

    plugins = [("wrapper", Wrapper()), ("silent", Silent()), ("telling", Telling())]
    return Hooks("s", plugins).report_sections(empty_history())


WEATHER = Section("Weather", (("events", "0"), ("sky", "<b>clear</b>")))


def test_a_wrapper_may_change_what_is_added_to_a_report(caplog: pytest.LogCaptureFixture) -> None:
    assert told_by(lambda results: [*results, [("More", [("n", 1)])]]) == [WEATHER, Section("More", (("n", "1"),))]
    assert told_by(lambda _: []) == []
    assert not caplog.records


@pytest.mark.parametrize(
    ("wrapped", "problem"),
    [
        (lambda _: None, "returned nothing"),
        (lambda results: results.clear(), "returned nothing"),
        (lambda _: [3], "not iterable"),
        (lambda results: results[7], "out of range"),
    ],
)
def test_a_wrapper_that_fails_leaves_the_report_as_it_was(
    caplog: pytest.LogCaptureFixture, wrapped: Callable[[list[Any]], Any], problem: str
) -> None:
    assert told_by(wrapped) == [WEATHER]
    (record,) = caplog.records
    assert "hook plugin wrapper failed in report_sections: " in record.getMessage()
    assert problem in record.getMessage()


# What is told before anything is called


def marked(function: Callable[..., Any], name: str = "fill", **marks: Any) -> ModuleType:
    module = ModuleType("listening")
    own = FunctionType(
        function.__code__, function.__globals__, name, None, function.__closure__
    )  # the mark is put on it
    setattr(module, name, hookimpl(own, **marks))
    return module


async def awaited(record: Any) -> None: ...


def yielding(record: Any) -> Iterator[None]:
    yield


def plain(record: Any) -> None: ...


@pytest.mark.parametrize(
    ("plugin", "problem"),
    [
        (marked(lambda price: None), r"'bad' for hook 'fill'.*\{'price'\}.*can not be found in the hookspec"),
        (marked(lambda session, record, history: None), r"\{'history'\}.*can not be found"),
        (marked(plain, "filled"), r"no hook `filled`; did you mean `fill`\?"),
        (marked(plain, "zzz"), "no hook `zzz`; mark it with `optionalhook=True`"),
        (marked(plain, "told", specname="fil"), r"no hook `fil`; did you mean `fill`\?"),
        (marked(plain, wrapper=True), "not a generator function"),
        (marked(yielding, hookwrapper=True), "`hookwrapper=True`; use `wrapper=True`"),
        (marked(yielding), "`fill` yields and would never run; mark it with `wrapper=True`"),
        (marked(awaited), "`fill` is `async` and would never run"),
        (ModuleType("listening"), "none of its methods is marked with `hookimpl`"),
    ],
)
def test_a_hook_that_would_not_be_called_is_told_when_it_is_registered(plugin: Any, problem: str) -> None:
    with pytest.raises(BadHook, match=f"^hook plugin bad: .*{problem}") as caught:
        Hooks("s", [("good", Telling()), ("bad", plugin)])
    assert "\n" not in str(caught.value)


def test_the_hooks_of_a_class_are_checked_before_it_is_made() -> None:
    class Unready:
        def __init__(self) -> None:
            raise AssertionError

        @hookimpl
        def fill(self, price: float) -> None: ...

    with pytest.raises(BadHook, match="'price'"):
        check_hooks("unready", Unready)


def test_a_hook_of_another_core_may_be_marked_as_optional() -> None:
    Hooks("s", [("newer", marked(plain, "not_yet", optionalhook=True))])([{"type": "fill"}])


def test_a_module_a_static_and_a_renamed_hook_are_told() -> None:
    heard: list[Any] = []

    class Static:
        @staticmethod
        @hookimpl
        def fill(record: dict[str, Any]) -> None:
            heard.append(("static", record["id"]))

        @hookimpl(specname="fill")
        def note(self, record: dict[str, Any], session: str) -> None:
            heard.append((session, record["id"]))

    module = marked(lambda record: heard.append(("module", record["id"])))
    Hooks("s", [("module", module), ("static", Static())])([{"type": "fill", "id": "f"}])
    assert sorted(heard) == [("module", "f"), ("s", "f"), ("static", "f")]
