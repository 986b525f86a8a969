"""The face: what authors of plugins import is offered, documented, and loads no more than what is used."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CORE = ROOT / "intuition_core"

LAZY = ("commands", "connections", "research", "runs")
"""Modules that load nothing but what is used of them."""

LOADED = """
import sys
{}
print("\\n".join(name for name in sys.modules if name.split(".")[0] not in sys.stdlib_module_names))
"""


def source_of(module: str) -> ast.Module:
    path = CORE / f"{module}.py"
    return ast.parse((path if path.exists() else CORE / module / "__init__.py").read_text())


def declared(module: str) -> dict[str, str]:
    """Give the names that type checkers see, each with the module that it is imported from."""
    blocks = [node for node in source_of(module).body if isinstance(node, ast.If)]
    [block] = [node for node in blocks if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"]
    names: dict[str, str] = {}
    for node in block.body:
        if isinstance(node, ast.ImportFrom):
            names |= {each.asname: node.module or "" for each in node.names if each.asname}
        elif isinstance(node, ast.Assign):
            names |= {target.id: "" for target in node.targets if isinstance(target, ast.Name)}
    return names


def loaded(statement: str) -> set[str]:
    ran = subprocess.run([sys.executable, "-c", LOADED.format(statement)], capture_output=True, text=True, check=True)
    return set(ran.stdout.split()) - {"__main__"}


@pytest.mark.parametrize("module", LAZY)
def test_what_type_checkers_see_is_what_there_is(module: str) -> None:
    face = importlib.import_module(f"intuition_core.{module}")
    seen = declared(module)
    assert {*seen} == {*face.__all__}
    for name, where in seen.items():
        found = getattr(face, name)
        if where:
            assert found is getattr(importlib.import_module(where), name)
        assert vars(face)[name] is found, "a name is looked up once"


@pytest.mark.parametrize("module", LAZY)
def test_what_there_is_not_is_an_ordinary_error(module: str) -> None:
    face = importlib.import_module(f"intuition_core.{module}")
    with pytest.raises(AttributeError, match=rf"^module 'intuition_core\.{module}' has no attribute 'nowhere'$"):
        getattr(face, "nowhere")  # noqa: B009  # mypy knows that it is not there


@pytest.mark.parametrize("module", LAZY)
def test_a_module_of_many_names_loads_none_of_them(module: str) -> None:
    assert loaded(f"import intuition_core.{module}") == {
        "intuition_core",
        "intuition_core.deprecated",
        "intuition_core.system",
        "intuition_core.system.lazy",
        f"intuition_core.{module}",
    }


def test_a_name_loads_what_it_is_defined_in() -> None:
    found = loaded("from intuition_core.connections import Throttle")
    assert "intuition_core.rpc.throttle" in found
    assert found.isdisjoint({"gevent", "zmq", "zerorpc", "msgspec"})


@pytest.mark.parametrize("module", ["exact", "recordings", "records"])
def test_modules_for_parts_and_sources_load_no_edge(module: str) -> None:
    found = {name.split(".")[0] for name in loaded(f"import intuition_core.{module}")}
    assert found.isdisjoint({"gevent", "zmq", "zerorpc", "click", "rich", "pluggy", "stevedore"})


def test_a_hook_is_marked_without_a_transport() -> None:
    found = {name.split(".")[0] for name in loaded("from intuition_core import hookimpl")}
    assert found.isdisjoint({"gevent", "zmq", "zerorpc", "click", "rich", "stevedore"})


def test_the_public_names_of_the_core_are_all_there() -> None:
    core = importlib.import_module("intuition_core")
    for name in core.__all__:
        assert getattr(core, name) is not None
