"""``intuition connect``: a connector between a backend and the world."""

import signal
from pathlib import Path
from typing import Any

import click

from intuition_core.cli.logs import set_up_logging
from intuition_core.cli.options import Seconds, config_option, key_and_value, rpc_address, verbose_option
from intuition_core.config.loading import load_config


@click.command()
@click.option("--mqtt", "url", metavar="URL", help="The broker, for the mqtt connector: mqtt:// or mqtts://.")
@click.option("--rpc", "addr", metavar="ADDRESS", help="The backend (default tcp://127.0.0.1:4242).")
@click.option("--key", metavar="FILE", help="Our secret key, for a backend that wants keys.")
@click.option("--server-key", metavar="KEY", help="That backend's public key, as text or as a file.")
@click.option("--connector", default="mqtt", show_default=True, metavar="NAME", help="The connector: a plugin's name.")
@click.option("--name", metavar="NAME", help="What to call the session of a backend that does not name its own.")
@click.option("--ca", "ca_file", type=click.Path(), help="The authority that signed the broker's certificate.")
@click.option("--username", metavar="NAME", help="The user at the broker.")
@click.option("--password-file", type=click.Path(), help="A file with the password; a variable serves as well.")
@click.option("--param", "params", multiple=True, metavar="KEY=VALUE", help="Another parameter of the connector.")
@config_option
@click.option("--timeout", type=Seconds(), default=30.0, show_default=True, help="Seconds to wait for an answer.")
@click.option("--log-format", type=click.Choice(["text", "json"]), default="text", help="How to write logs.")
@verbose_option
def connect(
    *,
    connector: str,
    addr: str | None,
    key: str | None,
    server_key: str | None,
    params: tuple[str, ...],
    config: Path | None,
    timeout: float,
    log_format: str,
    verbose: int,
    **given: Any,
) -> None:
    """Carry events from a broker to a backend, and its decisions back.

    A password given by INTUITION_CONNECTORS__MQTT__PASSWORD, by the configuration or by --password-file shows in no
    process list and in no log.
    """
    log = set_up_logging(log_format, verbose)
    table = f"connectors.{connector}"
    others = dict(map(key_and_value, params))
    flags = {f"{table}.{key}": value for key, value in {**given, **others}.items()}
    flags |= {"rpc.addr": addr, "rpc.key": key, "rpc.server_key": server_key}
    spelled = {f"{table}.{key}": f"--param {key}" for key in others}
    spelled |= {"rpc.addr": "--rpc", f"{table}.url": "--mqtt", f"{table}.ca_file": "--ca"}
    settings = load_config(config, flags=flags, spelled=spelled)
    rpc_address(settings)

    from intuition_core.config.compose import connector as make_connector
    from intuition_core.plugins.catalogue import discover
    from intuition_core.rpc.client import Client

    part = make_connector(settings, discover(blocked=settings.values.plugins.blocked), connector)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: part.stop())
    rpc = settings.values.rpc
    backend = Client(rpc.addr, timeout=timeout, key=rpc.key, server_key=rpc.server_key)
    try:
        part.run(backend)
    finally:
        backend.close()
    log.info("stopped: %s connector", connector)
