"""Brokers with limits: announced or not, each is kept to, told once, or named as the reason for the end."""

import json
import logging
import subprocess
from pathlib import Path
from typing import Any

import pytest
from intuition_connector_mqtt.errors import BrokerRefused, Replaced
from intuition_connector_mqtt.limits import BrokerLimits, dead_letter, packet_size
from intuition_connector_mqtt.presence import Publication

from intuition_core.cli import main

pytestmark = pytest.mark.mosquitto


def test_a_message_that_grows_on_its_way_to_dead_is_cut_and_stops_nothing(
    configured: Any, at_work: Any, fake: Any, caplog: Any
) -> None:
    broker = configured(["max_packet_size 2000"])
    backend = fake()
    _, observer = at_work(broker, backend)
    observer.publish("quotes", b'"' * 1800)  # escaped, it is twice as long
    observer.publish("quotes", {"goog": 3.45})
    observer.wait_for("decisions")
    [letter] = observer.wait_for("dead")
    assert letter["topic"] == "quotes"
    assert letter["size"] == 1800
    assert set(letter["payload"]) <= {'"'}
    assert "lost the broker" not in caplog.text


def test_a_record_that_is_too_large_goes_to_dead_in_its_place(
    configured: Any, at_work: Any, fake: Any, until: Any, caplog: Any
) -> None:
    broker = configured(["max_packet_size 2000"])
    backend = fake()
    backend.decide = lambda event: [{**backend.decision(event)[0], "note": "x" * int(event["quote"])}]
    connector, observer = at_work(broker, backend)
    for size in (1, 3000, 2):
        observer.publish("quotes", {"goog": size})
    observer.wait_for("decisions", 2)
    [letter] = observer.wait_for("dead")
    assert letter["topic"].endswith("/decisions")
    assert "the broker takes packets of at most 2000" in letter["reason"]
    assert letter["payload"].startswith('{"id":"test:2:0"')
    assert [record["id"] for record in observer.on("decisions")] == ["test:1:0", "test:3:0"]
    connection = connector.connector._connection
    until(lambda: connection.outbox.published == "test:3:0", "all three to count as published")
    assert "lost the broker" not in caplog.text


def test_an_account_that_is_too_large_is_left_out_and_told_once(
    configured: Any, at_work: Any, fake: Any, until: Any, caplog: Any
) -> None:
    broker = configured(["max_packet_size 2000"])
    backend = fake("attach", "events", "account")
    backend.other["account"] = lambda: {"positions": "x" * 3000, "seq": backend.seq}
    _, observer = at_work(broker, backend)
    for n in range(2):
        observer.publish("quotes", {"goog": 3.45})
        asked = lambda n=n: [method for method, _ in backend.calls].count("account") > n + 1  # noqa: E731
        until(asked, "the account to be asked for")
    observer.wait_for("decisions", 2)
    assert observer.on("portfolio") == []
    assert caplog.text.count("portfolio is not published") == 1


def test_a_broker_that_keeps_nothing_retained_is_told_once_and_served(
    configured: Any, observe: Any, run: Any, fake: Any, caplog: Any
) -> None:
    broker = configured(["retain_available false"])
    observer = observe(broker)
    run(fake(), url=broker.url)
    observer.wait_for_state("ready")
    observer.publish("quotes", {"goog": 3.45})
    observer.wait_for("decisions")
    assert caplog.text.count("keeps no retained messages") == 1
    assert "retrying" not in caplog.text


def test_a_broker_that_takes_qos_0_only_is_named(configured: Any, port: int, run: Any, fake: Any, capsys: Any) -> None:
    configured([f"listener {port} 127.0.0.1", "max_qos 0"])
    url = f"mqtt://127.0.0.1:{port}"
    connector = run(fake(), url=url)
    connector.join()
    assert isinstance(connector.error, BrokerRefused)
    assert "only QoS 0" in str(connector.error)
    connector.error = None
    assert main(["publish", "quotes", "1", "--mqtt", url]) == 1
    assert "publish with --qos 0" in capsys.readouterr().err
    assert main(["publish", "quotes", "1", "--qos", "0", "--mqtt", url]) == 0


