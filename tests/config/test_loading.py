import re
import string
import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intuition_core.config.loading import BadConfiguration, Config, Mistake, convert, load_config, where
from intuition_core.params.typed import Typed


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
    assert merged.values.algorithm.params == {"x": Typed("9"), "y": 2}
    chosen = load(tmp_path, environment={"INTUITION_ALGORITHM__PARAMS__X": "9"}, flags={"algorithm.name": "a"})
    assert chosen.values.algorithm.params == {"x": Typed("9")}
    other = load(tmp_path, file, flags={"algorithm.name": "b"})
    assert (other.values.algorithm.name, other.values.algorithm.params) == ("b", {})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("sead = 3", ["intuition.toml", "`sead`", "did you mean `seed`?"]),
        ("[rpc]\nadr = 'x'", ["intuition.toml: [rpc] `adr`: unknown; did you mean `addr`?"]),
        ("[rpc]\naddr = 3", ["[rpc] `addr`: expected text, got 3"]),
        ("[rpc]\naddr = ''", ["[rpc] `addr`: is empty"]),
        ("rpc = 3", ["`rpc`: expected a table, got 3"]),
        ("seed = 'x'", ["`seed`: expected a whole number, got 'x'"]),
        ("seed = 1.5", ["`seed`: expected a whole number, got 1.5"]),
        ("seed = 99999999999999999999", ["`seed`", "at most 64 bits"]),
        ("fill = 'sam'", ["`fill`: expected one of `next`, `same`, got 'sam'; did you mean `same`?"]),
        ("cash = -1", ["`cash`: expected an amount from 0"]),
        ("cash = 'x'", ["`cash`: expected an amount such as 10000 or \"10000.50\", got 'x'"]),
        ("cash = true", ['`cash`: expected an amount such as 10000 or "10000.50", got true']),
        ("quantity_step = 0", ["`quantity_step`"]),
        ("session = 'a/b#'", ["`session`: expected", "letters", "'a/b#'"]),
        ("negative_prices = 'yes'", ["`negative_prices`: expected true or false, got 'yes'"]),
        ("[algorithm]\nparams = {}", ["intuition.toml: [algorithm] `name`: is missing"]),
        ("algorithms = [3]", ["[[algorithms]] no. 1: expected a table, got 3"]),
        (
            "[[algorithms]]\nname = 'a'\nportfolio.us = 'x'",
            ["[[algorithms]] no. 1 `portfolio.us`: unknown; did you mean `use`?"],
        ),
        ("[algorithm]\nname = 'a'\n[[algorithms]]\nname = 'b'", ["algorithms", "one or the other"]),
        (
            "instruments.table = [{ symbol = 'A' }, { symbol = 'B', tik = 1 }]",
            ["intuition.toml: [[instruments.table]] no. 2 `tik`: unknown; did you mean `tick`?"],
        ),
        ("[hooks]\nenabled = 3", ["[hooks] `enabled`: expected a list, got 3"]),
        ("[connectors]\nmqtt = 3", ["[connectors] `mqtt`: expected a table, got 3"]),
        ("seed = ", ["intuition.toml", "no valid TOML"]),
    ],
)
def test_a_mistake_names_file_table_key_and_what_was_expected(tmp_path: Path, text: str, says: list[str]) -> None:
    told = mistakes(tmp_path, text)
    assert all(word in told for word in says), told


def test_all_mistakes_are_told_at_once_each_with_its_origin(tmp_path: Path) -> None:
    told = mistakes(tmp_path, "sead = 3\n[rpc]\naddr = 3", environment={"INTUITION_RPX": "1"}, flags={"seed": "x"})
    assert told.endswith("--seed: expected a whole number, got 'x'")
    assert [line.partition(":")[0].rpartition("/")[2] for line in told.splitlines()] == [
        "intuition.toml",
        "intuition.toml",
        "INTUITION_RPX",
        "--seed",
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
        ("1\nb = 2", "1\nb = 2"),
    ],
)
def test_values_given_as_text_are_toml_values_where_they_can_be(text: str, value: Any) -> None:
    assert Typed(text).value == value
    assert type(Typed(text).value) is type(value)


