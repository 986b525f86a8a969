"""``intuition kill``: stop a running session's orders, and let them go on."""

import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from intuition_core.cli.options import Seconds, config_option, rpc_address
from intuition_core.errors import BackendLost, BackendRefused, IntuitionError

if TYPE_CHECKING:
    from intuition_core.rpc.client import Client
    from intuition_core.trading.records import Record

_LIMIT: Final = 120.0
"""Seconds to keep asking: a part may hang for 30 until it is ended, and the session then recovers from its journal."""
_QUIET: Final = 3.0
"""Seconds without an answer after which a message is written."""
_PAUSE: Final = 0.2
"""Seconds between two calls."""
_NOT_RUN: Final = frozenset({"Busy", "Stopping"})
"""The error of a session that cannot take a call at the moment."""


class Unconfirmed(IntuitionError):
    """A use of the kill switch that the session did not confirm; it may or may not have come to it."""

    def __init__(self, wanted: str, problem: str) -> None:
        self.wanted = wanted
        self.problem = problem
        otherwise = ", or end the session and see to its open orders yourself" if wanted == "on" else ""
        super().__init__(
            f"the kill switch is NOT known to be {wanted}: {problem}; give the command again, which tells if it is "
            f"{wanted} already{otherwise}"
        )


@click.command()
@click.argument("reason")
@click.option(
    "--flatten", is_flag=True, help="Close all positions, too: sell what is held, buy back what was sold short."
)
@click.option("--clear", is_flag=True, help="Turn the switch off again instead; REASON says why.")
@click.option("--rpc", "addr", metavar="ADDRESS", help="Where the session is served (default tcp://127.0.0.1:4242).")
@click.option("--key", metavar="FILE", help="One's own secret key, for a session that asks for one.")
@click.option("--server-key", metavar="KEY", help="The server's public key, as text or as a file.")
@click.option("--timeout", type=Seconds(), default=_LIMIT, show_default=True, help="Seconds to go on asking.")
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

    A session that does not answer is asked again, until it does or --timeout is over; the switch is used once for all
    that. Exit code 0 means that it is done.
    """  # noqa: D301  # the backspace is click's mark, and no backslash
    from intuition_core.config.loading import load_config
    from intuition_core.rpc.client import Client

    if clear and flatten:
        msg = "--flatten goes with turning the switch on, not with --clear"
        raise click.UsageError(msg)
    flags = {"rpc.addr": addr, "rpc.key": key, "rpc.server_key": server_key}
    settings = load_config(config, flags=flags, spelled={"rpc.addr": "--rpc"})
    rpc_address(settings)
    rpc = settings.values.rpc
    backend = Client(rpc.addr, timeout=timeout, key=rpc.key, server_key=rpc.server_key)
    wanted = "off" if clear else "on"
    action = {"action": "clear"} if clear else {"action": "kill", "flatten": flatten}
    try:
        records = _insist(backend, {**action, "reason": reason, "id": uuid.uuid4().hex}, timeout=timeout, wanted=wanted)
    except KeyboardInterrupt:
        click.echo(f"intuition: {Unconfirmed(wanted, 'interrupted')}", err=True)
        raise
    finally:
        backend.close()
    if clear:
        click.echo("the kill switch is off: orders are placed again", err=True)
        return
    cancelled = sum(record["type"] == "rejection" for record in records)
    closing = sum(record["type"] == "decision" for record in records)
    more = f", positions being closed: {closing}" if flatten else ""
    click.echo(f"the kill switch is on: open orders cancelled: {cancelled}{more}", err=True)


def _insist(backend: "Client", command: Mapping[str, object], *, timeout: float, wanted: str) -> "list[Record]":
    """Call the session until it answers; the command's ``id`` makes it act once, however often it is called.

    Raises:
        BackendRefused: the session answered that it does not do it.
        Unconfirmed: there was no answer in time.
    """
    deadline = time.monotonic() + timeout
    attempt, told = _QUIET, ""
    while True:
        try:
            records: list[Record] = backend.call("control", command, timeout=min(attempt, deadline - time.monotonic()))
        except BackendLost as lost:
            problem = str(lost)
        except BackendRefused as refused:
            if refused.name not in _NOT_RUN:
                raise
            problem = str(refused)
        else:
            return records
        left = deadline - time.monotonic() - _PAUSE
        if left <= 0:
            raise Unconfirmed(wanted, problem)
        if problem != told:
            hint = "" if told else " (a session in which a part hangs answers once that part has been ended)"
            click.echo(f"waiting: {problem}; asking for {left:.0f} s more{hint}", err=True)
        attempt, told = timeout, problem
        time.sleep(_PAUSE)
