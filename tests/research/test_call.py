"""`run_backtest`: what it takes, that it decides what the command decides, and what it raises."""

import json
import logging
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from intuition_algorithms import SmaCross

from intuition_core import IntuitionError, Message, Rejection, Run, Signal, run_backtest
from intuition_core.errors import PartFailed
from intuition_core.research import BadArgument, NoPart

INTUITION = Path(sys.executable).with_name("intuition")
CROSSING = {"fast": 2, "slow": 5}
MINUTE = 60_000_000_000
START = 1_704_205_800_000_000_000
EVENTS = [{"sid": "A", "quote": 100.0 + (n * 7) % 11, "ts": START + n * MINUTE} for n in range(60)]


class InTurn:
    """Buys and sells in turn."""

    def initialize(self, params: Mapping[str, Any]) -> None:
        self.every = params.get("every", 1)
        self.n = 0

    def event(self, data: Mapping[str, Any]) -> Signal | None:
        self.n += 1
        return Signal(data["sid"], "buy" if self.n // self.every % 2 else "sell") if self.n % self.every == 0 else None


class Breaks(InTurn):
    def event(self, data: Mapping[str, Any]) -> Signal | None:
        if self.n == 30:
            self.n += 1
            raise ZeroDivisionError("thirty")
        return super().event(data)


def command(*arguments: object) -> dict[str, Any]:
    ran = subprocess.run(
        [INTUITION, "backtest", *map(str, arguments), "--json"], capture_output=True, check=True, timeout=100
    )
    told = json.loads(ran.stdout)
    assert isinstance(told, dict)
    return told


def without_time(told: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in told.items() if key not in ("run_s", "load_s", "events_per_s")}


# -- the same as the command


def test_it_decides_and_tells_what_the_command_does(walk: pd.DataFrame, tmp_path: Path) -> None:
    walk.to_csv(tmp_path / "walk.csv", index=False)
    costs = ("--commission-bps", "5", "--slippage-bps", "2", "--cash", "5000", "--benchmark", "B")
    params = ("fast=2", "slow=5", "portfolio.fraction=0.5", "margin.initial=1.5")
    flags = [word for param in params for word in ("--param", param)]
    told = command("--algo", "sma-cross", "--portfolio", "fixed", "--data", "walk.csv", *flags, *costs)
    given: Any = {
        "portfolio": "fixed",
        "params": {**CROSSING, "portfolio.fraction": 0.5, "margin.initial": 1.5},
        "costs": {"commission_bps": 5, "slippage_bps": 2},
        "cash": 5000,
        "benchmark": "B",
    }
    by_path = run_backtest("sma-cross", data=tmp_path / "walk.csv", **given)
    assert without_time(by_path.to_json()) | {"data": told["data"]} == without_time(told)
    assert by_path.contents[0].sha256 == told["data"][0]["sha256"]
    assert told["fills"] > 20
    by_frame = run_backtest(SmaCross, data=walk, **given)
    assert without_time(by_frame.to_json()) | {"data": told["data"]} == without_time(told)


def test_a_class_in_a_file_and_the_same_class_handed_over_decide_the_same(tmp_path: Path) -> None:
    (tmp_path / "in_turn.py").write_text(
        "from intuition_core import Signal\n\n\nclass InTurn:\n"
        "    def initialize(self, params):\n        self.n = 0\n\n"
        "    def event(self, data):\n        self.n += 1\n"
        "        return Signal(data['sid'], 'buy' if self.n % 2 else 'sell')\n"
    )
    (tmp_path / "events.jsonl").write_text("".join(f"{json.dumps(event)}\n" for event in EVENTS))
    told = command("--algo", "./in_turn.py", "--data", "events.jsonl")
    assert told["fills"] > 10
    for algorithm, data in ((InTurn, EVENTS), ("in_turn.py", iter(EVENTS)), (InTurn, "events.jsonl")):
        run = run_backtest(algorithm, data=data)
        assert run.decisions_sha256 == told["decisions_sha256"]
        assert run.account["cash"] == told["cash"]


def test_a_configuration_decides_as_it_does_for_the_command(tmp_path: Path, walk: pd.DataFrame) -> None:
    walk.to_parquet(tmp_path / "walk.parquet", index=False)
    (tmp_path / "mine.toml").write_text(
        'cash = 3000\n[algorithm]\nname = "sma-cross"\nparams = { fast = 2, slow = 4 }\n[portfolio]\nname = "fixed"\n'
        '[[risks]]\nname = "drawdown"\nparams = { peak = 0.5 }\n[[indicators]]\nname = "sma"\n'
        "params = { window = 3 }\n"
        '[costs]\ncommission_per_trade = "0.5"\n'
    )
    told = command("--config", "mine.toml", "--data", "walk.parquet")
    assert run_backtest(config="mine.toml", data="walk.parquet").decisions_sha256 == told["decisions_sha256"]
    in_words = run_backtest(
        {"name": SmaCross, "params": {"fast": 2, "slow": 4}},
        portfolio="fixed",
        risks=[{"name": "drawdown", "params": {"peak": 0.5}}],
        indicators=[{"name": "sma", "params": {"window": 3}}],
        data=walk,
        config={"cash": 1, "costs": {"commission_per_trade": "0.5"}},
        cash="3000",
    )
    assert in_words.decisions_sha256 == told["decisions_sha256"]
    assert in_words.composition == run_backtest(config=str(tmp_path / "mine.toml"), data=walk).composition


def test_what_lies_in_the_folder_and_in_the_environment_is_not_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "intuition.toml").write_text("cash = 1\n")
    monkeypatch.setenv("INTUITION_CASH", "2")
    assert run_backtest(InTurn, data=EVENTS).history.deposits == 10_000


