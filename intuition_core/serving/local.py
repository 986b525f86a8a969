"""A session in this process as a connector sees it: the `Backend` of a connector, without a network."""

from collections.abc import Callable, Mapping
from typing import Any

from intuition_core.errors import BackendRefused, IntuitionError


class Local:
    """Calls functions of this process, on the thread of who calls, as if they were far away.

    Args:
        name: what to call it in messages.
        methods: what it offers.
    """

    def __init__(self, name: str, methods: Mapping[str, Callable[..., Any]]) -> None:
        self._name = name
        self._methods = dict(methods)

    @property
    def address(self) -> str:
        """What it is called: there is no address."""
        return self._name

    def offers(self, method: str) -> bool:
        """Whether there is a method of that name."""
        return method in self._methods

    def call(self, method: str, *args: Any) -> Any:
        """Call a method.

        Raises:
            BackendRefused: it raised an error that is meant to be read.
        """
        try:
            return self._methods[method](*args)
        except IntuitionError as error:
            raise BackendRefused(self._name, method, type(error).__name__, str(error)) from error

    def close(self) -> None:
        """Nothing is open."""
