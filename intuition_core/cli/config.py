"""``intuition config``: what a configuration comes to, and what is wrong with it."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from intuition_core.cli.options import config_option, verbose_option

if TYPE_CHECKING:
    from intuition_core.config.loading import Config
    from intuition_core.errors import IntuitionError
    from intuition_core.plugins.catalogue import Catalogue


@click.group()
def config() -> None:
    """Explain a configuration, and all that is wrong with it."""


@config.command()
@click.argument("file", required=False, type=click.Path(dir_okay=False, path_type=Path))
@config_option
@click.option("--json", "as_json", is_flag=True, help="Print an object, for programs.")
@verbose_option
def check(
    *,
    file: Path | None,
    config: Path | None,
    as_json: bool,
    verbose: int,  # noqa: ARG001  # heard by who shows errors
) -> int:
    """Check a configuration: write all mistakes, then each key with its value and where it was given.

    FILE is the same as --config FILE, as the commands that run something take it. Variables count as
    they do when something is run. The plugins that are named are imported. The exit code is 1 where there are mistakes.
    """
    from intuition_core.config.diagnosis import faults
    from intuition_core.config.loading import BadConfiguration, load_config
    from intuition_core.errors import Mistakes
    from intuition_core.plugins.catalogue import discover

    if file is not None and config is not None:
        raise click.UsageError("FILE and --config are two ways to say the same; use one of them")
    wrong: list[IntuitionError] = []
    try:
        found = load_config(file or config)
    except BadConfiguration as error:
        if error.rest is None:
            raise
        found = error.rest
        wrong.append(error)
    catalogue = discover(blocked=found.values.plugins.blocked)
    wrong += faults(found, catalogue)
    rows = list(_rows(found, catalogue))
    lines = [line for error in Mistakes(*wrong).errors for line in str(error).splitlines()]
    if as_json:
        import msgspec

        keys = [{"key": key, "value": value, "origin": origin} for key, value, origin in rows]
        told = {"file": None if found.file is None else str(found.file), "keys": keys, "mistakes": lines}
        click.echo(msgspec.json.format(msgspec.json.encode(told), indent=2).decode())
    else:
        for line in lines:
            click.echo(f"intuition: {line}", err=True)
        _print(found, rows)
        if not lines:
            click.echo("no mistakes", err=True)
    return 1 if lines else 0


def _rows(config: "Config", catalogue: "Catalogue") -> Iterator[tuple[str, Any, str]]:
    """Yield each key that was given, its value without secrets, and where it was given."""
    flattened = dict(_flat(_redacted(config, catalogue)))
    given = {key: origin for key in flattened if (origin := _origin(config, key)) is not None}
    yield from ((key, flattened[key], origin) for key, origin in given.items())
    for key, value in flattened.items():
        if key not in given and value not in (None, []):
            yield key, value, "default"


def _origin(config: "Config", key: str) -> str | None:
    """Return where a key was given; for an element of a list, where the list was."""
    words = key.split(".")
    index = next((n for n, word in enumerate(words) if word.isdigit()), None)
    return config.origins.get(key if index is None else ".".join(words[:index]))


def _redacted(config: "Config", catalogue: "Catalogue") -> Any:
    """Return the configuration as plain JSON types without secrets; of parts that cannot be imported, no parameters."""
    import msgspec

    from intuition_core.config.tables import HooksTable
    from intuition_core.errors import IntuitionError
    from intuition_core.params.checking import REDACTED, redact_params

    values = config.values
    tree = msgspec.to_builtins(msgspec.structs.replace(values, connectors={}, hooks=HooksTable()))

    def shown(kind: str, name: Any, params: Mapping[str, Any]) -> dict[str, Any]:
        if not params:
            return {}
        try:
            return redact_params(catalogue.load(kind, name), params)
        except IntuitionError:
            return dict.fromkeys(params, REDACTED)

    tables = [("algorithm", tree["algorithm"]), ("portfolio", tree["portfolio"]), ("source", tree["source"])]
    tables += [("risk", table) for table in tree["risks"]]
    tables += [("indicator", table) for table in tree["indicators"]]
    for table in tree["algorithms"]:
        tables += [("algorithm", table), ("portfolio", table["portfolio"])]
    for kind, table in tables:
        if table is not None:
            table["params"] = shown(kind, table.get("use") or table["name"], table["params"])
    tree["connectors"] = {name: shown("connector", name, params) for name, params in values.connectors.items()}
    hooks = values.hooks
    tree["hooks"] = {
        "enabled": list(hooks.enabled),
        "essential": list(hooks.essential),
        "params": {name: shown("hooks", name, params) for name, params in hooks.params.items()},
    }
    return tree


def _flat(tree: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(tree, Mapping) and tree:
        for key, value in tree.items():
            yield from _flat(value, f"{path}.{key}" if path else key)
    elif isinstance(tree, list) and tree and isinstance(tree[0], Mapping):
        for n, value in enumerate(tree):
            yield from _flat(value, f"{path}.{n}")
    elif not isinstance(tree, Mapping):
        yield path, tree


def _print(config: "Config", rows: list[tuple[str, Any, str]]) -> None:
    from rich.table import Table
    from rich.text import Text

    from intuition_core.cli.screen import console
    from intuition_core.cli.show import shown

    out = console(width=120)
    out.print(Text(f"file: {config.file or 'none: there is no intuition.toml here, and none is named'}"))
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for heading in ("key", "value", "from"):
        table.add_column(heading, overflow="fold")
    for key, value, origin in rows:
        style = "dim" if origin == "default" else ""
        table.add_row(*(Text(text, style=style) for text in (key, shown(value), origin)))
    out.print(table)
