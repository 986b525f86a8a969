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
