"""``--trace``: which parts an event calls, in which order, for how long, with what result."""

import contextlib
import inspect
import itertools
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intuition_core import Message, Rejection, Signal
from intuition_core.cli import main
from intuition_core.contracts import Account, Context, Data, Order
from intuition_core.rpc.client import Client
from intuition_core.trading.composition import Composition, Part, Sleeve
from intuition_core.trading.engine import TradingEngine
from intuition_core.trading.trace import Trace

INTUITION = Path(sys.executable).with_name("intuition")


class Turning:
    """Buys after a fall; gives its answers one by one, and keeps what it was told by `initialize`."""

    def initialize(self, params: Any, context: Context) -> list[str]:
        self.last = params["last"]
        self.rng = context.rng
        return ["quotes", "doubled"]

    def event(self, data: Data) -> Iterator[Signal | Message]:
        if data["channel"] == "doubled":
            return
        if data["quote"] == 13:
            raise ValueError("unlucky\x1b[2J")
        if self.last is not None and data["quote"] < self.last and self.rng.random() < 0.9:
            yield Signal(data["sid"], "buy", data["quote"])
        if data["quote"] == 14:
            raise ValueError("too late")
        self.last = data["quote"]

    def snapshot(self) -> float | None:
        return self.last  # type: ignore[no-any-return]  # a number

    def restore(self, state: float | None) -> None:
        self.last = state


class Doubling:
    def event(self, data: Data) -> Message:
        return Message("doubled", {"sid": data["sid"], "value": data["quote"] * 2})


class Tenth:
    def optimize(self, _signal: Signal, account: Account) -> float:
        return account.cash / 10


class Careful:
    def check(self, order: Order, _account: Account) -> Order | Rejection:
        return order if order.quote > 2 else Rejection("too cheap")

    def observe(self, account: Account, _ts: int) -> str | None:
        return "it is gone" if account.equity < 5_000 else None


class Hoarder:
    """Keeps state and does not say which."""

    def event(self, data: Data) -> None:
        self.seen = data


def composition(algorithm: Callable[[], Any] = Turning) -> Composition:
    def part(kind: str, factory: Callable[[], Any], params: Mapping[str, Any] | None = None) -> Part:
        return Part(kind=kind, name=factory.__name__.lower(), factory=factory, params=params or {})

    return Composition(
        sleeves=(Sleeve(algorithm=part("algorithm", algorithm, {"last": None}), portfolio=part("portfolio", Tenth)),),
        risks=(part("risk", Careful),),
        indicators=(part("indicator", Doubling),),
        seed=3,
        cash=Decimal(10_000),
    )


def quotes(*values: float) -> list[dict[str, Any]]:
    return [{"channel": "quotes", "sid": "A", "quote": value, "ts": n} for n, value in enumerate(values, 1)]


def traced(seq: int | None, *values: float, algorithm: Callable[[], Any] = Turning) -> list[str]:
    """Run, and give what was told; each reading of the clock is 1.5 µs after the one before."""
    lines: list[str] = []
    ticks = itertools.count(step=1500)
    trace = Trace(seq, write=lines.append, clock=lambda: next(ticks))
    for _ in trace.engine(composition(algorithm), run="r").run_through(quotes(*values)):
        pass
    return lines


# -- what is told


def test_an_event_is_told_with_its_calls_in_order_their_time_their_answers_and_what_it_caused() -> None:
    event, *calls, caused = traced(3, 9, 9, 8, 7)
    assert event == "event 3: {'channel': 'quotes', 'sid': 'A', 'quote': 8, 'ts': 3}"
    order = "Order(sid='A', side='buy', quote=8.0, cash=Decimal('1000.0'), ts=3, algorithm='turning')"
    assert calls == [
        "  1. indicator doubling.event: Message(channel='doubled', data={'sid': 'A', 'value': 16}) (1.5 µs)",
        "  2. algorithm turning.event: [Signal(sid='A', side='buy', quote=8)] (4.5 µs)",
        "  3. portfolio tenth.optimize: 1000.0 (1.5 µs)",
        f"  4. risk careful.check: {order} (1.5 µs)",
        "  5. algorithm turning.event: [] (3.0 µs)",
    ]
    assert caused == "  caused decision r:3:0"


def test_a_call_that_fails_is_told_with_the_error_and_cannot_move_the_cursor() -> None:
    told = traced(None, 15, 13, 14)
    assert "  2. algorithm turning.event: [], raised ValueError: unlucky\\x1b[2J (3.0 µs)" in told
    assert (
        "  2. algorithm turning.event: [Signal(sid='A', side='buy', quote=14)], raised ValueError: too late (4.5 µs)"
        in told
    )
    assert sum("caused error" in line for line in told) == 2


def test_a_call_that_fails_at_once_is_told() -> None:
    class Broken:
        def event(self, data: Data) -> None:
            raise KeyError("no such thing")

    assert "  2. algorithm broken.event: raised KeyError: 'no such thing' (1.5 µs)" in traced(1, 9, algorithm=Broken)


