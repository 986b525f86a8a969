"""``show``, ``schema``, ``init`` and ``config check``: what plugins take, and what is wrong with a configuration."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Annotated, Any

import jsonschema
import msgspec
import pytest

from intuition_core import Secret
from intuition_core.cli import main
from intuition_core.config.diagnosis import faults
from intuition_core.config.loading import BadConfiguration, load_config
from intuition_core.config.requirements import Unmet, check_requirements
from intuition_core.config.schema import schema
from intuition_core.errors import BadParameter, Mistakes
from intuition_core.params.checking import check_params, redact_params, shown_params
from intuition_core.plugins.catalogue import discover
from intuition_core.trading.composition import Part

WRONG = """
sead = 7
cash = "abc"
requires = ["intuition-random>=900", "acme-nowhere"]
[algorithm]
name = "random"
params = { threshold = "x", sed = 3 }
[portfolio]
name = "kely"
[[risks]]
params = {}
[connectors.mqtt]
urll = "x"
[hooks]
enabled = ["notifyy"]
"""


class Keyed:
    class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        key: Secret | None = None
        headers: Annotated[dict[str, str], msgspec.Meta(extra_json_schema={"writeOnly": True})] = {}
        url: str = ""
        count: Annotated[int, msgspec.Meta(ge=1)] = 1


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(arguments)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


# Secrets


def test_secrets_and_passwords_in_addresses_are_shown_to_nobody() -> None:
    given = {"key": "s3cret", "headers": {"X-Key": "s3cret"}, "url": "wss://me:s3cret@host/feed"}
    params = check_params("source keyed", Keyed, given)
    part = Part(kind="source", name="keyed", factory=Keyed, params=params)
    for shown in (shown_params(params), redact_params(Keyed, given), part.to_json()):
        assert "s3cret" not in json.dumps(shown)
        assert "***" in json.dumps(shown)
    assert params.key == "s3cret"


def test_a_secret_of_the_wrong_type_is_not_in_the_message() -> None:
    with pytest.raises(BadParameter) as caught:
        check_params("source keyed", Keyed, {"key": 12345678})
    assert "12345678" not in str(caught.value)


# All mistakes at once


def test_all_mistakes_of_a_parts_parameters_are_told_at_once() -> None:
    with pytest.raises(Mistakes) as caught:
        check_params("source keyed", Keyed, {"kee": "x", "count": 0, "url": 3})
    assert [error.key for error in caught.value.errors if isinstance(error, BadParameter)] == ["kee", "count", "url"]


@pytest.mark.parametrize("command", [("config", "check"), ("backtest", "--source", "sample")])
def test_all_mistakes_of_a_configuration_are_told_at_once_with_file_table_key_and_plugin(
    folder: Path, capsys: pytest.CaptureFixture[str], command: tuple[str, ...]
) -> None:
    (folder / "intuition.toml").write_text(WRONG)
    code, _, err = run(capsys, *command)
    assert code == 1
    told = [line.removeprefix("intuition: ").partition(": ")[2] for line in err.splitlines()]
    for beginning in (
        "`sead`: unknown; did you mean `seed`?",
        "`cash`: expected an amount",
        "[[risks]] no. 1 `name`: is missing",
        "`requires`: intuition-random>=900 is needed, 0.1.0 is installed; acme-nowhere is not installed; run `pip",
        "[portfolio] `name`: no portfolio is called `kely`; did you mean `kelly`?",
        "[algorithm] `params.threshold`: expected a number, got text (algorithm random)",
        "[algorithm] `params.sed`: unknown; did you mean `seed`?",
        "[connectors.mqtt] `urll`: unknown; did you mean `url`?",
        "[hooks] `enabled`: no hooks is called `notifyy`; did you mean `notify`?",
    ):
        assert sum(line.startswith(beginning) for line in told) == 1, beginning
    assert len(told) == 9


def test_what_is_explained_says_where_it_comes_from_and_hides_secrets(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "intuition.toml").write_text('[algorithm]\nname = "random"\n[connectors.mqtt]\nurl = "mqtt://a:b@h"\n')
    monkeypatch.setenv("INTUITION_CONNECTORS__MQTT__PASSWORD", "hunter2")
    monkeypatch.setenv("INTUITION_CASH", "500")
    code, out, _ = run(capsys, "config", "check", "--json")
    told = {row["key"]: (row["value"], row["origin"]) for row in json.loads(out)["keys"]}
    assert code == 0
    assert told["algorithm.name"] == ("random", "intuition.toml")
    assert told["cash"] == ("500", "INTUITION_CASH")
    assert told["connectors.mqtt.password"] == ("***", "INTUITION_CONNECTORS__MQTT__PASSWORD")
    assert told["connectors.mqtt.url"] == ("mqtt://a:***@h", "intuition.toml")
    assert told["rpc.addr"] == ("tcp://127.0.0.1:4242", "default")
    assert "hunter2" not in run(capsys, "config", "check")[1]


def test_the_file_is_named_as_it_is_for_what_runs_it(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "other.toml").write_text("cash = 7")
    for named in (("other.toml",), ("--config", "other.toml")):
        code, out, _ = run(capsys, "config", "check", "--json", *named)
        assert (code, json.loads(out)["file"]) == (0, "other.toml")
    code, _, err = run(capsys, "config", "check", "other.toml", "--config", "other.toml")
    assert code == 2
    assert "FILE and --config are two ways to say the same" in err


def test_mistakes_are_told_before_the_table(folder: Path) -> None:
    (folder / "intuition.toml").write_text("sead = 1")
    told = subprocess.run(
        [sys.executable, "-m", "intuition_core", "config", "check"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    ).stdout
    assert 0 <= told.index("did you mean `seed`?") < told.index("file: intuition.toml")


def test_the_rest_of_a_configuration_with_mistakes_is_known(folder: Path) -> None:
    (folder / "intuition.toml").write_text(WRONG)
    with pytest.raises(BadConfiguration) as caught:
        load_config(environment={})
    rest = caught.value.rest
    assert rest is not None
    assert rest.values.algorithm is not None
    assert rest.values.algorithm.name == "random"
    assert rest.values.cash == 10_000


# Requirements


@pytest.mark.parametrize(
    ("requirement", "met"),
    [
        ("intuition-random", True),
        ("Intuition_Random>=0.1", True),
        ("intuition-random>=0.1,<0.2", True),
        ("intuition-random<0.1", False),
        ("acme; python_version < '3'", True),
        ("acme", False),
    ],
)
def test_requirements_are_read_as_pip_reads_them(folder: Path, requirement: str, met: bool) -> None:
    info = folder / "intuition_random-0.1.5.dist-info"
    info.mkdir()
    (folder / "intuition.toml").write_text(f"requires = [{json.dumps(requirement)}]")
    config = load_config(environment={})
    if met:
        check_requirements(config, path=[str(folder)])
    else:
        with pytest.raises(Unmet) as caught:
            check_requirements(config, path=[str(folder)])
        assert requirement in str(caught.value).replace("'", "")
        assert caught.value.command.startswith("pip install ")


def test_what_is_no_requirement_is_a_mistake(folder: Path) -> None:
    (folder / "intuition.toml").write_text('requires = ["a b c", "==1"]')
    with pytest.raises(BadConfiguration) as caught:
        check_requirements(load_config(environment={}))
    assert len(caught.value.mistakes) == 2


def test_the_installed_set_can_be_pinned(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    code, out, _ = run(capsys, "list-plugins", "--requirements")
    assert code == 0
    lines = out.splitlines()
    assert "intuition-random==0.1.0" in lines
    (folder / "intuition.toml").write_text(f"requires = {json.dumps(lines)}")
    check_requirements(load_config(environment={}))


# A plugin


def test_a_plugin_is_shown_with_all_that_it_takes(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "show", "algorithm:random", "--json")
    told = json.loads(out)
    assert code == 0
    assert told["contract"] == 1
    assert told["distribution"] == "intuition-random"
    assert told["example"] == "intuition backtest --algo random --source sample"
    assert told["parameters"][0] == {
        "name": "threshold",
        "type": "a number, at least 0, at most 1",
        "required": False,
        "default": 0.5,
        "secret": False,
        "doc": "Buy when a draw from [0, 1) exceeds this; at 1 it never buys.",
    }


def test_texts_below_the_fields_are_documentation_too(capsys: pytest.CaptureFixture[str]) -> None:
    told = json.loads(run(capsys, "show", "mqtt", "--json")[1])
    password = next(each for each in told["parameters"] if each["name"] == "password")
    assert password["secret"]
    assert password["doc"] == "The password; goes before the file's and the URL's."


@pytest.mark.parametrize("name", [plugin.ref for plugin in discover().plugins if plugin.kind != "hooks"][:40])
def test_every_plugin_can_be_shown(capsys: pytest.CaptureFixture[str], name: str) -> None:
    code, out, _ = run(capsys, "show", name)
    assert code == 0
    assert "To try it:" in out


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("randm", "did you mean `random`?"),
        ("algorithm:kelly", "no plugin is called"),
        ("nothing-like-it", "`intuition list-plugins` names them all"),
    ],
)
def test_who_is_not_there_is_answered_with_who_is(capsys: pytest.CaptureFixture[str], name: str, says: str) -> None:
    code, _, err = run(capsys, "show", name)
    assert code == 1
    assert says in err
    assert "Traceback" not in err


# A configuration to begin with


def test_a_written_configuration_has_no_mistakes_and_is_never_overwritten(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("init", "--algo", "sma-cross", "--portfolio", "kelly", "--source", "sample", "--connector", "mqtt")
    assert run(capsys, *arguments)[0] == 0
    text = (folder / "intuition.toml").read_text()
    assert faults(load_config(environment={}), discover()) == []
    code, _, err = run(capsys, "init")
    assert code == 1
    assert "is there already" in err
    assert (folder / "intuition.toml").read_text() == text


def test_every_default_that_a_written_configuration_shows_can_be_uncommented(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(capsys, "init", "--algo", "sma-cross", "--portfolio", "kelly", "--connector", "mqtt")
    file = folder / "intuition.toml"
    lines = [line.removeprefix("# ") if _is_setting(line) else line for line in file.read_text().splitlines()]
    assert lines != file.read_text().splitlines()
    file.write_text("\n".join(lines))
    assert faults(load_config(environment={}), discover()) == []


def _is_setting(line: str) -> bool:
    key, equals, _ = line.removeprefix("# ").partition(" = ")
    return line.startswith("# ") and bool(equals) and key.isidentifier()


# What editors ask for


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    found, unknown = schema(discover())
    assert unknown == []
    return found


def test_the_schema_is_one_of_draft_2020_12(document: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator.check_schema(document)


def test_the_schema_accepts_what_is_right_and_finds_what_is_wrong(document: dict[str, Any]) -> None:
    validator = jsonschema.Draft202012Validator(document)
    right = (
        'cash = 500\n[algorithm]\nname = "random"\nparams = { threshold = 0.7 }\n[rpc]\naddr = "tcp://127.0.0.1:1"\n'
    )
    right += '[[algorithms]]\nname = "mine"\nuse = "sma-cross"\nparams = { fast = 3 }\n[worker]\nmemory = 500\n'
    assert list(validator.iter_errors(tomllib.loads(right))) == []
    wrong = {error.json_path for error in validator.iter_errors(tomllib.loads(WRONG))}
    assert {"$", "$.algorithm.params", "$.algorithm.params.threshold", "$.risks[0]", "$.connectors.mqtt"} <= wrong
    other = '[[algorithms]]\nname = "mine"\nuse = "sma-cross"\nparams = { fast = "x" }'
    assert {error.json_path for error in validator.iter_errors(tomllib.loads(other))} == {"$.algorithms[0].params.fast"}
