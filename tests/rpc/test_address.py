import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from intuition_core.rpc.address import BadAddress, parse


@pytest.mark.parametrize(
    ("address", "endpoint", "loopback"),
    [
        ("tcp://127.0.0.1:4242", "tcp://127.0.0.1:4242", True),
        ("tcp://localhost:4242", "tcp://127.0.0.1:4242", True),
        ("tcp://[::1]:4242", "tcp://[::1]:4242", True),
        ("tcp://127.0.0.1:*", "tcp://127.0.0.1:0", True),
        ("tcp://127.0.0.1:0", "tcp://127.0.0.1:0", True),
        ("tcp://0.0.0.0:4242", "tcp://0.0.0.0:4242", False),
        ("tcp://*:4242", "tcp://*:4242", False),
        ("tcp://192.168.1.2:4242", "tcp://192.168.1.2:4242", False),
    ],
)
def test_addresses_to_listen_on(address: str, endpoint: str, loopback: bool) -> None:
    parsed = parse(address, listening=True)
    assert (parsed.endpoint, parsed.loopback) == (endpoint, loopback)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "127.0.0.1:4242",
        "ipc://x",
        "tcp://",
        "tcp://127.0.0.1",
        "tcp://:4242",
        "tcp://h:port",
        "tcp://h:99999",
        "tcp://h:1/x",
    ],
)
def test_a_malformed_address_is_shown_with_an_example_of_a_good_one(address: str) -> None:
    with pytest.raises(BadAddress, match=r"tcp://127\.0\.0\.1:4242") as caught:
        parse(address)
    assert caught.value.address == address


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:0", "tcp://127.0.0.1:*", "tcp://*:4242"])
def test_nobody_can_connect_to_any_port_or_any_host(address: str) -> None:
    with pytest.raises(BadAddress):
        parse(address)


@given(st.text(max_size=40), st.booleans())
@example("[", True)
@example("[::1:1", True)
def test_any_text_is_an_address_or_a_bad_one(rest: str, listening: bool) -> None:
    try:
        parsed = parse(f"tcp://{rest}", listening=listening)
    except BadAddress:
        return
    assert 0 <= parsed.port <= 65535
    assert parsed.host
