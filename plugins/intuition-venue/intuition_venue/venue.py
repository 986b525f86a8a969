"""A venue without its doors: exchange, clock, prices, faults and keys, made from a log or begun anew."""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Final

from intuition_venue.clock import Clock
from intuition_venue.errors import BadLog
from intuition_venue.exchange import Event, Exchange, Rules
from intuition_venue.faults import Faults
from intuition_venue.instruments import BALANCES, Instrument
from intuition_venue.log import Log
from intuition_venue.streams import Streams
from intuition_venue.tape import Print, Tape, next_price

RULES: Final = {
    "spot": Rules(maker_fee=Decimal("0.001"), taker_fee=Decimal("0.001")),
    "stocks": Rules(client_ids="ever", market_rests=True, reduces=True, mate_status="cancelled"),
}
"""In what the shapes differ."""

ACCOUNT: Final = "practice"
"""The account that the keys open."""

Listener = Callable[[Event, Print | None], None]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of a venue. The seed decides its prices; keys are those of its one account."""

    shape: str
    instruments: tuple[Instrument, ...]
    log: Path
    seed: int = 0
    key: str = "practice-key"
    secret: str = field(default="practice-secret", repr=False)
    balances: Mapping[str, Decimal] | None = None


class Venue:
    """The venue without its interfaces: exchange, tape, streams, faults and log.

    Raises:
        BadLog: the log is of another shape, seed or set of symbols.
        LogInUse: another venue writes it.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.clock = Clock()
        self.faults = Faults(settings.seed)
        self.streams = Streams(self.faults)
        self.listeners: list[Listener] = []
        self.down_until = 0
        self._log = Log(settings.log)
        try:
            self._start()
        except BaseException:
            self._log.close()
            raise

    def restart(self) -> None:
        """Hang up on everyone, forget everything, and begin again from the log."""
        self.streams.abort()
        self.listeners.clear()
        self._log.close()
        self._log = Log(self.settings.log)
        self._start()

    def step(self) -> None:
        """Move each symbol to its next price."""
        for symbol, instrument in self.exchange.state.instruments.items():
            book = self.exchange.state.books[symbol]
            last, size = next_price(self.settings.seed, instrument, book.last, book.number)
            self.exchange.price(symbol, last, size=size)

    def close(self) -> None:
        """Close all connections and the log."""
        self.streams.abort()
        self._log.close()

    def _start(self) -> None:
        settings = self.settings
        self.exchange = Exchange(settings.instruments, RULES[settings.shape], self._log, self.clock)
        self.tape = Tape(self.exchange.state, settings.seed)
        known = self._recover()
        self.exchange.listeners.append(self._hear)
        with self.exchange.action():
            if known:
                self.exchange.emit("restarted")
                self.exchange.settle()
                return
            symbols = [each.symbol for each in settings.instruments]
            run = secrets.token_hex(8)
            self.exchange.emit("opened", run=run, shape=settings.shape, seed=settings.seed, symbols=symbols)
            balances = BALANCES[settings.shape] if settings.balances is None else settings.balances
            for asset, amount in balances.items():
                self.exchange.transfer(ACCOUNT, asset, amount)
            for instrument in settings.instruments:
                self.exchange.price(instrument.symbol, instrument.start)

    def _recover(self) -> bool:
        """Apply the entries of the log; return whether there were any."""
        known, settings = False, self.settings
        for entry in self._log.entries():
            if not known:
                wanted = {"type": "opened", "shape": settings.shape, "seed": settings.seed}
                wanted["symbols"] = [each.symbol for each in settings.instruments]
                for name, value in wanted.items():
                    if entry.get(name) != value:
                        problem = f"the venue that wrote it has {name} {entry.get(name)}, this one {value}"
                        raise BadLog(settings.log, 1, problem)
                known = True
            about = self.exchange.state.apply(entry)
            self.tape.hear(Event(entry, trade=about if entry["type"] == "filled" else None))  # type: ignore[arg-type]  # of `filled`, `apply` returns the trade
        return known

    def _hear(self, event: Event) -> None:
        made = self.tape.hear(event)
        for listener in self.listeners:
            listener(event, made)
