"""``intuition venue``: a trading venue on this machine, for practice and for tests."""

import asyncio
import os
import secrets
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from intuition_core.commands import verbose_option

if TYPE_CHECKING:
    from intuition_venue.server import Server
    from intuition_venue.venue import Venue

KEY: Final = "VENUE_KEY"
SECRET: Final = "VENUE_SECRET"  # noqa: S105  # the name of a variable


@click.command()
@click.option(
    "--shape", type=click.Choice(["spot", "stocks"]), default="spot", show_default=True, help="Whose interface."
)
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8750, show_default=True, help="Where to listen; 0: any port."
)
@click.option("--host", default="127.0.0.1", show_default=True, metavar="ADDRESS", help="A loopback address.")
@click.option("--seed", type=int, default=0, show_default=True, metavar="N", help="Decides the prices.")
@click.option(
    "--every",
    type=click.FloatRange(0),
    default=1.0,
    show_default=True,
    metavar="SECONDS",
    help="How often prices move; 0: only when told to.",
)
@click.option("--symbols", metavar="A,B=PRICE", help="What is traded, and at which first prices (default: all).")
@click.option(
    "--balance", "balances", multiple=True, metavar="ASSET=AMOUNT", help="What the account holds; repeatable."
)
@click.option(
    "--log",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="All that happens; the venue goes on with it (default: venue-SHAPE.jsonl).",
)
@click.option(
    "--faults", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Faults to come, as JSON."
)
@verbose_option
def venue(*, verbose: int, **options: Any) -> None:
    """Run a trading venue on this machine, for practice and for tests.

    It speaks as Binance's spot market or as Alpaca does, with money that is none and prices drawn from a seed. The keys
    of its account come from VENUE_KEY and VENUE_SECRET; without them they are made up and told.
    """
    from intuition_core.commands import set_up_logging

    set_up_logging(verbose=verbose)
    asyncio.run(_run(options))


async def _run(options: dict[str, Any]) -> None:
    from intuition_venue.faults import plan
    from intuition_venue.server import Server
    from intuition_venue.shapes import shape_of
    from intuition_venue.venue import Venue

    made = Venue(_settings(options))
    if options["faults"] is not None:
        made.faults.add(plan(options["faults"]))
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    server = Server(made, shape_of(made))
    try:
        port = await server.start(options["host"], options["port"])
        _tell(server, made, options["host"], port)
        moving = asyncio.create_task(_move(made, options["every"]))
        await stopped.wait()
        moving.cancel()
    finally:
        await server.stop()


def _settings(options: dict[str, Any]) -> Any:
    from intuition_venue.instruments import chosen
    from intuition_venue.venue import Settings

    shape = options["shape"]
    key, secret = os.environ.get(KEY), os.environ.get(SECRET)
    return Settings(
        shape=shape,
        instruments=chosen(shape, tuple(name for name in (options["symbols"] or "").split(",") if name)),
        log=options["log"] or Path(f"venue-{shape}.jsonl"),
        seed=options["seed"],
        key=key or f"practice{secrets.token_hex(12)}",
        secret=secret or secrets.token_hex(20),
        balances=_balances(options["balances"]),
    )


def _balances(texts: tuple[str, ...]) -> Any:
    from decimal import Decimal, InvalidOperation

    from intuition_venue.errors import BadSetting

    found = {}
    for text in texts:
        asset, _, number = text.partition("=")
        try:
            found[asset] = Decimal(number)
        except InvalidOperation:
            raise BadSetting("--balance", f"`{text}` is not like USD=1000") from None
        if not asset or not found[asset].is_finite() or found[asset] < 0:
            raise BadSetting("--balance", f"`{text}` is not like USD=1000")
    return found or None


def _tell(server: "Server", made: "Venue", host: str, port: int) -> None:
    """Print where the venue is, and with which keys; keys that were given are not repeated."""
    address = f"[{host}]" if ":" in host else host
    lines = [f"{name}: {url}" for name, url in server.addresses(address, port).items()]
    settings = made.settings
    if KEY not in os.environ:
        lines.append(f"key (made up; set {KEY} for your own): {settings.key}")
    if SECRET not in os.environ:
        lines.append(f"secret (made up; set {SECRET} for your own): {settings.secret}")
    lines.append(f"prices, faults and restarts: http://{address}:{port}/_venue; log: {settings.log}")
    lines.append(f"venue ready: {settings.shape} at http://{address}:{port}, {len(settings.instruments)} symbols")
    click.echo("\n".join(lines), err=True)


async def _move(made: "Venue", every: float) -> None:
    while every:
        await asyncio.sleep(every)
        made.step()
