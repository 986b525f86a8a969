"""``intuition serve``: a session over zerorpc."""

import sys
from pathlib import Path
from typing import Any

import click

from intuition_core.cli.logs import set_up_logging
from intuition_core.cli.options import config_option, verbose_option
from intuition_core.config import load_config, text_value
from intuition_core.errors import IntuitionError


@click.command()
@click.option("--algo", metavar="NAME", help="The algorithm: a plugin's name, or distribution:name.")
@click.option("--portfolio", metavar="NAME", help="The portfolio; `naive` where none is named.")
@click.option("--param", "params", multiple=True, metavar="KEY=VALUE", help="A parameter of a part, or of the core.")
@click.option("--cash", metavar="AMOUNT", help="What the account starts with, in its currency (default 10000).")
@click.option("--seed", type=int, metavar="N", help="Makes every draw repeatable.")
@click.option("--session", metavar="NAME", help="The session's name (default: <algorithm>-<portfolio>).")
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
    addr: str | None,
    key: str | None,
    clients: str | None,
    config: Path | None,
    log_format: str,
    verbose: int,
    insecure: bool,
) -> None:
    """Serve an algorithm and a portfolio as a session.

    Decisions go to standard output, as sentences or (--log-format json) as JSON lines; everything else to standard
    error. Ctrl-C finishes the call in flight and ends.
    """
    log = set_up_logging(log_format, verbose)
    settings = load_config(
        config,
        flags={
            "algorithm.name": algo,
            "portfolio.name": portfolio,
            "cash": cash,
            "seed": seed,
            "session": session,
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
    listeners: list[Any] = [Console(sys.stdout, json=log_format == "json", messages=verbose > 0)]
    service = Service(settings, catalogue, listeners=listeners)
    hooks = Hooks(service.session.name, listening)
    listeners.append(hooks)
    with Server(service.methods(), name=service.session.name, key=rpc.key, clients=rpc.clients) as server:
        address = server.bind(rpc.addr, insecure=insecure)
        handlers = [gevent.signal_handler(number, server.stop) for number in _ending_signals()]
        hooks.session_started(service.describe())
        log.info(
            "ready: session %s serves %s at %s, cash %s",
            service.session.name,
            _composed(service),
            address,
            service.account()["cash"],
        )
        server.run()
        for handler in handlers:
            handler.cancel()
    hooks.session_finished()
    log.info("stopped: session %s after %d events", service.session.name, service.session.last_seq)


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


def _ending_signals() -> tuple[int, int]:
    import signal

    return signal.SIGINT, signal.SIGTERM


def _composed(service: Any) -> str:
    line = service.session.strategy.composition.lines[0]
    return f"{line.algorithm.name} with {line.portfolio.name}"
