"""``intuition serve``: a session over zerorpc."""

import logging
import signal
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from intuition_core.archive import held, session_file
from intuition_core.cli.logs import set_up_logging
from intuition_core.cli.options import config_option, verbose_option
from intuition_core.config import Config, load_config, text_value
from intuition_core.errors import IntuitionError
from intuition_core.journal import Journal

if TYPE_CHECKING:
    from intuition_core.service import Service


@click.command()
@click.option("--algo", metavar="NAME", help="The algorithm: a plugin's name, or distribution:name.")
@click.option("--portfolio", metavar="NAME", help="The portfolio; `naive` where none is named.")
@click.option("--param", "params", multiple=True, metavar="KEY=VALUE", help="A parameter of a part, or of the core.")
@click.option("--cash", metavar="AMOUNT", help="What the account starts with, in its currency (default 10000).")
@click.option("--seed", type=int, metavar="N", help="Makes every draw repeatable.")
@click.option("--session", metavar="NAME", help="The session's name (default: <algorithm>-<portfolio>).")
@click.option("--journal", metavar="FILE", help="Where the session is kept (default: a file named after it).")
@click.option("--no-journal", is_flag=True, help="Keep the session in memory alone; it ends with the process.")
@click.option(
    "--durability",
    type=click.Choice(["process", "power"]),
    help="What a commit survives: the process's end (default), or the machine's power as well.",
)
@click.option("--addr", metavar="ADDRESS", help="Where to serve (default tcp://127.0.0.1:4242).")
@click.option("--key", metavar="FILE", help="The server's secret key; then only allowed clients may call.")
@click.option("--clients", metavar="FOLDER", help="The public keys of the clients that may call.")
@config_option
@click.option(
    "--log-format", type=click.Choice(["text", "json"]), default="text", help="How records and logs are written."
)
@verbose_option
@click.option("--insecure", is_flag=True, help="Allow an address that other machines can reach, without keys.")
def serve(
    *,
    algo: str | None,
    portfolio: str | None,
    params: tuple[str, ...],
    cash: str | None,
    seed: int | None,
    session: str | None,
    journal: str | None,
    no_journal: bool,
    durability: str | None,
    addr: str | None,
    key: str | None,
    clients: str | None,
    config: Path | None,
    log_format: str,
    verbose: int,
    insecure: bool,
) -> None:
    """Serve an algorithm and a portfolio as a session.

    The session is kept in a journal, and the same command goes on with it. Decisions go to standard output, as
    sentences or (--log-format json) as JSON lines; everything else to standard error. Ctrl-C finishes the call in
    flight and ends.
    """
    began = time.monotonic()
    log = set_up_logging(log_format, verbose)
    settings = load_config(
        config,
        flags={
            "algorithm.name": algo,
            "portfolio.name": portfolio,
            "cash": cash,
            "seed": seed,
            "session": session,
            "journal.path": journal,
            "journal.enabled": False if no_journal else None,
            "journal.durability": durability,
            "rpc.addr": addr,
            "rpc.key": key,
            "rpc.clients": clients,
        },
        flat=dict(map(key_and_value, params)),
    )

    import gevent

    from intuition_core.console import Console
    from intuition_core.hooks import Hooks
    from intuition_core.plugins import discover
    from intuition_core.rpc.server import Server
    from intuition_core.service import Service

    rpc = settings.values.rpc
    catalogue = discover(blocked=settings.values.plugins.blocked)
    listening = [(name, catalogue.load("hooks", name)) for name in settings.values.hooks.enabled]
    with ExitStack() as stack:
        service = Service(settings, catalogue, journal=_journal(settings, stack))
        stack.callback(service.close)
        name = service.session.name
        hooks = Hooks(name, listening)
        service.session.listen(Console(sys.stdout, json=log_format == "json", messages=verbose > 0))
        service.session.listen(hooks)
        server = stack.enter_context(Server(service.methods(), name=name, key=rpc.key, clients=rpc.clients))
        address = server.bind(rpc.addr, insecure=insecure)
        for number in (signal.SIGINT, signal.SIGTERM):
            stack.callback(gevent.signal_handler(number, server.stop).cancel)
        hooks.session_started(service.describe())
        _tell_recovery(log, service, time.monotonic() - began)
        log.info(
            "ready: session %s serves %s at %s, cash %s", name, _composed(service), address, service.account()["cash"]
        )
        server.run()
        hooks.session_finished()
        log.info("stopped: session %s after %d events", name, service.session.last_seq)


def _journal(settings: Config, stack: ExitStack) -> Callable[[str], Journal] | None:
    """Say how to open the session's journal, and hold its file for this process."""
    table = settings.values.journal
    if not table.enabled:
        return None

    def open_journal(name: str) -> Journal:
        path = Path(table.path) if table.path else session_file(name)
        stack.enter_context(held(path))
        return Journal(path, durability=table.durability)

    return open_journal


def _tell_recovery(log: logging.Logger, service: "Service", seconds: float) -> None:
    kept = service.journal
    if kept is None:
        log.info("no journal: the session is in memory and ends with this process")
        return
    log.info("journal %s, durability %s", kept.path, kept.durability)
    recovery = service.recovery
    if recovery.last_seq:
        log.info(
            "recovered %d events in %.1f s: a snapshot at event %d, %d events replayed",
            recovery.last_seq,
            seconds,
            recovery.snapshot,
            recovery.replayed,
        )


class BadFlag(IntuitionError):
    """A flag's value that cannot be taken apart."""

    def __init__(self, flag: str, text: str) -> None:
        self.flag = flag
        self.text = text
        super().__init__(f"{flag} {text}: expected KEY=VALUE, such as threshold=0.7 or algorithm.threshold=0.7")


def key_and_value(text: str) -> tuple[str, Any]:
    """Take a ``--param`` apart.

    Raises:
        BadFlag: it has no key or no ``=``.
    """
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise BadFlag("--param", text)
    return key.strip(), text_value(value)


def _composed(service: "Service") -> str:
    line = service.session.strategy.composition.lines[0]
    return f"{line.algorithm.name} with {line.portfolio.name}"
