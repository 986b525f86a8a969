"""Import paths of earlier releases: each works, warns once where it is used, and is used by nothing here."""

import importlib
import re
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from intuition_core.deprecated import ELSEWHERE, MOVED, RENAMED

ROOT = Path(__file__).parent.parent

PACKAGES = {
    "backtest": ("run", "Backtest"),
    "config": ("loading", "load_config"),
    "plugins": ("catalogue", "discover"),
    "session": ("session", "Session"),
    "sources": ("opening", "open_source"),
}
"""Packages that were modules, with where a name of each is now."""

IMPORTS_ALL = """
import importlib, pkgutil
for top in sorted(module.name for module in pkgutil.iter_modules() if module.name.startswith("intuition_")):
    package = importlib.import_module(top)
    for module in pkgutil.walk_packages(getattr(package, "__path__", []), f"{top}."):
        if not module.name.endswith("__main__") and ".templates" not in module.name:
            importlib.import_module(module.name)
            print(module.name)
"""


@pytest.fixture
def unimported() -> Iterator[None]:
    """Old names are as if nobody had imported them, before and after."""
    package = sys.modules["intuition_core"]

    def forget() -> None:
        for old in MOVED:
            sys.modules.pop(f"intuition_core.{old}", None)
            vars(package).pop(old, None)

    forget()
    yield
    forget()


def runs(statement: str) -> tuple[ModuleType, list[warnings.WarningMessage]]:
    """Give what a statement on line 3 of a file calls `found`, and what was warned of."""
    names: dict[str, ModuleType] = {}
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        exec(compile(f"\n\n{statement}", "user.py", "exec"), names)
    return names["found"], [each for each in told if "intuition_core" in str(each.message)]


def expect_one(told: list[warnings.WarningMessage], old: str, new: str) -> None:
    assert [(each.category, each.filename, each.lineno) for each in told] == [(DeprecationWarning, "user.py", 3)]
    assert str(told[0].message) == f"{old} is {new} now, and will not be found in the next release"


@pytest.mark.usefixtures("unimported")
@pytest.mark.parametrize("statement", ["import intuition_core.{0} as found", "from intuition_core import {0} as found"])
@pytest.mark.parametrize(("old", "new"), MOVED.items(), ids=list(MOVED))
def test_an_old_module_is_the_new_one_and_warns_at_the_import(old: str, new: str, statement: str) -> None:
    moved = importlib.import_module(f"intuition_core.{new}")
    found, told = runs(statement.format(old))
    assert found is moved
    assert moved.__name__ == f"intuition_core.{new}"
    assert moved.__spec__ is not None
    assert moved.__spec__.name == f"intuition_core.{new}"
    expect_one(told, f"intuition_core.{old}", f"intuition_core.{new}")


@pytest.mark.usefixtures("unimported")
@pytest.mark.parametrize(("old", "new"), MOVED.items(), ids=list(MOVED))
def test_a_name_of_an_old_module_warns_once(old: str, new: str) -> None:
    moved = importlib.import_module(f"intuition_core.{new}")
    name = next(name for name in vars(moved) if not name.startswith("_"))
    found, told = runs(f"from intuition_core.{old} import {name} as found")
    assert found is vars(moved)[name]
    expect_one(told, f"intuition_core.{old}", f"intuition_core.{new}")


@pytest.mark.usefixtures("unimported")
@pytest.mark.parametrize(
    ("module", "old", "new"), [(module, *each) for module, names in RENAMED.items() for each in names.items()]
)
def test_an_old_name_of_an_old_module_is_what_it_is_called_now(module: str, old: str, new: str) -> None:
    where, _, name = new.partition(":")
    found, told = runs(f"from intuition_core.{module} import {old} as found")
    assert found is getattr(importlib.import_module(f"intuition_core.{where}"), name)
    expect_one(told, f"intuition_core.{module}", f"intuition_core.{MOVED[module]}")


