import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from .program import Program
from .proxy import Proxy, Trap, When
from .stage import Stage, Stuck, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.mosquitto, pytest.mark.timeout(1200)]

POINTS: Final = {
    # what passes: between whom, who sends it
    "event": ("mqtt", "broker"),
    "call": ("rpc", "connector"),
    "reply": ("rpc", "backend"),
    "publication": ("mqtt", "connector"),
    "confirmation": ("mqtt", "broker"),
    "acknowledgement": ("mqtt", "connector"),
    # while all comes back: the connector was killed just before
    "welcome": ("mqtt", "broker"),
    "attach": ("rpc", "connector"),
    "attached": ("rpc", "backend"),
}
SAMPLE: Final = 16
"""Cells that are tried with every change; what is drawn for `test_kills` comes on top."""
RETURN: Final = {"welcome", "attach", "attached"}


class Cell(NamedTuple):
    """Who dies, before or after what has passed."""

    point: str
    when: When
    victim: str

    def __str__(self) -> str:
        return f"{self.victim} killed {self.when} {self.point}"


def cells(*victims: str) -> Iterator[Cell]:
    for point in POINTS:
        for victim in victims:
            yield Cell(point, "before", victim)
            yield Cell(point, "after", victim)


@pytest.mark.chaos
@pytest.mark.parametrize("named", [False, True], ids=["anonymous", "named"])
def test_at_every_point_everybody_may_die(
    named: bool, kills: int, seed: int, tmp_path: Path, tell: Callable[[str], None]
) -> None:
    everybody = kills > 40
    # Of a broker that is killed only those recover all that have ids.
    victims = ["connector", "backend", "broker"] if everybody else ["broker"] if named else ["connector", "backend"]
    _walk(list(cells(*victims)), named, seed, tmp_path, tell)


def test_at_some_points_everybody_may_die(seed: int, tmp_path: Path, tell: Callable[[str], None]) -> None:
    sample = random.Random(seed).sample([*cells("connector", "backend", "broker")], SAMPLE)
    _walk(sample, False, seed, tmp_path, tell)


def _walk(order: list[Cell], named: bool, seed: int, folder: Path, tell: Callable[[str], None]) -> None:
    """Go through the cells in an order that the seed decides, then judge."""
    rng = random.Random(seed)
    rng.shuffle(order)
    began = time.monotonic()
    done = 0
    with ExitStack() as stack:
        proxies: dict[str, Proxy] = {}

        def via(protocol: str) -> Callable[[int], int]:
            def open_proxy(port: int) -> int:
                proxies[protocol] = proxy = Proxy("mqtt" if protocol == "mqtt" else "rpc", port)
                stack.callback(proxy.close)
                return proxy.port

            return open_proxy

        stage = Stage(folder / "stage", seed=seed, named=named, broker_via=via("mqtt"), backend_via=via("rpc"))
        cell = None
        with stage:
            try:
                for cell in order:
                    _strike(stage, proxies[POINTS[cell.point][0]], cell, rng, saving=not named)
                    stage.progress(3)
                    done += 1
                verdict = stage.settle(asking=named)
            except Stuck as error:
                pytest.fail(f"--seed {seed}: {cell}: {error}; {stage.last_words()}", pytrace=False)
            finally:
                tell(
                    f"seed {seed}: {done} cells in {time.monotonic() - began:.0f} s, {stage.publisher.sent} "
                    f"events, {stage.executor.arrived - stage.executor.executed} duplicates; {stage.ended or ''}"
                )
            assert verdict.good, f"--seed {seed}: {verdict}"


def _strike(stage: Stage, proxy: Proxy, cell: Cell, rng: random.Random, *, saving: bool) -> None:
    victim: Program = getattr(stage, cell.victim)
    struck = threading.Event()

    def strike() -> None:
        victim.signal(signal.SIGTERM if cell.victim == "broker" and saving else signal.SIGKILL)
        struck.set()

    if cell.point in RETURN:
        stage.connector.signal(signal.SIGKILL)
        stage.connector.wait()
    # Who is killed before it has sent something does not send it.
    drop = cell.victim == POINTS[cell.point][1] and not (cell.victim == "broker" and saving)
    count = 1 if cell.point in RETURN else rng.randint(1, 20)
    proxy.set(Trap(cell.point, cell.when, count, strike, drop=drop))
    if cell.point in RETURN:
        stage.connector.start()
    try:
        wait_for(struck.is_set, f"the point `{cell.point}`", 20)
    finally:
        proxy.set(None)
    victim.wait()
    victim.start()
