"""Classes and objects of a program as parts: found and loaded like the plugins that are installed."""

import hashlib
import inspect
import re
import sys
from collections.abc import Callable, Collection, Mapping
from copy import deepcopy
from os import PathLike, fspath
from types import FunctionType
from typing import Any, Final

import msgspec

from intuition_core.plugins.catalogue import REQUIRED, Catalogue, Plugin, discover
from intuition_core.research.errors import NoPart

_WORDS: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_DIGITS: Final = 12


class GivenParts:
    """The classes and objects that a program hands over, by the names under which a configuration has them.

    A class that an installed plugin offers is that plugin. Another is called after its class (``SmaCross`` is
    ``sma-cross``, as a part in ``sma_cross.py`` is), comes from the class's module, and its version is a hash of the
    source of the class, and of what an object has.
    """

    def __init__(self) -> None:
        self._installed = discover()
        self._given: dict[tuple[str, str], tuple[Plugin, Callable[[], Any]]] = {}

    def reference(self, kind: str, value: object, *, ready: bool = False) -> str:
        """Return the name by which a configuration has a part.

        Args:
            kind: its kind.
            value: a name, a path, a class or an object.
            ready: whether an object is used as it is, rather than a copy that is initialised.

        Raises:
            NoPart: a class or an object without the methods of its kind.
        """
        if isinstance(value, str | PathLike):
            return str(fspath(value))
        missing = [method for method in REQUIRED[kind] if not callable(getattr(value, method, None))]
        if missing == ["events"] and callable(getattr(value, "batches", None)):
            missing = []
        if missing:
            raise NoPart(kind, value, missing)
        cls = value if isinstance(value, type) else type(value)
        if value is cls and (plugin := self._offered(kind, cls)) is not None:
            return plugin.ref
        name = _WORDS.sub("-", cls.__name__).lower().replace("_", "-").strip("-") or "part"
        plugin = Plugin(kind, name, cls.__module__, _version(cls, value), f"{cls.__module__}:{cls.__qualname__}", "")
        factory: Callable[[], Any] = cls
        if value is not cls:
            factory = (lambda: _Ready(value)) if ready else _Copies(value)
        reference, number = plugin.ref, 1
        while self._given.get((kind, reference), (plugin, factory))[1] is not factory:
            number += 1
            reference = f"{plugin.ref}#{number}"
        self._given[kind, reference] = plugin, factory
        return reference

    def name(self, kind: str, reference: str) -> str | None:
        """Return what a given part is called; None for one that is installed or in a file."""
        given = self._given.get((kind, reference))
        return None if given is None else given[0].name

    def discovering(self, *, blocked: Collection[str] = ()) -> Catalogue:
        """Return the catalogue of the plugins that are installed, and of what was given."""
        plugins = discover(blocked=blocked).plugins if blocked else self._installed.plugins
        return _Catalogue(plugins, dict(self._given))

    def _offered(self, kind: str, cls: type) -> Plugin | None:
        """Return the installed plugin whose class this is."""
        for plugin in self._installed.plugins:
            module, _, name = plugin.target.partition(":")
            if plugin.kind == kind and getattr(sys.modules.get(module), name or "-", None) is cls:
                return plugin
        return None


class _Catalogue(Catalogue, frozen=True):
    """The installed plugins, and parts that a program has given."""

    given: Mapping[tuple[str, str], tuple[Plugin, Callable[[], Any]]] = {}

    def find(self, kind: str, ref: str) -> Plugin:
        """Return the plugin or the given part that a name means; raises what `Catalogue.find` does."""
        given = self.given.get((kind, ref))
        return super().find(kind, ref) if given is None else given[0]

    def load(self, kind: str, ref: str) -> Any:
        """Return what makes a plugin or a given part; raises what `Catalogue.load` does."""
        given = self.given.get((kind, ref))
        return super().load(kind, ref) if given is None else given[1]


class _Copies:
    """Makes copies of an object, so that each run begins with it as it was handed over."""

    def __init__(self, value: Any) -> None:
        self._value = deepcopy(value)
        self.Params = getattr(value, "Params", None)

    def __call__(self) -> Any:
        """Return a copy."""
        return deepcopy(self._value)


class _Ready:
    """An object that has its parameters already."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def __getattr__(self, name: str) -> Any:
        """Return an attribute of the object; there is no `initialize`, since its parameters are set."""
        if name == "initialize":
            raise AttributeError(name)
        return getattr(self._value, name)


def _version(cls: type, value: object) -> str:
    """Return a hash of the source of a class, and of the attributes of an object of it."""
    try:
        text = inspect.getsource(cls)
    except (OSError, TypeError):  # a class of a notebook or a console, whose methods may still be known
        text = "".join(map(_source_of, filter(inspect.isfunction, vars(cls).values())))
    content = text.encode(errors="replace")
    if value is not cls:
        content += msgspec.json.encode(getattr(value, "__dict__", {}), enc_hook=_kind, order="sorted")
    return hashlib.sha256(content).hexdigest()[:_DIGITS]


def _source_of(method: FunctionType) -> str:
    """Return the source text of a method, or its bytecode in hexadecimal where there is no source."""
    try:
        return inspect.getsource(method)
    except (OSError, TypeError):
        code = method.__code__
        consts = [repr(const) for const in code.co_consts if isinstance(const, str | bytes | float | int)]
        return f"{method.__name__} {code.co_code.hex()} {code.co_names} {consts}"


def _kind(value: object) -> str:
    """Return the class name of a value that JSON cannot hold; unlike its repr, it has no memory address."""
    return f"{type(value).__module__}.{type(value).__qualname__}"
