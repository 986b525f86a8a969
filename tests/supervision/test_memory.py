import logging

import pytest

from intuition_core.supervision.shared_status import PART, RUNNING, SEQ, Call
from intuition_core.supervision.watchdog import CallMemory, Watchdog
from intuition_core.supervision.worker_status import StatusMonitor

LIMIT = 160 * 2**20
MEBI = 2**20


@pytest.mark.parametrize(
    ("looks", "call", "grown"),
    [
        ([], (1, 1), 0),
        ([((1, 1), 50)], (2, 1), 0),
        ([((1, 1), 50), ((2, 1), 51)], (2, 1), 1),
        ([((1, 1), 50), ((2, 1), 60), ((2, 1), 90)], (2, 1), 40),
        ([((1, 1), 50), (None, 80), ((2, 1), 90)], (2, 1), 10),
        ([((1, 1), 50), ((1, 2), 90)], (1, 1), 0),
    ],
)
def test_a_call_has_grown_since_another_was_seen(
    looks: list[tuple[tuple[int, int] | None, int]], call: tuple[int, int], grown: int
) -> None:
    memory = CallMemory()
    for seen, used in looks:
        memory.note(None if seen is None else Call(*seen), used)
    assert memory.grown(Call(*call)) == grown


@pytest.mark.parametrize(("last", "blamed"), [(161, False), (165, False), (200, True)])
def test_only_growth_during_its_call_is_blamed_on_a_part(
    last: int, blamed: bool, caplog: pytest.LogCaptureFixture
) -> None:
    watchdog = Watchdog(lambda *_: (), log=logging.getLogger("test"))
    monitor = StatusMonitor(watchdog._shared, None, LIMIT)
    monitor.introduce([])
    words = watchdog._shared.words
    words[SEQ], words[PART], words[RUNNING] = 7, 1, 1
    watchdog._memory.note(Call(6, 1), 158 * MEBI)
    watchdog._memory.note(Call(7, 1), last * MEBI)
    crash = watchdog._crash("used more than 160 MiB of memory", -9)
    assert (crash is not None) == blamed
    assert ("no part is to blame" in caplog.text) != blamed
    watchdog._shared.close()
