"""Calls of parts, which may raise anything; a part that fails never ends the event for the others."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol

from intuition_core.errors import PartFailed
from intuition_core.params.checking import secrets_of
from intuition_core.params.secrets import redacted
from intuition_core.trading.composition import Part


class CallStatus(Protocol):
    """Where an engine notes which part it calls, for observers from outside that have a clock.

    Item 0 is the number of the event, 0 before the first; item 1 the part, counted from 1 in the order of
    `TradingEngine.parts`, and negative while it gives or takes a snapshot. Nothing is noted when a part has returned.
    """

    def __setitem__(self, index: int, value: int, /) -> None:
        """Note a number."""

    def __getitem__(self, index: int, /) -> int:
        """Return the number noted last."""


class Raised(NamedTuple):
    """The exception that a part raised instead of an answer."""

    error: BaseException


def attempt(function: Callable[[Any], Any], argument: Any) -> Any:
    """Return the answer of a part, or a `Raised` in its place; only a `KeyboardInterrupt` passes."""
    try:
        return function(argument)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001  # a part may raise anything; the others go on
        return Raised(error)


def what_raised(part: Part, error: BaseException) -> str:
    """Return the name and the text of a part's error, without the part's secrets."""
    return redacted(f"{type(error).__name__}: {error}", secrets_of(part.params))


@contextmanager
def failing(part: Part, method: str) -> Iterator[None]:
    """Turn whatever a part's method raises into `PartFailed`; only a `KeyboardInterrupt` passes.

    Raises:
        PartFailed: the method has raised.
    """
    try:
        yield
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise PartFailed(part.label, method, what_raised(part, error)) from error
