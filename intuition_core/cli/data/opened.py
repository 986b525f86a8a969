"""Data opened for the commands below `intuition data`, with the options that they share."""

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from intuition_core.cli.options import Moment, config_option, key_and_value, verbose_option

if TYPE_CHECKING:
    from intuition_core.account.hours import Hours
    from intuition_core.config.loading import Config
    from intuition_core.plugins.catalogue import Catalogue
    from intuition_core.sources.reading import MergedReader, SourceReader

_READING = (
    click.option("--source", metavar="NAME", help="The source that reads it (default: what the data's ending says)."),
    click.option(
        "--param", "params", multiple=True, metavar="source.KEY=VALUE", help="A parameter of the source; repeatable."
    ),
    click.option("--from", "start", type=Moment(), help="Leave out what is before this time."),
    click.option("--to", "end", type=Moment(), help="Leave out this time and what is after it."),
    click.option("--symbols", metavar="A,B", help="Only these symbols."),
    config_option,
    verbose_option,
)

calendar_option = click.option(
    "--calendar", metavar="NAME", help="Hold times against the sessions of an exchange, such as XNYS, or 24/7."
)
"""``--calendar NAME``. The command receives ``calendar: str | None``."""


def reading_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options for reading data, which `Opened` takes."""
    for option in reversed(_READING):
        command = option(command)
    return command


def source_params(params: Sequence[str]) -> dict[str, Any]:
    """Return the parameters of the source in ``--param`` values; without ``source.`` in front they are its own, too.

    Raises:
        BadFlag: one is not ``KEY=VALUE``.
    """
    given = dict(map(key_and_value, params))
    return {key.removeprefix("source."): value for key, value in given.items()}


class Opened:
    """Data that is opened for reading.

    Attributes:
        params: the parameters that were given for the source.

    Args:
        data: files, addresses or datasets.
        source: the source by name; None where the data tells.
        params: the values of ``--param``.
        span: from when, and up to when, nanoseconds UTC.
        symbols: the value of ``--symbols``.
        config: the configuration file.

    Raises:
        IntuitionError: the data cannot be opened.
    """

    def __init__(
        self,
        data: Sequence[str],
        *,
        source: str | None,
        params: Sequence[str],
        span: tuple[int | None, int | None] = (None, None),
        symbols: str | None = None,
        config: Path | None,
    ) -> None:
        from intuition_core.config.diagnosis import read_config
        from intuition_core.plugins.catalogue import discover

        self.params = source_params(params)
        self.config: Config = read_config(
            config, flags={"source.name": source}, flat={}, spelled={"source.name": "--source"}
        )
        self.catalogue: Catalogue = discover(blocked=self.config.values.plugins.blocked)
        self.negative_prices = bool(self.params.get("negative_prices", self.config.values.negative_prices))
        self._data = data
        self._span = span
        self._symbols = tuple(filter(None, (symbols or "").split(",")))

    def reader(self) -> "SourceReader | MergedReader":
        """Return the opened source, with what is configured for it.

        Raises:
            IntuitionError: the data cannot be opened.
        """
        from intuition_core.config.compose import located
        from intuition_core.sources.opening import open_source

        table = self.config.values.source
        with located(self.config, "source.params"):
            return open_source(
                self.catalogue,
                table.name,
                data=self._data,
                params={**table.params, **self.params},
                start=self._span[0],
                end=self._span[1],
                symbols=self._symbols,
                negative_prices=self.config.values.negative_prices,
                beside=self.config.origins.get("source.name") == "--source",
            )

    def hours(self, calendar: str | None) -> "Hours | None":
        """Return the sessions of a calendar; None where none is named.

        Raises:
            IntuitionError: no plugin has it.
        """
        if calendar is None:
            return None
        from intuition_core.config.compose import calendar_hours

        return calendar_hours(self.config, self.catalogue, calendar, use="--calendar")


def write_json(content: Any) -> None:
    """Write one JSON value and the end of the line to standard output."""
    import msgspec

    sys.stdout.buffer.write(msgspec.json.encode(content) + b"\n")  # JSON is UTF-8 whatever the locale
    sys.stdout.flush()


def counted(number: int, noun: str) -> str:
    """Return a number with what it counts, such as ``1 event`` and ``2 events``."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def quoted(words: Sequence[str]) -> str:
    """Return words as one command for a shell."""
    import shlex

    return " ".join(map(shlex.quote, words))


def flags_of(options: Mapping[str, Any]) -> list[str]:
    """Return source and parameters as flags again, for a command that is shown."""
    words = ["--source", options["source"]] if options.get("source") else []
    for param in options.get("params", ()):
        words += ["--param", param]
    return words
