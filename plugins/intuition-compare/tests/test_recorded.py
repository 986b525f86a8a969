"""Variants on recorded events: each decides what a backtest of its own decides, and what is told of it is so."""

import json
import re
import weakref
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from intuition_compare.runs import Backtests
from intuition_compare.variants import Variant

from intuition_core import Signal
from intuition_core.backtest.run import Backtest
from intuition_core.trading.composition import Composition, Part, Sleeve
from intuition_core.trading.naive import Naive

SAMPLE = ("--source", "sample", "--from", "2005-01-01", "--to", "2008-01-01")
FEW = ("--replications", "100")


def variants_of(told: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in told["variants"]}


# -- the same as alone


@pytest.mark.parametrize("algorithm", ["sma-cross", "random"])
def test_each_variant_is_what_a_backtest_of_its_own_is(compare: Any, run: Any, algorithm: str) -> None:
    portfolios = ("naive", "kelly", "fixed")
    flags = ("--algo", algorithm, *SAMPLE, "--seed", "7", "--cash", "50000", "--json")
    found = compare("--portfolio", ",".join(portfolios), "--param", "portfolio.fraction=0.3", *flags, *FEW)
    told = found.told
    assert found.err == ""
    assert found.out.count("\n") == 1
    assert list(variants_of(told)) == list(portfolios)
    for name, variant in variants_of(told).items():
        own = ("--param", "portfolio.fraction=0.3") if name != "naive" else ()
        alone = run("backtest", "--portfolio", name, *own, *flags).told
        assert told["events"] == alone["events"] > 2000
        for key in ("decisions_sha256", "final_equity", "cash", "positions", "orders", "fills"):
            assert variant[key] == alone[key], (name, key)
        assert variant["metrics"].items() <= alone["metrics"].items()
    assert len({each["decisions_sha256"] for each in told["variants"]}) == len(portfolios)


def test_recorded_oil_with_its_gaps(compare: Any, run: Any, shipped: Mapping[str, Path]) -> None:
    flags = ("--algo", "sma-cross", "--data", shipped["oil"], "--param", "source.time_format=%m/%d/%Y", "--json")
    told = compare("--portfolio", "fixed", "--vary", "portfolio.fraction=0.2,0.8", *flags).told
    assert told["events"] == 8611 - 290
    for fraction in ("0.2", "0.8"):
        alone = run("backtest", "--portfolio", "fixed", "--param", f"fraction={fraction}", *flags).told
        assert variants_of(told)[f"portfolio.fraction={fraction}"]["decisions_sha256"] == alone["decisions_sha256"]
    [apart] = told["differences"]
    assert (apart["variant"], apart["to"]) == ("portfolio.fraction=0.8", "portfolio.fraction=0.2")
    # Four times the stake is four times the spread, as certain as can be; whether it is worth it is not.
    assert apart["intervals"]["annual_volatility"]["low"] > 0
    assert apart["intervals"]["sharpe"]["low"] < 0 < apart["intervals"]["sharpe"]["high"]
    assert apart["undefined"] is None
    assert told["bootstrap"] == {
        "method": "stationary block bootstrap of paired returns by session, percentile interval",
        "level": 0.95,
        "replications": 2000,
        "seed": 0,
    }


class Meddler:
    """Trades on every third quote, and changes what it is shown."""

    def initialize(self, params: Any) -> None:
        self.count = 0

    def event(self, data: dict[str, Any]) -> Signal | None:
        self.count += 1
        side: Literal["buy", "sell"] = "sell" if self.count % 2 else "buy"
        signal = Signal(data["sid"], side, data["quote"]) if self.count % 3 == 0 else None
        data["quote"] = data["quote"] * 2
        return signal


class Honest(Meddler):
    """Does the same on a copy."""

    def event(self, data: dict[str, Any]) -> Signal | None:
        return super().event(dict(data))


def composition(algorithm: type, fraction: float) -> Composition:
    line = Sleeve(
        algorithm=Part(kind="algorithm", name=algorithm.__name__, factory=algorithm, params={}),
        portfolio=Part(kind="portfolio", name="naive", factory=Naive, params=Naive.Params(max_fraction=fraction)),
    )
    return Composition(sleeves=(line,), seed=1)


EVENTS = st.lists(st.tuples(st.sampled_from("AB"), st.integers(1, 9_000), st.integers(0, 10**14)), max_size=60)