@pytest.mark.parametrize("answer", ["object", "long"])
def test_an_answer_of_any_kind_is_one_line_of_bounded_length(answer: str) -> None:
    class Unspeakable:
        def __repr__(self) -> str:
            raise RuntimeError("no name")

    class Odd:
        def event(self, data: Data) -> Any:
            return Unspeakable() if answer == "object" else ["\n" * 5000]

    line = traced(1, 9, algorithm=Odd)[2]
    assert len(line) < 500
    assert "\n" not in line
    assert ("<Unspeakable>" in line) == (answer == "object")


def test_all_events_are_told_or_the_one_asked_for() -> None:
    told = traced(None, 5, 4, 3)
    first, second, third = (n for n, line in enumerate(told) if line.startswith("event "))
    assert [told[n].split(":")[0] for n in (first, second, third)] == ["event 1", "event 2", "event 3"]
    assert traced(2, 5, 4, 3) == told[second:third]
    assert traced(9, 5, 4, 3) == []


# -- nothing is decided otherwise


@given(st.lists(st.integers(1, 15), max_size=30))
def test_what_is_traced_decides_and_keeps_the_same(values: list[int]) -> None:
    recipe = composition()
    plain, watched = TradingEngine(recipe, run="r"), Trace(None, write=lambda _: None).engine(recipe, run="r")
    half, events = len(values) // 2, quotes(*values)
    assert list(plain.run_through(events[:half])) == list(watched.run_through(events[:half]))
    state = plain.snapshot()
    assert state is not None
    assert state == watched.snapshot()
    again = Trace(None, write=lambda _: None).engine(recipe, run="r")
    assert again.restore(state)
    assert [*plain.run_through(events[half:])] == [*again.run_through(events[half:])]
    assert plain.seq == again.seq == len(values)
    assert plain.composition.to_json() == watched.composition.to_json()


def test_a_part_that_does_not_say_what_it_keeps_is_still_found_out() -> None:
    for engine in (
        TradingEngine(composition(Hoarder), run="r"),
        Trace(None, write=lambda _: None).engine(composition(Hoarder), run="r"),
    ):
        engine.step(quotes(1)[0])
        assert engine.snapshot() is None


def test_a_traced_method_has_the_signature_of_the_part() -> None:
    part = composition().risks[0]
    method = Trace(None, write=lambda _: None).call(part, Careful().check, "check")
    assert list(inspect.signature(method).parameters) == ["order", "_account"]


# -- the commands


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


BACKTEST = ("backtest", "--algo", "sma-cross", "--source", "sample", "--symbols", "IBM", "--json")


def run(*words: str) -> tuple[int, str, str]:
    ran = subprocess.run([INTUITION, *words], capture_output=True, text=True, check=False, timeout=60)
    return ran.returncode, ran.stdout, ran.stderr


def digest(out: str) -> str:
    found = re.search(r'"decisions_sha256":"(\w+)"', out)
    assert found is not None
    return found[1]


def test_a_backtest_tells_on_standard_error_and_decides_the_same() -> None:
    code, out, err = run(*BACKTEST, "--trace", "all")
    assert code == 0
    assert err.count("\nevent ") == 3269
    assert re.search(
        r"^  1\. algorithm sma-cross \(intuition-algorithms \S+\)\.event: Signal\(.* µs\)$", err, re.MULTILINE
    )
    assert re.search(r"^  2\. portfolio naive \(.*\)\.optimize: ", err, re.MULTILINE)
    plain_code, plain, nothing = run(*BACKTEST)
    assert (plain_code, nothing) == (0, "")
    assert digest(out) == digest(plain)


def test_an_event_that_never_came_is_told() -> None:
    assert run(*BACKTEST, "--trace", "99999")[2] == "--trace 99999: there were 3,270 events only\n"


@pytest.mark.parametrize("given", ["0", "-1", "x", "1.5", "²"])
@pytest.mark.parametrize("command", ["serve", "backtest"])
def test_what_is_no_event_is_refused(command: str, given: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--trace", given]) == 2
    assert f"'{given}' is neither the number of an event, which are counted from 1, nor `all`" in re.sub(
        r"\s+", " ", capsys.readouterr().err
    )


def test_without_it_the_room_is_not_even_imported() -> None:
    code = (
        "import sys; from intuition_core.cli import main; from intuition_core.cli.options import engine_maker;"
        f"assert main({list(BACKTEST)!r}) == 0; engine_maker(None); "
        "assert 'intuition_core.trading.trace' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=60)


def test_a_session_tells_on_standard_error() -> None:
    command = ["serve", "--algo", "random", "--no-journal", "--addr", "tcp://127.0.0.1:0", "--trace", "2"]
    with subprocess.Popen([INTUITION, *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as session:
        assert session.stderr is not None
        try:
            ready = next(line for line in session.stderr if line.startswith("ready"))
            address = re.search(r"tcp://127\.0\.0\.1:\d+", ready)
            assert address is not None
            with contextlib.closing(Client(address[0])) as backend:
                backend.call("initialize", {"threshold": 0.0})
                backend.call("event", {"goog": 3.45})
                backend.call("event", {"goog": 3.5})
                backend.call("event", {"goog": 3.6})
        finally:
            session.terminate()
        _, err = session.communicate(timeout=30)
    assert re.findall(r"^event (\d+): .*'quote': (\S+),", err, re.MULTILINE) == [("2", "3.5")]
    assert re.search(r"^  1\. algorithm random \(\S+ \S+\)\.event: .* µs\)$", err, re.MULTILINE)
