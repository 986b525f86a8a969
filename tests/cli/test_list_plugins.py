"""``intuition list-plugins`` as people and programs use it, and plugins that come and go in a fresh environment."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pexpect
import pytest
from support import environment

ROOT = Path(__file__).parents[2]
INTUITION = Path(sys.executable).with_name("intuition")
CLASS = "class A:\n    def initialize(self, params): ...\n    def event(self, data): ..."
FIELDS = ["kind", "name", "distribution", "version", "target", "summary", "status", "reason"]


def run(*arguments: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a folder whose plugins it finds."""
    return subprocess.run(
        [INTUITION, "list-plugins", *arguments],
        cwd=folder,
        env=environment(PYTHONPATH=str(folder), **variables),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def listed(*arguments: str, folder: Path, **variables: str) -> dict[str, dict[str, Any]]:
    """Give what a program sees, by name; only what was installed in that folder."""
    result = run("--json", *arguments, folder=folder, **variables)
    assert result.stderr == ""
    return {plugin["name"]: plugin for plugin in json.loads(result.stdout) if plugin["distribution"].startswith("acme")}


def install(folder: Path, name: str, entries: Sequence[str], code: str = CLASS) -> None:
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "entry_points.txt").write_text("[intuition.v1.algorithm]\n" + "\n".join(entries))
    (info / "METADATA").write_text(f"Name: {name}\nVersion: 1.0\nSummary: What {name} does, in a few words\n")
    (folder / f"{name}.py").write_text(code)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a folder with a good plugin, one that cannot be imported, one with a bad target, and two of one name."""
    install(tmp_path, "acme_good", ["good = acme_good:A"])
    install(tmp_path, "acme_raising", ["raising = acme_raising:A"], "raise RuntimeError('not today')")
    install(tmp_path, "acme_bad", ["bad = acme_bad:"])
    install(tmp_path, "acme_one", ["same = acme_one:A"])
    install(tmp_path, "acme_two", ["same = acme_two:A"])
    return tmp_path


def test_programs_get_exactly_the_documented_fields(folder: Path) -> None:
    plugins = json.loads(run("--json", folder=folder).stdout)
    assert all(list(plugin) == FIELDS for plugin in plugins)
    assert listed(folder=folder)["good"] == {
        "kind": "algorithm",
        "name": "good",
        "distribution": "acme_good",
        "version": "1.0",
        "target": "acme_good:A",
        "summary": "What acme_good does, in a few words",
        "status": "available",
        "reason": None,
    }
    assert {name: plugin["status"] for name, plugin in listed(folder=folder).items()} == {
        "good": "available",
        "raising": "available",  # nobody has imported it
        "bad": "broken",
        "same": "conflict",
    }


def test_the_cores_own_part_is_listed(tmp_path: Path) -> None:
    plugins = json.loads(run("--json", "--kind", "portfolio", folder=tmp_path).stdout)
    assert {plugin["kind"] for plugin in plugins} == {"portfolio"}
    assert ("naive", "intuition-core") in {(plugin["name"], plugin["distribution"]) for plugin in plugins}


def test_a_kind_without_plugins_is_said_to_have_none(tmp_path: Path) -> None:
    result = run("--kind", "instruments", folder=tmp_path)
    assert (result.returncode, result.stdout, result.stderr) == (
        0,
        "",
        "No plugin of kind `instruments` is installed.\n",
    )
    assert json.loads(run("--kind", "instruments", "--json", folder=tmp_path).stdout) == []


def test_check_finds_what_cannot_be_imported(folder: Path) -> None:
    plugins = listed("--check", "--kind", "algorithm", folder=folder)
    assert all(list(plugin) == [*FIELDS, "load_s", "tier"] for plugin in plugins.values())
    assert {name: plugin["status"] for name, plugin in plugins.items()} == {
        "good": "available",
        "raising": "broken",
        "bad": "broken",
        "same": "conflict",
    }
    assert plugins["good"]["load_s"] >= 0
    assert plugins["good"]["tier"] == "contract"  # nobody has described it
    assert plugins["raising"]["load_s"] is plugins["raising"]["tier"] is None
    assert "RuntimeError: not today" in plugins["raising"]["reason"]
    assert "reinstall acme_raising" in plugins["raising"]["reason"]


def test_check_finds_a_class_that_lacks_the_methods_of_its_kind(tmp_path: Path) -> None:
    install(tmp_path, "acme_decoding", ["decoding = json:JSONDecoder"])
    plugin = listed("--check", "--kind", "algorithm", folder=tmp_path)["decoding"]
    assert plugin["status"] == "broken"
    assert "`json:JSONDecoder` has no `initialize` and no `event`" in plugin["reason"]


def test_check_gives_up_after_the_deadline(tmp_path: Path) -> None:
    install(tmp_path, "acme_slow", ["slow = acme_slow:A"], "import time; time.sleep(1000)")
    # One kind only: on a busy machine a part of ours might not make so short a deadline.
    plugin = listed("--check", "--deadline", "0.5", "--kind", "algorithm", folder=tmp_path)["slow"]
    assert plugin["status"] == "broken"
    assert "still importing after 0.5 s" in plugin["reason"]


def test_strict_fails_unless_all_that_is_listed_is_available(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    assert run("--strict", folder=folder).returncode == 1
    assert run("--strict", "--json", folder=folder).returncode == 1
    assert run("--strict", "--kind", "portfolio", folder=folder).returncode == 0
    assert run("--strict", folder=tmp_path_factory.mktemp("empty")).returncode == 0
    assert run(folder=folder).returncode == 0


@pytest.mark.parametrize("value", ["good", "good,same", '["good", "same"]', "algorithm:good", "acme-good"])
def test_a_variable_blocks(folder: Path, value: str) -> None:
    plugins = listed(folder=folder, INTUITION_PLUGINS__BLOCKED=value)
    assert plugins["good"]["status"] == "blocked"
    assert "plugins.blocked" in plugins["good"]["reason"]
    assert plugins["same"]["status"] == ("blocked" if "same" in value else "conflict")
    assert plugins["raising"]["status"] == "available"


def test_a_configuration_file_blocks(folder: Path) -> None:
    (folder / "other.toml").write_text('plugins.blocked = ["good"]')
    assert listed(folder=folder)["good"]["status"] == "available"
    assert listed("--config", "other.toml", folder=folder)["good"]["status"] == "blocked"
    (folder / "other.toml").rename(folder / "intuition.toml")
    assert listed(folder=folder)["good"]["status"] == "blocked"


def test_a_mistake_in_the_configuration_is_told_without_a_traceback(folder: Path) -> None:
    result = run("--config", "missing.toml", folder=folder)
    assert (result.returncode, result.stdout) == (1, "")
    assert re.fullmatch(r"intuition: missing\.toml: .*\n", result.stderr)


@pytest.mark.parametrize("columns", [30, 40, 50])
def test_in_a_narrow_terminal_no_name_is_cut(tmp_path: Path, columns: int) -> None:
    install(tmp_path, "acme_with_a_long_name", ["a_rather_long_name = acme_with_a_long_name:A"])
    result = run("--kind", "algorithm", folder=tmp_path, COLUMNS=str(columns))
    lines = result.stdout.splitlines()
    assert max(map(len, lines)) <= columns
    assert "…" not in result.stdout
    words = result.stdout.split()
    assert {"a_rather_long_name", "available", "acme_with_a_long_name", "1.0"} <= set(words)


def test_the_cores_own_part_has_a_summary_of_its_own(tmp_path: Path) -> None:
    plugins = json.loads(run("--json", "--kind", "portfolio", folder=tmp_path).stdout)
    (naive,) = (plugin for plugin in plugins if plugin["name"] == "naive")
    assert "fraction of the cash" in naive["summary"]


@pytest.mark.parametrize("columns", [80, 140])
def test_people_get_a_table_that_fits_and_the_reasons_below(folder: Path, columns: int) -> None:
    result = run("--kind", "algorithm", folder=folder, COLUMNS=str(columns))
    assert result.stderr == ""
    assert "\x1b" not in result.stdout
    table, reasons = result.stdout.split("\n\n", 1)
    lines = table.splitlines()
    assert max(map(len, lines)) <= columns
    heading = ["kind", "name", "status", "distribution", "version"]
    assert lines[0].split() == (heading if columns < 100 else [*heading, "summary"])
    (good,) = (line for line in lines if " good " in line)
    assert good.split()[:5] == ["algorithm", "good", "available", "acme_good", "1.0"]
    assert "acme_good does" in table
    assert "broken algorithm `bad` (acme_bad 1.0): its target `acme_bad:`" in reasons
    assert "conflict algorithm `same` (acme_one 1.0): also offered by acme_two; choose it as `acme_one:same`" in reasons


def test_the_table_of_a_check_gives_the_times(folder: Path) -> None:
    result = run("--check", "--kind", "algorithm", folder=folder)
    (good,) = (line for line in result.stdout.splitlines() if " good " in line)
    assert re.search(r"available +\d+\.\d\d s +contract +acme_good", good)
    assert "RuntimeError: not today" in result.stdout


def test_markup_in_metadata_is_shown_as_it_is(tmp_path: Path) -> None:
    install(tmp_path, "acme_[bold]", ["[red]x[/] = acme:A"])
    assert "[red]x[/]" in run(folder=tmp_path).stdout


@pytest.mark.parametrize(("variables", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)])
def test_a_terminal_gets_colours_unless_it_is_told_not_to(
    folder: Path, variables: dict[str, str], coloured: bool
) -> None:
    env = environment(PYTHONPATH=str(folder), TERM="xterm-256color") | variables
    child = pexpect.spawn(
        str(INTUITION), ["list-plugins"], cwd=str(folder), env=env, encoding="utf-8", dimensions=(50, 100), timeout=60
    )
    output = child.read()
    child.close()
    assert child.exitstatus == 0
    assert ("\x1b[32mavailable" in output, "\x1b[31mconflict" in output) == (coloured, coloured)
    assert "available" in output


# Distributions that are built, installed and removed


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder of programs of a new virtual environment with the core in it, and nothing else of ours."""
    uv = shutil.which("uv")
    if uv is None:
        assert not os.environ.get("CI"), "uv is not on PATH"
        pytest.skip("uv is not on PATH")
    home = tmp_path_factory.mktemp("fresh") / "venv"
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, home], check=True, timeout=100)
    programs = home / "bin"
    pip(programs, "install", str(ROOT))
    return programs


