"""Values that people type as text: read once their type is known, with plain words for those that do not fit."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec import inspect as shapes

from intuition_core.errors import did_you_mean

_NUMBERS: Final = (shapes.FloatType, shapes.DecimalType)
_LISTS: Final = (shapes.ListType, shapes.VarTupleType, shapes.TupleType, shapes.SetType, shapes.FrozenSetType)
_TABLES: Final = (shapes.StructType, shapes.DataclassType, shapes.TypedDictType, shapes.DictType)
_TAKERS: Final[Mapping[type, tuple[type, ...]]] = {
    bool: (shapes.BoolType,),
    int: (shapes.IntType, *_NUMBERS),
    float: _NUMBERS,
    list: _LISTS,
    dict: _TABLES,
}


class Typed(str):
    """Text from a variable or a flag, to be read as a TOML value unless its type is text.

    A password ``12345`` or ``"x"`` stays what was typed; a threshold ``0.7`` becomes a number.
    """

    __slots__ = ()

    @property
    def value(self) -> Any:
        """The TOML value in the text, or the text where it is none."""
        try:
            table = tomllib.loads(f"value = {self}")
        except (ValueError, RecursionError):  # TOMLDecodeError is one; too many digits are another
            table = {}
        return table["value"] if len(table) == 1 else str(self)


def resolve(value: Any, shape: shapes.Type, *, later: bool = False) -> Any:
    """Return a value with each `Typed` in it read as its type.

    Args:
        value: a plain value, or a tree of them, in which anything may be a `Typed`.
        shape: the type of the value.
        later: whether a `Typed` whose type is `Any` stays as it is, to be read when its type is known.
    """
    if isinstance(value, Typed):
        return value if later and isinstance(shape, shapes.AnyType) else _chosen(value, shape)
    if not isinstance(value, Mapping):
        return value
    table = next((member for member in _members(shape) if isinstance(member, _TABLES)), None)
    if table is None or isinstance(table, shapes.DictType):
        inner = shapes.AnyType() if table is None else table.value_type
        return {key: resolve(content, inner, later=later) for key, content in value.items()}
    fields = {field.encode_name: field.type for field in table.fields}
    return {key: resolve(content, fields.get(key, shapes.AnyType()), later=later) for key, content in value.items()}


def expected(shape: shapes.Type) -> str:
    """Return a type in plain words."""
    names = dict.fromkeys(_name(member) for member in _members(shape) if not isinstance(member, shapes.NoneType))
    return " or ".join(names) or "nothing"


def complaint(error: Exception, shape: shapes.Type) -> tuple[str, str]:
    """Return the place in a value that msgspec refused (``x.0.y``, or empty), and the problem in plain words."""
    problem, _, path = str(error).partition(" - at `")
    keys = re.findall(r"\.([^.\[\]`]+)|\[(\d+|\.\.\.)\]", path.removeprefix("$"))
    place = [name or index for name, index in keys]
    if "..." in place:  # somewhere in a table whose keys are free; msgspec does not tell where
        place = place[: place.index("...")]
        problem = f"one of its values: {problem[:1].lower()}{problem[1:]}"
    if missing := re.fullmatch(r"Object missing required field `(.*)`", problem):
        return ".".join([*place, missing[1]]), "is missing"
    if invalid := re.fullmatch(r"Invalid enum value (.*)", problem):
        wanted = shape_at(shape, place)
        near = did_you_mean(invalid[1].strip("'"), map(str, _choices(wanted)))
        return ".".join(place), f"expected {expected(wanted)}, got {invalid[1]}{near}"
    if problem == "Invalid decimal string":
        return ".".join(place), f"expected {expected(shape_at(shape, place))}"
    words = re.sub(r"`([a-z_ |]+)`", _in_words, problem)
    return ".".join(place), words[:1].lower() + words[1:]


def shown(value: Any) -> str:
    """Return a value as a person writes it, at most 60 characters long."""
    text = {True: "true", False: "false"}.get(value) if isinstance(value, bool) else None
    if text is None:
        try:
            text = repr(str(value)) if isinstance(value, str) else repr(value)
        except ValueError:  # Python refuses to write out thousands of digits
            text = "a number of thousands of digits"
    return text if len(text) <= 60 else f"{text[:57]}..."


def _chosen(typed: Typed, shape: shapes.Type) -> Any:
    members = _members(shape)
    text, value = str(typed), typed.value
    if any(isinstance(member, shapes.AnyType) for member in members):
        return value
    as_text = any(isinstance(member, shapes.StrType) for member in members)
    if isinstance(value, float) and any(isinstance(member, shapes.DecimalType) for member in members):
        return text  # exactly as typed: no float has all the digits
    if any(isinstance(member, _TAKERS.get(type(value), ())) for member in members):
        return value
    if as_text or text in _choices(shape):
        return text
    if any(isinstance(member, _LISTS) for member in members):
        return [word.strip() for word in str(value).split(",") if word.strip()]
    return value


def _members(shape: shapes.Type) -> tuple[shapes.Type, ...]:
    if isinstance(shape, shapes.Metadata):
        return _members(shape.type)
    if isinstance(shape, shapes.UnionType):
        return tuple(inner for member in shape.types for inner in _members(member))
    return (shape,)


def _choices(shape: shapes.Type) -> tuple[Any, ...]:
    found: list[Any] = []
    for member in _members(shape):
        if isinstance(member, shapes.LiteralType):
            found += member.values
        elif isinstance(member, shapes.EnumType):
            found += [choice.value for choice in member.cls]
    return tuple(found)


def shape_at(shape: shapes.Type, place: Sequence[str]) -> shapes.Type:
    """Return the type of the value at a path of keys and indices within a value of type ``shape``."""
    for key in place:
        inner: shapes.Type | None = None
        for member in _members(shape):
            if isinstance(member, shapes.StructType | shapes.DataclassType | shapes.TypedDictType):
                inner = next((field.type for field in member.fields if field.encode_name == key), inner)
            elif isinstance(member, shapes.DictType):
                inner = member.value_type
            elif isinstance(member, shapes.ListType | shapes.VarTupleType | shapes.SetType | shapes.FrozenSetType):
                inner = member.item_type
            elif isinstance(member, shapes.TupleType) and key.isdigit():
                inner = member.item_types[int(key)]
        shape = inner or shapes.AnyType()
    return shape


_WORDS: Final = {
    "int": "a whole number",
    "float": "a number",
    "str": "text",
    "bool": "true or false",
    "array": "a list",
    "object": "a table",
    "null": "nothing",
}
_NAMES: Final[Mapping[type, str]] = {
    shapes.IntType: "a whole number",
    shapes.FloatType: "a number",
    shapes.StrType: "text",
    shapes.BoolType: "true or false",
    shapes.DecimalType: 'a number such as 10000 or "10000.50"',
    shapes.AnyType: "anything",
}


def _in_words(match: re.Match[str]) -> str:
    names = match[1].split(" | ")
    if len(names) > 1 and "null" in names:
        names.remove("null")
    if "float" in names and "int" in names:
        names.remove("int")
    return " or ".join(_WORDS.get(name, name) for name in names)


def _name(shape: shapes.Type) -> str:
    choices = _choices(shape)
    if choices:
        words = [f"`{choice}`" for choice in choices]
        return f"one of {', '.join(words)}" if len(words) > 1 else words[0]
    if isinstance(shape, _LISTS):
        return "a list"
    if isinstance(shape, _TABLES):
        return "a table"
    return _NAMES.get(type(shape), type(shape).__name__.removesuffix("Type").lower())
