import threading

from hypothesis import given
from hypothesis import strategies as st

from intuition_core.rpc.quota import MODEST, Quota
from intuition_core.rpc.turns import IN_A_ROW, Turns


def taken(turns: Turns[str]) -> str:
    job, caller, since = turns.take() or ("", None, 0.0)
    turns.done(caller, since)
    return job


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=40))
def test_each_job_is_taken_once_urgent_ones_first_and_those_of_a_caller_in_order(jobs: list[tuple[str, bool]]) -> None:
    turns: Turns[tuple[str, int, bool]] = Turns()
    for n, (caller, urgent) in enumerate(jobs):
        assert turns.add((caller, n, urgent), caller, urgent=urgent)
    order = []
    for _ in jobs:
        job, caller, since = turns.take() or (("", 0, False), None, 0.0)
        turns.done(caller, since)
        order.append(job)
    assert sorted(n for _, n, _ in order) == list(range(len(jobs)))
    for who in "abc":
        own = [n for caller, n, urgent in order if caller == who and not urgent]
        assert own == sorted(own)
    urgents = [n for _, n, urgent in order if urgent]
    assert urgents == sorted(urgents)
    assert all(urgent for _, _, urgent in order[: min(len(urgents), IN_A_ROW)])


def test_a_flood_of_urgent_jobs_lets_another_one_pass() -> None:
    turns: Turns[str] = Turns()
    turns.add("event", "a")
    for _ in range(3 * IN_A_ROW):
        turns.add("kill", "b", urgent=True)
    assert "event" in [taken(turns) for _ in range(IN_A_ROW + 1)]


def test_the_caller_who_has_had_least_goes_before_one_who_has_filled_the_queue() -> None:
    turns: Turns[str] = Turns()
    for n in range(100):
        turns.add(f"flood {n}", "flood")
    taken(turns)
    turns.add("quote", "feed")
    assert taken(turns) == "quote"
    assert taken(turns) == "flood 1"


def test_the_jobs_of_one_caller_run_one_after_the_other_on_any_number_of_threads() -> None:
    turns: Turns[str] = Turns()
    for job in ("a1", "a2"):
        turns.add(job, "a")
    first = turns.take()
    assert first is not None
    later: list[str] = []
    thread = threading.Thread(target=lambda: later.append((turns.take() or ("",))[0]))
    thread.start()
    turns.add("b1", "b")
    thread.join(60)
    assert later == ["b1"]
    turns.done(first[1], first[2])
    assert taken(turns) == "a2"


def test_a_closed_queue_gives_back_what_waits_but_not_what_is_urgent() -> None:
    turns: Turns[str] = Turns()
    turns.add("event", "a")
    turns.add("kill", "a", urgent=True)
    assert turns.close() == ["event"]
    assert not turns.add("late", "a")
    assert taken(turns) == "kill"
    assert turns.take() is None


def test_who_asks_for_little_is_let_in_beside_any_crowd() -> None:
    quota = Quota(calls=20, size=2_000, callers=2)
    for caller in ("a", "b", "c"):
        while quota.admits(caller, 10):
            quota.enter(caller, 10)
    assert quota.waiting("a") == quota.waiting("b") == 20
    assert quota.waiting("c") == MODEST
    assert quota.admits("d", 10)
    assert not quota.admits("d", 2_001)
    quota.leave("a", 10)
    assert quota.admits("a", 10) is False  # it is no modest caller, and the crowd is as large as it may be
    for _ in range(19):
        quota.leave("a", 10)
    assert quota.admits("a", 10)
