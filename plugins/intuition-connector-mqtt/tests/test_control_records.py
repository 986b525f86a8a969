"""Control records that no message has caused, and the decisions that they cancel."""

from collections.abc import Sequence
from typing import Any, cast

import pytest
from intuition_connector_mqtt.backend_info import BackendInfo
from intuition_connector_mqtt.control_records import ControlRecords
from intuition_connector_mqtt.publications import Publications
from intuition_connector_mqtt.topics import Topics


class Backend:
    """Gives some records as `controls`, in some answers."""

    address = "tcp://127.0.0.1:4242"

    def __init__(self, *answers: Sequence[dict[str, Any]]) -> None:
        self._answers = [*answers, ()]

    def call(self, method: str, *_: Any) -> Any:
        assert method == "controls"
        return self._answers.pop(0)


class Outbox:
    """Notes which records are suppressed."""

    def __init__(self) -> None:
        self.suppressed: set[str] = set()

    def suppress(self, records: set[str]) -> None:
        self.suppressed |= records

    def alert(self, publications: Any) -> None:
        pass


def record(place: str, kind: str, **more: Any) -> dict[str, Any]:
    return {"id": f"s.1:{place}", "seq": int(place.partition(":")[0]), "type": kind, "ts": 1, **more}


KILL = [record("7:0", "rejection", cause="s.1:3:0"), record("7:1", "control", action="kill")]
TIMER = [record("8:0", "rejection", cause="s.1:4:0", reason="replaced"), record("8:1", "decision")]
BOTH = [*KILL, *TIMER]


@pytest.mark.parametrize("answers", [[BOTH], [KILL, TIMER], [[*KILL, TIMER[0]], [TIMER[1]]], [[each] for each in BOTH]])
def test_what_a_kill_cancels_is_suppressed_and_what_a_timer_replaces_is_not(answers: Any) -> None:
    outbox = Outbox()
    controls = ControlRecords(
        cast("Any", Backend(*answers)),
        BackendInfo(session="s", channels=("quotes",), hears=True),
        cast("Any", outbox),
        Publications(Topics("s"), 1_000_000),
    )
    published = [publication.record for publication in controls.fetch(resending=False)]
    assert outbox.suppressed == {"s.1:3:0"}
    assert published == [each["id"] for each in BOTH]
