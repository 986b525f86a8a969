"""Histories to report on: made up ones, and one on real prices."""

import json
import os
import re
import shutil
import subprocess
from base64 import b64encode
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from hashlib import sha256
from html import unescape
from pathlib import Path
from typing import Any

import msgspec
import pytest
from intuition_source_sample import Sample

from intuition_core.history import Day, History, Slice, Trade

DAY = 86_400 * 1_000_000_000
MONDAY = 1_704_124_800 * 1_000_000_000  # 2024-01-01, 16:00 UTC


@pytest.fixture(scope="session")
def history_of() -> Callable[..., History]:
    """Make a history from the equity at the ends of successive days, and optionally the benchmark's course."""

    def make(
        equities: Sequence[float],
        benchmark: Sequence[float] | None = None,
        *,
        deposits: str = "1000",
        first: int = MONDAY,
        weekends: bool = False,
        **fields: Any,
    ) -> History:
        stamps: list[int] = []
        stamp = first
        while len(stamps) < len(equities):
            if weekends or (stamp // DAY + 3) % 7 < 5:  # the epoch was a Thursday
                stamps.append(stamp)
            stamp += DAY
        course = benchmark or [1.0] * len(equities)
        days = [Day(*row) for row in zip(stamps, equities, course, strict=True)]
        slices = [Slice(ts, equity, equity, equity, 0.0, ()) for ts, equity in zip(stamps, equities, strict=True)]
        given: dict[str, Any] = {
            "title": "made up",
            "composition": {},
            "source": "nowhere",
            "events": len(equities),
            "first_ts": stamps[0] if stamps else None,
            "last_ts": stamps[-1] if stamps else None,
            "deposits": Decimal(deposits),
            "equity": Decimal(str(equities[-1])) if equities else Decimal(deposits),
            "slices": slices,
            "days": days,
            "priced": (),
            "benchmark": "cash",
            "trades": (),
            "counts": {},
            "statement": {},
            "complete": True,
        }
        return History(**(given | fields))

    return make


@pytest.fixture(scope="session")
def empty(history_of: Callable[..., History]) -> History:
    """A run in which nothing happened."""
    return history_of([])


@pytest.fixture(scope="session")
def sample() -> History:
    """Averages of 10 and 30 days that cross, with a fixed amount of cash, on real prices of two stocks."""
    source = Sample()
    source.initialize(Sample.Params(symbols=("IBM", "MSFT")))
    return crossing(source.events())


def crossing(events: Iterable[dict[str, Any]]) -> History:
    """Run the crossing of averages over events; each stock has 4,000 of the 10,000 to buy with, commission is 0.1 %."""
    cash = Decimal(10_000)
    windows: dict[str, deque[float]] = {}
    above: dict[str, bool] = {}
    held: dict[str, tuple[Decimal, Decimal]] = {}
    marks: dict[str, float] = {}
    firsts: dict[str, float] = {}
    trades: list[Trade] = []
    slices: list[Slice] = []
    days: dict[int, Day] = {}
    for event in events:
        ts, sid, quote = event["ts"], event["sid"], event["quote"]
        marks[sid] = quote
        firsts.setdefault(sid, quote)
        window = windows.setdefault(sid, deque(maxlen=30))
        window.append(quote)
        if len(window) == 30:
            over = sum(list(window)[-10:]) / 10 > sum(window) / 30
            price = Decimal(str(quote))
            if over and above.get(sid) is False and sid not in held:
                quantity = (Decimal(4000) / price).quantize(Decimal(1))
                commission = quantity * price / 1000
                spent = quantity * price + commission
                held[sid] = (quantity, spent)
                cash -= spent
                trades.append(Trade(ts, sid, "buy", quantity, price, spent, commission, None))
            elif not over and above.get(sid) is True and sid in held:
                quantity, spent = held.pop(sid)
                commission = quantity * price / 1000
                brought = quantity * price - commission
                cash += brought
                trades.append(Trade(ts, sid, "sell", quantity, price, brought, commission, brought - spent))
            above[sid] = over
        invested = sum(float(quantity) * marks[sid] for sid, (quantity, _) in held.items())
        equity = float(cash) + invested
        share = sum(marks[sid] / firsts[sid] for sid in firsts) / 2 + (2 - len(firsts)) / 2
        slices.append(Slice(ts, equity, equity, equity, invested, (marks.get("IBM"), marks.get("MSFT")), share))
        days[ts // DAY] = Day(ts, equity, share)
    worth = {sid: quantity * Decimal(str(marks[sid])) for sid, (quantity, _) in held.items()}
    thinned = [
        Slice(
            part[-1].ts,
            min(one.low for one in part),
            max(one.high for one in part),
            part[-1].close,
            part[-1].invested,
            part[-1].marks,
            part[-1].benchmark,
        )
        for part in (slices[n : n + 2] for n in range(0, len(slices), 2))
    ]
    algorithm = {
        "name": "sma-cross",
        "distribution": "intuition-algorithms",
        "version": "0.1.0",
        "params": {"fast": 10, "slow": 30},
    }
    portfolio = {
        "name": "fixed",
        "distribution": "intuition-core",
        "version": "0.1.0",
        "params": {"cash": "4000"},
    }
    return History(
        title="sma-cross with fixed",
        composition={
            "algorithms": [{"algorithm": algorithm, "portfolio": portfolio}],
            "risks": [],
            "seed": 7,
            "cash": "10000",
            "fill": "same",
            "quantity_step": "1",
        },
        source="sample: IBM, MSFT",
        events=len(slices),
        first_ts=slices[0].ts,
        last_ts=slices[-1].ts,
        deposits=Decimal(10_000),
        equity=cash + sum(worth.values()),
        slices=thinned,
        days=list(days.values()),
        priced=("IBM", "MSFT"),
        benchmark="equal amounts of IBM and MSFT, each put in at its first quote",
        trades=trades,
        counts={"decision": len(trades), "fill": len(trades)},
        statement={
            "deposits": "10000",
            "cash": str(cash),
            "equity": str(cash + sum(worth.values())),
            "positions": {
                sid: {"quantity": str(quantity), "cost": str(cost), "mark": marks[sid], "value": str(worth[sid])}
                for sid, (quantity, cost) in held.items()
            },
        },
        complete=True,
    )


@pytest.fixture(scope="session")
def hostile(sample: History) -> History:
    """The same, with text everywhere that would do harm as markup."""
    harm = "</script><script>document.title='harm'</script><img src=x onerror=alert(1)>\"'&"
    return msgspec.structs.replace(
        sample,
        title=harm,
        source=harm,
        benchmark=harm,
        priced=(harm, "MSFT"),
        trades=[trade._replace(sid=harm, side=trade.side) for trade in sample.trades],
        composition={harm: [{harm: harm}]},
        counts={harm: 1},
        statement={harm: harm, "positions": {harm: {"quantity": harm, "value": harm}}},
        complete=False,
    )


class Browser:
    """Headless Chromium without a network, looking at one file at a time."""

    def __init__(self, program: str, folder: Path) -> None:
        self._program = program
        self._folder = folder

    def look(self, page: bytes, *, width: int, probe: str, dark: bool = False) -> tuple[dict[str, Any], list[str]]:
        """Open a page, run a script there once it is drawn, and give what the script returned and the console's lines.

        The page's own policy stays in force; only the probe is let in by its hash.
        """
        script = f"""
            const probe = async () => {{ {probe} }};
            const settled = () => new Promise((done) => setTimeout(done, 300));
            addEventListener("load", async () => {{
              await settled();
              parent.postMessage(JSON.stringify(await probe()), "*");
            }});
        """
        digest = b64encode(sha256(script.encode()).digest()).decode()
        text = page.decode().replace("script-src ", f"script-src 'sha256-{digest}' ", 1)
        file = self._folder / "page.html"
        file.write_text(text.replace("</head>", f"<script>{script}</script></head>", 1), encoding="utf-8")
        # A window cannot be as narrow as a phone, a frame can.
        window = self._folder / "window.html"
        window.write_text(
            "<script>onmessage = (event) => { document.documentElement.dataset.probed = event.data; };</script>"
            f"<iframe src='page.html' style='width:{width}px;height:844px;border:0'></iframe>"
        )
        done = subprocess.run(
            [
                self._program,
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-background-networking",
                "--host-resolver-rules=MAP * ~NOTFOUND",
                f"--user-data-dir={self._folder / 'profile'}",
                f"--window-size={width + 100},900",
                "--hide-scrollbars",
                "--virtual-time-budget=6000",
                "--enable-logging=stderr",
                "--v=0",
                *(["--force-dark-mode", "--blink-settings=preferredColorScheme=0"] if dark else []),
                "--dump-dom",
                window.as_uri(),
            ],
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
            timeout=100,
            stdin=subprocess.DEVNULL,
        )
        probed = re.search(r'data-probed="([^"]*)"', done.stdout)
        assert probed, f"the page was not shown: {done.stderr[-2000:]}"
        return json.loads(unescape(probed[1])), [line for line in done.stderr.splitlines() if "CONSOLE" in line]


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Browser:
    """Headless Chromium."""
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        if os.environ.get("CI", "").lower() in {"1", "true"}:
            pytest.fail("Chromium is not installed", pytrace=False)
        pytest.skip("Chromium is not installed")
    return Browser(program, tmp_path_factory.mktemp("browser"))
