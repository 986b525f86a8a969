"""The kill switch, typed by a person while a session runs."""

import subprocess
import sys
import threading
import time
from typing import Any

from intuition_core.rpc.client import Client

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
    assert "no answer from the backend" in done.stderr
    assert "Traceback" not in done.stderr
