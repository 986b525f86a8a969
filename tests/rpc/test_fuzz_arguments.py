"""Each argument of each method of a real session, replaced by what may not be expected there: 100,000 calls."""

import math
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from support.network import free_port
from support.processes import INTUITION, Process
from support.programs import environment

from intuition_core.errors import BackendLost, BackendRefused
from intuition_core.rpc.client import Client

PER_ROUND = 1_000
ROUNDS = 10
MANY_ROUNDS = 100
SEED = 20_130_801

DEFECTS = {"InternalError", "BatchFailed", "JournalFailed", "BadJournal", "Halted", "TypeError", "ReplayDiffers"}
"""Refusals that blame the session rather than the argument."""

NUMBERS: list[Any] = [
    *(sign * 2**bits + off for bits in (0, 7, 15, 16, 31, 32, 53, 62, 63) for sign in (1, -1) for off in (-1, 0, 1)),
    *(
        2**64 - 1,
        0,
        7,
        7.0,
        7.5,
        -0.0,
        0.1 + 0.2,
        1e308,
        5e-324,
        1e15,
        1e-12,
        2.0**63,
        1e19,
        math.nan,
        math.inf,
        -math.inf,
    ),
]
TEXTS: list[Any] = [
    *("", " ", "7", "7.0", "1e5", "NaN", "sNaN", "Infinity", "-0", "0x10", "\uff11", "1_000", "true", "null"),
    *(
        "\x00",
        "a\nb",
        "\x1b[2J",
        "\u202e",
        "é" * 128,
        "\U0001d518" * 128,
        "-rf",
        "..",
        "a/b",
        "+",
        "#",
        "$control",
        "key:1:a:b",
    ),
    *("x" * size for size in (127, 128, 129, 256, 257, 500, 501, 1024, 1025, 65_535, 65_536)),
    *("9" * size for size in (18, 19, 20, 400, 5_000)),
    *("x:1:1", "x:99999999999999999999999:0", "a:-1:0", "a:0:-1", "a: 1:1", "a:1_0:1", "::", ":1:1", "1:1"),
    *(
        "kill",
        "clear",
        "shares",
        "algorithm",
        "portfolio",
        "random",
        "naive",
        "fixed",
        "./x.py",
        "2024-01-02T21:00:00Z",
    ),
]
NUMBERS = [number for number in NUMBERS if type(number) is float or -(2**63) <= number < 2**64]


COMPOSITION = """
seed = 1
[[algorithms]]
name = "one"
use = "random"
share = 0.5
[[algorithms]]
name = "two"
use = "random"
[portfolio]
name = "naive"
[[risks]]
name = "exposure"
params = { gross = 0.5 }
[[indicators]]
name = "sma"
"""


def nested(depth: int) -> Any:
    value: Any = 7
    for _ in range(depth):
        value = [value]
    return value


STRUCTURES: list[Any] = [
    *(
        None,
        True,
        False,
        b"",
        b"\xff\x00",
        [],
        {},
        [[]],
        [None],
        {"": None},
        {"a": {}},
        ["a"] * 200,
        nested(17),
        nested(200),
    ),
    *({str(n): n for n in range(1_001)}, [{"goog": 1}] * 1_001, {7: 1}, {None: 1}, {b"a": 1}),
]


def odd(draw: random.Random, run: str) -> Any:
    """A value that some reader may not expect."""
    kind = draw.random()
    if kind < 0.35:
        return draw.choice(NUMBERS)
    if kind < 0.65:
        return draw.choice(TEXTS)
    if kind < 0.9:
        return deepcopy(draw.choice(STRUCTURES))
    if kind < 0.95:
        return f"{run}:{draw.choice(NUMBERS)}:{draw.choice(NUMBERS)}"
    return {draw.choice(["id", "source", "channel", "sid", "quote", "ts", "goog"]): odd(draw, run) for _ in range(3)}


