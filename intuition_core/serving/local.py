"""A session in this process as a connector sees it: the `Backend` of a connector, without a network."""

from collections.abc import Callable, Mapping
from typing import Any

from intuition_core.errors import BackendRefused, IntuitionError


class Local:
    """A backend whose methods are functions of this process, called on the caller's thread.

    Args:
        name: its name in messages.
        methods: the functions, by the name of the method.
    """

    def __init__(self, name: str, methods: Mapping[str, Callable[..., Any]]) -> None:
        self._name = name
        self._methods = dict(methods)

    @property
    def address(self) -> str:
        """Its name, as there is no address."""
        return self._name

    def offers(self, method: str) -> bool:
        """Whether there is a method of that name."""
        return method in self._methods

    def call(self, method: str, *args: Any) -> Any:
        """Call a method and return its answer.

        Raises:
            BackendRefused: the method raised an `IntuitionError`.
        """
        try:
            return self._methods[method](*args)
        except IntuitionError as error:
            raise BackendRefused(self._name, method, type(error).__name__, str(error)) from error

    def close(self) -> None:
        """Do nothing: no connection is open."""
