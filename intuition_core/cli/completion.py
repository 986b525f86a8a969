"""``intuition completion``: commands, options and names of plugins, completed by the shell."""

from typing import TYPE_CHECKING, Final

import click
from click.shell_completion import CompletionItem

from intuition_core.cli.options import verbose_option

if TYPE_CHECKING:
    from collections.abc import Iterator

VARIABLE: Final = "_INTUITION_COMPLETE"
_KINDS: Final = {
    "algo": "algorithm",
    "portfolio": "portfolio",
    "source": "source",
    "connector": "connector",
    "connectors": "connector",
    "risks": "risk",
}
"""The kind of plugin that an option chooses, by its name."""
SHELLS: Final = ("bash", "zsh", "fish")


class PluginName(click.ParamType):  # type: ignore[type-arg]  # it takes a type only since click 8.4
    """A plugin's name, which the shell completes without importing a plugin."""

    name = "text"

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG002  # click's signature
        """Return the names of plugins of the kind, or of all kinds, that begin with ``incomplete``."""
        return list(_plugins(self.kind, incomplete))


def complete_names(command: click.Command) -> None:
    """Make the options that choose a plugin complete the names of installed plugins."""
    for parameter in command.params:
        kind = _KINDS.get(parameter.name or "")
        if command.name == "indicate" and parameter.name == "name":
            kind = "indicator"
        if kind is not None and isinstance(parameter.type, click.types.StringParamType):
            parameter.type = PluginName(kind)
        elif command.name in {"show", "check"} and isinstance(parameter, click.Argument):
            parameter.type = PluginName("")


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
@verbose_option
def completion(*, shell: str, verbose: int) -> None:  # noqa: ARG001  # heard by who shows errors
    """Print a script by which the shell completes commands and plugins.

    \b
    bash:  source <(intuition completion bash)     in ~/.bashrc
    zsh:   source <(intuition completion zsh)      in ~/.zshrc, after compinit
    fish:  intuition completion fish > ~/.config/fish/completions/intuition.fish
    """  # noqa: D301  # click wants the character itself
    from click.shell_completion import get_completion_class

    from intuition_core.cli import cli

    found = get_completion_class(shell)
    assert found is not None  # noqa: S101  # click has one for each of the choices
    click.echo(found(cli, {}, "intuition", VARIABLE).source())


def _plugins(kind: str, incomplete: str) -> "Iterator[CompletionItem]":
    from intuition_core.cli.options import blocked_plugins
    from intuition_core.errors import IntuitionError
    from intuition_core.plugins.catalogue import discover

    try:
        blocked = blocked_plugins()
    except IntuitionError:  # a configuration with mistakes must not take the completion away
        blocked = ()
    for plugin in discover(blocked=blocked).plugins:
        if kind in ("", plugin.kind) and plugin.status in {"available", "conflict"}:
            name = plugin.name if plugin.status == "available" else plugin.ref
            if name.startswith(incomplete):
                yield CompletionItem(name, help=plugin.summary)
