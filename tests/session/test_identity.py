"""By what a payload is known again: whichever way it comes, in whichever form, and in journals of older versions."""

import json
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intuition_core.config.loading import load_config
from intuition_core.data import normalise
from intuition_core.errors import BadData, IntuitionError
from intuition_core.plugins.catalogue import discover
from intuition_core.serving.service import Service
from intuition_core.session.batch import Delivery
from intuition_core.session.control import BadControl
from intuition_core.session.errors import IdReused
from intuition_core.session.identity import (
    OF_THE_DELIVERY,
    former_identities,
    identity_of,
    is_scoped,
    key_within,
    scoped_key,
)
from intuition_core.session.integrity import mark
from intuition_core.session.journal import Journal

QUOTE = {"sid": "A", "quote": 1}


def known_by(payload: Any, delivery: Delivery | None = None) -> tuple[str | None, bytes]:
    return identity_of(normalise(payload, now=lambda: 9), delivery)


def as_connected(payload: Any) -> Any:
    """The payload as the MQTT connector passes it on."""
    events = normalise(json.loads(json.dumps(payload)), now=lambda: 1_700_000_000_000_000_000)
    return events[0] if len(events) == 1 else events


@pytest.fixture
def served(opened: Any, tmp_path: Path) -> Callable[[], Service]:
    def serve() -> Service:
        file = tmp_path / "intuition.toml"
        file.write_text('seed = 1\n[algorithm]\nname = "random"\n')
        service = Service(
            load_config(file, environment={}), discover(), journal=lambda _: Journal(tmp_path / "j.sqlite")
        )
        return opened(service)  # type: ignore[no-any-return]  # it gives back what it takes

    return serve


def test_an_id_of_the_publisher_is_scoped_by_channel_and_source() -> None:
    delivery = Delivery("c:1:1", 1, "quotes", "h")
    one = known_by({"id": "7", "source": "x", "channel": "quotes", **QUOTE}, delivery)
    assert one[0] == 'id:["quotes","x","7"]'
    assert one == known_by({"id": "7", "source": "x", **QUOTE, "ts": 5})
    assert one == known_by({"id": "7", "source": "x", **QUOTE, "seq": 3})
    assert one[0] != known_by({"id": "7", "source": "y", **QUOTE})[0]
    assert one[0] != known_by({"id": 7, "source": "x", **QUOTE})[0]
    assert one[0] != known_by({"id": "7", "source": "x", "channel": "rates", **QUOTE})[0]
    assert one[1] != known_by({"id": "7", "source": "x", **QUOTE, "quote": 2})[1]
    assert known_by({"goog": 1}, delivery) == ("c:1:1", b"h")
    assert known_by({"goog": 1}) == (None, b"")


def test_a_payload_of_several_symbols_is_known_by_its_id() -> None:
    payload = {"goog": 3.45, "aapl": 1.2, "id": "7", "source": "x"}
    identity, content = known_by(payload)
    assert identity == 'id:["quotes","x","7"]'
    assert known_by({**payload, "ts": 9}) == (identity, content)
    again, other = known_by({**payload, "aapl": 1.3})
    assert (again, other != content) == (identity, True)


def test_an_array_is_known_as_a_whole_by_the_ids_of_its_elements() -> None:
    delivery = Delivery("c:1:1", 1, "quotes", "h")

    def tick(id_: Any, price: float = 1, **more: Any) -> dict[str, Any]:
        return {"sid": "A", "quote": price, "id": id_, **more}

    shared, content = known_by([tick(7), tick(7, 2)], delivery)
    assert shared == known_by(tick(7))[0]
    assert content not in (known_by(tick(7))[1], known_by([tick(7), tick(7, 3)])[1])
    assert known_by([tick(7, ts=1, seq=3), tick(7, 2, ts=2)]) == (shared, content)
    several, content = known_by([tick(7), tick(8)], delivery)
    assert several is not None
    assert several.startswith("ids:")
    assert known_by((tick(7, ts=5), tick(8))) == (several, content)
    others = ([tick(8), tick(7)], [tick(7), tick(8), tick(9)], [tick("7"), tick(8)], [tick(7, source="x"), tick(8)])
    assert len({several, *(known_by(other)[0] for other in others)}) == 5
    assert known_by([tick(7), {"goog": 1}], delivery) == ("c:1:1", b"h")


