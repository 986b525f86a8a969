"""A part's parameters: checked against its nested ``Params`` class where it has one, passed as they are where not.

A parameter is secret where its type says so: annotated with `intuition_core.Secret`, or with a ``msgspec.Meta`` whose
``extra_json_schema`` has ``writeOnly``, as JSON Schema marks what is given and never shown. Passwords in addresses are
secret wherever they are.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, get_type_hints

import msgspec
from msgspec import inspect as shapes

from intuition_core.errors import BadParameter, Mistakes, did_you_mean
from intuition_core.params.secrets import REDACTED as REDACTED
from intuition_core.params.secrets import SECRETS, passwords_in, texts_of
from intuition_core.params.secrets import redacted as redacted
from intuition_core.params.typed import complaint, resolve


def params_class(part: object) -> type | None:
    """Return the ``Params`` class that a part declares (msgspec Struct, dataclass or attrs), or None."""
    declared = getattr(part, "Params", None)
    return declared if isinstance(declared, type) else None


def parameter_names(part: object) -> tuple[str, ...] | None:
    """Return the names of the parameters that a part declares, or None for a part that takes any."""
    declared = params_class(part)
    if declared is None:
        return None
    return tuple(field.encode_name for field in fields(declared))


def read_params(part: object, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters with the values that were typed by a person read as the types that the part declares."""
    declared = params_class(part)
    shape = shapes.AnyType() if declared is None else shapes.type_info(declared)
    return dict(resolve(values, shape))


def check_params(label: str, part: object, values: Mapping[str, Any]) -> Any:
    """Return the parameters as a part's `initialize` receives them.

    Args:
        label: the part's kind and name, for messages.
        part: the part's class or factory.
        values: the parameters as configured; what is `Typed` among them is read as what it is for.

    Raises:
        BadParameter: a value that does not fit, with the nearest valid name for an unknown one.
        Mistakes: several.
    """
    declared = params_class(part)
    values = read_params(part, values)
    if declared is None:
        SECRETS.add(_secrets(values, shapes.AnyType()))
        return values
    secrets = list(_secrets(values, shapes.type_info(declared)))
    SECRETS.add(secrets)
    mistakes = [BadParameter(label, key, redacted(problem, secrets)) for key, problem in _misfits(declared, values)]
    if mistakes:
        raise Mistakes.of(mistakes)
    try:
        return msgspec.convert(values, declared)
    except msgspec.ValidationError as error:
        key, problem = complaint(error, shapes.type_info(declared))
        raise BadParameter(label, key or None, redacted(problem, secrets)) from None


def json_params(params: Any) -> dict[str, Any]:
    """Return the parameters a part was initialised with as plain JSON types, defaults filled in, secrets included."""
    plain = msgspec.to_builtins(params, str_keys=True)
    return dict(plain)


def shown_params(params: Any) -> dict[str, Any]:
    """Return the parameters a part was initialised with as plain JSON types that may be shown to anybody."""
    plain = json_params(params)
    return _shown(plain, _shape_of(params))


def secrets_of(params: Any) -> list[str]:
    """Return the secrets among the parameters a part was initialised with, as texts that could show up in a message."""
    try:
        return list(_secrets(json_params(params), _shape_of(params)))
    except (TypeError, ValueError):  # a part that nobody configured may be given anything
        return []


def redact_params(part: object, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters as configured, without the secrets among them."""
    declared = params_class(part)
    return _shown(values, shapes.AnyType() if declared is None else shapes.type_info(declared))


def is_secret(shape: shapes.Type) -> bool:
    """Return whether a type marks a secret."""
    if isinstance(shape, shapes.Metadata):
        return bool((shape.extra_json_schema or {}).get("writeOnly")) or is_secret(shape.type)
    return isinstance(shape, shapes.UnionType) and any(map(is_secret, shape.types))


def fields(declared: type) -> tuple[shapes.Field, ...]:
    """Return the parameters that a ``Params`` class declares.

    Raises:
        TypeError: it is no class of that sort.
    """
    info = shapes.type_info(declared)
    if isinstance(info, shapes.StructType | shapes.DataclassType):
        return tuple(info.fields)
    msg = f"{declared.__qualname__} must be a msgspec Struct, a dataclass or an attrs class"
    raise TypeError(msg)


def _misfits(declared: type, values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Find each parameter that is unknown, missing or of the wrong type."""
    known = {field.encode_name: field for field in fields(declared)}
    listed = ", ".join(f"`{name}`" for name in known) or "none"
    try:
        hints = get_type_hints(declared, include_extras=True)
    except NameError:  # a name that only the type checker knows; then the class as a whole is asked
        hints = {}
    for key, value in values.items():
        field = known.get(key)
        if field is None:
            hint = did_you_mean(key, known)
            yield key, f"unknown{hint or ';'} it takes {listed}".replace("? it", "? It")
            continue
        try:
            msgspec.convert(value, hints.get(field.name, Any))
        except msgspec.ValidationError as error:
            rest, problem = complaint(error, field.type)
            yield f"{key}.{rest}" if rest else key, problem
    for key, field in known.items():
        if field.required and key not in values:
            yield key, "is missing"


def _shape_of(params: Any) -> shapes.Type:
    return shapes.AnyType() if isinstance(params, Mapping) else shapes.type_info(type(params))


def _shown(values: Mapping[str, Any], shape: shapes.Type) -> dict[str, Any]:
    inner = _inner(shape)
    return {key: _shown_value(value, inner(key)) for key, value in values.items()}


def _shown_value(value: Any, shape: shapes.Type) -> Any:
    if value is not None and is_secret(shape):
        return REDACTED
    if isinstance(value, Mapping):
        return _shown(value, shape)
    if isinstance(value, list | tuple):
        item = _item(shape)
        return [_shown_value(each, item) for each in value]
    return redacted(value, []) if isinstance(value, str) else value


_ITEMS: Final = (shapes.ListType, shapes.VarTupleType, shapes.SetType, shapes.FrozenSetType)


def _item(shape: shapes.Type) -> shapes.Type:
    """Return the type of an item within a list of that type."""
    return next((each.item_type for each in _members(shape) if isinstance(each, _ITEMS)), shapes.AnyType())


def _inner(shape: shapes.Type) -> Any:
    """Return the type of a key within a value of that type."""
    known: dict[str, shapes.Type] = {}
    other: shapes.Type = shapes.AnyType()
    for member in _members(shape):
        if isinstance(member, shapes.StructType | shapes.DataclassType | shapes.TypedDictType):
            known |= {field.encode_name: field.type for field in member.fields}
        elif isinstance(member, shapes.DictType):
            other = member.value_type
    return lambda key: known.get(key, other)


def _members(shape: shapes.Type) -> tuple[shapes.Type, ...]:
    if isinstance(shape, shapes.Metadata):
        return _members(shape.type)
    if isinstance(shape, shapes.UnionType):
        return tuple(inner for member in shape.types for inner in _members(member))
    return (shape,)


def _secrets(value: Any, shape: shapes.Type) -> Iterator[str]:
    if is_secret(shape):
        yield from texts_of(value)
    elif isinstance(value, Mapping):
        inner = _inner(shape)
        for key, content in value.items():
            yield from _secrets(content, inner(key))
    elif isinstance(value, list | tuple):
        item = _item(shape)
        for content in value:
            yield from _secrets(content, item)
    elif isinstance(value, str):
        yield from passwords_in(value)
