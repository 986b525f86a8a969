"""The log: what was answered is in it, and a venue goes on with it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from intuition_venue.errors import BadLog, LogInUse
from intuition_venue.instruments import chosen
from intuition_venue.log import Log
from intuition_venue.running import read_log, running
from intuition_venue.venue import Settings, Venue


def entries(path: Path) -> list[dict[str, Any]]:
    log = Log(path)
    try:
        return list(log.entries())
    finally:
        log.close()


def of(path: Path, **options: Any) -> Settings:
    return Settings(shape="spot", instruments=chosen("spot", ()), log=path, **options)


def test_an_action_that_was_not_written_to_its_end_has_not_happened(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    log = Log(path)
    log.write([{"type": "placed"}, {"type": "filled"}], sure=True)
    log.write([{"type": "placed"}, {"type": "filled"}], sure=True)
    log.close()
    whole = path.read_bytes()
    cuts = [whole.index(b"\n", whole.index(b'"n":3')) + 1, len(whole) - 1, whole.index(b'"n":3') + 2]
    for cut in cuts:
        path.write_bytes(whole[:cut])
        assert [entry["n"] for entry in read_log(path)] == [1, 2]
        assert [entry["n"] for entry in entries(path)] == [1, 2]
        assert path.read_bytes() == whole[: whole.index(b'"n":2')] + b'"n":2}\n'


def test_a_log_goes_on_where_it_was_cut(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(b'{"type":"placed","end":true,"n":1}\n{"type":"placed","n":2}\n{"ty')
    log = Log(path)
    list(log.entries())
    log.write([{"type": "filled"}], sure=True)
    log.close()
    assert [(entry["n"], entry["type"]) for entry in read_log(path)] == [(1, "placed"), (2, "filled")]


@pytest.mark.parametrize(
    ("text", "line"),
    [(b"prices\n", 1), (b'{"type":"placed","end":true,"n":2}\n', 1), (b'{"type":"a","end":true,"n":1}\n[]\n', 2)],
)
def test_a_file_that_no_venue_wrote_is_refused_and_left_alone(tmp_path: Path, text: bytes, line: int) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(text)
    with pytest.raises(BadLog, match=f"line {line}: "):
        entries(path)
    assert path.read_bytes() == text


def test_a_log_has_one_venue(tmp_path: Path) -> None:
    with running(of(tmp_path / "log.jsonl")), pytest.raises(LogInUse, match="another venue writes"):
        Venue(of(tmp_path / "log.jsonl"))


@pytest.mark.parametrize("option", [{"seed": 1}, {"instruments": chosen("spot", ("BTCUSDT",))}])
def test_a_venue_does_not_go_on_with_anothers_log(tmp_path: Path, option: dict[str, Any]) -> None:
    path = tmp_path / "log.jsonl"
    with running(of(path)):
        pass
    fields = {"shape": "spot", "instruments": chosen("spot", ()), "log": path} | option
    with pytest.raises(BadLog, match="the venue that wrote it has"):
        Venue(Settings(**fields))
    with running(of(path)) as venue:
        assert venue.entries("restarted")


def test_prices_come_from_the_seed_and_go_on_after_a_restart(tmp_path: Path) -> None:
    def walked(path: Path, *stints: int, seed: int = 3) -> list[str]:
        for steps in stints:
            with running(of(path, seed=seed)) as venue:
                venue.tell("step", {"steps": steps})
        return [entry["last"] for entry in read_log(path) if entry["type"] == "price"]

    at_once, in_parts = walked(tmp_path / "a", 6), walked(tmp_path / "b", 2, 4)
    assert at_once == in_parts
    assert len(set(at_once)) > 3
    assert walked(tmp_path / "c", 6, seed=4) != at_once


def test_a_restart_keeps_orders_trades_and_balances(spot: Any) -> None:
    def seen() -> dict[str, Any]:
        paths = ("openOrders", "allOrders", "myTrades")
        rows = {path: spot.ask("GET", path, symbol="BTCUSDT").json() for path in paths}
        return rows | {"balances": spot.ask("GET", "account").json()["balances"]}

    spot.order(newClientOrderId="rests")
    spot.order(type="MARKET", newClientOrderId="filled")
    before = seen()
    spot.venue.tell("restart", {})
    assert seen() == before
    assert len(before["allOrders"]) == 2
    assert spot.order(newClientOrderId="rests").json()["code"] == -2010


def test_each_line_stands_for_itself(start: Callable[..., Any], tmp_path: Path) -> None:
    venue = start()
    venue.tell("order", {"symbol": "BTCUSDT", "side": "buy", "quantity": "0.1"})
    lines = [json.loads(line) for line in (tmp_path / "venue.jsonl").read_text().splitlines()]
    assert [line["n"] for line in lines] == list(range(1, len(lines) + 1))
    placed, filled = lines[-2:]
    assert (placed["type"], filled["type"], filled["order"]) == ("placed", "filled", placed["order"])
    assert "end" not in placed
    assert filled["end"] is True