@settings(deadline=None, max_examples=50)
@given(EVENTS, st.integers(1, 17))
def test_neither_batches_nor_what_the_others_do_matter(rows: list[tuple[str, int, int]], size: int) -> None:
    ts, events = 0, []
    for sid, quote, later in rows:
        ts += later
        events.append({"channel": "quotes", "sid": sid, "quote": quote / 100, "ts": ts})
    recipes = [composition(Meddler, 0.5), composition(Honest, 0.5), composition(Honest, 1.0)]
    together = Backtests([Variant(str(n), recipe) for n, recipe in enumerate(recipes)])
    for n in range(0, len(events), size):
        together.take(events[n : n + size])
    for found, recipe in zip(together.finish(source="x"), recipes, strict=True):
        alone = Backtest(recipe)
        alone.take([dict(event) for event in events])
        history = alone.finish(source="x")
        assert found.sha256 == alone.decisions_sha256
        assert (found.history.equity, found.history.counts) == (history.equity, history.counts)
        assert found.history.days == history.days
    assert together.events == len(events)


class Events(list[dict[str, Any]]):
    """A batch that can be watched going away."""


def test_one_batch_at_a_time_is_in_memory(monkeypatch: pytest.MonkeyPatch, compare: Any) -> None:
    from intuition_core.sources.reading import SourceReader

    alive: list[weakref.ref[Events]] = []
    most = 0

    def batches(self: SourceReader) -> Iterator[Sequence[dict[str, Any]]]:
        nonlocal most
        for n in range(50):
            batch = Events({"channel": "quotes", "sid": "A", "quote": 1.0, "ts": n * 10 + k} for k in range(10))
            alive.append(weakref.ref(batch))
            most = max(most, sum(each() is not None for each in alive))
            yield batch

    monkeypatch.setattr(SourceReader, "batches", batches)
    told = compare("--portfolio", "naive,fixed", "--algo", "random", "--source", "sample", "--json").told
    assert told["events"] == 500
    assert most <= 2  # the one that is made while the last one is still named


# -- what is compared


def test_algorithms_and_parameters_are_combined_with_portfolios(compare: Any) -> None:
    told = compare(
        *(
            "--algo",
            "sma-cross,buy-and-hold",
            "--portfolio",
            "naive,fixed",
            "--vary",
            "fraction=0.1,0.2",
            *SAMPLE,
            *FEW,
        ),
        "--json",
    ).told
    assert list(variants_of(told)) == [
        "sma-cross, naive",
        "sma-cross, fixed, fraction=0.1",
        "sma-cross, fixed, fraction=0.2",
        "buy-and-hold, naive",
        "buy-and-hold, fixed, fraction=0.1",
        "buy-and-hold, fixed, fraction=0.2",
    ]
    assert [each["to"] for each in told["differences"]] == ["sma-cross, naive"] * 5


def test_the_configuration_is_what_variants_have_in_common(compare: Any, tmp_path: Path) -> None:
    (tmp_path / "intuition.toml").write_text(
        'cash = "5000"\nseed = 3\n[algorithm]\nname = "sma-cross"\nparams = { fast = 5 }\n'
        '[source]\nname = "sample"\n[costs]\ncommission_bps = 10\n'
    )
    told = compare("--portfolio", "naive,fixed", *FEW, "--json").told
    assert told["bootstrap"]["seed"] == 3
    for variant in told["variants"]:
        made = variant["composition"]
        assert (made["cash"], made["seed"], made["costs"]["commission_bps"]) == ("5000", 3, "10")
        assert made["algorithms"][0]["algorithm"]["params"]["fast"] == 5
    costs = compare("--vary", "costs.commission_bps=0,10", "--portfolio", "fixed", *FEW, "--json").told
    assert [each["composition"].get("costs", {}).get("commission_bps") for each in costs["variants"]] == [None, "10"]


@pytest.mark.parametrize(
    ("flags", "code", "words"),
    [
        (("--portfolio", "naive,kely"), 1, "no portfolio is called `kely`; did you mean `kelly`?"),
        (("--portfolio", "naive,,kelly"), 1, "--portfolio: no. 2 of `naive,,kelly` is empty"),
        (("--portfolio", "naive,naive"), 1, "--portfolio: `naive` comes twice"),
        (("--portfolio", "naive"), 1, "there is one variant only; name several"),
        ((), 1, "there is one variant only; name several"),
        (("--portfolio", "naive,fixed", "--param", "fractoin=1"), 1, "--param fractoin: nobody takes this parameter"),
        (("--vary", "fsat=1,2"), 1, "--vary fsat: nobody takes this parameter; did you mean `fast`?"),
        (("--vary", "fast"), 1, "--vary fast: expected KEY=VALUE"),
        (("--vary", "fast=2,3", "--vary", "fast=4,5"), 1, "`fast` is varied already"),
        (
            ("--vary", "costs.commision_bps=1,2"),
            1,
            "--vary costs.commision_bps: unknown; did you mean `commission_bps`?",
        ),
        (("--portfolio", "naive,fixed", "--picture", "a.pgn"), 1, "must end in one of .png, .svg, .html; did you mean"),
        (("--portfolio", "naive,fixed", "--picture", "no/a.png"), 1, "there is no such folder"),
        (("--portfolio", "naive,fixed", "--follow"), 2, "name it with --session"),
        (("--portfolio", "naive,fixed", "--from", "2009-01-01"), 2, "--from is not before --to"),
        (("--portfolio", "naive,fixed", "--level", "1.5"), 2, "--level"),
    ],
)
def test_what_makes_no_sense_is_answered_with_a_sentence(
    compare: Any, flags: tuple[str, ...], code: int, words: str
) -> None:
    ran = compare("--algo", "sma-cross", *SAMPLE, *flags)
    assert (ran.code, ran.out) == (code, "")
    assert words in ran.err
    assert "Traceback" not in ran.err