numbers = st.integers(-(2**53), 2**53)
fields = st.dictionaries(
    st.sampled_from(["source", "volume", "open", "note", "sid2"]),
    numbers.map(lambda n: abs(n) % 10_000 + 1) | st.sampled_from([0.5, 7.0]),
)


@given(
    id_=numbers | st.text(min_size=1, max_size=9),
    more=fields,
    order=st.randoms(),
    floats=st.booleans(),
    named=st.booleans(),
)
def test_a_payload_is_known_in_whichever_order_and_form_it_comes(
    id_: Any, more: dict[str, Any], order: Any, floats: bool, named: bool
) -> None:
    payload = {**QUOTE, **more, "id": id_}
    items = [(key, float(value) if floats and type(value) is int else value) for key, value in payload.items()]
    if named:
        items.append(("channel", "quotes"))
    order.shuffle(items)
    assert known_by(dict(items)) == known_by(payload) == known_by(as_connected(payload))


@pytest.mark.parametrize(
    "payload",
    [
        {**QUOTE, "id": 2},
        {**QUOTE, "id": 2.0},
        {**QUOTE, "id": "2", "channel": "quotes", "volume": 10.0},
        {"quote": "1", "note": {"b": 1.0, "a": [2.0]}, "id": 1_700_000_000_000.0, "sid": "A", "source": 3.0},
        {"a": 1, "b": 2, "id": "n", "source": "s"},
        [{**QUOTE, "id": 7}, {**QUOTE, "id": 8, "channel": "quotes"}],
    ],
)
def test_what_came_one_way_is_known_when_it_comes_another(served: Callable[[], Service], payload: Any) -> None:
    service = served()
    ways = [payload, as_connected(payload), {**payload, "channel": "quotes"} if isinstance(payload, dict) else payload]
    first = service.event(payload)
    seq = service.describe()["last_seq"]
    epoch = service.attach("mqtt")["epoch"]
    for n, way in enumerate(ways):
        options = {"client": "mqtt", "epoch": epoch, "deliveries": [[f"mqtt:{n}", 1, "quotes", "h"]]}
        assert service.event(way) == first
        assert service.events([way], options) == [first]
    assert service.describe()["last_seq"] == seq
    service.close()
    again = served()
    assert [again.event(way) for way in ways] == [first] * 3
    assert again.describe()["last_seq"] == seq
    other = {**payload, "open": 9} if isinstance(payload, dict) else [{**payload[0], "open": 9}, payload[1]]
    with pytest.raises(IdReused):
        again.event(other)


@pytest.mark.parametrize(
    "id_",
    [
        7.5,
        None,
        True,
        False,
        [],
        [7],
        {},
        {"a": 1},
        "",
        "x" * 1_025,
        2**63,
        -(2**63) - 1,
        2.0**63,
        1e300,
        float("nan"),
        b"7",
    ],
)
def test_an_id_that_is_no_text_or_whole_number_is_refused_by_name(served: Callable[[], Service], id_: Any) -> None:
    service = served()
    with pytest.raises(BadData, match="id: expected text of 1 to 1,024 characters or a whole number") as caught:
        service.event({**QUOTE, "id": id_})
    assert caught.value.field == "id"
    with pytest.raises(BadControl, match="id: expected text"):
        service.control({"action": "kill", "reason": "r", "id": id_})
    assert service.describe()["last_seq"] == 0


def test_the_largest_ids_are_read() -> None:
    for id_ in (2**63 - 1, -(2**63), 0, "x" * 1_024, "\n"):
        assert normalise({**QUOTE, "id": id_}, now=lambda: 0)[0]["id"] == id_
    assert type(normalise({**QUOTE, "id": 7.0}, now=lambda: 0)[0]["id"]) is int


