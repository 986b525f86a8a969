import re
import socket
import threading
from contextlib import suppress
from decimal import Decimal
from pathlib import Path

import pytest

from intuition_core.contracts import Metric
from intuition_core.testing import (
    ConnectorContract,
    FakeAccount,
    FakeVenue,
    MemoryBroker,
    ReportContract,
    recorded_history,
    strategy_of,
)


class Text:
    """Reports the gain, as text."""

    def metrics(self, history):
        gain = float(history.equity - history.deposits)
        first = history.slices[0].close if history.slices else None
        return [
            Metric("gain", "Gain", gain, "currency", "equity less deposits"),
            Metric("first", "First equity", first, "currency", "after the first event"),
        ]

    def write(self, history, path):
        path.write_text(f"{history.title}: {self.metrics(history)}")


class GivesNan(Text):
    def metrics(self, history):
        value = 1.0 if history.slices else float("nan")
        return [Metric("gain", "Gain", value, "ratio", "none")]


class NeedsEvents(Text):
    def write(self, history, path):
        path.write_text(str(history.slices[0]))


class SaysNoConvention(Text):
    def metrics(self, history):
        return [Metric("gain", "Gain", 1.0, "ratio", "")]


class HasOwnUnit(Text):
    def metrics(self, history):
        return [Metric("gain", "Gain", 1.0, "furlongs", "none")]


class WritesTwice(Text):
    def write(self, history, path):
        super().write(history, path)
        Path(f"{path}.css").write_text("")


class Numbers(Text):
    count = 0

    def write(self, history, path):
        Numbers.count += 1
        path.write_text(str(Numbers.count))


class Clears(Text):
    def metrics(self, history):
        history.trades.clear()
        return super().metrics(history)


class Waits:
    """Does nothing until it is told to stop."""

    def initialize(self, params):
        self.ended = threading.Event()

    def run(self, backend):
        backend.call("initialize", {})
        self.ended.wait()

    def stop(self):
        self.ended.set()


class ForgetsStop(Waits):
    def run(self, backend):
        self.ended.clear()
        super().run(backend)


class GoesOn(Waits):
    def run(self, backend):
        if not self.ended.is_set():
            backend.call("initialize", {})
            threading.Event().wait(3)


class GivesUp(Waits):
    def run(self, backend):
        if not self.ended.is_set():
            raise ConnectionRefusedError("nobody there")


class ConnectsAtOnce(Waits):
    def initialize(self, params):
        super().initialize(params)
        with socket.socket() as attempt:
            attempt.settimeout(0.1)
            with suppress(OSError):
                attempt.connect(("127.0.0.1", 1))


def test_good_parts_pass(passes):
    passes(ReportContract, part=Text)
    passes(ConnectorContract, part=Waits)


@pytest.mark.parametrize(
    ("contract", "part", "check", "says"),
    [
        (ReportContract, GivesNan, "test_metrics_are_finite_or_none", "give None where it is not defined"),
        (ReportContract, NeedsEvents, "test_writes_a_file", "a run without events or trades is reported, too"),
        (ReportContract, SaysNoConvention, "test_metrics_say_what_they_are", "no convention"),
        (ReportContract, HasOwnUnit, "test_metrics_say_what_they_are", "furlongs"),
        (ReportContract, WritesTwice, "test_writes_a_file", "more than one file"),
        (ReportContract, Numbers, "test_writes_a_file", "differ"),
        (ReportContract, Clears, "test_history_is_not_changed", "copy what you change"),
        (ConnectorContract, ForgetsStop, "test_stop_before_run_holds", "though `stop` had been called"),
        (ConnectorContract, GoesOn, "test_stop_ends_run", "after `stop`"),
        (ConnectorContract, GivesUp, "test_stop_ends_run", "nobody there; wait for what cannot be reached"),
        (ConnectorContract, ConnectsAtOnce, "test_initialize_connects_nothing", "do that in `run`"),
    ],
)
def test_each_fault_fails_its_check_alone(fails_only, contract, part, check, says):
    message = fails_only(contract, check, part=part, patience=0.5)
    assert re.search(says, message, re.DOTALL), message


def test_a_strategy_is_put_together_from_classes():
    class BuyOnce:
        def initialize(self, params):
            self.bought = False

        def event(self, data):
            from intuition_core.contracts import Signal

            bought, self.bought = self.bought, True
            return None if bought else Signal(data["sid"], "buy", data["quote"])

    class Tenth:
        def optimize(self, signal, account):
            return account.cash / 10

    engine = strategy_of(BuyOnce, Tenth, cash=Decimal(500))
    event = {"channel": "quotes", "sid": "IBM", "quote": 100.0, "ts": 1}
    (decision,) = engine.step(event)
    assert (decision["algorithm"], decision["portfolio"], decision["cash"]) == ("buy-once", "tenth", "50")
    (fill,) = engine.step({**event, "ts": 2})
    assert fill["type"] == "fill"


def test_the_fake_account_adds_up():
    account = FakeAccount(cash=10.0, positions={"A": 2.0, "B": 1.0}, pending={"A": 5.0}, marks={"A": 3.0})
    assert account.equity == 21.0


def test_the_broker_in_memory_keeps_to_the_contract_while_it_lives():
    venue = FakeVenue()
    broker = MemoryBroker(venue)
    order = {"id": "a:1:0", "sid": "IBM", "side": "buy", "quantity": "1"}
    venue.plan = ["lost_reply"]
    with pytest.raises(Exception, match="ask before trying again"):
        broker.submit(order)
    broker.submit(order)
    broker.submit(order)
    assert len(venue.orders) == 1
    broker.fill("a:1:0")
    assert broker.query("a:1:0") == {"state": "filled"}
    assert broker.query("a:2:0") is None
    venue.plan = ["refuse"]
    broker.submit({**order, "id": "a:3:0"})
    assert broker.query("a:3:0") == {"id": "a:3:0", "state": "rejected"}
    with pytest.raises(KeyError):
        broker.fill("a:3:0")


def test_the_recorded_history_adds_up():
    history = recorded_history()
    bought, sold = history.trades
    assert history.equity == history.deposits + sold.profit
    assert sold.profit == sold.cash - bought.cash
    assert history.days[-1].equity == float(history.equity)
