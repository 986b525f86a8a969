"""A composition on recorded events, and which parameters its parts take."""

from pathlib import Path

import msgspec
import pytest

from intuition_core.backtest.run import Backtest
from intuition_core.errors import PartFailed
from intuition_core.research.channels import NobodySends
from intuition_core.runs import (
    Composition,
    RecordedRun,
    compose,
    discover,
    open_source,
    parameter_taker,
    read_config,
    settle,
)
from intuition_core.testing import quotes
from intuition_core.trading.composition import Part, Sleeve
from intuition_core.trading.naive import Naive

CATALOGUE = discover()


class Deaf:
    def initialize(self, params: object) -> list[str]:
        return ["qoutes"]

    def event(self, data: object) -> None:
        """Hear nothing."""


class Failing:
    def event(self, data: object) -> None:
        raise ValueError("no")


def configured(**flags: object) -> Composition:
    names = {"algorithm.name": "sma-cross", "portfolio.name": "fixed", **flags}
    return compose(settle(read_config(flags=names), CATALOGUE, seed=0), CATALOGUE)


def of(algorithm: type) -> Composition:
    sleeve = Sleeve(
        algorithm=Part(kind="algorithm", name="it", factory=algorithm, params={}),
        portfolio=Part(kind="portfolio", name="naive", factory=Naive, params=Naive.Params()),
    )
    return Composition(sleeves=(sleeve,), seed=1)


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_it_is_a_backtest_in_batches_of_any_size(size: int) -> None:
    events = list(quotes())
    composition = configured()
    heard: list[object] = []
    run, alone = RecordedRun(composition, listen=heard.extend), Backtest(composition)
    for start in range(0, len(events), size):
        run.take([dict(event) for event in events[start : start + size]])
    alone.take([dict(event) for event in events])
    found, expected = run.finish(source="quotes"), alone.finish(source="quotes")
    assert run.decisions_sha256 == alone.decisions_sha256
    assert (found.equity, found.counts, found.days) == (expected.equity, expected.counts, expected.days)
    assert found.counts["fill"] > 0
    assert len(heard) == sum(found.counts.values())


def test_a_source_is_read_and_run() -> None:
    source = open_source(CATALOGUE, "sample", symbols=("IBM",))
    run = RecordedRun(configured())
    for events in source.batches():
        run.take(events, part=source.progress)
    history = run.finish(source=str(source), complete=False)
    assert (history.source, history.complete, history.priced) == ("sample", False, ["IBM"])


def test_a_channel_that_nobody_can_send_is_refused() -> None:
    with pytest.raises(NobodySends, match="did you mean `quotes`"):
        RecordedRun(of(Deaf)).check_channels(CATALOGUE)
    RecordedRun(configured()).check_channels(CATALOGUE)


def test_a_part_whose_policy_is_to_end_the_run_ends_it() -> None:
    composition = of(Failing).mapped(lambda part: msgspec.structs.replace(part, policy="raise"))
    with pytest.raises(PartFailed, match="ValueError: no"):
        RecordedRun(composition).take(list(quotes())[:3])


@pytest.mark.parametrize(
    ("key", "taken"),
    [
        ("fast", True),
        ("fraction", True),
        ("seed", True),
        ("cash", True),
        ("algorithm.fast", True),
        ("portfolio.fraction", True),
        ("params.portfolio.fraction", True),
        ("portfolio.params.fraction", True),
        ("portfolio.fast", False),
        ("algorithm.fraction", False),
        ("nothing", False),
    ],
)
def test_a_parameter_is_for_the_parts_that_declare_it(key: str, taken: bool) -> None:
    config = settle(read_config(flags={"algorithm.name": "sma-cross", "portfolio.name": "fixed"}), CATALOGUE, seed=0)
    assert parameter_taker(config, CATALOGUE)(key) is taken


def test_a_part_that_declares_no_parameters_takes_each(tmp_path: Path) -> None:
    (tmp_path / "open.py").write_text(
        "class Open:\n    def initialize(self, params):\n        pass\n\n    def event(self, data):\n        pass\n"
    )
    flags = {"algorithm.name": str(tmp_path / "open.py"), "portfolio.name": "fixed"}
    takes = parameter_taker(settle(read_config(flags=flags), CATALOGUE, seed=0), CATALOGUE)
    assert takes("anything")
    assert takes("algorithm.anything")
    assert not takes("portfolio.anything")
