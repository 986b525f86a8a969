"""The base of all indicators: channels, messages, state."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from logging import Logger, LoggerAdapter
from typing import Annotated, Any, ClassVar, Final, Protocol, TypeAlias

import msgspec
from talipp.ohlcv import OHLCV

from intuition_core.contracts import Context, Data, Message
from intuition_core.data import DEFAULT_CHANNEL
from intuition_core.errors import BadParameter
from intuition_indicators.series import Series

Length: TypeAlias = Annotated[int, msgspec.Meta(ge=1, le=10_000, description="How many events.")]

_LENGTHS: Final = ("window", "fast", "slow", "signal", "smoothing")


class Channels(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The channels that an indicator listens to and publishes on."""

    on: Annotated[str, msgspec.Meta(description="The channel to listen to.")] = DEFAULT_CHANNEL
    channel: Annotated[
        str | None,
        msgspec.Meta(description="The channel to publish on; the indicator's name where none is given."),
    ] = None


class Values(Channels, frozen=True, kw_only=True):
    """For indicators of one number an event."""

    field: Annotated[str, msgspec.Meta(description="The field of the events to compute from.")] = "quote"


class SymbolState(Protocol):
    """The state of an indicator for one symbol, in a memory that does not grow."""

    def add(self, value: Any, /) -> Any:
        """Add a value, and return the indicator's; None before it has enough values."""

    def snapshot(self) -> list[list[Any]]:
        """Return the state as lists of plain types."""

    def restore(self, state: Sequence[Sequence[Any]], /) -> None:
        """Go on from a snapshot of the same indicator.

        Raises:
            ValueError: it is one of another indicator.
        """


class Indicator(ABC):
    """One indicator, for each symbol by itself.

    It is silent until its window is full, and at events that lack a number that it needs; such events do not count.
    What it says is finite, and about the event that it says it at: nothing is filled in, before or after.

    Subclasses say what they compute by `_new`, and by these:

    Attributes:
        needs: the fields of a bar that they compute from; none for those that take the field named by ``field``.
        says: the names of their values in messages, with talipp's; none for a single ``value``.
    """

    Params: ClassVar[type[Channels]]
    needs: ClassVar[tuple[str, ...]] = ()
    says: ClassVar[tuple[tuple[str, str], ...]] = ()

    def initialize(self, params: Any, context: Context) -> list[str]:
        """Take the parameters.

        Returns:
            The channel it listens to.

        Raises:
            BadParameter: it would speak where it listens, or where prices are.
        """
        self._params = params
        self._channel: str = context.name if params.channel is None else params.channel
        if self._channel in (params.on, DEFAULT_CHANNEL):
            problem = "it would answer itself" if self._channel == params.on else "its values would look like prices"
            raise BadParameter(
                f"indicator {context.name}", "channel", f"{problem} on `{self._channel}`; choose another"
            )
        self._fields = self.needs or (params.field,)
        self._series: dict[str | None, tuple[int | None, SymbolState]] = {}
        self._log: Logger | LoggerAdapter[Logger] | None = context.log
        return [params.on]

    def event(self, data: Data) -> Message | None:
        """Take an event of that channel, and say what the indicator comes to with it."""
        value = self._read(data)
        if value is None:
            return None
        sid, session = data.get("sid"), self._session(data)
        kept = self._series.get(sid)
        if kept is None or kept[0] != session:
            kept = self._series[sid] = session, self._new()
        try:
            answer = kept[1].add(value)
        except ZeroDivisionError:
            return None
        if answer is None:
            return None
        values = {name: getattr(answer, inner) for name, inner in self.says} or {"value": answer}
        if not all(value is not None and math.isfinite(value) for value in values.values()):
            return None
        return Message(self._channel, values if sid is None else {"sid": sid, **values})

    def snapshot(self) -> list[list[Any]]:
        """Return the session and the values of each symbol."""
        return [[sid, session, series.snapshot()] for sid, (session, series) in self._series.items()]

    def restore(self, state: Sequence[Sequence[Any]]) -> None:
        """Go on from a snapshot of an indicator with the same parameters; call `initialize` first.

        Raises:
            ValueError: it is one of another indicator.
        """
        self._series.clear()
        for sid, session, values in state:
            series = self._new()
            series.restore(values)
            self._series[sid] = session, series

    @abstractmethod
    def _new(self) -> SymbolState:
        """Begin with the values of a symbol."""

    def _session(self, data: Data) -> int | None:  # noqa: ARG002  # for those that begin anew in each
        """Return the number of the session that an event belongs to."""
        return None

    def _read(self, data: Data) -> Any:
        """Return the input that an event has for this indicator, or None."""
        numbers = {}
        for field in self._fields:
            number = data.get(field)
            if type(number) is not float and (isinstance(number, bool) or not isinstance(number, int | float)):
                self._complain(data, field)
                return None
            if not math.isfinite(number):
                return None
            numbers[field] = float(number)
        if not self.needs:
            return numbers[self._fields[0]]
        return OHLCV(*(numbers.get(name) for name in ("open", "high", "low", "close", "volume")))

    def _complain(self, data: Data, field: str) -> None:
        if self._log is not None:
            self._log.warning(
                "an event on %s has no number as its `%s`, which this indicator is computed from; it says nothing at"
                " such events",
                data.get("channel"),
                field,
            )
            self._log = None  # once is enough


class Computed(Indicator):
    """One that talipp computes.

    Subclasses say what by `_make`.

    Attributes:
        windowed: whether the latest values alone decide, and not all of the past.
    """

    windowed: ClassVar[bool] = False

    @abstractmethod
    def _make(self) -> Any:
        """Make the talipp indicator."""

    def _new(self) -> SymbolState:
        reach = sum(getattr(self._params, name, 0) for name in _LENGTHS)
        return Series(self._make, reach=reach, windowed=self.windowed)
