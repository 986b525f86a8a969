"""What a test or a person asks of the venue itself, below `/_venue`: prices, faults, transfers, restarts."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

import msgspec
from aiohttp import web

from intuition_venue.book import LEVELS
from intuition_venue.errors import BadSetting, Refused
from intuition_venue.faults import read_faults
from intuition_venue.venue import ACCOUNT, Venue

_LARGEST: Final = 10**9
_SECOND: Final = 1_000_000_000


class _Price(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    symbol: str
    price: Decimal
    bid: Decimal | None = None
    ask: Decimal | None = None
    size: Decimal | None = None
    levels: int | None = None


class _Transfer(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    asset: str
    amount: Decimal


class _Bust(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    symbol: str
    trade: int


class _Cancel(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    symbol: str
    order: int


class _Manual(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    symbol: str
    side: str
    quantity: Decimal
    price: Decimal | None = None


class _Clock(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    skew_ms: int


class _Steps(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    steps: int = 1


class _Down(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    seconds: float = 0.0


class _Cancels(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    wait: bool


class _Fees(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    asset: str | None


class Admin:
    """The venue's own requests. `limits` sets how much clients may ask; `restarted` is called after a restart."""

    def __init__(self, venue: Venue, limits: Callable[[dict[str, int]], None], restarted: Callable[[], None]) -> None:
        self._venue = venue
        self._limits = limits
        self._restarted = restarted

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of all requests to the venue itself."""
        posts = {
            "price": self._price,
            "step": self._step,
            "clock": self._clock,
            "transfer": self._transfer,
            "bust": self._bust,
            "order": self._order,
            "cancel": self._cancel,
            "cancels": self._cancels,
            "close": self._close,
            "fees": self._fees,
            "limits": self._set_limits,
            "restart": self._restart,
            "faults": self._fault,
        }
        return [
            web.get("/_venue", self._show),
            web.delete("/_venue/faults", self._heal),
            *(web.post(f"/_venue/{name}", _answering(act)) for name, act in posts.items()),
        ]

    async def _show(self, _: web.Request) -> web.Response:
        venue, state = self._venue, self._venue.exchange.state
        books = {symbol: {"last": str(book.last), "number": book.number} for symbol, book in state.books.items()}
        account = state.accounts[ACCOUNT]
        balances = {asset: f"{amount.normalize():f}" for asset, amount in account.total.items()}
        told = {"shape": venue.settings.shape, "seed": venue.settings.seed, "run": state.run, "time": venue.clock.now()}
        told |= {"symbols": books, "balances": balances, "log": str(venue.settings.log), "faults": venue.faults.told()}
        return _json(told)

    async def _heal(self, _: web.Request) -> web.Response:
        self._venue.faults.clear()
        return _json({})

    def _price(self, data: bytes) -> None:
        given = _read(data, list[_Price] | _Price)
        for each in given if isinstance(given, list) else [given]:
            if each.symbol not in self._venue.exchange.state.instruments:
                raise BadSetting("price", f"{each.symbol} is not traded here")
            if not 0 < each.price <= _LARGEST or (each.size is not None and each.size < 0):
                raise BadSetting("price", f"a price is above zero and at most {_LARGEST:,}, a size not below zero")
            levels = each.levels if each.levels is not None else (LEVELS if each.size is None else 1)
            self._venue.exchange.price(
                each.symbol, each.price, bid=each.bid, ask=each.ask, size=each.size, levels=levels
            )

    def _step(self, data: bytes) -> None:
        for _ in range(_read(data or b"{}", _Steps).steps):
            self._venue.step()

    def _clock(self, data: bytes) -> None:
        self._venue.clock.skew = _read(data, _Clock).skew_ms * 1_000_000

    def _transfer(self, data: bytes) -> None:
        wanted = _read(data, _Transfer)
        self._venue.exchange.transfer(ACCOUNT, wanted.asset, wanted.amount)

    def _bust(self, data: bytes) -> None:
        wanted = _read(data, _Bust)
        self._venue.exchange.bust(wanted.symbol, wanted.trade)

    def _order(self, data: bytes) -> dict[str, Any]:
        wanted, exchange = _read(data, _Manual), self._venue.exchange
        if wanted.symbol not in exchange.state.instruments or wanted.side not in {"buy", "sell"}:
            raise BadSetting("order", f"{wanted.side} {wanted.symbol} is no order that can be placed here")
        order = exchange.order(
            symbol=wanted.symbol,
            account=ACCOUNT,
            client_id=f"web_{exchange.clock.now():x}",
            side=wanted.side,
            kind="market" if wanted.price is None else "limit",
            quantity=wanted.quantity,
            price=wanted.price,
        )
        exchange.submit(order)
        return {"order": order.id, "client_id": order.client_id}

    def _cancel(self, data: bytes) -> None:
        wanted, exchange = _read(data, _Cancel), self._venue.exchange
        order = exchange.state.orders.get((wanted.symbol, wanted.order))
        if order is None:
            raise BadSetting("cancel", f"there is no order {wanted.order} of {wanted.symbol}")
        exchange.cancel(order, reason="venue")

    def _cancels(self, data: bytes) -> None:
        self._venue.exchange.cancels_wait = _read(data, _Cancels).wait
        if not self._venue.exchange.cancels_wait:
            self._venue.exchange.settle()

    def _close(self, _: bytes) -> None:
        self._venue.exchange.expire("day")

    def _fees(self, data: bytes) -> None:
        self._venue.exchange.fee_asset = _read(data, _Fees).asset

    def _set_limits(self, data: bytes) -> None:
        self._limits(_read(data, dict[str, int]))

    def _restart(self, data: bytes) -> None:
        seconds = _read(data or b"{}", _Down).seconds
        self._venue.restart()
        self._venue.down_until = self._venue.clock.now() + round(seconds * _SECOND)
        self._restarted()

    def _fault(self, data: bytes) -> None:
        self._venue.faults.add(read_faults(data, "faults"))


def _read(data: bytes, kind: Any) -> Any:
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.MsgspecError as error:
        raise BadSetting("request", str(error)) from None


def _answering(act: Callable[[bytes], dict[str, Any] | None]) -> Callable[[web.Request], Any]:
    async def answer(request: web.Request) -> web.Response:
        try:
            return _json(act(await request.read()) or {})
        except (BadSetting, Refused) as error:
            return _json({"error": str(error)}, status=400)

    return answer


def _json(value: Any, *, status: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), status=status, content_type="application/json")
