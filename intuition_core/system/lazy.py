"""Public names that are imported when they are first used, so that a module that offers many loads none of them."""

TYPE_CHECKING = False

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any


def finder(module: str, places: "Mapping[str, str]") -> "Callable[[str], Any]":
    """Return the ``__getattr__`` of a module that imports its names when they are first used.

    Args:
        module: the module's full name.
        places: where each name is defined: the module, below `intuition_core`, and after a colon its name there if
            that is another.
    """

    def find(name: str) -> "Any":
        import sys
        from importlib import import_module

        if name not in places:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        where, _, original = places[name].partition(":")
        found = getattr(import_module(f"intuition_core.{where}"), original or name)
        vars(sys.modules[module])[name] = found
        return found

    return find
