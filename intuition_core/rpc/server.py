"""Serving methods over zerorpc, so that no caller can keep the others waiting, or stop the server.

Only the wire is zerorpc's own. `zerorpc.Server` gives every call a chain of greenlets, with a queue of one place in
each, found by the caller's message id alone: a caller who writes on while a call runs blocks the greenlet that reads
for all, and two callers with the same id end each other's calls. A method here answers once, so a call needs none of
that: it is kept by caller and id, gets heartbeats while it waits, and what its caller sends besides is left out.
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
from intuition_core.rpc.throttle import Throttle
from intuition_core.rpc.worker import Worker

HEARTBEAT: Final = 1.0
"""Seconds between signs of life to callers whose call is not answered yet."""

LINGER: Final = 1_000
"""Milliseconds that closing waits for callers to take their answers."""

MAX_WAITING: Final = 1_000
"""Calls that may be unanswered at once; more are refused, which costs their caller no more than trying again."""

MAX_WAITING_MESSAGES: Final = 16
"""The same by size, in messages as large as allowed: unpacked, they may take many times their bytes. As much may wait
for one caller who does not read its answers."""

PATIENCE: Final = 1.0
"""Seconds that an answer waits for a caller who does not read, before it is thrown away."""

_log: Final = logging.getLogger(__name__)


@dataclass(frozen=True)
class Method:
    """A function to offer to callers.

    A *queued* one runs on the one native thread that all queued methods share, in order of arrival. A direct one runs
    on the hub at once, however busy that thread is: it must be quick, and read only what is safe to read meanwhile.
    """

    function: Callable[..., Any]
    queued: bool
    drives: bool = True
    """Whether it changes anything; a client that may only read cannot call one that does."""


_Key: TypeAlias = tuple[tuple[bytes, ...], wire.MessageId]
"""Which caller, and which of its calls."""


class _Refusal(Exception):
    """An error that is sent to the caller instead of an answer."""

    def __init__(self, name: str, problem: str) -> None:
        self.name = name
        self.problem = problem
        super().__init__(problem)


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
        self._waiting_bytes = 0
        self._most_waiting_bytes = MAX_WAITING_MESSAGES * max_message
        self._unread: Counter[tuple[bytes, ...]] = Counter()
        self._chore = chore
        self._worker: Worker[Any] = Worker(f"{name}-parts")
        self._context = wire.Context()
        self._events = wire.Events(
            zmq.ROUTER,
            self._context,
            max_message=max_message,
            linger=LINGER,
            unreadable=self._unreadable,
            identified=self._access is not None,
        )
        # Without this, ZeroMQ throws away what a peer does not take in time, and says nothing.
        self._events.socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
        self._gate = Gate(self._context, self._events.socket, limit=max_message, log=log, access=self._access)

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
        try:
            socket.bind(parsed.endpoint)
        except zmq.ZMQError as error:
            if error.errno == zmq.EADDRINUSE:
                raise AddressTaken(address) from None
            raise BadAddress(address, f"cannot listen there: {error.strerror}") from None
        return str(socket.getsockopt(zmq.LAST_ENDPOINT).rstrip(b"\0").decode())

    def run(self) -> None:
        """Serve until `stop`; then finish the calls that were accepted, refuse those that still come, and return."""
        if gevent.get_hub() is not self._hub:
            raise RuntimeError("a server runs in the thread that made it")
        receiver = gevent.spawn(self._receive)
        others = [gevent.spawn(self._beat)]
        if self._chore is not None:
            others.append(gevent.spawn(self._do_chore, self._chore))
        receiver.link(lambda _: self._stopping.set())
        try:
            self._stopping.wait()
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
        self._gate.close()
        self._events.close()
        self._context.term()

    def _receive(self) -> None:
        while True:
            message = self._events.receive()
            # What belongs to a call in progress is a heartbeat, or nothing that a call that is answered once could use.
            if message.response_to is None:
                self._accept(message)

    def _accept(self, call: wire.Message) -> None:
        key = call.envelope, call.message_id
        if key in self._waiting:
            self._throttle(logging.INFO, "left out a call with the id of another that is not answered yet")
        elif self._stopping.is_set():
            self._refuse(call, _Refusal("Stopping", "the service is stopping; the call did not run"))
        elif len(self._waiting) >= MAX_WAITING or self._waiting_bytes + call.size > self._most_waiting_bytes:
            self._refuse(call, _Refusal("Busy", f"{len(self._waiting)} calls wait already; the call did not run"))
        else:
            self._waiting.add(key)
            self._waiting_bytes += call.size
            self._calls.spawn(self._serve, key, call)

    def _serve(self, key: _Key, call: wire.Message) -> None:
        try:
            self._post(call.envelope, self._answer(call))
        finally:
            self._waiting.discard(key)
            self._waiting_bytes -= call.size

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
        if method.queued:
            blob: bytes = self._worker.run(partial(self._execute, method, call, header))
            return blob
        return self._execute(method, call, header)

    def _forbidden(self, access: Access, method: Method | None, call: wire.Message) -> _Refusal | None:
        """Return why this caller may not call this method, by the folder of clients as it is now; None if it may."""
        client = access.clients.find(call.user)
        if client is None:
            self._throttle(logging.WARNING, "refused a call: the key %s is no longer allowed", call.user)
            return _Refusal("NotAllowed", f"the key {call.user} is no longer among the server's clients")
        if client.may == "drive" or method is None or not method.drives:
            return None
        self._throttle(logging.WARNING, "refused `%s` to %s, which may only read", call.name, client.name)
        problem = (
            f"client `{client.name}` may only read, and `{call.name}` drives the session; to let it, the server needs "
            f'may = "drive" for [{client.name}] in {TABLE}; the call did not run'
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
            wrong = _wrong_arguments(method.function, call)
            if wrong is None:
                raise self._failure(call, error) from None
            raise wrong from None
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
        blob = self._packed_refusal(self._header(call.message_id), refusal)
        with suppress(zmq.ZMQError):
            self._events.post(call.envelope, blob)

    def _unreadable(self, error: wire.Unreadable) -> None:
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
            for envelope, message_id in tuple(self._waiting):
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
                name: {"args": _arguments(method.function), "doc": inspect.getdoc(method.function) or ""}
                for name, method in self._offered.items()
            },
        }


def _signature(function: Callable[..., Any]) -> inspect.Signature | None:
    try:
        return inspect.signature(function)
    except (TypeError, ValueError):  # some functions written in C
        return None


def _arguments(function: Callable[..., Any]) -> list[dict[str, Any]]:
    signature = _signature(function)
    return [] if signature is None else [_argument(parameter) for parameter in signature.parameters.values()]


def _argument(parameter: inspect.Parameter) -> dict[str, Any]:
    if parameter.default is parameter.empty:
        return {"name": parameter.name}
    plain = parameter.default is None or isinstance(parameter.default, bool | int | float | str)
    return {"name": parameter.name, "default": parameter.default if plain else repr(parameter.default)}


def _wrong_arguments(function: Callable[..., Any], call: wire.Message) -> _Refusal | None:
    """Return a refusal where the arguments do not fit the method; None where the method itself failed."""
    signature = _signature(function)
    if signature is None:
        return None
    try:
        signature.bind(*call.args)
    except TypeError as error:
        names = ", ".join(
            str(parameter.replace(annotation=parameter.empty)) for parameter in signature.parameters.values()
        )
        return _Refusal("TypeError", f"`{call.name}` takes ({names}): {error}")
    return None
