"""The spot interface's limits: weight a minute, orders in ten seconds and a day, and the ban of who goes on."""

from typing import Any, Final

from intuition_venue.errors import BadSetting
from intuition_venue.limits import Window
from intuition_venue.spot.errors import SpotError

_STRIKES: Final = 3
"""Refusals in one window after which a client that goes on is banned."""

_LIMITS: Final = {"weight": (60, 6000), "orders": (10, 100), "orders_day": (86_400, 200_000)}
_TOLD: Final = {
    "weight": ("REQUEST_WEIGHT", "MINUTE", 1),
    "orders": ("ORDERS", "SECOND", 10),
    "orders_day": ("ORDERS", "DAY", 1),
}


class Weights:
    """The counters, and the `ban` in seconds that follows when refusals are not heeded."""

    def __init__(self) -> None:
        self._windows = {name: Window(*figures) for name, figures in _LIMITS.items()}
        self._strikes = 0
        self._ban = 120
        self._banned_until = 0

    def set(self, limits: dict[str, int]) -> None:
        """Set limits: `weight`, `orders`, `orders_day`, and `ban`, in seconds.

        Raises:
            BadSetting: a limit that there is not.
        """
        if unknown := limits.keys() - self._windows.keys() - {"ban"}:
            raise BadSetting("limits", f"there is no {', '.join(unknown)}; there are {', '.join(self._windows)}, ban")
        self._ban = limits.get("ban", self._ban)
        for name, window in self._windows.items():
            window.limit = limits.get(name, window.limit)
        self._strikes = self._banned_until = 0

    def count(self, weight: int, orders: int, now: int) -> None:
        """Count a request at a time in milliseconds.

        Raises:
            SpotError: -1003 with 429, or with 418 during a ban; -1015 for too many orders.
        """
        if now < self._banned_until:
            left = max(1, (self._banned_until - now) // 1000)
            text = f"Way too much request weight used; IP banned until {self._banned_until}."
            raise SpotError(-1003, text, status=418, headers={"Retry-After": str(left)})
        window = self._windows["weight"]
        if not window.look(now):
            self._strikes = 0
        if not window.add(weight, now):
            self._strikes += 1
            if self._strikes > _STRIKES:
                self._banned_until = now + self._ban * 1000
                return self.count(weight, orders, now)
            text = f"Too much request weight used; current limit is {window.limit} request weight per 1 MINUTE."
            raise SpotError(-1003, text, status=429, headers={"Retry-After": str(window.left(now))})
        for name, text in (("orders", "10 SECOND"), ("orders_day", "1 DAY")):
            window = self._windows[name]
            if orders and not window.add(orders, now):
                window.used -= orders
                said = f"Too many new orders; current limit is {window.limit} orders per {text}."
                raise SpotError(-1015, said, status=429, headers={"Retry-After": str(window.left(now))})
        return None

    def headers(self, now: int, *, orders: bool) -> dict[str, str]:
        """Return the counts as headers of an answer."""
        told = {"X-MBX-USED-WEIGHT-1M": str(self._windows["weight"].look(now))}
        told["X-MBX-USED-WEIGHT"] = told["X-MBX-USED-WEIGHT-1M"]
        if orders:
            told["X-MBX-ORDER-COUNT-10S"] = str(self._windows["orders"].look(now))
            told["X-MBX-ORDER-COUNT-1D"] = str(self._windows["orders_day"].look(now))
        return told

    def told(self, now: int | None = None) -> list[dict[str, Any]]:
        """Return the limits as `exchangeInfo` lists them; with a time, what was used by then too."""
        found = []
        for name, (kind, unit, number) in _TOLD.items():
            window = self._windows[name]
            row: dict[str, Any] = {
                "rateLimitType": kind,
                "interval": unit,
                "intervalNum": number,
                "limit": window.limit,
            }
            found.append(row if now is None else row | {"count": window.look(now)})
        return found
