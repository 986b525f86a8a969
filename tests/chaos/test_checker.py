import json
import random
import sqlite3
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from .checker import (
    UNNUMBERED,
    Arrival,
    FailureDecision,
    Published,
    differences,
    judge,
    read_arrivals,
    read_published,
    took_place,
)
from .reference import account

Faultless = tuple[list[Published], list[Arrival]]


@st.composite
def histories(draw: st.DrawFn, least: int = 1) -> Faultless:
    """Inputs of several symbols, interleaved, each decided on in its symbol's order; decisions may come again later."""
    lengths = draw(st.lists(st.integers(least, 8), min_size=1, max_size=4))
    rng = random.Random(draw(st.integers()))
    queues = [[Published(f"S{n}", number) for number in range(length)] for n, length in enumerate(lengths)]
    published = merged(rng, queues)
    # Symbols may be interleaved otherwise where they are decided on.
    executed = merged(rng, [[entry for entry in published if entry.symbol == f"S{n}"] for n in range(len(lengths))])
    seq = count(1)
    arrivals = [Arrival(f"run:{next(seq)}:0", *entry.input, content="same") for entry in executed]
    for _ in range(draw(st.integers(0, 4))):
        again = rng.randrange(len(arrivals))
        arrivals.insert(rng.randint(again + 1, len(arrivals)), arrivals[again])
    return published, arrivals


def merged(rng: random.Random, queues: list[list[Published]]) -> list[Published]:
    queues = [list(queue) for queue in queues]
    result = []
    while queues := [queue for queue in queues if queue]:
        result.append(rng.choice(queues).pop(0))
    return result


def found(verdict: FailureDecision) -> set[str]:
    return {name for name, problems in verdict._asdict().items() if problems}


@given(histories())
def test_a_faultless_history_is_good(history: Faultless) -> None:
    verdict = judge(*history, ledger={"cash": "1"}, expected={"cash": "1"})
    assert verdict.good, verdict


@given(histories(), st.data())
def test_a_loss_is_found(history: Faultless, data: st.DataObject) -> None:
    published, arrivals = history
    lost = data.draw(st.sampled_from(published))
    verdict = judge(published, [arrival for arrival in arrivals if arrival.input != lost.input])
    assert verdict.lost == [lost.input]
    assert found(verdict) == {"lost"}


@given(histories(), st.data())
def test_a_second_decision_on_one_input_is_found(history: Faultless, data: st.DataObject) -> None:
    published, arrivals = history
    victim = data.draw(st.sampled_from(arrivals))
    place = data.draw(st.integers(arrivals.index(victim) + 1, len(arrivals)))
    arrivals.insert(place, victim._replace(decision="run:9999:0"))
    verdict = judge(published, arrivals)
    assert verdict.twice == [(victim.input, [victim.decision, "run:9999:0"])]
    assert found(verdict) == {"twice"}


@given(histories(least=2), st.data())
def test_a_reordering_within_a_symbol_is_found(history: Faultless, data: st.DataObject) -> None:
    published, arrivals = history
    symbol = data.draw(st.sampled_from(sorted({entry.symbol for entry in published})))
    first = list(dict.fromkeys(arrival for arrival in arrivals if arrival.symbol == symbol))
    n = data.draw(st.integers(0, len(first) - 2))
    swapped = {first[n]: first[n + 1], first[n + 1]: first[n]}
    verdict = judge(published, [swapped.get(arrival, arrival) for arrival in dict.fromkeys(arrivals)])
    assert verdict.reordered == [(first[n + 1].input, first[n].input)]
    assert found(verdict) == {"reordered"}


@given(histories(), st.data())
def test_a_decision_on_nothing_is_found(history: Faultless, data: st.DataObject) -> None:
    published, arrivals = history
    ghost = Arrival("run:9999:0", data.draw(st.sampled_from(["S0", "NONE"])), 1000)
    arrivals.insert(data.draw(st.integers(0, len(arrivals))), ghost)
    verdict = judge(published, arrivals)
    assert verdict.unexpected == [(ghost.input, ghost.decision)]
    assert found(verdict) == {"unexpected"}


@given(histories(least=2), st.data())
def test_one_id_for_two_decisions_is_found(history: Faultless, data: st.DataObject) -> None:
    published, arrivals = history
    one = data.draw(st.sampled_from(arrivals))
    arrivals.append(data.draw(st.sampled_from([one._replace(content="other"), one._replace(number=one.number + 1)])))
    assert judge(published, arrivals).conflicting == [one.decision]


@given(histories(), st.data())
def test_an_input_of_unknown_fate_may_be_decided_on_or_not(history: Faultless, data: st.DataObject) -> None:
    published, arrivals = history
    n = data.draw(st.integers(0, len(published) - 1))
    published[n] = unknown = published[n]._replace(confirmed=False)
    assert judge(published, arrivals).good
    assert took_place(published, arrivals) == published
    without = [arrival for arrival in arrivals if arrival.input != unknown.input]
    assert judge(published, without).good
    assert took_place(published, without) == [entry for entry in published if entry is not unknown]


