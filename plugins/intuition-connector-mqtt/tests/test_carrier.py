"""What is taken back when the backend tells of what nobody's messages have caused."""

from collections.abc import Sequence
from typing import Any, cast

import pytest
from intuition_connector_mqtt.carrier import Carrier
from intuition_connector_mqtt.link import Link
from intuition_connector_mqtt.topics import Topics


class Backend:
    """Gives some records as `controls`, in some answers."""

    address = "tcp://127.0.0.1:4242"

    def __init__(self, *answers: Sequence[dict[str, Any]]) -> None:
        self._answers = [*answers, ()]

    def call(self, method: str, *_: Any) -> Any:
        assert method == "controls"
        return self._answers.pop(0)


class Connection:
    """Notes which records are withheld."""

    def __init__(self) -> None:
        self.withheld: set[str] = set()

    def withhold(self, records: set[str]) -> None:
        self.withheld |= records

    def alert(self, publications: Any) -> None:
        pass


def record(place: str, kind: str, **more: Any) -> dict[str, Any]:
    return {"id": f"s.1:{place}", "seq": int(place.partition(":")[0]), "type": kind, "ts": 1, **more}


KILL = [record("7:0", "rejection", cause="s.1:3:0"), record("7:1", "control", action="kill")]
TIMER = [record("8:0", "rejection", cause="s.1:4:0", reason="replaced"), record("8:1", "decision")]
BOTH = [*KILL, *TIMER]


@pytest.mark.parametrize("answers", [[BOTH], [KILL, TIMER], [[*KILL, TIMER[0]], [TIMER[1]]], [[each] for each in BOTH]])
def test_what_a_kill_cancels_is_withheld_and_what_a_timer_replaces_is_not(answers: Any) -> None:
    connection = Connection()
    carrier = Carrier(
        backend=cast("Any", Backend(*answers)),
        link=Link(session="s", channels=("quotes",), hears=True),
        connection=cast("Any", connection),
        topics=Topics("s"),
        sequences=cast("Any", None),
        pace=cast("Any", None),
        max_batch=1,
        max_payload=1_000_000,
        negative_prices=False,
    )
    carrier._resending = False
    published = [publication.record for publication in carrier._hear()]
    assert connection.withheld == {"s.1:3:0"}
    assert published == [each["id"] for each in BOTH]