def pip(programs: Path, *arguments: str) -> None:
    uv = shutil.which("uv")
    assert uv is not None
    subprocess.run([uv, "pip", *arguments, "--quiet", "--python", programs / "python"], check=True, timeout=100)


def intuition(programs: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [programs / "intuition", *arguments],
        cwd=programs,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def names(programs: Path) -> dict[str, str]:
    plugins = json.loads(intuition(programs, "list-plugins", "--json").stdout)
    return {plugin["name"]: plugin["status"] for plugin in plugins}


def test_the_core_alone_says_what_to_install(fresh: Path) -> None:
    result = intuition(fresh, "list-plugins")
    assert result.returncode == 0
    assert "naive" in result.stdout
    assert "`pip install intuition-random intuition-connector-mqtt`" in result.stderr
    assert "`pip install plugins/intuition-random plugins/intuition-connector-mqtt`" in result.stderr
    assert names(fresh) == {"naive": "available"}


@pytest.mark.parametrize("command", ["publish", "broker"])
def test_the_core_alone_says_who_brings_a_command(fresh: Path, command: str) -> None:
    result = intuition(fresh, command)
    assert result.returncode == 2
    assert "pip install intuition-connector-mqtt" in result.stderr


def test_somebody_elses_plugin_appears_when_installed_and_disappears_when_removed(fresh: Path) -> None:
    assert "contrarian" not in names(fresh)
    pip(fresh, "install", str(ROOT / "tests" / "third_party" / "intuition-contrarian"))
    try:
        (plugin,) = json.loads(intuition(fresh, "list-plugins", "--json", "--check", "--kind", "algorithm").stdout)
        assert plugin.pop("load_s") >= 0
        assert plugin.pop("tier") == "contract"  # no word on its parameters
        assert plugin == {
            "kind": "algorithm",
            "name": "contrarian",
            "distribution": "intuition-contrarian",
            "version": "1.2.3",
            "target": "intuition_contrarian:Contrarian",
            "summary": "Buys what falls and sells what rises",
            "status": "available",
            "reason": None,
        }
        assert "pip install" not in intuition(fresh, "list-plugins").stderr
        assert trades(fresh) == [["quotes"], None, "buy", "sell", None]
    finally:
        pip(fresh, "uninstall", "intuition-contrarian")
    assert names(fresh) == {"naive": "available"}


def trades(programs: Path) -> list[Any]:
    """Give what the installed plugin answers, from a program that knows nothing but its name."""
    code = """
import json
from intuition_core.plugins.catalogue import discover
part = discover().load("algorithm", "contrarian")()
answers = [part.initialize({})]
for quote in (10.0, 9.0, 9.5, 9.5):
    signal = part.event({"channel": "quotes", "sid": "GOOG", "quote": quote, "ts": 0})
    answers.append(signal and signal.side)
print(json.dumps(answers))
"""
    result = subprocess.run(
        [programs / "python", "-c", code], env=environment(), capture_output=True, text=True, check=True, timeout=60
    )
    return list(json.loads(result.stdout))
