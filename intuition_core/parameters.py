"""A part's parameters: checked against its nested ``Params`` class where it has one, passed as they are where not."""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import inspect as shapes

from intuition_core.errors import BadParameter, did_you_mean


def params_class(part: object) -> type | None:
    """Give the ``Params`` class that a part declares (msgspec Struct, dataclass or attrs), or None."""
    declared = getattr(part, "Params", None)
    return declared if isinstance(declared, type) else None


def parameter_names(part: object) -> tuple[str, ...] | None:
    """Give the names of the parameters that a part declares, or None for a part that takes any."""
    declared = params_class(part)
    if declared is None:
        return None
    return tuple(field.encode_name for field in _fields(declared))


def check_params(label: str, part: object, values: Mapping[str, Any]) -> Any:
    """Give what a part's `initialize` receives.

    Args:
        label: the part's kind and name, for messages.
        part: the part's class or factory.
        values: the parameters as configured.

    Raises:
        BadParameter: the first value that does not fit, with the nearest valid name for an unknown one.
    """
    declared = params_class(part)
    if declared is None:
        return dict(values)
    names = parameter_names(part) or ()
    for key in values:
        if key not in names:
            known = ", ".join(f"`{name}`" for name in names) or "none"
            hint = did_you_mean(key, names)
            raise BadParameter(label, key, f"unknown{hint or ';'} it takes {known}".replace("? it", "? It"))
    try:
        return msgspec.convert(values, declared)
    except msgspec.ValidationError as error:
        problem, _, path = str(error).partition(" - at `$.")
        raise BadParameter(label, path.rstrip("`") or None, problem[:1].lower() + problem[1:]) from None


def plain_params(params: Any) -> dict[str, Any]:
    """Give the parameters a part was initialised with as plain JSON types, defaults filled in."""
    plain = msgspec.to_builtins(params, str_keys=True)
    return dict(plain)


def _fields(declared: type) -> tuple[shapes.Field, ...]:
    info = shapes.type_info(declared)
    if isinstance(info, shapes.StructType | shapes.DataclassType):
        return tuple(info.fields)
    msg = f"{declared.__qualname__} must be a msgspec Struct, a dataclass or an attrs class"
    raise TypeError(msg)