@pytest.mark.parametrize(
    "statement",
    [
        "from intuition_core.{0} import {2} as found",
        "import intuition_core.{0}; found = intuition_core.{0}.{2}",
        "from intuition_core import {0}; found = {0}.{2}",
    ],
)
@pytest.mark.parametrize(("package", "place"), PACKAGES.items(), ids=list(PACKAGES))
def test_a_name_of_a_module_that_is_a_package_now_warns_once(
    package: str, place: tuple[str, str], statement: str
) -> None:
    module, name = place
    new = f"intuition_core.{package}.{module}"
    found, told = runs(statement.format(package, module, name))
    assert found is getattr(importlib.import_module(new), name)
    expect_one(told, f"intuition_core.{package}.{name}", f"{new}.{name}")


@pytest.mark.parametrize(
    ("package", "module", "name"),
    [(package, *each) for package, modules in ELSEWHERE.items() for each in modules.items()],
)
def test_names_that_went_to_another_module_are_found_there(package: str, module: str, name: str) -> None:
    new = f"intuition_core.{package}.{module}"
    for each in name.split():
        found, told = runs(f"from intuition_core.{package} import {each} as found")
        assert found is getattr(importlib.import_module(new), each)
        expect_one(told, f"intuition_core.{package}.{each}", f"{new}.{each}")


@pytest.mark.parametrize("name", ["BadFlag", "key_and_value"])
def test_names_that_left_a_module_which_is_still_there(name: str) -> None:
    found, told = runs(f"from intuition_core.cli.serve import {name} as found")
    assert found is getattr(importlib.import_module("intuition_core.cli.options"), name)
    expect_one(told, f"intuition_core.cli.serve.{name}", f"intuition_core.cli.options.{name}")


def test_a_name_of_a_module_that_offers_others_now_warns_once() -> None:
    new = "intuition_core.trading.records"
    found, told = runs("from intuition_core.records import Recorder as found")
    assert found is importlib.import_module(new).Recorder
    expect_one(told, "intuition_core.records.Recorder", f"{new}.Recorder")
    assert runs("from intuition_core.records import Record as found")[1] == []
    with pytest.raises(ImportError, match="cannot import name 'nowhere'"):
        runs("from intuition_core.records import nowhere as found")


@pytest.mark.parametrize("package", PACKAGES)
def test_modules_of_a_package_that_was_a_module_do_not_warn(package: str) -> None:
    assert runs(f"from intuition_core.{package} import {PACKAGES[package][0]} as found")[1] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_what_neither_had_is_not_found_under_the_name_that_was_asked_for(package: str) -> None:
    with pytest.raises(AttributeError, match=rf"^module 'intuition_core\.{package}' has no attribute 'nowhere'$"):
        getattr(importlib.import_module(f"intuition_core.{package}"), "nowhere")  # noqa: B009  # mypy knows that it is not there
    with pytest.raises(ImportError, match="cannot import name 'nowhere'"):
        runs(f"from intuition_core.{package} import nowhere as found")


def test_what_never_was_is_no_module() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"intuition_core\.nowhere"):
        importlib.import_module("intuition_core.nowhere")
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("intuition_core.rpc.desk")


def test_every_module_of_the_core_and_of_the_plugins_imports_without_old_paths() -> None:
    told = subprocess.run(
        [sys.executable, "-W", "error:intuition_core.:DeprecationWarning", "-c", IMPORTS_ALL],
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    imported = told.stdout.split()
    assert "intuition_core.trading.engine" in imported
    assert "intuition_risk" in {name.partition(".")[0] for name in imported} | set(sys.modules)


def test_no_file_names_an_old_path() -> None:
    moved, packages, names = "|".join(MOVED), "|".join(PACKAGES), "|".join(name for _, name in PACKAGES.values())
    old = re.compile(
        rf"intuition_core\.({moved})\b"
        rf"|from intuition_core import .*\b({moved})\b"
        rf"|from intuition_core\.({packages}) import .*\b({names})\b"
    )
    files = [
        file
        for folder in ("intuition_core", "plugins", "tests", "docs", "benchmarks")
        for ending in ("py", "md", "toml", "tmpl")
        for file in (ROOT / folder).rglob(f"*.{ending}")
        if file not in (Path(__file__), ROOT / "docs" / "compatibility.md")  # it shows one
    ]
    assert len(files) > 200
    named = {str(file.relative_to(ROOT)): found[0] for file in files if (found := old.search(file.read_text()))}
    assert named == {}
