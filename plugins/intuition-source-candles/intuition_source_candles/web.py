"""One request over HTTP: its answer as JSON and the venue's time, or whether to try later."""

from datetime import UTC, datetime
from email.message import Message
from email.utils import parsedate_to_datetime
from http.client import HTTPException, HTTPMessage
from typing import IO, Any, Final, NamedTuple
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode, urlsplit
from urllib.request import HTTPRedirectHandler, OpenerDirector, Request, build_opener

import msgspec

from intuition_core.recordings import TryLater
from intuition_source_candles.errors import BadAnswer, VenueRefused

_LONGEST: Final = 1 << 24
"""How many bytes an answer may have."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND: Final = 10**9
_WAIT: Final = frozenset({408, 425, 429})
_BANNED: Final = 418


class Answered(NamedTuple):
    """What a venue answered."""

    content: Any
    """The JSON that came."""
    now: int
    """The venue's time, nanoseconds UTC, to the second."""


class _Stay(HTTPRedirectHandler):
    """Follows no redirection: what another place gives is not the venue's."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        """Follow no redirection: None makes urllib raise it as an HTTPError."""


class Web:
    """Asks a venue.

    Args:
        url: the venue, ``https://host``.
        timeout: the seconds after which a venue that says nothing is given up.
    """

    def __init__(self, url: str, *, timeout: float) -> None:
        self._url = url.rstrip("/")
        self._timeout = timeout
        self._opener: OpenerDirector | None = None
        self._host = urlsplit(url).netloc

    def get(self, path: str, query: dict[str, str]) -> Answered:
        """Return the answer to a request.

        Raises:
            BadAnswer: it does not say when it was given.
            TryLater: the venue cannot be reached, asks to wait, fails, or answers with what is no JSON.
            VenueRefused: it refuses the request.
        """
        if self._opener is None:
            self._opener = build_opener(_Stay)
        request = Request(  # noqa: S310  # the parameter's check lets http and https pass alone
            f"{self._url}{path}?{urlencode(query)}",
            headers={"Accept": "application/json", "User-Agent": "intuition-source-candles"},
        )
        try:
            with self._opener.open(request, timeout=self._timeout) as answer:
                body, headers, missing = answer.read(_LONGEST + 1), answer.headers, answer.length
        except HTTPError as error:
            with error:
                raise self._failed(error) from None
        except URLError as error:
            raise TryLater(f"{self._host} cannot be reached: {error.reason}") from None
        except (HTTPException, OSError) as error:
            raise TryLater(f"{self._host} broke off: {type(error).__name__} {error}".rstrip()) from None
        if len(body) > _LONGEST:
            raise BadAnswer(self._host, f"more than {_LONGEST:,} bytes")
        if missing:
            raise TryLater(f"{self._host} broke off: {missing:,} bytes are missing")
        now = _moment(headers.get("Date"))
        if now is None:
            raise BadAnswer(self._host, "no `Date`, by which finished candles are told")
        try:
            return Answered(msgspec.json.decode(body), now)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise TryLater(f"{self._host} answered with what is no JSON: {error}") from None

    def _failed(self, error: HTTPError) -> Exception:
        """Return the exception for an HTTP error status."""
        said = _said(error)
        status = f"status {error.code}{f', {said}' if said else ''}"
        if error.code >= 500 or error.code in _WAIT or error.code == _BANNED:
            seconds = _seconds(error.headers)
            wait = "" if seconds is None else f"; wait {seconds:,.0f} s"
            banned = " (this address is shut out for a while)" if error.code == _BANNED else ""
            return TryLater(f"{self._host} answered with {status}{banned}{wait}", seconds=seconds)
        if 300 <= error.code < 400:
            hint = f"the venue is elsewhere, at {error.headers.get('Location', 'no place')!a:.100}; set `url`"
            return VenueRefused(self._host, status, hint)
        if error.code in (401, 403, 451):
            return VenueRefused(self._host, status, "it does not serve this place; set another `url`")
        return VenueRefused(self._host, status, "look at the symbol, the `interval` and the `url`")


def _said(error: HTTPError) -> str:
    """Return what a venue says of a failure in JSON; nothing where it does not."""
    try:
        content = msgspec.json.decode(error.read(_LONGEST))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, HTTPException, OSError):
        return ""
    return f"{content.get('code')} {content.get('msg')}"[:200] if isinstance(content, dict) and "msg" in content else ""


def _seconds(headers: Message) -> float | None:
    """Return how long a venue asks to wait; None where it does not say."""
    text = (headers.get("Retry-After") or "").strip()
    if text.isascii() and text.isdecimal():
        return float(text[:9])
    until, now = _moment(text), _moment(headers.get("Date"))
    return None if until is None or now is None else max((until - now) / _SECOND, 0.0)


def _moment(text: str | None) -> int | None:
    """Return the nanoseconds UTC of a date as HTTP writes it; None where it is none."""
    try:
        moment = parsedate_to_datetime(text or "")
    except ValueError:
        return None
    return None if moment.tzinfo is None else int((moment - _EPOCH).total_seconds()) * _SECOND
