"""Keys, signatures and the clock of signed requests."""

import hashlib
import hmac
from collections.abc import Mapping
from typing import Final

from intuition_venue.spot.errors import SpotError, missing

_LONGEST_WINDOW: Final = 60_000
_AHEAD: Final = 1000
"""Milliseconds that a timestamp may be ahead of the venue's clock."""


def check_key(given: str | None, key: str) -> None:
    """Raise SpotError unless a request has the account's key."""
    if not given:
        raise SpotError(-2014, "API-key format invalid.", status=401)
    if not hmac.compare_digest(given.encode(), key.encode()):
        raise SpotError(-2015, "Invalid API-key, IP, or permissions for action.", status=401)


def check_signature(signed: str, signature: str | None, secret: str) -> None:
    """Raise SpotError unless the signature is the HMAC-SHA256 of what was signed."""
    if not signature:
        raise missing("signature")
    wanted = hmac.new(secret.encode(), signed.encode(), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(wanted.encode(), signature.encode()):
        raise SpotError(-1022, "Signature for this request is not valid.")


def check_time(params: Mapping[str, str], now: int) -> None:
    """Raise SpotError unless a request came within its window; times are in milliseconds."""
    try:
        timestamp, window = int(params.get("timestamp") or ""), float(params.get("recvWindow") or 5000)
    except ValueError:
        raise missing("timestamp") from None
    if not 0 <= window <= _LONGEST_WINDOW:
        raise SpotError(-1131, "recvWindow must be less than 60000")
    if timestamp >= now + _AHEAD:
        raise SpotError(-1021, "Timestamp for this request was 1000ms ahead of the server's time.")
    if now - timestamp > window:
        raise SpotError(-1021, "Timestamp for this request is outside of the recvWindow.")


def without_signature(text: str) -> str:
    """Return an encoded text of parameters as it was signed."""
    return "&".join(part for part in text.split("&") if not part.startswith("signature="))