@given(st.text() | st.text(string.printable) | st.from_regex(r"(\[|\{|\"|'|=|\n|#|[0-9a-z]){0,20}"))
def test_any_text_is_some_value_and_the_text_itself_is_not_lost(text: str) -> None:
    value = Typed(text).value
    assert type(value) is not Typed
    assert str(Typed(text)) == text
    if tomllib_reads(text):
        assert value == tomllib.loads(f"value = {text}")["value"] or value != value  # not a number
    else:
        assert value == text


def tomllib_reads(text: str) -> bool:
    try:
        return tomllib.loads(f"value = {text}").keys() == {"value"}
    except (tomllib.TOMLDecodeError, RecursionError):
        return False


@pytest.mark.parametrize("text", ["12345", '"quoted"', "true", "1979-05-27", "a,b", "[x]"])
def test_text_given_by_variable_stays_as_it_was_typed_where_text_is_wanted(tmp_path: Path, text: str) -> None:
    assert load(tmp_path, environment={"INTUITION_RPC__KEY": text}).values.rpc.key == text
    assert load(tmp_path, flags={"rpc.key": Typed(text)}).values.rpc.key == text


def test_variables_are_numbers_amounts_choices_and_tables_where_these_are_wanted(tmp_path: Path) -> None:
    environment = {
        "INTUITION_CASH": "1.100000000000000000000001",
        "INTUITION_QUANTITY_STEP": '"0.1"',
        "INTUITION_FILL": '"same"',
        "INTUITION_NEGATIVE_PRICES": "true",
        "INTUITION_RPC": '{ addr = "tcp://127.0.0.1:1", key = "12" }',
        "INTUITION_WORKER__DEADLINE": "2",
    }
    values = load(tmp_path, environment=environment).values
    assert (values.cash, values.quantity_step) == (Decimal("1.100000000000000000000001"), Decimal("0.1"))
    assert (values.fill, values.negative_prices) == ("same", True)
    assert (values.rpc.addr, values.rpc.key) == ("tcp://127.0.0.1:1", "12")
    assert values.worker.deadline == 2


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"INTUITION_RPC__ADDR": ""}, "INTUITION_RPC__ADDR: is empty"),
        ({"INTUITION_SEED": "x"}, "INTUITION_SEED: expected a whole number, got 'x'"),
        ({"INTUITION_RPC": "{ adr = 3 }"}, "INTUITION_RPC `adr`: unknown"),
        ({"INTUITION_CASH": "-3"}, "INTUITION_CASH: expected an amount from 0"),
        ({"INTUITION_CASH": "x"}, "INTUITION_CASH: expected an amount such as"),
        ({"INTUITION_CONFIG": "none.toml"}, "INTUITION_CONFIG: there is no file 'none.toml'"),
    ],
)
def test_a_mistake_in_a_variable_names_the_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadConfiguration) as caught:
        load_config(environment=variables)
    assert str(caught.value).startswith(says)


@pytest.mark.parametrize(
    ("flags", "spelled", "says"),
    [
        ({"cash": "x"}, {}, "--cash: expected an amount such as"),
        ({"session": "a b"}, {}, "--session: expected"),
        ({"rpc.addr": ""}, {}, "--addr: is empty"),
        ({"rpc.addr": ""}, {"rpc.addr": "--rpc"}, "--rpc: is empty"),
        ({"algorithm.name": ""}, {}, "--algo: is empty"),
        ({"rpc.server_key": ""}, {}, "--server-key: is empty"),
    ],
)
def test_a_mistake_in_a_flag_names_the_flag_as_it_is_typed(
    tmp_path: Path, flags: dict[str, Any], spelled: dict[str, str], says: str
) -> None:
    assert mistakes(tmp_path, flags=flags, spelled=spelled).startswith(says)


def test_a_variable_names_the_file_where_no_flag_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "intuition.toml").write_text("seed = 1")
    (tmp_path / "other.toml").write_text("seed = 2")
    (tmp_path / "third.toml").write_text("seed = 3")
    environment = {"INTUITION_CONFIG": "other.toml"}
    assert load_config(environment=environment).values.seed == 2
    assert load_config(Path("third.toml"), environment=environment).values.seed == 3
    assert load_config(environment={"INTUITION_CONFIG": ""}).values.seed == 1


