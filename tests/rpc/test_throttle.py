import logging

import pytest

from intuition_core.rpc.throttle import QUIET, Throttle


def test_lines_of_a_kind_are_counted_while_it_is_quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    now = 0.0
    throttle = Throttle(logging.getLogger("throttle"), clock=lambda: now)
    for peer in range(5):
        throttle(logging.INFO, "refused %s", peer)
    throttle(logging.INFO, "dropped %s", 9)
    now = QUIET
    throttle(logging.INFO, "refused %s", 5)
    now = 3 * QUIET
    throttle(logging.INFO, "refused %s", 6)
    assert caplog.messages == [
        "refused 0",
        "dropped 9",
        "refused 5 (and 4 more like this before it)",
        "refused 6",
    ]
