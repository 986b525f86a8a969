"""`intuition connect`: mistakes are told before it connects, with the flag, variable or table they were made in."""

import logging
import sys
from pathlib import Path
from typing import Any

import pytest

from intuition_core.cli import main
from intuition_core.cli.connect import connect
from intuition_core.config.compose import connector_params
from intuition_core.config.loading import load_config


@pytest.mark.parametrize(
    ("arguments", "variables", "says"),
    [
        (["--rpc", "foo"], {}, "intuition: --rpc: `foo`: expected it to start with tcp://"),
        ([], {"INTUITION_RPC__ADDR": "foo"}, "intuition: INTUITION_RPC__ADDR: `foo`: expected it to start"),
        ([], {"INTUITION_RPC__ADDR": ""}, "intuition: INTUITION_RPC__ADDR: is empty"),
        (["--timeout", "-1"], {}, "--timeout"),
        (["--timeout", "nan"], {}, "--timeout"),
        (["--timeout", "inf"], {}, "--timeout"),
        (["--mqtt", "foo"], {}, "intuition: --mqtt: foo: no scheme"),
        (["--mqtt", "mqtts://h", "--ca", "/nowhere"], {}, "intuition: --ca: /nowhere: "),
        (["--param", "keepalive=x"], {}, "intuition: --param keepalive: expected a whole number, got text"),
        (["--param", "kepalive=9"], {}, "intuition: --param kepalive: unknown; did you mean `keepalive`?"),
    ],
)
def test_a_mistake_names_where_it_was_made(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    variables: dict[str, str],
    says: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys.modules[connect.callback.__module__], "set_up_logging", lambda *_: logging.getLogger())
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert main(["connect", *arguments]) in {1, 2}
    assert says in capsys.readouterr().err


def test_what_the_core_is_told_of_negative_prices_reaches_a_connector_that_knows_them(tmp_path: Path) -> None:
    from intuition_connector_mqtt.connector import Mqtt

    file = tmp_path / "intuition.toml"

    def params(toml: str, part: Any) -> Any:
        file.write_text(toml)
        return connector_params(load_config(file, environment={}), "mqtt", part)

    assert params("negative_prices = true", Mqtt).negative_prices is True
    assert params("", Mqtt).negative_prices is False
    assert params("negative_prices = true\n[connectors.mqtt]\nnegative_prices = false", Mqtt).negative_prices is False
    assert params("negative_prices = true", object) == {}
