"""The zerorpc protocol as hardened by both ends: no message that a stranger can send stops either of them.

This is the one module that imports zerorpc; `nox -s layers` holds the others to it.

A message is a msgpack array of a header, a name and an array of arguments. zerorpc 0.6.3 trusts all three: one frame
whose ``response_to`` is an array ends the greenlet that reads the socket, and the process then serves nobody. Here
every message is checked where it is read; one that cannot be read in full, but whose header can, is reported with that
header, so that its sender gets an answer instead of silence.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, NoReturn, TypeAlias, TypeGuard

import msgpack  # type: ignore[import-untyped]  # it ships no types
import zerorpc
import zmq
from zerorpc import gevent_zmq

MAX_MESSAGE: Final = 1 << 20
"""The default limit of one message, in bytes."""

MAX_ID: Final = 64
MAX_NAME: Final = 256
MAX_ENVELOPE: Final = 8
MAX_ROUTING_ID: Final = 255
MAX_TEXT: Final = 2_000
PROTOCOL: Final = 3

HIGH_WATER: Final = 64
"""Messages that ZeroMQ holds for one peer, in each direction: with `MAX_MESSAGE`, 64 MiB."""

HEARTBEAT: Final = "_zpc_hb"

_HEAD: Final = 4_096
"""Bytes in which the header and the name of a message are looked for before the rest is read."""

MessageId = bytes | str

Context: TypeAlias = zerorpc.Context
"""ZeroMQ's context, with ids for messages; a socket and its gate share one."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message that was checked. Made by `read`."""

    header: Mapping[str, Any]
    name: str
    args: Any
    envelope: tuple[bytes, ...]
    """The way back to the sender."""
    size: int
    """Bytes before unpacking."""
    user: str = ""
    """The sender's public key, where the server has made sure of it."""
    connection: int = -1
    """The descriptor of the connection that it came by; negative if unknown."""

    @property
    def sender(self) -> str | tuple[bytes, ...]:
        """Who counts as one caller: the owner of a key; without keys, a connection."""
        return self.user or self.envelope

    @property
    def message_id(self) -> MessageId:
        """The id of the message that an answer refers to."""
        value: MessageId = self.header["message_id"]
        return value

    @property
    def response_to(self) -> MessageId | None:
        """The message that this one belongs to; None if it begins something new."""
        return self.header.get("response_to")


class Unreadable(Exception):
    """A message that is not what the protocol asks for."""

    def __init__(
        self,
        problem: str,
        *,
        origin: str,
        envelope: tuple[bytes, ...] = (),
        header: Mapping[str, Any] | None = None,
    ) -> None:
        self.problem = problem
        self.origin = origin
        self.envelope = envelope
        self.header = header
        super().__init__(problem)


class Unsendable(Exception):
    """A value that msgpack cannot carry, or that is over the limit."""


class Untaken(Exception):
    """A message that could not be sent in time, as the peer takes none."""


