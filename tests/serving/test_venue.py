"""A session whose orders a venue fills: what executors ask and tell, across restarts and replays."""

import threading
from pathlib import Path
from typing import Any

import pytest

from intuition_core.config.editing import settle
from intuition_core.config.loading import BadConfiguration, load_config
from intuition_core.errors import IntuitionError
from intuition_core.plugins.catalogue import discover
from intuition_core.serving.arguments import BadCall
from intuition_core.serving.service import Service
from intuition_core.serving.venue import NoVenue
from intuition_core.session.errors import StaleEpoch
from intuition_core.session.journal import Journal
from tests.support.waiting import eventually

T0 = 1_700_000_000_000_000_000

LIVE = """
currency = "USD"
[broker]
name = "stub"
mode = "live"
[algorithm]
name = "buyer.py:Buyer"
"""

BUYER = """
from intuition_core import Signal


class Buyer:
    def initialize(self, params):
        return ["quotes"]

    def event(self, data):
        return Signal(data["sid"], data["do"], data["quote"]) if "do" in data else None
"""


def open_service(folder: Path, toml: str = LIVE) -> Service:
    (folder / "buyer.py").write_text(BUYER)
    file = folder / "intuition.toml"
    file.write_text(toml.replace("buyer.py", str(folder / "buyer.py")))
    config = load_config(file, environment={}, flags={"seed": 7})
    return Service(config, discover(), journal=lambda name: Journal(folder / f"{name}.db"), now=lambda: T0 + 10**12)


def quote(n: int, price: float = 10.0, **more: Any) -> dict[str, Any]:
    return {"sid": "X", "quote": price, "ts": T0 + n, "id": f"q{n}", **more}


def said(n: int, execution: str, **more: Any) -> dict[str, Any]:
    return {"id": f"e{n}", "ts": T0 + n, "execution": execution, **more}


def account(n: int) -> dict[str, Any]:
    return said(n, "account", cash={"USD": "100000"}, positions={}, as_of=T0 + n)


def executor(service: Service) -> dict[str, Any]:
    return {"client": "executor:stub", "epoch": service.attach("executor:stub")["epoch"]}


def begun(service: Service) -> tuple[dict[str, Any], str, str]:
    """Have a session place an order; return the executor's options, the order's id and its units."""
    options = executor(service)
    service._venue.executions([account(0)], options)
    (decision,) = service.event(quote(1, do="buy"))
    return options, decision["id"], decision["quantity"]


def test_orders_and_executions_go_round(tmp_path: Path, opened: Any) -> None:
    service = opened(open_service(tmp_path))
    calls = service._venue
    options, order, units = begun(service)
    (told,) = calls.orders()
    assert (told["type"], told["id"]) == ("decision", order)
    assert calls.orders(order) == []
    fill = said(2, "fill", order=order, trade="t1", sid="X", side="buy", quantity=units, price="9.5", fee="0.1")
    ((filled,),) = calls.executions([fill], options)
    assert (filled["type"], filled["price"]) == ("fill", 9.5)
    assert calls.executions([fill], options) == [[filled]], "the same trade is answered and not booked again"
    assert service.account()["positions"]["X"]["quantity"] == units


def test_what_a_venue_says_is_published_by_whoever_publishes(tmp_path: Path, opened: Any) -> None:
    service = opened(open_service(tmp_path))
    options, order, units = begun(service)
    service._venue.executions(
        [said(2, "fill", order=order, trade="t1", sid="X", side="buy", quantity=units, price="9.5")], options
    )
    assert [record["type"] for record in service.controls()] == ["execution", "fill"]


def test_a_kill_asks_for_cancels_and_withholds_nothing(tmp_path: Path, opened: Any) -> None:
    service = opened(open_service(tmp_path))
    _, order, _ = begun(service)
    service.kill("enough")
    assert [(each["type"], each.get("order", each["id"])) for each in service._venue.orders()] == [
        ("decision", order),
        ("cancel", order),
    ]


def test_orders_wait_for_a_decision(tmp_path: Path, opened: Any) -> None:
    service = opened(open_service(tmp_path))
    _, order, _ = begun(service)
    found: list[Any] = []
    waiting = threading.Thread(target=lambda: found.extend(service._venue.orders(order, 10, 5.0)))
    waiting.start()
    eventually(lambda: service._venue._news._waiters)  # type: ignore[attr-defined]  # who waits on a condition
    service.kill("enough")
    waiting.join(5)
    assert [each["type"] for each in found] == ["cancel"]


