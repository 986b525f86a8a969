"""``intuition swap``: let another part take the place of one in a running session."""

from pathlib import Path

import click

from intuition_core.cli.options import Seconds, config_option, rpc_address


@click.command()
@click.argument("kind", type=click.Choice(["algorithm", "portfolio", "risk", "indicator"]))
@click.argument("name")
@click.option("--use", metavar="PLUGIN", help="The plugin that takes the place.")
@click.option("--param", "params", multiple=True, metavar="KEY=VALUE", help="A parameter of the new part.")
@click.option("--keep-state", is_flag=True, help="Go on from the state of the old part, rather than begin anew.")
@click.option("--restart", is_flag=True, help="Go on with the version of the same plugin that is installed now.")
@click.option("--rpc", "addr", metavar="ADDRESS", help="Where the session is served (default tcp://127.0.0.1:4242).")
@click.option("--key", metavar="FILE", help="One's own secret key, for a session that asks for one.")
@click.option("--server-key", metavar="KEY", help="The server's public key, as text or as a file.")
@click.option("--timeout", type=Seconds(), default=60.0, show_default=True, help="Seconds to wait for an answer.")
@config_option
def swap(
    *,
    kind: str,
    name: str,
    use: str | None,
    params: tuple[str, ...],
    keep_state: bool,
    restart: bool,
    addr: str | None,
    key: str | None,
    server_key: str | None,
    timeout: float,
    config: Path | None,
) -> None:
    """Replace a part by another one while a session runs.

    \b
    intuition swap algorithm trend --use sma-cross --param fast=5
    intuition swap portfolio trend --use fixed --param cash=100
    intuition swap risk max-position --use max-position --param units=10
    intuition swap algorithm trend --restart

    NAME is the algorithm's for it and for its portfolio, and the part's own for a risk part and an indicator. The
    account, what is held and what is ordered stay as they are, and no event is lost. Whatever is wrong with the new
    part is told, and the old one goes on. A value of --param is read as TOML where it can be, else as text.

    With --restart the plugin stays, and its newer version is taken up: what the session has come to is kept, its
    process ends and another one goes on.
    """  # noqa: D301  # the backspace is click's mark, and no backslash
    from intuition_core.cli.options import key_and_value
    from intuition_core.config.loading import load_config
    from intuition_core.rpc.client import Client
    from intuition_core.session.console import sentence

    if restart == (use is not None):
        msg = "say either --use PLUGIN, for another plugin, or --restart, for another version of the same one"
        raise click.UsageError(msg)
    if restart and (params or keep_state):
        msg = "--restart keeps parameters and state as they are; leave --param and --keep-state out"
        raise click.UsageError(msg)
    given = {name: value.value for name, value in map(key_and_value, params)}
    flags = {"rpc.addr": addr, "rpc.key": key, "rpc.server_key": server_key}
    settings = load_config(config, flags=flags, spelled={"rpc.addr": "--rpc"})
    rpc_address(settings)
    rpc = settings.values.rpc
    backend = Client(rpc.addr, timeout=timeout, key=rpc.key, server_key=rpc.server_key)
    try:
        asked = ("upgrade", kind, name) if restart else ("swap", kind, name, use, given, keep_state)
        records = backend.call(*asked)
    finally:
        backend.close()
    for record in records:
        click.echo(sentence(record), err=True)
