"""What callers are told of an argument that a method does not take, to the letter."""

from collections.abc import Mapping
from typing import Any

import pytest

from intuition_core.serving.arguments import (
    LARGEST,
    BadCall,
    Options,
    client_name,
    count,
    epoch_number,
    place,
    place_after,
)
from intuition_core.session.batch import Delivery

BEYOND = (-1, -(2**63), 2**63, 2**64 - 1, 2**70)
GIVEN = {"client": "c", "epoch": 1}
KEY = ["c:1:0", 7, "quotes", "5f"]
SCOPED = "key:1:c:c:1:0"


@pytest.mark.parametrize(
    ("options", "items", "read"),
    [
        (GIVEN, 3, Options("c", 1)),
        ({**GIVEN, "anything": 5, 7: 8}, 3, Options("c", 1)),
        ({**GIVEN, "deliveries": None}, 3, Options("c", 1)),
        ({**GIVEN, "deliveries": [KEY, None]}, 2, Options("c", 1, [Delivery(SCOPED, 7, "quotes", "5f"), None])),
        ({**GIVEN, "deliveries": (tuple(KEY),)}, 1, Options("c", 1, [Delivery(SCOPED, 7, "quotes", "5f")])),
        ({**GIVEN, "acked": "k", "published": "s.1:4:2"}, 0, Options("c", 1, (), "key:1:c:k", "s.1:4:2")),
        ({**GIVEN, "acked": None, "published": None, "heard": None}, 0, Options("c", 1, heard=(0, 0))),
        ({**GIVEN, "heard": "s.1:4:2"}, 0, Options("c", 1, heard=(4, 2))),
        ({"client": "é" * 128, "epoch": 2**63 - 1}, 0, Options("é" * 128, 2**63 - 1)),
        (
            {**GIVEN, "deliveries": [["k", LARGEST, "t", "h"]]},
            1,
            Options("c", 1, [Delivery("key:1:c:k", LARGEST, "t", "h")]),
        ),
    ],
)
def test_options_are_read(options: Mapping[Any, Any], items: int, read: Options) -> None:
    given = Options.read(options, items)
    assert given == Options(read.client, read.epoch, list(read.deliveries), read.acked, read.published, read.heard)


ATTACH = "events: expected options with `client` and `epoch`, as `attach` gave them"
NAME = "events: expected a client's name of 1 to 128 printable characters, got "
EPOCH = "events: expected the epoch that `attach` gave, got "
DELIVERY = "events: expected a delivery as [key, packet, topic, hash], got "


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (3, ATTACH),
        ([], ATTACH),
        ({}, ATTACH),
        ({"client": "c"}, ATTACH),
        ({"client": "", "epoch": 1}, NAME + "''"),
        ({"client": None, "epoch": 1}, NAME + "None"),
        ({"client": "c" * 129, "epoch": 1}, NAME + "'" + "c" * 59),
        ({"client": "c", "epoch": True}, EPOCH + "True"),
        ({"client": "c", "epoch": 1.0}, EPOCH + "1.0"),
        ({"client": "c", "epoch": None}, EPOCH + "None"),
        ({"client": "c\n", "epoch": 1}, NAME + r"'c\n'"),
        *(({"client": "c", "epoch": beyond}, f"{EPOCH}{beyond}") for beyond in BEYOND),
        *(
            ({**GIVEN, "deliveries": [None, ["k", beyond, "t", "h"]]}, f"{DELIVERY}['k', {beyond}, 't', 'h']")
            for beyond in BEYOND
        ),
        ({**GIVEN, "deliveries": [None, ["", 7, "t", "h"]]}, DELIVERY + "['', 7, 't', 'h']"),
        ({**GIVEN, "deliveries": [None, ["k" * 1025, 7, "t", "h"]]}, DELIVERY + "['" + "k" * 58),
        ({**GIVEN, "deliveries": [None, ["k", 7, "t" * 65_536, "h"]]}, DELIVERY + "['k', 7, '" + "t" * 50),
        ({**GIVEN, "acked": ""}, "confirm: expected the key of a delivery, got ''"),
        ({**GIVEN, "acked": "\ud800"}, r"confirm: expected the key of a delivery, got '\ud800'"),
        *(
            ({**GIVEN, "published": record}, f"confirm: expected the id of a record, got {record!r}")
            for record in (
                f"s:{2**63}:0",
                f"s:0:{2**63}",
                "s:-1:0",
                "s: 1:0",
                "s:1_0:0",
                "s:+1:0",
                "s:\uff11:0",
                "s::0",
            )
        ),
        ({**GIVEN, "deliveries": 5}, "events: expected 2 deliveries, one for each item"),
        ({**GIVEN, "deliveries": [KEY]}, "events: expected 2 deliveries, one for each item"),
        ({**GIVEN, "deliveries": [None, 5]}, DELIVERY + "5"),
        ({**GIVEN, "deliveries": [None, KEY[:3]]}, DELIVERY + "['c:1:0', 7, 'quotes']"),
        ({**GIVEN, "deliveries": [None, [*KEY, 1]]}, DELIVERY + "['c:1:0', 7, 'quotes', '5f', 1]"),
        ({**GIVEN, "deliveries": [["k", "7", "t", "h"], None]}, DELIVERY + "['k', '7', 't', 'h']"),
        ({**GIVEN, "acked": 7}, "confirm: expected the key of a delivery, got 7"),
        ({**GIVEN, "published": 7}, "confirm: expected the id of a record, got 7"),
        ({**GIVEN, "published": "7"}, "confirm: expected the id of a record, got '7'"),
        ({**GIVEN, "published": "s:a:b"}, "confirm: expected the id of a record, got 's:a:b'"),
        ({**GIVEN, "heard": 7}, "events: expected heard as the id of a record, got 7"),
        ({**GIVEN, "heard": "7"}, "events: expected heard as the id of a record, got '7'"),
    ],
)
def test_other_options_are_refused_by_name(options: Any, says: str) -> None:
    with pytest.raises(BadCall) as caught:
        Options.read(options, 2)
    assert str(caught.value) == says