class Events(zerorpc.Events):  # type: ignore[misc]  # zerorpc ships no types
    """A zerorpc socket that returns only messages that were checked."""

    def __init__(
        self,
        kind: int,
        context: Context,
        *,
        max_message: int,
        linger: int,
        unreadable: Callable[[Unreadable], Message | None],
        identified: bool = False,
        screen: Callable[[Message], bool] | None = None,
    ) -> None:
        """Create the socket, not yet bound or connected.

        Args:
            kind: the ZeroMQ socket type.
            context: the zerorpc context to create it in.
            max_message: the limit of one message in bytes; ZeroMQ drops the connection of a peer that sends more.
            linger: how long closing waits for what was sent to be taken, in milliseconds.
            unreadable: told of every message that cannot be read; the message it gives, if any, takes its place.
            identified: whether senders have proved who they are, so that messages tell their user.
            screen: asked of each message without its arguments, which take most of the time of reading; it returns
                whether the message is left out.
        """
        logging.getLogger(gevent_zmq.__name__).addFilter(_is_no_false_alarm)  # once, however often it is added
        super().__init__(kind, context)
        self._max_message = max_message
        self._unreadable = unreadable
        self._identified = identified
        self._screen = screen
        for option, value in (
            (zmq.LINGER, linger),
            (zmq.MAXMSGSIZE, max_message),
            (zmq.SNDHWM, HIGH_WATER),
            (zmq.RCVHWM, HIGH_WATER),
        ):
            self._socket.setsockopt(option, value)

    @property
    def socket(self) -> Any:
        """The ZeroMQ socket, for what zerorpc has no words for."""
        return self._socket

    def receive(self, timeout: float | None = None) -> Message:
        """Wait for the next message that can be read."""
        while True:
            frames = self._recv(timeout=timeout)
            if self._screen is not None:
                head = read_head(frames, identified=self._identified)
                if head is not None and self._screen(head):
                    continue
            try:
                return read(frames, identified=self._identified)
            except Unreadable as error:
                message = self._unreadable(error)
                if message is not None:
                    return message

    def recv(self, timeout: float | None = None) -> zerorpc.Event:
        """Do the same for zerorpc's side of a caller, who needs no way back."""
        message = self.receive(timeout)
        return zerorpc.Event(message.name, message.args, None, message.header)

    def emit_event(self, event: zerorpc.Event, timeout: float | None = None) -> None:
        """Send an event of zerorpc's.

        Raises:
            Unsendable: it cannot be packed, or is over the limit.
            Untaken: it could not be sent within the timeout, in seconds.
        """
        blob = packed(event.header, event.name, event.args, limit=self._max_message)
        try:
            self._send([*(event.identity or ()), b"", blob], timeout)
        except zerorpc.TimeoutExpired:
            raise Untaken from None

    def call(self, method: str, args: tuple[Any, ...]) -> zerorpc.Event:
        """Make the event of a call, with an id of its own in the header; nothing is sent."""
        return zerorpc.Event(method, args, self.context)

    def show_life(self, response_to: MessageId, timeout: float) -> None:
        """Send a heartbeat to a peer whose answer to a message is awaited.

        Raises:
            Untaken: it could not be sent within the timeout, in seconds.
        """
        header = {"message_id": self.context.new_msgid(), "v": PROTOCOL, "response_to": response_to}
        self.emit_event(zerorpc.Event(HEARTBEAT, (0,), self.context, header), timeout)

    def post(self, envelope: Sequence[bytes], blob: bytes) -> None:
        """Send a packed message without waiting.

        Raises:
            zmq.Again: the peer has not taken what it was sent before.
            zmq.ZMQError: the peer is gone.
        """
        try:
            self._socket.send_multipart([*envelope, b"", blob], zmq.NOBLOCK)
        finally:
            # ZeroMQ tells of a message that arrives meanwhile only if asked; zerorpc asks the same way after it sends.
            self._socket._on_state_changed()


def read(frames: Sequence[zmq.Frame], *, identified: bool = False) -> Message:
    """Read a message as it came from the socket.

    Raises:
        Unreadable: it is not what the protocol asks for. The error has the header where that much could be read.
    """
    envelope = tuple(frame.bytes for frame in (frames[:-2] if len(frames) > 2 else frames[:-1]))
    unreadable = partial(Unreadable, origin=_origin(frames))
    if len(envelope) > MAX_ENVELOPE or any(len(frame) > MAX_ROUTING_ID for frame in envelope):
        raise unreadable(f"an envelope of {len(envelope)} frames; at most {MAX_ENVELOPE} of {MAX_ROUTING_ID} bytes")
    blob = frames[-1].buffer
    try:
        message = msgpack.unpackb(blob, raw=False, ext_hook=_refuse_extension)
    except Exception as error:  # noqa: BLE001 -- msgpack fails in many ways, MemoryError among them
        raise unreadable(_explained(error), envelope=envelope, header=_salvaged(blob)) from None
    if not isinstance(message, list) or len(message) != 3:
        raise unreadable("expected an array of a header, a name and arguments", envelope=envelope)
    header, name, args = message
    if not _is_header(header):
        raise unreadable("expected a header with text or bytes as `message_id` and `response_to`", envelope=envelope)
    unreadable = partial(unreadable, envelope=envelope, header=header)
    if type(header.get("v")) is not int:
        raise unreadable("expected the protocol's version, an integer, as `v` in the header")
    if type(name) is not str or not 0 < len(name) <= MAX_NAME:
        raise unreadable(f"expected a name of 1 to {MAX_NAME} characters")
    if not isinstance(args, list) and header.get("response_to") is None:
        raise unreadable("expected the arguments as an array")
    user = str(frames[-1].get("User-Id")) if identified else ""
    return Message(header, name, args, envelope, len(blob), user, _connection(frames))


