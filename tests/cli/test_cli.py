"""The frame of the command line: lazy commands, commands of plugins, errors, exit codes."""

import importlib
import importlib.metadata
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support import environment

from intuition_core.cli import BUILT_IN, main
from intuition_core.plugins.first_party import FIRST_PARTY

INTUITION = Path(sys.executable).with_name("intuition")

COMMANDS = """
import os, signal, time
import click
from intuition_core.errors import BadData

@click.command()
@click.argument("word")
def hello(word):
    "Greet."
    click.echo(f"hello {word}")

@click.command()
def wrong():
    raise BadData("is no number", field="quote")

@click.command()
def interrupted():
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(60)

@click.command()
def endless():
    while True:
        print("line")

@click.command()
def brief():
    print("a line that stays in the buffer")

@click.command()
def counted():
    return 3

@click.command()
def defect():
    raise ZeroDivisionError

class NoCommand:
    pass
"""


def buffered(folder: Path, **variables: str) -> dict[str, str]:
    """Give an environment in which output is buffered, as in a person's shell: what is left at exit matters here."""
    return environment(PYTHONUNBUFFERED="", PYTHONPATH=str(folder), **variables)


def run(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [INTUITION, *arguments],
        cwd=folder,
        env=buffered(folder, **variables),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def install(folder: Path, distribution: str, commands: dict[str, str]) -> None:
    info = folder / f"{distribution}-1.0.dist-info"
    info.mkdir()
    lines = "\n".join(f"{name} = {target}" for name, target in commands.items())
    (info / "entry_points.txt").write_text(f"[intuition.v1.command]\n{lines}\n")
    (info / "METADATA").write_text(f"Name: {distribution}\nVersion: 1.0\nSummary: Commands of {distribution}\n")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "acme_commands.py").write_text(COMMANDS)
    names = ("hello", "wrong", "interrupted", "endless", "brief", "counted", "defect")
    targets = {name: f"acme_commands:{name}" for name in names}
    install(tmp_path, "acme_commands", {**targets, "mislabelled": "acme_commands:NoCommand", "serve": "nowhere:x"})
    (tmp_path / "acme_raising.py").write_text("import pathlib; pathlib.Path('imported').touch(); raise RuntimeError")
    install(tmp_path, "acme_raising", {"raising": "acme_raising:x"})
    return tmp_path


# What is imported when


def imported(folder: Path, *arguments: str) -> set[str]:
    """Give the modules that a run imports."""
    note = folder / "modules"
    code = f"""
import pathlib, sys
from intuition_core.cli import main
status = main({list(arguments)!r})
pathlib.Path({str(note)!r}).write_text(" ".join(sys.modules))
sys.exit(status)
"""
    subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=buffered(folder), capture_output=True, check=True, timeout=60
    )
    return set(note.read_text().split())


HEAVY = {"rich", "rich.console", "stevedore", "zerorpc", "gevent", "zmq", "pluggy"}


@pytest.mark.parametrize("arguments", [("--version",), ("--help",), ("list-plugins", "--json")])
def test_what_programs_ask_for_imports_nothing_heavy_and_no_plugin(folder: Path, arguments: tuple[str, ...]) -> None:
    modules = imported(folder, *arguments)
    assert "intuition_core.cli" in modules
    assert not modules & HEAVY
    assert not {module for module in modules if module.startswith("acme")}


def test_the_table_imports_rich_and_no_plugin(folder: Path) -> None:
    modules = imported(folder, "list-plugins")
    assert modules & HEAVY == {"rich", "rich.console"}
    assert not {module for module in modules if module.startswith("acme")}


def test_a_command_imports_no_other(folder: Path) -> None:
    modules = imported(folder, "hello", "world")
    assert "acme_commands" in modules
    assert not {module for module in modules if module.startswith(("intuition_core.cli.list", "acme_raising"))}


# Help, and commands that plugins bring


def test_version(folder: Path) -> None:
    result = run(folder, "--version")
    assert (result.returncode, result.stdout) == (0, f"intuition {importlib.metadata.version('intuition-core')}\n")


def test_the_command_is_also_a_module(folder: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "intuition_core", "--help"], env=buffered(folder), capture_output=True, check=True
    )
    assert result.stdout.startswith(b"Usage: intuition ")


def test_help_names_our_commands_first_then_those_of_plugins(folder: Path) -> None:
    result = run(folder, "--help")
    assert result.returncode == 0
    lines = result.stdout.partition("Commands:")[2].splitlines()
    listed = [line.split()[0] for line in lines if line.startswith("  ") and line[2:3].strip()]
    assert listed[: len(BUILT_IN)] == list(BUILT_IN)
    assert {"hello", "raising"} <= set(listed)
    assert listed.count("serve") == 1
    lines_of = {line.split()[0]: line.split(maxsplit=1)[1] for line in lines if len(line.split()) > 1}
    assert lines_of["hello"] == "From acme_commands."  # which brings several
    assert lines_of["raising"] == "Commands of acme_raising (acme_raising)"
    assert not (folder / "imported").exists()


def test_help_survives_a_configuration_with_mistakes(folder: Path) -> None:
    (folder / "intuition.toml").write_text("no toml")
    result = run(folder, "--help")
    assert (result.returncode, result.stderr) == (0, "")
    assert "list-plugins" in result.stdout


@pytest.mark.parametrize("name", BUILT_IN)
def test_the_table_of_our_commands_is_true(name: str) -> None:
    built_in = BUILT_IN[name]
    command = getattr(importlib.import_module(f"intuition_core.cli.{built_in.module}"), built_in.module)
    assert command.name == name
    assert command.get_short_help_str(limit=200) == built_in.summary


