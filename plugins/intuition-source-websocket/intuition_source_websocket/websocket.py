"""The source itself: a connection that is made again whenever it ends."""

import logging
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal
from urllib.parse import urlsplit

import msgspec

from intuition_core.connections import Backoff, Throttle
from intuition_core.data import check_channel, check_sid
from intuition_core.errors import BadData, BadParameter
from intuition_source_websocket.errors import BadMessage, FeedRefused
from intuition_source_websocket.paths import Path
from intuition_source_websocket.reading import UNITS, Format, Reader
from intuition_source_websocket.sequence import Step

if TYPE_CHECKING:
    from websockets.sync.client import ClientConnection

_log: Final = logging.getLogger(__name__)
_PART: Final = "source websocket"
_OWN: Final = frozenset({"channel", "sid", "quote", "ts", "id", "source", "seq"})
_FIRST_DELAY: Final = 0.25

_PASSING: Final = frozenset({408, 425, 429})
"""What a server may answer besides its own faults (500 and up), and let us in later."""

_Seconds = Annotated[float, msgspec.Meta(gt=0, le=86_400)]
_Message = str | dict[str, Any]


class WebSocketParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which feed, and where in its messages things are. However it is shown, keys and queries are left out."""

    url: Annotated[str, msgspec.Meta(description="The feed: ws:// or wss://.")]
    quote: Annotated[str, msgspec.Meta(description="Where the price is, such as data.c.")]
    symbol: Annotated[str | None, msgspec.Meta(description="Where the symbol is, such as data.s.")] = None
    sid: Annotated[str | None, msgspec.Meta(description="The symbol itself, for a feed that has only one.")] = None
    time: Annotated[
        str | None,
        msgspec.Meta(
            description="Where the time is, such as data.E; without one, quotes get the time of their arrival."
        ),
    ] = None
    time_unit: Annotated[
        Literal["s", "ms", "us", "ns"],
        msgspec.Meta(description="What times that are numbers count since 1970; text is ISO 8601 with its offset."),
    ] = "ms"
    items: Annotated[
        str | None,
        msgspec.Meta(description="Where in a message an array of quotes is; `.` where the message is one."),
    ] = None
    where: Annotated[
        dict[str, str | int | bool],
        msgspec.Meta(description="What messages with quotes have in which place, such as {type = 'ticker'}."),
    ] = {}
    fields: Annotated[
        dict[str, str],
        msgspec.Meta(description="What else an event shall hold, and where it is, such as {bid = 'data.b'}."),
    ] = {}
    sequence: Annotated[
        str | None, msgspec.Meta(description="Where a number is that grows by one; gaps in it are reported.")
    ] = None
    sequence_of: Annotated[Literal["symbol", "connection"], msgspec.Meta(description="What that number counts.")] = (
        "symbol"
    )
    subscribe: Annotated[
        str | dict[str, Any] | list[_Message] | None,
        msgspec.Meta(description="What to say once connected: text as it is, a table as JSON; a list says several."),
    ] = None
    headers: Annotated[dict[str, str], msgspec.Meta(description="Headers for the feed's server, such as a key.")] = {}
    symbols: Annotated[tuple[str, ...], msgspec.Meta(description="The symbols to give; none given means all.")] = ()
    silence: Annotated[
        _Seconds, msgspec.Meta(description="Seconds without a quote after which the connection is made anew.")
    ] = 60.0
    heartbeat: Annotated[
        _Seconds, msgspec.Meta(description="Seconds between two questions whether the server is still there.")
    ] = 20.0
    longest_delay: Annotated[
        _Seconds, msgspec.Meta(description="Seconds that are at most waited before connecting again.")
    ] = 30.0
    channel: Annotated[str, msgspec.Meta(description="The channel of the events.")] = "quotes"
    negative_prices: Annotated[
        bool, msgspec.Meta(description="Let zero and negative prices pass, for instruments that have them.")
    ] = False

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [(field, self._shown(field)) for field in self.__struct_fields__]

    def __repr__(self) -> str:
        return f"Params({', '.join(f'{key}={value!r}' for key, value in self.__rich_repr__())})"

    def _shown(self, field: str) -> Any:
        value = getattr(self, field)
        if field == "url":
            return place(value)
        return "***" if field in {"headers", "subscribe"} and value else value


class WebSocket:
    """Yields the quotes of a live feed for as long as anybody asks; it never ends by itself.

    A connection that is lost, or over which no quote has come for a while, is made again, after a wait that doubles
    each time in vain. What was sent in between is lost; where the feed numbers its quotes, the log says how many.
    """

    Params = WebSocketParams
    live = True

    def initialize(self, params: WebSocketParams) -> None:
        """Check the parameters; nothing is connected yet.

        Raises:
            BadParameter: one makes no sense, or does not go with another.
        """
        _check_url(params.url)
        self._params = params
        self._format = _layout(params)
        self._hello = [
            message if isinstance(message, str) else msgspec.json.encode(message).decode()
            for message in (params.subscribe if isinstance(params.subscribe, list) else [params.subscribe])
            if message is not None
        ]
        self._throttle = Throttle(_log)

    def events(self) -> Iterator[dict[str, Any]]:
        """Return quotes as they come; closing the iterator closes the connection.

        An event holds ``channel``, ``sid``, ``quote``, the ``fields`` that were asked for, and ``ts`` in nanoseconds
        UTC: the feed's own time, or that of the quote's arrival. A quote that others have overtaken keeps its time,
        so that a session knows that it is late.

        Raises:
            FeedRefused: the feed does not let us in, and never will.
        """
        from websockets.exceptions import ConnectionClosed

        reader = Reader(self._format, stray=self._note_stray, bad=self._note_bad)
        backoff = Backoff(first=_FIRST_DELAY, longest=self._params.longest_delay, spread=0.5)
        lost: float | None = None
        while True:
            try:
                with self._connect() as connection:
                    if lost is not None:
                        _log.warning("%s: connected again after %.1f s", self, time.monotonic() - lost)
                    reader.connected()
                    for event in self._quotes(connection, reader):
                        backoff.reset()
                        yield event
                    problem = f"no quote for {self._params.silence:g} s"
            except ConnectionClosed as error:
                problem = f"the connection ended ({error})"
            except FeedRefused:
                raise
            except Exception as error:  # noqa: BLE001  # what a connection can fail with is for the next function to judge
                problem = self._passing(error)
            lost = time.monotonic() if lost is None or backoff.fresh else lost
            delay = backoff.next()
            _log.warning("%s: %s; connecting again in %.1f s", self, problem, delay)
            time.sleep(delay)

    def __str__(self) -> str:
        """Return the feed's address, without what may be secret in it."""
        return place(self._params.url)

    def _connect(self) -> "ClientConnection":
        from websockets.sync.client import connect

        heartbeat = self._params.heartbeat
        return connect(
            self._params.url,
            additional_headers=self._params.headers or None,
            ping_interval=heartbeat,
            ping_timeout=heartbeat,
            close_timeout=1,
        )

    def _quotes(self, connection: "ClientConnection", reader: Reader) -> Iterator[dict[str, Any]]:
        """Return quotes until there has been none for too long."""
        for hello in self._hello:
            connection.send(hello)
        silent_since = time.monotonic()
        while True:
            left = silent_since + self._params.silence - time.monotonic()
            try:
                message = connection.recv(timeout=max(left, 0.0))
            except TimeoutError:
                return
            events = reader.read(message)
            if events:
                yield from events
                silent_since = time.monotonic()

    def _passing(self, error: Exception) -> str:
        """Return why a connection could not be made, if it may be another time.

        Raises:
            FeedRefused: it will not.
        """
        import ssl

        from websockets.exceptions import InvalidHandshake, InvalidStatus

        if isinstance(error, InvalidStatus):
            status = error.response.status_code
            if status < 500 and status not in _PASSING:
                raise FeedRefused(str(self), f"its server answered with status {status}") from None
            return f"its server answered with status {status}"
        if isinstance(error, ssl.SSLCertVerificationError):
            raise FeedRefused(str(self), f"its certificate cannot be trusted ({error.verify_message})") from None
        if isinstance(error, OSError | EOFError | InvalidHandshake):
            return f"no connection ({getattr(error, 'strerror', None) or error})"
        raise error

    def _note_stray(self, counted: str, step: Step) -> None:
        if step.kind == "missed":
            message = "%s: missed %d of %s, between %d and %d"
            self._throttle(logging.WARNING, message, self, step.missed, counted, step.last, step.number)
        elif step.kind == "back":
            message = "%s: the number of %s went back from %d to %d"
            self._throttle(logging.WARNING, message, self, counted, step.last, step.number)

    def _note_bad(self, problem: BadMessage) -> None:
        self._throttle(logging.WARNING, "%s: left out what cannot be read: %s", self, problem)


