"""Calling a zerorpc server, ours or anybody's, in any language: the `Backend` of a connector."""

import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

import gevent
import gevent.event
import zmq
from zmq.utils.monitor import parse_monitor_message

from intuition_core.errors import BackendLost, BackendRefused, IntuitionError
from intuition_core.rpc import wire
from intuition_core.rpc.address import parse
from intuition_core.rpc.keys import Given, PublicKey, SecretKey, read_public, read_secret

ALWAYS_OFFERED: Final = frozenset({"initialize", "event"})
"""Methods that any backend has, even one that cannot be asked."""

_INTROSPECTION: Final = ("_zerorpc_inspect", "_zerorpc_list")
"""Node's zerorpc has only the first, and keeps silent about unknown names; Python's fails in the first, at once."""

_ENDINGS: Final[dict[int, str]] = {
    zmq.EVENT_DISCONNECTED: "it closed the connection (a message over its limit does that, too)",
    zmq.EVENT_CONNECT_RETRIED: "nobody listens there; start `intuition serve`, or give its address with --rpc",
    zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL: "what listens there does not speak ZeroMQ's protocol, or wants keys",
    zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL: "what listens there does not speak ZeroMQ's protocol",
    zmq.EVENT_HANDSHAKE_FAILED_AUTH: "it does not let us in",
}

_SIGNS_OF_LIFE: Final = frozenset({wire.HEARTBEAT, "_zpc_more"})
"""Messages of a server besides its answer; the second makes room for streamed requests, of which none are sent."""

_SOON: Final = 0.001  # in zerorpc a timeout of 0 means none

_LAST_WORDS: Final = 0.05
"""Seconds in which an answer is still read that came before the connection ended."""
_NEEDS_KEYS: Final = "it wants keys: give its public key (server_key) and the file of one's own secret key (key)"
_USES_NO_KEYS: Final = "it uses no keys: start it with a key and clients, or call it without key and server_key"
_OTHER_SERVER: Final = "it hung up on our greeting: its public key may be another than the server_key that was given"

_log: Final = logging.getLogger(__name__)


class IncompleteKeys(IntuitionError):
    """A caller's own key without the server's, or the other way round."""

    def __init__(self, given: str, missing: str) -> None:
        self.given = given
        self.missing = missing
        super().__init__(
            f"`{given}` is given, but not `{missing}`: a caller needs both, the file of its own secret key (key) and "
            "the server's public key (server_key)"
        )


