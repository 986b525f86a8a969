from typing import Any

import pytest
from intuition_source_candles import Candles

from intuition_core.testing import SourceContract

JANUARY = 1_704_067_200 * 10**9
HOUR = 3600 * 10**9


class _Candles(SourceContract):
    part = Candles
    limit = 200
    sids = ("BTCUSDT",)
    venue_name = "binance"

    @pytest.fixture(autouse=True)
    def spoken(self, request: pytest.FixtureRequest, venue: Any, waits: list[float]) -> None:
        request.instance.params = {
            "venue": self.venue_name,
            "url": venue.url,
            "symbols": list(self.sids),
            "start": JANUARY + 46 * HOUR,
            "end": JANUARY + 49 * HOUR,
        }


class TestBinance(_Candles):
    pass


class TestKraken(_Candles):
    sids = ("XBTUSD",)
    venue_name = "kraken"


del _Candles
