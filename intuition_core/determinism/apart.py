"""Parts and the process that they share: what one does to it is put back, so that it changes nothing else.

A part is called for every event, and nothing here may cost that much. So the core computes in contexts of its own,
what is cheap to look at is looked at after each batch, everything once a part has been imported or started, and the
decimal context after each of the first calls of a part: one that has changed it is looked at after every call.
"""

import gc
import locale
import logging
import os
import random
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from decimal import (
    ROUND_HALF_EVEN,
    Context,
    DefaultContext,
    DivisionByZero,
    InvalidOperation,
    Overflow,
    getcontext,
    localcontext,
    setcontext,
)
from functools import cache
from typing import Any, Final, NamedTuple

STANDARD: Final = Context(
    prec=28,
    rounding=ROUND_HALF_EVEN,
    Emin=-999999,
    Emax=999999,
    capitals=1,
    clamp=0,
    flags=[],
    traps=[DivisionByZero, InvalidOperation, Overflow],
)
"""The decimal context that parts find, wherever and for the how-manieth time they are called: Python's own."""

_LOOKED_AT: Final = 64
"""The calls of a method after each of which the decimal context is looked at, whatever the part does."""

_ATTRIBUTES: Final = ("prec", "rounding", "Emin", "Emax", "capitals", "clamp")

_log: Final = logging.getLogger(__name__)


class Apart:
    """A method of a part that leaves the decimal context as it was; it gives way to the method where that always does.

    Args:
        method: what is called.
        replace: puts something else where the method is called from.
    """

    __slots__ = ("_left", "_method", "_replace")

    def __init__(self, method: Callable[..., Any], replace: Callable[[Any, Callable[..., Any]], object]) -> None:
        self._method = method
        self._replace = replace
        self._left: int | None = _LOOKED_AT

    def __call__(self, *arguments: Any) -> Any:
        """Call the method; what gives its answers one by one has given them all by then."""
        before = getcontext()
        kept = before.copy()
        try:
            answer = self._method(*arguments)
            return tuple(answer) if isinstance(answer, Iterator) else answer
        finally:
            if getcontext() is not before or not _is_same(before, kept):
                self._left = None
                setcontext(kept)
            elif self._left is not None:
                self._left -= 1
                if not self._left:
                    self._replace(self, self._method)


def _is_same(one: Context, other: Context) -> bool:
    return one.traps == other.traps and all(getattr(one, name) == getattr(other, name) for name in _ATTRIBUTES)


# -- processes that parts fork


class OwnProcess:
    """This process, whose number is kept: the system takes long to tell it, a twentieth of the time of an order.

    Attributes:
        number: the process id. Python renews it in each child that it forks; that of a fork in foreign code stays the
            parent's, and is found where the system is asked (`leave_if_forked`).
    """

    __slots__ = ("number",)

    def __init__(self) -> None:
        self.number = os.getpid()
        os.register_at_fork(after_in_child=self._renew)

    def _renew(self) -> None:
        self.number = os.getpid()


@cache
def own_process() -> OwnProcess:
    """Return the one `OwnProcess`."""
    return OwnProcess()


def leave_if_forked(pid: int, who: str, error: BaseException | None = None) -> None:
    """End this process if it is not the one of that number: a part has forked it, and did not end it in time.

    It must not go on as a second session, and ends as the part wanted where that called `sys.exit`.

    Args:
        pid: the process that called the part.
        who: the part, or what is known of it.
        error: what it raised.
    """
    if os.getpid() == pid:
        return
    if isinstance(error, SystemExit):
        code = error.code
        os._exit(code if isinstance(code, int) else int(code is not None))
    how = "returned" if error is None else f"raised {type(error).__name__}: {error}"
    _log.warning("%s: a process that it forked %s, and was ended; end such a one by `os._exit`", who, how)
    os._exit(0 if error is None else 1)


# -- what a process has once, for all who are in it


class _Setting(NamedTuple):
    """Something that a process has once: how it is read, and how it is put back if it is another."""

    read: Callable[[], Any]
    write: Callable[[Any], object]


def _folder() -> str | None:
    try:
        return os.getcwd()  # noqa: PTH109  # it is asked for often, and stays text
    except OSError:  # it was removed
        return None


def _enter(folder: str | None) -> None:
    if folder is not None:
        os.chdir(folder)


def _set_environment(variables: dict[str, str]) -> None:
    zone = os.environ.get("TZ")
    for name in os.environ.keys() - variables.keys():
        del os.environ[name]
    for name, value in variables.items():
        if os.environ.get(name) != value:
            os.environ[name] = value
    if zone != variables.get("TZ"):
        time.tzset()


def _handlers() -> dict[int, Any]:
    return {number: signal.getsignal(number) for number in signal.valid_signals()}


def _set_handlers(handlers: dict[int, Any]) -> None:
    for number, handler in handlers.items():
        if handler is not None and signal.getsignal(number) is not handler:
            _handle(number, handler)


