"""Requests to Alpaca's trading interface, and what their answers mean."""

from collections.abc import Mapping
from typing import Any, Final

import httpx
import msgspec

from intuition_core.errors import IntuitionError, VenueUnavailable

_UNSURE: Final = frozenset({408, 425, 429})
"""Statuses below 500 that say nothing of the request itself: it was too late, or one too many."""

_LONGEST: Final = 200
"""Characters of a venue's own words that are shown."""


class Refused(IntuitionError):
    """A request that Alpaca has refused, with a status and a message."""

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        self.message = message
        super().__init__(f"Alpaca refuses it: {message} ({status})")


class Requests:
    """Sends requests on one connection.

    Args:
        url: the interface, without the version.
        key: the key's id.
        secret: the key's secret.
        timeout: seconds to wait for an answer.
    """

    def __init__(self, url: str, *, key: str, secret: str, timeout: float) -> None:
        headers = {"APCA-API-KEY-ID": key, "APCA-API-SECRET-KEY": secret}
        self._client = httpx.Client(base_url=url, headers=headers, timeout=timeout, trust_env=False)

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def get(self, path: str, what: str, **query: str) -> Any:
        """Return the answer to a question; see `send`."""
        return self.send("GET", path, what, query=query)

    def send(
        self, method: str, path: str, what: str, *, query: Mapping[str, str] | None = None, body: Any = None
    ) -> Any:
        """Send a request and return its answer from JSON; None for one without content.

        Args:
            method: of HTTP.
            path: after the interface's address.
            what: what it is about, for errors: most often the id of an order.
            query: what is asked, in the address.
            body: what is sent, as JSON.

        Raises:
            Refused: the venue has refused it, which is certain.
            VenueUnavailable: it is not known what became of it.
        """
        content = None if body is None else msgspec.json.encode(body)
        headers = {} if body is None else {"Content-Type": "application/json"}
        try:
            answer = self._client.request(method, path, params=query or None, content=content, headers=headers)
        except (httpx.HTTPError, httpx.StreamError, OSError) as error:
            raise VenueUnavailable(what, str(error) or type(error).__name__) from error
        if answer.status_code >= 500 or answer.status_code in _UNSURE or answer.status_code < 200:
            raise VenueUnavailable(what, f"status {answer.status_code}")
        if answer.status_code == 204:
            return None
        try:
            said = msgspec.json.decode(answer.content)
        except msgspec.DecodeError as error:
            raise VenueUnavailable(what, f"an answer that cannot be read ({error})") from None
        if answer.status_code >= 300:
            message = said.get("message") if isinstance(said, Mapping) else None
            raise Refused(answer.status_code, str(message or f"status {answer.status_code}")[:_LONGEST])
        return said