# -- data


def test_frames_of_all_kinds_are_the_same_data(walk: pd.DataFrame) -> None:
    wanted = run_backtest("sma-cross", data=walk, params=CROSSING)
    arrow = pa.Table.from_pandas(walk, preserve_index=False)
    for frame in (pl.from_pandas(walk), arrow, duckdb.sql("SELECT * FROM arrow"), walk.set_index("time")):
        run = run_backtest("sma-cross", data=frame, params=CROSSING)
        assert run.decisions_sha256 == wanted.decisions_sha256
        assert run.compare(wanted).same_data


def test_several_data_are_one_course(walk: pd.DataFrame, tmp_path: Path) -> None:
    one, other = walk[walk["symbol"] == "A"], walk[walk["symbol"] == "B"]
    wanted = run_backtest(
        "sma-cross", data={"A": one[["time", "price"]], "B": other[["time", "price"]]}, params=CROSSING
    )
    other.to_csv(tmp_path / "b.csv", index=False)
    events, others = (
        [{"sid": row.symbol, "quote": row.price, "ts": row.time.value} for row in rows.itertuples()]
        for rows in (one, other)
    )
    for data in ([one, "b.csv"], [one, other], [Ready(events), other], [one, Ready(others)]):
        run = run_backtest("sma-cross", data=data, params=CROSSING)
        assert run.history.events == wanted.history.events == len(walk)
        assert run.history.equity == wanted.history.equity


class Ready:
    """A source that has what it needs."""

    def __init__(self, events: list[dict[str, Any]]) -> None:
        self._events = events

    def initialize(self, params: Any) -> None:
        raise AssertionError("it is ready")

    def events(self) -> Iterator[dict[str, Any]]:
        yield from self._events


class Asked:
    """A source that is told how many events are wanted."""

    def initialize(self, params: Mapping[str, Any]) -> None:
        self._count = params["count"]

    def events(self) -> Iterator[dict[str, Any]]:
        yield from EVENTS[: self._count]