class Client:
    """A backend over zerorpc.

    It connects at the first call, and anew after a `BackendLost`. The thread that makes the first call owns the
    connection, and must be the one to close it.
    """

    def __init__(
        self,
        address: str,
        *,
        timeout: float = 30.0,
        heartbeat: float = 5.0,
        max_message: int = wire.MAX_MESSAGE,
        key: Given | None = None,
        server_key: Given | None = None,
    ) -> None:
        """Prepare a client; the first call connects.

        Args:
            address: ``tcp://HOST:PORT``.
            timeout: seconds to wait for an answer.
            heartbeat: seconds between signs of life; a backend that gives none for twice as long is lost.
            max_message: the limit of one message in bytes, in both directions.
            key: the file of our secret key, for a server that wants keys.
            server_key: that server's public key, as text or as a file.

        Raises:
            BadAddress: the address is malformed.
            BadKey: a key cannot be used.
            IncompleteKeys: one of the two is given without the other.
        """
        self.head: str | None = None
        """What the session told last of what it has committed; None before it has."""
        self._keys = _keys(key, server_key)
        self._endpoint = parse(address).endpoint
        self._address = address
        self._timeout = timeout
        self._heartbeat = heartbeat
        self._max_message = max_message
        self._connection: _Connection | None = None
        self._offered: frozenset[str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def address(self) -> str:
        """Where the backend is, as it was given."""
        return self._address

    def offers(self, method: str, /) -> bool:
        """Whether the backend has a method of that name; asked once for each connection.

        Raises:
            BackendLost: the backend did not answer.
        """
        if method in ALWAYS_OFFERED:
            return True
        if self._offered is None:
            self._offered = self._ask()
        return method in self._offered

    def call(self, method: str, /, *args: Any, timeout: float | None = None) -> Any:
        """Call a method.

        Args:
            method: its name.
            args: what it takes; plain JSON types.
            timeout: seconds to wait for the answer, if other than the client's.

        Raises:
            BackendLost: the backend did not answer in time or went away; the call may or may not have run.
            BackendRefused: the backend answered with an error, or the arguments cannot be sent.
        """
        deadline = time.monotonic() + (self._timeout if timeout is None else timeout)
        try:
            connection = self._connected(deadline)
            name, answer = connection.ask(method, args, deadline)
        except wire.Unsendable as error:
            problem = f"the arguments cannot be sent: {error}; the call did not run"
            raise BackendRefused(self._address, method, "Unsendable", problem) from None
        except _Lost as error:
            self.close()
            raise BackendLost(self._address, str(error)) from None
        except BaseException:  # an interrupt in mid-call: what still comes back must not meet the next call
            self.close()
            raise
        if name == "OK" and isinstance(answer, list) and len(answer) == 1:
            return answer[0]
        if name == "ERR" and isinstance(answer, list) and len(answer) >= 2:
            raise BackendRefused(self._address, method, wire.cleaned(answer[0], 100), wire.cleaned(answer[1]))
        problem = f"an answer of a kind that is not understood, `{wire.cleaned(name, 100)}`"
        raise BackendRefused(self._address, method, "BadAnswer", problem)

    def events(self, batch: Sequence[Any], options: Mapping[str, Any]) -> list[Any]:
        """Call the method `events` of a session, telling it what it has acknowledged before; return its replies.

        A session that was put back to an earlier state refuses to go on then.

        Args:
            batch: payloads.
            options: ``client`` and ``epoch``, and whatever else the method takes.

        Raises:
            BackendLost, BackendRefused: as `call` raises them; `HeadLost` by name where the session was put back.
        """
        answer = self.call("events", list(batch), {**options, "head": self.head})
        if not isinstance(answer, dict):  # of an older version, which tells no head
            return list(answer)
        self.head = answer["head"]
        return list(answer["replies"])

    def close(self) -> None:
        """Close the connection. What was not sent yet is dropped; the next call makes a new connection."""
        connection, self._connection, self._offered = self._connection, None, None
        if connection is not None:
            connection.close()

    def _connected(self, deadline: float) -> "_Connection":
        if self._connection is not None and self._connection.ended():
            self.close()
        if self._connection is None:
            self._connection = _Connection(
                self._endpoint, heartbeat=self._heartbeat, max_message=self._max_message, keys=self._keys
            )
            self._connection.open(deadline)
        return self._connection

    def _ask(self) -> frozenset[str]:
        for question in _INTROSPECTION:
            with suppress(BackendRefused):
                answer = self.call(question)
                names = answer.get("methods") if isinstance(answer, dict) else answer
                if isinstance(names, dict | list):
                    return frozenset(name for name in names if isinstance(name, str))
        return ALWAYS_OFFERED


class _Lost(Exception):
    """The backend is gone, or did not answer in time."""


class _Keys(NamedTuple):
    """The keys for calling a server that wants them."""

    own: SecretKey
    server: PublicKey


def _keys(key: Given | None, server_key: Given | None) -> _Keys | None:
    if key is None and server_key is None:
        return None
    if key is None:
        raise IncompleteKeys("server_key", "key")
    if server_key is None:
        raise IncompleteKeys("key", "server_key")
    return _Keys(read_secret(key), read_public(server_key))


class _Connection:
    """One connection to one server, for one call at a time.

    Only the wire is zerorpc's own. Its channels take four greenlets a call, and what they carried is never freed.
    """

    def __init__(self, endpoint: str, *, heartbeat: float, max_message: int, keys: _Keys | None) -> None:
        self._heartbeat = heartbeat
        self._max_message = max_message
        self._keys = keys
        self._context = wire.Context()
        self._events = wire.Events(zmq.DEALER, self._context, max_message=max_message, linger=0, unreadable=_stand_in)
        if keys is not None:
            keys.own.introduce(self._events.socket, keys.server)
        self._monitor = self._events.socket.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED | _all(_ENDINGS))
        self._opened = gevent.event.Event()
        self._problem: str | None = None
        self._answer: gevent.event.AsyncResult | None = None
        self._asked: Any = None  # the id of the call that waits for it
        self._heard = 0.0
        self._watching = gevent.spawn(self._watch)
        self._listening = gevent.spawn(self._listen)
        self._events.connect(endpoint)

    def open(self, deadline: float) -> None:
        """Wait until the server has let us in.

        Raises:
            _Lost: it did not.
        """
        if not self._opened.wait(max(0.0, deadline - time.monotonic())):
            raise _Lost("it cannot be reached in time")
        if self._problem is not None:
            raise _Lost(self._problem)

    def ended(self) -> bool:
        """Whether the connection ended since the last call."""
        with suppress(zmq.Again):
            while True:
                self._note(self._monitor.recv_multipart(zmq.NOBLOCK))
        return self._problem is not None

    def ask(self, method: str, args: tuple[Any, ...], deadline: float) -> tuple[str, Any]:
        """Send a request, and return the name and the arguments of the answer.

        Raises:
            _Lost: nothing came back.
            wire.Unsendable: the request cannot be sent.
        """
        event = self._events.call(method, args)
        self._answer = answer = gevent.event.AsyncResult()
        self._asked = event.header["message_id"]
        self._heard = time.monotonic() + self._heartbeat  # the first sign of life has more time, as zerorpc has it
        try:
            self._events.emit_event(event, max(deadline - time.monotonic(), _SOON))
            while True:
                answer.wait(max(0.0, min(self._heartbeat, deadline - time.monotonic())))
                if answer.ready():
                    break
                self._check_life(deadline)
            reply: tuple[str, Any] = answer.get()
        except wire.Untaken:
            raise _Lost("the request cannot be sent in time") from None
        finally:
            self._answer = self._asked = None
        return reply

    def close(self) -> None:
        """Close at once."""
        gevent.killall([self._watching, self._listening])
        self._events.socket.disable_monitor()
        self._monitor.close()
        self._events.close()
        self._context.term()

    def _check_life(self, deadline: float) -> None:
        """Show the server that we are there, while it works for us.

        Raises:
            _Lost: it does not do the same, or there is no more time.
        """
        now = time.monotonic()
        if now >= deadline:
            raise _Lost("no answer in time")
        if now > self._heard + 2 * self._heartbeat:
            raise _Lost(f"no sign of life for {2 * self._heartbeat:g} s")
        with suppress(wire.Untaken):  # an earlier sign of life is still queued
            self._events.show_life(self._asked, _SOON)

    def _listen(self) -> None:
        """Set the answer of the call in progress; answers that come too late are left out."""
        while True:
            message = self._events.receive()
            if message.response_to is None or message.response_to != self._asked:
                _log.debug("the backend sent something that nobody waits for: %.100s", message.name)
            elif message.name in _SIGNS_OF_LIFE:
                self._heard = max(self._heard, time.monotonic())
            elif self._answer is not None:
                self._answer.set((message.name, message.args))

    def _watch(self) -> None:
        while True:
            frames = self._monitor.recv_multipart()
            if self._answer is not None:
                gevent.sleep(_LAST_WORDS)  # who ends after an answer has sent it, and it may not have been read yet
            self._note(frames)

    def _note(self, frames: list[bytes]) -> None:
        message = parse_monitor_message(frames)
        event = message["event"]
        if event in _ENDINGS:
            # A handshake that failed says more than the disconnection that follows it.
            self._problem = self._problem or self._explained(event, message["value"])
            if self._answer is not None and not self._answer.ready():
                self._answer.set_exception(_Lost(self._problem))
        self._opened.set()

    def _explained(self, event: int, value: int) -> str:
        if (event, value) == (zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL, zmq.PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH):
            return _NEEDS_KEYS if self._keys is None else _USES_NO_KEYS
        if self._keys is not None and event == zmq.EVENT_HANDSHAKE_FAILED_AUTH:
            return f"it does not let us in: our public key {self._keys.own.public} is not among its clients"
        if self._keys is not None and event == zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL:
            return _OTHER_SERVER
        return _ENDINGS[event]


def _all(events: Iterable[int]) -> int:
    mask = 0
    for event in events:
        mask |= event
    return mask


def _stand_in(error: wire.Unreadable) -> wire.Message | None:
    """Return an error answer in place of an answer that cannot be read."""
    _log.debug("a message from the backend cannot be read: %s", error.problem)
    if error.header is None or error.header.get("response_to") is None:
        return None
    problem = f"its answer cannot be read: {error.problem}; the call may have run"
    return wire.Message({**error.header, "v": wire.PROTOCOL}, "ERR", ["Unreadable", problem, None], (), 0)
