"""The command ``intuition``: its commands are imported when they are run, one file each, and plugins can bring more."""

import importlib
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import click

from intuition_core.cli.options import Invocation, blocked_plugins, verbose_option
from intuition_core.errors import IntuitionError, did_you_mean
from intuition_core.supervision.streams import is_output_lost
from intuition_core.system.printable import escaped, is_text

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from intuition_core.plugins.catalogue import Catalogue


class BuiltIn(NamedTuple):
    """A command of our own: the module that holds it, and its line in ``--help``, which does not import it."""

    module: str
    summary: str


BUILT_IN: Final = {
    "up": BuiltIn("up", "Run broker, backend and connector together, and show the decisions live."),
    "serve": BuiltIn("serve", "Serve an algorithm and a portfolio as a session."),
    "backtest": BuiltIn("backtest", "Run an algorithm and a portfolio over recorded events."),
    "data": BuiltIn("data", "Look into files, and keep data under names that `--data` takes."),
    "connect": BuiltIn("connect", "Carry events from a broker to a backend, and its decisions back."),
    "trade": BuiltIn("trade", "Carry a session's orders to a venue, and what the venue says back."),
    "indicate": BuiltIn("indicate", "Publish an indicator's values on a channel, for any algorithm."),
    "kill": BuiltIn("kill", "Stop a running session's orders, or let them go on."),
    "swap": BuiltIn("swap", "Replace a part by another one while a session runs."),
    "upgrade": BuiltIn("upgrade", "Make the orders of a session fill by newer rules from now on."),
    "keys": BuiltIn("keys", "Make and show the keys that protect a session."),
    "sessions": BuiltIn(
        "sessions",
        "List the sessions that are kept; show, export, archive, verify, repair or release one, or forget a client.",
    ),
    "replay": BuiltIn("replay", "Run a session's events again, and hold the records against its journal."),
    "new": BuiltIn("new", "Begin a plugin: a working example with typed parameters and tests."),
    "list-plugins": BuiltIn("list_plugins", "List the plugins that are installed."),
    "doctor": BuiltIn("doctor", "Look whether this machine has what a session needs."),
    "completion": BuiltIn("completion", "Print a script by which the shell completes commands and plugins."),
    "check": BuiltIn("check", "Hold a plugin to the contract of its kind, and say what to change."),
    "show": BuiltIn("show", "Show a plugin: what it is, what it takes, and how to try it."),
    "init": BuiltIn("init", "Write a commented intuition.toml for the parts that are named."),
    "config": BuiltIn("config", "Explain a configuration, and all that is wrong with it."),
    "schema": BuiltIn("schema", "Print a JSON Schema of intuition.toml for the plugins that are installed."),
}
"""Our own commands, in the order of ``--help``. The module holds a click command of its own name."""


class Commands(click.Group):
    """A group whose commands are imported only when they are run."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        """Return the names of all commands, ours first."""
        return [name for name, _ in self._summaries()]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command, which is imported; None where there is none of that name.

        Raises:
            IntuitionError: a plugin brings the command, and cannot be used.
        """
        if built_in := BUILT_IN.get(cmd_name):
            found = getattr(importlib.import_module(f"{__name__}.{built_in.module}"), built_in.module)
            assert isinstance(found, click.Command)  # noqa: S101  # a defect of ours otherwise
            command: click.Command | None = found
        else:
            command = _command_of_plugin(cmd_name)
        if command is not None and ctx.resilient_parsing:  # a shell completes what is typed
            from intuition_core.cli.completion import complete_names

            complete_names(command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that the arguments start with.

        Raises:
            UsageError: there is none; with the nearest name, or the distribution that brings it.
        """
        name = args[0]
        command = self.get_command(ctx, name)
        if command is None and not ctx.resilient_parsing:
            raise click.UsageError(f"No such command `{name}`{self._hint(name)}", ctx)
        return name, command, args[1:]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  # click's signature
        """Write the commands' names and summaries."""
        with formatter.section("Commands"):
            formatter.write_dl(list(self._summaries()))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> "list[CompletionItem]":
        """Complete a command's name without importing commands."""
        from click.shell_completion import CompletionItem

        named = [
            CompletionItem(name, help=summary) for name, summary in self._summaries() if name.startswith(incomplete)
        ]
        return named + click.Command.shell_complete(self, ctx, incomplete)

    def _summaries(self) -> Iterator[tuple[str, str]]:
        for name, built_in in BUILT_IN.items():
            yield name, built_in.summary
        # A configuration with mistakes must not take the help away.
        with suppress(IntuitionError):
            commands = [plugin for plugin in _catalogue().plugins if plugin.kind == "command"]
            brought = Counter(plugin.distribution for plugin in commands)
            for plugin in commands:
                if plugin.status == "available" and plugin.name not in BUILT_IN:
                    # What a distribution says of itself tells apart no two commands that it brings.
                    alone = plugin.summary and brought[plugin.distribution] == 1
                    source = plugin.distribution
                    yield plugin.name, f"{plugin.summary} ({source})" if alone else f"From {source}."

    def _hint(self, name: str) -> str:
        from intuition_core.plugins.first_party import FIRST_PARTY, how_to_install

        distribution = FIRST_PARTY.get(("command", name))
        if distribution:
            return f": it comes with {distribution}; run {how_to_install(distribution)}"
        known = dict.fromkeys(command for command, _ in self._summaries())
        known |= dict.fromkeys(command for kind, command in FIRST_PARTY if kind == "command")
        begun = [command for command in known if command.startswith(name)]
        return did_you_mean(begun[0] if begun else name, known) or "; `intuition --help` names them all"


def _catalogue() -> "Catalogue":
    from intuition_core.plugins.catalogue import discover

    return discover(blocked=blocked_plugins())


def _command_of_plugin(name: str) -> click.Command | None:
    from intuition_core.plugins.catalogue import BrokenPlugin, UnknownPlugin

    catalogue = _catalogue()
    try:
        plugin = catalogue.find("command", name)
    except UnknownPlugin:
        return None
    command = catalogue.load("command", name)
    if not isinstance(command, click.Command):
        raise BrokenPlugin(plugin, f"`{plugin.target}` is no click command; report it to its author")
    return command


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="""\b
A command's own options: intuition COMMAND --help
Exit codes: 0 done; 1 a mistake, or something was found wrong; 2 the command line is wrong; 130 interrupted.""",
)
@click.version_option(package_name="intuition-core", message="%(prog)s %(version)s")
@verbose_option
def cli(verbose: int) -> None:
    """Put a trading system together from plugins, and run it."""