class Caller:
    """Makes calls that are right, or right but for a place or two."""

    def __init__(self, client: Client, draw: random.Random) -> None:
        self._client = client
        self._draw = draw
        self._run = client.call("describe")["run"]
        self._epoch = client.call("attach", "fuzz")["epoch"]
        self._count = 0
        self.calls = 0
        self.refused: Counter[str] = Counter()

    def _delivery(self) -> list[Any]:
        self._count += 1
        return [f"fuzz:{self._epoch}:{self._count}", self._count % 65_536, "quotes/goog", "5f"]

    def _payload(self) -> Any:
        draw = self._draw
        price = draw.choice([1, 2.5, "3.45", 4])
        optional = {"id": draw.randrange(50), "source": "s", "channel": "quotes", "seq": 1, "open": 2}
        chosen = {key: value for key, value in optional.items() if draw.random() < 0.3}
        payload: dict[str, Any] = {"sid": draw.choice(["goog", "aapl"]), "quote": price, **chosen}
        return draw.choice([payload, {"goog": price, "aapl": 2}, [payload, payload], [{"goog": 1}]])

    def _options(self, deliveries: int) -> dict[str, Any]:
        options: dict[str, Any] = {"client": "fuzz", "epoch": self._epoch}
        optional = {
            "deliveries": [self._delivery() for _ in range(deliveries)],
            "acked": f"fuzz:{self._epoch}:{max(self._count - 9, 1)}",
            "published": f"{self._run}:1:0",
            "heard": None,
        }
        options.update((key, value) for key, value in optional.items() if self._draw.random() < 0.5)
        return options

    def right(self) -> tuple[str, list[Any]]:
        """A method and arguments that it takes."""
        draw = self._draw
        command = draw.choice(
            [
                {"action": "kill", "reason": "r", "flatten": False, "id": 1, "source": "s"},
                {"action": "clear", "reason": "r"},
                {"action": "shares", "shares": {"one": 0.25, "two": "0.5"}},
            ]
        )
        kind = draw.choice(["algorithm", "portfolio", "risk", "indicator"])
        part = [kind, {"risk": "exposure", "indicator": "sma"}.get(kind, "one")]
        use = {"algorithm": "random", "portfolio": "naive", "risk": "exposure", "indicator": "sma"}[kind]
        return draw.choice(
            [
                ("event", [self._payload()]),
                ("event", [self._payload()]),
                ("events", [[self._payload(), self._payload()], self._options(2)]),
                ("events", [[self._payload(), self._payload()], self._options(2)]),
                ("initialize", [{"cash": 50_000, "algorithm": {"name": "random", "params": {}}}]),
                ("attach", ["other"]),
                ("confirm", ["fuzz", self._epoch, f"fuzz:{self._epoch}:1", f"{self._run}:1:0"]),
                ("outbox", ["fuzz", self._epoch, 10]),
                ("kill", ["r", True]),
                ("clear", ["r"]),
                ("shares", [{"one": 0.5, "two": 0.5}]),
                ("swap", [*part, use, {"gross": 0.5} if kind == "risk" else {}, False]),
                ("upgrade", part),
                ("control", [command, self._options(1)]),
                ("controls", [f"{self._run}:1:0"]),
                ("decisions", [draw.choice([0, 1, f"{self._run}:1:0"]), 10]),
                ("describe", []),
                ("account", []),
                ("account_changes", [draw.choice([None, 0, 1])]),
            ]
        )

    def _spoiled(self, value: Any) -> Any:
        """The value with one place in it replaced, left out or added."""
        draw = self._draw
        inner = draw.random() < 0.7
        if isinstance(value, dict) and value and inner:
            key = draw.choice(list(value))
            chance = draw.random()
            if chance < 0.1:
                return {name: each for name, each in value.items() if name != key}
            if chance < 0.2:
                return {**value, draw.choice(TEXTS): odd(draw, self._run)}
            return {**value, key: self._spoiled(value[key])}
        if isinstance(value, list) and value and inner:
            place = draw.randrange(len(value))
            chance = draw.random()
            if chance < 0.1:
                return value[:place] + value[place + 1 :]
            if chance < 0.2:
                return [*value, odd(draw, self._run)]
            return [*value[:place], self._spoiled(value[place]), *value[place + 1 :]]
        return odd(draw, self._run)

    def call(self) -> None:
        """Make one call; whatever it is answered, it must not be a defect."""
        self.calls += 1
        method, args = self.right()
        for _ in range(self._draw.choice([0, 1, 1, 1, 1, 2])):
            if args:
                place = self._draw.randrange(len(args))
                args[place] = self._spoiled(args[place])
        try:
            self._client.call(method, *args)
        except BackendRefused as error:
            refusal = error
        else:
            return
        self.refused[refusal.name] += 1
        if refusal.name in DEFECTS:
            pytest.fail(f"{method}{tuple(args)!r:.2000}: {refusal.name}: {refusal.problem}")
        if refusal.name == "StaleEpoch":  # it attached anew under its own name
            self._epoch = self._client.call("attach", "fuzz")["epoch"]


