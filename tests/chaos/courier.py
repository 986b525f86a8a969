"""A connector without sockets, after the protocol and nothing else: what `intuition connect` has to do, in one page.

It is turned by the simulation, one small step at a time, so that anything can happen between two steps.
"""

import json
import random
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, Protocol

from intuition_core.errors import BackendLost, BackendRefused

CLIENT = "courier"


class Wire:
    """One connection to the broker: packets on their way up and down. What is under way when it breaks is lost."""

    def __init__(self) -> None:
        self.up: deque[tuple[Any, ...]] = deque()
        self.down: deque[tuple[Any, ...]] = deque()
        self.open = True


class Broker(Protocol):
    def connect(self) -> tuple[Wire, Wire, bool]:
        """Give a way in, a way out, and whether the session was there."""


class Delivery:
    """A message that arrived."""

    __slots__ = ("acked", "hash", "key", "outstanding", "packet", "payload", "settled", "topic")

    def __init__(self, packet: int, topic: str, payload: bytes) -> None:
        self.key = ""
        self.packet = packet
        self.topic = topic
        self.payload = payload
        self.hash = f"{hash((topic, payload)):x}"
        self.outstanding = 0
        self.settled = False  # all that is to be published is known
        self.acked = False

    @property
    def seen(self) -> "Seen":
        return Seen(self.key, self.packet, self.topic, self.hash)


class Seen(NamedTuple):
    key: str
    packet: int
    topic: str
    hash: str


Outgoing = tuple[dict[str, Any], Delivery | None]


class Courier:
    """See the module."""

    def __init__(self, call: Callable[..., Any], broker: Broker, rng: random.Random, now: Callable[[], int]) -> None:
        self._call = call
        self._broker = broker
        self._rng = rng
        self._now = now
        self._epoch: int | None = None
        self._made = 0
        self._inlet: Wire | None = None
        self._outlet: Wire | None = None
        self._inbox: deque[Delivery] = deque()  # not yet answered for by the session
        self._handled: deque[Delivery] = deque()  # answered for, to be acknowledged in order
        self._unsettled: deque[Seen] = deque()  # given a key, and not known to be forgotten by the broker
        self._expected: deque[Seen] | None = None  # what the broker may deliver again on this connection
        self._pinged: deque[str | None] = deque()  # the last key that was acknowledged before each ping
        self._last_acked: str | None = None
        self._settled: str | None = None
        self._published: str | None = None
        self._outgoing: deque[Outgoing] = deque()
        self._in_flight: deque[Outgoing] = deque()

    @property
    def idle(self) -> bool:
        return not (self._inbox or self._handled or self._outgoing or self._in_flight or self._pinged)

    def step(self) -> None:
        """Do one of the things that there are to do."""
        if self._epoch is None:
            self._attach()
        elif self._inlet is None or self._outlet is None:
            self._connect()
        elif not self._inlet.open or not self._outlet.open:
            self._lost()
        else:
            actions = (self._read, self._read, self._deliver, self._send, self._hear, self._acknowledge, self._ping)
            actions[int(self._rng.random() * len(actions))]()

    def _attach(self) -> None:
        try:
            link = self._call("attach", CLIENT)
            self._epoch = link["epoch"]
            if not self._made:  # or else we know more than the session does
                self._unsettled = deque(Seen(*entry) for entry in link["window"])
            outbox = self._call("outbox", CLIENT, self._epoch, 1000)
        except (BackendLost, BackendRefused):
            self._epoch = None
            return
        self._outgoing.extend((record, None) for record in outbox)

    def _connect(self) -> None:
        self._inlet, self._outlet, present = self._broker.connect()
        if present:
            self._expected = deque(self._unsettled)
        else:
            # Nothing of it comes again.
            if self._unsettled:
                self._settled = self._unsettled[-1].key
            self._unsettled.clear()
            self._expected = None

    def _lost(self) -> None:
        for wire in (self._inlet, self._outlet):
            if wire is not None:
                wire.open = False
        self._inlet = self._outlet = None
        self._inbox.clear()
        self._handled.clear()
        self._pinged.clear()
        self._last_acked = None  # what was sent on this connection may never have arrived
        self._outgoing.extendleft(reversed(self._in_flight))
        self._in_flight.clear()

    def _read(self) -> None:
        assert self._inlet is not None
        for _ in range(1 + int(self._rng.random() * 8)):
            if not self._inlet.down:
                return
            kind, *content = self._inlet.down.popleft()
            if kind == "answer":
                self._settle(self._pinged.popleft())
                continue
            delivery = Delivery(*content)
            if _readable(delivery.payload):
                self._name(delivery)
            self._inbox.append(delivery)

    def _name(self, delivery: Delivery) -> None:
        """Give it its key: the one that it has, if the broker delivers it again."""
        expected = self._expected
        if expected is not None:
            place = next(
                (
                    n
                    for n, seen in enumerate(expected)
                    if (seen.packet, seen.topic, seen.hash) == (delivery.packet, delivery.topic, delivery.hash)
                ),
                None,
            )
            if place is None:
                self._expected = None
            else:
                delivery.key = expected[place].key
                for _ in range(place + 1):
                    expected.popleft()
                return
        self._made += 1
        delivery.key = f"{CLIENT}:{self._epoch}:{self._made}"
        self._unsettled.append(delivery.seen)

    def _deliver(self) -> None:
        if not self._inbox:
            return
        batch = list(self._inbox)[: self._rng.randint(1, 12)]
        readable = [delivery for delivery in batch if delivery.key]
        options = {
            "client": CLIENT,
            "epoch": self._epoch,
            "deliveries": [list(delivery.seen) for delivery in readable],
            "acked": self._settled,
            "published": self._published,
        }
        try:
            replies = iter(
                self._call("events", [{**json.loads(each.payload), "ts": self._now()} for each in readable], options)
                if readable
                else ()
            )
        except BackendRefused as error:
            if error.name != "JournalFailed":
                self._epoch = None
            return
        except BackendLost:
            self._epoch = None
            return
        for delivery in batch:
            self._inbox.popleft()
            reply: Iterable[Any] = next(replies) if delivery.key else [{"type": "dead"}]
            if isinstance(reply, dict):
                reply = [{"type": "dead", **reply}]
            for record in reply:
                delivery.outstanding += 1
                self._outgoing.append((record, delivery))
            self._handled.append(delivery)

    def _send(self) -> None:
        assert self._outlet is not None
        while self._outgoing and len(self._in_flight) < 10:
            entry = self._outgoing.popleft()
            self._outlet.up.append(("publish", entry[0]))
            self._in_flight.append(entry)

    def _hear(self) -> None:
        assert self._outlet is not None
        while self._outlet.down:
            self._outlet.down.popleft()
            record, delivery = self._in_flight.popleft()
            self._published = record.get("id", self._published)
            if delivery is not None:
                delivery.outstanding -= 1

    def _acknowledge(self) -> None:
        assert self._inlet is not None
        while self._handled and not self._handled[0].outstanding:
            delivery = self._handled.popleft()
            self._inlet.up.append(("ack", delivery.packet))
            if delivery.key:
                self._last_acked = delivery.key

    def _ping(self) -> None:
        assert self._inlet is not None
        if not self._pinged:
            self._inlet.up.append(("ping",))
            self._pinged.append(self._last_acked)

    def _settle(self, key: str | None) -> None:
        if key is not None and any(seen.key == key for seen in self._unsettled):
            while self._unsettled.popleft().key != key:
                pass
            self._settled = key


def _readable(payload: bytes) -> bool:
    return payload.startswith(b"{")