def test_sources_are_classes_objects_and_names() -> None:
    assert run_backtest(InTurn, source=Asked, params={"source.count": 7, "algorithm.every": 1}).history.events == 7
    assert run_backtest(InTurn, data=Ready(EVENTS)).history.events == 60
    assert run_backtest(InTurn, source=Ready(EVENTS)).history.events == 60
    assert run_backtest(InTurn, source="sample", symbols=["IBM"], end="2000-06-01").history.events == 64


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2024-01-02T14:40", "2024-01-02T15:50+01:00"),
        (datetime(2024, 1, 2, 14, 40), pd.Timestamp("2024-01-02 14:50", tz="UTC")),  # noqa: DTZ001  # UTC is meant
        (START + 10 * MINUTE, datetime(2024, 1, 2, 14, 50, tzinfo=UTC)),
    ],
)
def test_a_span_is_given_as_texts_times_and_numbers(start: Any, end: Any) -> None:
    run = run_backtest(InTurn, data=EVENTS, start=start, end=end)
    assert (run.history.first_ts, run.history.events) == (START + 10 * MINUTE, 10)
    assert run_backtest(InTurn, data=EVENTS, start=date(2024, 1, 2), end="2024-01-03").history.events == 60


# -- parts


def test_an_object_runs_as_it_was_handed_over_each_time() -> None:
    class Counting(InTurn):
        def __init__(self) -> None:
            self.seen: list[int] = []

        def event(self, data: Mapping[str, Any]) -> Signal | None:
            self.seen.append(data["ts"])
            return super().event(data) if len(self.seen) < 20 else None

    part = Counting()
    first, second = run_backtest(part, data=EVENTS), run_backtest(part, data=EVENTS)
    assert first.decisions_sha256 == second.decisions_sha256
    assert first.history.counts["fill"] > 5
    assert part.seen == []


def test_indicators_and_risks_are_classes_and_objects() -> None:
    class Doubled:
        def initialize(self, params: Any) -> None: ...

        def event(self, data: Mapping[str, Any]) -> Message | None:
            return Message("doubled", {"sid": data["sid"], "value": 2 * data["quote"]})

    class Listening(InTurn):
        channels = ("doubled",)

    class Nothing:
        def check(self, order: Any, account: Any) -> Rejection:
            return Rejection("not today")

    run = run_backtest(Listening, data=EVENTS, indicators=[Doubled], risks=[Nothing()])
    assert [part["name"] for part in run.composition["indicators"]] == ["doubled"]
    assert "not today" in run.rejections["reason"]
    assert set(run.rejections["risk"]) == {"nothing", None}


def test_a_part_of_a_program_has_the_version_of_its_source() -> None:
    [sleeve] = run_backtest(InTurn, data=EVENTS).composition["algorithms"]
    assert (sleeve["algorithm"]["name"], sleeve["algorithm"]["distribution"]) == ("in-turn", __name__)
    assert len(sleeve["algorithm"]["version"]) == 12
    names: dict[str, Any] = {"Base": InTurn}
    versions = []
    for method in ("pass", "self.other = 1", "self.other = 2", "pass"):  # as cells of a console define them
        exec(f"class InTurn(Base):\n    def snapshot(self):\n        {method}\n        return self.n, str", names)
        run = run_backtest(names["InTurn"], data=EVENTS)
        versions.append(run.composition["algorithms"][0]["algorithm"]["version"])
    assert versions[0] == versions[3]
    assert len(set(versions)) == 3


def test_the_version_of_an_object_tells_what_it_has() -> None:
    class Held(InTurn):
        def __init__(self, limit: object) -> None:
            self.limit = limit

    def version(limit: object) -> str:
        [sleeve] = run_backtest(Held(limit), data=EVENTS).composition["algorithms"]
        return str(sleeve["algorithm"]["version"])

    assert version(1) == version(1) != version(2)
    assert version(InTurn()) == version(InTurn())


# -- what goes wrong


def test_a_part_that_raises_is_told_with_file_and_line_and_its_exception() -> None:
    with pytest.raises(
        PartFailed, match=rf"algorithm breaks .*thirty, at event 31 \(.*{Path(__file__).name}, line"
    ) as told:
        run_backtest(Breaks, data=EVENTS)
    assert isinstance(told.value.__cause__, ZeroDivisionError)
    run = run_backtest(Breaks, data=EVENTS, on_error="skip")
    assert run.history.events == 60
    [error] = run.errors
    assert (error["seq"], error["part"], error["method"]) == (31, "breaks", "event")


