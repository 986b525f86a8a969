"""A part's parameters: checked against its nested ``Params`` class where it has one, passed as they are where not."""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import inspect as shapes

from intuition_core.errors import BadParameter, did_you_mean
from intuition_core.typed import complaint, resolve


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


def read_params(part: object, values: Mapping[str, Any]) -> dict[str, Any]:
    """Read the parameters that were typed by a person as the types that the part declares."""
    declared = params_class(part)
    shape = shapes.AnyType() if declared is None else shapes.type_info(declared)
    return dict(resolve(values, shape))


def check_params(label: str, part: object, values: Mapping[str, Any]) -> Any:
    """Give what a part's `initialize` receives.

    Args:
        label: the part's kind and name, for messages.
        part: the part's class or factory.
        values: the parameters as configured; what is `Typed` among them is read as what it is for.

    Raises:
        BadParameter: the first value that does not fit, with the nearest valid name for an unknown one.
    """
    declared = params_class(part)
    values = read_params(part, values)
    if declared is None:
        return values
    names = parameter_names(part) or ()
    for key in values:
        if key not in names:
            known = ", ".join(f"`{name}`" for name in names) or "none"
            hint = did_you_mean(key, names)
            raise BadParameter(label, key, f"unknown{hint or ';'} it takes {known}".replace("? it", "? It"))
    try:
        return msgspec.convert(values, declared)
    except msgspec.ValidationError as error:
        key, problem = complaint(error, shapes.type_info(declared))
        raise BadParameter(label, key or None, problem) from None


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
