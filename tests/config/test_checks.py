from collections.abc import Iterator

import msgspec
import pytest
from msgspec import inspect as shapes

from intuition_core.config.checks import expected_at, range_at, unfit_keys, unfit_values
from intuition_core.config.loading import BadConfiguration, convert
from intuition_core.config.schema import schema
from intuition_core.config.tables import Configuration
from intuition_core.plugins.catalogue import Catalogue

DEADLINES = [
    ("worker.deadline", {"worker": {"deadline": ...}}),
    ("worker.import_deadline", {"worker": {"import_deadline": ...}}),
    ("algorithm.deadline", {"algorithm": {"name": "a", "deadline": ...}}),
    ("portfolio.deadline", {"portfolio": {"name": "a", "deadline": ...}}),
    ("risks.1.deadline", {"risks": [{"name": "a"}, {"name": "b", "deadline": ...}]}),
    ("indicators.0.deadline", {"indicators": [{"name": "a", "deadline": ...}]}),
    ("algorithms.0.deadline", {"algorithms": [{"name": "a", "deadline": ...}]}),
    (
        "algorithms.0.portfolio.deadline",
        {"algorithms": [{"name": "a", "portfolio": {"use": "b", "deadline": ...}}]},
    ),
]


def filled(tree: object, value: object) -> object:
    """Give a tree with a value in place of its ellipsis."""
    if isinstance(tree, dict):
        return {key: filled(content, value) for key, content in tree.items()}
    if isinstance(tree, list):
        return [filled(content, value) for content in tree]
    return value if tree is ... else tree


def refused(tree: object) -> list[tuple[str, str]]:
    """Give what is wrong with a tree, by key."""
    assert isinstance(tree, dict)
    try:
        convert(tree, origin="x.toml")
    except BadConfiguration as error:
        return [(mistake.key, mistake.problem) for mistake in error.mistakes]
    return []


def constraints(shape: shapes.Type, path: str = "") -> Iterator[tuple[str, shapes.Metadata]]:
    """Give the annotated types within a type, by dotted key; 0 stands for the places of a list."""
    if isinstance(shape, shapes.Metadata):
        yield path, shape
    elif isinstance(shape, shapes.UnionType):
        for member in shape.types:
            yield from constraints(member, path)
    elif isinstance(shape, shapes.VarTupleType):
        yield from constraints(shape.item_type, f"{path}.0")
    elif isinstance(shape, shapes.StructType):
        for field in shape.fields:
            yield from constraints(field.type, f"{path}.{field.name}" if path else field.name)


@pytest.mark.parametrize(("key", "tree"), DEADLINES, ids=[key for key, _ in DEADLINES])
@pytest.mark.parametrize("value", [0, -1, -0.5, float("inf"), float("-inf"), float("nan")])
def test_deadlines_are_above_0_and_finite(key: str, tree: object, value: float) -> None:
    assert refused(filled(tree, value)) == [(key, f"expected seconds above 0, got {value}")]


@pytest.mark.parametrize(("key", "tree"), DEADLINES, ids=[key for key, _ in DEADLINES])
@pytest.mark.parametrize("value", [1e-9, 1, 2.5, 1e300])
def test_other_deadlines_are_taken(key: str, tree: object, value: float) -> None:
    assert range_at(key) == "seconds above 0"
    assert refused(filled(tree, value)) == []


@pytest.mark.parametrize(
    ("tree", "key", "problem"),
    [
        ({"worker": {"memory": 0}}, "worker.memory", "expected MiB above 0, got 0"),
        ({"seed": 2**63}, "seed", f"expected a whole number of at most 64 bits, got {2**63}"),
        ({"seed": -(2**63) - 1}, "seed", f"expected a whole number of at most 64 bits, got {-(2**63) - 1}"),
        ({"session": "a" * 65}, "session", "expected 1 to 64 letters"),
        ({"session": "a\n"}, "session", "expected 1 to 64 letters"),
        ({"session": "ä"}, "session", "expected 1 to 64 letters"),
    ],
)
def test_a_value_out_of_range_is_told_with_the_range(tree: dict[str, object], key: str, problem: str) -> None:
    [(found, told)] = refused(tree)
    assert found == key
    assert told.startswith(problem)


@pytest.mark.parametrize(
    "tree", [{"worker": {"memory": 1}}, {"seed": 2**63 - 1}, {"seed": -(2**63)}, {"session": "A-z_0.9"}]
)
def test_the_ends_of_a_range_are_in_it(tree: dict[str, object]) -> None:
    assert refused(tree) == []


def test_each_constraint_says_in_plain_words_what_it_wants() -> None:
    found = dict(constraints(shapes.type_info(Configuration)))
    assert len(found) > 20
    for key, shape in found.items():
        assert shape.extra is not None, key
        assert shape.extra.keys() <= {"range", "expected"}, key
        assert range_at(key) in shape.extra.values(), key
        assert expected_at(key) == shape.extra.get("expected"), key


def test_a_key_without_a_constraint_has_no_words_of_its_own() -> None:
    assert range_at("fill") is expected_at("rpc.addr") is expected_at("nothing.like.it") is None


def test_the_place_of_a_wrong_element_is_told_and_where_its_list_was_given() -> None:
    [fault] = unfit_keys({"plugins": {"blocked": ["a", 3]}})
    assert (fault.key, fault.given) == ("plugins.blocked.1", "plugins.blocked")


def test_what_a_session_was_run_with_is_run_again_though_it_is_refused_by_now() -> None:
    values = msgspec.convert({"fill": "same", "fills": {"delay": "2s"}}, Configuration)
    assert [key for key, _ in unfit_values(values)] == ["fills.delay"]
    assert list(unfit_values(values, recorded=True)) == []


def test_the_schema_has_the_ranges() -> None:
    document, _ = schema(Catalogue(()))
    worker = document["$defs"]["WorkerTable"]["properties"]
    assert worker["deadline"]["exclusiveMinimum"] == 0
    assert worker["memory"]["exclusiveMinimum"] == 0
    assert document["properties"]["seed"]["maximum"] == 2**63 - 1
    assert "pattern" in document["properties"]["session"]
