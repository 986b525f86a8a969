"""``intuition trade``: the executor that carries a session's orders to a venue."""

import logging
import signal
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import click

from intuition_core.cli.logs import set_up_logging
from intuition_core.cli.options import Seconds, config_option, key_and_value, rpc_address, verbose_option
from intuition_core.config.loading import Config, load_config
from intuition_core.errors import BackendLost, IntuitionError, VenueUnavailable
from intuition_core.system.backoff import Backoff

T = TypeVar("T")

_log: Final = logging.getLogger(__name__)


class NotLive(IntuitionError):
    """Trading with real orders that was not asked for in so many words."""

    def __init__(self, account: str, problem: str) -> None:
        self.account = account
        self.problem = problem
        super().__init__(f"{problem}: orders would be placed on the account `{account}`; say --live {account} to do so")


@click.command()
@click.option("--broker", metavar="NAME", help="The broker: a plugin's name.")
@click.option("--rpc", "addr", metavar="ADDRESS", help="The session (default tcp://127.0.0.1:4242).")
@click.option("--key", metavar="FILE", help="Our secret key, for a session that wants keys.")
@click.option("--server-key", metavar="KEY", help="That session's public key, as text or as a file.")
@click.option("--live", metavar="ACCOUNT", help="Place orders on this account; its name is what the broker calls it.")
@click.option("--param", "params", multiple=True, metavar="KEY=VALUE", help="A parameter of the broker.")
@click.option("--state", type=click.Path(path_type=Path), help="The file of what must not be forgotten.")
@config_option
@click.option("--timeout", type=Seconds(), default=10.0, show_default=True, help="Seconds to wait for the session.")
@click.option("--log-format", type=click.Choice(["text", "json"]), default="text", help="How to write logs.")
@verbose_option
def trade(
    *,
    broker: str | None,
    addr: str | None,
    key: str | None,
    server_key: str | None,
    live: str | None,
    params: tuple[str, ...],
    state: Path | None,
    config: Path | None,
    timeout: float,
    log_format: str,
    verbose: int,
) -> None:
    """Carry a session's orders to a venue, and what the venue says back.

    The session is one of a configuration whose [broker] has mode = "live". Nothing is sent before all that the venue
    has done meanwhile is told, and nothing that is older than `max_age`. Secrets of the venue come from files or the
    environment, never from flags.
    """
    log = set_up_logging(log_format, verbose)
    given = {"broker.name": broker, "rpc.addr": addr, "rpc.key": key, "rpc.server_key": server_key}
    settings = _settings(config, dict(map(key_and_value, params)), given)
    table = settings.values.broker
    if table is None:
        raise click.UsageError("no broker: name one with --broker, or in the table [broker] of the configuration")

    from intuition_core.config.compose import broker as make_broker
    from intuition_core.executor.executor import Executor
    from intuition_core.executor.router import OrderRouter, check_broker
    from intuition_core.executor.store import Store
    from intuition_core.params.durations import read_duration
    from intuition_core.plugins.catalogue import discover
    from intuition_core.rpc.client import Client
    from intuition_core.system.folders import data_folder

    rpc = settings.values.rpc
    part = make_broker(settings, discover(blocked=settings.values.plugins.blocked))
    check_broker(table.name, part)
    traits = _answered(part.traits)
    if live != traits.account:
        raise NotLive(traits.account, "--live is not given" if live is None else f"--live names {live}")
    connect = partial(Client, rpc.addr, timeout=timeout, key=rpc.key, server_key=rpc.server_key)
    with connect() as asked:
        session = _answered(lambda: asked.call("describe"))["session"]
    path = state or data_folder() / "executors" / f"{session}.{table.name}.db"
    store = Store(path)
    try:
        name, max_age = f"executor:{table.name}", read_duration(table.max_age)
        router = OrderRouter(part, store, name=name, max_age=max_age)
        executor = Executor(router, connect, after=store.value("taken"), listen=getattr(part, "listen", None))
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: executor.stop())
        executor.run()
    finally:
        store.close()
        if callable(close := getattr(part, "close", None)):
            close()
    log.info("stopped: executor of %s", session)


def _settings(file: Path | None, params: Mapping[str, str], given: Mapping[str, str | None]) -> Config:
    """Return the configuration with what flags say.

    Args:
        file: the file of the configuration.
        params: parameters of the broker.
        given: other keys, and what flags say of them.

    Raises:
        BadConfiguration: something of it makes no sense.
    """
    flags = {**{f"broker.params.{name}": value for name, value in params.items()}, **given}
    spelled = {f"broker.params.{name}": f"--param {name}" for name in params}
    settings = load_config(file, flags=flags, spelled={**spelled, "rpc.addr": "--rpc", "broker.name": "--broker"})
    rpc_address(settings)
    return settings


def _answered(ask: Callable[[], T]) -> T:
    """Return the answer to a question that is asked until it is answered: who is asked may start later."""
    waits = Backoff(longest=5.0)
    while True:
        try:
            return ask()
        except (BackendLost, VenueUnavailable) as error:
            if waits.fresh:
                _log.warning("%s; it is asked again until there is an answer", error)
            time.sleep(waits.next())
