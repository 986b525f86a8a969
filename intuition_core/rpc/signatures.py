"""The arguments that methods take, as callers are told of them."""

import inspect
from collections.abc import Callable, Sequence
from typing import Any


def arguments_of(function: Callable[..., Any]) -> list[dict[str, Any]]:
    """Return the arguments of a function, each with its name and maybe its default, in plain JSON types."""
    signature = _signature(function)
    return [] if signature is None else [_argument(parameter) for parameter in signature.parameters.values()]


def misfit(function: Callable[..., Any], args: Sequence[Any]) -> str | None:
    """Return what a function takes and why these arguments do not fit; None where they do, or nobody can tell."""
    signature = _signature(function)
    if signature is None:
        return None
    try:
        signature.bind(*args)
    except TypeError as error:
        names = ", ".join(
            str(parameter.replace(annotation=parameter.empty)) for parameter in signature.parameters.values()
        )
        return f"({names}): {error}"
    return None


def _signature(function: Callable[..., Any]) -> inspect.Signature | None:
    try:
        return inspect.signature(function)
    except (TypeError, ValueError):  # some functions written in C
        return None


def _argument(parameter: inspect.Parameter) -> dict[str, Any]:
    if parameter.default is parameter.empty:
        return {"name": parameter.name}
    plain = parameter.default is None or isinstance(parameter.default, bool | int | float | str)
    return {"name": parameter.name, "default": parameter.default if plain else repr(parameter.default)}