def test_a_decision_that_was_asked_for_may_come_late_but_must_come() -> None:
    published = [Published("S0", 0), Published("S0", 1)]
    on_time, late = Arrival("r:2:0", "S0", 1), Arrival("r:1:0", "S0", 0)
    assert found(judge(published, [on_time])) == {"lost"}
    assert found(judge(published, [on_time, late])) == {"reordered"}
    assert judge(published, [on_time, late._replace(asked=True)]).good


def test_order_at_a_forgetful_broker_is_that_of_the_sessions_numbers() -> None:
    published = [Published("S0", 0), Published("S0", 1)]
    lost_and_sent_again = [Arrival("r:2:0", "S0", 1), Arrival("r:1:0", "S0", 0)]
    assert found(judge(published, lost_and_sent_again)) == {"reordered"}
    assert judge(published, lost_and_sent_again, forgetful=True).good
    decided_in_another_order = [Arrival("r:2:0", "S0", 0), Arrival("r:1:0", "S0", 1)]
    assert found(judge(published, decided_in_another_order, forgetful=True)) == {"reordered"}


def events(seen: list[int]) -> list[dict[str, Any]]:
    """Events of several symbols, each with its number and a price of its own."""
    numbers: dict[int, Any] = {}
    result = []
    for symbol in seen:
        number = next(numbers.setdefault(symbol, count()))
        result.append({"sid": f"S{symbol}", "number": number, "quote": 100 + symbol + number % 11 / 8})
    return result


@given(st.lists(st.integers(0, 3), min_size=1, max_size=80), st.randoms(use_true_random=False))
def test_the_ledger_does_not_depend_on_how_symbols_are_interleaved(seen: list[int], rng: random.Random) -> None:
    one = events(seen)
    rng.shuffle(seen)
    assert differences(account(events(seen)), account(one)) == []


@given(st.lists(st.integers(0, 3), min_size=2, max_size=80), st.data())
def test_a_ledger_that_missed_or_repeated_or_reordered_an_event_is_found(seen: list[int], data: st.DataObject) -> None:
    right = events(seen)
    n = data.draw(st.integers(0, len(right) - 1))
    missed = right[:n] + right[n + 1 :]
    repeated = right[: n + 1] + right[n:]
    for wrong in (missed, repeated):
        assert found(judge([], [], ledger=account(wrong), expected=account(right))) == {"ledger"}


def test_a_ledger_of_events_in_another_order_is_found() -> None:
    right = events([0] * 6)
    wrong = [right[0], right[2], right[1], *right[3:]]
    assert found(judge([], [], ledger=account(wrong), expected=account(right))) == {"ledger"}


@pytest.mark.parametrize("key", ["cash", "reserved", "equity", "seq"])
def test_a_ledger_that_is_off_by_a_hair_is_found(key: str) -> None:
    right = account(events([0, 1, 0]))
    wrong = {**right, key: str(Decimal(right[key]) + Decimal("1e-12"))}
    assert judge([], [], ledger=wrong, expected=right).ledger == [f"{key}: {wrong[key]!r} instead of {right[key]!r}"]
    assert judge([], [], ledger={}, expected=right).ledger
    assert judge([], [], ledger={**right, "positions": {}}, expected=right).ledger


@given(st.integers(1, 20), st.integers(0, 20), st.integers(0, 45))
def test_of_inputs_that_are_all_the_same_only_the_number_counts(confirmed: int, unknown: int, executed: int) -> None:
    published = [Published("FLAT", UNNUMBERED)] * confirmed + [Published("FLAT", UNNUMBERED, confirmed=False)] * unknown
    arrivals = [Arrival(f"run:{n}:0", "FLAT", UNNUMBERED) for n in range(executed)] * 2
    verdict = judge(published, arrivals)
    assert len(verdict.lost) == max(confirmed - executed, 0)
    assert bool(verdict.twice) == (executed > confirmed + unknown)
    assert not found(verdict) - {"lost", "twice"}
    assert len(took_place(published, arrivals)) == min(max(confirmed, executed), confirmed + unknown)


def test_logs_are_read_as_they_were_written(tmp_path: Path) -> None:
    log = tmp_path / "published"
    sent = [{"sid": "S0", "number": 0, "quote": 1.5}, {"sid": "FLAT", "quote": 2.5}]
    lines = [("sent", 0, sent[0]), ("sent", 1, sent[1]), ("confirmed", 1)]
    log.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    assert read_published(log) == [Published("S0", 0, False, sent[0]), Published("FLAT", UNNUMBERED, True, sent[1])]
    file = tmp_path / "executor.sqlite"
    connection = sqlite3.connect(file)
    connection.execute("CREATE TABLE arrival (position INTEGER PRIMARY KEY, decision, symbol, number, content, asked)")
    connection.execute("INSERT INTO arrival VALUES (1, 'r:1:0', 'S0', 0, 'x', 1)")
    connection.commit()
    connection.close()
    assert read_arrivals(file) == [Arrival("r:1:0", "S0", 0, "x", True)]
