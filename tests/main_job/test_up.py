"""`intuition up`, as a person uses it: in a terminal, with Ctrl-C at the end."""

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pexpect
import pytest
from support import eventually

from intuition_core.cli import main
from intuition_core.cli.up import speaks_mqtt


@pytest.fixture
def terminal(tmp_path: Path) -> Any:
    """Type a command into a real terminal."""
    children: list[pexpect.spawn] = []

    def begin(*words: str) -> pexpect.spawn:
        child = pexpect.spawn(
            sys.executable,
            ["-m", "intuition_core", *words],
            cwd=str(tmp_path),
            env={**os.environ, "NO_COLOR": "1", "TERM": "dumb", "XDG_DATA_HOME": str(tmp_path / "data")},
            encoding="utf-8",
            timeout=30,
            dimensions=(40, 200),
        )
        children.append(child)
        return child

    yield begin
    for child in children:
        if child.isalive():
            child.sendintr()
            child.expect(pexpect.EOF)
        child.close()


@pytest.fixture
def ports(free: Any) -> tuple[str, str]:
    return str(free()), f"tcp://127.0.0.1:{free()}"


@pytest.mark.parametrize("which", ["mosquitto", "the embedded broker"])
def test_the_demo_shows_decisions_and_ctrl_c_stops_it_all(
    terminal: Any, ports: tuple[str, str], which: str, request: pytest.FixtureRequest
) -> None:
    port, address = ports
    words = ["up", "--demo", "--mqtt-port", port, "--addr", address]
    if which == "mosquitto":
        request.getfixturevalue("mosquitto")
    else:
        words.append("--embedded")
    up = terminal(*words)
    up.expect(re.escape(f"broker ready: {which}"))
    up.expect(r"backend +\| [-0-9]+ [:0-9]+ buying \d+\.\d\d of (AAPL|GOOG|IBM|MSFT) at \d+")
    assert speaks_mqtt("127.0.0.1", int(port))
    up.sendintr()
    order = [up.expect([r"stopped: mqtt connector", r"stopped: session", pexpect.EOF]) for _ in range(2)]
    assert order == [0, 1]
    up.expect("up +\\| stopped")
    up.expect(pexpect.EOF)
    up.close()
    assert up.exitstatus == 0
    assert not speaks_mqtt("127.0.0.1", int(port))


def test_a_burst_of_signals_stops_it_as_one_does(terminal: Any, ports: tuple[str, str], mosquitto: str) -> None:
    port, address = ports
    up = terminal("up", "--mqtt-port", port, "--addr", address)
    up.expect("everything runs")
    for _ in range(50):
        os.kill(up.pid, signal.SIGTERM)
        os.kill(up.pid, signal.SIGINT)
    up.expect("up +\\| stopped")
    up.expect(pexpect.EOF)
    up.close()
    assert up.exitstatus == 0


def test_what_it_says_to_type_next_gives_a_decision(terminal: Any, ports: tuple[str, str], mosquitto: str) -> None:
    port, address = ports
    up = terminal("up", "--mqtt-port", port, "--addr", address, "--param", "threshold=0")
    up.expect(r"intuition(?:_core)? (publish .* quotes '\{\"goog\": 3.45\}')")
    words = ["publish", "--mqtt", f"mqtt://127.0.0.1:{port}", "quotes", '{"goog": 3.45}']
    assert up.match.group(1).split()[:3] == words[:3]
    terminal(*words).expect(pexpect.EOF)
    up.expect(r"backend +\| [-0-9]+ [:0-9]+ buying \d+\.\d\d of goog at 3\.45")


def test_a_broker_that_listens_already_is_used_and_named_and_left_alone(
    terminal: Any, intuition: Any, ports: tuple[str, str], mosquitto: str
) -> None:
    port, address = ports
    intuition("broker", "--port", port).line("ready")
    up = terminal("up", "--mqtt-port", port, "--addr", address)
    up.expect(f"using the broker that listens at mqtt://127.0.0.1:{port} already")
    up.expect("everything runs")
    up.sendintr()
    up.expect(pexpect.EOF)
    assert speaks_mqtt("127.0.0.1", int(port))


def test_a_port_that_is_taken_stops_it_with_the_flag_to_use(terminal: Any, ports: tuple[str, str]) -> None:
    port, address = ports
    host, number = address.removeprefix("tcp://").split(":")
    with socket.create_server((host, int(number))):
        up = terminal("up", "--mqtt-port", port, "--addr", address)
        up.expect(f"the backend cannot listen at {address}: the port is taken; .*--addr tcp://127.0.0.1:")
        up.expect(pexpect.EOF)
        up.close()
        assert up.exitstatus == 1
    with socket.create_server(("127.0.0.1", int(port))):
        up = terminal("up", "--mqtt-port", port, "--addr", address)
        up.expect(r"no MQTT broker; choose another port with --mqtt-port \d+")
        up.expect(pexpect.EOF)