def _handle(number: int, handler: Any) -> None:
    with suppress(OSError, ValueError):  # from another thread nobody could have set one
        signal.signal(number, handler)


def _set_timer(seconds: float) -> None:
    if not seconds:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _timeout() -> float | None:
    sockets = sys.modules.get("socket")
    return None if sockets is None else sockets.getdefaulttimeout()


def _set_timeout(seconds: float | None) -> None:
    sys.modules["socket"].setdefaulttimeout(seconds)


def _set_filters(filters: list[Any]) -> None:
    warnings.filters[:] = filters  # type: ignore[index]  # it is a list
    getattr(warnings, "_filters_mutated", getattr(warnings, "_filters_mutated_lock_held", int))()


def _loggers() -> list[tuple[logging.Logger, int, bool, bool, list[logging.Handler]]]:
    """Return the state of the root logger and of our own."""
    names = [name for name in logging.root.manager.loggerDict if name.startswith("intuition")]
    each = [logging.root, *map(logging.getLogger, names)]
    return [(log, log.level, log.disabled, log.propagate, list(log.handlers)) for log in each]


def _set_loggers(kept: list[tuple[logging.Logger, int, bool, bool, list[logging.Handler]]]) -> None:
    for log, level, disabled, propagate, handlers in kept:
        log.disabled, log.propagate = disabled, propagate
        log.handlers[:] = handlers
        if log.level != level:
            log.setLevel(level)


def _of(holder: Any, name: str) -> _Setting:
    return _Setting(lambda: getattr(holder, name), lambda value: setattr(holder, name, value))


def _default() -> tuple[dict[Any, bool], list[Any]]:
    return dict(DefaultContext.traps), [getattr(DefaultContext, name) for name in _ATTRIBUTES]


def _set_default(context: tuple[dict[Any, bool], list[Any]]) -> None:
    DefaultContext.traps, values = context
    for name, value in zip(_ATTRIBUTES, values, strict=True):
        setattr(DefaultContext, name, value)


_QUICK: Final = (
    _Setting(_folder, _enter),
    _Setting(lambda: signal.getsignal(signal.SIGINT), lambda handler: _handle(signal.SIGINT, handler)),
    _Setting(lambda: signal.getsignal(signal.SIGTERM), lambda handler: _handle(signal.SIGTERM, handler)),
)
"""What is looked at after each batch of events."""

_ALL: Final = (
    _Setting(_folder, _enter),
    _Setting(lambda: dict(os.environ), _set_environment),
    _Setting(lambda: locale.setlocale(locale.LC_ALL), lambda name: locale.setlocale(locale.LC_ALL, name)),
    _Setting(_handlers, _set_handlers),
    _Setting(lambda: signal.getitimer(signal.ITIMER_REAL)[0], _set_timer),
    _Setting(_umask, os.umask),
    _Setting(random.getstate, random.setstate),
    _Setting(_timeout, _set_timeout),
    _Setting(sys.getrecursionlimit, sys.setrecursionlimit),
    _Setting(sys.get_int_max_str_digits, sys.set_int_max_str_digits),
    _Setting(gc.isenabled, lambda enabled: gc.enable() if enabled else gc.disable()),
    _Setting(lambda: list(warnings.filters), _set_filters),
    _Setting(_loggers, _set_loggers),
    _Setting(lambda: logging.root.manager.disable, logging.disable),
    _of(sys, "stdout"),
    _of(sys, "stderr"),
    _of(sys, "excepthook"),
    _of(threading, "excepthook"),
    _Setting(_default, _set_default),
)
"""What is looked at once a part has been imported or started, and when a run has come to its end."""


@contextmanager
def unchanged() -> Iterator[None]:
    """Put back all that parts change of their process meanwhile, and give them the standard decimal context."""
    before = [setting.read() for setting in _ALL]
    with localcontext(STANDARD):
        try:
            yield
        finally:
            _put_back(_ALL, before)


class _Passing:
    """A batch of events on its way through parts; made for being cheap."""

    __slots__ = ("_before", "_context")

    def __enter__(self) -> None:
        self._before = [setting.read() for setting in _QUICK]
        self._context = getcontext()
        setcontext(STANDARD.copy())

    def __exit__(self, *_: object) -> None:
        setcontext(self._context)
        _put_back(_QUICK, self._before)


def passing() -> _Passing:
    """Put back what parts change while they take events, as far as it matters before they have taken all.

    That is the decimal context, the working folder, and who is told of Ctrl-C and of the wish to end.
    """
    return _Passing()


def _put_back(settings: tuple[_Setting, ...], before: list[Any]) -> None:
    for setting, value in zip(settings, before, strict=True):
        with suppress(Exception):  # one that cannot be put back must not keep the others from it
            if setting.read() != value:
                setting.write(value)
