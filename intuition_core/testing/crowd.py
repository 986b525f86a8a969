"""The answers of a part on a market of several symbols, as text by which two processes are compared."""

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from intuition_core.contracts import Signal
from intuition_core.data import DEFAULT_CHANNEL
from intuition_core.testing.composing import Choice, strategy_of
from intuition_core.testing.contract import Contract
from intuition_core.testing.recording import quotes
from intuition_core.trading.answers import answers

SYMBOLS: Final = ("IBM", "MSFT", "AAPL", "GOOG", "AMZN", "XOM", "GLD", "TLT")
"""Enough that a set of them hardly has the same order twice."""

_TURN: Final = 20
"""Quotes of a symbol from one buy of it to the next."""


class Said(NamedTuple):
    """An answer, and the question to it."""

    to: str
    said: str


class Crowd:
    """Buys each symbol and sells it again, in turn."""

    def initialize(self, params: Any) -> None:  # noqa: ARG002  # it takes none
        """Begin."""
        self._seen: dict[str, int] = {}

    def event(self, data: Any) -> Signal | None:
        """Take a quote."""
        sid = data["sid"]
        seen = self._seen[sid] = self._seen.get(sid, 0) + 1
        if seen % _TURN == _TURN // 4:
            return Signal(sid, "buy", data["quote"], probability=0.6, win=1.0, loss=1.0)
        return Signal(sid, "sell", data["quote"]) if seen % _TURN == _TURN * 3 // 4 else None


def crowd(channels: Sequence[str] = (DEFAULT_CHANNEL,)) -> list[dict[str, Any]]:
    """Return a year of daily bars of eight symbols, made of recorded ones; on other channels the quote as ``value``."""
    recorded = quotes()
    days = list(dict.fromkeys(event["ts"] for event in recorded))
    prices = {sid: [event for event in recorded if event["sid"] == sid] for sid in SYMBOLS[:2]}
    length = days[-1] - days[0] + 86_400 * 10**9
    events: list[dict[str, Any]] = []
    for number in range(2 * len(days)):
        turn, day = divmod(number, len(days))
        ts = days[day] + turn * length
        for place, sid in enumerate(SYMBOLS):
            # Each symbol has a course of its own: one of the two, begun at another day, and of another height.
            bar = prices[SYMBOLS[place % 2]][(day + 17 * (place // 2)) % len(days)]
            factor = 1 + place // 2 / 4
            priced = {name: round(bar[name] * factor, 4) for name in ("quote", "open", "high", "low", "close")}
            start = ts - (bar["ts"] - bar["start"])
            events.append({**bar, **priced, "sid": sid, "start": start, "ts": ts})
            said = {"sid": sid, "value": priced["quote"], "ts": ts}
            events += [{"channel": channel, **said} for channel in channels if channel != DEFAULT_CHANNEL]
    return events


def course(kind: str, checked: Contract) -> Iterator[Said]:
    """Yield the answers of a part on that market and the records that they cause, in order.

    Args:
        kind: the part's kind; of one that decides nothing, nothing is given.
        checked: its contract, with the part and its parameters.
    """
    part: Choice = (checked.factory, checked.params)
    if kind == "indicator":
        yield from _messages(checked)
    elif kind in ("algorithm", "portfolio", "risk"):
        chosen: dict[str, Any] = {"algorithm": Crowd, kind: part}
        if kind == "risk":
            chosen = {"algorithm": Crowd, "risks": [part]}
        engine = strategy_of(**chosen)
        for event in crowd(engine.channels):
            for record in engine.step(event):
                yield Said(_named(event), msgspec.json.encode({**record, "problem": None}).decode())
    elif (given := getattr(checked, {"source": "events", "instruments": "rows"}.get(kind, ""), None)) is not None:
        for number, each in enumerate(given()):
            yield Said(f"number {number + 1}", repr(each))


def _messages(checked: Contract) -> Iterator[Said]:
    made = checked.make()
    channels = (DEFAULT_CHANNEL,) if made.answer is None else tuple(made.answer)
    for event in crowd(channels):
        if event["channel"] in channels and (outcome := made.live.event(event)) is not None:
            for answer in answers(outcome):
                yield Said(_named(event), repr(answer))


def _named(event: dict[str, Any]) -> str:
    return f"{event['sid']} at {event.get('quote', event.get('value'))}"
