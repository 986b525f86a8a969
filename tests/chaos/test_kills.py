import random
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from .disturbance import ANONYMOUS, NAMED
from .stage import Stage, Stuck

pytestmark = [pytest.mark.slow, pytest.mark.mosquitto, pytest.mark.timeout(3600)]


@pytest.mark.parametrize("named", [False, True], ids=["anonymous", "named"])
def test_whatever_dies_nothing_is_lost_or_executed_twice(
    named: bool, kills: int, seed: int, tmp_path: Path, tell: Callable[[str], None]
) -> None:
    disturbances = NAMED if named else ANONYMOUS
    rng = random.Random(seed)
    befell: Counter[str] = Counter()
    killed = 0
    began = time.monotonic()
    with Stage(tmp_path / "stage", seed=seed, named=named, saved=rng.random() < 0.7) as stage:
        try:
            while killed < kills // 2:
                if rng.random() < 0.8:  # or else while it still recovers
                    stage.progress(rng.randint(1, 60))
                time.sleep(rng.uniform(0, 0.05))
                stage.tend()
                name = rng.choices([*disturbances], [each.weight for each in disturbances.values()])[0]
                befell[name] += 1
                killed += disturbances[name].kills
                disturbances[name].strike(stage, rng)
            stage.progress(1)
            verdict = stage.settle(asking=named)
        except Stuck as error:
            pytest.fail(f"--seed {seed}: {error}; {stage.last_words()}", pytrace=False)
        finally:
            tell(
                f"seed {seed}: {killed} kills in {time.monotonic() - began:.0f} s, {stage.publisher.sent} events, "
                f"{stage.executor.arrived - stage.executor.executed} duplicates; {dict(befell)}; {stage.ended or ''}"
            )
        assert verdict.good, f"--seed {seed}: {verdict}"
