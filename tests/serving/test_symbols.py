import logging
from collections.abc import Callable
from typing import Any

import pytest

from intuition_core.config.loading import load_config
from intuition_core.plugins.catalogue import discover
from intuition_core.serving.service import Service
from intuition_core.serving.symbols import TooManySymbols


@pytest.fixture
def service(opened: Any) -> Callable[[int], Service]:
    def make(limit: int) -> Service:
        flags = {"algorithm.name": "random", "session": "test", "worker.symbols": limit}
        return opened(Service(load_config(None, environment={}, flags=flags), discover()))  # type: ignore[no-any-return]  # as it was given

    return make


def quotes(*names: str) -> list[dict[str, Any]]:
    return [{"sid": name, "quote": 10.0} for name in names]


def test_a_symbol_too_many_is_refused_and_those_that_are_known_go_on(
    service: Callable[[int], Service], caplog: pytest.LogCaptureFixture
) -> None:
    served = service(3)
    for name in ("a", "b", "c"):
        served.event({"sid": name, "quote": 10.0})
    for name in ("d", "e"):
        with pytest.raises(TooManySymbols, match=r"3 symbols .* `symbols` in \[worker\]"):
            served.event({"sid": name, "quote": 10.0})
    served.event({"sid": "b", "quote": 11.0})
    assert served.session.last_seq == 4
    told = [record for record in caplog.records if record.levelno == logging.WARNING and "refused" in record.message]
    assert len(told) == 1


@pytest.mark.parametrize("limit", [1, 2, 3, 5])
def test_a_batch_and_a_payload_are_held_to_the_limit_before_anything_has_run(
    service: Callable[[int], Service], limit: int
) -> None:
    served = service(limit)
    entries = served.events([*quotes("a", "b"), quotes("c", "d"), *quotes("a", "e", "b")])
    refused = [isinstance(entry, dict) for entry in entries]
    expected = {
        1: [False, True, True, False, True, True],
        2: [False, False, True, False, True, False],
        3: [False, False, True, False, False, False],
        5: [False] * 6,
    }
    assert refused == expected[limit]
    assert len(served.session.engine.books.market.marks) <= limit
    assert all(entry["error"]["name"] == "TooManySymbols" for entry in entries if isinstance(entry, dict))


def test_events_without_a_price_need_no_room(service: Callable[[int], Service]) -> None:
    served = service(1)
    served.event({"sid": "a", "quote": 10.0})
    for n in range(5):
        served.event({"sid": f"n{n}", "channel": "news", "text": "x"})
    assert served.session.last_seq == 6
