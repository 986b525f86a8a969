"""The contract of brokers as tests to subclass, and a venue in memory that fails in the ways in which venues fail.

Subclass `BrokerContract` in a test module, and pytest runs every check::

    class TestMine(BrokerContract):
        def broker(self, venue, folder):
            return MyBroker(client=venue, folder=folder, interrupt=venue.step)
"""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from random import Random
from typing import Any, Literal, Self, TypeAlias

import msgspec

from intuition_core.contracts import Broker
from intuition_core.errors import VenueUnavailable

Fault: TypeAlias = Literal["lost_reply", "timeout_before", "timeout_after", "late", "refuse"]
"""What can go wrong with one order.

- ``lost_reply``: it is placed, and the connection breaks before the answer.
- ``timeout_before``: it never arrives. ``timeout_after``: it is placed. The caller cannot tell which.
- ``late``: nothing is known of it yet, and it arrives right after the next order does.
- ``refuse``: the venue refuses it, and keeps nothing.
"""

State: TypeAlias = Literal["open", "filled", "cancelled", "rejected"]

_UNSURE: tuple[Fault, ...] = ("lost_reply", "timeout_before", "timeout_after")
_MOST_STEPS = 50
_MOST_TRIES = 200
_SEEDS = 40


class Crash(BaseException):
    """The end of the broker's process, at a step; not an `Exception`, so that no broker survives it by accident."""


class PlacedOrder(msgspec.Struct):
    """An order in the venue's books."""

    client_id: str
    intention: Mapping[str, Any]
    state: State = "open"


class FakeVenue:
    """A venue in memory, with faults that a test switches on.

    Args:
        dedupe: whether a client order id that is known already is answered with the order there is.
        queries: whether the venue can be asked for an order by its client order id.
        seed: what the misbehaviour is drawn with.
        rate: the probability of a fault, at each order and each question, where none is planned.
        faults: the kinds to draw from.
        interrupt: called with the name of each step; raises `Crash` to end the broker there.

    Attributes:
        orders: the books, oldest first.
        sent: the client order id of each attempt to place, whether or not it arrived.
        plan: the faults of the next orders, None for an order that goes well.
        deaf: how many of the next questions time out.
    """

    def __init__(
        self,
        *,
        dedupe: bool = True,
        queries: bool = True,
        seed: int = 0,
        rate: float = 0.0,
        faults: tuple[Fault, ...] = _UNSURE,
        interrupt: Callable[[str], None] | None = None,
    ) -> None:
        self.orders: list[PlacedOrder] = []
        self.sent: list[str] = []
        self.plan: list[Fault | None] = []
        self.deaf = 0
        self.interrupt = interrupt
        self.rate = rate
        self._dedupe = dedupe
        self._queries = queries
        self._faults = faults
        self._rng = Random(seed)  # noqa: S311 - faults must repeat with their seed
        self._late: list[PlacedOrder] = []

    def step(self, name: str) -> None:
        """Note that a step is reached, at which a test may crash the broker; brokers may report steps of their own."""
        if self.interrupt is not None:
            self.interrupt(name)

    def place(self, client_id: str, intention: Mapping[str, Any]) -> Mapping[str, Any]:
        """Place an order, and return its state.

        Raises:
            TimeoutError: no answer came; the order may or may not have arrived.
            ConnectionError: the same.
        """
        self.step("sending")
        self.sent.append(client_id)
        fault = self._next_fault()
        if fault == "timeout_before":
            raise TimeoutError("no answer")
        order = PlacedOrder(client_id, dict(intention))
        if fault == "late":
            self._late.append(order)
            raise TimeoutError("no answer")
        if fault == "refuse":
            self.step("refused")
            return {"state": "rejected", "reason": "not enough margin"}
        placed = self._book(order)
        self.arrive()
        self.step("placed")
        if fault == "timeout_after":
            raise TimeoutError("no answer")
        if fault == "lost_reply":
            raise ConnectionResetError("connection reset by the venue")
        return {"state": placed.state}

    def find(self, client_id: str) -> Mapping[str, Any] | None:
        """Return the state of an order, or None where no order with that client order id is known.

        Raises:
            TimeoutError: no answer came.
            ConnectionError: the venue cannot be asked at all.
        """
        self.step("asking")
        if not self._queries:
            raise ConnectionRefusedError("this venue answers no questions")
        if self.deaf:
            self.deaf -= 1
            raise TimeoutError("no answer")
        if self._rng.random() < self.rate:
            raise TimeoutError("no answer")
        found = self._known(client_id)
        self.step("asked")
        return None if found is None else {"state": found.state}

    def arrive(self) -> None:
        """Deliver the orders that are late."""
        late, self._late = self._late, []
        for order in late:
            self._book(order)

    def _next_fault(self) -> Fault | None:
        if self.plan:
            return self.plan.pop(0)
        return self._rng.choice(self._faults) if self._rng.random() < self.rate else None

    def _known(self, client_id: str) -> PlacedOrder | None:
        return next((order for order in self.orders if order.client_id == client_id), None)

    def _book(self, order: PlacedOrder) -> PlacedOrder:
        known = self._known(order.client_id) if self._dedupe else None
        if known is not None:
            return known
        self.orders.append(order)
        return order


