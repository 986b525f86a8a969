"""The spot interface as ccxt sees it, which is used as it comes, in an environment of its own."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import filelock
import platformdirs
import pytest
from intuition_venue.instruments import chosen
from intuition_venue.running import running
from intuition_venue.venue import Settings
from support import PATIENCE

VERSION = "4.5.90"
PROGRAM = Path(__file__).parent / "programs" / "ccxt_spot.py"


def python_with_ccxt() -> Path:
    """The interpreter of an environment with ccxt, made once for this user; ccxt pins its dependencies exactly."""
    uv = shutil.which("uv")
    if uv is None:
        pytest.skip("uv is not installed; it makes the environment that ccxt needs")
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    folder = platformdirs.user_cache_path("intuition-tests") / f"ccxt-{VERSION}-py{version}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    python, whole = folder / "bin" / "python", folder / "whole"
    with filelock.FileLock(folder.with_suffix(".lock")):
        if not whole.exists():
            commands = (
                ("venv", "--quiet", "--clear", "--python", sys.executable, str(folder)),
                ("pip", "install", "--quiet", "--python", str(python), f"ccxt=={VERSION}"),
            )
            for command in commands:
                # Elsewhere than in this repository, whose own pins would count there too.
                done = subprocess.run((uv, *command), cwd=folder.parent, capture_output=True, text=True, check=False)
                if done.returncode:
                    pytest.skip(f"ccxt {VERSION} cannot be installed here: {' '.join(done.stderr.split())}")
            whole.touch()
    return python


@pytest.fixture(scope="session")
def found(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> dict[str, Any]:
    """What the program found, which is run once, however many processes the tests have."""
    base = tmp_path_factory.getbasetemp()
    kept = (base if worker_id == "master" else base.parent) / "ccxt.json"
    with filelock.FileLock(kept.with_suffix(".lock")):
        if not kept.exists():
            kept.write_text(json.dumps(run(tmp_path_factory.mktemp("ccxt") / "venue.jsonl")))
    told: dict[str, Any] = json.loads(kept.read_text())
    return told


def run(log: Path) -> dict[str, Any]:
    python = python_with_ccxt()
    with running(Settings(shape="spot", instruments=chosen("spot", ()), log=log)) as venue:
        command = (str(python), str(PROGRAM), venue.url, venue.key, venue.secret)
        done = subprocess.run(command, capture_output=True, text=True, timeout=2 * PATIENCE, check=False)
        assert done.returncode == 0, done.stderr
        told: dict[str, Any] = json.loads(done.stdout)
        told["placed"] = venue.entries("placed")
        return told


@pytest.fixture
def rest(found: dict[str, Any]) -> dict[str, Any]:
    return found["rest"]  # type: ignore[no-any-return]


def test_it_is_the_version_that_was_asked_for(found: dict[str, Any]) -> None:
    assert found["version"] == VERSION


def test_markets_and_balances_are_read(rest: dict[str, Any]) -> None:
    assert rest["markets"] == ["BNB/USDT", "BTC/USDT", "ETH/USDT"]
    assert rest["market"] == [0.01, 1e-05, 5.0]
    assert rest["balance"] == {"USDT": 100_000.0, "BTC": 1.0, "ETH": 0.0, "BNB": 0.0}


def test_orders_are_placed_found_filled_and_cancelled(rest: dict[str, Any]) -> None:
    assert rest["resting"] == ["open", "rests"]
    assert rest["by client id"]
    assert rest["partly"] == ["open", 0.04, 0.06]
    assert rest["open"] == ["rests"]
    assert rest["cancelled"] == "canceled"
    assert rest["market order"] == ["closed", 0.1, "USDT"]
    assert rest["fees"]["currency"] == "BTC"
    assert rest["edited"] == ["open", 70_000.0, "canceled"]
    assert rest["ioc"] == ["expired", 0.0]
    assert (rest["orders"], rest["bars"], rest["book"]) == (5, 5, True)


@pytest.mark.parametrize(
    ("what", "kind"),
    [
        ("duplicate", "InvalidOrder"),
        ("unknown", "OrderNotFound"),
        ("refused", "InsufficientFunds"),
        ("dust", "ExchangeError"),
        ("skewed", "InvalidNonce"),
    ],
)
def test_refusals_have_their_kind(rest: dict[str, Any], what: str, kind: str) -> None:
    assert kind in rest[what]


@pytest.mark.parametrize("what", ["lost", "bad gateway", "limited", "banned"])
def test_what_leaves_an_order_unknown_is_a_network_error(rest: dict[str, Any], what: str) -> None:
    assert "NetworkError" in rest[what]


def test_an_answer_that_cannot_be_read_passes_as_an_order_without_an_id(rest: dict[str, Any]) -> None:
    assert rest["garbled"] is None


def test_a_clock_that_was_asked_for_is_gone_by(rest: dict[str, Any]) -> None:
    assert rest["adjusted"]


def test_streams_and_the_websocket_api_are_used(found: dict[str, Any]) -> None:
    assert found["streams"] == {
        "ticker": 59_999.99,
        "trades": found["streams"]["trades"],
        "bars": 6,
        "orders": True,
        "fills": True,
        "balance": True,
        "placed": "open",
        "cancelled": "canceled",
    }
    assert 59_999 <= found["streams"]["trades"] <= 60_001


def test_the_log_has_what_was_placed_even_if_the_answer_was_lost(found: dict[str, Any]) -> None:
    lost_and_garbled = [entry for entry in found["placed"] if entry.get("price") == "59000" and entry["order"] > 5]
    assert len(lost_and_garbled) >= 2