def main(arguments: Sequence[str] | None = None, *, ready: Callable[[], object] | None = None) -> int:
    """Run the command line, and return the exit code.

    Args:
        arguments: those of the process where None.
        ready: called once an interruption would be taken as one.

    A mistake of the user's is one line on stderr and exit code 1 (2 if the command line itself is wrong); an
    interruption gives 130. The traceback of a mistake is shown at ``-vv`` or with ``INTUITION_TRACEBACK=1``.
    """
    if "INTUITION_LIFELINE" in os.environ:  # `lifeline.VARIABLE`, which takes time to import
        from intuition_core.supervision.lifeline import end_with_parent

        end_with_parent()
    given = sys.argv[1:] if arguments is None else arguments
    invocation = Invocation(given)
    try:
        _refuse_unreadable(given)
        if ready is not None:
            ready()
        result = cli.main(arguments, prog_name="intuition", standalone_mode=False, obj=invocation)
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except KeyboardInterrupt:  # before the command has begun
        return 130
    except click.Abort as error:
        return 130 if isinstance(error.__cause__, KeyboardInterrupt) else 1
    except IntuitionError as error:
        _show_traceback(invocation, error)
        click.echo(f"intuition: {_without_secrets(str(error))}", err=True)
        return 1
    except BrokenPipeError:
        _give_up_output()  # whoever read it has seen enough
        return 1
    except OSError as error:
        if (problem := _problem_of_system(error)) is None:
            raise
        _show_traceback(invocation, error)
        _give_up_output()
        click.echo(f"intuition: {problem}", err=True)
        return 1
    return result if isinstance(result, int) else 0


class UnreadableText(IntuitionError):
    """An argument or a variable with bytes that are no text in the encoding of the process."""

    def __init__(self, where: str, text: str) -> None:
        self.where = where
        self.text = text
        super().__init__(
            f"{where}, {escaped(text)!r}, holds bytes that are no text in {sys.getfilesystemencoding()}; write it in "
            "UTF-8, and run the command in a UTF-8 locale such as LC_ALL=C.UTF-8"
        )


def _refuse_unreadable(arguments: Sequence[str]) -> None:
    """Check that the arguments and our variables are text.

    Raises:
        UnreadableText: one of them is not.
    """
    texts = [(f"argument {number}", text) for number, text in enumerate(arguments, 1)]
    texts += [(name, text) for name, text in os.environ.items() if name.startswith("INTUITION_")]
    for where, text in texts:
        if not is_text(where) or not is_text(text):
            raise UnreadableText(escaped(where), text)


def _without_secrets(text: str) -> str:
    if "intuition_core.params.secrets" not in sys.modules:  # then nothing was given any
        return text
    from intuition_core.params.secrets import SECRETS

    return SECRETS.redacted(text)


def _show_traceback(invocation: Invocation, error: BaseException) -> None:
    if invocation.verbosity >= 2 or os.environ.get("INTUITION_TRACEBACK", "0") not in {"", "0"}:
        import traceback

        click.echo(_without_secrets("".join(traceback.format_exception(error))), err=True)


def _problem_of_system(error: OSError) -> str | None:
    """Return a sentence for an error of the system that no command has foreseen; None where it says too little."""
    why = error.strerror or str(error)
    if is_output_lost(error):
        return f"the standard output cannot be written: {why}; what the command printed is not complete"
    if error.filename is not None:
        return f"{os.fsdecode(error.filename)}: {why}"
    try:
        os.getcwd()  # noqa: PTH109  # only whether there is one
    except OSError:
        return "the working folder is gone; change to another one, and run the command again"
    return None


def _give_up_output() -> None:
    """Send what is still buffered of the standard output nowhere, so that it does not complain at exit."""
    with suppress(OSError, ValueError), Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), sys.stdout.fileno())
