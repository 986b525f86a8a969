"""``intuition serve``: a session over zerorpc, in a process of its own that is watched."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from intuition_core.cli.options import Invocation, config_option, session_settings, trace_option, verbose_option

if TYPE_CHECKING:
    import logging

    from intuition_core.serving.reload import SavedFiles


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
@click.option("--reload", is_flag=True, help="Go on with a part's file (--algo ./my_algo.py) each time it is saved.")
@click.option("--addr", metavar="ADDRESS", help="Where to serve (default tcp://127.0.0.1:4242).")
@click.option("--key", metavar="FILE", help="The server's secret key; then only allowed clients may call.")
@click.option("--clients", metavar="FOLDER", help="The public keys of the clients that may call.")
@trace_option
@config_option
@click.option(
    "--log-format", type=click.Choice(["text", "json"]), default="text", help="How records and logs are written."
)
@verbose_option
@click.option("--insecure", is_flag=True, help="Allow an address that other machines can reach, without keys.")
@click.option("--supervised", nargs=2, type=int, hidden=True)
@click.pass_obj
def serve(invocation: Invocation, /, *, supervised: tuple[int, int] | None, **options: Any) -> int:
    """Serve an algorithm and a portfolio as a session.

    The session is kept in a journal, and the same command goes on with it. Decisions go to standard output, as
    sentences or (--log-format json) as JSON lines; everything else to standard error. Ctrl-C finishes the call in
    flight and ends; a second one does not wait.

    The parts run in a process of their own. One that takes too long or too much memory ends with it, another takes
    its place, and [worker] in the configuration says what follows.

    A part can be a file that is not installed: --algo ./my_algo.py, or ./my_algo.py:MyAlgo where it has several. With
    --reload the account and the journal go on when such a file is saved; its part begins anew, and so does each other
    that does not say by `snapshot()` what it has come to.
    """
    if supervised is not None:
        from intuition_core.cli.worker import work

        work(*supervised, options)
        return 0
    import signal

    from intuition_core.cli.logs import set_up_logging
    from intuition_core.supervision.watchdog import Watchdog

    def command(status: int, lifeline: int) -> tuple[str, ...]:
        # -m puts the working folder on the path of imports, which it is not on for the command `intuition`.
        isolated = () if "" in sys.path or sys.path[0] == str(Path.cwd()) else ("-P",)
        given = (*invocation.arguments, "--supervised", str(status), str(lifeline))
        return (sys.executable, *isolated, "-m", "intuition_core", *given)

    log = set_up_logging(options["log_format"], options["verbose"])
    watchdog = Watchdog(command, log=log, saved=_saved_files(options, log) if options["reload"] else None)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, watchdog.stop)
    return watchdog.run()


def _saved_files(options: Mapping[str, Any], log: "logging.Logger") -> "SavedFiles":
    from intuition_core.serving.reload import SavedFiles, part_paths

    values = session_settings(options).values
    paths = part_paths(values)
    if not paths:
        raise click.UsageError("--reload: no part comes from a file; name one, as in --algo ./my_algo.py")
    if not values.journal.enabled:
        raise click.UsageError("--reload: without a journal the session could not go on; leave --no-journal out")
    return SavedFiles(paths, log=log)


def __getattr__(name: str) -> Any:
    """Return what was here in earlier releases."""
    from intuition_core.deprecated import names

    return names(__name__, "intuition_core.cli.options", name)
