"""Loading one plugin: stevedore imports the entry point that the catalogue has chosen.

That is all that stevedore does here. Which plugins there are, and which one a name means, is for `catalogue` to say:
stevedore's own scan takes three times as long, leaves a file in the user's cache folder, does not know which
distribution an entry point is from, and imports all plugins of one name before one of them can be chosen.
"""

from importlib.metadata import EntryPoint
from typing import Any

from stevedore.driver import DriverManager


def load(group: str, name: str, target: str) -> Any:
    """Import the target of an entry point, and nothing else, and return it.

    Args:
        group: the entry point's group.
        name: its name.
        target: ``module`` or ``module:object``.

    Raises:
        BaseException: whatever the import raises. stevedore's callback for failures is not asked: it is told of no
            AssertionError and no SystemExit, which plugins raise as well.
    """
    return _Driver(EntryPoint(name, target, group)).driver


class _Driver(DriverManager[Any]):
    """A driver manager with one entry point that is known already."""

    def __init__(self, chosen: EntryPoint) -> None:
        self._chosen = chosen
        super().__init__(chosen.group, chosen.name)

    def list_entry_points(self) -> list[EntryPoint]:
        """Return the chosen entry point, without a scan."""
        return [self._chosen]