def test_without_data_it_says_where_events_come_from(compare: Any) -> None:
    ran = compare("--algo", "sma-cross", "--portfolio", "naive,fixed")
    assert ran.code == 2
    assert "--data" in ran.err
    assert "--session" in ran.err


def test_no_events_are_no_trouble(compare: Any) -> None:
    ran = compare("--algo", "sma-cross", "--portfolio", "naive,fixed", "--source", "sample", "--from", "2030-01-01")
    assert ran.code == 0
    assert "no events" in ran.out
    assert "0 days of returns" in ran.out


# -- how it is told


def test_the_table_says_what_json_says(compare: Any) -> None:
    flags = ("--algo", "sma-cross", "--portfolio", "naive,fixed", *SAMPLE)
    told, ran = compare(*flags, "--json").told, compare(*flags)
    assert (ran.code, ran.err) == (0, "")
    one, two = told["variants"]
    assert re.search(r"sample: [\d,]+ events, 2005-01-03 \d\d:\d\d to 2007-12-31 \d\d:\d\d UTC", ran.out)
    assert re.search(r"^ +naive +fixed *$", ran.out, re.MULTILINE)
    for label, status in (
        ("Equity at the end", "{0[final_equity]}"),
        ("Sharpe ratio", "{0[metrics][sharpe][value]:.2f}"),
        ("Max drawdown", "{0[metrics][max_drawdown][value]:.2%}"),
        ("Fills", "{0[fills]}"),
        ("Rejections", "{0[rejections]}"),
    ):
        shown = [status.format(each) for each in (one, two)]
        if label == "Equity at the end":
            shown = [f"{float(text):,.2f}" for text in shown]
        assert re.search(rf"^{label} +{shown[0]} +{shown[1]} *$".replace("-", r"\-"), ran.out, re.MULTILINE), label
    [apart] = told["differences"]
    sharpe = apart["intervals"]["sharpe"]
    assert f"[{sharpe['low']:+.2f}, {sharpe['high']:+.2f}]" in ran.out
    assert float(apart["final_equity"]) == pytest.approx(float(two["final_equity"]) - float(one["final_equity"]))
    assert f"length of blocks in days: {apart['block_length']} (fixed)" in ran.out
    assert "2,000 replications, seed 0" in ran.out
    assert "risk-free 0, scaled by √252" in ran.out
    assert "in 95.0% of samples" in ran.out


def test_more_variants_than_a_line_holds_are_in_several_tables(compare: Any) -> None:
    flags = ("--algo", "sma-cross", "--portfolio", "fixed", "--vary", "slow=20,21,22,23,24,25,26,27", *SAMPLE, *FEW)
    out = compare(*flags).out
    heads = [line.split() for line in out.splitlines() if re.match(r" +slow=", line)]
    assert [head[0] for head in heads] == ["slow=20", "slow=20"]
    assert [name for head in heads for name in head[1:]] == [f"slow={n}" for n in range(21, 28)]
    assert max(map(len, out.splitlines())) <= 160


def test_a_part_that_fails_is_told_with_its_variant(compare: Any, tmp_path: Path) -> None:
    (tmp_path / "failing.py").write_text(
        "class Failing:\n    def optimize(self, signal, account):\n        raise RuntimeError('broken')\n"
    )
    flags = ("--algo", "sma-cross", "--portfolio", "naive,./failing.py", *SAMPLE, *FEW)
    skipping = compare(*flags, "--json", "--on-error", "skip")
    assert skipping.code == 1
    assert [each["errors"] > 0 for each in json.loads(skipping.out)["variants"]] == [False, True]
    assert re.search(r"^Failures of parts +0 +[1-9]", compare(*flags, "--on-error", "skip").out, re.MULTILINE)
    ran = compare(*flags)
    assert ran.code == 1
    assert "./failing.py: portfolio failing" in ran.err.replace("Failing", "failing")


def test_help_documents_every_option(run: Any) -> None:
    from intuition_compare.command import compare as command

    ran = run("compare", "--help")
    assert (ran.code, ran.err) == (0, "")
    for option in command.params:
        assert getattr(option, "help", None), option.name
        assert option.opts[-1] in ran.out
