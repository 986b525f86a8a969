"""Admission of peers to a server, and the fate of their connections.

ZeroMQ drops a connection for a message over the limit without a word: its monitor says "disconnected", as for any
other end. What it leaves behind tells the two apart. If the peer closed, its stream has been read up to the end; if
ZeroMQ gave up, there are bytes that nobody read, or the peer still holds the connection open. To look at the stream
after ZeroMQ has closed it takes a duplicate of the descriptor, made before the first message is read. That is why the
gate asks for ZeroMQ's authentication (ZAP): a peer's first message waits until the gate has answered, and the gate
answers when it holds the duplicate.

Where there are keys (CURVE), ZeroMQ makes sure that a peer has the secret half of the public key it shows, and that it
knows ours; whether that key is allowed, ZAP asks the gate. A peer that is turned away learns nothing, and commonly just
times out: so each refusal is logged here, with its reason.

Connections are limited. Where one peer, an address, has more than its share, or all have more than the descriptors of
the process allow, the gate ends one of them: the oldest that has never said anything, else the one that has been silent
for longest. Who comes with a call is thus let in however many hold the door open.
"""

import logging
import os
import socket
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import gevent
import zmq
from zmq.utils import z85
from zmq.utils.monitor import parse_monitor_message

from intuition_core.rpc.access import Access
from intuition_core.rpc.keys import PUBLIC
from intuition_core.rpc.throttle import Throttle
from intuition_core.rpc.wire import Context

DOMAIN: Final = b"intuition"
"""ZeroMQ asks the gate only for sockets with a domain."""

MAX_SILENT: Final = 64
"""Connections of one peer that have not said anything yet."""

MAX_OF_ONE: Final = 512
"""Connections of one peer."""

MAX_CONNECTIONS: Final = 4_096
"""Connections of all peers, where the process may open so many descriptors."""

_SPARE: Final = 128
"""Descriptors that are kept for files and for all else."""

_WATCHED: Final = (
    zmq.EVENT_ACCEPTED
    | zmq.EVENT_DISCONNECTED
    | zmq.EVENT_HANDSHAKE_SUCCEEDED
    | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
    | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
    | zmq.EVENT_HANDSHAKE_FAILED_AUTH
)


_KEY_FAILURES: Final[dict[int | None, str]] = {
    zmq.PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH: "it gave no key",
    zmq.PROTOCOL_ERROR_ZMTP_CRYPTOGRAPHIC: "it expects a server with another public key",
}
"""What ZeroMQ calls the refusals that it decides on alone. They come before a peer tells its own key."""

_HUNG_UP: Final = "it gave no key, or does not speak ZeroMQ's protocol"
"""A peer without a key may be quicker than we are to see that it has come to the wrong place."""

_NOT_ALLOWED: Final = 400
"""The status that ZAP has for it."""


@dataclass(slots=True)
class _Connection:
    stream: socket.socket
    peer: str
    host: str
    greeted: bool = False
    ended: bool = False  # by the gate


class _Guests:
    """The connections of one peer, or of all, by descriptor."""

    def __init__(self) -> None:
        self.silent: dict[int, None] = {}
        """Those that have not said anything, in the order in which they came."""
        self.speaking: dict[int, None] = {}
        """The others, in the order in which they spoke last."""

    def __len__(self) -> int:
        """Count them."""
        return len(self.silent) + len(self.speaking)

    def come(self, descriptor: int) -> None:
        """Note a new one."""
        self.silent[descriptor] = None

    def speak(self, descriptor: int) -> None:
        """Note that one has said something."""
        self.silent.pop(descriptor, None)
        self.speaking.pop(descriptor, None)
        self.speaking[descriptor] = None

    def go(self, descriptor: int) -> None:
        """Forget one."""
        self.silent.pop(descriptor, None)
        self.speaking.pop(descriptor, None)

    def longest_silent(self, *, but: int) -> int | None:
        """Return the one that is to make room for another; None if that is alone."""
        for group in (self.silent, self.speaking):
            for descriptor in group:
                if descriptor != but:
                    return descriptor
        return None


