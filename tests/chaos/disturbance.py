"""What befalls a stage, chosen by a seeded generator."""

import random
import signal
import time
from collections.abc import Callable
from typing import Final, NamedTuple

from .program import Program
from .stage import Stage

_LONG: Final = 5.0
"""Seconds after which callers have given up a program that is stopped."""


class Disturbance(NamedTuple):
    """One kind: how often it comes, in proportion to the others, how many processes it kills, and what it does."""

    weight: int
    kills: int
    strike: Callable[[Stage, random.Random], None]


def kill(name: str) -> Callable[[Stage, random.Random], None]:
    """Kill a program with all its processes, and start it again soon."""

    def strike(stage: Stage, rng: random.Random) -> None:
        program = getattr(stage, name)
        program.signal(signal.SIGKILL)
        _start_again(program, rng)

    return strike


def kill_worker(stage: Stage, rng: random.Random) -> None:
    """Kill the backend's worker only; a supervisor starts another."""
    stage.backend.signal(signal.SIGKILL, stage.backend.workers())
    if stage.backend.workers() == [stage.backend.pid]:
        _start_again(stage.backend, rng)


def kill_supervisor(stage: Stage, rng: random.Random) -> None:
    """Kill the backend's first process only, and start another while what it left behind may still be there."""
    stage.backend.signal(signal.SIGKILL, [stage.backend.pid])
    _start_again(stage.backend, rng)


def kill_both(stage: Stage, rng: random.Random) -> None:
    """Kill connector and backend at once."""
    for program in (stage.connector, stage.backend):
        program.signal(signal.SIGKILL)
    for program in rng.sample((stage.connector, stage.backend), 2):
        _start_again(program, rng)


def restart_broker(stage: Stage, rng: random.Random) -> None:
    """Let the broker end in order, so that it saves everything, and start it again."""
    stage.broker.signal(signal.SIGTERM)
    _start_again(stage.broker, rng)


def pause(name: str, *, longest: float = 1.0) -> Callable[[Stage, random.Random], None]:
    """Stop a program for a while, as a busy machine does."""

    def strike(stage: Stage, rng: random.Random) -> None:
        program: Program = getattr(stage, name)
        pids = [program.pid, *program.workers()]
        program.signal(signal.SIGSTOP, pids)
        time.sleep(rng.uniform(0, longest) if longest < _LONG else longest)
        program.signal(signal.SIGCONT, pids)

    return strike


def drop_executor(stage: Stage, _rng: random.Random) -> None:
    """Break the executor's connection."""
    stage.executor.drop()


COMMON: Final = {
    "kill the connector": Disturbance(6, 1, kill("connector")),
    "kill the backend": Disturbance(4, 1, kill("backend")),
    "kill the worker": Disturbance(4, 1, kill_worker),
    "kill the supervisor": Disturbance(2, 1, kill_supervisor),
    "kill connector and backend": Disturbance(3, 2, kill_both),
    "pause the connector": Disturbance(2, 0, pause("connector")),
    "pause the backend": Disturbance(2, 0, pause("backend")),
    "pause the broker": Disturbance(1, 0, pause("broker")),
    "pause the backend for long": Disturbance(1, 0, pause("backend", longest=_LONG)),
    "drop the executor": Disturbance(1, 0, drop_executor),
}
ANONYMOUS: Final = COMMON | {"restart the broker": Disturbance(3, 0, restart_broker)}
"""For publishers without ids: the broker forgets nothing that it acknowledged."""
NAMED: Final = ANONYMOUS | {"kill the broker": Disturbance(6, 1, kill("broker"))}
"""For publishers with ids, that publish again what a killed broker has forgotten."""


def _start_again(program: Program, rng: random.Random) -> None:
    program.wait()
    time.sleep(rng.choice((0, 0, rng.uniform(0, 0.3))))
    program.start()
