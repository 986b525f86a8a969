"""``doctor`` and ``completion``; what each command's help loads; colours only where they are wanted."""

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from support import environment

from intuition_core.cli import BUILT_IN, main

INTUITION = Path(sys.executable).with_name("intuition")
HEAVY = {"zerorpc", "gevent", "zmq", "pluggy", "stevedore", "sqlite3", "apprise", "paho", "numpy", "packaging", "rich"}
# Which durabilities there are, the configuration knows from the journal.
ALLOWED = {command: {"sqlite3"} for command in ("up", "connect", "indicate", "trade")}


def completed(folder: Path, words: str) -> list[str]:
    """Give what bash offers for the last word."""
    variables = {"_INTUITION_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    result = subprocess.run(
        [INTUITION], cwd=folder, env=environment(**variables), capture_output=True, text=True, check=False, timeout=60
    )
    assert result.stderr == ""
    return [line.partition(",")[2] for line in result.stdout.splitlines()]


@pytest.mark.parametrize("command", BUILT_IN)
def test_the_help_of_a_command_loads_nothing_that_only_its_run_uses(tmp_path: Path, command: str) -> None:
    code = f"""
import sys
from intuition_core.cli import main
main([{command!r}, "--help"])
print(*sys.modules, file=sys.stderr)
"""
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment(), capture_output=True, text=True, check=True
    )
    modules = {name.partition(".")[0] for name in result.stderr.split()}
    plugins = {name for name in modules if name.startswith("intuition_") and name != "intuition_core"}
    assert "Usage:" in result.stdout
    assert not modules & HEAVY - ALLOWED.get(command, set())
    assert not plugins


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("intuition serve --algo sma", ["sma-cross"]),
        ("intuition backtest --portfolio kel", ["kelly"]),
        ("intuition backtest --source samp", ["sample"]),
        ("intuition connect --connector mq", ["mqtt"]),
        ("intuition show vwa", ["vwap"]),
        ("intuition doct", ["doctor"]),
    ],
)
def test_a_shell_completes_names_of_plugins_and_commands(tmp_path: Path, words: str, offered: list[str]) -> None:
    assert completed(tmp_path, words) == offered


def test_a_configuration_with_mistakes_does_not_take_completion_away(tmp_path: Path) -> None:
    (tmp_path / "intuition.toml").write_text("sead = 1")
    assert completed(tmp_path, "intuition serve --algo sma") == ["sma-cross"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_its_script(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    assert "_INTUITION_COMPLETE" in capsys.readouterr().out


def test_the_doctor_looks_at_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        monkeypatch.setenv("INTUITION_RPC__ADDR", f"tcp://{address}")
        monkeypatch.setenv("INTUITION_CONNECTORS__MQTT__URL", f"mqtt://me:hunter2@{address}")
        assert main(["doctor", "--json"]) == 0
    out = capsys.readouterr().out
    found = {finding["name"]: finding for finding in json.loads(out)}
    assert {name: found[name]["state"] for name in ("Python", "packages", "RPC address", "broker", "journals")} == {
        "Python": "ok",
        "packages": "ok",
        "RPC address": "note",
        "broker": "ok",
        "journals": "ok",
    }
    assert "hunter2" not in out
    assert "zerorpc 0." in found["packages"]["told"]


def test_what_is_bad_is_the_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    (tmp_path / "intuition.toml").write_text(
        'requires = ["acme-nowhere"]\nsead = 1\n[journal]\npath = "file/below/j"\n'
    )
    assert main(["doctor"]) == 1
    out = capsys.readouterr().out
    bad = [line.partition(":")[0] for line in out.splitlines() if line.startswith("BAD")]
    assert bad == ["BAD  configuration", "BAD  requirements", "BAD  journals"]


@pytest.mark.parametrize("command", [("doctor",), ("show", "random"), ("config", "check"), ("list-plugins",)])
@pytest.mark.parametrize("variables", [{}, {"NO_COLOR": "1"}])
def test_no_escape_reaches_a_file(tmp_path: Path, command: tuple[str, ...], variables: dict[str, str]) -> None:
    result = subprocess.run(
        [INTUITION, *command], cwd=tmp_path, env=environment(**variables), capture_output=True, check=False, timeout=60
    )
    assert b"\x1b" not in result.stdout + result.stderr


def test_the_exit_codes_are_in_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    assert "Exit codes: 0 done; 1 a mistake" in capsys.readouterr().out
