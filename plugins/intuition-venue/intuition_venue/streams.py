"""Websockets of a venue: what is pushed goes out in order, unless a fault strikes it."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

import msgspec
from aiohttp import WSMsgType, web

from intuition_venue.faults import Faults

_encode = msgspec.json.Encoder().encode
_MOST_WAITING: Final = 100_000
"""Messages that may wait for a client that does not read, before it is hung up on."""


class Stream:
    """One websocket: `name` is what faults call it. `hear` is called with each message of the client, decoded."""

    def __init__(self, request: web.Request, name: str, faults: Faults, *, binary: bool = False) -> None:
        self.name = name
        self.open = True
        self._request = request
        self._faults = faults
        self._binary = binary
        self._socket = web.WebSocketResponse(autoping=False, max_msg_size=1 << 20)
        self._queue: asyncio.Queue[bytes] = asyncio.Queue()
        self._silent = False

    def send(self, message: Any, *, faultless: bool = False) -> None:
        """Queue a message; with `faultless`, no fault alters it."""
        if self.open:
            self._queue.put_nowait((b"1" if faultless else b"0") + _encode(message))
            if self._queue.qsize() > _MOST_WAITING:
                self.abort()

    def abort(self) -> None:
        """Hang up without a word."""
        self.open = False
        if self._request.transport is not None:
            self._request.transport.abort()

    async def run(self, hear: Callable[[Any], None]) -> web.WebSocketResponse:
        """Carry messages until either side hangs up."""
        await self._socket.prepare(self._request)
        writing = asyncio.create_task(self._write())
        try:
            async for message in self._socket:
                if message.type is WSMsgType.PING and not self._silent:
                    await self._socket.pong(message.data)
                elif message.type in {WSMsgType.TEXT, WSMsgType.BINARY}:
                    with suppress(msgspec.DecodeError):
                        hear(msgspec.json.decode(message.data))
        except ConnectionError:
            pass
        finally:
            self.open = False
            writing.cancel()
            with suppress(asyncio.CancelledError, ConnectionError):
                await writing
        return self._socket

    async def _write(self) -> None:
        swapped: bytes | None = None
        while True:
            marked = await self._queue.get()
            text = marked[1:]
            fault = None if marked[:1] == b"1" else self._faults.strike(f"stream {self.name}")
            sent = [text]
            match fault.do if fault is not None else None:
                case "drop":
                    sent = []
                case "twice":
                    sent = [text, text]
                case "swap":
                    swapped, sent = text, []
                case "late" if fault is not None:
                    await asyncio.sleep(fault.seconds)
                case "garble":
                    sent = [text[: len(text) // 2]]
                case "silent":
                    self._silent = True
                case "close":
                    self.abort()
                    return
            if sent and swapped is not None:
                sent, swapped = [*sent, swapped], None
            if not self._silent:
                await self._put(sent)

    async def _put(self, texts: list[bytes]) -> None:
        for text in texts:
            if self._binary:
                await self._socket.send_bytes(text)
            else:
                await self._socket.send_str(text.decode())


class Streams:
    """The websockets that are open."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._all: set[Stream] = set()

    @contextmanager
    def opened(self, request: web.Request, name: str, *, binary: bool = False) -> Iterator[Stream]:
        """Yield the websocket that a request asks for, which counts as open meanwhile."""
        stream = Stream(request, name, self._faults, binary=binary)
        self._all.add(stream)
        try:
            yield stream
        finally:
            self._all.discard(stream)

    def abort(self) -> None:
        """Hang up on everyone."""
        for stream in list(self._all):
            stream.abort()
