"""A simulated world: the real session and its journal, a broker and a connector without sockets, and faults by seed.

Everything happens on one thread in an order that the seed decides, so a seed that fails fails again.
``python -m tests.chaos.simulation SEED [COUNT]`` runs one, or several, and says what befell them.
"""

import gc
import json
import random
import sqlite3
import sys
from collections import Counter, deque
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import Any, Final, NamedTuple

import msgspec

from intuition_core.config.loading import Config, load_config
from intuition_core.errors import BackendLost, BackendRefused, IntuitionError
from intuition_core.plugins.catalogue import Catalogue, discover
from intuition_core.serving.service import Service
from intuition_core.session import session as session_module
from intuition_core.session.journal import MEMORY, Journal

from .checker import UNNUMBERED, Arrival, FailureDecision, Published, judge
from .courier import Courier, Wire
from .reference import CASH, NUMBERED, account

EVENTS: Final = 50
FAULTS: Final = 3
_PACE: Final = 4
"""Steps for each event; faults come within them."""
_PATIENCE: Final = 20_000
_PACKETS: Final = 300
"""Packet ids that the broker has; it begins at 1 again after them."""
_WINDOW: Final = 20
_AT_ONCE: Final = 12
"""Messages that are sent again before any of them is acknowledged."""


class Crash(BaseException):
    """The session's process is killed here."""


class Outcome(NamedTuple):
    """What came of a seed."""

    seed: int
    faults: list[str]
    verdict: FailureDecision | None
    problem: str | None

    @property
    def good(self) -> bool:
        return self.problem is None and self.verdict is not None and self.verdict.good

    def __str__(self) -> str:
        return f"seed {self.seed}: {self.problem or self.verdict}; faults: {', '.join(self.faults)}"


