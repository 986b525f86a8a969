import pytest
from intuition_connector_mqtt.batch_sizer import BatchSizer


def test_batches_grow_to_what_is_answered_within_a_tenth_of_a_second() -> None:
    sizer = BatchSizer(1_000)
    for _ in range(10):
        sizer.answered(sizer.limit, 0, sizer.limit * 0.0005)
    assert sizer.limit == 200
    sizer.answered(200, 0, 20.0)
    assert sizer.limit == 1
    sizer.answered(1, 0, 0.0001)
    assert sizer.limit == 2


def test_batches_whose_time_is_not_known_grow_to_the_largest() -> None:
    sizer = BatchSizer(1_000)
    for _ in range(10):
        sizer.answered(sizer.limit, 0)
    assert sizer.limit == 1_000


@pytest.mark.parametrize("waiting", [0.02, 0.15, 5.0])
def test_what_a_batch_takes_whatever_its_size_makes_none_smaller(waiting: float) -> None:
    sizer = BatchSizer(1_000)
    for _ in range(10):
        sizer.answered(sizer.limit, 0, waiting)
    assert sizer.limit >= 64


@pytest.mark.parametrize("waiting", [0.0, 0.15, 5.0])
def test_beside_what_a_batch_takes_messages_take_a_tenth_of_a_second(waiting: float) -> None:
    sizer = BatchSizer(1_000)
    for _ in range(10):
        sizer.answered(sizer.limit, 0, waiting + sizer.limit * 0.01)
    assert sizer.limit == 10


@pytest.mark.parametrize("before", [[], [1, 1, 1], [2, 1, 1], [1, 500]])
def test_one_message_that_waits_long_leaves_the_next_batch_as_large_as_a_first_one(before: list[int]) -> None:
    sizer = BatchSizer(1_000)
    for messages in before:
        sizer.answered(messages, 0, 0.001)
    sizer.answered(1, 0, 8.0)
    assert sizer.limit == 64


def test_a_slow_part_is_met_by_small_batches_after_one_that_was_not() -> None:
    sizer = BatchSizer(1_000)
    for messages in (1, 1, 64, 1, 1, 1, 1):
        sizer.answered(min(messages, sizer.limit), 0, min(messages, sizer.limit) * 0.3)
    assert sizer.limit == 1


def test_a_batch_that_took_long_once_makes_the_next_ones_no_smaller_for_long() -> None:
    sizer = BatchSizer(1_000)
    for _ in range(6):
        sizer.answered(sizer.limit, 0, 0.01)
    sizer.answered(sizer.limit, 0, 30.0)
    for _ in range(10):
        sizer.answered(sizer.limit, 0, 0.01)
    assert sizer.limit == 1_000
