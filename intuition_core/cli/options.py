"""Options that several commands share, and what they mean."""

import logging
import math
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from intuition_core.errors import IntuitionError
from intuition_core.supervision.attended import ATTENDED

if TYPE_CHECKING:
    from intuition_core.config.loading import Config
    from intuition_core.rpc.address import Address
    from intuition_core.session.journal import Journal
    from intuition_core.trading.engine import TradingEngine


class Seconds(click.FloatRange):
    """A finite number of seconds above 0."""

    name = "seconds"

    def __init__(self) -> None:
        super().__init__(min=0, min_open=True)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read the number."""
        seconds = float(super().convert(value, param, ctx))
        if not math.isfinite(seconds):
            self.fail(f"{value} is no number of seconds", param, ctx)
        return seconds


class Moment(click.ParamType):  # type: ignore[type-arg]  # it takes a type only since click 8.4
    """A time, given as an ISO date or date and time (UTC unless it says otherwise), in nanoseconds UTC."""

    name = "time"

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:  # noqa: ARG002  # click's signature
        """Show what a time looks like."""
        return "YYYY-MM-DD[THH:MM]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read the time."""
        if isinstance(value, int):
            return value
        from datetime import UTC, datetime, timedelta

        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no time such as 2020-03-01 or 2020-03-01T09:30+01:00", param, ctx)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return (moment - datetime.fromtimestamp(0, UTC)) // timedelta(microseconds=1) * 1000


class EventNumber(click.ParamType):  # type: ignore[type-arg]  # the same
    """The number of an event, from 1 on; 0 for ``all``."""

    name = "event"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read the number."""
        if isinstance(value, int):
            return value
        if value == "all":
            return 0
        if not (value.isascii() and value.isdigit()) or int(value) < 1:
            self.fail(f"{value!r} is neither the number of an event, which are counted from 1, nor `all`", param, ctx)
        return int(value)


class Invocation:
    """The state of one run of the command line; click's ``ctx.obj``."""

    def __init__(self, arguments: Sequence[str] = ()) -> None:
        self.arguments = tuple(arguments)
        """The arguments after the program's name."""
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

trace_option = click.option(
    "--trace",
    type=EventNumber(),
    metavar="SEQ|all",
    help="Tell which parts are called for an event, in which order, for how long, with what result.",
)
"""``--trace``. The command receives ``trace: int | None``, 0 for all events."""

config_option = click.option(
    "--config",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Configuration file (default: $INTUITION_CONFIG, else `intuition.toml` in this folder, if there is one).",
)
"""``--config FILE``. The command receives ``config: Path | None``."""


class BadFlag(IntuitionError):
    """A value of a flag that is not ``KEY=VALUE``."""

    def __init__(self, flag: str, text: str) -> None:
        self.flag = flag
        self.text = text
        super().__init__(f"{flag} {text}: expected KEY=VALUE, such as threshold=0.7 or algorithm.threshold=0.7")


def key_and_value(text: str) -> tuple[str, Any]:
    """Return the key and the value of a ``--param KEY=VALUE``.

    Raises:
        BadFlag: it has no key or no ``=``.
    """
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise BadFlag("--param", text)
    from intuition_core.params.typed import Typed  # imports msgspec, which `intuition --help` does without

    return key.strip(), Typed(value)


_MARKET: Final = (
    click.option(
        "--fill", metavar="next|same", help="Orders fill at the next prices (default), or at the event's own."
    ),
    click.option("--commission-bps", metavar="N", help="Commission, in basis points of the amount traded."),
    click.option(
        "--commission-per-trade", metavar="AMOUNT", help="Commission for every fill, in the account's currency."
    ),
    click.option(
        "--commission-per-unit", metavar="AMOUNT", help="Commission for each unit, in the account's currency."
    ),
    click.option("--commission-min", metavar="AMOUNT", help="What the commission of a fill is at least."),
    click.option("--slippage-bps", metavar="N", help="How much worse than the quote a fill is, in basis points of it."),
    click.option("--slippage-per-trade", metavar="AMOUNT", help="What every fill loses besides."),
    click.option(
        "--slippage-impact", metavar="PART", help="How much of the price a fill of all of a bar's volume moves it."
    ),
    click.option(
        "--volume-share", metavar="PART", help="How much of a bar's volume orders can fill (default: any amount)."
    ),
)


