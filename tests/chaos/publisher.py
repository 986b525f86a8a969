"""A publisher that keeps a log, and comes back whatever happens to the broker."""

import json
import random
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any, Final

from paho.mqtt.client import Client, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion

_WINDOW: Final = 100
_NO_SUBSCRIBER: Final = 16
_UNSAVED: Final = 8.0
"""Seconds before a loss in which a broker may have forgotten what it acknowledged: it saves every second or two."""


class Publisher(threading.Thread):
    """Publishes events of several symbols, interleaved, until it is told to stop.

    Args:
        port: the broker's.
        log: the file of what was sent and what was confirmed; `checker.read_published` reads it.
        seed: decides what is published.
        named: give each event an id, keep it, and publish it again after a loss. Without, what was not acknowledged is
            not published again, and its fate stays unknown; payloads may be the same, or arrays, or unreadable.
        rate: events a second.
    """

    def __init__(self, port: int, log: Path, *, seed: int, named: bool, symbols: int = 4, rate: float = 250) -> None:
        super().__init__(name="publisher")
        self.sent = 0
        self.confirmed: set[int] = set()
        self._port = port
        self._log = log.open("w")
        self._rng = random.Random(seed)
        self._named = named
        self._symbols = [f"S{n}" for n in range(symbols)]
        self._rate = rate
        self._numbers: Counter[str] = Counter()
        self._kept: list[
            tuple[float, str, bytes]
        ] = []  # by number, when named: when first sent, the topic, the payload
        self._waiting: dict[int, list[int]] = {}
        self._unheard = False
        self._stopping = threading.Event()
        self._finished = threading.Event()
        self._client: Client | None = None

    @property
    def settled(self) -> bool:
        """Whether everything that can be confirmed was."""
        return self._finished.is_set()

    def finish(self) -> None:
        """Publish nothing new, but go on until all is confirmed."""
        self._stopping.set()

    def abandon(self) -> None:
        """End now, whatever is not confirmed."""
        self._finished.set()
        if self.is_alive():
            self.join(20)
        self._log.close()

    def run(self) -> None:
        due = time.monotonic()
        while not self._finished.is_set():
            if self._client is None and not self._connect():
                time.sleep(0.05)
                due = time.monotonic()
                continue
            if self._stopping.is_set():
                if not self._waiting:
                    self._finished.set()
            elif len(self._waiting) < _WINDOW and time.monotonic() >= due:
                due = max(due, time.monotonic() - 0.1) + self._publish_next() / self._rate
            self._turn(0.002)
        if self._client is not None:
            self._client.disconnect()

    def _turn(self, seconds: float) -> bool:
        """Exchange with the broker; give whether it is still there."""
        if self._client is not None and self._client.loop(seconds) != 0:
            self._drop()
        return self._client is not None

    def _drop(self) -> None:
        if self._client is not None and (sock := self._client.socket()) is not None:
            sock.close()
        self._client = None
        self._waiting.clear()

    def _connect(self) -> bool:
        client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv5, reconnect_on_failure=False)
        client.max_inflight_messages_set(1000)
        client.on_publish = self._on_publish
        started = time.monotonic()
        try:
            client.connect("127.0.0.1", self._port, keepalive=5)
        except OSError:
            return False
        self._client = client
        while self._turn(0.05) and not client.is_connected():
            if time.monotonic() - started > 5:
                self._drop()
        return self._client is not None and (not self._named or self._publish_again(started))

    def _publish_again(self, lost: float) -> bool:
        """Publish all that the broker may not have, in order; the first alone, until somebody listens."""
        first = next(
            (n for n, (at, *_) in enumerate(self._kept) if at > lost - _UNSAVED or n not in self.confirmed), None
        )
        if first is None:
            return True
        again = [first]
        while again and not self._finished.is_set():
            self._unheard = False
            for n in again:
                _, topic, payload = self._kept[n]
                self._send(topic, payload, [n])
                while len(self._waiting) >= _WINDOW and self._turn(0.01):
                    pass
            while self._waiting and self._turn(0.01):
                pass
            if self._client is None:
                return False
            if self._unheard:
                time.sleep(0.05)
                again = again[:1] if again == [first] else [first]
            else:
                again = list(range(first + 1, len(self._kept))) if again == [first] else []
        return True

    def _publish_next(self) -> int:
        """Publish one message; give how many events it carries."""
        rng = self._rng
        if self._named:
            event = self._event(rng.choice(self._symbols))
            event |= {"id": f"e{self.sent}", "source": "chaos", "seq": event["number"]}
            events = [event]
        elif rng.random() < 0.02:
            self._send("quotes/BAD", b"no json", [])
            return 1
        elif rng.random() < 0.1:
            events = [self._event(symbol) for symbol in rng.sample(self._symbols, 2)]
        elif rng.random() < 0.2:
            events = [{"sid": "FLAT", "quote": 50}]
        else:
            events = [self._event(rng.choice(self._symbols))]
        topic = "quotes" if len(events) > 1 else f"quotes/{events[0]['sid']}"
        payload = json.dumps(events if len(events) > 1 else events[0]).encode()
        numbers = range(self.sent, self.sent + len(events))
        for n, event in zip(numbers, events, strict=True):
            self._write("sent", n, event)
        if self._named:
            self._kept.append((time.monotonic(), topic, payload))
        self.sent += len(events)
        self._send(topic, payload, list(numbers))
        return len(events)

    def _event(self, symbol: str) -> dict[str, Any]:
        number = self._numbers[symbol]
        self._numbers[symbol] += 1
        return {"sid": symbol, "quote": 100 + self._rng.randrange(-80, 80) / 8, "number": number}

    def _send(self, topic: str, payload: bytes, numbers: list[int]) -> None:
        if self._client is not None:
            info = self._client.publish(topic, payload, qos=1)
            self._waiting[info.mid] = numbers

    def _on_publish(self, _client: Client, _userdata: Any, mid: int, reason: Any, _properties: Any) -> None:
        numbers = self._waiting.pop(mid)
        if reason.value == _NO_SUBSCRIBER:
            self._unheard = True
            return
        for n in numbers:
            if n not in self.confirmed:
                self.confirmed.add(n)
                self._write("confirmed", n)

    def _write(self, *line: Any) -> None:
        self._log.write(json.dumps(line) + "\n")
        self._log.flush()
