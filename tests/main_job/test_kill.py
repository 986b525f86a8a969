"""The kill switch, typed or published by a person while a session runs."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from support import eventually

from intuition_core.errors import BackendLost
from intuition_core.rpc.client import Client

RAISES = """
class Raises:
    def initialize(self, params):
        return None

    def event(self, data):
        raise ValueError("never")
"""

SLOW = """
import time

from intuition_core import Signal


class Slow:
    def initialize(self, params):
        return None

    def event(self, data):
        time.sleep(0.002)
        return Signal(data["sid"], "buy", data["quote"])
"""

HANGS = """
import time
from pathlib import Path


class Hangs:
    def initialize(self, params):
        return None

    def event(self, data):
        if data["sid"] == "hang":
            Path("hangs").touch()
            time.sleep(data["quote"])
"""

CONFIGURATION = """
cash = "100000000"
session = "switched"

[algorithm]
name = "./part.py"

[portfolio]
name = "fixed"
params = { cash = "1" }
"""

COMMAND = "intuition/1/switched/control/set"

SERVE = ("--algo", "random", "--seed", "1", "--param", "threshold=0.5", "--session", "switched")


def kill(*words: str) -> str:
    command = [sys.executable, "-m", "intuition_core", "kill", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False).stderr


def test_a_person_stops_a_session_under_load_and_lets_it_go_on(serve: Any) -> None:
    _, address = serve(*SERVE)
    stopped = threading.Event()

    def load() -> None:
        with Client(address) as client:
            while not stopped.is_set():
                client.call("events", [{"goog": 100 + n % 7} for n in range(1000)])

    feeding = threading.Thread(target=load)
    feeding.start()
    try:
        began = time.monotonic()
        assert "the kill switch is on" in kill("the feed is wrong", "--flatten", "--rpc", address)
        assert time.monotonic() - began < 20
        with Client(address) as client:
            described = client.call("describe")
            assert described["killed"] == "the feed is wrong"
            client.call("events", [{"goog": 100.0}] * 10)
            assert client.call("account")["positions"] == {}
            before = client.call("decisions", described["last_seq"] + 1)
            client.call("events", [{"goog": 100 + n % 7} for n in range(1000)])
            assert client.call("decisions", described["last_seq"] + 1) == before == []
    finally:
        stopped.set()
        feeding.join()
    assert "is off" in kill("mended", "--clear", "--rpc", address)
    with Client(address) as client:
        assert any(client.call("events", [{"goog": 100 + n % 7} for n in range(1000)]))


def test_a_switch_for_nobody_says_so(free: Any) -> None:
    command = [
        sys.executable,
        "-m",
        "intuition_core",
        "kill",
        "x",
        "--rpc",
        f"tcp://127.0.0.1:{free()}",
        "--timeout",
        "1",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert "nobody listens there" in done.stderr
    assert "the kill switch is NOT known to be on" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_interrupted_kill_says_that_it_may_not_be_done(intuition: Any, free: Any) -> None:
    asking = intuition("kill", "x", "--rpc", f"tcp://127.0.0.1:{free()}")
    asking.line("waiting", "nobody listens there")
    asking.process.send_signal(signal.SIGINT)
    asking.line("the kill switch is NOT known to be on: interrupted")
    assert asking.process.wait(20) == 130


@pytest.mark.parametrize(
    ("sleeps", "deadline"),
    # It hangs long enough for a busy machine to start the command, which waits for 3 seconds before it says so.
    [pytest.param(600, 10, id="in a worker that is ended"), pytest.param(10, 60, id="in the same worker, twice")],
)
def test_a_kill_that_is_typed_while_a_part_hangs_is_done_once(
    serve: Any, intuition: Any, tmp_path: Path, sleeps: float, deadline: float
) -> None:
    (tmp_path / "part.py").write_text(HANGS)
    (tmp_path / "intuition.toml").write_text(f"{CONFIGURATION}\n[worker]\ndeadline = {deadline}\n")
    _, address = serve()

    def hang() -> None:
        with Client(address) as client, suppress(BackendLost):  # its worker is ended
            client.call("event", {"sid": "hang", "quote": sleeps})

    hanging = threading.Thread(target=hang)
    hanging.start()
    try:
        eventually((tmp_path / "hangs").exists, "the part to be called")
        asking = intuition("kill", "it hangs", "--flatten", "--rpc", address)
        asking.line("waiting", "no answer in time")
        asking.line("the kill switch is on", seconds=60)
        assert asking.process.wait(20) == 0
    finally:
        hanging.join()
    with Client(address) as client:
        assert client.call("describe")["killed"] == "it hangs"
        assert [record["action"] for record in client.call("controls") if record["type"] == "control"] == ["kill"]
    assert "is on already" in kill("once more", "--rpc", address)


@pytest.fixture
def carried(mosquitto: str, tmp_path: Path, free: Any, intuition: Any, serve: Any, listen: Any) -> Any:
    """Serve an algorithm from its text, between a real broker and a listener; give the process, its address, both."""

    def begin(part: str) -> tuple[Any, str, Any]:
        (tmp_path / "part.py").write_text(part)
        (tmp_path / "intuition.toml").write_text(CONFIGURATION)
        port = free()
        intuition("broker", "--port", str(port)).line("ready")
        url = f"mqtt://127.0.0.1:{port}"
        process, address = serve()
        listener = listen(url, "intuition/1/switched/#")
        intuition("connect", "--rpc", address, "--mqtt", url)
        while listener.next("/$state")["state"] != "ready":
            pass
        return process, address, listener

    return begin


def test_a_kill_is_taken_while_an_algorithm_raises_and_there_is_nothing_to_sell(carried: Any) -> None:
    _, address, listener = carried(RAISES)
    for n in range(20):
        listener.publish("quotes", {"goog": 100.0 + n})
    listener.publish(COMMAND, {"action": "kill", "reason": "it raises", "flatten": True})
    control = listener.next("/control")
    assert (control["action"], control["flatten"]) == ("kill", True)
    with Client(address) as client:
        assert client.call("describe")["killed"] == "it raises"
        assert client.call("decisions") == []
    listener.publish("quotes", {"goog": 1.0})
    listener.publish(COMMAND, {"action": "clear", "reason": "mended"})
    assert listener.next("/control")["action"] == "clear"


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="the worker is found by what Linux tells of processes")
def test_a_kill_passes_a_flood_and_outlives_the_worker(carried: Any) -> None:
    process, address, listener = carried(SLOW)
    many = 5_000
    for n in range(many):
        listener.publish_soon("quotes", json.dumps({"sid": f"S{n % 50}", "quote": 10 + n % 7}).encode())
    listener.publish("elsewhere", {"all before has been": "published"})
    with Client(address) as client:
        before = client.call("describe")["last_seq"]
        assert before < many * 3 / 4, "a part that takes two milliseconds must be behind"
        listener.publish(COMMAND, {"action": "kill", "reason": "too many", "id": "k1"})
        control = listener.next("/control", seconds=60)
    # The batch that was being run, and one more where the machine was slow to bring the command.
    assert control["seq"] <= before + 2_000
    worker = int(Path(f"/proc/{process.process.pid}/task/{process.process.pid}/children").read_text().split()[0])
    os.kill(worker, signal.SIGKILL)
    process.line("ended by SIGKILL; starting it again")
    listener.publish(COMMAND, {"action": "kill", "reason": "too many", "id": "k1"})  # once more, to be sure
    with Client(address) as client:

        def taken() -> int:
            with suppress(BackendLost):  # the next worker is not there yet
                return int(client.call("describe")["last_seq"])
            return 0

        eventually(lambda: taken() >= many + 1, "the rest of the quotes to be taken")
        described = client.call("describe")
        assert (described["killed"], described["last_seq"]) == ("too many", many + 1)
        assert client.call("decisions", control["seq"]) == []
        assert [record["action"] for record in client.call("controls") if record["type"] == "control"] == ["kill"]
