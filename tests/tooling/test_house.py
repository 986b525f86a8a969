"""The checks of sizes and words (tools/house.py)."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

FILE = Path(__file__).parents[2] / "tools" / "house.py"


@pytest.fixture(scope="module")
def house() -> ModuleType:
    spec = importlib.util.spec_from_file_location("house", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def function(lines: int, first: str = "pass") -> str:
    return "\n".join(["def f():", f"    {first}", *["    pass"] * (lines - 2)]) + "\n"


@pytest.mark.parametrize(("lines", "found"), [(60, 0), (61, 1), (499, 1), (500, 1), (501, 2)])
def test_files_and_functions_have_a_limit(house: ModuleType, lines: int, found: int) -> None:
    assert len(list(house.oversized(function(lines), "a.py"))) == found


def test_a_long_function_may_say_why(house: ModuleType) -> None:
    assert list(house.oversized(function(61, "# long: one loop, and each call costs"), "a.py")) == []


@pytest.mark.parametrize(("public", "found"), [(20, 0), (21, 1)])
def test_classes_have_a_limit_of_public_methods(house: ModuleType, public: int, found: int) -> None:
    methods = [f"    def m{number}(self): pass" for number in range(public)] + ["    def _private(self): pass"]
    assert len(list(house.oversized("\n".join(["class C:", *methods]), "a.py"))) == found


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("lookouts = 1", 1),
        ("def _lookout_of(): ...", 1),
        ("class TheLookout: ...", 1),
        ("x = 1  # the lookout knows", 1),
        ('def f():\n    """Return the lookout."""', 1),
        ('x = 1\n"""A lookout."""', 1),
        ('x = "SELECT lookouts FROM a"', 0),
        ("outlook = look = out = 1", 0),
    ],
)
def test_retired_words_are_found_in_names_and_prose(house: ModuleType, source: str, found: int) -> None:
    assert len(list(house.misworded(source, "a.py", {"lookout": "risk monitor"}))) == found


@pytest.mark.parametrize(
    ("opening", "found"),
    [
        ("Give a price.", 1),
        ("Have it sent.", 1),
        ("Say whether.", 1),
        ("Let go.", 1),
        ("Return a price.", 0),
        ("Given.", 0),
    ],
)
def test_docstrings_begin_with_what_is_done(house: ModuleType, opening: str, found: int) -> None:
    assert len(list(house.misbegun(f'def f():\n    """{opening}"""', "a.py"))) == found


def test_the_retired_words_are_in_the_documentation(house: ModuleType) -> None:
    assert house.retired()["lookout"] == "risk monitor"
    assert "word" not in house.retired()
