"""Hooks are documented as they are, and essential ones stop the session."""

import inspect
import re
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from intuition_core.config.diagnosis import faults
from intuition_core.config.loading import BadConfiguration, load_config
from intuition_core.plugins.catalogue import Catalogue
from intuition_core.plugins.hooks import Hooks, Specifications, hookimpl

DOCS = Path(__file__).parents[2] / "docs" / "reference" / "hooks.md"
SPECIFIED = {
    name: [argument for argument in inspect.signature(function).parameters if argument != "self"]
    for name, function in vars(Specifications).items()
    if not name.startswith("_")
}


class Failing:
    @hookimpl
    def fill(self) -> None:
        raise RuntimeError("disk full")


def test_the_documentation_has_every_hook_with_its_arguments_and_no_other() -> None:
    rows = re.findall(r"^\| `(\w+)` \| `([\w, ]+)` \| \S", DOCS.read_text(), re.MULTILINE)
    assert {name: arguments.split(", ") for name, arguments in rows} == SPECIFIED


@pytest.mark.parametrize("name", SPECIFIED)
def test_every_hook_is_typed_and_has_a_docstring(name: str) -> None:
    function = getattr(Specifications, name)
    assert set(get_type_hints(function)) == {*SPECIFIED[name], "return"}
    assert function.__doc__
    assert all(f":param {argument}:" in function.__doc__ for argument in SPECIFIED[name])


def test_a_failing_hook_stops_trading_only_if_it_is_essential() -> None:
    stopped: list[str] = []
    for essential in ([], ["bad"]):
        hooks = Hooks("s", [("bad", Failing())], essential=essential, stop=stopped.append)
        hooks([{"type": "fill"}])
    assert stopped == ["the essential hook plugin bad failed in fill: disk full"]


def test_records_of_types_without_a_hook_are_passed_over() -> None:
    stopped: list[str] = []
    hooks = Hooks("s", [("bad", Failing())], essential=["bad"], stop=stopped.append)
    hooks([{"type": "message"}, {"type": "something new"}])
    assert stopped == []


@pytest.mark.parametrize("given", ["essential = ['notify']", "[hooks.params.notify]\nper_minute = 3"])
def test_what_is_not_enabled_can_be_neither_essential_nor_have_parameters(tmp_path: Path, given: str) -> None:
    file = tmp_path / "intuition.toml"
    file.write_text(f"[hooks]\n{given}\n")
    with pytest.raises(BadConfiguration, match="`notify` is not enabled"):
        load_config(file, environment={})


class Deaf:
    @hookimpl
    def fill(self, price: float) -> None: ...


class Installed(Catalogue, frozen=True):
    """Every name means one plugin."""

    def load(self, kind: str, ref: str) -> Any:
        return Deaf


def test_a_hook_that_would_not_be_called_is_among_the_mistakes_of_a_configuration(tmp_path: Path) -> None:
    file = tmp_path / "intuition.toml"
    file.write_text("[hooks]\nenabled = ['deaf', 'mute']\n")
    told = [str(error) for error in faults(load_config(file, environment={}), Installed(()))]
    for name in ("deaf", "mute"):
        (one,) = [each for each in told if f"hook plugin {name}: " in each]
        assert one.startswith(f"{file}: [hooks] `enabled`: ")
        assert "{'price'}" in one


def test_a_plugin_is_enabled_once(tmp_path: Path) -> None:
    file = tmp_path / "intuition.toml"
    file.write_text("[hooks]\nenabled = ['notify', 'other', 'notify']\n")
    with pytest.raises(BadConfiguration, match=r"\[hooks\] `enabled`: `notify` is there more than once"):
        load_config(file, environment={})


def test_parameters_of_hooks_can_be_given_by_variables(tmp_path: Path) -> None:
    variables: dict[str, Any] = {
        "INTUITION_HOOKS__ENABLED": "notify",
        "INTUITION_HOOKS__PARAMS__NOTIFY__PER_MINUTE": "3",
    }
    assert load_config(environment=variables).values.hooks.params["notify"]["per_minute"] == "3"
