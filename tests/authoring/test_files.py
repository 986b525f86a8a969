"""Parts in files: what a reference means, which class is taken, and what people are told."""

import os
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intuition_core.config.compose import compose
from intuition_core.config.editing import settle
from intuition_core.config.loading import BadConfiguration, load_config
from intuition_core.errors import IntuitionError
from intuition_core.plugins.catalogue import REQUIRED, Catalogue, discover
from intuition_core.plugins.files import (
    BrokenFile,
    NoSuchFile,
    NoSuchPart,
    SeveralParts,
    check_syntax,
    is_file,
    load_part,
    part_file,
    version_of,
)
from intuition_core.serving.service import Service

ALGORITHM = """
class {name}:
    def initialize(self, params): ...
    def event(self, data): ...
"""
PORTFOLIO = """
class {name}:
    def optimize(self, signal, account): ...
"""


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return discover()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(name: str, *parts: str) -> Path:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(parts))
    return path


def algorithm(reference: str) -> object:
    return load_part(part_file(reference), "algorithm", REQUIRED["algorithm"])


@pytest.mark.parametrize("reference", ["x.py", "./x.py", "/a/b c/x.py", "x.py:X", "~/x.py", "a:b/x.py:X_1"])
def test_a_path_is_recognised_by_its_ending(reference: str) -> None:
    assert is_file(reference)


@pytest.mark.parametrize(
    "name", ["random", "acme-algos:random", ".py", "a/.py", "x.pyc", "x.py:", "x.py:X:Y", "x.py:-", ""]
)
def test_a_plugins_name_is_none(name: str) -> None:
    assert not is_file(name)


@given(
    st.text(st.characters(exclude_characters="\0"), max_size=20),
    st.from_regex(r"[A-Za-z_][A-Za-z0-9_]*", fullmatch=True),
)
def test_a_reference_says_itself_again(stem: str, name: str) -> None:
    for reference in (f"/{stem}x.py", f"/{stem}x.py:{name}"):
        once = part_file(reference)
        assert part_file(str(once)) == once
        assert str(once.path).endswith("x.py")


def test_a_part_is_called_after_its_file_and_its_version_after_the_content(catalogue: Catalogue) -> None:
    write("my_algo.py", ALGORITHM.format(name="A"))
    write("other.py", ALGORITHM.format(name="A"))
    plugin = catalogue.find("algorithm", "./my_algo.py")
    assert (plugin.name, plugin.distribution) == ("my-algo", "file")
    assert plugin.version == catalogue.find("algorithm", "other.py").version
    write("other.py", ALGORITHM.format(name="B"))
    assert plugin.version != catalogue.find("algorithm", "other.py").version


def test_a_process_knows_a_file_as_it_was_when_it_was_imported() -> None:
    write("x.py", ALGORITHM.format(name="A"))
    before, cls = version_of(part_file("x.py")), algorithm("x.py")
    write("x.py", ALGORITHM.format(name="B"))
    assert version_of(part_file("x.py")) == before
    assert algorithm("x.py") is cls


def test_the_only_class_of_the_kind_is_taken() -> None:
    write(
        "x.py",
        "from decimal import Decimal",
        ALGORITHM.format(name="_Base"),
        ALGORITHM.format(name="Mine"),
        PORTFOLIO.format(name="Bets"),
    )
    assert algorithm("x.py").__name__ == "Mine"  # type: ignore[attr-defined]  # it is a class
    assert load_part(part_file("x.py"), "portfolio", REQUIRED["portfolio"]).__name__ == "Bets"


def test_both_parts_of_a_line_can_be_in_one_file_which_is_run_once(catalogue: Catalogue) -> None:
    write(
        "both.py",
        "import sys\nsys.modules.setdefault('runs_of_both', []).append(1)",
        ALGORITHM.format(name="A"),
        PORTFOLIO.format(name="P"),
    )
    config = settle(load_config(flags={"algorithm.name": "both.py", "portfolio.name": "./both.py:P"}), catalogue)
    try:
        (line,) = compose(config, catalogue).sleeves
        assert (line.algorithm.label, line.portfolio.name) == (
            f"algorithm both (file {line.algorithm.version})",
            "both",
        )
        assert sys.modules["runs_of_both"] == [1]  # type: ignore[comparison-overlap]  # no module, but a list
    finally:
        del sys.modules["runs_of_both"]


def test_annotations_find_what_they_mean() -> None:
    write(
        "typed.py",
        "from __future__ import annotations\nimport msgspec\n",
        "class Size(msgspec.Struct):\n    most: int\n",
        "class A:\n    class Params(msgspec.Struct):\n        size: Size\n"
        "    def initialize(self, params): ...\n    def event(self, data): ...\n",
    )
    from intuition_core.params.checking import check_params

    assert check_params("a", algorithm("typed.py"), {"size": {"most": 3}}).size.most == 3