def place(url: str) -> str:
    """Return what of an address may be shown: the scheme, the host, the port and the path."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "the feed"
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
    return f"{parts.scheme}://{host}{port}{parts.path}"


def _check_url(url: str) -> None:
    from websockets.exceptions import InvalidURI
    from websockets.uri import parse_uri

    try:
        parse_uri(url)
    except (InvalidURI, ValueError):
        raise BadParameter(_PART, "url", f"{place(url)}: expected wss://host/path, or ws:// without TLS") from None


def _layout(params: WebSocketParams) -> Format:
    if (params.symbol is None) == (params.sid is None):
        raise BadParameter(_PART, "symbol", "give either where the `symbol` is, or the `sid` itself: one of them")
    try:
        check_channel(params.channel)
        if params.sid is not None:
            check_sid(params.sid)
    except BadData as error:
        raise BadParameter(_PART, error.field, error.problem) from None
    for name in params.fields:
        if name in _OWN:
            raise BadParameter(_PART, "fields", f"`{name}` says something of its own in an event; use another name")
    return Format(
        quote=_path("quote", params.quote),
        symbol=None if params.symbol is None else _path("symbol", params.symbol),
        sid=params.sid,
        time=None if params.time is None else _path("time", params.time),
        factor=UNITS[params.time_unit],
        items=None if params.items is None else _path("items", params.items),
        sequence=None if params.sequence is None else _path("sequence", params.sequence),
        by_symbol=params.sequence_of == "symbol",
        where=tuple((_path("where", text), expected) for text, expected in params.where.items()),
        fields=_paths("fields", params.fields),
        symbols=frozenset(params.symbols),
        channel=params.channel,
        negative_prices=params.negative_prices,
    )


def _path(key: str, text: str) -> Path:
    try:
        return Path(text)
    except ValueError as error:
        raise BadParameter(_PART, key, str(error)) from None


def _paths(key: str, named: Mapping[str, str]) -> tuple[tuple[str, Path], ...]:
    return tuple((name, _path(key, text)) for name, text in named.items())
