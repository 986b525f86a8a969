"""Too much, and what makes no sense: for long, through all processes."""

import json
import random
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any, Final

import pytest
from intuition_connector_mqtt.address import Address
from intuition_connector_mqtt.publisher import Publisher

from .checker import Published, judge, read_arrivals
from .memory import resident
from .reference import account
from .stage import Stage, wait_for

pytestmark = [pytest.mark.chaos, pytest.mark.slow, pytest.mark.mosquitto, pytest.mark.timeout(1800)]

PAYLOADS: Final = 100_000
PER_ROUND: Final = 1_000
GROWTH: Final = 20_000_000
OVERLOAD: Final = 60.0
"""Seconds for which there is too much."""
RATE: Final = 1_000
"""Events a second; the slow algorithm does not get through 100."""


def publishing(stage: Stage) -> Publisher:
    return Publisher(Address("127.0.0.1", stage.broker_port), patience=120)


def test_ten_times_too_much_for_a_minute_is_worked_off_afterwards(tmp_path: Path, tell: Callable[[str], None]) -> None:
    slow = tmp_path / "slow"
    slow.touch()
    published: list[Published] = []
    events: list[dict[str, Any]] = []
    sizes: Sizes = []
    with Stage(tmp_path / "stage", seed=1, named=False, slow=slow, feeding=False) as stage:
        began = time.monotonic()
        with publishing(stage) as publisher:
            while (passed := time.monotonic() - began) < OVERLOAD:
                for _ in range(int(passed * RATE) - len(events)):
                    number, which = divmod(len(events), 4)
                    event = {"sid": f"S{which}", "quote": 100 + number % 50 / 8, "number": number}
                    publisher.publish(f"quotes/S{which}", json.dumps(event).encode())
                    events.append(event)
                    published.append(Published(event["sid"], number))
                if passed > OVERLOAD / 4 and len(sizes) < passed:
                    sizes.append((resident(stage.connector.pid), resident(stage.backend.pid)))
                time.sleep(0.01)
        done = stage.executor.executed
        tell(f"{len(events)} events published, {done} decided on meanwhile; at most {most(sizes)} MB more")
        assert done < len(events) / 5, "it was not too much"
        slow.unlink()
        wait_for(lambda: stage.executor.executed >= len(events), "all that waits to be worked off", 600)
        ledger = stage.call("account")
        stage.executor.stop()
        verdict = judge(
            published, read_arrivals(stage.folder / "executor.sqlite"), ledger=ledger, expected=account(events)
        )
    assert verdict.good, str(verdict)
    assert max(most(sizes)) < GROWTH / 1e6


Sizes = list[tuple[int, int]]


def most(sizes: Sizes) -> tuple[float, ...]:
    """By how many MB connector and backend came to exceed the first of their sizes."""
    return tuple(round((max(column) - column[0]) / 1e6, 1) for column in zip(*sizes, strict=True))


def growth(sizes: Sizes) -> tuple[float, ...]:
    """By how many MB they grew: the median of the last tenth over that of the first."""
    tenth = max(len(sizes) // 10, 1)
    return tuple(
        round((median(column[-tenth:]) - median(column[:tenth])) / 1e6, 1) for column in zip(*sizes, strict=True)
    )


def odd_payload(rng: random.Random) -> bytes:
    """A payload that no reader should expect; some are right nevertheless."""
    good = b'{"sid": "GOOG", "quote": "345", "id": 7, "source": "x", "ts": 1700000000000000000}'
    kind = rng.randrange(6)
    if kind == 0:
        return rng.randbytes(rng.randrange(300))
    if kind == 1:
        blob = bytearray(good)
        for _ in range(rng.randrange(1, 6)):
            blob[rng.randrange(len(blob))] = rng.randrange(256)
        return bytes(blob[: rng.randrange(len(blob) + 1)] if rng.random() < 0.3 else blob)
    if kind == 2:
        return rng.choice([b"[", b'{"a":']) * rng.choice([5, 600, 20_000])
    if kind == 3:
        return rng.choice(
            [b"", b"null", b"NaN", b"1e999", b"-0", b'"x"', b"[]", b"{}", b'{"a":NaN}', b"\xef\xbb\xbf{}"]
        )
    return json.dumps(odd_value(rng)).encode("utf-8", "surrogatepass")


def odd_value(rng: random.Random, depth: int = 3) -> Any:
    """Valid JSON, at least by the rules of Python."""
    if depth and rng.random() < 0.6:
        inner = [odd_value(rng, depth - 1) for _ in range(rng.randrange(4))]
        if rng.random() < 0.3:
            return inner
        keys = ["sid", "quote", "ts", "id", "source", "seq", "channel", "goog", "open", "", "\x00", "x" * 300]
        return {rng.choice(keys): value for value in inner}
    values = [None, True, 0, -1, 3.45, "345", 2**63, 2**64, -(2**70), 1e308, 5e-324, "", "\ud800", "NaN", "x" * 3_000]
    return rng.choice(values) if rng.random() < 0.999 else "x" * 300_000


def test_after_each_thousand_odd_payloads_the_next_is_decided_on_and_nothing_has_grown(
    seed: int, tmp_path: Path, tell: Callable[[str], None]
) -> None:
    rng = random.Random(seed)
    topics = ["quotes", "quotes/GOOG", "quotes/a/b/c", "quotes/\u00fc", f"quotes/{'x' * 200}", "quotes//"]
    longest = 0.0
    with Stage(tmp_path / "stage", seed=seed, named=False, feeding=False) as stage, publishing(stage) as publisher:
        records = sqlite3.connect(stage.folder / "executor.sqlite")
        known = "SELECT 1 FROM arrival WHERE symbol = 'PROBE' AND number = ?"

        def ask(number: int, patience: float) -> float:
            began = time.monotonic()
            publisher.publish("quotes", json.dumps({"sid": "PROBE", "quote": 50, "number": number}).encode())
            wait_for(lambda: records.execute(known, (number,)).fetchone(), f"probe {number}, --seed {seed}", patience)
            return time.monotonic() - began

        sizes: Sizes = []
        try:
            for done in range(0, PAYLOADS, PER_ROUND):
                for _ in range(PER_ROUND):
                    publisher.publish(rng.choice(topics), odd_payload(rng))
                ask(2 * done, 60)  # by now it has been through all of them
                longest = max(longest, ask(2 * done + 1, 10))
                assert longest < 1, f"--seed {seed}: a probe took {longest:.1f} s"
                if done >= PAYLOADS // 20:  # what is allocated once, is
                    sizes.append((resident(stage.connector.pid), resident(stage.backend.pid)))
        finally:
            records.close()
        tell(
            f"seed {seed}: longest wait for a probe {longest:.2f} s, grew by {growth(sizes)} MB, at most {most(sizes)}"
        )
        assert max(growth(sizes)) < GROWTH / 1e6