def test_a_password_that_is_changed_at_both_ends_is_read_again(
    configured: Any, tmp_path: Path, observe: Any, run: Any, fake: Any, until: Any, caplog: Any
) -> None:
    passwords, mine = tmp_path / "passwords", tmp_path / "mine"

    def set_password(password: str, *options: str) -> None:
        command = ["mosquitto_passwd", "-b", *options, str(passwords), "bob", password]
        subprocess.run(command, check=True, capture_output=True)
        passwords.chmod(0o644)

    caplog.set_level(logging.INFO)
    set_password("one", "-c")
    mine.write_text("one\n")
    broker = configured([f"password_file {passwords}"])
    observer = observe(broker)
    run(fake(), url=broker.url, username="bob", password_file=str(mine))
    observer.wait_for_state("ready")
    set_password("two")
    broker.stop()
    broker.start()
    until(lambda: "check the user name and the password" in caplog.text, "the old password to be refused")
    mine.write_text("")  # as while an editor writes it
    until(lambda: "going on with the credentials from before" in caplog.text, "the empty file to be told of")
    mine.write_text("two\n")
    until(lambda: "back at the broker" in caplog.text, "the connector to be let in")


def test_a_broker_that_gives_both_connections_one_id_is_named(configured: Any, port: int, run: Any, fake: Any) -> None:
    configured([f"listener {port} 127.0.0.1", "use_username_as_clientid true"])
    connector = run(fake(), url=f"mqtt://127.0.0.1:{port}", username="bob")
    connector.join()
    assert isinstance(connector.error, BrokerRefused)
    assert "the same client id" in str(connector.error)
    connector.error = None


def test_of_two_connectors_the_older_ends_while_no_quote_comes(
    configured: Any, at_work: Any, run: Any, fake: Any, observe: Any, caplog: Any
) -> None:
    """mosquitto 2.0.11 says nothing to the one that it throws out; the backend knows."""
    broker = configured([])
    backend = fake("attach", "events", "describe")
    backend.other["describe"] = lambda: {"clients": {"mqtt": backend.epoch}}
    older, observer = at_work(broker, backend)
    run(backend, url=broker.url)
    older.join()
    assert isinstance(older.error, Replaced)
    older.error = None
    observer.publish("quotes", {"goog": 3.45})
    observer.wait_for("decisions")
    assert caplog.text.count("lost the broker") <= 1


def test_what_the_access_rules_forbid_is_no_success_of_publish(configured: Any, tmp_path: Path, capsys: Any) -> None:
    rules = tmp_path / "acl"
    rules.write_text("topic write quotes/#\n")
    rules.chmod(0o644)
    broker = configured([f"acl_file {rules}"])
    assert main(["publish", "quotes", "1", "--mqtt", broker.url]) == 0
    capsys.readouterr()
    assert main(["publish", "elsewhere", "1", "--mqtt", broker.url]) == 1
    said = capsys.readouterr().err
    assert "the broker refused what was published on elsewhere" in said
    assert "published 1" not in said


def test_publish_names_a_size_that_the_broker_does_not_take(configured: Any, capsys: Any) -> None:
    broker = configured(["max_packet_size 1000"])
    assert main(["publish", "quotes", "x" * 3000, "--mqtt", broker.url]) == 1
    assert "a packet of 3014 bytes; the broker takes packets of at most 1000 bytes" in capsys.readouterr().err


@pytest.mark.parametrize("size", [0, 1, 100, 121, 122, 123, 16_375, 16_376, 16_377, 70_000, 2_097_143, 2_097_144])
def test_the_size_of_a_packet_is_that_of_paho(size: int) -> None:
    from paho.mqtt.client import Client, MQTTMessageInfo, MQTTv5
    from paho.mqtt.enums import CallbackAPIVersion

    packets: list[bytes] = []
    client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv5)
    client._packet_queue = lambda _kind, packet, *_: packets.append(packet)  # type: ignore[method-assign,assignment]
    client._sock = object()  # type: ignore[assignment]
    client._send_publish(1, "é/b".encode(), b"x" * size, 1, False, False, MQTTMessageInfo(1), None)
    client._sock = None
    assert packet_size("é/b", b"x" * size) == len(packets[0])


@pytest.mark.parametrize("limit", [60, 80, 100, 150, 300, 1000, 5000])
@pytest.mark.parametrize("payload", [b"x" * 4000, b'"' * 4000, "ü€😀".encode() * 800, bytes(range(256)) * 10, b""])
def test_a_letter_keeps_to_the_limit_whatever_it_holds(limit: int, payload: bytes) -> None:
    limits = BrokerLimits(packet=limit)
    letter = dead_letter(Publication("a/b", payload, record="r"), "too large", topic="i/dead", limits=limits)
    if letter is None:
        assert limit < 100
        return
    assert limits.takes(letter.topic, letter.payload)
    assert letter.record == "r"
    assert json.loads(letter.payload)["size"] == len(payload)
    again = dead_letter(letter, "too large again", topic="i/dead", limits=limits)
    assert again is not None
    assert json.loads(again.payload) == json.loads(letter.payload)