@pytest.mark.parametrize(
    ("reference", "content", "error", "says"),
    [
        ("my_alg.py", None, NoSuchFile, "my_alg.py: there is no such file; did you mean `my_algo.py`?"),
        ("nowhere/x.py", None, NoSuchFile, "nowhere/x.py: there is no such file"),
        ("x.py", "\n\ndef event(self data): ...", BrokenFile, "x.py:3: invalid syntax: `def event(self data): ...`"),
        ("x.py", "a\0b", BrokenFile, "null bytes"),
        (
            "x.py",
            "\nimport nowhere_at_all",
            BrokenFile,
            "x.py:2: importing it failed with ModuleNotFoundError: No module",
        ),
        ("x.py", "import my_algo", BrokenFile, "does not see my_algo.py beside it"),
        ("x.py", "import sys\nsys.exit(3)", BrokenFile, "x.py:2: importing it failed with SystemExit: 3"),
        ("x.py", "", NoSuchPart, "x.py: it has no algorithm: a class with `initialize` and `event`"),
        ("x.py", PORTFOLIO.format(name="P") + "    def event(self, data): ...", NoSuchPart, "; `P` lacks `initialize`"),
        ("x.py", ALGORITHM.format(name="A") + ALGORITHM.format(name="B"), SeveralParts, "choose `x.py:A` or `x.py:B`"),
        ("x.py:Mime", ALGORITHM.format(name="Mine"), NoSuchPart, "no class is called `Mime`; did you mean `Mine`?"),
        ("x.py:P", PORTFOLIO.format(name="P"), NoSuchPart, "`P` is no algorithm: it has no `initialize` or `event`"),
    ],
)
def test_mistakes_say_what_where_and_what_to_do(
    reference: str, content: str | None, error: type[IntuitionError], says: str
) -> None:
    write("my_algo.py", ALGORITHM.format(name="A"))
    if content is not None:
        write("x.py", content)
    with pytest.raises(error) as raised:
        algorithm(reference)
    assert says in str(raised.value)
    assert "\n" not in str(raised.value)


def test_what_failed_to_import_can_be_mended_and_tried_again() -> None:
    write("x.py", "raise ValueError")
    with pytest.raises(BrokenFile, match="ValueError"):
        algorithm("x.py")
    write("x.py", ALGORITHM.format(name="A"))
    assert algorithm("x.py").__name__ == "A"  # type: ignore[attr-defined]  # it is a class


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_said_to_be_so() -> None:
    write("x.py").chmod(0)
    with pytest.raises(NoSuchFile, match=r"x\.py: it cannot be read: Permission denied"):
        algorithm("x.py")


def test_syntax_is_checked_without_running_anything() -> None:
    check_syntax(write("x.py", "raise SystemExit"))
    with pytest.raises(BrokenFile, match=r"y\.py:1: "):
        check_syntax(write("y.py", "def ("))


def test_paths_in_a_configuration_are_relative_to_it_and_those_of_flags_to_the_working_folder(
    folder: Path, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("there/algo.py", "there/sized.py", "there/ind.py"):
        write(name, ALGORITHM.format(name="A") + PORTFOLIO.format(name="P"))
    write("bets.py", PORTFOLIO.format(name="Bets"))
    write("there/limit.py", "class R:\n    def check(self, order, account): ...")
    file = write(
        "there/intuition.toml",
        '[[algorithms]]\nname = "algo.py"\nportfolio = { use = "./sized.py" }\n'
        '[[risks]]\nname = "limit.py"\n[[indicators]]\nname = "ind.py"\n[source]\nname = "./walk.py"\n',
    )
    config = load_config(file)
    assert config.values.source.name == str(folder / "there/walk.py")
    composition = compose(settle(config, catalogue), catalogue)
    assert [(part.name, part.distribution) for part in composition.parts] == [
        (name, "file") for name in ("limit", "ind", "algo", "sized")
    ]
    write("there/intuition.toml", '[algorithm]\nname = "algo.py"')
    monkeypatch.setenv("INTUITION_PORTFOLIO__NAME", "bets.py")
    (line,) = compose(settle(load_config(file), catalogue), catalogue).sleeves
    assert (line.algorithm.name, line.portfolio.name) == ("algo", "bets")
    with pytest.raises(NoSuchFile):
        compose(settle(load_config(file, flags={"algorithm.name": "algo.py"}), catalogue), catalogue)


def test_what_is_known_of_symbols_can_be_in_files_beside_the_configuration(folder: Path, catalogue: Catalogue) -> None:
    row = '{"symbol": "A", "calendar": "OURS"}'
    write("there/table.py", f"class T:\n    def instruments(self):\n        return [{row}]")
    write("there/hours.py", "class H:\n    def sessions(self, name):\n        return [(1, 2)]")
    tables = '[algorithm]\nname = "random"\n[instruments]\nname = "table.py"\ncalendars = "./hours.py"\n'
    composition = compose(settle(load_config(write("there/intuition.toml", tables)), catalogue), catalogue)
    assert [each.to_json() for each in composition.instruments] == [{"symbol": "A", "calendar": "OURS"}]
    assert [hours.to_json()["sessions"] for hours in composition.hours] == [1]


def test_callers_of_a_session_cannot_have_a_file_run(catalogue: Catalogue) -> None:
    path = write("evil.py", "raise SystemExit")
    service = Service(load_config(flags={"algorithm.name": "random"}), catalogue)
    try:
        for conf in ({"algorithm": {"name": str(path)}}, {"portfolio": {"use": "evil.py:X"}}):
            with pytest.raises(BadConfiguration, match="callers choose among installed plugins"):
                service.initialize(conf)
    finally:
        service.close()
