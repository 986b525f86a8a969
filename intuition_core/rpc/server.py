"""Serving methods over zerorpc, so that no caller can keep the others waiting, or stop the server.

Only the wire is zerorpc's own. `zerorpc.Server` gives every call a chain of greenlets, with a queue of one place in
each, found by the caller's message id alone: a caller who writes on while a call runs blocks the greenlet that reads
for all, and two callers with the same id end each other's calls. A method here answers once, so a call needs none of
that: it is kept by caller and id, gets heartbeats while it waits, and what its caller sends besides is left out.

Calls of four kinds stand in lines of their own, so that one full line refuses nothing of another: urgent ones, queued
ones, reading ones and direct ones. Within a line, what a caller has waiting counts against that caller: the owner of a
key, or without keys a connection.
"""

import inspect
import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType, TracebackType
from typing import Any, Final, Self, TypeAlias

import gevent
import gevent.event
import gevent.pool
import zmq

from intuition_core.errors import IntuitionError, did_you_mean
from intuition_core.rpc import wire
from intuition_core.rpc.access import TABLE, Access
from intuition_core.rpc.address import AddressTaken, BadAddress, Exposed, parse
from intuition_core.rpc.gate import Gate
from intuition_core.rpc.keys import Given
from intuition_core.rpc.quota import Quota
from intuition_core.rpc.signatures import arguments_of, misfit
from intuition_core.rpc.throttle import Throttle
from intuition_core.rpc.worker import Worker

HEARTBEAT: Final = 1.0
"""Seconds between signs of life to callers whose call is not answered yet."""

LINGER: Final = 1_000
"""Milliseconds that closing waits for callers to take their answers."""

MAX_WAITING: Final[Mapping[str, int]] = MappingProxyType({"urgent": 8, "queued": 128, "reads": 32, "direct": 512})
"""Calls of one caller that may be unanswered at once, by the kind of their method; more are refused, which costs the
caller no more than trying again."""

MAX_WAITING_MESSAGES: Final = 16
"""The same by size, in messages as large as allowed: unpacked, they may take many times their bytes. As much may wait
for one caller who does not read its answers."""

HANDSHAKE: Final = 5_000
"""Milliseconds that a peer has to introduce itself."""

READERS: Final = 3
"""Threads for methods that read."""

STRETCH: Final = 0.002
"""Seconds for which messages are received before the answers have a turn; as long a rest follows where some were
refused, so that whoever sends too much takes no time from the parts."""

_BEATS: Final = 16
"""Heartbeats that are sent before others have a turn."""

PATIENCE: Final = 1.0
"""Seconds that an answer waits for a caller who does not read, before it is thrown away."""

_log: Final = logging.getLogger(__name__)


@dataclass(frozen=True)
class Method:
    """A function to offer to callers.

    A *queued* one runs on the one native thread that all queued methods share: the calls of one caller in order of
    arrival, callers in turns. A *direct* one runs on the hub at once, however busy that thread is: it must be quick,
    and read only what is safe to read meanwhile.
    """

    function: Callable[..., Any]
    queued: bool
    drives: bool = True
    """Whether it changes anything; a client that may only read cannot call one that does."""
    trades: bool | None = False
    """Whether it tells of a venue, for which a client needs that permission; None if one with either may call it."""
    urgent: bool = False
    """Whether a queued one goes ahead of those that are not, also in the midst of one that makes room for it."""
    reads: bool = False
    """Whether one that is not queued may take long: it runs on a thread for reading, one at a time for each caller, and
    is given up when the server stops."""

    @property
    def kind(self) -> str:
        """The line in which its calls stand, a key of `MAX_WAITING`."""
        if self.queued:
            return "urgent" if self.urgent else "queued"
        return "reads" if self.reads else "direct"


_Key: TypeAlias = tuple[tuple[bytes, ...], wire.MessageId]
"""Which caller, and which of its calls."""


class _Refusal(Exception):
    """An error that is sent to the caller instead of an answer."""

    def __init__(self, name: str, problem: str) -> None:
        self.name = name
        self.problem = problem
        super().__init__(problem)


_STOPPING: Final = _Refusal("Stopping", "the service is stopping; the call did not run")