@pytest.mark.parametrize(
    ("given", "kind", "sentence"),
    [
        ({"algorithm": "sma-cros"}, "UnknownPlugin", "did you mean `sma-cross`"),
        ({"algorithm": int}, "NoPart", "builtins.int is no algorithm: it has no `initialize` and `event`"),
        ({"algorithm": "nowhere.py"}, "NoSuchFile", "there is no such file"),
        ({"params": {"fst": 1}}, "BadConfiguration", "params: `fst`: nobody takes"),
        ({"params": {"fast": "x"}}, "BadParameter", r"params: .*expected a whole number"),
        ({"cash": "much"}, "BadConfiguration", "run_backtest: `cash`: expected an amount"),
        ({"costs": {"commision_bps": 1}}, "BadConfiguration", r"\[costs\] `commision_bps`: unknown; did you mean"),
        ({"risks": "drawdown"}, "BadArgument", "`risks`: expected a list"),
        ({"data": None}, "BadArgument", "`data`: nothing is given"),
        ({"data": 3}, "BadArgument", "got builtins.int"),
        ({"data": pl.LazyFrame({"a": [1]})}, "BadArgument", "collect it first"),
        ({"data": "nowhere.csv"}, "NoFile", "nowhere.csv"),
        ({"data": [{"sid": "A", "quote": -1, "ts": START}]}, "BadEvent", "event 1 of"),
        ({"start": "monday"}, "BadArgument", "`start`: 'monday' is no time"),
        ({"start": "2024-01-03", "end": "2024-01-02"}, "BadArgument", "is not before `end`"),
        ({"on_error": "ignore"}, "BadArgument", "expected `stop` or `skip`"),
        ({"benchmark": "Z"}, "UnknownBenchmark", "no quote of it, only of A"),
    ],
)
def test_mistakes_are_told_in_a_sentence(given: dict[str, Any], kind: str, sentence: str) -> None:
    with pytest.raises(IntuitionError, match=sentence) as told:
        run_backtest(**{"algorithm": "sma-cross", "data": EVENTS, **given})
    assert type(told.value).__name__ == kind
    assert isinstance(told.value, NoPart | BadArgument) or kind not in ("NoPart", "BadArgument")


def test_ctrl_c_is_a_keyboard_interrupt_and_leaves_handlers_as_they_were() -> None:
    def events() -> Iterator[dict[str, Any]]:
        for n, event in enumerate(EVENTS * 100):
            if n == 2500:
                signal.raise_signal(signal.SIGINT)
            yield {**event, "ts": START + n * MINUTE}

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        run_backtest(InTurn, data=events())
    assert signal.getsignal(signal.SIGINT) is before


def test_nothing_is_printed_and_warnings_are_notes(capfd: pytest.CaptureFixture[str]) -> None:
    class Warns(InTurn):
        def initialize(self, params: Any, context: Any) -> None:  # type: ignore[override]  # as a user may write it
            super().initialize(params)
            context.log.warning("a word of %s", "warning")

    handlers = logging.getLogger("intuition_core").handlers[:]
    run = run_backtest(Warns, data=EVENTS, on_error="skip")
    assert "a word of warning" in run.notes
    assert capfd.readouterr() == ("", "")
    assert logging.getLogger("intuition_core").handlers == handlers
    assert "no events" in run_backtest(InTurn, data=[]).notes[-1]


@pytest.mark.chaos  # it failed once in a whole run, and the cause is not known yet
def test_runs_in_threads_do_not_mix() -> None:
    results: dict[int, Run] = {}

    def work(every: int) -> None:
        results[every] = run_backtest(InTurn, data=EVENTS, params={"algorithm.every": every})

    threads = [threading.Thread(target=work, args=(every,)) for every in (1, 2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for every, run in results.items():
        alone = run_backtest(InTurn, data=EVENTS, params={"algorithm.every": every})
        assert run.decisions_sha256 == alone.decisions_sha256
    assert len({run.decisions_sha256 for run in results.values()}) == 3