def refused(read: Any, *arguments: Any) -> str:
    with pytest.raises(BadCall) as caught:
        read(*arguments)
    return str(caught.value)


@pytest.mark.parametrize("value", ["", 7, None, b"c", ["c"], "c" * 129, "a\nb", "\x1b[2J", "\x00", "\ud800"])
def test_other_names_of_clients_are_refused(value: Any) -> None:
    expected = "attach: expected a client's name of 1 to 128 printable characters, got "
    assert refused(client_name, "attach", value) == f"{expected}{value!r:.60}"


@pytest.mark.parametrize("value", [True, 1.5, "1", None, *BEYOND])
def test_other_epochs_are_refused(value: Any) -> None:
    assert refused(epoch_number, "outbox", value) == f"outbox: expected the epoch that `attach` gave, got {value!r}"


@pytest.mark.parametrize("value", [True, 1.0, "1", None, *BEYOND])
def test_other_counts_are_refused(value: Any) -> None:
    says = f"decisions: expected limit as a whole number from 0, got {value!r}"
    assert refused(count, "decisions", "limit", value) == says


def test_places_are_read() -> None:
    assert place("controls", "since as the id of a record", None) == (0, 0)
    assert place("controls", "since as the id of a record", "a:b:3:1") == (3, 1)
    assert place_after(3) == ((3, 2**63 - 1), True)
    assert place_after("a:3:1") == ((3, 1), False)
    assert count("outbox", "limit", LARGEST) == LARGEST
    assert place("controls", "since as the id of a record", f"a:{LARGEST}:{LARGEST}") == (LARGEST, LARGEST)


def test_a_record_that_the_session_cannot_have_given_is_no_published_one() -> None:
    def check(published: str | None) -> None:
        Options("c", 1, published=published).check_published(run="s.1", last_seq=4)

    for given in (None, "s.1:0:0", "s.1:4:0", f"s.1:4:{LARGEST}"):
        check(given)
    expected = "confirm: expected the id of a record of s.1, whose last event is 4, got "
    for other in ("s.1:5:0", "s.2:4:0", "4:0:0", "x.s.1:4:0", f"s.1:{LARGEST}:0"):
        assert refused(check, other) == f"{expected}{other!r}"


@pytest.mark.parametrize("value", [3, "3", "a:b", b"a:3:1", ["a:3:1"]])
def test_other_places_are_refused(value: Any) -> None:
    says = f"controls: expected since as the id of a record, got {value!r}"
    assert refused(place, "controls", "since as the id of a record", value) == says


def test_other_places_after_which_decisions_are_wanted_are_refused() -> None:
    assert refused(place_after, "3") == "decisions: expected since_seq as a number or a decision's id, got '3'"
    assert refused(place_after, None) == "decisions: expected since_seq as a whole number from 0, got None"
