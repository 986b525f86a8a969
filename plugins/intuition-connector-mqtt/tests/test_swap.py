"""Parts that are swapped for others that listen elsewhere: real brokers, a served session, killed connectors."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support import eventually

from intuition_core.rpc.client import Client

pytestmark = pytest.mark.mosquitto

HEARS = '''
from intuition_core import Signal


class Hears:
    """Buys at every event of the channels that its parameters name."""

    def initialize(self, params):
        return params["channels"]

    def event(self, data):
        return Signal(data["sid"], "buy", data["quote"])
'''

CONFIGURATION = """
seed = 1
session = "test"
cash = "1000000000"
algorithm = { name = "hears", params = { channels = ["quotes"] } }
portfolio = { name = "naive", params = { max_fraction = 0.00001 } }
"""


class Served:
    """A session in one process, and its connector in another."""

    def __init__(self, folder: Path, address: str, url: str) -> None:
        self.address = address
        self._folder = folder
        self._url = url
        self._processes: list[subprocess.Popen[bytes]] = []
        (folder / "acme_hears.py").write_text(HEARS)
        info = folder / "acme_hears-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-hears\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("[intuition.v1.algorithm]\nhears = acme_hears:Hears\n")
        (folder / "intuition.toml").write_text(CONFIGURATION)

    def serve(self) -> None:
        journal = str(self._folder / "session.sqlite")
        self._start("ready", "serve", "--addr", self.address, "--journal", journal)

    def connect(self) -> subprocess.Popen[bytes]:
        return self._start("connected to the broker", "connect", "--mqtt", self._url, "--rpc", self.address)

    def _start(self, word: str, *arguments: str) -> subprocess.Popen[bytes]:
        said = self._folder / f"{len(self._processes)}.log"
        with said.open("wb") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", "intuition_core", *arguments],
                cwd=self._folder,
                env={**os.environ, "PYTHONPATH": str(self._folder)},
                stdout=subprocess.DEVNULL,
                stderr=file,
            )
        self._processes.append(process)
        eventually(lambda: word in said.read_text() or process.poll() is not None, said.read_text)
        assert process.poll() is None, said.read_text()
        return process

    def hear(self, *channels: str) -> None:
        """Swap the algorithm for one that listens to these channels."""
        with Client(self.address) as client:
            client.call("swap", "algorithm", "hears", "hears", {"channels": list(channels)})

    def describe(self) -> Any:
        with Client(self.address) as client:
            return client.call("describe")

    def end(self) -> None:
        for process in reversed(self._processes):
            process.terminate()
        for process in self._processes:
            process.wait(20)


@pytest.fixture
def served(tmp_path: Path, port: int, any_broker: Any) -> Iterator[Served]:
    served = Served(tmp_path, f"tcp://127.0.0.1:{port}", any_broker.url)
    served.serve()
    yield served
    served.end()


def wait_for_channels(observer: Any, until: Callable[..., Any], *channels: str) -> Any:
    def described() -> Any:
        # Quotes are wanted whoever hears them: they mark what is held, and fill orders.
        wanted = list(dict.fromkeys((*channels, "quotes", "actions")))
        found = [each for each in observer.on("$description")[-1:] if each["channels"] == wanted]
        return found and found[0]

    return until(described, f"a description with {', '.join(channels)}")


def decided(observer: Any, sid: str) -> int:
    """Count the decisions about a symbol, one that was published twice as one."""
    return len({decision["id"] for decision in observer.on("decisions") if decision["sid"] == sid})


def test_an_algorithm_that_is_swapped_in_hears_its_own_channels(
    served: Served, any_broker: Any, observe: Any, until: Any, request: pytest.FixtureRequest
) -> None:
    observer = observe(any_broker)
    connector = served.connect()
    observer.publish("quotes", {"before": 1.0})
    until(lambda: decided(observer, "before"), "a decision about a quote")
    served.hear("news")
    description = wait_for_channels(observer, until, "news")
    [line] = description["backend"]["composition"]["algorithms"]
    assert line["algorithm"]["params"] == {"channels": ["news"]}
    observer.publish("news/first", {"quote": 1.0})
    until(lambda: decided(observer, "first"), "a decision about news")
    observer.publish("quotes", {"unheard": 1.0})
    # After its own restart, it listens where the session wants it to.
    connector.kill()
    connector.wait()
    observer.publish("news/meanwhile", {"quote": 1.0})
    connector = served.connect()
    until(lambda: decided(observer, "meanwhile"), "a decision about news that waited")
    # Away while it changes, it finds what is new, and gives back what it has subscribed to in another life.
    connector.terminate()  # with all acknowledged, so that no news come again that nobody hears any more
    connector.wait()
    served.hear("quotes", "rumours")
    connector = served.connect()
    wait_for_channels(observer, until, "quotes", "rumours")
    observer.publish("news/stray", {"quote": 1.0})
    [letter] = observer.wait_for("dead")
    assert letter["topic"] == "news/stray"
    assert letter["reason"] == "the topic belongs to none of the channels quotes, rumours, actions"
    observer.publish("rumours/second", {"quote": 1.0})
    until(lambda: decided(observer, "second"), "a decision about a rumour")
    observer.publish("news/stray", {"quote": 2.0})
    observer.publish("quotes", {"third": 1.0})
    until(lambda: decided(observer, "third"), "a decision about a quote")
    # The embedded broker lets nobody give back what was subscribed to before a reconnection.
    if request.node.callspec.params["any_broker"] == "mosquitto":
        assert len(observer.on("dead")) == 1
    assert not decided(observer, "unheard")
    assert [state["state"] for state in observer.on("$state")].count("ready") == 3


def test_what_is_under_way_is_neither_lost_nor_doubled(
    served: Served, any_broker: Any, observe: Any, until: Any
) -> None:
    observer = observe(any_broker)
    served.connect()
    infos = []
    for n in range(1200):
        payload = json.dumps({"sid": "A", "quote": 100 + n // 3})
        infos.append(observer._client.publish("quotes", payload, 1))
        time.sleep(0.0005)  # so that a swap finds it in the middle
        if n % 200 == 199:
            served.hear(*(("quotes", "news", "rumours"), ("quotes",))[n // 200 % 2])
    for info in infos:
        info.wait_for_publish(20)
    until(lambda: decided(observer, "A") >= 1200, "all decisions")
    # Those that a session has taken and that nobody hears have numbers, too.
    assert served.describe()["last_seq"] == 1206
    assert observer.on("dead") == []
    quotes = {each["id"]: float(each["quote"]) for each in observer.on("decisions")}
    assert list(quotes.values()) == [100.0 + n // 3 for n in range(1200)]
    until(lambda: len({record["id"] for record in observer.on("control")}) == 6, "all swaps")


@pytest.mark.parametrize("any_broker", ["mosquitto"], indirect=True)
def test_messages_of_a_channel_that_is_given_up_are_taken_to_the_last(
    served: Served, any_broker: Any, observe: Any, until: Any
) -> None:
    observer = observe(any_broker)
    served.connect()
    served.hear("quotes", "news")
    wait_for_channels(observer, until, "quotes", "news")
    for n in range(5):
        infos = [observer._client.publish("news/N", b'{"quote": 1}', 1) for _ in range(300)]
        served.hear("quotes")
        infos += [observer._client.publish("news/N", b'{"quote": 1}', 1) for _ in range(100)]
        for info in infos:
            info.wait_for_publish(20)
        served.hear("news", "quotes")
        observer.publish("quotes", {"sid": f"Q{n}", "quote": 1.0})
        until(lambda n=n: decided(observer, f"Q{n}"), "a decision about a quote")
    assert observer.on("dead") == []
