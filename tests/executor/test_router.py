"""An order router in worlds where everything fails: nothing is placed twice, nothing is lost, the books agree."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from decimal import Decimal
from functools import cache
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from intuition_core.config.loading import load_config
from intuition_core.contracts import Traits, VenueAccount, VenueTrade
from intuition_core.errors import BackendLost, BackendRefused, IntuitionError, VenueUnavailable
from intuition_core.executor.router import CannotTrade, Fenced, OrderRouter, Pace, check_broker
from intuition_core.executor.store import OtherExecutor, Store
from intuition_core.plugins.catalogue import discover
from intuition_core.serving.service import Service
from intuition_core.session.journal import Journal

T0 = 1_700_000_000_000_000_000
SECOND = 1_000_000_000

TOML = """
session = "live"
currency = "USD"
[broker]
name = "toy"
mode = "live"
[algorithm]
name = "asked.py:Asked"
[portfolio]
name = "some.py:Some"
"""

ASKED = """
from intuition_core import Cancel, Signal


class Asked:
    def initialize(self, params):
        return ["quotes"]

    def event(self, data):
        match data.get("do"):
            case "buy" | "sell":
                return Signal(data["sid"], data["do"], data["quote"])
            case "limit":
                return Signal(data["sid"], "buy", data["quote"], limit=data["quote"], tag=data.get("tag"))
            case "cancel":
                return Cancel(sid=data["sid"])
"""

SOME = """
from decimal import Decimal

from intuition_core import Bet


class Some:
    def optimize(self, signal, account):
        return Bet(cash=Decimal(str(account.cash)) / 4)
"""


class Crash(BaseException):
    """The end of the executor's process, at a step."""


class World:
    """The clock, and what goes wrong."""

    def __init__(self, seed: int, rate: float) -> None:
        self.rng = Random(seed)
        self.rate = rate
        self.crashes = rate / 4
        self.now = T0

    def step(self) -> None:
        """Let a moment pass, at which the executor may end."""
        self.now += SECOND // 50
        if self.rng.random() < self.crashes:
            raise Crash

    def fails(self) -> bool:
        return self.rng.random() < self.rate


class Venue:
    """Trades against nobody: an order is filled in pieces as time passes. Its books are the judge."""

    def __init__(self, world: World, *, cash: str = "100000") -> None:
        self.world = world
        self.cash = Decimal(cash)
        self.units: dict[str, Decimal] = {}
        self.orders: dict[str, dict[str, Any]] = {}
        self.trades: list[VenueTrade] = []
        self.placed: list[str] = []
        self.sent_at: dict[str, int] = {}

    def place(self, record: Mapping[str, Any]) -> None:
        assert record["id"] not in self.orders, f"{record['id']} was placed twice"
        self.placed.append(record["id"])
        quantity = Decimal(record["quantity"])
        self.orders[record["id"]] = {"record": record, "left": quantity, "filled": Decimal(0), "state": "open"}
        if self.world.rng.random() < 0.1:
            self.orders[record["id"]] |= {"state": "rejected", "reason": "closed"}

    def trade(self, chance: float = 0.3) -> None:
        """Fill some of what is open."""
        for order_id, order in self.orders.items():
            if order["state"] != "open" or self.world.rng.random() > chance:
                continue
            record = order["record"]
            some = order["left"]
            if self.world.rng.random() < 0.6:
                some = (some / 2).quantize(Decimal("0.0001"))
            some = min(some or order["left"], order["left"])
            price = Decimal(self.world.rng.randint(900, 1100)) / 100
            self.book(record["sid"], record["side"], some, price, order_id)
            order["left"] -= some
            order["filled"] += some
            if not order["left"]:
                order["state"] = "filled"

    def book(self, sid: str, side: str, units: Decimal, price: Decimal, order: str | None) -> None:
        fee = Decimal("0.01")
        sign = 1 if side == "buy" else -1
        self.cash -= sign * units * price + fee
        self.units[sid] = self.units.get(sid, Decimal(0)) + sign * units
        assert self.units[sid] >= 0, "units were sold that were not held"
        trade: dict[str, Any] = {"trade": str(len(self.trades)), "order": order, "sid": sid, "side": side, "fee": fee}
        self.trades.append(VenueTrade(**trade, quantity=units, price=price, ts=self.world.now))