def test_an_older_instance_tells_nothing(tmp_path: Path, opened: Any) -> None:
    service = opened(open_service(tmp_path))
    before = executor(service)
    executor(service)
    with pytest.raises(StaleEpoch):
        service._venue.executions([account(0)], before)


def test_a_session_on_paper_is_told_nothing(tmp_path: Path, opened: Any) -> None:
    service = opened(open_service(tmp_path, LIVE.replace('"live"', '"paper"')))
    with pytest.raises(NoVenue, match="on paper"):
        service._venue.executions([account(0)], executor(service))


@pytest.mark.parametrize(
    "wrong",
    [
        {"id": None},
        {"ts": "soon"},
        {"ts": 0},
        {"order": "nonsense"},
        {"order": 7},
        {"execution": "dream"},
        {"quantity": "-1"},
        {"sid": "a\nb"},
        {"price": object()},
    ],
)
def test_what_makes_no_sense_is_refused_alone(tmp_path: Path, opened: Any, wrong: dict[str, Any]) -> None:
    service = opened(open_service(tmp_path))
    options, order, units = begun(service)
    good = said(2, "fill", order=order, trade="t1", sid="X", side="buy", quantity=units, price="9.5")
    refused, taken = service._venue.executions([{**good, "id": "bad", **wrong}, good], options)
    assert refused["error"]["name"] == "BadData"
    assert [record["type"] for record in taken] == ["fill"]


@pytest.mark.parametrize("options", [None, {}, {"client": "x"}])
def test_executions_are_for_attached_clients(tmp_path: Path, opened: Any, options: Any) -> None:
    service = opened(open_service(tmp_path))
    with pytest.raises(BadCall):
        service._venue.executions([account(0)], options)


@pytest.mark.parametrize("given", [{"limit": -1}, {"wait": True}, {"wait": 6}, {"wait": "1"}, {"since": 3}])
def test_arguments_of_orders_are_checked(tmp_path: Path, opened: Any, given: dict[str, Any]) -> None:
    service = opened(open_service(tmp_path))
    with pytest.raises(IntuitionError):
        service._venue.orders(**given)


def test_a_restart_and_a_replay_book_the_same(tmp_path: Path) -> None:
    from intuition_core.cli.replay import replay

    service = open_service(tmp_path)
    options, order, units = begun(service)
    half = str(float(units) / 2)
    service._venue.executions(
        [said(2, "fill", order=order, trade="t1", sid="X", side="buy", quantity=half, price="9.5")], options
    )
    before = service.account()
    name = service.session.name
    service.close()
    service = open_service(tmp_path)
    assert service.account() == before
    options = executor(service)
    service._venue.executions(
        [said(3, "fill", order=order, trade="t2", sid="X", side="buy", quantity=half, price="9.6")], options
    )
    assert float(service.account()["positions"]["X"]["quantity"]) == float(units)
    service.close()
    from click.testing import CliRunner

    done = CliRunner().invoke(replay, [str(tmp_path / f"{name}.db")])
    assert done.exit_code == 0, done.output
    assert "each as in the journal" in done.output


def test_a_session_on_paper_is_never_continued_live(tmp_path: Path) -> None:
    open_service(tmp_path, LIVE.replace('"live"', '"paper"')).close()
    with pytest.raises(IntuitionError, match="venue"):
        open_service(tmp_path)


@pytest.mark.parametrize(
    ("change", "key"),
    [
        (('currency = "USD"', ""), "currency"),
        (('currency = "USD"', 'currency = "USD"\nfill = "same"'), "fill"),
        (('mode = "live"', 'mode = "live"\nmax_age = "0s"'), "max_age"),
        (('mode = "live"', 'mode = "bold"'), "mode"),
        (("[broker]", "[margin]\ninitial = 2\n[broker]"), "margin"),
    ],
)
def test_what_does_not_go_with_a_venue_is_refused(tmp_path: Path, change: tuple[str, str], key: str) -> None:
    file = tmp_path / "intuition.toml"
    file.write_text(LIVE.replace(*change))
    with pytest.raises(BadConfiguration, match=key):
        settle(load_config(file, environment={}), discover())
