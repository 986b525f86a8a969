from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from intuition_connector_mqtt.address import Address, BadAddress, parse_address, redacted
from rich.pretty import pretty_repr

SECRET = "hunter2-Geheim"


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("mqtt://localhost", Address("localhost", 1883)),
        ("mqtts://broker.example", Address("broker.example", 8883, tls=True)),
        ("mqtt://10.0.0.1:1884/", Address("10.0.0.1", 1884)),
        ("mqtt://[::1]:1884", Address("::1", 1884)),
        ("mqtt://ann@host", Address("host", 1883, username="ann")),
        ("mqtts://ann:a%40b%2Fc@host:9", Address("host", 9, tls=True, username="ann", password="a@b/c")),
    ],
)
def test_reads_an_address(url: str, address: Address) -> None:
    assert parse_address(url) == address


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("", "no scheme"),
        ("localhost:1883", "unknown scheme `localhost`"),
        ("http://localhost", "unknown scheme `http`"),
        ("mqtt://", "no host"),
        ("mqtt://:1883", "no host"),
        ("mqtt://host:port", "port must be a number"),
        ("mqtt://host:0", "port must be a number"),
        ("mqtt://host:65536", "port must be a number"),
        ("mqtt://host/quotes", "nothing can follow the port"),
        ("mqtt://host?x=1", "nothing can follow the port"),
        ("mqtt://[::1", "invalid ipv6"),
    ],
)
def test_says_what_is_wrong(url: str, problem: str) -> None:
    with pytest.raises(BadAddress, match=problem) as caught:
        parse_address(url)
    assert "expected mqtt://host:port" in str(caught.value)


HOSTS = st.from_regex(r"[a-z][a-z0-9.-]{0,20}", fullmatch=True)


def shown(url: str) -> str:
    """Give all that is ever said of an address."""
    try:
        address = parse_address(url)
    except BadAddress as error:
        return f"{redacted(url)} {error} {error!r} {vars(error)}"
    return f"{redacted(url)} {address} {address!r} {pretty_repr(address)}"


@given(user=st.text(min_size=1), password=st.text(min_size=1), host=HOSTS)
def test_credentials_survive_encoding(user: str, password: str, host: str) -> None:
    user, password = (text.encode("utf-8", "replace").decode() for text in (user, password))
    address = parse_address(f"mqtt://{quote(user, safe='')}:{quote(password, safe='')}@{host}")
    assert (address.username, address.password, address.host) == (user, password, host)


@given(before=st.sampled_from(["mqtt://a:", "mqtts://:", "http://a:", "mqtt://a:b@", "://x:"]), noise=st.text())
def test_a_password_is_never_shown(before: str, noise: str) -> None:
    for url in (f"{before}{SECRET}{noise}@host:1883", f"{before}{noise}{SECRET}@host:x", f"{before}{SECRET}@host/y"):
        assert SECRET not in shown(url)


def test_a_password_whose_at_sign_was_forgotten_is_not_shown() -> None:
    assert SECRET not in shown(f"mqtt://ann:{SECRET}")
