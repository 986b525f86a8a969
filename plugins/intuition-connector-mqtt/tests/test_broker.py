"""The command `broker`, as a process."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from intuition_connector_mqtt.broker import mosquitto_config
from paho.mqtt.client import Client, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion

from intuition_core.cli import main

CODE = "import sys; from intuition_core.cli import main; sys.exit(main(['broker', *sys.argv[1:]]))"


class Command:
    """The command in a process group of its own."""

    def __init__(self, *arguments: str, **environment: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", CODE, *arguments],
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env={**os.environ, **environment},
        )

    def read_until(self, text: str) -> str:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            if text in line:
                return line
        pytest.fail(f"it ended without saying {text!r}")

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(20)

    def group_is_gone(self) -> bool:
        try:
            os.killpg(self.process.pid, 0)
        except ProcessLookupError:
            return True
        return False

    def close(self) -> None:
        if self.process.poll() is None:
            self.end()
        assert self.process.stderr is not None
        self.process.stderr.close()


@pytest.fixture
def command() -> Iterator[Callable[..., Command]]:
    commands: list[Command] = []

    def start(*arguments: str, **environment: str) -> Command:
        commands.append(Command(*arguments, **environment))
        return commands[-1]

    yield start
    for started in commands:
        started.close()


def session(port: int, name: str) -> Client:
    """Connect with a session that the broker is to keep."""
    client = Client(CallbackAPIVersion.VERSION2, name, clean_session=False, protocol=MQTTv311)
    client.connect("127.0.0.1", port)
    client.loop_start()
    return client


@pytest.mark.mosquitto
def test_mosquitto_is_used_where_there_is_one(mosquitto_program: str, command: Any, port: int, until: Any) -> None:
    broker = command("--port", str(port), PATH="/nowhere")
    assert f"mosquitto on mqtt://127.0.0.1:{port}" in broker.read_until("broker ready")
    socket.create_connection(("127.0.0.1", port)).close()
    assert broker.end() == 0
    until(broker.group_is_gone, "all processes to end")


def test_the_embedded_broker_says_that_it_keeps_nothing(command: Any, port: int, until: Any) -> None:
    broker = command("--embedded", "--port", str(port))
    line = broker.read_until("broker ready")
    assert f"iotcore) on mqtt://127.0.0.1:{port}" in line
    assert "not durable" in line
    assert broker.end() == 0
    until(broker.group_is_gone, "all processes to end")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_the_embedded_broker_leaves_nothing_behind(command: Any, port: int, until: Any, number: int) -> None:
    broker = command("--embedded", "--port", str(port))
    broker.read_until("broker ready")
    broker.end(number)
    until(broker.group_is_gone, "all processes to end")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


@pytest.mark.parametrize("options", [[], ["--embedded"]])
def test_a_taken_port_is_named_with_the_flag(command: Any, options: list[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        broker = command(*options, "--port", str(port))
        line = broker.read_until("intuition:")
        assert broker.process.wait(20) == 1
    assert f"port {port} of 127.0.0.1" in line
    assert f"--port {port + 1}" in line


def test_the_embedded_broker_cannot_keep_data(command: Any, port: int, tmp_path: Path) -> None:
    broker = command("--embedded", "--port", str(port), "--data", str(tmp_path))
    assert "install mosquitto" in broker.read_until("intuition:")
    assert broker.process.wait(20) == 1


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ([], ("neither mosquitto nor the embedded broker", "install mosquitto")),
        (["--embedded"], ("the embedded broker is not installed", "leave --embedded out")),
    ],
)
def test_a_machine_without_a_broker_is_told_what_brings_one(
    monkeypatch: pytest.MonkeyPatch, capsys: Any, port: int, options: list[str], told: tuple[str, ...]
) -> None:
    monkeypatch.setitem(sys.modules, "iotcore", None)  # as if it were not installed
    monkeypatch.setattr("intuition_connector_mqtt.broker.find_mosquitto", lambda: None)
    assert main(["broker", *options, "--port", str(port)]) == 1
    said = capsys.readouterr().err
    assert "`pip install 'intuition-connector-mqtt[embedded]'`" in said
    assert all(words in said for words in told)


@pytest.mark.mosquitto
def test_data_is_kept_where_asked(mosquitto_program: str, command: Any, port: int, tmp_path: Path, until: Any) -> None:
    folder = tmp_path / "new" / "data"
    broker = command("--port", str(port), "--data", str(folder))
    assert str(folder) in broker.read_until("broker ready")
    away = session(port, "away")
    subscribed: list[object] = []
    away.on_subscribe = lambda *arguments: subscribed.append(arguments)
    away.subscribe("quotes", 1)
    until(lambda: subscribed, "the subscription")
    away.disconnect()
    away.loop_stop()
    here = session(port, "here")
    for n in range(1200):
        here.publish("quotes", str(n), qos=1)
    here.publish("quotes", "last", qos=1).wait_for_publish(20)
    here.disconnect()
    here.loop_stop()
    assert broker.end() == 0
    again = command("--port", str(port), "--data", str(folder))
    again.read_until("broker ready")
    back = Client(CallbackAPIVersion.VERSION2, "away", clean_session=False, protocol=MQTTv311)
    got: list[bytes] = []
    back.on_message = lambda _client, _userdata, message: got.append(message.payload)
    back.connect("127.0.0.1", port)
    back.loop_start()
    until(lambda: got[-1:] == [b"last"], "what was published before")
    assert len(got) == 1201
    back.disconnect()
    back.loop_stop()


def test_the_configuration_listens_on_this_machine_only() -> None:
    lines = mosquitto_config(1883, None).splitlines()
    assert [line for line in lines if line.startswith("listener")] == ["listener 1883 127.0.0.1"]