class BrokerContract:
    """The checks of a broker; a subclass makes the broker. Each failure says what to change.

    A broker is made anew in the same folder after each crash. One that has a ``close`` method is closed when its
    process is meant to have ended: ``close`` must let go of files, and must not make up for what was not written.
    """

    def broker(self, venue: FakeVenue, folder: Path) -> Broker:
        """Return the broker under test, which trades at the venue and keeps its durable state in the folder."""
        raise NotImplementedError("define broker(self, venue, folder) and return the broker under test")

    def test_submitted_twice_is_placed_once(self, tmp_path: Path) -> None:
        """An id that is submitted twice is one order."""
        for dedupe in (True, False):
            with _Run(self, FakeVenue(dedupe=dedupe), tmp_path / str(dedupe)) as run:
                run.settle("a:1:0")
                run.settle("a:1:0")
                run.placed_once("a:1:0", "after it was submitted twice: look the id up in what was kept before sending")

    def test_id_is_the_client_order_id(self, tmp_path: Path) -> None:
        """The venue receives the decision's id as client order id, and the order as it was decided."""
        with _Run(self, FakeVenue(), tmp_path / "run") as run:
            run.settle("a:1:0")
            _must(len(run.venue.orders) == 1, f"one order was placed {len(run.venue.orders)} times: send it once")
            placed = run.venue.orders[0]
            _must(
                placed.client_id == "a:1:0",
                f"the venue knows the order as {placed.client_id!r}: "
                "send the decision's id, 'a:1:0', as the client order id",
            )
            wrong = [key for key in ("sid", "side", "quantity") if placed.intention.get(key) != _order("a:1:0")[key]]
            _must(not wrong, f"the venue got another {' and '.join(wrong)} than was submitted: send orders unchanged")

    def test_lost_reply(self, tmp_path: Path) -> None:
        """An order whose reply is lost is placed once."""
        self._unsure(tmp_path, ("lost_reply",), "after its reply was lost")

    def test_timeout(self, tmp_path: Path) -> None:
        """An order that timed out is placed once, whether or not it had arrived."""
        self._unsure(tmp_path, ("timeout_before", "timeout_after"), "after a timeout")

    def test_late_arrival(self, tmp_path: Path) -> None:
        """An order that arrives late, after a query and a second submission, is the same order at the venue."""
        with _Run(self, FakeVenue(), tmp_path / "run") as run:
            run.venue.plan = ["late"]
            run.settle("a:1:0")
            run.venue.arrive()
            count = len(run.venue.orders)
            _must(
                count == 1,
                f"placed {count} times after the first attempt arrived late: "
                "send the same client order id with every attempt, so that the venue knows them as one",
            )

    def test_no_answer_is_not_a_no(self, tmp_path: Path) -> None:
        """While the venue answers no queries, no order is sent again."""
        with _Run(self, FakeVenue(dedupe=False, queries=False), tmp_path / "run") as run:
            run.venue.plan = ["lost_reply"]
            settled = [run.submit("a:1:0") for _ in range(3)]
            run.placed_once("a:1:0", "though the venue could not be asked: a question without an answer is not a no")
            _must(
                not any(settled),
                "submit returned as if all were well though it is not known whether the order arrived: "
                "raise VenueUnavailable",
            )

    def test_restart_at_every_step(self, tmp_path: Path) -> None:
        """An order is placed once when it is submitted again after a crash, at whichever step that was."""
        for dedupe in (True, False):
            for again in (False, True):
                for step in range(_MOST_STEPS):
                    folder = tmp_path / f"{dedupe}-{again}-{step}"
                    with _Run(self, FakeVenue(dedupe=dedupe), folder) as run:
                        run.venue.plan = ["timeout_before"] if again else []
                        at = run.crash_at(step, "a:1:0", attempts=2 if again else 1)
                        run.settle("a:1:0")
                        run.placed_once(
                            "a:1:0",
                            f"after a crash at step {step + 1} ({at}): keep the intention durably before sending, note "
                            "that it was sent only afterwards, and ask the venue about what was kept but not noted",
                        )
                    if at is None:
                        break

    def test_query_tells_the_truth(self, tmp_path: Path) -> None:
        """A query returns the venue's present state, after a restart as well."""
        states: tuple[State, ...] = ("open", "filled", "cancelled")
        with _Run(self, FakeVenue(), tmp_path / "run") as run:
            run.settle("a:1:0")
            for state in states:
                run.placed_once("a:1:0", "before it was asked for")
                run.venue.orders[0].state = state
                for when in ("", " after a restart"):
                    said = run.state("a:1:0")
                    _must(said == state, f"query says {said!r}{when}, the venue {state!r}: ask the venue each time")
                    run.restart()
            run.venue.deaf = _MOST_TRIES
            said = run.state("a:1:0", unavailable="unavailable")
            _must(
                said == "unavailable",
                f"query says {said!r} though the venue did not answer: raise VenueUnavailable, "
                "since None means that the venue does not know the order",
            )

    def test_unknown_id_is_none(self, tmp_path: Path) -> None:
        """A query of an id that nobody submitted returns None."""
        with _Run(self, FakeVenue(), tmp_path / "run") as run:
            answer = run.broker.query("nobody:1:0")
            _must(answer is None, f"query of an id that the venue does not know gives {answer!r}: return None")

    def test_refused_is_reported_and_not_retried(self, tmp_path: Path) -> None:
        """A refusal is kept and told, and the order is not sent again."""
        with _Run(self, FakeVenue(), tmp_path / "run") as run:
            run.venue.plan = ["refuse"]
            run.settle("a:1:0")
            run.restart()
            said = run.state("a:1:0")
            _must(
                said == "rejected",
                f"query says {said!r} of an order that the venue refused: keep the refusal durably and report "
                "'rejected', since venues forget what they refuse",
            )
            run.settle("a:1:0")
            _must(
                len(run.venue.sent) == 1,
                f"an order that was refused was sent {len(run.venue.sent)} times: a refusal is final, do not retry",
            )

    def test_two_ids_are_two_orders(self, tmp_path: Path) -> None:
        """Two ids are two orders, though all else is equal."""
        with _Run(self, FakeVenue(), tmp_path / "run") as run:
            for order_id in ("a:1:0", "a:1:1"):
                run.settle(order_id)
            _must(
                len(run.venue.orders) == 2,
                f"two ids came to {len(run.venue.orders)} orders: tell orders apart by their id alone, "
                "never by what they contain",
            )

    def test_seeded_misbehaviour(self, tmp_path: Path) -> None:
        """Each order is placed once in seeded mixes of faults and crashes."""
        for seed in range(_SEEDS):
            dedupe = bool(seed % 2)
            # An order that arrives late at a venue that does not dedupe is beyond what any broker can help.
            faults: tuple[Fault, ...] = (*_UNSURE, "late") if dedupe else _UNSURE
            venue = FakeVenue(dedupe=dedupe, seed=seed, rate=0.3, faults=faults)
            rng = Random(seed)  # noqa: S311 - crashes must repeat with their seed
            ids = [f"a:{n}:0" for n in range(3)]
            with _Run(self, venue, tmp_path / str(seed)) as run:
                run.crash_randomly(rng, ids)
                venue.arrive()
                for order_id in ids:
                    run.placed_once(order_id, f"with faults and crashes of seed {seed} (FakeVenue(seed={seed}))")

    def _unsure(self, tmp_path: Path, faults: Iterable[Fault], when: str) -> None:
        for fault in faults:
            for dedupe in (True, False):
                with _Run(self, FakeVenue(dedupe=dedupe), tmp_path / f"{fault}-{dedupe}") as run:
                    run.venue.plan = [fault]
                    run.settle("a:1:0")
                    run.placed_once(
                        "a:1:0",
                        f"{when} ({fault}): ask the venue by client order id, and send again only if it knows nothing",
                    )


