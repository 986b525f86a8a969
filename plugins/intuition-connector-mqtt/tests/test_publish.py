"""The command `publish`."""

import io
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import entry_points
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pexpect
import pytest
from intuition_connector_mqtt.publisher import Publisher
from websockets.sync.server import ServerConnection, serve

from intuition_core.cli import main
from intuition_core.session.identity import identity_of

pytestmark = pytest.mark.mosquitto


class Shop:
    """Sells quotes, some of symbols that cannot be a level of a topic."""

    def events(self) -> Iterator[dict[str, Any]]:
        for n, sid in enumerate(["GOOG", "BRK/A", "A+B", "GOOG", "SAP"]):
            yield {"sid": sid, "quote": n + 1.5, "ts": n}


@pytest.fixture
def received(any_broker: Any, observe: Any) -> Any:
    """What reaches the broker on any topic, as topic and payload."""
    observer = observe(any_broker)
    observer._client.subscribe("#", 1)
    raw: list[tuple[str, bytes]] = []
    observer._client.on_message = lambda _client, _userdata, message: raw.append((message.topic, message.payload))
    observer.publish("probe", 1)
    return raw


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A distribution with a source."""
    metadata = tmp_path / "shop-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: shop\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[intuition.v1.source]\nshop = the_shop:Shop\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(sys.modules, "the_shop", SimpleNamespace(Shop=Shop))  # type: ignore[arg-type]
    assert "shop" in entry_points(group="intuition.v1.source").names


def listen(observe: Any, broker: Any) -> list[tuple[str, bytes]]:
    """Give the list in which all that is published at a broker will be, as topic and payload."""
    observer = observe(broker)
    raw: list[tuple[str, bytes]] = []
    subscribed = threading.Event()
    observer._client.on_message = lambda _client, _userdata, message: raw.append((message.topic, message.payload))
    observer._client.on_subscribe = lambda *_: subscribed.set()
    observer._client.subscribe("#", 1)
    assert subscribed.wait(20)
    return raw


@contextmanager
def started(*arguments: str) -> Iterator["subprocess.Popen[str]"]:
    """Run `publish` in a process of its own."""
    program = "import sys; from intuition_core.cli import main; sys.exit(main())"
    process = subprocess.Popen(
        [sys.executable, "-c", program, "publish", *arguments],
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
    )
    try:
        with process:
            yield process
    finally:
        process.kill()


def payloads(raw: list[tuple[str, bytes]]) -> list[tuple[str, Any]]:
    return [(topic, json.loads(payload)) for topic, payload in list(raw) if topic != "probe"]


def test_one_payload(any_broker: Any, received: Any, until: Any, capsys: Any) -> None:
    assert main(["publish", "quotes", '{"goog": 3.45}', "--mqtt", any_broker.url]) == 0
    until(lambda: payloads(received), "the quote")
    assert payloads(received) == [("quotes", {"goog": 3.45})]
    out, err = capsys.readouterr()
    assert out == ""
    assert err == f"published 1 message to {any_broker.url}\n"


def test_the_broker_is_named_by_a_variable(any_broker: Any, received: Any, until: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("INTUITION_CONNECTORS__MQTT__URL", any_broker.url)
    assert main(["publish", "quotes", "1", "--qos", "0"]) == 0
    until(lambda: payloads(received), "the quote")


def test_lines_of_standard_input(any_broker: Any, received: Any, until: Any, monkeypatch: Any) -> None:
    lines = b"".join(b'{"goog": %d}\n' % n for n in range(1, 2001)) + b"\n  \n"
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(lines)))
    assert main(["publish", "quotes", "-", "--mqtt", any_broker.url]) == 0
    until(lambda: len(payloads(received)) >= 2000, "the quotes")
    assert [payload["goog"] for _, payload in payloads(received)] == list(range(1, 2001))


def test_a_source_is_replayed(any_broker: Any, received: Any, until: Any, shop: None) -> None:
    assert main(["publish", "--source", "shop", "--mqtt", any_broker.url]) == 0
    until(lambda: len(payloads(received)) >= 5, "the quotes")
    topics = [topic for topic, _ in payloads(received)]
    assert topics == ["quotes/GOOG", "quotes", "quotes", "quotes/GOOG", "quotes/SAP"]
    found = [payload for _, payload in payloads(received)]
    assert [payload["quote"] for payload in found] == [1.5, 2.5, 3.5, 4.5, 5.5]
    assert [payload["seq"] for payload in found] == [1, 1, 2, 2, 1]
    assert {payload["source"] for payload in found} == {"shop"}
    assert len({payload["id"] for payload in found}) == 5
    assert list(found[0]) == ["sid", "quote", "ts", "id", "source", "seq"]


def test_a_source_is_replayed_at_a_rate_and_up_to_a_limit(
    mosquitto: Any, shop: None, monkeypatch: Any, capsys: Any
) -> None:
    start = time.monotonic()
    assert main(["publish", "--source", "shop", "--mqtt", mosquitto.url, "--rate", "10", "--limit", "3"]) == 0
    assert time.monotonic() - start >= 0.2
    assert "published 3 messages" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["quotes", "1", "--mqtt", "mqtt://127.0.0.1:{port}"], 1, "start a broker with `intuition broker`"),
        (["--source", "nowhere", "--mqtt", "mqtt://127.0.0.1:{port}"], 1, "no source is called `nowhere`"),
        (["quotes", "1", "--mqtt", "http://x"], 1, "intuition: --mqtt: http://x: unknown scheme"),
        (["quotes", "1", "--mqtt", "mqtt://ann:geheim@127.0.0.1:x"], 1, "the port must be a number"),
        (["quotes", "1", "--mqtt", "mqtt://h", "--ca", "ca.pem"], 1, "mqtts://"),
        (["--source", "nowhere"], 1, "nowhere"),
        (["quotes"], 2, "give a payload"),
        (["quotes", "1", "--source", "shop"], 2, "one of them"),
        (["quotes/#", "1"], 2, "cannot publish on"),
        (["quotes", "1", "--rate", "0"], 2, "neither a number"),
        (["quotes", "1", "--rate", "nan"], 2, "neither a number"),
        (["--source", "shop", "--speed", "0"], 2, "neither a number of times nor `max`"),
        (["--source", "shop", "--speed", "2", "--rate", "2"], 2, "--speed or --rate"),
        (["--source", "shop", "--from", "yesterday"], 2, "is no time such as 2020-03-01"),
        (["quotes", "1", "--symbols", "A"], 2, "--symbols is for what --source or --data replays"),
        (["quotes", "1", "--speed", "60"], 2, "--speed is for what"),
        (["--data", "prices.xls"], 1, "prices.xls: cannot tell which source reads this"),
        (["--data", "nowhere.csv"], 1, "nowhere.csv"),
        (["--source", "sample", "--param", "symbols"], 1, "--param"),
        (["--source", "sample", "--param", "symbol=GOOG"], 1, "did you mean `symbols`?"),
        (["--source", "sample", "--follow"], 1, "--follow: there is no one file to follow"),
        (["--data", "prices.csv.gz", "--follow"], 1, "prices.csv.gz cannot be read by themselves"),
        (["--data", "nowhere.csv", "--follow", "--mqtt", "mqtt://127.0.0.1:{broker}"], 1, "nowhere.csv: No such file"),
    ],
)
def test_a_mistake_is_one_line(
    arguments: list[str], code: int, said: str, port: int, request: pytest.FixtureRequest, capsys: Any
) -> None:
    broker = request.getfixturevalue("mosquitto").port if "{broker}" in str(arguments) else None
    assert main(["publish", *(argument.format(port=port, broker=broker) for argument in arguments)]) == code
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error
    assert "geheim" not in error
    if code == 1:
        assert len(error.splitlines()) == 1


CSV = """timestamp,symbol,close,volume
2024-01-02T10:00:00Z,GOOG,100,5
2024-01-02T10:00:00Z,SAP,50,5
2024-01-02T10:01:00Z,GOOG,101,5
2024-01-02T10:02:00Z,GOOG,102,5
"""


@pytest.fixture
def prices(tmp_path: Path) -> Path:
    file = tmp_path / "prices.csv"
    file.write_text(CSV)
    return file


def test_a_file_is_replayed_and_the_same_again(
    mosquitto: Any, observe: Any, until: Any, prices: Path, monkeypatch: Any, capsys: Any
) -> None:
    raw = listen(observe, mosquitto)
    command = ["publish", "--data", str(prices), "--mqtt", mosquitto.url]
    assert main(command) == 0
    until(lambda: len(raw) == 4, "the quotes")
    assert [topic for topic, _ in raw] == ["quotes/GOOG", "quotes/SAP", "quotes/GOOG", "quotes/GOOG"]
    first = json.loads(raw[0][1])
    assert first.pop("id")
    assert first.pop("start") < first["ts"]
    expected = {"sid": "GOOG", "quote": 100.0, "close": 100.0, "volume": 5, "ts": 1_704_189_600 * 10**9}
    assert first == expected | {"source": "csv:prices.csv", "seq": 1}
    # Whoever has seen them knows them again, wherever the command is run.
    monkeypatch.chdir(prices.parent)
    assert main(["publish", "--source", "csv", "--data", "prices.csv", "--mqtt", mosquitto.url]) == 0
    until(lambda: len(raw) == 8, "the quotes again")
    assert raw[4:] == raw[:4]
    assert {identity_of(json.loads(payload), None) for _, payload in raw} == {
        identity_of(json.loads(payload), None) for _, payload in raw[:4]
    }
    out, err = capsys.readouterr()
    assert out == ""
    taken, published, *again = err.splitlines()
    assert taken.startswith("prices.csv: time `timestamp` as written, bars of 1m stamped at the close; prices close, ")
    assert published == f"published 4 messages to {mosquitto.url}"
    assert again == [taken, published]


def test_what_is_asked_for_is_replayed(mosquitto: Any, observe: Any, until: Any, prices: Path) -> None:
    raw = listen(observe, mosquitto)
    window = ["--from", "2024-01-02T11:01+01:00", "--to", "2024-01-02T10:02:00Z"]
    command = ["publish", "bars", "--data", str(prices), "--mqtt", mosquitto.url, *window]
    assert main([*command, "--symbols", "GOOG,IBM", "--param", "quote=volume", "--as", "mine"]) == 0
    until(lambda: len(raw) == 1, "the quote")
    topic, payload = raw[0][0], json.loads(raw[0][1])
    assert (topic, payload["quote"], payload["source"]) == ("bars/GOOG", 5.0, "mine")


def test_another_part_of_a_recording_has_the_ids_of_the_whole(
    mosquitto: Any, observe: Any, until: Any, prices: Path
) -> None:
    raw = listen(observe, mosquitto)
    command = ["publish", "--data", str(prices), "--mqtt", mosquitto.url]
    assert main(command) == 0
    assert main([*command, "--from", "2024-01-02T10:01"]) == 0
    until(lambda: len(raw) > 4, "the later quotes")
    whole = {json.loads(payload)["id"]: json.loads(payload) for _, payload in raw[:4]}
    again = json.loads(raw[4][1])
    assert again["seq"] != whole[again["id"]]["seq"]
    assert identity_of(again, None) == identity_of(whole[again["id"]], None)


def test_the_help_shows_examples_line_by_line(capsys: Any) -> None:
    assert main(["publish", "--help"]) == 0
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert "intuition publish --source sample --rate 60" in lines
    assert not any("\x08" in line or "\\b" in line for line in lines)


def test_recorded_time_passes_faster(mosquitto: Any, observe: Any, until: Any, prices: Path) -> None:
    raw = listen(observe, mosquitto)
    start = time.monotonic()
    assert main(["publish", "--data", str(prices), "--mqtt", mosquitto.url, "--speed", "240"]) == 0
    assert 0.5 <= time.monotonic() - start < 10
    assert main(["publish", "--data", str(prices), "--mqtt", mosquitto.url, "--speed", "max"]) == 0
    until(lambda: len(raw) == 8, "the quotes")


def test_a_bar_is_shown_on_a_terminal_only(mosquitto: Any, prices: Path) -> None:
    program = "import sys; from intuition_core.cli import main; sys.exit(main())"
    command = ["-c", program, "publish", "--data", str(prices), "--mqtt", mosquitto.url, "--speed", "30"]
    child = pexpect.spawn(
        sys.executable, command, timeout=20, dimensions=(24, 120), env={**os.environ, "TERM": "xterm"}
    )
    child.expect(r"3 messages")
    child.expect(r"published 4 messages to")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0


def test_lines_that_are_added_to_a_file_follow(mosquitto: Any, observe: Any, until: Any, prices: Path) -> None:
    raw = listen(observe, mosquitto)
    with started("--data", str(prices), "--mqtt", mosquitto.url, "--follow") as process:
        until(lambda: len(raw) == 4, "what was there")
        with prices.open("a") as file:
            file.write("2024-01-02T10:03:00Z,SAP,51,5\n2024-01-02T10:0")
            file.flush()
            until(lambda: len(raw) == 5, "the line that was added")
            file.write("4:00Z,GOOG,103,5\n")
        until(lambda: len(raw) == 6, "the line that was completed")
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert err == f"interrupted: published 6 messages to {mosquitto.url}\n"
    # It makes no difference whether they were there from the beginning.
    assert main(["publish", "--data", str(prices), "--mqtt", mosquitto.url]) == 0
    until(lambda: len(raw) == 12, "all of them again")
    # How long bars last is told by the lines there are, and is no part of what a quote is known by.
    said = [{**json.loads(payload), "start": None} for _, payload in raw]
    assert said[6:] == said[:6]


def test_json_lines_that_are_added_to_a_file_follow(mosquitto: Any, observe: Any, until: Any, tmp_path: Path) -> None:
    raw = listen(observe, mosquitto)
    path = tmp_path / "events.jsonl"
    path.write_text('{"goog": 1, "ts": 1}\n{"channel": "rates", "sid": "EUR/USD", "quote": 1.25, "ts": 2}\n')
    with started("--data", str(path), "--mqtt", mosquitto.url, "--follow") as process:
        until(lambda: len(raw) == 2, "what was there")
        with path.open("a") as file:
            file.write('{"goog": 2, "ts": 3}\n')
        until(lambda: len(raw) == 3, "the line that was added")
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
    assert process.returncode == 130
    assert [topic for topic, _ in raw] == ["quotes/goog", "rates", "quotes/goog"]


def test_several_files_are_published_as_one_course(
    mosquitto: Any, observe: Any, until: Any, tmp_path: Path, prices: Path
) -> None:
    raw = listen(observe, mosquitto)
    actions = tmp_path / "actions.jsonl"
    actions.write_text(
        '{"channel": "actions", "sid": "GOOG", "action": "split", "ratio": "2:1", "ts": "2024-01-02T10:01:00Z"}\n'
    )
    assert main(["publish", "--data", str(actions), "--data", str(prices), "--mqtt", mosquitto.url]) == 0
    until(lambda: len(raw) == 5, "all of both")
    said = [json.loads(payload) for _, payload in raw]
    assert [event["ts"] for event in said] == sorted(event["ts"] for event in said)
    [place] = [place for place, event in enumerate(said) if event.get("action") == "split"]
    assert raw[place][0] == "actions/GOOG"
    # The bar that ends there was traded before.
    assert said[place - 1]["ts"] == said[place]["ts"] < said[place + 1]["ts"]
    assert {event["source"] for event in said} == {"jsonl+csv:actions.jsonl,prices.csv"}


@pytest.mark.parametrize(
    ("added", "said"),
    [
        ("2024-01-02T10:01:00Z,GOOG,1,1\n", "among the lines from 6 on, which were read together: they begin earlier"),
        ("2024-01-02T10:05:00Z,GOOG,much,1\n", "among the lines from 6 on, which were read together: prices.csv"),
        (None, "was cut or replaced while it was followed"),
    ],
)
def test_a_file_that_cannot_be_followed_further(
    mosquitto: Any, observe: Any, until: Any, prices: Path, added: str | None, said: str
) -> None:
    raw = listen(observe, mosquitto)
    with started("--data", str(prices), "--mqtt", mosquitto.url, "--follow") as process:
        until(lambda: len(raw) == 4, "what was there")
        # A file that is written anew is empty for a moment, which would be a cut as well.
        with prices.open("a" if added else "w") as file:
            file.write(added or CSV[:50])
        _, err = process.communicate(timeout=20)
    assert process.returncode == 1
    assert said in err
    assert len(err.splitlines()) == 1


def test_what_is_sent_when_ctrl_c_comes_is_counted(
    mosquitto: Any, observe: Any, until: Any, prices: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    raw = listen(observe, mosquitto)
    publish = Publisher.publish

    def interrupted(publisher: Publisher, topic: str, payload: bytes) -> None:
        publish(publisher, topic, payload)
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(Publisher, "publish", interrupted)
    assert main(["publish", "--data", str(prices), "--mqtt", mosquitto.url]) == 130
    assert capsys.readouterr().err == f"interrupted: published 1 message to {mosquitto.url}\n"
    until(lambda: len(raw) == 1, "the message")


def test_a_replay_that_is_interrupted_says_how_far_it_came(
    mosquitto: Any, observe: Any, until: Any, prices: Path
) -> None:
    raw = listen(observe, mosquitto)
    with started("--data", str(prices), "--mqtt", mosquitto.url, "--speed", "0.01") as process:
        until(lambda: len(raw) == 2, "the first minute")
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (130, f"interrupted: published 2 messages to {mosquitto.url}\n")


def test_a_database_is_replayed(mosquitto: Any, observe: Any, until: Any, tmp_path: Path) -> None:
    raw = listen(observe, mosquitto)
    connection = sqlite3.connect(tmp_path / "market.db")
    connection.execute("CREATE TABLE bars (ts INTEGER, sid TEXT, close REAL)")
    connection.execute("INSERT INTO bars VALUES (1704189600, 'GOOG', 1.5)")
    connection.commit()
    connection.close()
    data = ["--data", str(tmp_path / "market.db"), "--param", "table=bars"]
    assert main(["publish", *data, "--mqtt", mosquitto.url]) == 0
    until(lambda: raw, "the quote")
    assert (raw[0][0], json.loads(raw[0][1])["source"]) == ("quotes/GOOG", "sql:market.db")


def test_a_live_feed_is_published_as_it_comes(mosquitto: Any, observe: Any, until: Any) -> None:
    raw = listen(observe, mosquitto)
    go_on = threading.Event()

    def feed(connection: ServerConnection) -> None:
        connection.send('{"s": "GOOG", "c": 1.5}')
        assert go_on.wait(20)
        connection.send('{"s": "GOOG", "c": 1.5}')
        for _ in connection:
            pass

    with serve(feed, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        url = f"ws://127.0.0.1:{server.socket.getsockname()[1]}/feed?key=geheim"
        flags = ["--source", "websocket", "--param", f"url={url}", "--param", "symbol=s", "--param", "quote=c"]
        with started(*flags, "--mqtt", mosquitto.url) as process:
            until(lambda: len(raw) == 1, "the first quote, alone")
            go_on.set()
            until(lambda: len(raw) == 2, "the second")
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=20)
        server.shutdown()
        thread.join()
    assert (process.returncode, err) == (130, f"interrupted: published 2 messages to {mosquitto.url}\n")
    first, second = (json.loads(payload) for _, payload in raw)
    assert (first["seq"], second["seq"]) == (1, 2)
    assert first["id"] != second["id"]
    assert re.fullmatch(r"websocket:ws://127\.0\.0\.1:\d+/feed", first["source"])


def test_the_configuration_says_where_the_broker_is(
    any_broker: Any, received: Any, until: Any, tmp_path: Path, port: int, monkeypatch: Any, capsys: Any
) -> None:
    file = tmp_path / "other.toml"
    file.write_text(f'[connectors.mqtt]\nurl = "{any_broker.url}"\n')
    assert main(["publish", "quotes", "1", "--config", str(file)]) == 0
    until(lambda: payloads(received), "the quote")
    assert main(["publish", "quotes", "1", "--config", str(file), "--mqtt", f"mqtt://127.0.0.1:{port}"]) == 1
    assert "nothing listens there" in capsys.readouterr().err
    monkeypatch.setenv("INTUITION_CONFIG", str(file))
    assert main(["publish", "quotes", "1"]) == 0


def test_a_mistake_in_the_configuration_is_told_with_its_place(tmp_path: Path, shop: None, capsys: Any) -> None:
    file = tmp_path / "other.toml"
    file.write_text("[connectors.mqtt]\nulr = 'x'\n")
    assert main(["publish", "quotes", "1", "--config", str(file)]) == 1
    assert f"{file}: [connectors.mqtt] `ulr`: unknown; did you mean `url`?" in capsys.readouterr().err
    file.write_text("[plugins]\nblocked = ['shop']\n")
    assert main(["publish", "--source", "shop", "--config", str(file)]) == 1
    assert "blocked" in capsys.readouterr().err


def test_a_password_comes_by_variable_or_file(
    configured: Any, port: int, tmp_path: Path, monkeypatch: Any, capsys: Any
) -> None:
    passwords, file = tmp_path / "passwords", tmp_path / "password"
    create = ["mosquitto_passwd", "-b", "-c", str(passwords), "ann", "12345"]
    subprocess.run(create, check=True, capture_output=True)
    passwords.chmod(0o644)
    file.write_text("12345\n")
    door = [f"listener {port} 127.0.0.1", "allow_anonymous false", f"password_file {passwords}"]
    configured(["per_listener_settings true", *door])
    command = ["publish", "quotes", "1", "--mqtt", f"mqtt://ann@127.0.0.1:{port}"]
    assert main(command) == 1
    assert "check the user name and the password" in capsys.readouterr().err
    assert main([*command, "--password-file", str(file)]) == 0
    monkeypatch.setenv("INTUITION_CONNECTORS__MQTT__PASSWORD", "12345")
    assert main(command) == 0