def probe(client: Client) -> dict[str, Any]:
    """Assert that the session trades, answers and can be killed; return its account."""
    if client.call("describe")["killed"] is None:
        client.call("kill", "a probe")
    assert client.call("describe")["killed"]
    client.call("clear", "a probe")
    assert isinstance(client.call("event", {"goog": 3.45}), list)
    account: dict[str, Any] = client.call("account")
    assert account["seq"] == client.call("describe")["last_seq"]
    return account


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[[], tuple[Process, Client]]]:
    """Serve one session with a journal, again and again; all ends with the test."""
    (tmp_path / "intuition.toml").write_text(COMPOSITION)
    running: list[tuple[Process, Client]] = []

    def begin() -> tuple[Process, Client]:
        address = f"tcp://127.0.0.1:{free_port()}"
        words = ("--config", "intuition.toml", "--addr", address, "--journal", "fuzz.sqlite")
        process = Process((*INTUITION, "serve", *words), tmp_path, environment())
        client = Client(address, timeout=60)
        running.append((process, client))
        process.line("ready: session")
        return process, client

    yield begin
    for process, client in running:
        client.close()
        process.end()


@pytest.mark.parametrize(
    "rounds",
    [ROUNDS, pytest.param(MANY_ROUNDS, marks=[pytest.mark.chaos, pytest.mark.slow, pytest.mark.timeout(3600)])],
)
def test_no_argument_of_any_call_is_a_defect_and_the_session_goes_on_and_comes_back(
    serve: Callable[[], tuple[Process, Client]], tmp_path: Path, rounds: int
) -> None:
    process, client = serve()
    client.call("event", {"goog": 3.45})
    draw = random.Random(SEED)
    caller = Caller(client, draw)
    for _ in range(rounds):
        try:
            for _ in range(PER_ROUND):
                caller.call()
            before = probe(client)
        except BackendLost as error:
            pytest.fail(f"after {caller.calls} calls: {error}\n" + "\n".join(process.lines[-40:]))
    assert {"BadCall", "BadControl", "BadData", "BadConfiguration"} <= caller.refused.keys()
    client.close()
    assert process.end() == 0, process.lines
    process, client = serve()
    assert client.call("account") == before
    probe(client)
    for _ in range(PER_ROUND // 10):
        Caller(client, draw).call()
    probe(client)
    client.close()
    assert process.end() == 0, process.lines
    replay = [sys.executable, "-m", "intuition_core", "replay", "fuzz.sqlite"]
    again = subprocess.run(replay, cwd=tmp_path, capture_output=True, text=True, env=environment(), check=False)
    assert again.returncode == 0, again.stdout + again.stderr