def read_head(frames: Sequence[zmq.Frame], *, identified: bool = False) -> Message | None:
    """Return a message without its arguments; None where it is not what the protocol asks for, or may not be."""
    envelope = tuple(frame.bytes for frame in frames[:-2])
    if not envelope or len(envelope) > MAX_ENVELOPE or any(len(frame) > MAX_ROUTING_ID for frame in envelope):
        return None
    blob = frames[-1].buffer
    unpacker = msgpack.Unpacker(raw=False, ext_hook=_refuse_extension, max_buffer_size=_HEAD)
    try:
        unpacker.feed(blob[:_HEAD])
        if unpacker.read_array_header() != 3:
            return None
        header, name = unpacker.unpack(), unpacker.unpack()
    except Exception:  # noqa: BLE001 -- the same as in `read`
        return None
    if not _is_header(header) or type(name) is not str or not 0 < len(name) <= MAX_NAME:
        return None
    user = str(frames[-1].get("User-Id")) if identified else ""
    return Message(header, name, None, envelope, len(blob), user, _connection(frames))


def packed(header: Mapping[str, Any], name: str, args: Any, *, limit: int) -> bytes:
    """Pack a message.

    Raises:
        Unsendable: msgpack cannot carry it, or it is over the limit in bytes.
    """
    try:
        blob: bytes = msgpack.packb((header, name, args), use_bin_type=True)
    except Exception as error:  # noqa: BLE001 -- the same
        raise Unsendable(_explained(error)) from None
    if len(blob) > limit:
        problem = (
            f"{len(blob):,} bytes in one message, over the limit of {limit:,}; ask for less, or send less, at once"
        )
        raise Unsendable(problem)
    return blob


def check_sendable(blob: bytes) -> None:
    """Make sure that the other end can read what was packed: msgpack packs keys that it refuses to unpack.

    Raises:
        Unsendable: the other end would drop it without a word.
    """
    try:
        msgpack.unpackb(blob, raw=False, use_list=False, ext_hook=_refuse_extension)
    except Exception as error:  # noqa: BLE001 -- the same
        raise Unsendable(_explained(error)) from None


def cleaned(text: object, limit: int = MAX_TEXT) -> str:
    """Return a text that can be sent and logged: valid Unicode of bounded length."""
    try:
        shown = text if isinstance(text, str) else str(text)
    except Exception:  # noqa: BLE001 -- anybody's `__str__`
        shown = f"an unreadable {type(text).__name__}"
    if len(shown) > limit:
        shown = f"{shown[: limit - 1]}…"
    return shown.encode("utf-8", "replace").decode()


def _salvaged(blob: memoryview) -> Mapping[str, Any] | None:
    """Read no more than the header."""
    unpacker = msgpack.Unpacker(raw=False, ext_hook=_refuse_extension, max_buffer_size=max(len(blob), 1))
    try:
        unpacker.feed(blob)
        header = unpacker.unpack() if unpacker.read_array_header() == 3 else None
    except Exception:  # noqa: BLE001 -- the same as in `read`
        return None
    return header if _is_header(header) else None


def _is_header(header: object) -> TypeGuard[dict[str, Any]]:
    if not isinstance(header, dict):
        return False
    answered = header.get("response_to")
    return _is_id(header.get("message_id")) and (answered is None or _is_id(answered))


def _is_id(value: object) -> TypeGuard[MessageId]:
    return isinstance(value, bytes | str) and 0 < len(value) <= MAX_ID


def _refuse_extension(code: int, data: bytes) -> NoReturn:  # noqa: ARG001 -- msgpack's signature
    problem = f"a msgpack extension (type {code}); send plain JSON types"
    raise ValueError(problem)


def _explained(error: Exception) -> str:
    if isinstance(error, msgpack.StackError | RecursionError):
        return "nested too deeply"
    if isinstance(error, UnicodeError):
        return "text that is no valid Unicode"
    if isinstance(error, msgpack.ExtraData):
        return "more bytes after the end of the message"
    if isinstance(error, OverflowError):
        return "an integer beyond 64 bits"
    problem = cleaned(error, 200)
    if "map key" in problem:
        return "an object with a key that is no text"
    if "recursion limit" in problem:
        return "nested too deeply"
    return problem or type(error).__name__


def _origin(frames: Sequence[zmq.Frame]) -> str:
    try:
        return str(frames[-1].get("Peer-Address"))
    except (zmq.ZMQError, UnicodeDecodeError):
        return "an unknown peer"


def _connection(frames: Sequence[zmq.Frame]) -> int:
    try:
        return int(frames[-1].get("__fd"))
    except (zmq.ZMQError, TypeError, ValueError):
        return -1


def _is_no_false_alarm(record: logging.LogRecord) -> bool:
    """Leave out what zerorpc says of its sockets when a message arrives within the second in which it looks for itself.

    Nothing was missed, and the message is read: its timer was only served before the socket, which servers whose signs
    of life come every second make likely.
    """
    return "catching up after missing event" not in str(record.msg)