@pytest.mark.parametrize("name", sorted(BUILT_IN))
def test_no_help_shows_the_marks_that_lay_it_out(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "--help"]) == 0
    out = capsys.readouterr().out
    assert f"intuition {name}" in out
    assert "\x08" not in out
    assert r"\b" not in out


def test_a_command_of_a_plugin_runs(folder: Path) -> None:
    result = run(folder, "hello", "world")
    assert (result.returncode, result.stdout, result.stderr) == (0, "hello world\n", "")


def test_commands_of_one_name_are_chosen_by_distribution(folder: Path) -> None:
    install(folder, "acme_other", {"hello": "acme_other:hello"})
    result = run(folder, "hello", "world")
    assert result.returncode == 1
    assert "`acme_commands:hello` or `acme_other:hello`" in result.stderr
    assert run(folder, "acme_commands:hello", "world").stdout == "hello world\n"


@pytest.mark.parametrize(
    ("name", "words"),
    [("mislabelled", "`acme_commands:NoCommand` is no click command"), ("raising", "failed with RuntimeError")],
)
def test_a_broken_command_is_named_with_its_distribution(folder: Path, name: str, words: str) -> None:
    result = run(folder, name)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith(f"intuition: command `{name}` (acme_")
    assert words in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_blocked_command_is_refused(folder: Path) -> None:
    result = run(folder, "hello", "world", INTUITION_PLUGINS__BLOCKED="acme-commands")
    assert result.returncode == 1
    assert "`acme-commands` is in `plugins.blocked`" in result.stderr


@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        ("serv", "did you mean `serve`?"),
        ("lis", "did you mean `list-plugins`?"),
        ("hallo", "did you mean `hello`?"),
        ("qqqqqq", "`intuition --help` names them all"),
    ],
)
def test_an_unknown_command_is_a_usage_error_with_the_nearest_name(folder: Path, typed: str, answer: str) -> None:
    result = run(folder, typed)
    assert (result.returncode, result.stdout) == (2, "")
    assert f"No such command `{typed}`" in result.stderr
    assert answer in result.stderr


def test_a_shell_completes_commands_without_importing_them(folder: Path) -> None:
    words = {"_INTUITION_COMPLETE": "bash_complete", "COMP_CWORD": "1"}
    assert run(folder, **words, COMP_WORDS="intuition li").stdout == "plain,list-plugins\n"
    assert run(folder, **words, COMP_WORDS="intuition rai").stdout == "plain,raising\n"
    assert not (folder / "imported").exists()


# How a run ends


def test_a_users_mistake_is_one_line_and_no_traceback(folder: Path) -> None:
    result = run(folder, "wrong")
    assert (result.returncode, result.stdout, result.stderr) == (1, "", "intuition: quote: is no number\n")


@pytest.mark.parametrize(
    ("arguments", "variables"),
    [(("-vv", "wrong"), {}), (("-v", "-v", "wrong"), {}), (("wrong",), {"INTUITION_TRACEBACK": "1"})],
)
def test_the_traceback_of_a_mistake_is_shown_on_request(
    folder: Path, arguments: tuple[str, ...], variables: dict[str, str]
) -> None:
    result = run(folder, *arguments, **variables)
    assert result.returncode == 1
    assert "Traceback" in result.stderr
    assert "raise BadData" in result.stderr
    assert result.stderr.endswith("intuition: quote: is no number\n")


@pytest.mark.parametrize("arguments", [("-v", "list-plugins", "-v"), ("list-plugins", "-vv")])
def test_verbosity_counts_before_and_after_the_command(folder: Path, arguments: tuple[str, ...]) -> None:
    result = run(folder, *arguments, "--config", "missing.toml")
    assert "Traceback" in result.stderr


def test_once_verbose_shows_no_traceback(folder: Path) -> None:
    assert "Traceback" not in run(folder, "-v", "wrong", INTUITION_TRACEBACK="0").stderr


def test_a_defect_shows_its_traceback(folder: Path) -> None:
    result = run(folder, "defect")
    assert result.returncode == 1
    assert "ZeroDivisionError" in result.stderr


@pytest.mark.parametrize(
    "arguments", [("--nonsense",), ("list-plugins", "--nonsense"), ("list-plugins", "--kind", "x")]
)
def test_a_usage_error_is_clicks_own(folder: Path, arguments: tuple[str, ...]) -> None:
    result = run(folder, *arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("Usage: intuition")


def test_an_interruption_exits_with_130(folder: Path) -> None:
    result = run(folder, "interrupted")
    assert result.returncode == 130
    assert result.stderr.strip() == ""


@pytest.mark.parametrize("command", ["endless", "brief", "list-plugins"])
def test_a_reader_that_leaves_is_no_error_to_shout_about(folder: Path, command: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        result = subprocess.run(
            [INTUITION, command],
            cwd=folder,
            env=buffered(folder),
            stdout=writing,
            stderr=subprocess.PIPE,
            check=False,
            timeout=60,
        )
    finally:
        os.close(writing)
    assert (result.returncode, result.stderr) == (1, b"")


def test_what_a_command_returns_is_the_exit_code(folder: Path) -> None:
    assert run(folder, "counted").returncode == 3


def test_main_gives_the_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert main(["--nonsense"]) == 2
    assert main(["list-plugins", "--config", "missing.toml"]) == 1
    assert "missing.toml" in capsys.readouterr().err


def test_commands_known_to_come_from_a_plugin_are_not_our_own() -> None:
    assert not {name for kind, name in FIRST_PARTY if kind == "command"} & BUILT_IN.keys()