class _Run:
    """A venue with the brokers that a test starts and crashes."""

    def __init__(self, contract: BrokerContract, venue: FakeVenue, folder: Path) -> None:
        folder.mkdir()
        self._contract = contract
        self._folder = folder
        self.venue = venue
        self.broker = contract.broker(venue, folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def restart(self) -> None:
        self._end()
        self.broker = self._contract.broker(self.venue, self._folder)

    def submit(self, order_id: str) -> bool:
        """Submit an order; return False where the broker says that the order's state is unknown."""
        try:
            self.broker.submit(_order(order_id))
        except VenueUnavailable:
            return False
        except (TimeoutError, ConnectionError) as error:
            raise AssertionError(f"submit let {error!r} through: raise VenueUnavailable instead") from error
        return True

    def settle(self, order_id: str) -> None:
        """Submit an order until its state is known, as a session does with orders that are not confirmed."""
        if not any(self.submit(order_id) for _ in range(_MOST_TRIES)):
            raise AssertionError(
                f"submit still raises VenueUnavailable after {_MOST_TRIES} tries at a venue that answers: "
                "ask the venue, and send again if it knows nothing"
            )

    def state(self, order_id: str, *, unavailable: str | None = None) -> str | None:
        try:
            answer = self.broker.query(order_id)
        except VenueUnavailable:
            return unavailable
        except (TimeoutError, ConnectionError) as error:
            raise AssertionError(f"query let {error!r} through: raise VenueUnavailable instead") from error
        return None if answer is None else answer.get("state")

    def crash_at(self, step: int, order_id: str, *, attempts: int) -> str | None:
        """Crash the broker at its n-th step and start another; return the step's name, None where there are fewer."""
        left = step

        def interrupt(name: str) -> None:
            nonlocal left
            if not left:
                raise Crash(name)
            left -= 1

        self.venue.interrupt = interrupt
        try:
            for _ in range(attempts):
                self.submit(order_id)
        except Crash as crash:
            return str(crash)
        finally:
            self.venue.interrupt = None
            self.restart()
        return None

    def crash_randomly(self, rng: Random, order_ids: Iterable[str]) -> None:
        def interrupt(name: str) -> None:
            if rng.random() < 0.15:
                raise Crash(name)

        self.venue.interrupt = interrupt
        for order_id in order_ids:
            for _ in range(_MOST_TRIES):
                try:
                    if self.submit(order_id):
                        break
                except Crash:
                    self.restart()
        self.venue.interrupt = None

    def placed_once(self, order_id: str, why: str) -> None:
        count = sum(order.client_id == order_id for order in self.venue.orders)
        others = sorted({order.client_id for order in self.venue.orders if not count})
        hint = f" (the venue has {', '.join(others)}: send the decision's id as the client order id)" if others else ""
        _must(count == 1, f"order {order_id} was placed {count} times{hint} {why}")

    def _end(self) -> None:
        close = getattr(self.broker, "close", None)
        if close is not None:
            close()


def _order(order_id: str) -> dict[str, Any]:
    return {"id": order_id, "sid": "GOOG", "side": "buy", "quantity": "10", "quote": 345.0}


def _must(holds: bool, otherwise: str) -> None:  # noqa: FBT001 - reads as an assertion
    if not holds:
        raise AssertionError(otherwise)
