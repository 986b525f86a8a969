"""Our commands as processes, each on a port of its own, all ended when the test is over."""

import json
import os
import queue
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest

from support.network import free_port
from support.nodejs import absent

INTUITION = (sys.executable, "-m", "intuition_core")


@pytest.fixture
def free() -> Callable[[], int]:
    """Give a port that nobody listens on."""
    return free_port


@pytest.fixture
def port() -> int:
    """A port that nobody listens on."""
    return free_port()


class Process:
    """A program whose lines, of both streams, can be waited for."""

    def __init__(self, command: tuple[str, ...], cwd: Path, environment: dict[str, str]) -> None:
        self.lines: list[str] = []
        self._arrived = threading.Condition()
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            cwd=cwd,
            env={**os.environ, "PYTHONUNBUFFERED": "1", "XDG_DATA_HOME": str(cwd / "data"), **environment},
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout:
            for line in self.process.stdout:
                with self._arrived:
                    self.lines.append(line.rstrip("\n"))
                    self._arrived.notify_all()

    def line(self, *words: str, seconds: float = 30) -> str:
        """Wait for a line that holds all the words."""

        def found() -> str | None:
            return next((line for line in self.lines if all(word in line for word in words)), None)

        with self._arrived:
            assert self._arrived.wait_for(found, seconds), f"no line with {words} in {self.lines}"
            return found() or ""

    def kill(self) -> None:
        """Kill it and its children, as a crash of the machine would."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(20)  # what comes in its place needs its port

    def end(self) -> int:
        """Ask it to end, and give its exit code."""
        if self.process.poll() is None:
            self.process.terminate()
        code = self.process.wait(20)
        self._reader.join(10)
        return code


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Process]]:
    """Start a program, in an empty folder."""
    with ExitStack() as stack:

        def begin(*command: str, **environment: str) -> Process:
            process = Process(command, tmp_path, environment)
            stack.callback(process.end)
            return process

        yield begin


@pytest.fixture
def intuition(start: Callable[..., Process]) -> Callable[..., Process]:
    """Start one of our commands."""
    return lambda *words, **environment: start(*INTUITION, *words, **environment)


@pytest.fixture
def serve(intuition: Callable[..., Process]) -> Callable[..., tuple[Process, str]]:
    """Serve a session on a free port; give the process and the address."""

    def begin(*words: str) -> tuple[Process, str]:
        address = f"tcp://127.0.0.1:{free_port()}"
        process = intuition("serve", "--addr", address, *words)
        process.line("ready: session")
        return process, address

    return begin


@pytest.fixture
def mosquitto() -> str:
    """The real broker's program."""
    path = shutil.which("mosquitto", path=os.environ.get("PATH", "") + os.pathsep + "/usr/sbin")
    if path is None:
        absent("mosquitto is not installed")
    return path


@pytest.fixture(params=["mosquitto", "embedded"])
def broker(request: pytest.FixtureRequest, intuition: Callable[..., Process]) -> str:
    """A real broker: mosquitto, or the embedded one; gives its address."""
    if request.param == "mosquitto":
        request.getfixturevalue("mosquitto")
    port = free_port()
    intuition("broker", "--port", str(port), *(["--embedded"] if request.param == "embedded" else [])).line("ready")
    return f"mqtt://127.0.0.1:{port}"


class Listener:
    """A plain MQTT client: publishes, and collects what arrives."""

    def __init__(self, url: str, topics: str) -> None:
        self.messages: queue.Queue[tuple[str, Any]] = queue.Queue()
        subscribed = threading.Event()
        self._client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
        self._client.on_message = lambda _c, _u, message: self.messages.put((message.topic, message.payload))
        self._client.on_subscribe = lambda *_: subscribed.set()
        self._client.on_connect = lambda client, *_: client.subscribe(topics, qos=1)
        self._client.on_socket_open = lambda _c, _u, raw: raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._client.connect("127.0.0.1", int(url.rpartition(":")[2]))
        self._client.loop_start()
        assert subscribed.wait(10)

    def publish(self, topic: str, payload: str | bytes | dict[str, Any]) -> None:
        text = json.dumps(payload) if isinstance(payload, dict) else payload
        self._client.publish(topic, text, qos=1).wait_for_publish(10)

    def publish_soon(self, topic: str, payload: bytes) -> None:
        self._client.publish(topic, payload, qos=1)

    def next(self, ending: str, seconds: float = 20) -> Any:
        """Give the next payload of a topic that ends so; others are passed over."""
        deadline = time.monotonic() + seconds
        while True:
            topic, payload = self.messages.get(timeout=max(0.01, deadline - time.monotonic()))
            if topic.endswith(ending):
                return json.loads(payload)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@pytest.fixture
def listen() -> Iterator[Callable[[str, str], Listener]]:
    """Listen on topics of a broker."""
    with ExitStack() as stack:

        def begin(url: str, topics: str) -> Listener:
            listener = Listener(url, topics)
            stack.callback(listener.close)
            return listener

        yield begin
