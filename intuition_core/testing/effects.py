"""Calls of a part that read the clock, draw from shared generators or open connections."""

import os
import random
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from types import FrameType
from typing import Any, Final, Literal, NamedTuple, TypeAlias

Effect: TypeAlias = Literal["clock", "randomness", "network"]

_CLOCKS: Final = frozenset(
    (
        time.time,
        time.time_ns,
        time.monotonic,
        time.monotonic_ns,
        time.perf_counter,
        time.perf_counter_ns,
        time.process_time,
        time.process_time_ns,
    )
)
_NOW: Final = frozenset({"now", "utcnow", "today"})
_SHARED: Final = getattr(random.random, "__self__", None)
"""The generator behind the functions of the module `random`."""

_NUMPY: Final = "numpy.random"


class Call(NamedTuple):
    """A call that a part should not have made."""

    effect: Effect
    function: str
    """The function that was called, such as ``time.time``."""
    place: str
    """Where, as ``file:line``; empty where it is not known."""

    def __str__(self) -> str:
        """Name the function and the place."""
        return f"`{self.function}` at {self.place}" if self.place else f"`{self.function}`"


@contextmanager
def observed(owner: str) -> Iterator[list[Call]]:
    """Note the calls of one package's code on this thread, its own and those through the standard library.

    Calls are seen however the function was imported. What the standard library's logging reads of the clock is its
    own business. Of NumPy's shared generator, it is noted at the end that its state is another.

    Args:
        owner: the package, or the module, that the part is in.
    """
    calls: list[Call] = []

    def look(frame: FrameType, event: str, function: Any) -> None:
        if event == "c_call" and (found := _effect(function)) is not None:
            caller = _caller(frame)
            if caller is not None and _root(caller) == owner.partition(".")[0]:
                place = f"{os.path.basename(caller.f_code.co_filename)}:{caller.f_lineno}"  # noqa: PTH119  # may be no path
                calls.append(Call(*found, place))

    before = _numpy_state()
    earlier = sys.getprofile()
    sys.setprofile(look)
    try:
        yield calls
    finally:
        sys.setprofile(earlier)
        if before is not None and _numpy_state() != before:
            calls.append(Call("randomness", _NUMPY, ""))


def _effect(function: Callable[..., Any]) -> tuple[Effect, str] | None:
    owner = getattr(function, "__self__", None)
    name = getattr(function, "__name__", "")
    if owner is _SHARED and owner is not None:
        return "randomness", f"random.{name}"
    if isinstance(owner, type) and name in _NOW and issubclass(owner, date):
        return "clock", f"{owner.__name__}.{name}"
    if function in _CLOCKS:
        return "clock", f"time.{name}"
    if function is os.urandom:
        return "randomness", "os.urandom"
    if name == "connect" and isinstance(owner, socket.socket.__mro__[1]):
        return "network", "socket.connect"
    return None


def _caller(frame: FrameType) -> FrameType | None:
    """Return the first frame outside of the standard library; None if the way there leads through logging."""
    current: FrameType | None = frame
    while current is not None and (root := _root(current)) in sys.stdlib_module_names:
        if root == "logging":
            return None
        current = current.f_back
    return current


def _root(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0]


def _numpy_state() -> str | None:
    """Return the state of NumPy's shared generator; None where NumPy is not imported."""
    module = sys.modules.get(_NUMPY)
    if module is None:
        return None
    kind, keys, *rest = module.get_state()
    return repr((kind, keys.tobytes(), rest))
