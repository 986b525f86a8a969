"""``intuition check``: hold plugins to what is asked of their kind, and say what to change."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import click
import msgspec

from intuition_core.cli.checklist import DEADLINE, Checklist, Metadata, examine, metadata
from intuition_core.cli.options import Seconds, blocked_plugins, call_deadline, config_option, verbose_option
from intuition_core.config.files import UnreadableFile, read_toml
from intuition_core.contracts import CONTRACT_VERSION
from intuition_core.errors import IntuitionError, did_you_mean
from intuition_core.plugins.catalogue import KINDS, Catalogue, Plugin, discover
from intuition_core.plugins.distributions import normal
from intuition_core.plugins.files import is_file

_MARKS: Final = {"pass": ("✓", "green"), "fail": ("✗", "red"), "skip": ("–", "yellow")}  # noqa: RUF001  # a dash, to be as wide as the others
_GROUP: Final = f"intuition.v{CONTRACT_VERSION}."


class NothingToCheck(IntuitionError):
    """A reference to check for which there is no plugin."""

    def __init__(self, reference: str, problem: str) -> None:
        self.reference = reference
        self.problem = problem
        super().__init__(f"{reference}: {problem}")


class Subject(NamedTuple):
    """A plugin to check, and where it is found."""

    plugin: Plugin
    about: Metadata | None
    path: list[str]


@click.command("check")
@click.argument("references", metavar="PLUGIN...", nargs=-1, required=True)
@click.option("--kind", type=click.Choice(KINDS), help="The kind, where a name or a file leaves it open.")
@click.option("--param", "params", metavar="KEY=VALUE", multiple=True, help="A parameter to check it with; repeatable.")
@click.option(
    "--deadline", type=Seconds(), default=DEADLINE, show_default=True, metavar="SECONDS", help="Give a plugin up after."
)
@click.option("--json", "as_json", is_flag=True, help="Print an array of objects, for programs.")
@config_option
@verbose_option
def check(
    *,
    references: Sequence[str],
    kind: str | None,
    params: tuple[str, ...],
    deadline: float,
    as_json: bool,
    config: Path | None,
    verbose: int,
) -> int:
    """Hold a plugin to the contract of its kind, and say what to change.

    PLUGIN is a name, kind:name, a distribution, a folder with a pyproject.toml, or a file (my_algo.py, or
    my_algo.py:Class). The checks are those of `intuition_core.testing`, each plugin's in a process of its own, where a
    call may take as long as `deadline` in [worker] says. Exits with 1 if anything fails; what could not be judged, or
    is recommended and not there, is marked by a dash.
    """
    given = dict(map(_typed, params))
    catalogue = discover(blocked=blocked_plugins(config))
    call = call_deadline(config)
    subjects = [subject for reference in references for subject in _meant(reference, kind, catalogue)]
    lists = []
    for number, subject in enumerate(subjects):
        done = examine(subject.plugin, subject.about, params=given, deadline=deadline, call=call, path=subject.path)
        lists.append(done)
        if not as_json:
            _print(done, first=not number, all_of_it=len(subjects) == 1 or verbose > 0)
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode([_plain(done) for done in lists]), indent=2).decode())
    elif len(lists) > 1:
        failed = sum(done.failed for done in lists)
        click.echo(f"\n{len(lists)} plugins, {failed or 'none'} of them failed.", err=True)
    return 1 if any(done.failed for done in lists) else 0


def _typed(text: str) -> tuple[str, Any]:
    key, separator, value = text.partition("=")
    if not separator or not key:
        raise click.UsageError(f"--param {text}: expected KEY=VALUE")
    from intuition_core.params.typed import Typed

    return key, Typed(value).value


def _meant(reference: str, kind: str | None, catalogue: Catalogue) -> Iterator[Subject]:
    """Yield the plugins that a reference means."""
    prefix, _, rest = reference.partition(":")
    if prefix in KINDS and rest:
        kind, reference = prefix, rest
    if is_file(reference):
        plugin = catalogue.find(kind or "", reference)
        yield Subject(plugin, None, [str(Path(plugin.target.rpartition(".py")[0]).parent), *sys.path])
        return
    if Path(reference).is_dir():
        yield from _in_folder(Path(reference), kind)
        return
    distribution, _, name = reference.rpartition(":")
    found = [
        plugin
        for plugin in catalogue.plugins
        if kind in (None, plugin.kind)
        and (
            (plugin.name == (name or reference) and normal(distribution) in ("", normal(plugin.distribution)))
            or (not distribution and normal(plugin.distribution) == normal(reference))
        )
    ]
    if not found:
        known = [each for plugin in catalogue.plugins for each in (plugin.name, plugin.distribution)]
        what = f"{kind} or distribution" if kind else "plugin or distribution"
        hint = did_you_mean(reference, known) or "; `intuition list-plugins` names them all"
        raise NothingToCheck(reference, f"no {what} of this name is installed, and no folder or file is there{hint}")
    for plugin in found:
        yield Subject(plugin, metadata(plugin), list(sys.path))


def _in_folder(folder: Path, kind: str | None) -> Iterator[Subject]:
    """Yield the plugins of a project, installed or not."""
    file = folder / "pyproject.toml"
    try:
        project = read_toml(file).get("project", {})
    except FileNotFoundError:
        raise NothingToCheck(str(folder), "it has no pyproject.toml, so it is no plugin's project") from None
    except UnreadableFile as error:
        raise NothingToCheck(str(file), str(error)) from None
    about = Metadata(
        str(project.get("version", "")),
        str(project.get("description", "")),
        [str(each) for each in project.get("dependencies", ())],
        "readme" in project,
    )
    path = [str(folder.absolute() / place) for place in ("src", "")] + sys.path
    none = True
    for group, entries in project.get("entry-points", {}).items():
        if group.startswith(_GROUP) and kind in (None, group.removeprefix(_GROUP)):
            for name, target in entries.items():
                none = False
                origin = str(project.get("name", "")), about.version
                yield Subject(Plugin(group.removeprefix(_GROUP), name, *origin, target, about.summary), about, path)
    if none:
        raise NothingToCheck(
            str(file),
            f'it offers no plugin: add [project.entry-points."{_GROUP}algorithm"] with `name = "module:Class"`',
        )


def _plain(done: Checklist) -> dict[str, Any]:
    plugin = done.plugin
    return {
        "kind": plugin.kind,
        "name": plugin.name,
        "distribution": plugin.distribution,
        "version": plugin.version,
        "tier": done.tier or None,
        "failed": done.failed,
        "checks": [msgspec.structs.asdict(item) for item in done.items],
    }


def _print(done: Checklist, *, first: bool, all_of_it: bool) -> None:
    """Print a checklist; of several, only what did not pass."""
    from rich.text import Text

    from intuition_core.cli.screen import console

    out = console()
    if not first and all_of_it:
        out.print()
    mark, colour = _MARKS["fail" if done.failed else "pass"]
    head = Text.assemble((mark, colour), " ", (str(done.plugin), "bold"), f": {done.tier or 'not usable'}")
    out.print(head, soft_wrap=True)
    for item in done.items:
        if all_of_it or item.mark == "fail":
            mark, colour = _MARKS[item.mark]
            line = Text.assemble("  ", (mark, colour), f" {item.check}", f": {item.detail}" if item.detail else "")
            out.print(line, soft_wrap=True)