class Server:
    """Offers methods on one address. Make it, run it and close it in one thread; `stop` may come from anywhere."""

    def __init__(
        self,
        methods: Mapping[str, Method],
        *,
        name: str,
        max_message: int = wire.MAX_MESSAGE,
        key: Given | None = None,
        clients: Given | None = None,
        chore: Callable[[], float | None] | None = None,
        log: logging.Logger = _log,
    ) -> None:
        """Prepare to serve; nothing is listened on yet.

        Args:
            methods: what to offer, by the name that callers use.
            name: what the service calls itself when asked.
            max_message: the limit of one message in bytes, in both directions.
            key: the file of the server's secret key; with it, only those in ``clients`` may call, and all is encrypted.
            clients: the folder of those who may call, as `AllowedClients` reads it.
            chore: what is to be done besides, among the queued calls and in their thread; it gives after how many
                seconds to do it again, or None for never, and raises nothing.
            log: where to say what was refused, dropped or went wrong.

        Raises:
            BadKey: the key cannot be used.
            BadClients: the folder cannot be.
            IncompleteAccess: one of the two is given without the other.
        """
        self._access = Access.configured(key, clients, log=log)
        self.name = name
        self._offered = MappingProxyType(dict(methods))
        self._methods = {**methods, **self._introspection()}
        self._max_message = max_message
        self._log = log
        self._throttle = Throttle(log)
        self._hub = gevent.get_hub()
        self._stopping = gevent.event.Event()
        self._stop_signal = self._hub.loop.async_()
        self._stop_signal.start(self._stopping.set)
        self._closed = False
        self._calls = gevent.pool.Group()
        self._waiting: set[_Key] = set()
        self._most_waiting_bytes = size = MAX_WAITING_MESSAGES * max_message
        self._quotas = {kind: Quota(calls=calls, size=size) for kind, calls in MAX_WAITING.items()}
        self._received_since = 0.0  # when other greenlets last ran
        self._refused = False  # whether a call was refused since then
        self._unread: Counter[tuple[bytes, ...]] = Counter()
        self._chore = chore
        self._worker: Worker[Any] = Worker(f"{name}-parts")
        self._readers: Worker[bytes] = Worker(f"{name}-reader", threads=READERS)
        self._context = wire.Context()
        self._events = self._router()
        self._gate = Gate(self._context, self._events.socket, limit=max_message, log=log, access=self._access)

    def _router(self) -> wire.Events:
        """Return the socket, not yet bound."""
        events = wire.Events(
            zmq.ROUTER,
            self._context,
            max_message=self._max_message,
            linger=LINGER,
            unreadable=self._unreadable,
            identified=self._access is not None,
            screen=self._is_left_out,
        )
        # Without this, ZeroMQ throws away what a peer does not take in time, and says nothing.
        events.socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
        return events

    @property
    def urgent(self) -> Worker[Any]:
        """The urgent calls, for a queued method that makes room for them: `waiting` and `run_waiting`."""
        return self._worker

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def bind(self, address: str, *, insecure: bool = False) -> str:
        """Listen.

        Args:
            address: ``tcp://HOST:PORT``; port ``0`` or ``*`` takes any free one.
            insecure: admit an address that other machines can reach even without keys.

        Returns:
            The address that callers can use, with the port that was taken.

        Raises:
            BadAddress: it is malformed, or not of this machine.
            AddressTaken: another program listens there.
            Exposed: it can be reached from other machines, there are no keys, and that was not insisted upon.
        """
        parsed = parse(address, listening=True)
        if not parsed.loopback and not insecure and self._access is None:
            raise Exposed(address)
        socket = self._events.socket
        socket.setsockopt(zmq.IPV6, int(parsed.ipv6))
        socket.setsockopt(zmq.HANDSHAKE_IVL, HANDSHAKE)
        try:
            socket.bind(parsed.endpoint)
        except zmq.ZMQError as error:
            if error.errno == zmq.EADDRINUSE:
                raise AddressTaken(address) from None
            raise BadAddress(address, f"cannot listen there: {error.strerror}") from None
        return str(socket.getsockopt(zmq.LAST_ENDPOINT).rstrip(b"\0").decode())

    def run(self) -> None:
        """Serve until `stop`; then finish the call in flight and the urgent ones, refuse all others, and return."""
        if gevent.get_hub() is not self._hub:
            raise RuntimeError("a server runs in the thread that made it")
        receiver = gevent.spawn(self._receive)
        others = [gevent.spawn(self._beat)]
        if self._chore is not None:
            others.append(gevent.spawn(self._do_chore, self._chore))
        receiver.link(lambda _: self._stopping.set())
        try:
            self._stopping.wait()
            self._worker.finish()
            self._readers.abandon()
            self._calls.join()
            if receiver.exception is not None:
                raise receiver.exception
        finally:
            gevent.killall([receiver, *others])

    def stop(self) -> None:
        """End `run`. Safe in any thread and in a signal handler."""
        if not self._closed:
            self._stop_signal.send()

    def close(self) -> None:
        """Stop listening, after the answers that were sent have been taken or a second has passed."""
        if self._closed:
            return
        self._closed = True
        self._stop_signal.stop()
        self._stop_signal.close()
        self._calls.kill()
        self._worker.close()
        self._readers.close()
        self._gate.close()
        self._events.close()
        self._context.term()

    def _receive(self) -> None:
        while True:
            message = self._events.receive()
            if not self._is_left_out(message):
                self._accept(message)

    def _give_way(self) -> None:
        """Switch to other greenlets now and then: as long as messages wait, they would have none."""
        if time.monotonic() - self._received_since > STRETCH:
            gevent.sleep(STRETCH if self._refused else 0)
            self._refused = False
            self._received_since = time.monotonic()

    def _is_left_out(self, call: wire.Message) -> bool:
        """Return whether a call is left out or refused; its arguments may not be read yet."""
        self._give_way()
        self._gate.heard(call.connection)
        if call.response_to is not None:
            # What belongs to a call in progress is a heartbeat, or nothing that a call that is answered once could use.
            return True
        if (call.envelope, call.message_id) in self._waiting:
            self._throttle(logging.INFO, "left out a call with the id of another that is not answered yet")
            return True
        if self._stopping.is_set():
            self._refuse(call, _STOPPING)
            return True
        quota = self._quotas[self._kind(call)]
        if not quota.admits(call.sender, call.size):
            waiting = quota.waiting(call.sender)
            problem = f"{waiting} calls of this kind wait already from here, and {len(self._waiting)} in all"
            self._refuse(call, _Refusal("Busy", f"{problem}; the call did not run"))
            return True
        return False

    def _kind(self, call: wire.Message) -> str:
        method = self._methods.get(call.name)
        return "direct" if method is None else method.kind

    def _accept(self, call: wire.Message) -> None:
        self._waiting.add((call.envelope, call.message_id))
        self._quotas[self._kind(call)].enter(call.sender, call.size)
        self._calls.spawn(self._serve, call)

    def _serve(self, call: wire.Message) -> None:
        try:
            self._post(call.envelope, self._answer(call))
        finally:
            self._waiting.discard((call.envelope, call.message_id))
            self._quotas[self._kind(call)].leave(call.sender, call.size)

    def _answer(self, call: wire.Message) -> bytes:
        """Run the method where it belongs, and pack what it answers."""
        header = self._header(call.message_id)
        method = self._methods.get(call.name)
        forbidden = self._forbidden(self._access, method, call) if self._access is not None else None
        if forbidden is not None:
            return self._packed_refusal(header, forbidden)
        if method is None:
            offered = ", ".join(f"`{name}`" for name in self._offered)
            hint = did_you_mean(call.name, self._offered) or "."
            problem = f"there is no method `{call.name}`{hint} There are: {offered}"
            return self._packed_refusal(header, _Refusal("NameError", problem))
        if not method.queued and not method.reads:
            return self._execute(method, call, header)
        worker = self._worker if method.queued else self._readers
        job = partial(self._execute, method, call, header)
        blob: bytes | None = worker.run(job, call.sender, urgent=method.kind == "urgent")
        return self._packed_refusal(header, _STOPPING) if blob is None else blob

    def _forbidden(self, access: Access, method: Method | None, call: wire.Message) -> _Refusal | None:
        """Return why this caller may not call this method, by the folder of clients as it is now; None if it may."""
        client = access.clients.find(call.user)
        if client is None:
            self._throttle(logging.WARNING, "refused a call: the key %s is no longer allowed", call.user)
            return _Refusal("NotAllowed", f"the key {call.user} is no longer among the server's clients")
        if method is None or not method.drives:
            return None
        needed = {None: ("drive", "trade"), True: ("trade",), False: ("drive",)}[method.trades]
        if client.may in needed:
            return None
        self._throttle(logging.WARNING, "refused `%s` to %s, which may only %s", call.name, client.name, client.may)
        does = "tells of a venue" if method.trades else "drives the session"
        problem = (
            f"client `{client.name}` may only {client.may}, and `{call.name}` {does}; to let it, the server needs "
            f'may = "{needed[0]}" for [{client.name}] in {TABLE}; the call did not run'
        )
        return _Refusal("NotAllowed", problem)

    def _execute(self, method: Method, call: wire.Message, header: Mapping[str, Any]) -> bytes:
        """Run a method and pack its answer, in whatever thread. Raises nothing but the hub's `KeyboardInterrupt`."""
        try:
            try:
                blob = wire.packed(header, "OK", (self._result(method, call),), limit=self._max_message)
                wire.check_sendable(blob)
            except wire.Unsendable as error:
                raise _Refusal(
                    "UnsendableAnswer", f"`{call.name}` ran, but its answer cannot be sent: {error}"
                ) from None
        except _Refusal as refusal:
            return self._packed_refusal(header, refusal)
        return blob

    def _result(self, method: Method, call: wire.Message) -> Any:
        try:
            return method.function(*call.args)
        except IntuitionError as error:
            self._log.debug("`%s` refused", call.name, exc_info=True)
            raise _Refusal(type(error).__name__, str(error)) from None
        except TypeError as error:
            wrong = misfit(method.function, call.args)
            if wrong is None:
                raise self._failure(call, error) from None
            raise _Refusal("TypeError", f"`{call.name}` takes {wrong}") from None
        except BaseException as error:  # a part that calls sys.exit() must not end the service
            if isinstance(error, KeyboardInterrupt) and gevent.get_hub() is self._hub:
                raise
            raise self._failure(call, error) from None

    def _failure(self, call: wire.Message, error: BaseException) -> _Refusal:
        problem = f"`{call.name}` failed: {type(error).__name__}: {wire.cleaned(error)}"
        self._log.error("%s", problem)
        self._log.debug("where `%s` failed", call.name, exc_info=error)
        return _Refusal("InternalError", problem)

    def _refuse(self, call: wire.Message, refusal: _Refusal) -> None:
        self._refused = True
        blob = self._packed_refusal(self._header(call.message_id), refusal)
        with suppress(zmq.ZMQError):
            self._events.post(call.envelope, blob)

    def _unreadable(self, error: wire.Unreadable) -> None:
        self._give_way()
        self._throttle(logging.INFO, "left out a message from %s: %s", error.origin, error.problem)
        if error.header is not None and error.header.get("response_to") is None:
            refusal = _Refusal("Unreadable", f"the call cannot be read: {error.problem}; it did not run")
            blob = self._packed_refusal(self._header(error.header["message_id"]), refusal)
            with suppress(zmq.ZMQError):
                self._events.post(error.envelope, blob)

    def _packed_refusal(self, header: Mapping[str, Any], refusal: _Refusal) -> bytes:
        """Pack an error as zerorpc knows it, without the traceback that would tell strangers about our files."""
        args = (wire.cleaned(refusal.name), wire.cleaned(refusal.problem), None)
        return wire.packed(header, "ERR", args, limit=self._max_message)

    def _header(self, answered: wire.MessageId) -> dict[str, Any]:
        return {"message_id": self._context.new_msgid(), "v": wire.PROTOCOL, "response_to": answered}

    def _post(self, envelope: tuple[bytes, ...], blob: bytes) -> None:
        """Send an answer; a caller who is slow to read gets a little time, while others are served."""
        try:
            try:
                self._events.post(envelope, blob)
            except zmq.Again:
                self._insist(envelope, blob)
        except zmq.Again:
            self._throttle(logging.WARNING, "threw away the answer to a caller who does not read")
        except zmq.ZMQError as error:
            self._log.debug("the caller is gone before its answer: %s", error.strerror)

    def _insist(self, envelope: tuple[bytes, ...], blob: bytes) -> None:
        """Try again for a while.

        Raises:
            zmq.Again: the caller still does not read, or too much waits for it already.
        """
        if self._unread[envelope] + len(blob) > self._most_waiting_bytes:
            raise zmq.Again
        self._unread[envelope] += len(blob)
        deadline = time.monotonic() + PATIENCE
        try:
            while True:
                gevent.sleep(0.01)
                try:
                    self._events.post(envelope, blob)
                except zmq.Again:
                    if time.monotonic() >= deadline:
                        raise
                else:
                    return
        finally:
            self._unread[envelope] -= len(blob)
            if not self._unread[envelope]:
                del self._unread[envelope]

    def _do_chore(self, chore: Callable[[], float | None]) -> None:
        while not self._stopping.is_set():
            # Among the calls, as they are finished before anything is closed.
            seconds: float | None = self._calls.spawn(self._worker.run, chore).get()
            if seconds is None:
                return
            self._stopping.wait(seconds)

    def _beat(self) -> None:
        """Send heartbeats to callers whose call is not answered yet."""
        while True:
            gevent.sleep(HEARTBEAT)
            for n, (envelope, message_id) in enumerate(tuple(self._waiting)):
                if n % _BEATS == _BEATS - 1:
                    gevent.sleep(0)
                blob = wire.packed(self._header(message_id), wire.HEARTBEAT, (0,), limit=self._max_message)
                with suppress(zmq.ZMQError):
                    self._events.post(envelope, blob)

    def _introspection(self) -> dict[str, Method]:
        """Return the methods of zerorpc's tools; zerorpc's own no longer work on current Pythons."""
        return {
            "_zerorpc_ping": Method(lambda: ["pong", self.name], queued=False, drives=False),
            "_zerorpc_list": Method(lambda: list(self._offered), queued=False, drives=False),
            "_zerorpc_inspect": Method(self._inspect, queued=False, drives=False),
        }

    def _inspect(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "methods": {
                name: {"args": arguments_of(method.function), "doc": inspect.getdoc(method.function) or ""}
                for name, method in self._offered.items()
            },
        }
