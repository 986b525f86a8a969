"""What the README and the pages show is so: commands and programs run, tables can be read, links lead somewhere."""

import importlib.util
import json
import re
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from intuition_core.config.loading import convert
from intuition_core.contracts import Signal
from intuition_core.testing import strategy_of
from intuition_core.testing.contract import Contract

_spec = importlib.util.spec_from_file_location("docs_pages", Path(__file__).parent / "pages.py")
assert _spec is not None
assert _spec.loader is not None
_pages = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_pages)

ROOT: Path = _pages.ROOT
PAGES: list[Path] = _pages.pages()
FOLLOWED = (
    "tutorial.md",
    "bring-your-data.md",
    "catalogue.md",
    "database.md",
    "websocket.md",
    "venue.md",
    "going-live.md",
    "orders.md",
    "risk.md",
    "targets.md",
    "timers.md",
    "filled.md",
    "compare.md",
    "replay.md",
    "swap.md",
    "nodejs.md",
    "python.md",
)
ELSEWHERE = {
    "README.md": "its commands install, serve and publish: tests/main_job, tests/cli/test_list_plugins.py",
    "accounts.md": "tests/docs/test_accounts.py",
    "backtesting.md": "tests/backtest/test_guide.py",
    "brokers.md": "tests/testing/test_broker_contract.py",
    "compatibility.md": "it has tables only",
    "guarantees.md": "it has tables only",
    "instruments.md": "tests/docs/test_instruments.py",
    "security.md": "tests/cli/test_keys.py, tests/rpc/test_curve.py, tests/rpc/test_node.py",
}
"""Pages whose commands are tried by other tests, and by which."""


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def page_of(file: str) -> Path:
    [page] = [page for page in PAGES if page.name == file]
    return page


def shown(said: str, wanted: str, where: str) -> None:
    """Look for lines, in their order."""
    lines = iter(said.splitlines())
    for line in wanted.splitlines():
        assert any(re.match(_pages.pattern(line), each) for each in lines), (where, line, said)


@pytest.mark.parametrize("file", FOLLOWED)
def test_page_can_be_followed(
    file: str, reader: Any, need: Callable[[str], None], request: pytest.FixtureRequest
) -> None:
    said = ""
    for block in _pages.blocks(page_of(file)):
        where = f"{file}:{block.line}"
        if block.left_out:
            continue
        if block.language == "text" and block.note == "said by the one that stays":
            for line in block.code.splitlines():
                reader.running[-1].wait_for(_pages.pattern(line))
        elif block.language == "text":
            shown(said, block.code, where)
        elif block.language == "sh" and block.waits_for:
            reader.leave_running(block.code, block.waits_for)
        elif block.language == "sh":
            if "pip install" in block.code:
                need("uv")
            said = reader.run(block.code)
        elif block.language == "python":
            said = reader.run(block.code, sys.executable, "-W", "error", "-c")
        elif block.language == "js":
            modules = request.getfixturevalue("node_modules")
            said = reader.run(block.code, "node", "-e", extra={"NODE_PATH": str(modules)})
            assert re.search(r"^decision buy GOOG \d", said, re.MULTILINE), said
        else:
            assert block.language in {"toml", "json"}, where


def test_client_of_the_readme_gets_records(reader: Any) -> None:
    [client] = [b.code for b in _pages.blocks(ROOT / "README.md") if "zerorpc.Client" in b.code]
    reader.leave_running("intuition serve --algo random --param threshold=0 --no-journal", "ready")
    answers = "\n".join(re.sub(r"^(session\..*?\))  #.*", r"print(\1)", line) for line in client.splitlines())
    said = reader.run(answers, sys.executable, "-W", "error", "-W", "ignore::DeprecationWarning", "-c").splitlines()
    assert said[0] == "['quotes']"
    assert "'type': 'decision'" in said[1]
    assert "'quote': 345.0" in said[1]


def test_every_page_with_commands_is_tried() -> None:
    with_commands = {page.name for page in PAGES if any(block.language == "sh" for block in _pages.blocks(page))}
    assert with_commands <= {*FOLLOWED, *ELSEWHERE}
    assert all((ROOT / "docs" / file).exists() or (ROOT / file).exists() for file in ELSEWHERE)


