import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest
from intuition_connector_mqtt.connector import Mqtt
from rich.pretty import pretty_repr

from intuition_core.errors import BadParameter
from intuition_core.params.checking import check_params

SECRET = "hunter2-Geheim"


def initialized(**params: Any) -> Mqtt:
    connector = Mqtt()
    connector.initialize(check_params("connector mqtt", Mqtt, params))
    return connector


def test_a_password_is_never_shown() -> None:
    params = Mqtt.Params(url=f"mqtt://ann:{SECRET}@host", password=SECRET, username="ann")
    for text in (repr(params), str(params), f"{params!r}", pretty_repr(params)):
        assert SECRET not in text
        assert "username='ann'" in text


@pytest.mark.parametrize(
    ("params", "key"),
    [
        ({"url": "http://x"}, "url"),
        ({"name": "a/b"}, "name"),
        ({"name": ""}, "name"),
        ({"password_file": "/nowhere"}, "password_file"),
        ({"url": "mqtts://x", "ca_file": "/nowhere"}, "ca_file"),
        ({"url": "mqtts://x", "cert_file": "/nowhere"}, "cert_file"),
        ({"url": "mqtts://x", "key_file": "/nowhere"}, "key_file"),
        ({"ca_file": "/nowhere"}, "ca_file"),
        ({"keepalive": 0}, "keepalive"),
        ({"max_batch": 1001}, "max_batch"),
        ({"pasword": "x"}, "pasword"),
    ],
)
def test_a_bad_parameter_is_named(params: dict[str, Any], key: str) -> None:
    with pytest.raises(BadParameter) as caught:
        initialized(**params)
    assert caught.value.key == key


def test_a_bad_url_does_not_tell_its_password() -> None:
    with pytest.raises(BadParameter) as caught:
        initialized(url=f"mqtt://ann:{SECRET}@host:x")
    assert SECRET not in f"{caught.value} {vars(caught.value)}"


def test_an_empty_password_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.touch()
    with pytest.raises(BadParameter, match="is empty"):
        initialized(password_file=str(file))


def test_a_file_that_is_no_certificate_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_text("no certificate")
    with pytest.raises(BadParameter, match="ca_file"):
        initialized(url="mqtts://x", ca_file=str(file))


def test_a_key_with_a_passphrase_does_not_ask_the_terminal(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-subj", "/CN=x", "-passout", f"pass:{SECRET}"]
    subprocess.run(
        [*command, "-keyout", str(key), "-out", str(certificate)],
        check=True,
        capture_output=True,
        stdin=subprocess.DEVNULL,
    )
    with pytest.raises(BadParameter, match=r"`key_file`.* is encrypted"):
        initialized(url="mqtts://x", cert_file=str(certificate), key_file=str(key))


def test_the_parameters_have_a_schema() -> None:
    schema = msgspec.json.schema(Mqtt.Params)
    assert "max_payload" in str(schema)