class Disk:
    """A connection to SQLite that can fail, and at whose statements the process can be killed."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self.full = False
        self.fail_after: int | None = None
        self.crash_after: int | None = None

    def execute(self, statement: str, *args: Any) -> sqlite3.Cursor:
        self._write(statement)
        return self._database.execute(statement, *args)

    def executemany(self, statement: str, *args: Any) -> sqlite3.Cursor:
        self._write(statement)
        return self._database.executemany(statement, *args)

    def _write(self, statement: str) -> None:
        if statement.startswith(("SELECT", "ROLLBACK")):
            return
        if self.full and not statement.startswith("BEGIN"):
            raise sqlite3.OperationalError("database or disk is full")
        if self.fail_after is not None:
            self.fail_after -= 1
            if self.fail_after <= 0:
                self.fail_after = None
                raise sqlite3.OperationalError("disk I/O error")
        if self.crash_after is not None:
            self.crash_after -= 1
            if self.crash_after <= 0:
                self.crash_after = None
                raise Crash

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)


class SimulatedBroker:
    """QoS 1 for one persistent session, and for what it publishes."""

    def __init__(self, executor: Callable[[dict[str, Any]], None]) -> None:
        self.queue: deque[tuple[str, bytes]] = deque()
        self.in_flight: dict[int, tuple[str, bytes]] = {}
        self._again: deque[int] = deque()
        self._packet = 0
        self._present = False
        self._inlet = Wire()
        self._outlet = Wire()
        self._executor = executor

    @property
    def idle(self) -> bool:
        return not (self.queue or self.in_flight)

    def connect(self) -> tuple[Wire, Wire, bool]:
        self.disconnect()
        self._inlet, self._outlet = Wire(), Wire()
        self._again = deque(self.in_flight)
        self._send_again(_AT_ONCE)
        present, self._present = self._present, True
        return self._inlet, self._outlet, present

    def _send_again(self, count: int) -> None:
        """Send some of what is not acknowledged again; the rest as acknowledgements make room, as mosquitto does."""
        while self._again and count:
            packet = self._again.popleft()
            if packet in self.in_flight:
                self._inlet.down.append(("message", packet, *self.in_flight[packet]))
                count -= 1

    def disconnect(self) -> None:
        """What is on its way down never arrives; what is on its way up may have."""
        self._inlet.open = self._outlet.open = False

    def publish(self, topic: str, payload: bytes) -> bool:
        """Take a message for the session; tell whether there is one."""
        if self._present:
            self.queue.append((topic, payload))
        return self._present

    def state(self) -> Any:
        return self.queue.copy(), self.in_flight.copy(), self._packet, self._present

    def restore(self, state: Any) -> None:
        self.disconnect()
        queue, in_flight, self._packet, self._present = state
        self.queue, self.in_flight = queue.copy(), in_flight.copy()

    def forget(self) -> None:
        """Lose the session."""
        self.disconnect()
        self.queue.clear()
        self.in_flight.clear()
        self._packet = 0
        self._present = False

    def step(self, rng: random.Random) -> None:
        inlet, outlet = self._inlet, self._outlet
        if inlet.open:
            for _ in range(int(rng.random() * (min(len(inlet.up), 5) + 1)) if inlet.up else 0):
                kind, *content = inlet.up.popleft()
                if kind == "ack":
                    self.in_flight.pop(content[0], None)
                    self._send_again(1)
                elif kind == "ask":
                    inlet.down.append(("answer", *content))
                else:
                    outlet.down.append(("answer", *content))
            for _ in range(int(rng.random() * 9) if self.queue else 0):
                if self.queue and not self._again and len(self.in_flight) < _WINDOW:
                    self._packet = self._packet % _PACKETS + 1
                    while self._packet in self.in_flight:
                        self._packet = self._packet % _PACKETS + 1
                    self.in_flight[self._packet] = message = self.queue.popleft()
                    inlet.down.append(("message", self._packet, *message))
        if outlet.open and outlet.up:
            for _ in range(int(rng.random() * (min(len(outlet.up), 5) + 1))):
                self._executor(outlet.up.popleft()[1])
                outlet.down.append(("confirmed",))


class World:
    """One seed's world.

    Args:
        seed: decides everything.
    """

    def __init__(self, seed: int) -> None:
        self.rng = rng = random.Random(seed)
        self.named = rng.random() < 0.4
        self.arrivals: list[Arrival] = []
        self.befell: list[str] = []
        self._time = 0
        self._events = self._make_events(EVENTS + rng.randint(0, 5))
        self._next = 0  # the next to be published
        self._broker = SimulatedBroker(self._execute)
        self._saved = (self._broker.state(), 0)
        self._journal = Journal(MEMORY)
        self._disk = Disk(self._journal._database.connection)
        self._journal._database.connection = self._disk  # type: ignore[assignment]  # it does what the journal needs
        self._service = self._start()
        self._call_faults: deque[str] = deque()
        self._late: list[tuple[str, tuple[Any, ...]]] = []
        self._courier = self._new_courier()
        # The session is there before anything is published, as the promise begins with that.
        while not self._broker.state()[3]:
            self._courier.step()

    def run(self) -> FailureDecision:
        """Let everything happen, then come to rest, and judge it.

        Raises:
            TimeoutError: it does not come to rest.
        """
        rng = self.rng
        faults = sorted(
            (rng.randrange(len(self._events) * _PACE) for _ in range(FAULTS + rng.randint(0, 3))), reverse=True
        )
        mend_at = 0
        for tick in range(_PATIENCE):
            if faults and tick >= faults[-1]:
                faults.pop()
                mend_at = tick + rng.randint(3, 80)
                self._disturb()
            elif tick == mend_at:
                self._disk.full = False
            chance = rng.random()
            if chance < 0.25 and self._next < len(self._events):
                self._publish()
            elif chance < 0.6:
                self._broker.step(rng)
            else:
                self._courier.step()
            if self._late and chance < 0.05:
                self._run_late()
            at_rest = not faults and tick > mend_at and self._next == len(self._events)
            if at_rest and self._courier.idle and self._broker.idle and not self._late:
                break
        else:
            raise TimeoutError(f"no rest after {_PATIENCE} steps")
        return self._judge()

    def close(self) -> None:
        """Let the journal go, which outlives the processes of the session."""
        self._journal.close()

    def _judge(self) -> FailureDecision:
        published = [
            Published(event["sid"], event.get("number", UNNUMBERED)) for event in self._events if event is not None
        ]
        events = [event for event in self._events if event is not None]
        expected = account(events)
        verdict = judge(published, self.arrivals, ledger=self._service.account(), expected=expected)
        if verdict.good and self.rng.random() < 0.3:
            # And once more, from what is written.
            verdict = judge(published, self.arrivals, ledger=self._start().account(), expected=expected)
        return verdict

    # -- what is published, and executed

    def _make_events(self, count: int) -> list[dict[str, Any] | None]:
        numbers: dict[str, int] = {}
        events: list[dict[str, Any] | None] = []
        for n in range(count):
            chance = self.rng.random()
            if not self.named and chance < 0.06:
                events.append(None)  # unreadable
                continue
            if not self.named and chance < 0.3:
                events.append({"sid": "FLAT", "quote": 50})
                continue
            sid = f"S{self.rng.randrange(3)}"
            number = numbers[sid] = numbers.get(sid, -1) + 1
            event = {"sid": sid, "quote": 100 + self.rng.randrange(-80, 80) / 8, "number": number}
            events.append({**event, "id": n, "source": "simulation"} if self.named else event)
        return events

    def _publish(self) -> None:
        event = self._events[self._next]
        if self._broker.publish("quotes", b"no json" if event is None else msgspec.json.encode(event)):
            self._next += 1

    def _execute(self, record: dict[str, Any]) -> None:
        if record["type"] == "decision":
            content = msgspec.json.encode(record, order="sorted").decode()
            self.arrivals.append(Arrival(record["id"], record["sid"], int(record["reason"]), content))

    # -- calls

    def _new_courier(self) -> Courier:
        return Courier(self._call, self._broker, self.rng, self._now)

    def _now(self) -> int:
        self._time += 1
        return self._time

    def _call(self, method: str, *args: Any) -> Any:
        fault = self._call_faults.popleft() if self._call_faults else "none"
        if fault == "unheard":
            raise BackendLost("simulation", "the call was lost")
        if fault == "late":
            self._late.append((method, args))
            raise BackendLost("simulation", "the call takes longer than anybody waits")
        reply = self._run(method, *args)
        if fault == "unanswered":
            raise BackendLost("simulation", "the answer was lost")
        return reply

    def _run(self, method: str, *args: Any) -> Any:
        try:
            return getattr(self._service, method)(*args)
        except IntuitionError as error:
            raise BackendRefused("simulation", method, type(error).__name__, str(error)) from error
        except Crash:
            self._service = self._start()
            raise BackendLost("simulation", "it was killed") from None

    def _run_late(self) -> None:
        method, args = self._late.pop(0)
        with suppress(BackendRefused, BackendLost):
            self._run(method, *args)

    def _start(self) -> Service:
        """Start the session, as a new process would, from what the journal holds."""
        if self._disk.in_transaction:
            self._disk.execute("ROLLBACK")
        full, self._disk.full = self._disk.full, False
        try:
            return Service(_config(), _catalogue(), journal=lambda _: self._journal, now=self._now)
        finally:
            self._disk.full = full

    # -- faults

    def _disturb(self) -> None:
        faults: dict[str, Callable[[], None]] = {
            "connection lost": self._broker.disconnect,
            "connector killed": self._kill_courier,
            "session killed": self._kill_session,
            "session killed while it writes": self._kill_in_write,
            "call lost": lambda: self._call_faults.append("unheard"),
            "answer lost": lambda: self._call_faults.append("unanswered"),
            "call late": lambda: self._call_faults.append("late"),
            "call late and connector killed": self._late_and_killed,
            "disk full": self._fill_disk,
            "I/O error": self._break_write,
            "decision delivered again": self._deliver_again,
            "broker restarted": lambda: self._broker.restore(self._broker.state()),
        }
        if self.named:
            faults |= {"broker killed": self._kill_broker, "broker forgot the session": self._forget}
            self._save()
        name = self.rng.choice([*faults])
        self.befell.append(name)
        faults[name]()

    def _kill_courier(self) -> None:
        self._broker.disconnect()
        self._courier = self._new_courier()

    def _kill_session(self) -> None:
        self._service = self._start()

    def _kill_in_write(self) -> None:
        self._disk.crash_after = self.rng.randint(1, 15)

    def _late_and_killed(self) -> None:
        self._call_faults.append("late")
        for _ in range(30):
            self._courier.step()
            self._broker.step(self.rng)
        self._kill_courier()

    def _fill_disk(self) -> None:
        self._disk.full = True

    def _break_write(self) -> None:
        self._disk.fail_after = self.rng.randint(1, 15)

    def _deliver_again(self) -> None:
        if self.arrivals:
            self.arrivals.append(self.rng.choice(self.arrivals))

    def _save(self) -> None:
        if self.rng.random() < 0.5:
            self._saved = (self._broker.state(), self._next)

    def _kill_broker(self) -> None:
        """It comes back as it was when it last saved, and its publisher publishes again what came since."""
        state, self._next = self._saved
        self._broker.restore(state)

    def _forget(self) -> None:
        """It comes back without the session; the publisher begins where something may be missing."""
        self._broker.forget()
        executed = {(arrival.symbol, arrival.number) for arrival in self.arrivals}
        missing = (
            n
            for n, event in enumerate(self._events)
            if event is not None and (event["sid"], event.get("number")) not in executed
        )
        self._next = max(0, min(next(missing, self._next), self._next) - self.rng.randint(0, 5))


@cache
def _catalogue() -> Catalogue:
    if str(NUMBERED) not in sys.path:
        sys.path.append(str(NUMBERED))
    return discover()


@cache
def _config() -> Config:
    flags = {"algorithm.name": "saved-numbered", "portfolio.name": "saved-counted", "cash": str(CASH), "seed": 7}
    return load_config(None, flags={**flags, "session": "simulation"})


def simulate(seed: int) -> Outcome:
    """Run one seed; whatever happens is in the outcome."""
    kept = session_module.SNAPSHOT_EVERY
    session_module.SNAPSHOT_EVERY = random.Random(seed).choice((7, 20, kept))  # type: ignore[misc]  # for recoveries of both kinds
    world: World | None = None
    try:
        world = World(seed)
        return Outcome(seed, world.befell, world.run(), None)
    except Exception as error:  # noqa: BLE001  # any defect of the program is what is looked for
        return Outcome(seed, world.befell if world else [], None, f"{type(error).__name__}: {error}")
    finally:
        session_module.SNAPSHOT_EVERY = kept  # type: ignore[misc]  # the same
        if world is not None:
            world.close()


def main(first: int, count: int = 1) -> None:
    """Run some seeds; write a JSON line for each that fails, and one about all."""
    befell: Counter[str] = Counter()
    simulate(first)  # imports what is imported on the way
    gc.freeze()  # and need not be looked through again and again
    for seed in range(first, first + count):
        outcome = simulate(seed)
        befell.update(outcome.faults)
        if not outcome.good or count == 1:
            print(json.dumps({"seed": seed, "good": outcome.good, "outcome": str(outcome)}), flush=True)
    print(json.dumps({"seeds": count, "faults": befell}))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
