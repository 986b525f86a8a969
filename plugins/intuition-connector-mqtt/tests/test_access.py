"""TLS and passwords, at a mosquitto that asks for them."""

import json
import logging
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from intuition_connector_mqtt.address import parse_address
from intuition_connector_mqtt.errors import BrokerRefused, PublishRefused
from intuition_connector_mqtt.publisher import Publisher

from intuition_core.cli import main

pytestmark = pytest.mark.mosquitto

PASSWORD = "p:a@s/s#word"
ENCODED = "p%3Aa%40s%2Fs%23word"


def openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True, stdin=subprocess.DEVNULL)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority, a broker's certificate for 127.0.0.1, and a client's."""
    folder = tmp_path_factory.mktemp("certificates")
    new = ["req", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    # OpenSSL wants a key usage in an authority's certificate before newer Pythons take it for one.
    usage = ["-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign"]
    authority = ["-keyout", f"{folder}/ca.key", "-out", f"{folder}/ca.pem"]
    openssl(*new, "-x509", "-subj", "/CN=Test authority", *usage, *authority)
    for name in ("broker", "client"):
        extensions = folder / f"{name}.ext"
        extensions.write_text("subjectAltName=IP:127.0.0.1\nauthorityKeyIdentifier=keyid\n")
        openssl(*new, "-subj", f"/CN={name}", "-keyout", f"{folder}/{name}.key", "-out", f"{folder}/{name}.csr")
        signed = ["x509", "-req", "-days", "2", "-in", f"{folder}/{name}.csr", "-out", f"{folder}/{name}.pem"]
        openssl(*signed, "-CA", authority[3], "-CAkey", authority[1], "-CAcreateserial", "-extfile", str(extensions))
    return folder


@pytest.fixture
def secured(certificates: Path, tmp_path: Path, port: int, configured: Any) -> Callable[..., Any]:
    """Start a mosquitto that wants TLS and a password, and keeps a plain door for the observer."""
    passwords = tmp_path / "passwords"
    create = ["mosquitto_passwd", "-b", "-c", str(passwords), "ann", PASSWORD]
    subprocess.run(create, check=True, capture_output=True)
    passwords.chmod(0o644)

    def start(*extra: str) -> Any:
        lines = [
            "per_listener_settings true",
            f"listener {port} 127.0.0.1",
            "allow_anonymous false",
            f"password_file {passwords}",
            f"cafile {certificates}/ca.pem",
            f"certfile {certificates}/broker.pem",
            f"keyfile {certificates}/broker.key",
            *extra,
        ]
        return configured(lines)

    return start


def works(broker: Any, observe: Any, run: Any, fake: Any, **params: Any) -> None:
    observer = observe(broker)
    run(fake(), **params)
    observer.wait_for_state("ready")
    observer.publish("quotes", {"goog": 3.45})
    observer.wait_for("decisions")


@pytest.mark.parametrize("way", ["url", "parameter", "file"])
def test_tls_and_a_password(
    secured: Any,
    port: int,
    certificates: Path,
    tmp_path: Path,
    observe: Any,
    run: Any,
    fake: Any,
    caplog: Any,
    way: str,
) -> None:
    caplog.set_level(logging.DEBUG)
    file = tmp_path / "password"
    file.write_text(f"{PASSWORD}\n")
    params = {
        "url": {"url": f"mqtts://ann:{ENCODED}@127.0.0.1:{port}"},
        "parameter": {"url": f"mqtts://127.0.0.1:{port}", "username": "ann", "password": PASSWORD},
        "file": {"url": f"mqtts://ann@127.0.0.1:{port}", "password_file": str(file)},
    }[way]
    works(secured(), observe, run, fake, ca_file=f"{certificates}/ca.pem", **params)
    assert PASSWORD not in caplog.text
    assert ENCODED not in caplog.text


def test_a_certificate_of_our_own(
    secured: Any, port: int, certificates: Path, observe: Any, run: Any, fake: Any
) -> None:
    works(
        secured("require_certificate true"),
        observe,
        run,
        fake,
        url=f"mqtts://ann:{ENCODED}@127.0.0.1:{port}",
        ca_file=f"{certificates}/ca.pem",
        cert_file=f"{certificates}/client.pem",
        key_file=f"{certificates}/client.key",
    )


# paho leaves the socket of a handshake that failed to the garbage collector.
@pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning")
@pytest.mark.parametrize(
    ("url", "trusting", "problem"),
    [
        ("mqtts://ann:wrong@127.0.0.1:{}", True, "check the user name and the password"),
        ("mqtts://127.0.0.1:{}", True, "check the user name and the password"),
        ("mqtts://ann:wrong@127.0.0.1:{}", False, "name its authority as `ca_file`"),
        ("mqtts://ann:wrong@localhost:{}", True, "mismatch"),
    ],
)
def test_who_is_not_let_in_is_told_why(
    secured: Any, port: int, certificates: Path, run: Any, fake: Any, url: str, trusting: bool, problem: str
) -> None:
    secured()
    connector = run(fake(), url=url.format(port), **({"ca_file": f"{certificates}/ca.pem"} if trusting else {}))
    connector.join()
    assert isinstance(connector.error, BrokerRefused)
    assert problem in str(connector.error)
    assert "wrong" not in str(connector.error)
    connector.error = None


def test_plain_speech_at_a_door_for_tls_is_tried_again(
    secured: Any, port: int, run: Any, fake: Any, until: Any, caplog: Any
) -> None:
    secured()
    run(fake(), url=f"mqtt://127.0.0.1:{port}")
    until(lambda: "retrying in" in caplog.text, "the next attempt to be announced")
    assert f"if it wants TLS, write mqtts://127.0.0.1:{port}; retrying in" in caplog.text


def test_where_nothing_listens_the_remedy_is_told(port: int, run: Any, fake: Any, until: Any, caplog: Any) -> None:
    run(fake(), url=f"mqtt://127.0.0.1:{port}")
    until(lambda: "retrying in" in caplog.text, "the next attempt to be announced")
    assert "nothing listens there: start a broker with `intuition broker`, or name yours with --mqtt URL" in caplog.text


# paho leaves the socket of a handshake that failed to the garbage collector.
@pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning")
def test_publishing_with_tls_from_the_configuration(
    secured: Any, port: int, certificates: Path, tmp_path: Path, capsys: Any
) -> None:
    secured()
    file = tmp_path / "intuition.toml"
    table = f"[connectors.mqtt]\nurl = 'mqtts://127.0.0.1:{port}'\nusername = 'ann'\npassword = '{PASSWORD}'\n"
    file.write_text(table)
    command = ["publish", "quotes", "1", "--config", str(file)]
    assert main(command) == 1
    assert "cannot be trusted" in (said := capsys.readouterr().err)
    assert "--ca FILE" in said
    assert main([*command, "--ca", f"{certificates}/ca.pem"]) == 0
    file.write_text(f"{table}ca_file = '{certificates}/ca.pem'\n")
    assert main(command) == 0
    assert PASSWORD not in capsys.readouterr().err


@pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning")
def test_the_wrong_kind_of_door_is_named(secured: Any, port: int, certificates: Path, capsys: Any) -> None:
    broker = secured()
    assert main(["publish", "quotes", "1", "--mqtt", f"mqtt://127.0.0.1:{port}"]) == 1
    assert f"if it wants TLS, write mqtts://127.0.0.1:{port}" in capsys.readouterr().err
    plain = ["--mqtt", f"mqtts://127.0.0.1:{broker.port}", "--ca", f"{certificates}/ca.pem"]
    assert main(["publish", "quotes", "1", *plain]) == 1
    assert f"it may not speak TLS there: try mqtt://127.0.0.1:{broker.port}" in capsys.readouterr().err


SECURITY = Path(__file__).parents[3] / "docs" / "security.md"


def test_who_may_stop_it_is_for_the_broker_to_say(
    tmp_path: Path, configured: Any, observe: Any, run: Any, fake: Any
) -> None:
    [rules] = re.findall(r"```text\n(user connector.*?)```", SECURITY.read_text(), re.DOTALL)
    file = tmp_path / "acl"
    file.write_text(f"topic readwrite #\n\n{rules}")  # the first is for the observer, who has no name
    file.chmod(0o600)
    broker = configured([f"acl_file {file}"])
    backend = fake("attach", "events")
    backend.other["control"] = lambda command, *_: [{"id": "x:1:0", "type": "control", "by": command["reason"]}]
    observer = observe(broker)
    run(backend, url=f"mqtt://connector@127.0.0.1:{broker.port}")
    observer.wait_for_state("ready")
    for user in ("feed", "desk"):
        # A broker that says nothing of what it throws away: the second command shows that the first is gone.
        client = paho.Client(paho.CallbackAPIVersion.VERSION2, protocol=paho.MQTTv311)
        client.username_pw_set(user)
        client.connect("127.0.0.1", broker.port)
        client.loop_start()
        command = json.dumps({"action": "kill", "reason": user})
        client.publish("intuition/1/test/control/set", command, qos=1).wait_for_publish(20)
        client.disconnect()
        client.loop_stop()
    assert [record["by"] for record in observer.wait_for("control")] == ["desk"]


TOPICS = (
    "quotes/goog",
    "actions/goog",
    "rates/EURUSD",
    "control/set",
    "intuition/1/test/control/set",
    "intuition/1/test/control",
    "intuition/1/test/decisions",
    "intuition/1/test/$state",
    "intuition/1/test/$settled/aside",
)
MAY_WRITE = {
    "connector": {topic for topic in TOPICS if topic.startswith("intuition/")},
    "feed": {"quotes/goog"},
    "reference": {"actions/goog", "rates/EURUSD"},
    "desk": {"intuition/1/test/control/set"},
    "stranger": set(),
}


@pytest.mark.parametrize("user", MAY_WRITE)
def test_each_user_of_the_access_rules_may_do_what_they_say_and_nothing_else(
    tmp_path: Path, configured: Any, fake: Any, at_work: Any, user: str
) -> None:
    [rules] = re.findall(r"```text\n(user connector.*?)```", SECURITY.read_text(), re.DOTALL)
    file = tmp_path / "acl"
    file.write_text(f"topic readwrite #\n\n{rules}")  # the first is for the observer, who has no name
    file.chmod(0o600)
    broker = configured([f"acl_file {file}"])
    address = parse_address(f"mqtt://{user}@127.0.0.1:{broker.port}")
    may = set()
    for topic in TOPICS:
        try:
            with Publisher(address) as publisher:
                publisher.publish(topic, b"1")
        except PublishRefused as error:
            assert topic in str(error)  # noqa: PT017  # each topic is one or the other
        else:
            may.add(topic)
    assert may == MAY_WRITE[user]
    if user == "feed":
        backend = fake(channels=("quotes", "actions", "rates"))
        _, observer = at_work(broker, backend)
        for channel in ("actions", "rates"):
            with Publisher(address) as publisher:
                publisher.publish("quotes/x", json.dumps({"channel": channel, "sid": "goog", "quote": 1}).encode())
        observer.wait_for("dead", 2)
        assert {event["channel"] for event in backend.delivered} <= {"quotes"}


# paho leaves the socket of a handshake that failed to the garbage collector.
@pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning")
@pytest.mark.parametrize(
    ("name", "days", "said"),
    [
        ("DNS:other.example", 2, "is for another host"),
        ("IP:127.0.0.2", 2, "is for another host"),
        ("IP:127.0.0.1", -1, "has expired"),
    ],
)
def test_the_right_hint_for_a_certificate_that_is_not_accepted(
    certificates: Path,
    tmp_path: Path,
    port: int,
    configured: Any,
    run: Any,
    fake: Any,
    capsys: Any,
    name: str,
    days: int,
    said: str,
) -> None:
    extensions = tmp_path / "ext"
    extensions.write_text(f"subjectAltName={name}\nauthorityKeyIdentifier=keyid\n")
    key, request, mine = (f"{tmp_path}/bad.{kind}" for kind in ("key", "csr", "pem"))
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=bad", "-keyout", key, "-out", request)
    authority = ["-CA", f"{certificates}/ca.pem", "-CAkey", f"{certificates}/ca.key", "-CAcreateserial"]
    openssl("x509", "-req", "-days", str(days), "-in", request, "-out", mine, *authority, "-extfile", str(extensions))
    configured([f"listener {port} 127.0.0.1", f"certfile {mine}", f"keyfile {key}"])
    url, ca = f"mqtts://127.0.0.1:{port}", f"{certificates}/ca.pem"
    assert main(["publish", "quotes", "1", "--mqtt", url, "--ca", ca]) == 1
    assert said in (told := capsys.readouterr().err)
    assert "authority" not in told
    connector = run(fake(), url=url, ca_file=ca)
    connector.join()
    assert isinstance(connector.error, BrokerRefused)
    assert said in str(connector.error)
    connector.error = None