def test_what_is_not_run_says_why() -> None:
    left_out = [(name(page), b.line, b.left_out) for page in PAGES for b in _pages.blocks(page) if b.left_out]
    assert all(reason in {"needs a network", "needs a server"} for _, _, reason in left_out), left_out


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_tables_can_be_read(page: Path) -> None:
    for block in _pages.blocks(page):
        if block.language == "toml":
            table = tomllib.loads(block.code)
            if "project" not in table:  # that is a plugin's pyproject.toml
                convert(table, origin=f"{name(page)}:{block.line}")
        elif block.language == "json":
            json.loads(block.code)


def _classes() -> list[Any]:
    """Give the Python blocks that only define something."""
    return [
        pytest.param(block.code, id=f"{name(page)}:{block.line}")
        for page in PAGES
        for block in _pages.blocks(page)
        if block.language == "python"
        and re.search(r"^class ", block.code, re.MULTILINE)
        and page.name not in FOLLOWED
        and not block.left_out
    ]


@pytest.mark.parametrize("code", _classes())
def test_parts_can_be_defined(code: str) -> None:
    names: dict[str, Any] = {"__name__": "shown"}
    exec(compile(code, "shown", "exec"), names)
    parts = [value for value in names.values() if isinstance(value, type) and value.__module__ == "shown"]
    for part in parts:
        if issubclass(part, Contract):
            continue
        if hasattr(part, "event"):
            trading = strategy_of(part)
        elif hasattr(part, "optimize"):
            trading = strategy_of(InTurn, part)
        elif hasattr(part, "check"):
            trading = strategy_of(InTurn, risks=[part])
        else:
            continue
        events = ({"channel": "quotes", "sid": "A", "quote": 10.0 + n % 7, "ts": n} for n in range(60))
        records = [record for event in events for record in trading.step(event)]
        assert not [record for record in records if record["type"] == "error"]


class InTurn:
    """Buys and sells in turn."""

    def initialize(self, params: Any) -> None:
        self.n = 0

    def event(self, data: Any) -> Signal:
        self.n += 1
        return Signal(data["sid"], "buy" if self.n % 2 else "sell")


@pytest.mark.parametrize("page", [*PAGES, *sorted((ROOT / "docs" / "plugins").glob("*.md"))], ids=name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in _pages.links(page):
        assert (page.parent / target).exists(), f"{name(page)}: {target}"
    for target, heading in _pages.anchors(page):
        assert heading in _pages.headings(target), f"{name(page)}: {target.name}#{heading}"


def test_every_plugin_is_listed() -> None:
    listed = (ROOT / "docs" / "plugins" / "index.md").read_text(encoding="utf-8")
    for readme in (ROOT / "plugins").glob("*/README.md"):
        assert f"[{readme.parent.name}]" in listed


def test_every_module_has_a_room() -> None:
    told = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    told = told[told.index("### The face") : told.index("## Doors")]
    core = ROOT / "intuition_core"
    for title, room in re.findall(r"^### (.+)\n([^#]*)", told, re.MULTILINE):
        folder = core if title == "The face" else core / title
        rows = set(re.findall(r"^\| `([^`]+)`", room, re.MULTILINE))
        modules = {file.stem for file in folder.glob("*.py") if not file.stem.startswith("__")}
        if title == "cli":
            assert all((core / f"{row}.py").exists() or (core / row).is_dir() for row in rows), rows
        elif title in ("rpc", "executor"):
            assert {f"{title}/{module}" for module in modules} == rows
        else:
            assert modules - {"launch"} == {row for row in rows if "/" not in row}, title


def test_every_page_is_in_the_navigation() -> None:
    site = tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))

    def files(entries: list[Any]) -> set[str]:
        named = set[str]()
        for entry in entries:
            for value in entry.values():
                named |= files(value) if isinstance(value, list) else {value}
        return named

    docs = ROOT / "docs"
    assert files(site["project"]["nav"]) == {str(page.relative_to(docs)) for page in docs.rglob("*.md")}
