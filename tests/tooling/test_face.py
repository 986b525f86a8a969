"""``tools/face.py``: which imports of the core plugins may have."""

from pathlib import Path

import pytest
from face import CORE, ROOT, checked, face, ignored, imports, lines, main

PUBLIC = face()


def problems(source: str) -> list[str]:
    found = (PUBLIC.problem(module, names) for _, module, names in imports(source))
    return [problem for problem in found if problem is not None]


@pytest.mark.parametrize(
    "source",
    [
        "from intuition_core import Signal",
        "from intuition_core import Signal, hookimpl, rng_state",
        "from intuition_core import contracts, exact",
        "from intuition_core.contracts import Data",
        "import intuition_core",
        "import intuition_core.runs",
        "from intuition_core.testing.broker import FakeVenue",
        "from intuition_core_other.cli import anything",
        "from .session import anything",
        "import json, click",
    ],
)
def test_the_face_may_be_imported(source: str) -> None:
    assert problems(source) == []


@pytest.mark.parametrize(
    "source",
    [
        "from intuition_core.trading.records import Record",
        "import intuition_core.session.journal as journal",
        "from intuition_core import session",
        "from intuition_core import cli as anything",
        "from intuition_core.runs.follower import Follower",
        "from intuition_core.testing.asked import anything",
        "from intuition_core.data import _price",
        "def f():\n    from intuition_core.cli.logs import set_up_logging",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from intuition_core.rpc import client",
        "try:\n    import intuition_core.launch\nexcept ImportError:\n    pass",
        "from importlib import import_module\nimport_module('intuition_core.cli')",
        "import importlib\nimportlib.import_module('intuition_core.account.ledger')",
    ],
)
def test_what_is_within_may_not(source: str) -> None:
    assert len(problems(source)) == 1


def test_pages_and_templates_are_read_line_by_line() -> None:
    text = "Text.\n\n```python\nfrom intuition_core.rpc.client import Client\n  from intuition_core import Bet, Order\n"
    assert list(lines(text)) == [(4, "intuition_core.rpc.client", ("Client",)), (5, "intuition_core", ("Bet", "Order"))]


def test_each_kind_of_file_is_checked() -> None:
    assert {path.suffix for path in checked()} == {".py", ".tmpl", ".md"}
    parents = {path.relative_to(ROOT).parts[0] for path in checked()}
    assert parents == {"plugins", "docs", CORE}


def test_what_is_ignored_is_there_and_needs_it() -> None:
    for name in ignored():
        sources = [path.read_text() for path in ROOT.glob(f"plugins/{name}/intuition_*/**/*.py")]
        assert sources
        assert any(map(problems, sources)), f"{name} may leave the list in pyproject.toml"


def test_everything_else_imports_the_face_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert main() == 0, capsys.readouterr().out


def test_each_import_that_is_not_is_told_with_its_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / CORE).mkdir()
    (tmp_path / CORE / "__init__.py").write_text('__all__ = ["Bet"]\n')
    (tmp_path / "pyproject.toml").write_text('[tool.face]\npublic = ["data"]\nignore = ["intuition-old"]\n')
    for name, module in {"old": "cli", "new": "session"}.items():
        package = tmp_path / "plugins" / f"intuition-{name}" / f"intuition_{name}"
        package.mkdir(parents=True)
        (package / "part.py").write_text(f"\nfrom intuition_core import Bet\nimport intuition_core.{module}\n")
    assert main(tmp_path) == 1
    assert capsys.readouterr().out == (
        "plugins/intuition-new/intuition_new/part.py:3: intuition_core.session is no public module: data are\n"
    )


def test_the_page_on_what_stays_names_the_modules() -> None:
    page = (ROOT / "docs" / "compatibility.md").read_text()
    [row] = [line for line in page.splitlines() if line.startswith("| what authors import")]
    for module in PUBLIC.modules:
        if "." not in module:
            assert f"`{module}`" in row
