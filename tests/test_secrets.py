import json
import logging
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intuition_core import Secret
from intuition_core.cli.logs import set_up_logging
from intuition_core.errors import PartFailed
from intuition_core.params.checking import check_params, secrets_of
from intuition_core.params.secrets import redacted
from intuition_core.trading.composition import Composition, Part, Sleeve
from intuition_core.trading.engine import TradingEngine

PASSWORD = 's3cr3t-"\\é'


class Inner(msgspec.Struct, frozen=True):
    token: Secret = ""


class Talkative:
    class Params(msgspec.Struct):
        api_key: Secret = ""
        inner: Inner = Inner()
        accounts: list[Inner] = []
        url: str = ""
        note: str = ""

    def initialize(self, params: Any) -> list[str]:
        self.params = params
        return ["quotes"]

    def event(self, data: dict[str, Any]) -> None:
        raise RuntimeError(f"cannot log in with {self.params}, {json.dumps(data['sid'])}")

    def optimize(self, signal: Any, account: Any) -> None:
        raise AssertionError


CONFIGURED = [
    {"api_key": PASSWORD},
    {"inner": {"token": PASSWORD}},
    {"accounts": [{"token": PASSWORD}]},
    {"url": f"mqtt://joe:{quote(PASSWORD, safe='')}@host"},
]


@pytest.mark.parametrize("given", CONFIGURED)
def test_an_error_of_a_part_is_recorded_without_its_secrets(given: dict[str, Any]) -> None:
    params = check_params("algorithm talkative", Talkative, {**given, "note": "kept"})
    part = Part(kind="algorithm", name="talkative", factory=Talkative, params=params)
    portfolio = Part(kind="portfolio", name="silent", factory=Talkative, params=Talkative.Params())
    engine = TradingEngine(Composition(sleeves=(Sleeve(algorithm=part, portfolio=portfolio),), seed=1), run="")
    [record] = engine.step({"channel": "quotes", "sid": "A", "quote": 1.0, "ts": 1})
    assert record["type"] == "error"
    assert "s3cr3t" not in record["problem"]
    assert "***" in record["problem"]
    assert "note='kept'" in record["problem"]


@pytest.mark.parametrize("given", CONFIGURED)
def test_secrets_are_found_wherever_they_are(given: dict[str, Any]) -> None:
    assert PASSWORD in secrets_of(check_params("algorithm talkative", Talkative, given))


@given(st.text(min_size=2), st.text(), st.text())
def test_a_secret_is_taken_out_however_it_is_quoted(secret: str, before: str, after: str) -> None:
    for spelled in (secret, repr(secret), json.dumps(secret), json.dumps(secret, ensure_ascii=False)):
        assert secret not in redacted(f"{before}|{spelled}|{after}", [secret]) or secret in "***" or secret in "|***|"


def test_logs_and_tracebacks_hold_no_secret(capfd: pytest.CaptureFixture[str]) -> None:
    check_params("algorithm talkative", Talkative, {"api_key": "hunter-2-hunter"})
    root = logging.getLogger()
    before = root.handlers[:], root.level
    try:
        for form in ("text", "json"):
            log = set_up_logging(form)
            error = PartFailed("algorithm talkative", "event", "no access with hunter-2-hunter")
            log.error("failed with %s", "hunter-2-hunter", exc_info=error)
    finally:
        root.handlers[:], root.level = before
    written = capfd.readouterr().err
    assert "hunter-2-hunter" not in written
    assert "PartFailed" in written
    assert written.count("***") == 4
