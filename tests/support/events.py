"""Events as they come from a source."""

from typing import Any


def quote(price: float = 10.0, ts: int = 1, sid: str = "A", **more: Any) -> dict[str, Any]:
    """Give a quote of a symbol."""
    return {"channel": "quotes", "sid": sid, "quote": price, "ts": ts, **more}
