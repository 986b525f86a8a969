"""Addresses of brokers with their credentials, read from URLs."""

from typing import Any, Final
from urllib.parse import unquote, urlsplit

import msgspec

from intuition_core.errors import IntuitionError

DEFAULT_URL: Final = "mqtt://127.0.0.1:1883"
_DEFAULT_PORTS: Final = {"mqtt": 1883, "mqtts": 8883}


class BadAddress(IntuitionError):
    """A URL that does not say where a broker is."""

    def __init__(self, address: str, problem: str) -> None:
        self.address = address
        self.problem = problem
        super().__init__(f"{address}: {problem}; expected mqtt://host:port, or mqtts://host:port for TLS")


class Address(msgspec.Struct, frozen=True):
    """A broker's address; however it is shown, the credentials are left out."""

    host: str
    port: int
    tls: bool = False
    username: str | None = None
    password: str | None = None

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'mqtts' if self.tls else 'mqtt'}://{host}:{self.port}"

    def __repr__(self) -> str:
        return f"Address({str(self)!r})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:  # rich would otherwise show every field
        return [("address", str(self))]


def parse_address(url: str) -> Address:
    """Read ``mqtt://[user[:password]@]host[:port]``; user and password may be percent-encoded.

    Raises:
        BadAddress: the URL cannot be read. The message never holds what may be part of a password.
    """
    shown = redacted(url)
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise BadAddress(shown, str(error).lower()) from None
    if parts.scheme not in _DEFAULT_PORTS:
        raise BadAddress(shown, f"unknown scheme `{parts.scheme}`" if parts.scheme else "no scheme")
    if not parts.hostname:
        raise BadAddress(shown, "no host")
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port == 0:
        problem = "the port must be a number from 1 to 65535 (`/`, `#` and `@` in a password are written %2F, %23, %40)"
        raise BadAddress(shown, problem)
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise BadAddress(shown, "nothing can follow the port")
    return Address(
        host=parts.hostname,
        port=port or _DEFAULT_PORTS[parts.scheme],
        tls=parts.scheme == "mqtts",
        username=None if parts.username is None else unquote(parts.username),
        password=None if parts.password is None else unquote(parts.password),
    )


def remedy(address: Address, problem: str) -> str:
    """The remedy for a broker that cannot be reached, as the end of a sentence; empty if none is known."""
    said = problem.lower()
    if "refused" in said:
        return "; nothing listens there: start a broker with `intuition broker`, or name yours with --mqtt URL"
    cut_off = any(
        word in said for word in ("closed", "reset", "does not answer", "eof", "wrong version", "wrong_version")
    )
    if address.tls and cut_off:
        return f"; it may not speak TLS there: try {_other_door(address)}"
    if cut_off:
        return f"; if it wants TLS, write {_other_door(address)}"
    return ""


def _other_door(address: Address) -> Address:
    return msgspec.structs.replace(address, tls=not address.tls)


def redacted(url: str) -> str:
    """The part of a URL that may be shown, well-formed or not: the scheme and the host."""
    scheme, found, rest = url.rpartition("://")
    credentials, at, place = rest.rpartition("@")
    host = place if place.startswith("[") else place.partition(":")[0]
    return f"{scheme}{found}{'***@' if at and credentials else ''}{host.partition('/')[0]}"
