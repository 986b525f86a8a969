"""Faults on demand: what a venue, or the network before it, does wrong, when, and how often."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

import msgspec

from intuition_venue.errors import BadSetting

OF_REQUESTS: Final = ("lose", "hang", "status", "delay", "truncate", "cut", "empty")
OF_CALLS: Final = ("lose", "hang", "status", "twice")
OF_STREAMS: Final = ("drop", "twice", "swap", "late", "close", "silent", "garble")


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A fault, and what it befalls.

    `on` is a pattern: `POST /api/v3/order` or `* /v2/*` for requests, `api order.place` for those of a websocket,
    `stream user` and `stream market` for what is pushed. The first `skip` occasions pass, then up to `times` are hit,
    each by `chance`. `acted` has a request done before it goes wrong.
    """

    on: str
    do: str
    times: int = 1
    skip: int = 0
    chance: float = 1.0
    acted: bool = False
    seconds: float = 1.0
    status: int = 503
    body: str | None = None
    headers: dict[str, str] = {}

    def check(self) -> None:
        """Raise BadSetting if it names a fault that there is not."""
        known = {"stream": OF_STREAMS, "api": OF_CALLS}.get(self.on.partition(" ")[0], OF_REQUESTS)
        if self.do not in known:
            raise BadSetting("faults", f"`{self.do}` does not befall `{self.on}`; there are {', '.join(known)}")


@dataclass(slots=True)
class _Coming:
    """A fault that is to come, with the number of occasions that it fitted, and of those that it struck."""

    fault: Fault
    seen: int = 0
    struck: int = 0


class Faults:
    """The faults that are to come, the first that fits an occasion being the one that strikes."""

    def __init__(self, seed: int) -> None:
        self._draw = random.Random(f"{seed}/faults")  # noqa: S311  # repeatable, not secret
        self._coming: list[_Coming] = []

    def add(self, faults: Sequence[Fault]) -> None:
        """Add faults behind those that wait.

        Raises:
            BadSetting: one of them names no fault that there is; then none is added.
        """
        for fault in faults:
            fault.check()
        self._coming += map(_Coming, faults)

    def clear(self) -> None:
        """Remove all faults."""
        self._coming.clear()

    def strike(self, occasion: str) -> Fault | None:
        """Return the fault that strikes an occasion, if any does."""
        for each in self._coming:
            fault = each.fault
            if each.struck >= fault.times or not fnmatchcase(occasion, fault.on):
                continue
            each.seen += 1
            if each.seen <= fault.skip or self._draw.random() >= fault.chance:
                continue
            each.struck += 1
            return fault
        return None

    def told(self) -> list[dict[str, Any]]:
        """Return the faults with the number of occasions `seen` and `struck`."""
        return [{**msgspec.to_builtins(each.fault), "seen": each.seen, "struck": each.struck} for each in self._coming]


def read_faults(data: bytes, where: str) -> list[Fault]:
    """Return the faults of a JSON text: an array of them, or one.

    Raises:
        BadSetting: it is something else.
    """
    try:
        found = msgspec.json.decode(data, type=list[Fault] | Fault)
    except msgspec.MsgspecError as error:
        raise BadSetting(where, str(error)) from None
    return found if isinstance(found, list) else [found]


def plan(path: Path) -> list[Fault]:
    """Return the faults of a file.

    Raises:
        BadSetting: it cannot be read, or holds something else.
    """
    try:
        return read_faults(path.read_bytes(), str(path))
    except OSError as error:
        raise BadSetting(str(path), error.strerror or str(error)) from None
