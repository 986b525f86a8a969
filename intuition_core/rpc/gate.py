"""Who may connect to a server, and what became of the connections.

ZeroMQ drops a connection for a message over the limit without a word: its monitor says "disconnected", as for any
other end. What it leaves behind tells the two apart. If the peer closed, its stream has been read up to the end; if
ZeroMQ gave up, there are bytes that nobody read, or the peer still holds the connection open. To look at the stream
after ZeroMQ has closed it takes a duplicate of the descriptor, made before the first message is read. That is why the
gate asks for ZeroMQ's authentication (ZAP): a peer's first message waits until the gate has answered, and the gate
answers when it holds the duplicate.
"""

import logging
import os
import socket
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import gevent
import zerorpc
import zmq
from zmq.utils.monitor import parse_monitor_message

from intuition_core.rpc.throttle import Throttle

DOMAIN: Final = b"intuition"
"""ZeroMQ asks the gate only for sockets with a domain."""

MAX_WATCHED: Final = 1_000
"""Connections that the gate holds a duplicate of; what happens to more is not told apart."""

_WATCHED: Final = (
    zmq.EVENT_ACCEPTED
    | zmq.EVENT_DISCONNECTED
    | zmq.EVENT_HANDSHAKE_SUCCEEDED
    | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
    | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
    | zmq.EVENT_HANDSHAKE_FAILED_AUTH
)


@dataclass(slots=True)
class _Connection:
    stream: socket.socket
    peer: str
    greeted: bool = False


class Gate:
    """Lets peers in, and logs whom ZeroMQ turned away and whom it dropped."""

    def __init__(self, context: zerorpc.Context, guarded: Any, *, limit: int, log: logging.Logger) -> None:
        """Stand before a socket that is not bound yet.

        Args:
            context: the context of that socket; only one gate stands in a context.
            guarded: the ZeroMQ socket.
            limit: its limit of one message in bytes, for the log.
            log: where to say what happened.
        """
        self._guarded = guarded
        self._limit = limit
        self._log = log
        self._throttle = Throttle(log)
        self._connections: dict[int, _Connection] = {}
        self._handshake_failed = False
        self._asked = context.socket(zmq.REP)
        self._asked.setsockopt(zmq.LINGER, 0)
        self._asked.bind("inproc://zeromq.zap.01")
        guarded.setsockopt(zmq.ZAP_DOMAIN, DOMAIN)
        self._monitor = guarded.get_monitor_socket(_WATCHED)
        self._tasks = [gevent.spawn(self._answer), gevent.spawn(self._watch)]

    def close(self) -> None:
        """Leave. Call it before the guarded socket is closed."""
        gevent.killall(self._tasks)
        self._guarded.disable_monitor()
        self._monitor.close()
        self._asked.close()
        for connection in self._connections.values():
            connection.stream.close()
        self._connections.clear()

    def _answer(self) -> None:
        """Answer ZeroMQ's question for each peer that introduces itself. Keys (CURVE) are to be checked here."""
        while True:
            version, request, *_ = self._asked.recv_multipart()
            self._catch_up()
            self._asked.send_multipart([version, request, b"200", b"", b"", b""])

    def _watch(self) -> None:
        while True:
            self._note(self._monitor.recv_multipart())

    def _catch_up(self) -> None:
        """Take in what the monitor has said so far; the peer that ZeroMQ asks about is among it."""
        with suppress(zmq.Again):
            while True:
                self._note(self._monitor.recv_multipart(zmq.NOBLOCK))

    def _note(self, frames: list[bytes]) -> None:
        message = parse_monitor_message(frames)
        event, descriptor = message["event"], message["value"]
        if event == zmq.EVENT_ACCEPTED:
            self._accepted(descriptor)
        elif event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
            # The event does not say whose handshake it was. All those seen so far are marked: what is then logged
            # of a peer that only sent rubbish is less exact, but still true.
            for connection in self._connections.values():
                connection.greeted = True
        elif event == zmq.EVENT_DISCONNECTED:
            self._disconnected(descriptor)
        else:
            # Nor does this; but it comes just before the end of the same connection.
            self._handshake_failed = True
            return
        self._handshake_failed = False

    def _accepted(self, descriptor: int) -> None:
        self._forget(descriptor)
        if len(self._connections) >= MAX_WATCHED:
            return
        with suppress(OSError):  # it may be gone already
            stream = socket.socket(fileno=os.dup(descriptor))
            try:
                host, port, *_ = stream.getpeername()
            except OSError:
                stream.close()
            else:
                self._connections[descriptor] = _Connection(stream, f"{host}:{port}")

    def _disconnected(self, descriptor: int) -> None:
        connection = self._connections.get(descriptor)
        if connection is None:
            if len(self._connections) >= MAX_WATCHED:
                return
            self._throttle(logging.INFO, "refused a connection: it did not speak ZeroMQ's protocol")
        elif self._handshake_failed or not connection.greeted:
            self._throttle(
                logging.INFO, "refused the connection of %s: it did not speak ZeroMQ's protocol", connection.peer
            )
        elif _given_up(connection.stream):
            self._throttle(
                logging.WARNING,
                "dropped the connection of %s: it sent a message over the limit of %s bytes, or bytes that are no "
                "ZeroMQ message; it may connect again, and should send less at once",
                connection.peer,
                f"{self._limit:,}",
            )
        else:
            self._log.debug("%s closed its connection", connection.peer)
        self._forget(descriptor)

    def _forget(self, descriptor: int) -> None:
        connection = self._connections.pop(descriptor, None)
        if connection is not None:
            connection.stream.close()


def _given_up(stream: socket.socket) -> bool:
    """Whether it was ZeroMQ that ended the connection: there is more to read, or there could be."""
    try:
        return stream.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) != b""
    except BlockingIOError:
        return True
    except OSError:  # the peer's own doing: reset, timed out
        return False
