"""Options that several commands share, and what they mean."""

from collections.abc import Sequence
from pathlib import Path

import click


class Invocation:
    """What is known about one run of the command line, from its first option on; click's ``ctx.obj``."""

    def __init__(self, arguments: Sequence[str] = ()) -> None:
        self.arguments = tuple(arguments)
        """What followed the program's name."""
        self.verbosity = 0
        """How often ``-v`` was given, before the command or after it."""


def _remember(ctx: click.Context, _parameter: click.Parameter, value: int) -> int:
    invocation = ctx.ensure_object(Invocation)
    invocation.verbosity += value
    return invocation.verbosity


verbose_option = click.option(
    "-v", "--verbose", count=True, callback=_remember, help="Say more; twice: with the traceback of an error."
)
"""``-v``, repeatable. The command receives ``verbose: int``, which counts those before the command's name too."""

config_option = click.option(
    "--config",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Configuration file; without it `intuition.toml` in this folder, if there is one.",
)
"""``--config FILE``. The command receives ``config: Path | None``."""


def blocked_plugins(config: Path | None = None) -> tuple[str, ...]:
    """Give what the configuration blocks: ``[plugins] blocked`` or the variable ``INTUITION_PLUGINS__BLOCKED``.

    Raises:
        BadConfiguration: the configuration has mistakes.
    """
    from intuition_core.config import load_config

    return load_config(config).values.plugins.blocked
