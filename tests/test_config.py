import string
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intuition_core.config import BadConfiguration, Config, Mistake, load_config, text_value


def load(tmp_path: Path, text: str = "", **more: Any) -> Config:
    file = tmp_path / "intuition.toml"
    file.write_text(text)
    return load_config(file, environment=more.pop("environment", {}), **more)


def mistakes(tmp_path: Path, text: str = "", **more: Any) -> str:
    with pytest.raises(BadConfiguration) as caught:
        load(tmp_path, text, **more)
    return str(caught.value)


def test_nothing_configured_is_the_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = load_config(environment={})
    assert (config.values.cash, config.values.fill, config.values.rpc.addr) == (10_000, "next", "tcp://127.0.0.1:4242")
    assert config.file is None


def test_the_file_in_the_working_folder_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "intuition.toml").write_text('cash = "7.5"\n[algorithm]\nname = "random"\n')
    assert load_config(environment={}).values.cash == Decimal("7.5")


def test_flags_come_before_variables_and_these_before_the_file(tmp_path: Path) -> None:
    file = 'seed = 1\ncash = 1\nfill = "same"\n[rpc]\naddr = "tcp://127.0.0.1:1"\n'
    environment = {"INTUITION_SEED": "2", "INTUITION_RPC__ADDR": "tcp://127.0.0.1:2", "HOME": "/"}
    config = load(tmp_path, file, environment=environment, flags={"rpc.addr": "tcp://127.0.0.1:3", "cash": None})
    values = config.values
    assert (values.cash, values.seed, values.rpc.addr, values.fill) == (1, 2, "tcp://127.0.0.1:3", "same")
    assert config.pinned == {"rpc.addr"}


def test_parameters_of_a_part_are_merged_but_not_with_another_parts(tmp_path: Path) -> None:
    file = '[algorithm]\nname = "a"\nparams = { x = 1, y = 2 }\n'
    merged = load(tmp_path, file, environment={"INTUITION_ALGORITHM__PARAMS__X": "9"})
    assert merged.values.algorithm.params == {"x": 9, "y": 2}
    chosen = load(tmp_path, environment={"INTUITION_ALGORITHM__PARAMS__X": "9"}, flags={"algorithm.name": "a"})
    assert chosen.values.algorithm.params == {"x": 9}
    other = load(tmp_path, file, flags={"algorithm.name": "b"})
    assert (other.values.algorithm.name, other.values.algorithm.params) == ("b", {})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("sead = 3", ["intuition.toml", "`sead`", "did you mean `seed`?"]),
        ("[rpc]\nadr = 'x'", ["`rpc.adr`", "did you mean `addr`?"]),
        ("[rpc]\naddr = 3", ["`rpc.addr`", "expected `str`, got `int`", "3"]),
        ("seed = 'x'", ["`seed`", "expected `int | null`, got `str`"]),
        ("fill = 'soon'", ["`fill`", "soon"]),
        ("cash = -1", ["`cash`", "from 0"]),
        ("cash = 'much'", ["`cash`", "much"]),
        ("quantity_step = 0", ["`quantity_step`"]),
        ("[algorithm]\nparams = {}", ["algorithm", "name"]),
        ("algorithms = [3]", ["`algorithms.0`", "expected a table"]),
        ("[[algorithms]]\nname = 'a'\nportfolio.us = 'x'", ["`algorithms.0.portfolio.us`", "did you mean `use`?"]),
        ("[algorithm]\nname = 'a'\n[[algorithms]]\nname = 'b'", ["algorithms", "one or the other"]),
        ("[hooks]\nenabled = 3", ["`hooks.enabled`"]),
        ("seed = ", ["intuition.toml", "no valid TOML"]),
    ],
)
def test_a_mistake_names_file_table_key_and_what_was_expected(tmp_path: Path, text: str, says: list[str]) -> None:
    told = mistakes(tmp_path, text)
    assert all(word in told for word in says), told


def test_all_mistakes_are_told_at_once_each_with_its_origin(tmp_path: Path) -> None:
    told = mistakes(tmp_path, "sead = 3\n[rpc]\naddr = 3", environment={"INTUITION_RPX": "1"}, flags={"seed": "x"})
    assert [line.partition(":")[0].rpartition("/")[2] for line in told.splitlines()] == [
        "intuition.toml",
        "intuition.toml",
        "INTUITION_RPX",
        "flag for seed",
    ]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadConfiguration, match=r"none\.toml: there is no such file"):
        load_config(tmp_path / "none.toml", environment={})


@pytest.mark.parametrize("text", ['["random", "mqtt"]', "random,mqtt", "random, mqtt,"])
def test_a_variable_may_name_a_list_the_short_way(tmp_path: Path, text: str) -> None:
    config = load(tmp_path, environment={"INTUITION_PLUGINS__BLOCKED": text})
    assert config.values.plugins.blocked == ("random", "mqtt")


def test_starting_cash_is_another_word_for_cash(tmp_path: Path) -> None:
    assert load(tmp_path, "starting_cash = 5").values.cash == 5


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.7", 0.7),
        ("7", 7),
        ("true", True),
        ("x", "x"),
        ('"7"', "7"),
        ("[1, 2]", [1, 2]),
        ("", ""),
        ("a = 1\nb", "a = 1\nb"),
    ],
)
def test_values_given_as_text_are_toml_values_where_they_can_be(text: str, value: Any) -> None:
    assert text_value(text) == value
    assert type(text_value(text)) is type(value)


@given(st.text())
def test_any_text_is_some_value(text: str) -> None:
    text_value(text)


trees = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner, max_size=3),
    max_leaves=6,
)
keys = st.sampled_from(
    [
        "seed",
        "cash",
        "algorithm",
        "algorithms",
        "portfolio",
        "rpc",
        "rpc.addr",
        "plugins",
        "connectors",
        "risks",
        "nonsense",
    ]
) | st.text(string.ascii_lowercase, min_size=1, max_size=4)


@given(st.dictionaries(keys, trees.filter(lambda value: value is not None), max_size=4))
def test_whatever_is_given_is_a_configuration_or_mistakes(given_flags: dict[str, Any]) -> None:
    told: tuple[Mistake, ...] = ()
    try:
        config = load_config(environment={}, flags=given_flags)
    except BadConfiguration as error:
        told = error.mistakes
    else:
        assert config.pinned == set(given_flags)
        return
    assert told
    assert all(mistake.origin for mistake in told)