def test_who_brings_the_second_way_to_choose_an_algorithm_is_told(tmp_path: Path) -> None:
    one, several = "[algorithm]\nname = 'a'\n", "[[algorithms]]\nname = 'b'\n"
    told = mistakes(tmp_path, several, flags={"algorithm.name": "x"})
    assert re.fullmatch(r"--algo: \[\[algorithms\]\] is there too, from .*intuition.toml; use one or the other", told)
    told = mistakes(tmp_path, one, environment={"INTUITION_ALGORITHMS": "[{ name = 'b' }]"})
    assert told.startswith("INTUITION_ALGORITHMS: [algorithm] is there too, from ")
    assert mistakes(tmp_path, several + one).count("use one or the other") == 1


def test_the_origin_of_every_key_is_known(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        "[algorithm]\nname = 'a'\nparams = { x = 1, y = 2 }\n[[risks]]\nname = 'r'\n",
        environment={"INTUITION_ALGORITHM__PARAMS__Y": "3"},
        flags={"connectors.mqtt.url": "u"},
        spelled={"connectors.mqtt.url": "--mqtt"},
    )
    file = str(tmp_path / "intuition.toml")
    assert config.where("algorithm.params.x") == f"{file}: [algorithm] `params.x`"
    assert config.where("algorithm.params.y") == "INTUITION_ALGORITHM__PARAMS__Y"
    assert config.where("risks.0.params.z") == f"{file}: [[risks]] no. 1 `params.z`"
    assert config.where("connectors.mqtt.url") == "--mqtt"
    assert config.where("cash") is None
    assert where(file, "connectors.mqtt.ulr") == f"{file}: [connectors.mqtt] `ulr`"


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


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[costs]\ncommission_tiers = [[1000, 10], [500, 5]]", "amounts that rise.*got 500 after 1000"),
        ("[costs]\ncommission_tiers = [[1000, 10000]]", "rates from 0 to 9999 basis points, got 10000"),
        ("[costs]\ncommission_tiers = [[inf, 10]]", "at most 1e18"),
        ("[costs]\ncommission_min = 2\ncommission_max = 1", r"\[costs\] `commission_max`: .*at least the 2"),
        ("[costs]\ncommission_min = nan\ncommission_max = 1", r"\[costs\] `commission_min`: .*got NaN"),
        ("[costs]\nslippage_impact = 1.5", "from 0 to 1, got 1.5"),
        ("[costs]\ncommission_per_unit = -1", "got -1"),
        ("[fills]\nvolume_share = 0", r"\[fills\] `volume_share`: .*above 0 and at most 1, got 0"),
        ('[fills]\nvolume_share = "much"', r"a part of the volume such as \"0.1\", got 'much'"),
    ],
)
def test_costs_and_fills_that_cannot_be(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "intuition.toml"
    file.write_text(text)
    with pytest.raises(BadConfiguration, match=says):
        load_config(file, environment={})


@pytest.mark.parametrize(("table", "key"), [("fills", "volume_share"), ("costs", "slippage_impact")])
def test_what_needs_a_volume_is_refused_where_orders_fill_without_one(tmp_path: Path, table: str, key: str) -> None:
    file = tmp_path / "intuition.toml"
    file.write_text(f"[{table}]\n{key} = 0.1")
    assert load_config(file, environment={}).values.fill == "next"
    with pytest.raises(
        BadConfiguration, match=rf"\[{table}\] `{key}`: with `fill = \"same\"`.*no volume.*leave `{table}.{key}` out"
    ):
        load_config(file, environment={}, flags={"fill": "same"})
    tree = {"fill": "same", table: {key: 0.1}}
    with pytest.raises(BadConfiguration):
        convert(tree, origin="configuration")
    assert convert(tree, origin="journal").fill == "same"  # what was run before it was refused can be run again


def test_an_impact_of_nothing_needs_no_volume() -> None:
    assert convert({"fill": "same", "costs": {"slippage_impact": 0}}, origin="configuration").fill == "same"


def test_tiers_can_be_typed() -> None:
    values = load_config(environment={"INTUITION_COSTS__COMMISSION_TIERS": '[[1000, 10], ["2000.50", 5]]'}).values
    assert values.costs.commission_tiers == ((Decimal(1000), Decimal(10)), (Decimal("2000.50"), Decimal(5)))
