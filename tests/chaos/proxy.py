"""Proxies that understand what they carry, and can strike when a certain packet passes."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, Final, Literal, NamedTuple

import msgpack

Label = str
When = Literal["before", "after"]

_GREETING: Final = 64  # bytes with which each end of a ZeroMQ connection begins


class Packet(NamedTuple):
    """Bytes that are passed on together, and what they are, if it is of interest."""

    content: bytes
    label: Label | None = None


Reading = Iterator[Packet]


class MqttReader:
    """Cuts what goes one way between an MQTT client and a broker into packets.

    Args:
        outward: whether it goes from the client to the broker.
    """

    def __init__(self, *, outward: bool) -> None:
        self._outward = outward
        self._held = bytearray()

    def feed(self, content: bytes) -> Reading:
        """Give the packets that are complete."""
        held = self._held
        held += content
        while (size := _mqtt_size(held)) is not None and len(held) >= size:
            packet = bytes(held[:size])
            del held[:size]
            yield Packet(packet, self._label(packet))

    def _label(self, packet: bytes) -> Label | None:
        kind = packet[0] >> 4
        if kind == 2:
            return "welcome"
        if kind == 3:
            if not self._outward:
                return "event"
            return "publication" if b"/decisions" in packet[:64] else None
        if kind == 4:
            return "acknowledgement" if self._outward else "confirmation"
        return None


def _mqtt_size(held: bytearray) -> int | None:
    """Give how long the first packet is in all, once that is known."""
    length = 0
    for place in range(1, min(len(held), 5)):
        length |= (held[place] & 0x7F) << 7 * (place - 1)
        if not held[place] & 0x80:
            return place + 1 + length
    return None


class RpcReader:
    """Cuts what goes one way between zerorpc's ends into ZeroMQ frames.

    Args:
        calls: the ids of calls that were seen, and their methods; shared by both ways.
    """

    def __init__(self, calls: dict[bytes, str]) -> None:
        self._calls = calls
        self._held = bytearray()
        self._greeting = _GREETING

    def feed(self, content: bytes) -> Reading:
        """Give the frames that are complete."""
        held = self._held
        held += content
        if self._greeting and held:  # each end waits for the beginning of the other's greeting to finish its own
            greeting = bytes(held[: self._greeting])
            del held[: len(greeting)]
            self._greeting -= len(greeting)
            yield Packet(greeting)
        while len(held) >= 2:
            wide = bool(held[0] & 2)
            begin = 9 if wide else 2
            if len(held) < begin:
                return
            size = begin + (int.from_bytes(held[1:9]) if wide else held[1])
            if len(held) < size:
                return
            frame = bytes(held[:size])
            del held[:size]
            yield Packet(frame, None if frame[0] & 4 else self._label(frame[begin:]))

    def _label(self, body: bytes) -> Label | None:
        if not body:
            return None
        header, name, _ = msgpack.unpackb(body, strict_map_key=False)
        if name in ("events", "attach"):
            self._calls[_plain(header["message_id"])] = name
            return "call" if name == "events" else "attach"
        method = self._calls.pop(_plain(header.get("response_to")), None) if name == "OK" else None
        return {"events": "reply", "attach": "attached", None: None}[method]


def _plain(identity: Any) -> bytes:
    return identity.encode() if isinstance(identity, str) else identity or b""


class Trap(NamedTuple):
    """What to do at which packet.

    ``drop``: whether the packet and all that follows on its connection is not passed on, as if its sender had died.
    """

    label: Label
    when: When
    count: int
    strike: Callable[[], None]
    drop: bool = False


class Proxy:
    """Listens on a port of its own, and passes on what comes to another.

    Args:
        protocol: what is spoken.
        target: the other port.
    """

    def __init__(self, protocol: Literal["mqtt", "rpc"], target: int) -> None:
        self.seen: dict[Label, int] = {}
        self._protocol = protocol
        self._target = target
        self._trap: Trap | None = None
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._ends: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def set(self, trap: Trap | None) -> None:
        """Wait for a packet from now on; forget the one that was waited for."""
        with self._lock:
            self._trap = trap

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for end in self._ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
        for end in self._ends:
            end.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self._target), timeout=5)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            calls: dict[bytes, str] = {}
            for source, sink, outward in ((client, server, True), (server, client, False)):
                source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                reader = MqttReader(outward=outward) if self._protocol == "mqtt" else RpcReader(calls)
                self._ends.append(source)
                self._threads.append(threading.Thread(target=self._pass, args=(source, sink, reader), daemon=True))
                self._threads[-1].start()

    def _pass(self, source: socket.socket, sink: socket.socket, reader: MqttReader | RpcReader) -> None:
        with suppress(OSError):
            while content := source.recv(65536):
                if not all(self._carry(packet, sink) for packet in reader.feed(content)):
                    break
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _carry(self, packet: Packet, sink: socket.socket) -> bool:
        """Pass a packet on; give whether the connection is to go on."""
        trap = self._sprung(packet.label) if packet.label is not None else None
        if trap is not None and trap.when == "before":
            trap.strike()
            if trap.drop:
                return False
        sink.sendall(packet.content)
        if trap is not None and trap.when == "after":
            trap.strike()
        return True

    def _sprung(self, label: Label) -> Trap | None:
        with self._lock:
            self.seen[label] = self.seen.get(label, 0) + 1
            trap = self._trap
            if trap is None or trap.label != label:
                return None
            if trap.count > 1:
                self._trap = trap._replace(count=trap.count - 1)
                return None
            self._trap = None
            return trap