def test_a_part_that_dies_is_started_again(terminal: Any, ports: tuple[str, str], mosquitto: str) -> None:
    port, address = ports
    up = terminal("up", "--demo", "--mqtt-port", port, "--addr", address)
    up.expect("buying")
    backend = _child_of(up.pid, "serve")
    os.kill(backend, 9)
    up.expect(r"backend +\| ended by SIGKILL; starting it again")
    up.expect("ready: session")
    up.expect("buying")


@pytest.mark.parametrize("which", ["mosquitto", "embedded"])
def test_nothing_is_left_when_it_is_killed(
    terminal: Any, ports: tuple[str, str], which: str, request: pytest.FixtureRequest
) -> None:
    port, address = ports
    if which == "mosquitto":
        request.getfixturevalue("mosquitto")
    up = terminal("up", "--demo", "--mqtt-port", port, "--addr", address, *(["--embedded"] * (which == "embedded")))
    up.expect("buying")
    left = _descendants(up.pid)
    names = [Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0") for pid in left]
    assert sum(b"serve" in words for words in names) == 2  # the supervisor and its worker
    assert sum(words[0].endswith(b"mosquitto") for words in names) == (which == "mosquitto")
    os.kill(up.pid, signal.SIGKILL)
    try:
        eventually(lambda: not any(map(_lives, left)), lambda: f"the end of {[pid for pid in left if _lives(pid)]}")
    finally:
        for pid in filter(_lives, left):
            os.kill(pid, signal.SIGKILL)
    assert not speaks_mqtt("127.0.0.1", int(port))


def test_what_is_missing_is_said_before_anything_starts(terminal: Any, ports: tuple[str, str]) -> None:
    port, address = ports
    up = terminal("up", "--algo", "randm", "--mqtt-port", port, "--addr", address)
    up.expect("did you mean `random`")
    up.expect(pexpect.EOF)
    assert "broker" not in up.before


@pytest.mark.parametrize(
    ("arguments", "toml", "says"),
    [
        (["--addr", "foo"], "", "--addr: `foo`: expected it to start with tcp://"),
        (["--addr", "tcp://127.0.0.1:abc"], "", "--addr: `tcp://127.0.0.1:abc`: the port must be a number"),
        (["--addr", "tcp://127.0.0.1:0"], "", "--addr: `tcp://127.0.0.1:0`: expected one host and one port"),
        (["--addr", "tcp://0.0.0.0:4242"], "", "`intuition keys new`"),
        (["--addr", "tcp://0.0.0.0:4242"], "", "--insecure"),
        (["--mqtt", "foo"], "", "--mqtt: foo: no scheme"),
        (["--mqtt-port", "0"], "", "--mqtt-port"),
        (["--mqtt-port", "70000"], "", "--mqtt-port"),
        (["--cash", "x"], "", "--cash: expected an amount such as 10000"),
        (["--session", "a/b#"], "", "--session: expected 1 to 64 letters"),
        (["--param", "threshold"], "", "--param threshold: expected KEY=VALUE"),
        ([], "[rpc]\naddr = 'foo'", "intuition.toml: [rpc] `addr`: `foo`: expected it to start"),
        ([], "[connectors.mqtt]\nulr = 'x'", "intuition.toml: [connectors.mqtt] `ulr`: unknown; did you mean `url`?"),
        ([], "[connectors.mqtt]\nkeepalive = 1", "[connectors.mqtt] `keepalive`: expected a whole number >= 5"),
        ([], "[algorithm]\nname = 'randm'", "did you mean `random`?"),
    ],
)
def test_a_mistake_is_told_before_anything_starts(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    toml: str,
    says: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(subprocess, "Popen", None)
    (tmp_path / "intuition.toml").write_text(toml)
    assert main(["up", *arguments]) in {1, 2}
    assert says in capsys.readouterr().err


def test_the_demo_and_what_it_says_to_type_next_use_the_configured_broker(
    terminal: Any, intuition: Any, ports: tuple[str, str], mosquitto: str, tmp_path: Path
) -> None:
    port, address = ports
    intuition("broker", "--port", port).line("ready")
    (tmp_path / "mine.toml").write_text(f"[connectors.mqtt]\nurl = 'mqtt://127.0.0.1:{port}'\nkeepalive = 10\n")
    up = terminal("up", "--demo", "--config", "mine.toml", "--addr", address)
    up.expect(r"publish --config mine\.toml quotes '")
    up.expect(r"backend +\| [-0-9]+ [:0-9]+ buying")
    terminal("publish", "--config", "mine.toml", "quotes", "1").expect(
        f"published 1 message to mqtt://127.0.0.1:{port}"
    )


def _descendants(pid: int) -> list[int]:
    children = [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [*children, *(each for child in children for each in _descendants(child))]


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _child_of(parent: int, command: str) -> int:
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                words = (folder / "cmdline").read_bytes().split(b"\0")
                ancestor = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            if ancestor == parent and command.encode() in words:
                return int(folder.name)
    raise AssertionError(f"{parent} has no child {command}")
