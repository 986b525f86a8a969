"""How records look to a person, and to a program that reads lines."""

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, TextIO

import msgspec

from intuition_core.account.amounts import ROUNDING
from intuition_core.supervision.outlet import Outlet
from intuition_core.system.printable import escaped, on_one_line
from intuition_core.trading.records import Record, ends_an_order

_log = logging.getLogger(__name__)

_CENT: Final = Decimal("0.01")
_MINUTE: Final = 60 * 10**9
_EPOCH: Final = datetime.fromtimestamp(0, UTC)


def sentence(record: Mapping[str, Any]) -> str:
    """Return one record as a sentence: ``buying 4213.07 of GOOG at 345``."""
    sid = record["sid"]
    match record["type"]:
        case "decision":
            at = _terms(record)
            if record.get("short"):
                verb = "buying back" if record["side"] == "buy" else "selling short"
                return f"{verb} {record['quantity']} {sid} {at}"
            verb = "buying" if record["side"] == "buy" else "selling"
            return f"{verb} {_cash(record['cash'])} of {sid} {at}"
        case "fill":
            verb = "bought" if record["side"] == "buy" else "sold"
            profit = f", profit {_cash(record['profit'])}" if "profit" in record else ""
            return f"{verb} {record['quantity']} {sid} at {_price(record['price'])} for {_cash(record['cash'])}{profit}"
        case "rejection":
            if "side" not in record:
                return f"refused: {record['reason']}"
            verb = "buying" if record["side"] == "buy" else "selling"
            if ends_an_order(record):
                return f"no longer {verb} {sid}: {record['reason']}"
            return f"not {verb} {sid}: {record['reason']}"
        case "message":
            return f"{record['channel']}: {record['data']}"
        case "control":
            return _decided(record)
        case "action":
            cash = f", {_cash(record['cash'])} in cash" if record["cash"] != "0" else ""
            what = f"{record['ratio']} split" if record["action"] == "split" else f"dividend of {record['amount']}"
            return f"{what} of {sid}: {record['after']} held by {record['algorithm']}, were {record['before']}{cash}"
        case "cancel":
            return f"cancelling the order {record['order']} of {sid}: {record['reason']}"
        case "execution":
            return _said(record)
        case _:
            return f"failed: {record['problem']}"


def _said(record: Mapping[str, Any]) -> str:
    """Return what a venue has said."""
    match record["execution"]:
        case "taken":
            return f"the venue has taken the order {record['order']} of {record['sid']}"
        case "unknown":
            return f"whether the venue has the order {record['order']} is not known: {record['reason']}"
        case "account":
            cash = ", ".join(f"{_cash(amount)} {currency}" for currency, amount in record["cash"].items())
            outside = "".join(f", {units} {sid}" for sid, units in record["outside"].items())
            return f"the venue's account holds {cash}; beside the session's ledgers{outside or ' no units'}"
        case "foreign":
            verb = "bought" if record["side"] == "buy" else "sold"
            traded = f"{record['quantity']} {record['sid']} at {record['price']}"
            return f"{verb} {traded} without an order of the session; it is booked outside"
        case _:
            booked = "; the difference is booked outside" if record["booked"] else ""
            return f"the venue holds {record['venue']} {record['of']}, and the books {record['books']}{booked}"


def _terms(record: Mapping[str, Any]) -> str:
    """Return the terms of an order: its price, as ``at 345`` or ``limit 340``, and its protection."""
    prices = [f"{name} {_price(record[name])}" for name in ("stop", "limit") if record.get(name) is not None]
    words = " ".join(prices) or f"at {_price(record['quote'])}"
    for name in ("stop_loss", "take_profit"):
        if record.get(name) is not None:
            words += f", {name.replace('_', ' ')} {_price(record[name])}"
    return words


