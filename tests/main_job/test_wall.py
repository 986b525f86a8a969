"""A served session whose market is silent: its timers are told by the clock, survive kills, and replay."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from support import eventually

from intuition_core.errors import BackendLost
from intuition_core.rpc.client import Client
from intuition_core.session.journal import Journal

PART = """
from intuition_core import Signal


class Ticks:
    def initialize(self, params):
        return ["quotes", "tick"]

    def event(self, data):
        return Signal("AAA", "buy") if data["channel"] == "tick" else None

    def snapshot(self):
        return None

    def restore(self, state):
        pass
"""

HANGS = PART.replace(
    "    def event(self, data):\n",
    """    def event(self, data):
        if data["channel"] == "tick" and not Path("hung").exists():
            Path("hung").touch()
            time.sleep(600)
""",
).replace("from intuition_core", "import time\nfrom pathlib import Path\n\nfrom intuition_core", 1)

CONFIGURATION = """
cash = "100000000"
session = "ticking"

[algorithm]
name = "./part.py"

[portfolio]
name = "fixed"
params = {units = 1, pyramiding = true}

[clock]
time = "%s"
grace = "0s"

[[timers]]
name = "tick"
every = "1s"
missed = "%s"
"""


@pytest.fixture
def configure(tmp_path: Path) -> Callable[..., None]:
    def write(time: str = "wall", missed: str = "once") -> None:
        (tmp_path / "part.py").write_text(PART)
        (tmp_path / "intuition.toml").write_text(CONFIGURATION % (time, missed))

    return write


def answered(client: Client, method: str, *args: Any) -> Any:
    with suppress(BackendLost):
        return client.call(method, *args)
    return None


def timers_of(folder: Path) -> list[dict[str, Any]]:
    with Journal(folder / "data" / "intuition" / "sessions" / "ticking.sqlite") as journal:
        return [event for events, _ in journal.batches() for event in events if event["channel"] == "$timer"]


def replay(folder: Path) -> dict[str, Any]:
    ran = subprocess.run(
        [sys.executable, "-m", "intuition_core", "replay", "ticking", "--json"],
        cwd=folder,
        env={**os.environ, "XDG_DATA_HOME": str(folder / "data")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    told: dict[str, Any] = json.loads(ran.stdout)
    return told


@pytest.mark.parametrize("missed", ["once", "skip", "all"])
def test_a_silent_session_decides_by_the_clock_whoever_is_killed(
    configure: Any, serve: Any, tmp_path: Path, missed: str
) -> None:
    configure(missed=missed)
    process, address = serve()
    with Client(address) as client:
        client.call("event", {"sid": "AAA", "quote": 10.0})
        eventually(lambda: len(client.call("decisions")) >= 2, "two timers must be told")
    worker = int(Path(f"/proc/{process.process.pid}/task/{process.process.pid}/children").read_text().split()[0])
    os.kill(worker, signal.SIGKILL)
    process.line("ended by SIGKILL; starting it again")
    with Client(address) as client:
        decided = len(eventually(lambda: answered(client, "decisions"), "the next one answers"))
        eventually(lambda: len(client.call("decisions")) > decided, "timers go on")
    process.kill()
    killed = time.time_ns()
    eventually(lambda: time.time_ns() // 10**9 >= killed // 10**9 + 2, "moments must be missed")
    again, address = serve()
    with Client(address) as client:
        before = client.call("describe")["last_seq"]
        eventually(lambda: client.call("describe")["last_seq"] >= before + 2, "timers go on")
        decisions = client.call("decisions")
        fills = [record for record in client.call("event", {"sid": "AAA", "quote": 11.0}) if record["type"] == "fill"]
    assert again.end() == 0
    told = timers_of(tmp_path)
    moments = [event["ts"] for event in told]
    assert moments == sorted(set(moments))
    assert all(moment % 10**9 == 0 for moment in moments)
    # One decision a timer, filled at the first quote after it.
    assert {record["ts"] for record in decisions} <= set(moments)
    assert len({record["id"] for record in decisions}) == len(decisions)
    assert {record["cause"] for record in fills} >= {record["id"] for record in decisions}
    first, last = moments[0] // 10**9, moments[-1] // 10**9
    if missed == "all":
        assert moments == [second * 10**9 for second in range(first, last + 1)]
    elif missed == "once":
        assert sum(event["missed"] for event in told[1:]) + len(told) == last - first + 1
    else:
        assert not [moment for moment in moments if killed < moment < killed + 10**9]
    assert replay(tmp_path)["events"] == len(told) + 2


def test_a_part_that_hangs_at_a_timer_of_the_clock_is_spared_that_one(
    configure: Any, serve: Any, tmp_path: Path
) -> None:
    configure()
    (tmp_path / "part.py").write_text(HANGS)
    with (tmp_path / "intuition.toml").open("a") as file:
        file.write("\n[worker]\ndeadline = 1.0\n")
    process, address = serve()
    with Client(address) as client:
        event = {"sid": "AAA", "quote": 10.0, "id": 1}
        eventually(lambda: answered(client, "event", event) is not None, "it is taken before the worker ends, or after")
    process.line("hung for 1 s", seconds=60)
    with Client(address) as client:
        eventually(lambda: answered(client, "decisions"), "timers go on")
        assert client.call("describe")["quarantined"] == []
        records = client.call("controls")
    assert process.end() == 0
    assert records[0]["type"] == "error"
    assert [record["type"] for record in records].count("error") == 1
    moments = [event["ts"] for event in timers_of(tmp_path)]
    assert moments == sorted(set(moments))
    assert replay(tmp_path)["events"] == len(moments) + 1


def test_by_the_time_of_events_a_silent_session_tells_none(configure: Any, serve: Any, tmp_path: Path) -> None:
    configure(time="events")
    process, address = serve()
    with Client(address) as client:
        client.call("event", {"sid": "AAA", "quote": 10.0})
        began = time.time_ns()
        eventually(lambda: time.time_ns() > began + 2 * 10**9, "moments go by")
        assert client.call("describe")["last_seq"] == 1
        client.call("event", {"sid": "AAA", "quote": 11.0})
        assert client.call("describe")["last_seq"] == 3
    assert process.end() == 0
    assert len(timers_of(tmp_path)) == 1


def test_what_is_decided_by_the_clock_is_published_once_and_in_order(
    mosquitto: str, configure: Any, free: Any, intuition: Any, serve: Any, listen: Any, tmp_path: Path
) -> None:
    configure()
    port = free()
    intuition("broker", "--port", str(port)).line("ready")
    url = f"mqtt://127.0.0.1:{port}"
    _, address = serve()
    listener = listen(url, "intuition/1/ticking/#")
    connector = intuition("connect", "--rpc", address, "--mqtt", url)
    while listener.next("/$state")["state"] != "ready":
        pass
    listener.publish("quotes", {"AAA": 10.0})
    published = [listener.next("/decisions") for _ in range(2)]
    connector.kill()
    with Client(address) as client:
        there = len(client.call("decisions"))
        eventually(lambda: len(client.call("decisions")) > there, "timers go on without a connector")
    intuition("connect", "--rpc", address, "--mqtt", url)
    published += [listener.next("/decisions") for _ in range(3)]
    with Client(address) as client:
        ids = [record["id"] for record in client.call("decisions")]
    given = list(dict.fromkeys(record["id"] for record in published))
    assert given == ids[: len(given)]
    assert len(given) >= 4
