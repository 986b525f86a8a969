"""``intuition schema``: what an editor wants to know of ``intuition.toml``."""

from pathlib import Path

import click

from intuition_core.cli.options import blocked_plugins, config_option, verbose_option


@click.command()
@config_option
@verbose_option
def schema(*, config: Path | None, verbose: int) -> None:  # noqa: ARG001  # heard by who shows errors
    """Print a JSON Schema of intuition.toml for the plugins that are installed.

    \b
    intuition schema > intuition.schema.json

    With `#:schema ./intuition.schema.json` as the first line of intuition.toml, editors that know TOML complete and
    check it. The plugins are imported for this, in a process of its own.
    """  # noqa: D301  # click wants the character itself
    import msgspec

    from intuition_core.config.schema import schema as of_plugins
    from intuition_core.plugins.catalogue import discover

    document, unknown = of_plugins(discover(blocked=blocked_plugins(config)))
    for plugin, problem in unknown:
        click.echo(f"{plugin}: its parameters are not known: {problem}", err=True)
    click.echo(msgspec.json.format(msgspec.json.encode(document), indent=2).decode())