class Broker:
    """Asks before it sends again, as the contract wants; answers are lost, before and after the venue has acted."""

    def __init__(self, venue: Venue) -> None:
        self.venue = venue
        self.world = venue.world

    def traits(self) -> Traits:
        return Traits(venue="toy", account="a1", valid_for=1.0)

    @contextmanager
    def _asking(self, order_id: str = "") -> Iterator[None]:
        self.world.step()
        if self.world.fails():
            raise VenueUnavailable(order_id, "no answer")
        yield
        self.world.step()
        if self.world.fails():
            raise VenueUnavailable(order_id, "no answer")

    def submit(self, order: Mapping[str, Any]) -> None:
        if self.query(order["id"]) is not None:
            return
        with self._asking(order["id"]):
            self.venue.place(dict(order))

    def query(self, order_id: str) -> Mapping[str, Any] | None:
        with self._asking(order_id):
            order = self.venue.orders.get(order_id)
            said = ("state", "filled", "reason")
            return None if order is None else {key: order[key] for key in said if key in order}

    def cancel(self, order_id: str) -> None:
        with self._asking(order_id):
            order = self.venue.orders.get(order_id)
            if order is not None and order["state"] == "open":
                order["state"] = "cancelled"

    def fills(self, since: str | None) -> tuple[list[VenueTrade], str]:
        with self._asking():
            begin = max(0, int(since or 0) - self.world.rng.randint(0, 2))  # overlaps are allowed
            return self.venue.trades[begin:], str(len(self.venue.trades))

    def account(self) -> VenueAccount:
        with self._asking():
            units = {sid: held for sid, held in self.venue.units.items() if held}
            return VenueAccount(cash={"USD": self.venue.cash}, positions=units, as_of=self.world.now)


_catalogue = cache(discover)


class Session:
    """A service over its journal, called as over RPC; answers are lost, before and after it has acted."""

    def __init__(self, folder: Path, world: World) -> None:
        self.folder = folder
        self.world = world
        self.service = self.open()

    def open(self) -> Service:
        config = load_config(self.folder / "intuition.toml", environment={}, flags={"seed": 7})
        return Service(
            config,
            _catalogue(),
            journal=lambda name: Journal(self.folder / f"{name}.db"),
            now=lambda: self.world.now,
        )

    def restart(self) -> None:
        self.service.close()
        self.service = self.open()

    def offers(self, method: str) -> bool:
        return True

    def call(self, method: str, *args: Any) -> Any:
        self.world.step()
        if self.world.fails():
            raise BackendLost("here", "no answer")
        try:
            answer = self.service.methods()[method].function(*args)
        except IntuitionError as error:
            raise BackendRefused("here", method, type(error).__name__, str(error)) from None
        self.world.step()
        if self.world.fails():
            raise BackendLost("here", "no answer")
        return answer


def written(folder: Path) -> Path:
    (folder / "asked.py").write_text(ASKED)
    (folder / "some.py").write_text(SOME)
    toml = TOML.replace("asked.py", str(folder / "asked.py")).replace("some.py", str(folder / "some.py"))
    (folder / "intuition.toml").write_text(toml)
    return folder


class Play:
    """A session, a router that is made anew after each crash, and a venue."""

    def __init__(self, folder: Path, *, seed: int = 0, rate: float = 0.0) -> None:
        self.folder = written(folder)
        self.world = World(seed, rate)
        self.venue = Venue(self.world)
        self.session = Session(self.folder, self.world)
        self.n = 0
        self.begin()

    def begin(self) -> None:
        self.store = Store(self.folder / "executor.db", durability="process")
        self.after = self.store.value("taken")
        self.router = OrderRouter(
            Broker(self.venue),
            self.store,
            name="executor:toy",
            max_age=30 * SECOND,
            pace=Pace(trades=0.0, account=0.0),
            now=lambda: self.world.now,
            elapsed=lambda: self.world.now / SECOND,
        )

    def quote(self, do: str = "", sid: str = "X", **more: Any) -> list[dict[str, Any]]:
        self.n += 1
        self.world.now += SECOND // 10
        price = self.world.rng.randint(950, 1050) / 100
        data = {"sid": sid, "quote": price, "ts": self.world.now, "id": f"q{self.n}", "do": do, **more}
        return self.session.service.event(data)

    def route(self) -> None:
        """Do one step of the executor; a crash makes another one."""
        self.world.now += SECOND // 10
        try:
            if not self.router.attached:
                self.router.attach(self.session)
            records = self.session.call("orders", self.after)
            if records:
                self.router.take(records)
                self.after = records[-1]["id"]
            self.router.step(self.session)
        except BackendLost:
            self.router.detach()
        except Crash:
            self.store.close()
            self.begin()

    def settle(self) -> None:
        """Let everything come to its end, without faults."""
        self.world.rate = self.world.crashes = 0.0
        for _ in range(40):
            self.world.now += SECOND
            self.venue.trade(1.0)
            self.route()

    def close(self) -> None:
        self.store.close()
        self.session.service.close()


