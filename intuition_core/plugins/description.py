"""The description of a part: its documentation, and its parameters with types, defaults and meaning."""

import ast
import inspect
import textwrap
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import msgspec
from msgspec import inspect as shapes

from intuition_core.params.checking import fields, is_secret, params_class
from intuition_core.params.typed import expected


class Parameter(msgspec.Struct, frozen=True, kw_only=True):
    """One parameter of a part."""

    name: str
    type: str
    """Its type in plain words, with the bounds."""
    required: bool
    default: Any = None
    """As plain JSON types; None for a required one, and where nothing is the default."""
    secret: bool = False
    """Whether its value is secret."""
    doc: str = ""


class Description(msgspec.Struct, frozen=True, kw_only=True):
    """The description of a part."""

    doc: str = ""
    """The part's documentation, as its docstring has it."""
    parameters: tuple[Parameter, ...] | None = None
    """None for a part that declares none and takes any."""


def describe(part: object) -> Description:
    """Describe a part's class or factory.

    Raises:
        TypeError: its ``Params`` is no class that can be described.
    """
    declared = params_class(part)
    doc = inspect.cleandoc(getattr(part, "__doc__", None) or "")
    if declared is None:
        return Description(doc=doc)
    written = _written(declared)
    return Description(
        doc=doc,
        parameters=tuple(
            Parameter(
                name=field.encode_name,
                type=type_words(field.type),
                required=field.required,
                default=_default(field),
                secret=is_secret(field.type),
                doc=_said(field.type) or written.get(field.name, ""),
            )
            for field in fields(declared)
        ),
    )


def params_schema(part: object, prefix: str) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Return the JSON Schema of a part's parameters and the definitions it refers to; None for a part that takes any.

    Args:
        part: the part's class or factory.
        prefix: what the definitions' names begin with, so that those of several parts can be in one document.

    Raises:
        TypeError: a type that JSON Schema has no word for.
    """
    declared = params_class(part)
    if declared is None:
        return None
    template = f"#/$defs/{prefix}{{name}}"
    (schema,), components = msgspec.json.schema_components((declared,), ref_template=template)
    return schema, {f"{prefix}{name}": component for name, component in components.items()}


def type_words(shape: shapes.Type) -> str:
    """Return the type of a parameter in plain words, with its bounds."""
    words = [expected(shape)]
    words += dict.fromkeys(bound for member in _all(shape) for bound in _bounds(member))
    return ", ".join(words)


def _all(shape: shapes.Type) -> Iterator[shapes.Type]:
    if isinstance(shape, shapes.Metadata):
        yield from _all(shape.type)
    elif isinstance(shape, shapes.UnionType):
        for member in shape.types:
            yield from _all(member)
    else:
        yield shape


_LIMITS = {"gt": "above", "ge": "at least", "lt": "below", "le": "at most", "multiple_of": "a multiple of"}
_LENGTHS = {"min_length": "at least {} long", "max_length": "at most {} long", "pattern": "like {}"}


def _bounds(shape: shapes.Type) -> Iterator[str]:
    for name, word in _LIMITS.items():
        if (limit := getattr(shape, name, None)) is not None:
            yield f"{word} {limit}"
    for name, word in _LENGTHS.items():
        if (limit := getattr(shape, name, None)) is not None:
            yield word.format(limit)


def _said(shape: shapes.Type) -> str:
    """Return the description in a type's annotations, the outermost first."""
    if isinstance(shape, shapes.Metadata):
        return str((shape.extra_json_schema or {}).get("description") or "") or _said(shape.type)
    if isinstance(shape, shapes.UnionType):
        return next(filter(None, map(_said, shape.types)), "")
    return ""


def _default(field: shapes.Field) -> Any:
    if field.default is not msgspec.NODEFAULT:
        return msgspec.to_builtins(field.default)
    if field.default_factory is not msgspec.NODEFAULT:
        return msgspec.to_builtins(field.default_factory())
    return None


def _written(declared: type) -> dict[str, str]:
    """Return the texts below a class's fields by field, from the source; empty where there is none."""
    texts: dict[str, str] = {}
    for cls in reversed(declared.__mro__[:-1]):
        try:
            tree = ast.parse(textwrap.dedent(inspect.getsource(cls)))
        except (OSError, TypeError, SyntaxError):  # made by hand, or kept as bytecode only
            continue
        body = tree.body[0].body if tree.body and isinstance(tree.body[0], ast.ClassDef) else []
        for field, text in pairwise(body):
            if (
                isinstance(field, ast.AnnAssign)
                and isinstance(field.target, ast.Name)
                and isinstance(text, ast.Expr)
                and isinstance(text.value, ast.Constant)
                and isinstance(text.value.value, str)
            ):
                texts[field.target.id] = " ".join(text.value.value.split())
    return texts