class Console:
    """Writes records to a stream as they happen, as sentences or as JSON lines.

    It raises nothing and waits for nobody: see `Outlet`. A reader that goes away is no error.

    Args:
        stream: where to.
        json: as JSON lines rather than as sentences, each of which begins with its time, UTC.
        messages: whether messages of parts are written, too.
        equity: gives the equity, which is told after fills, at most once a minute by the time of events.
    """

    def __init__(
        self,
        stream: TextIO,
        *,
        json: bool = False,
        messages: bool = False,
        equity: Callable[[], str] | None = None,
    ) -> None:
        self._outlet = Outlet(stream, told=_tell_trouble)
        self._json = json
        self._equity = equity
        self._told_at: int | None = None
        # What a part did wrong is in the log, on standard error, with the event and, if asked for, the line.
        self._left_out = {"error"} if messages else {"error", "message"}

    def __call__(self, records: Sequence[Record]) -> None:
        """Write the records of one delivery."""
        if self._json:
            lines = [escaped(msgspec.json.encode(record).decode()) for record in records]
        else:
            lines = [_line(record) for record in records if record["type"] not in self._left_out]
            lines += self._told_equity(records)
        if lines:
            self._outlet.write("\n".join(lines) + "\n")

    def close(self) -> None:
        """Wait, within a bound, until what was told is written."""
        self._outlet.close()

    def _told_equity(self, records: Sequence[Record]) -> list[str]:
        """Write the equity after a fill, at most once a minute by the time of events."""
        filled = [record["ts"] for record in records if record["type"] == "fill"]
        if self._equity is None or not filled:
            return []
        if self._told_at is not None and 0 <= filled[-1] - self._told_at < _MINUTE:
            return []
        self._told_at = filled[-1]
        return [f"{_time(filled[-1])} equity {_cash(self._equity())}"]


def _tell_trouble(problem: str) -> None:
    _log.warning("standard output: %s; the journal has every record", problem)


def _line(record: Record) -> str:
    """Return a record as one line; of one that cannot be told, its type and its number."""
    try:
        return f"{_time(record['ts'])} {on_one_line(sentence(record))}"
    except Exception as error:  # noqa: BLE001  # it is committed, and the others are told
        return f"{record['type']} {record['id']} cannot be told: {type(error).__name__}"


def _time(ts: int) -> str:
    return (_EPOCH + timedelta(seconds=ts // 10**9)).strftime("%Y-%m-%d %H:%M:%S")


def _decided(record: Mapping[str, Any]) -> str:
    match record["action"]:
        case "kill":
            return f"kill switch on ({record['by']}): {record['reason']}"
        case "clear":
            return f"kill switch off ({record['by']}): {record['reason']}"
        case "swap":
            plugin, old = record["after"], record["before"]
            state = ", which goes on from its state" if record["keep_state"] else ""
            return (
                f"swapped ({record['by']}): {record['kind']} {record['name']} is {_origin(record['use'], plugin)} now, "
                f"was {_origin(old['name'], old)}{state}"
            )
        case "rules":
            return f"orders fill by rules {record['rules']} from now on, and by rules {record['before']} before"
        case "upgrade":
            old, new = record["before"], record["after"]
            place = f"{record['kind']} {record['name']} ({old['distribution']})"
            return f"upgraded ({record['by']}): {place} goes on as {new['version']}, was {old['version']}"
        case _:
            moved = ", ".join(f"{name} {amount}" for name, amount in record["moved"].items()) or "nothing"
            return f"capital moved ({record['by']}): {moved}"


def _origin(name: str, part: Mapping[str, Any]) -> str:
    name = name.rpartition(":")[2]
    return f"{name} ({part['distribution']} {part['version']})" if part["distribution"] else name


def _cash(amount: str) -> str:
    cents = Decimal(amount).quantize(_CENT, context=ROUNDING)
    return amount if not cents and Decimal(amount) else f"{cents}"


def _price(price: float) -> str:
    return f"{price:.0f}" if price == int(price) else repr(price)
