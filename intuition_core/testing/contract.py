"""The base of all contracts: the part is made, and must refuse bad parameters."""

import inspect
import logging
import math
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from random import Random
from typing import Any, ClassVar, Final, NamedTuple, NoReturn
from unittest import SkipTest

from msgspec import inspect as shapes

from intuition_core.contracts import Account, Context
from intuition_core.errors import IntuitionError
from intuition_core.params.checking import check_params, parameter_names, params_class
from intuition_core.plugins.catalogue import REQUIRED
from intuition_core.testing.account import FakeAccount
from intuition_core.trading.timers import Missed, read_timer

SEED: Final = 7
"""The seed of the generator that parts draw from while they are checked."""

_ODD: Final = (-1, 0, math.nan, math.inf, -math.inf, "", "no such value", {"no": "such table"}, [None])
"""Values that people give as a parameter by accident."""

_log: Final = logging.getLogger(__name__)


class Made(NamedTuple):
    """An initialised part."""

    live: Any
    answer: Any
    """The answer of its `initialize`; None for a part without one."""
    context: Context
    """The context that it was given."""


class Contract:
    """Checks of one part, to subclass; each failure says what to change.

    The checks need no pytest: they are methods without arguments that raise `AssertionError`, or `unittest.SkipTest`
    where there is nothing to check. ``intuition check`` runs them as well.

    Attributes:
        part: the class under test, or whatever makes the part when it is called.
        params: the parameters it is checked with, as in a configuration.
        kind: the kind of part, set by the contract.
    """

    part: ClassVar[Callable[[], Any]]
    params: ClassVar[Mapping[str, Any]] = {}
    kind: ClassVar[str]

    @property
    def factory(self) -> Callable[[], Any]:
        """The factory of the part; a function set as ``part`` does not become a method."""
        if getattr(self, "part", None) is None:
            raise AssertionError("this class names no part: set `part = MyPart`")
        found = inspect.getattr_static(self, "part")
        return found.__func__ if isinstance(found, staticmethod) else found

    @property
    def label(self) -> str:
        """The name of the part in messages."""
        return f"{self.kind} {getattr(self.factory, '__name__', 'under test')}"

    def make(
        self, params: Mapping[str, Any] | None = None, *, seed: int = SEED, account: Account | None = None
    ) -> Made:
        """Return a new part, initialised.

        Args:
            params: laid over those of the class.
            seed: what its draws are made with.
            account: what its context shows; an account with cash and nothing else where None.
        """
        live = self.factory()
        context = Context(
            name=self.kind,
            rng=Random(seed),  # noqa: S311  # draws, not secrets
            account=account or FakeAccount(),
            log=_log,
            at=partial(_timer, self.kind),
        )
        initialize = getattr(live, "initialize", None)
        if initialize is None:
            return Made(live, None, context)
        given = self.parameters(params)
        return Made(live, initialize(given, context) if takes_context(initialize) else initialize(given), context)

    def parameters(self, params: Mapping[str, Any] | None = None) -> Any:
        """Return the parameters that `initialize` receives.

        Raises:
            IntuitionError: they do not fit.
        """
        return check_params(self.label, self.factory, {**self.params, **(params or {})})

    def test_has_its_methods(self) -> None:
        """The part has the methods of its kind."""
        live = self.factory()
        missing = [name for name in REQUIRED[self.kind] if not callable(getattr(live, name, None))]
        must(not missing, f"no `{'` and no `'.join(missing)}`: a part of kind {self.kind} defines {_listed(missing)}")

    def test_bad_parameters_are_refused(self) -> None:
        """Bad parameters are refused with a message when the part is initialised; parameters that are taken work."""
        declared = params_class(self.factory)
        if declared is None:
            skip("it declares no `Params`, so nothing can be said about its parameters")
        try:
            names = parameter_names(self.factory) or ()
            info = shapes.type_info(declared)
        except TypeError as error:
            raise AssertionError(f"its `Params` cannot be read ({error}): make it a msgspec Struct") from None
        untyped = [each.encode_name for each in getattr(info, "fields", ()) if isinstance(each.type, shapes.AnyType)]
        must(not untyped, f"{_listed(untyped)} of `Params` takes anything: say which type it is")
        for name in names:
            for value in _ODD:
                self._try_parameter(name, value)

    def exercise(self, made: Made) -> None:
        """Use the part a little, as its kind is used; errors of the part are raised. Each kind has its own."""

    def _try_parameter(self, name: str, value: Any) -> None:
        shown = f"`{name} = {value!r}`"
        advice = "say which values are possible (`msgspec.Meta(ge=1)`), or raise `BadParameter` in `initialize`"
        try:
            made = self.make({name: value})
        except (IntuitionError, ValueError) as error:
            must(bool(str(error)), f"{shown} is refused without a word: say what is wrong with it, and what would do")
            return
        except Exception as error:
            raise AssertionError(f"{shown} makes `initialize` raise {_told(error)}: {advice}") from error
        try:
            self.exercise(made)
        except IntuitionError:
            return
        except Exception as error:
            raise AssertionError(f"{shown} is taken, and then the part raises {_told(error)}: {advice}") from error


def takes_context(initialize: Callable[..., Any]) -> bool:
    """Return whether an `initialize` takes a context as its second parameter."""
    try:
        inspect.signature(initialize).bind(None, None)
    except (TypeError, ValueError):  # a callable written in C may not tell
        return False
    return True


def must(holds: bool, otherwise: str) -> None:  # noqa: FBT001  # reads as an assertion
    """Raise an `AssertionError` unless something holds."""
    if not holds:
        raise AssertionError(otherwise)


def skip(reason: str) -> NoReturn:
    """Skip a check with a reason; pytest shows the test as skipped."""
    raise SkipTest(reason)


def spread(count: int, places: Iterable[int], *, most: int = 7) -> list[int]:
    """Return places in a sequence to check: some over its whole length, and some right after the given places.

    Args:
        count: how many there are.
        places: where something happened, ascending.
        most: how many of either.
    """
    happened = list(places)
    chosen = {count * number // (most + 1) for number in range(1, most + 1)}
    chosen |= {happened[len(happened) * number // most] + 1 for number in range(most)} if happened else set()
    return sorted(place for place in chosen if 0 < place < count)


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".removesuffix(": ")


def _timer(
    part: str, when: str, *, name: str | None = None, calendar: str | None = None, missed: Missed = "once"
) -> str:
    """Check a timer that a part asks for, and return its name as a session does."""
    every = when.removeprefix("every ") if when.startswith("every ") else None
    called = name if name is not None else f"{part}.{when}"
    at = None if every is not None else when
    return read_timer(called, every=every, at=at, calendar=calendar, missed=missed).name


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
