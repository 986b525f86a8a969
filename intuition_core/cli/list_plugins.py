"""``intuition list-plugins``: which plugins are installed, and in what state each is."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
import msgspec

from intuition_core.cli.options import Seconds, blocked_plugins, config_option, verbose_option
from intuition_core.plugins.catalogue import CORE, KINDS, Plugin, discover
from intuition_core.plugins.distributions import normal
from intuition_core.plugins.first_party import how_to_install

if TYPE_CHECKING:
    from rich.console import Console

_COLOURS: Final = {
    "available": "green",
    "broken": "red",
    "blocked": "yellow",
    "incompatible": "magenta",
    "conflict": "red",
}
_ROOMY: Final = 110
"""The width of the terminal, in columns, from which the table has a column for summaries."""
_NARROW: Final = 70
"""The width of the terminal, in columns, up to which plugins are listed without a table."""


class Row(msgspec.Struct, frozen=True):
    """A plugin, and the results of trying it."""

    plugin: Plugin
    load_s: float | None = None
    """Seconds that its import took; None if it was not tried or failed."""
    tier: str | None = None
    """The tier of `checklist.TIERS` that it reaches, if that was tried."""


@click.command("list-plugins")
@click.option("--json", "as_json", is_flag=True, help="Print an array of objects, for programs.")
@click.option(
    "--check",
    "checked",
    is_flag=True,
    help="Import each, in a process of its own, time it, and hold it to its contract.",
)
@click.option(
    "--deadline",
    type=Seconds(),
    default=10.0,
    show_default=True,
    metavar="SECONDS",
    help="With --check: give an import up after this time.",
)
@click.option("--strict", is_flag=True, help="Exit with 1 unless every listed plugin is available.")
@click.option("--kind", type=click.Choice(KINDS), help="List plugins of this kind only.")
@click.option(
    "--requirements", is_flag=True, help="Print what brings them, with its version, for pip and for `requires`."
)
@config_option
@verbose_option
def list_plugins(
    *,
    as_json: bool,
    checked: bool,
    deadline: float,
    strict: bool,
    kind: str | None,
    requirements: bool,
    config: Path | None,
    verbose: int,  # noqa: ARG001  # has said what it has to say to whoever shows errors
) -> int:
    """List the plugins that are installed.

    Nothing of them is imported, unless --check is given.
    """
    plugins = discover(blocked=blocked_plugins(config)).plugins
    rows = [Row(plugin) for plugin in plugins if kind in {None, plugin.kind}]
    if requirements:
        click.echo("\n".join(_requirements(rows)))
        return 0
    if checked:
        # One import at a time, so that their times can be compared.
        rows = [_checked(row.plugin, deadline) for row in rows]
        rows = _held_to_contracts(rows)
    if as_json:
        click.echo(_json(rows, timed=checked))
    elif not rows:
        click.echo(f"No plugin of kind `{kind}` is installed.", err=True)
    else:
        _print(rows, timed=checked)
        if kind is None and all(row.plugin.distribution == CORE for row in rows):
            click.echo(
                "Only the core's own parts are installed. For a first trading system, run "
                f"{how_to_install('intuition-random', 'intuition-connector-mqtt')}.",
                err=True,
            )
    return 1 if strict and any(row.plugin.status != "available" for row in rows) else 0


def _requirements(rows: Iterable[Row]) -> list[str]:
    """Return the distributions that bring the plugins, pinned as pip writes it."""
    brought = {(normal(row.plugin.distribution), row.plugin.version) for row in rows if row.plugin.version}
    return [f"{name}=={version}" for name, version in sorted(brought)]


def _checked(plugin: Plugin, deadline: float) -> Row:
    if plugin.status not in {"available", "conflict"}:
        return Row(plugin)
    from intuition_core.plugins.trial import check

    outcome = check(plugin, deadline=deadline)
    if outcome.missing:
        lacks = " and ".join(f"no `{method}`" for method in outcome.missing)
        reason = f"`{plugin.target}` has {lacks}, which its kind needs; report it to its author, or block it"
        return Row(msgspec.structs.replace(plugin, status="broken", reason=reason))
    if outcome.problem is None:
        return Row(plugin, outcome.seconds)
    reason = f"importing `{plugin.target}` failed: {outcome.problem}; reinstall {plugin.distribution}, or block it"
    return Row(msgspec.structs.replace(plugin, status="broken", reason=reason))


def _held_to_contracts(rows: Iterable[Row]) -> list[Row]:
    from concurrent.futures import ThreadPoolExecutor

    from intuition_core.cli.checklist import examine, metadata

    def held(row: Row) -> Row:
        if row.load_s is None:
            return row
        return msgspec.structs.replace(row, tier=examine(row.plugin, metadata(row.plugin)).tier)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(held, rows))


def _json(rows: Iterable[Row], *, timed: bool) -> str:
    objects = [
        {**msgspec.structs.asdict(row.plugin), **({"load_s": row.load_s, "tier": row.tier} if timed else {})}
        for row in rows
    ]
    return msgspec.json.format(msgspec.json.encode(objects), indent=2).decode()


def _print(rows: Sequence[Row], *, timed: bool) -> None:
    from rich.padding import Padding  # a third of the whole run, and programs do not need it
    from rich.text import Text

    from intuition_core.cli.screen import console

    out = console()
    if out.width <= _NARROW:
        for row in rows:
            plugin = row.plugin
            state = Text(plugin.status, style=_COLOURS[plugin.status])
            load = "" if row.load_s is None else f" {row.load_s:.2f} s"
            tier = f" {row.tier}" if row.tier else ""
            head = Text.assemble(f"{plugin.kind} ", (plugin.name, "bold"), " ", state, load, tier)
            out.print(head, overflow="fold")
            for line in (f"{plugin.distribution} {plugin.version}".strip(), plugin.summary):
                out.print(Padding(Text(line, style="dim", overflow="fold"), (0, 0, 0, 2)))
    else:
        _print_table(out, rows, timed=timed)
    for row in rows:
        plugin = row.plugin
        if plugin.reason:
            colour = _COLOURS[plugin.status]
            out.print()
            out.print(Text.assemble((plugin.status, colour), f" {plugin}: {plugin.reason}"), soft_wrap=True)


def _print_table(out: "Console", rows: Sequence[Row], *, timed: bool) -> None:
    from rich.table import Table
    from rich.text import Text

    roomy = out.width >= _ROOMY
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for heading in ("kind", "name", "status"):
        table.add_column(heading, no_wrap=True)
    if timed:
        table.add_column("load", justify="right", no_wrap=True)
        table.add_column("tier", no_wrap=True)
    table.add_column("distribution", overflow="fold")
    table.add_column("version", no_wrap=True)
    if roomy:
        table.add_column("summary", ratio=1)
    for row in rows:
        plugin = row.plugin
        cells = [
            Text(plugin.kind),
            Text(plugin.name, style="bold"),
            Text(plugin.status, style=_COLOURS[plugin.status]),
        ]
        if timed:
            cells.append(Text("" if row.load_s is None else f"{row.load_s:.2f} s"))
            cells.append(Text(row.tier or ""))
        cells.append(Text(plugin.distribution))
        cells.append(Text(plugin.version))
        if roomy:
            cells.append(Text(plugin.summary))
        elif plugin.summary:
            cells[-2].append(f"\n{plugin.summary}", style="dim")
        table.add_row(*cells)
    out.print(table)
