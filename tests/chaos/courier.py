"""A connector without sockets: the real window of open deliveries, turned by the simulation one small step at a time.

What surrounds the window here is what `intuition connect` does with paho and zerorpc, in one page, so that anything can
happen between two steps.
"""

import random
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

import msgspec
from intuition_connector_mqtt.window import Receipt, Window

from intuition_core.errors import BackendLost, BackendRefused

CLIENT = "courier"
_MANY = 5
"""Acknowledgements of unknown fate that are worth a question aside."""


class Wire:
    """One connection to the broker: packets on their way up and down. What is under way when it breaks is lost."""

    def __init__(self) -> None:
        self.up: deque[tuple[Any, ...]] = deque()
        self.down: deque[tuple[Any, ...]] = deque()
        self.open = True


class Broker(Protocol):
    def connect(self) -> tuple[Wire, Wire, bool]:
        """Give a way in, a way out, and whether the session was there."""


class Delivery(Receipt):
    """A message that arrived, and how many of its records are not yet published."""

    __slots__ = ("outstanding", "payload")

    def __init__(self, packet: int, topic: str, payload: bytes) -> None:
        super().__init__(packet, topic, f"{hash((topic, payload)):x}")
        self.payload = payload
        self.outstanding = 0


Outgoing = tuple[dict[str, Any], Delivery | None]


class Courier:
    """See the module."""

    def __init__(self, call: Callable[..., Any], broker: Broker, rng: random.Random, now: Callable[[], int]) -> None:
        self._call = call
        self._broker = broker
        self._rng = rng
        self._now = now
        self._epoch: int | None = None
        self._window: Window | None = None
        self._inlet: Wire | None = None
        self._outlet: Wire | None = None
        self._untold = False  # the broker began anew, and the session does not know it yet
        self._inbox: deque[Delivery] = deque()
        self._published: str | None = None
        self._outgoing: deque[Outgoing] = deque()
        self._in_flight: deque[Outgoing] = deque()

    @property
    def idle(self) -> bool:
        return not (self._inbox or self._outgoing or self._in_flight)

    def step(self) -> None:
        """Do one of the things that there are to do."""
        if self._epoch is None or self._window is None:
            self._attach()
        elif self._inlet is None or self._outlet is None:
            self._connect(self._window)
        elif not self._inlet.open or not self._outlet.open:
            self._lost(self._window)
        elif self._untold:
            self._tell(self._window)
        else:
            self._act(self._window, self._inlet, self._outlet)

    def _act(self, window: Window, inlet: Wire, outlet: Wire) -> None:
        actions: list[Callable[[Window, Wire, Wire], None]] = []
        if inlet.down:
            actions += self._read, self._read, self._read  # so that batches become larger than one
        if self._inbox:
            actions.append(self._deliver)
        if self._outgoing:
            actions.append(self._send)
        if outlet.down:
            actions.append(self._hear)
        if window.due:
            actions.append(self._acknowledge)
        if window.asks or window.unproven > _MANY:
            actions.append(self._ask)
        if actions:
            actions[int(self._rng.random() * len(actions))](window, inlet, outlet)

    def _attach(self) -> None:
        try:
            link = self._call("attach", CLIENT)
            outbox = self._call("outbox", CLIENT, link["epoch"], 1000)
        except (BackendLost, BackendRefused):
            return
        self._epoch = link["epoch"]
        if self._window is None:
            self._window = Window(CLIENT, link["epoch"], [tuple(mark) for mark in link["window"]])
        self._window.epoch = link["epoch"]
        self._outgoing.extend((record, None) for record in outbox)

    def _connect(self, window: Window) -> None:
        self._inlet, self._outlet, present = self._broker.connect()
        window.connect(resumed=present)
        self._untold = not present

    def _tell(self, window: Window) -> None:
        try:
            self._call("confirm", CLIENT, self._epoch, window.settled, self._published)
        except (BackendLost, BackendRefused):
            self._epoch = None
        else:
            self._untold = False

    def _lost(self, window: Window) -> None:
        for wire in (self._inlet, self._outlet):
            if wire is not None:
                wire.open = False
        self._inlet = self._outlet = None
        window.disconnect()
        self._outgoing.extendleft(reversed(self._in_flight))
        self._in_flight.clear()

    def _read(self, window: Window, inlet: Wire, _outlet: Wire) -> None:
        for _ in range(1 + int(self._rng.random() * 8)):
            if not inlet.down:
                return
            kind, *content = inlet.down.popleft()
            if kind == "answer":
                window.answer(content[0])
            elif window.receive(delivery := Delivery(*content)):
                self._inbox.append(delivery)

    def _deliver(self, window: Window, _inlet: Wire, _outlet: Wire) -> None:
        batch = list(self._inbox)[: self._rng.randint(1, 12)]
        options = {
            "client": CLIENT,
            "epoch": self._epoch,
            "deliveries": [list(delivery.mark) for delivery in batch],
            "acked": window.settled,
            "published": self._published,
        }
        try:
            replies = self._call("events", [self._item(delivery.payload) for delivery in batch], options)
        except BackendRefused as error:
            if error.name != "JournalFailed":
                self._epoch = None
            return
        except BackendLost:
            self._epoch = None
            return
        for delivery, reply in zip(batch, replies, strict=True):
            self._inbox.popleft()
            records = [{"type": "dead"}] if isinstance(reply, dict) else reply
            delivery.outstanding = len(records)
            self._outgoing.extend((record, delivery) for record in records)
            if not records:
                window.finish(delivery)

    def _item(self, payload: bytes) -> dict[str, Any] | None:
        return {**msgspec.json.decode(payload), "ts": self._now()} if payload.startswith(b"{") else None

    def _send(self, _window: Window, _inlet: Wire, outlet: Wire) -> None:
        while self._outgoing and len(self._in_flight) < 10:
            entry = self._outgoing.popleft()
            outlet.up.append(("publish", entry[0]))
            self._in_flight.append(entry)

    def _hear(self, window: Window, _inlet: Wire, outlet: Wire) -> None:
        while outlet.down:
            kind, *content = outlet.down.popleft()
            if kind == "answer":
                window.answer(content[0])
                continue
            record, delivery = self._in_flight.popleft()
            self._published = record.get("id", self._published)
            if delivery is not None:
                delivery.outstanding -= 1
                if not delivery.outstanding:
                    window.finish(delivery)

    def _acknowledge(self, window: Window, inlet: Wire, _outlet: Wire) -> None:
        inlet.up.extend(("ack", receipt.packet) for receipt in window.acknowledge())

    def _ask(self, window: Window, inlet: Wire, _outlet: Wire) -> None:
        if window.asks:
            inlet.up.append(("ask", window.ask()))
        else:
            inlet.up.append(("ask aside", window.ask(in_order=False)))