def agree(play: Play) -> None:
    """Check the books against the venue's."""
    service, venue = play.session.service, play.venue
    books = service.session.engine.books
    state = service.session.engine.manager.venue.state
    outside = state.outside_cash or {}
    assert books.cash + outside.get("USD", Decimal(0)) == venue.cash
    held = {sid: position.quantity for sid, position in books.positions.items()}
    for sid in held.keys() | venue.units.keys() | state.outside_units.keys():
        ours = held.get(sid, Decimal(0)) + state.outside_units.get(sid, Decimal(0))
        assert ours == venue.units.get(sid, Decimal(0)), sid


@pytest.fixture
def play(tmp_path: Path) -> Iterator[Play]:
    made = Play(tmp_path)
    made.route()
    yield made
    made.close()


def test_an_order_goes_to_the_venue_and_its_trades_come_back(play: Play) -> None:
    play.quote("buy")
    play.settle()
    assert len(play.venue.placed) == 1
    agree(play)
    assert play.session.service.session.engine.open_orders == []


def test_a_cancel_reaches_the_venue(play: Play) -> None:
    (decision,) = play.quote("limit")
    play.route()
    play.quote("cancel")
    play.route()
    assert play.venue.orders[decision["id"]]["state"] in ("cancelled", "rejected")
    play.settle()
    agree(play)


def test_an_order_that_is_cancelled_before_it_was_sent_never_goes_out(play: Play) -> None:
    play.quote("limit")
    play.quote("cancel")
    play.settle()
    assert play.venue.placed == []
    assert play.session.service.session.engine.open_orders == []


def test_a_replacement_waits_for_the_end_of_what_it_replaces(play: Play) -> None:
    play.quote("limit", tag="a")
    play.route()
    play.quote("limit", tag="a")
    play.route()
    play.settle()
    first, *others = play.venue.placed
    if play.venue.orders[first]["filled"]:
        assert others == [], "what was filled is not bought again"
    agree(play)


def test_what_is_too_old_is_not_sent(play: Play) -> None:
    play.quote("buy")
    play.world.now += 31 * SECOND
    play.settle()
    assert play.venue.placed == []
    assert play.session.service.session.engine.open_orders == []


def test_an_older_executor_sends_nothing(play: Play) -> None:
    play.session.service.attach("executor:toy")
    play.quote("buy")
    with pytest.raises(Fenced):
        play.settle()
    assert play.venue.placed == []


def test_a_trade_by_hand_is_booked_outside(play: Play) -> None:
    play.venue.book("Y", "buy", Decimal(3), Decimal(10), None)
    play.settle()
    agree(play)
    assert not play.session.service.session.engine.books.positions


def test_a_silent_session_has_what_opens_cancelled(play: Play) -> None:
    (decision,) = play.quote("limit")
    play.route()
    play.world.now += 31 * SECOND
    play.router.mind_silence()
    assert play.venue.orders[decision["id"]]["state"] in ("cancelled", "rejected", "filled")


def test_the_orders_of_another_run_are_not_traded(play: Play, tmp_path: Path) -> None:
    with pytest.raises(OtherExecutor, match="run"):
        play.store.belongs_to("another.1")


def test_two_executors_cannot_use_one_file(play: Play) -> None:
    with pytest.raises(OtherExecutor, match="in use"):
        Store(play.store.path)


def test_a_broker_of_version_1_cannot_trade() -> None:
    class Old:
        def submit(self, order: Any) -> None: ...

        def query(self, order_id: str) -> None: ...

    with pytest.raises(CannotTrade, match="`traits` and no `cancel` and no `fills` and no `account`"):
        check_broker("old", Old())


WHAT: tuple[Callable[[Play], object], ...] = (
    lambda play: play.quote("buy", "X"),
    lambda play: play.quote("buy", "Y"),
    lambda play: play.quote("sell", "X"),
    lambda play: play.quote("limit", "X", tag="a"),
    lambda play: play.quote("cancel", "X"),
    lambda play: play.venue.trade(),
    lambda play: play.route(),
    lambda play: play.route(),
    lambda play: play.route(),
    lambda play: play.session.restart(),
)


@pytest.mark.parametrize("rate", [0.0, 0.02, 0.05])
@given(seed=st.integers(0, 2**32), course=st.lists(st.integers(0, len(WHAT) - 1), min_size=10, max_size=60))
@settings(max_examples=12, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))
def test_books_agree_with_the_venue_whatever_fails(rate: float, seed: int, course: list[int]) -> None:
    with TemporaryDirectory() as folder:
        play = Play(Path(folder), seed=seed, rate=rate)
        try:
            for number in course:
                WHAT[number](play)
            play.settle()
            agree(play)
            engine = play.session.service.session.engine
            assert engine.open_orders == []
            assert engine.killed is None, "a difference was seen that is none"
            before = play.session.service.account()
            play.session.restart()
            assert play.session.service.account() == before
        finally:
            with suppress(Exception):
                play.close()