@pytest.mark.parametrize(
    ("command", "again"),
    [
        ({"action": "kill", "reason": "r"}, {"action": "kill", "reason": "r", "flatten": False}),
        ({"reason": "r", "id": 7, "action": "kill"}, {"action": "kill", "reason": "r", "id": 7.0}),
        ({"action": "kill", "reason": "r", "source": None}, {"action": "kill", "reason": "r"}),
    ],
)
def test_a_command_is_known_with_and_without_defaults(
    served: Callable[[], Service], command: dict[str, Any], again: dict[str, Any]
) -> None:
    service = served()
    first = service.control({"id": 7, **command})
    epoch = service.attach("mqtt-control")["epoch"]
    options = {"client": "mqtt-control", "epoch": epoch, "deliveries": [["k", 1, "control/set", "h"]]}
    assert service.control({"id": 7, **again}, options) == first
    assert service.describe()["last_seq"] == 1
    with pytest.raises(IdReused):
        service.control({"id": 7, **again, "reason": "another"})


# -- keys of deliveries


@given(st.text(min_size=1, max_size=9), st.text(min_size=1, max_size=9), st.text(max_size=9), st.text(max_size=9))
def test_keys_of_two_clients_are_never_the_same(one: str, other: str, key: str, another: str) -> None:
    assert key_within(one, scoped_key(one, key)) == key
    assert is_scoped(one, scoped_key(one, key))
    assert (scoped_key(one, key) == scoped_key(other, another)) == ((one, key) == (other, another))


def test_no_client_can_take_the_keys_of_another_or_the_ids_of_publishers(served: Callable[[], Service]) -> None:
    service = served()
    evil, mqtt = service.attach("evil")["epoch"], service.attach("mqtt")["epoch"]
    keys = ["mqtt:1:0", "key:4:mqtt:mqtt:1:0", 'id:["quotes",null,7]']

    def send(client: str, epoch: int, price: float, hash_: str) -> list[Any]:
        deliveries = [[key, 1, "quotes", hash_] for key in keys]
        return service.events([{"goog": price}] * 3, {"client": client, "epoch": epoch, "deliveries": deliveries})

    assert all(isinstance(reply, list) for reply in send("evil", evil, 1.0, "x"))
    assert all(isinstance(reply, list) for reply in send("mqtt", mqtt, 2.0, "y"))
    assert service.event({**QUOTE, "id": 7}) == []
    assert service.describe()["last_seq"] == 7
    window = service.attach("mqtt")["window"]
    assert [each.key for each in window] == keys
    mqtt = service.describe()["clients"]["mqtt"]
    service.confirm("mqtt", mqtt, keys[-1])
    assert service.attach("mqtt")["window"] == []
    assert [each.key for each in service.attach("evil")["window"]] == keys


# -- journals of older versions


def former(payload: Any, *, digest: Any = None) -> tuple[str, bytes]:
    """The identity and the digest that older versions kept of a payload."""
    elements = payload if isinstance(payload, list) else [payload]
    scopes = [[element.get("channel"), element.get("source"), element["id"]] for element in elements]
    said = [{key: value for key, value in each.items() if key not in OF_THE_DELIVERY} for each in elements]

    def digested(content: Any) -> bytes:
        return blake2b(msgspec.msgpack.encode(content), digest_size=16).digest()

    distinct = list(dict.fromkeys(msgspec.json.encode(scope).decode() for scope in scopes))
    content = digested(said if isinstance(payload, list) else said[0])
    return f"id:{distinct[0]}" if len(distinct) == 1 else f"ids:{digested(distinct).hex()}", content


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize(
    "payload",
    [
        {**QUOTE, "id": 2, "source": "s"},
        {"a": 1, "b": 2, "id": "n"},
        [{**QUOTE, "id": 7}, {**QUOTE, "id": 8}],
        [{**QUOTE, "id": 7}, {**QUOTE, "id": 7, "quote": 3}],
    ],
)
def test_a_journal_of_before_still_knows_its_ids(
    served: Callable[[], Service], tmp_path: Path, payload: Any, named: bool
) -> None:
    service = served()
    first = service.event(payload)
    seq = service.describe()["last_seq"]
    service.close()
    kept = as_connected(payload) if named else payload
    identity, content = former(kept)
    with Journal(tmp_path / "j.sqlite") as journal, journal._database.transaction():
        (row,) = journal._db.execute("SELECT first, last, batch FROM identities").fetchall()
        own = mark(identity, content, *row)
        journal._db.execute("UPDATE identities SET identity = ?, content = ?, mark = ?", (identity, content, own))
    assert (identity in former_identities(payload)) or named
    again = served()
    for way in (payload, as_connected(payload)):
        assert again.event(way) == first
    assert again.describe()["last_seq"] == seq
    other = {**payload, "open": 9} if isinstance(payload, dict) else [{**each, "open": 9} for each in payload]
    with pytest.raises(IdReused):
        again.event(other)


