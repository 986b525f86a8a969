"""One composition and one recorded stream decide the same in a backtest, over RPC, and over a real broker."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import eventually

from intuition_core import run_backtest
from intuition_core.plugins.catalogue import discover
from intuition_core.rpc.client import Client
from intuition_core.sources.opening import open_source
from intuition_core.trading.digest import Digest

COMPOSITION = """
seed = 3
cash = "20000"
quantity_step = "0.001"
[algorithm]
name = "sma-cross"
params = { fast = 5, slow = 20 }
[portfolio]
name = "fixed"
params = { fraction = 0.2 }
[costs]
commission_bps = 5
commission_per_trade = 1
slippage_bps = 2
"""
# Four symbols, one of which is listed only after the others, and a change of clocks every half year.
SPAN = ("--from", "2003-06-01", "--to", "2006-01-01")
NANOSECONDS = (1_054_425_600_000_000_000, 1_136_073_600_000_000_000)
BATCH = 250


class Expected:
    """What the backtest decided and came to."""

    def __init__(self, told: dict[str, Any]) -> None:
        self.sha256 = told["decisions_sha256"]
        self.events = told["events"]
        self.account = {"cash": told["cash"], "equity": told["final_equity"], "positions": told["positions"]}


@pytest.fixture
def expected(tmp_path: Path, backtest: Any) -> Expected:
    """The backtest of the composition that lies in the folder in which all processes run."""
    (tmp_path / "intuition.toml").write_text(COMPOSITION)
    told = backtest("--source", "sample", *SPAN, "--json").told
    assert (told["events"], told["fills"] > 40) == (2305, True)
    return Expected(told)


@pytest.fixture
def settled(tmp_path: Path, run: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Check that a served session decided and came to the same, as it tells and as it is kept."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))

    def check(client: Client, expected: Expected, *, besides: int = 0) -> None:
        described = client.call("describe")
        assert described["last_seq"] == expected.events + besides
        exported = run("sessions", "export", described["session"])
        assert exported.code == 0, exported.err
        assert sha256([json.loads(line) for line in exported.out.splitlines()]) == expected.sha256
        account = client.call("account")
        assert {key: account[key] for key in expected.account} == expected.account

    return check


def sha256(records: list[dict[str, Any]]) -> str:
    digest = Digest(records[0]["id"].partition(":")[0])
    digest.add(records)
    return digest.hexdigest()


def test_a_call_from_python_decides_as_the_backtest(expected: Expected) -> None:
    run = run_backtest(config="intuition.toml", source="sample", start=SPAN[1], end=SPAN[3])
    assert (run.decisions_sha256, run.history.events) == (expected.sha256, expected.events)
    assert {key: run.account[key] for key in expected.account if key != "positions"} == {
        key: value for key, value in expected.account.items() if key != "positions"
    }
    assert run.to_json()["positions"] == expected.account["positions"]


def test_a_session_over_rpc_decides_as_the_backtest(expected: Expected, serve: Any, settled: Any) -> None:
    source = open_source(discover(), "sample", start=NANOSECONDS[0], end=NANOSECONDS[1])
    events = list(source.events())
    _, address = serve()
    records: list[dict[str, Any]] = []
    with Client(address) as client:
        for at in range(0, len(events), BATCH):
            for answer in client.call("events", events[at : at + BATCH]):
                assert isinstance(answer, list), answer
                records += answer
        assert sha256(records) == expected.sha256
        settled(client, expected)


@pytest.mark.mosquitto
def test_a_session_behind_a_broker_decides_as_the_backtest_even_if_all_comes_twice(
    expected: Expected, serve: Any, intuition: Any, free: Callable[[], int], mosquitto: str, settled: Any
) -> None:
    port = free()
    url = f"mqtt://127.0.0.1:{port}"
    intuition("broker", "--port", str(port)).line("ready")
    _, address = serve()
    intuition("connect", "--mqtt", url, "--rpc", address).line("connected to the broker")
    for _ in range(2):
        publisher = intuition("publish", "--source", "sample", *SPAN, "--speed", "max", "--mqtt", url)
        publisher.line(f"published {expected.events} messages")
    last = {"sid": "LAST", "quote": 1, "ts": NANOSECONDS[1]}  # whatever was published before it has come before it
    intuition("publish", "quotes", json.dumps(last), "--mqtt", url)
    with Client(address) as client:
        eventually(lambda: client.call("describe")["last_seq"] > expected.events, "the session to have all events")
        settled(client, expected, besides=1)