class Gate:
    """The admission of peers; it logs whom ZeroMQ turned away and whom it dropped."""

    def __init__(
        self, context: Context, guarded: Any, *, limit: int, log: logging.Logger, access: Access | None = None
    ) -> None:
        """Stand before a socket that is not bound yet.

        Args:
            context: the context of that socket; only one gate stands in a context.
            guarded: the ZeroMQ socket.
            limit: its limit of one message in bytes, for the log.
            log: where to say what happened.
            access: our key and those who may come in; without it, everybody may.
        """
        self._access = access
        self._guarded = guarded
        self._limit = limit
        self._log = log
        self._throttle = Throttle(log)
        self._connections: dict[int, _Connection] = {}
        self._guests: dict[str, _Guests] = {}
        self._everybody = _Guests()
        self._most = max_connections()
        self._failure: int | None = None
        self._asked = context.socket(zmq.REP)
        self._asked.setsockopt(zmq.LINGER, 0)
        self._asked.bind("inproc://zeromq.zap.01")
        guarded.setsockopt(zmq.ZAP_DOMAIN, DOMAIN)
        if access is not None:
            access.key.guard(guarded)
            log.info("the server's public key is %s; allowed: %s", access.key.public, str(access.clients))
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

    def heard(self, descriptor: int) -> None:
        """Note that a message has come by a connection, by its descriptor."""
        connection = self._connections.get(descriptor)
        if connection is not None:
            connection.greeted = True
            self._guests[connection.host].speak(descriptor)
            self._everybody.speak(descriptor)

    def _answer(self) -> None:
        """Answer ZeroMQ's question for each peer that introduces itself; its key is then the user of its messages."""
        while True:
            version, request, _, host, _, _, *credentials = self._asked.recv_multipart()
            self._catch_up()
            user = b"" if self._access is None else self._known(self._access, host, credentials)
            answer = (b"400", b"the key is not allowed", b"") if user is None else (b"200", b"", user)
            self._asked.send_multipart([version, request, *answer, b""])

    def _known(self, access: Access, host: bytes, credentials: list[bytes]) -> bytes | None:
        """Return the public key of a peer that is allowed."""
        if not credentials:  # not by CURVE, which ZeroMQ does not let through
            return None
        key = z85.encode(credentials[0])
        if access.clients.find(key.decode()) is not None:
            return key
        self._throttle(
            logging.WARNING,
            "refused a caller from %s: its key %s is not allowed; to let it in, put that into NAME%s in %s",
            host.decode(),
            key.decode(),
            PUBLIC,
            access.clients.folder,
        )
        return None

    def _watch(self) -> None:
        while True:
            self._note(self._monitor.recv_multipart())

    def _catch_up(self) -> None:
        """Read the monitor's messages so far; the peer that ZeroMQ asks about is among them."""
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
            self._failure = 0 if event == zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL else message["value"]
            return
        self._failure = None

    def _accepted(self, descriptor: int) -> None:
        self._forget(descriptor)
        with suppress(OSError):  # it may be gone already
            stream = _duplicate(descriptor)
            try:
                host, port, *_ = stream.getpeername()
            except OSError:
                stream.close()
            else:
                self._connections[descriptor] = _Connection(stream, f"{host}:{port}", host)
                guests = self._guests.setdefault(host, _Guests())
                guests.come(descriptor)
                self._everybody.come(descriptor)
                self._make_room(host, guests, descriptor)

    def _make_room(self, host: str, guests: _Guests, newest: int) -> None:
        """End a connection where a new one is too many."""
        if len(guests.silent) > MAX_SILENT or len(guests) > MAX_OF_ONE:
            leaving = guests.longest_silent(but=newest)
        elif len(self._everybody) > self._most:
            leaving = self._everybody.longest_silent(but=newest)
        else:
            return
        if leaving is not None:
            connection = self._connections[leaving]
            connection.ended = True
            with suppress(OSError):
                connection.stream.shutdown(socket.SHUT_RDWR)
            self._throttle(
                logging.WARNING,
                "ended the connection of %s, silent for longest, as there were %d from %s and %d in all",
                connection.peer,
                len(guests),
                host,
                len(self._everybody),
            )
            self._leave(leaving, connection)

    def _disconnected(self, descriptor: int) -> None:
        connection = self._connections.get(descriptor)
        if connection is None:
            self._refused("a peer that is gone")
        elif connection.ended:
            pass
        elif self._failure is not None or not connection.greeted:
            self._refused(connection.peer)
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

    def _refused(self, peer: str) -> None:
        if self._access is None:
            self._throttle(logging.INFO, "refused the connection of %s: it did not speak ZeroMQ's protocol", peer)
        elif self._failure == _NOT_ALLOWED:
            self._log.debug("%s was refused, as its key is not allowed", peer)
        else:
            reason = _KEY_FAILURES.get(self._failure, _HUNG_UP)
            self._throttle(logging.WARNING, f"refused the connection of %s: {reason}", peer)

    def _forget(self, descriptor: int) -> None:
        connection = self._connections.pop(descriptor, None)
        if connection is not None:
            connection.stream.close()
            self._leave(descriptor, connection)

    def _leave(self, descriptor: int, connection: _Connection) -> None:
        self._everybody.go(descriptor)
        guests = self._guests.get(connection.host)
        if guests is not None:
            guests.go(descriptor)
            if not guests:
                del self._guests[connection.host]


def raise_descriptor_limit() -> None:
    """Raise the limit of descriptors to the hard one, where the platform has such limits."""
    try:
        import resource
    except ImportError:
        return
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # some platforms take less than their limit says
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def max_connections() -> int:
    """Return how many connections the descriptors of this process allow; each takes two."""
    try:
        import resource
    except ImportError:
        return MAX_CONNECTIONS
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return MAX_CONNECTIONS
    return max(1, min(MAX_CONNECTIONS, (soft - _SPARE) // 2))


def _duplicate(descriptor: int) -> socket.socket:
    """Return a duplicate of a stream's descriptor.

    Raises:
        OSError: it is gone, and its number may be that of a file by now.
    """
    number = os.dup(descriptor)
    try:
        return socket.socket(fileno=number)
    except OSError:
        os.close(number)
        raise


def _given_up(stream: socket.socket) -> bool:
    """Whether it was ZeroMQ that ended the connection: there is more to read, or there could be."""
    try:
        return stream.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) != b""
    except BlockingIOError:
        return True
    except OSError:  # the peer's own doing: reset, timed out
        return False