def test_open_deliveries_of_before_are_their_clients_own_from_then_on(
    served: Callable[[], Service], tmp_path: Path
) -> None:
    service = served()
    epoch = service.attach("mqtt")["epoch"]
    options = {"client": "mqtt", "epoch": epoch, "deliveries": [["mqtt:1:0", 1, "quotes", "h"]]}
    first = service.events([{"goog": 1.0}], options)
    service.close()
    with Journal(tmp_path / "j.sqlite") as journal, journal._database.transaction():
        journal._db.execute("UPDATE identities SET identity = 'mqtt:1:0'")
        journal._db.execute("UPDATE deliveries SET key = 'mqtt:1:0'")
    again = served()
    assert again.events([{"goog": 1.0}], options) == first
    assert again.describe()["last_seq"] == 1
    assert [each.key for each in again.attach("mqtt")["window"]] == ["mqtt:1:0"]
    again.confirm("mqtt", 2, "mqtt:1:0")
    assert again.attach("mqtt")["window"] == []
    assert again.session._journal.ids.find(["key:4:mqtt:mqtt:1:0", "mqtt:1:0"]) == {}


@pytest.mark.parametrize(
    ("published", "given_again"),
    [
        ("x:99999999999999999999999:0", True),
        ("x:9000000000:0", True),
        ("nonsense", True),
        ("{run}:9000000000:0", False),
        ("{run}:1:0", True),
    ],
)
def test_a_confirmation_of_before_that_cannot_be_is_set_aside(
    served: Callable[[], Service],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    published: str,
    given_again: bool,
) -> None:
    service = served()
    epoch = service.attach("mqtt")["epoch"]
    run = service.describe()["run"]
    replies = service.events([{"goog": float(n)} for n in range(1, 30)], {"client": "mqtt", "epoch": epoch})
    records = [record for reply in replies for record in reply if record["seq"] > 1]
    assert records
    service.close()
    stored = published.format(run=run)
    with Journal(tmp_path / "j.sqlite") as journal:
        journal.set_published("mqtt", stored)
    again = served()
    assert (f"client `mqtt` confirmed the record {stored!r}" in caplog.text) == (stored != f"{run}:1:0")
    epoch = again.attach("mqtt")["epoch"]
    left = [record for record in again.outbox("mqtt", epoch) if record["seq"] > 1]
    assert left == (records if given_again else [])
    assert again.events([{"goog": 5.0}], {"client": "mqtt", "epoch": epoch})
    again.close()
    caplog.clear()
    served()
    assert "confirmed" not in caplog.text


@pytest.mark.parametrize("published", ["x:99999999999999999999999:0", "x:0:0", "{run}:2:0", "{run}:9000000000:0"])
def test_a_record_that_there_is_not_cannot_be_confirmed(served: Callable[[], Service], published: str) -> None:
    service = served()
    service.event({"goog": 1.0})
    epoch = service.attach("mqtt")["epoch"]
    record = published.format(run=service.describe()["run"])
    for call in (
        lambda: service.confirm("mqtt", epoch, None, record),
        lambda: service.events([{"goog": 1.0}], {"client": "mqtt", "epoch": epoch, "published": record}),
    ):
        with pytest.raises(IntuitionError, match="expected the id of a record"):
            call()
    assert service.describe()["last_seq"] == 1