def market_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options for costs and fills, which all runs over history have."""
    for option in reversed(_MARKET):
        command = option(command)
    return command


def market_flags(options: dict[str, Any]) -> dict[str, Any]:
    """Remove the options of `market_options` from ``options``, and return them by their dotted keys."""
    names = [
        name for name in options if name in ("fill", "volume_share") or name.startswith(("commission_", "slippage_"))
    ]
    keys = {"fill": "fill", "volume_share": "fills.volume_share"}
    return {keys.get(name, f"costs.{name}"): options.pop(name) for name in names}


error_option = click.option(
    "--on-error",
    type=click.Choice(["stop", "skip"]),
    default="stop",
    show_default=True,
    help="When a part raises: end the run there, or go on without its say in that event.",
)
"""What follows in a run over history when a part raises."""


def engine_maker(trace: int | None) -> "Callable[..., TradingEngine]":
    """Return a function that makes engines; with a trace they log what each part does.

    Args:
        trace: the value of `trace_option`.
    """
    from intuition_core.trading.engine import TradingEngine

    if trace is None:
        return TradingEngine
    from intuition_core.cli.logs import LOGGER
    from intuition_core.trading.trace import Trace

    return Trace(trace or None, write=logging.getLogger(LOGGER).info).engine


def blocked_plugins(config: Path | None = None) -> tuple[str, ...]:
    """Return the plugins that ``[plugins] blocked`` or ``INTUITION_PLUGINS__BLOCKED`` names.

    Raises:
        BadConfiguration: the configuration has mistakes.
    """
    if config is None and not any(name.startswith("INTUITION_") for name in os.environ) and not _is_configured():
        return ()  # which saves what reading a configuration imports, a third of `intuition --help`
    from intuition_core.config.loading import load_config

    values = load_config(config).values
    ATTENDED.import_deadline = values.worker.import_deadline
    return values.plugins.blocked


def call_deadline(config: Path | None = None) -> float:
    """Return the seconds that a call of a part may take: ``[worker] deadline``.

    Raises:
        BadConfiguration: the configuration has mistakes.
    """
    from intuition_core.config.loading import load_config

    return load_config(config).values.worker.deadline


def _is_configured() -> bool:
    return os.path.lexists("intuition.toml")  # `config.FILE`, which takes time to import


def session_settings(options: Mapping[str, Any]) -> "Config":
    """Return the configuration, with the options of `serve` over it.

    Args:
        options: the options of the command, by name.

    Raises:
        IntuitionError: it has mistakes, or an option has.
    """
    from intuition_core.config.diagnosis import read_config

    return read_config(
        options["config"],
        flags={
            "algorithm.name": options["algo"],
            "portfolio.name": options["portfolio"],
            "cash": options["cash"],
            "seed": options["seed"],
            "session": options["session"],
            "journal.path": options["journal"],
            "journal.enabled": False if options["no_journal"] else None,
            "journal.durability": options["durability"],
            "rpc.addr": options["addr"],
            "rpc.key": options["key"],
            "rpc.clients": options["clients"],
        },
        flat=dict(map(key_and_value, options["params"])),
    )


def journal_opener(config: "Config", stack: ExitStack) -> "Callable[[str], Journal] | None":
    """Return a function that opens the journal of a session by the session's name; None where there is to be none.

    Args:
        config: the configuration; without a path in it the file is named after the session.
        stack: holds the lock on the file for this process.
    """
    table = config.values.journal
    if not table.enabled:
        return None
    from intuition_core.session.archive import held, session_file
    from intuition_core.session.journal import Journal
    from intuition_core.session.keeping import Keep

    def open_journal(name: str) -> Journal:
        path = Path(table.path) if table.path else session_file(name)
        stack.enter_context(held(path))
        archive = Path(table.archive) if table.archive else None
        journal = Journal(path, durability=table.durability, keep=Keep.read(table.keep), archive=archive)
        journal.verify_in_background()
        return journal

    return open_journal


def rpc_address(config: "Config", *, listening: bool = False) -> "Address":
    """Return the address of the session that is served or called.

    Args:
        config: the configuration.
        listening: admit what one can listen on, but not call: every interface, any free port.

    Raises:
        BadConfiguration: it is no address; with the flag, the variable, or the file and table that give it.
    """
    from intuition_core.config.loading import BadConfiguration, Mistake
    from intuition_core.rpc.address import BadAddress, parse

    try:
        return parse(config.values.rpc.addr, listening=listening)
    except BadAddress as error:
        problem = f"`{error.address}`: {error.problem}; an address looks like tcp://127.0.0.1:4242"
        raise BadConfiguration(Mistake(config.origins.get("rpc.addr", "rpc"), "rpc.addr", problem)) from None
