"""``intuition kill``: stop a running session's orders, and let them go on."""

from pathlib import Path

import click

from intuition_core.cli.options import Seconds, config_option, rpc_address


@click.command()
@click.argument("reason")
@click.option("--flatten", is_flag=True, help="Sell all that is held, too.")
@click.option("--clear", is_flag=True, help="Turn the switch off again instead; REASON says why.")
@click.option("--rpc", "addr", metavar="ADDRESS", help="Where the session is served (default tcp://127.0.0.1:4242).")
@click.option("--key", metavar="FILE", help="One's own secret key, for a session that asks for one.")
@click.option("--server-key", metavar="KEY", help="The server's public key, as text or as a file.")
@click.option("--timeout", type=Seconds(), default=10.0, show_default=True, help="Seconds to wait for an answer.")
@config_option
def kill(
    *,
    reason: str,
    flatten: bool,
    clear: bool,
    addr: str | None,
    key: str | None,
    server_key: str | None,
    timeout: float,
    config: Path | None,
) -> None:
    """Stop a running session's orders, or let them go on.

    \b
    intuition kill "the feed is wrong"
    intuition kill "the feed is wrong" --flatten
    intuition kill --clear "the feed is mended"

    This is the kill switch: open orders are cancelled, and none is placed any more. It is part of the session, and
    stays on when the session is started again, until it is cleared.
    """  # noqa: D301  # the backspace is click's mark, and no backslash
    from intuition_core.config import load_config
    from intuition_core.rpc.client import Client

    if clear and flatten:
        msg = "--flatten goes with turning the switch on, not with --clear"
        raise click.UsageError(msg)
    flags = {"rpc.addr": addr, "rpc.key": key, "rpc.server_key": server_key}
    settings = load_config(config, flags=flags, spelled={"rpc.addr": "--rpc"})
    rpc_address(settings)
    rpc = settings.values.rpc
    backend = Client(rpc.addr, timeout=timeout, key=rpc.key, server_key=rpc.server_key)
    try:
        records = backend.call("clear", reason) if clear else backend.call("kill", reason, flatten)
    finally:
        backend.close()
    cancelled = sum(record["type"] == "rejection" for record in records)
    selling = sum(record["type"] == "decision" for record in records)
    if clear:
        click.echo("the kill switch is off: orders are placed again", err=True)
    else:
        more = f", {selling} positions being sold" if flatten else ""
        click.echo(f"the kill switch is on: {cancelled} open orders cancelled{more}", err=True)
