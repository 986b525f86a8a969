"""The doors of a venue: HTTP and websockets on loopback, with faults in front of all requests but the venue's own."""

import asyncio
import errno
import ipaddress
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, Final, Protocol

import msgspec
from aiohttp import web

from intuition_venue.admin import Admin
from intuition_venue.errors import NotLoopback, PortTaken
from intuition_venue.faults import Fault
from intuition_venue.venue import Venue

_LOCAL: Final = ("127.0.0.1", "localhost", "[::1]")
_HTML: Final = "<html><head><title>503 Service Temporarily Unavailable</title></head><body>nginx</body></html>"
_LONGEST_HANG: Final = 3600.0

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Shape(Protocol):
    """An interface of the venue: its routes, streams and limits.

    Attributes:
        places: the scheme and the path of each of its addresses, by name.
    """

    places: Mapping[str, tuple[str, str]]

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of the protocol."""

    def listen(self) -> None:
        """Hear the exchange, also after a restart."""

    def set_limits(self, limits: dict[str, int]) -> None:
        """Set how much clients may ask.

        Raises:
            BadSetting: a limit that there is not.
        """


class Server:
    """Serves a venue in its shape. Only loopback addresses are listened on."""

    def __init__(self, venue: Venue, shape: Shape) -> None:
        self.venue = venue
        self._shape = shape
        self._runner: web.AppRunner | None = None
        shape.listen()

    async def start(self, host: str, port: int) -> int:
        """Listen; return the port, which is chosen where 0 is asked for.

        Raises:
            NotLoopback: others could reach the address.
            PortTaken: another program listens there, or it may not be listened on.
        """
        try:
            local = ipaddress.ip_address(host).is_loopback
        except ValueError:
            local = False
        if not local:
            raise NotLoopback(host)
        app = web.Application(middlewares=[_only_local, self._faulty], client_max_size=1 << 20)
        app.add_routes([*self._shape.routes(), *self._admin().routes()])
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=0.2)
        await self._runner.setup()
        try:
            site = web.TCPSite(self._runner, host, port)
            await site.start()
        except OSError as error:
            await self._runner.cleanup()
            problem = "another program listens there" if error.errno == errno.EADDRINUSE else error.strerror
            raise PortTaken(host, port, problem or str(error)) from None
        return int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        """Hang up on everyone and listen no more."""
        self.venue.streams.abort()
        if self._runner is not None:
            await self._runner.cleanup()
        self.venue.close()

    def addresses(self, host: str, port: int) -> dict[str, str]:
        """Return the addresses of the venue's interfaces, by what they are for."""
        return {name: f"{scheme}://{host}:{port}{path}" for name, (scheme, path) in self._shape.places.items()}

    def _admin(self) -> Admin:
        return Admin(self.venue, self._shape.set_limits, self._shape.listen)

    @web.middleware
    async def _faulty(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path.startswith("/_venue"):
            return await handler(request)
        if self.venue.clock.now() < self.venue.down_until:
            return _hang_up(request)
        fault = self.venue.faults.strike(f"{request.method} {request.path}")
        if fault is None:
            return await handler(request)
        answer = await handler(request) if fault.acted or fault.do in {"truncate", "cut", "empty"} else None
        return await self._wrong(request, handler, fault, answer)

    async def _wrong(
        self, request: web.Request, handler: Handler, fault: Fault, answer: web.StreamResponse | None
    ) -> web.StreamResponse:
        """Do what a fault does to a request, which has been answered already where it is `acted`."""
        body = answer.body if isinstance(answer, web.Response) and isinstance(answer.body, bytes) else b""
        match fault.do:
            case "lose":
                return _hang_up(request)
            case "hang":
                with suppress(TimeoutError):
                    await asyncio.wait_for(_gone(request), _LONGEST_HANG)
                return _hang_up(request)
            case "status":
                html = fault.body is None or fault.body.startswith("<")
                content = _HTML if fault.body is None else fault.body
                kind = "text/html" if html else "application/json"
                return web.Response(text=content, status=fault.status, headers=fault.headers, content_type=kind)
            case "truncate":
                return web.Response(body=body[: len(body) // 2], content_type="application/json")
            case "empty":
                return web.Response(
                    body=msgspec.json.encode(_emptied(msgspec.json.decode(body))), content_type="application/json"
                )
            case "cut":
                part = web.StreamResponse(
                    headers={"Content-Length": str(len(body)), "Content-Type": "application/json"}
                )
                await part.prepare(request)
                await part.write(body[: len(body) // 2])
                return _hang_up(request)
        await asyncio.sleep(fault.seconds)
        return answer if answer is not None else await handler(request)


@web.middleware
async def _only_local(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse requests that a page in a browser has sent here under another machine's name."""
    host = request.host.rsplit(":", 1)[0] if not request.host.endswith("]") else request.host
    if host not in _LOCAL or "Origin" in request.headers:
        return web.Response(status=403, text="this venue answers programs of this machine alone\n")
    return await handler(request)


def _hang_up(request: web.Request) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def _gone(request: web.Request) -> None:
    while request.transport is not None and not request.transport.is_closing():
        await asyncio.sleep(0.05)


def _emptied(value: Any) -> Any:
    """Return a JSON value with all its arrays empty."""
    if isinstance(value, list):
        return []
    if isinstance(value, dict):
        return {key: _emptied(each) for key, each in value.items()}
    return value
