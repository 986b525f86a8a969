"""The command `publish`."""

import io
import json
import sys
import time
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from intuition_core.cli import main

pytestmark = pytest.mark.mosquitto


class Shop:
    """Sells quotes, some of symbols that cannot be a level of a topic."""

    def events(self) -> Iterator[dict[str, Any]]:
        for n, sid in enumerate(["GOOG", "BRK/A", "A+B", None, "SAP"]):
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
    assert topics == ["quotes/GOOG", "quotes", "quotes", "quotes", "quotes/SAP"]
    assert [payload["quote"] for _, payload in payloads(received)] == [1.5, 2.5, 3.5, 4.5, 5.5]


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
    ],
)
def test_a_mistake_is_one_line(arguments: list[str], code: int, said: str, port: int, capsys: Any) -> None:
    assert main(["publish", *(argument.format(port=port) for argument in arguments)]) == code
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error
    assert "geheim" not in error
    if code == 1:
        assert len(error.splitlines()) == 1


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
    import subprocess

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
