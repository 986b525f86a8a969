"""``intuition show``: one plugin, with its parameters."""

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from intuition_core.cli.options import blocked_plugins, config_option, verbose_option
from intuition_core.contracts import CONTRACT_VERSION
from intuition_core.errors import IntuitionError, did_you_mean
from intuition_core.plugins.catalogue import KINDS, BrokenPlugin, Catalogue, Plugin, PluginConflict, discover
from intuition_core.plugins.distributions import normal
from intuition_core.plugins.files import is_file
from intuition_core.plugins.first_party import FIRST_PARTY, how_to_install

if TYPE_CHECKING:
    from intuition_core.plugins.description import Parameter

_EXAMPLES: Final = {
    "algorithm": "intuition backtest --algo {name} --source sample{params}",
    "portfolio": "intuition backtest --algo random --portfolio {name} --source sample{params}",
    "source": "intuition backtest --algo random --source {name}{params}",
    "indicator": "intuition indicate {name}{params}",
    "risk": "INTUITION_RISKS='[{{ name = \"{name}\" }}]' intuition backtest --algo random --source sample",
    "instruments": "INTUITION_INSTRUMENTS__NAME={name} intuition backtest --algo random --source sample",
    "calendar": "INTUITION_INSTRUMENTS__CALENDARS={name}"
    ' INTUITION_INSTRUMENTS__TABLE=\'[{{ symbol = "IBM", calendar = "XNYS" }}]\''
    " intuition backtest --algo random --source sample",
    "broker": "intuition trade --broker {name} --live ACCOUNT",
    "connector": "intuition connect --connector {name}{params}",
    "report": "intuition backtest --algo random --source sample --report report.html",
    "hooks": "INTUITION_HOOKS__ENABLED={name} intuition serve --algo random",
    "command": "intuition {name} --help",
}
"""A command that tries a plugin of a kind."""


class NoSuchPlugin(IntuitionError):
    """A name under which no plugin of any kind is installed."""

    def __init__(self, name: str, catalogue: Catalogue) -> None:
        self.name = name
        brought = sorted({distribution for (_, known), distribution in FIRST_PARTY.items() if known == name})
        if brought:
            hint = f": it comes with {brought[0]}; run {how_to_install(brought[0])}"
        else:
            near = did_you_mean(name, {plugin.name for plugin in catalogue.plugins})
            hint = f"{near or '.'} `intuition list-plugins` names them all"
        super().__init__(f"no plugin is called `{name}`{hint}")


class Ambiguous(IntuitionError):
    """A name that plugins of several kinds have."""

    def __init__(self, name: str, kinds: tuple[str, ...]) -> None:
        self.name = name
        self.kinds = kinds
        choices = " or ".join(f"`{kind}:{name}`" for kind in kinds)
        super().__init__(f"`{name}` is the name of plugins of {len(kinds)} kinds; say {choices}")


@click.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print an object, for programs.")
@config_option
@verbose_option
def show(*, name: str, as_json: bool, config: Path | None, verbose: int) -> int:  # noqa: ARG001  # heard by who shows errors
    """Show a plugin: what it is, what it takes, and how to try it.

    NAME is a plugin's name, kind:name where several kinds have it, or distribution:name. Only this plugin is imported.
    """
    catalogue = discover(blocked=blocked_plugins(config))
    plugin = find(catalogue, name)
    told = tell(catalogue, plugin)
    if as_json:
        import msgspec

        click.echo(msgspec.json.format(msgspec.json.encode(told), indent=2).decode())
    else:
        _print(told)
    return 0 if told["status"] == "available" else 1


def find(catalogue: Catalogue, name: str) -> Plugin:
    """Return the plugin that a name means, of any kind and status.

    Raises:
        NoSuchPlugin: there is none.
        Ambiguous: there are several, of different kinds.
        PluginConflict: there are several of one kind.
        IntuitionError: it is a file from which no part can be taken.
    """
    kind, _, rest = name.partition(":")
    kinds, ref = ((kind,), rest) if kind in KINDS and rest else (KINDS, name)
    if is_file(ref):
        found = [catalogue.find(each, ref) for each in kinds if _holds(catalogue, each, ref)]
        found = found or [catalogue.find(kinds[0], ref)]
    else:
        distribution, _, short = ref.rpartition(":")
        found = [
            plugin
            for plugin in catalogue.plugins
            if plugin.kind in kinds
            and plugin.name == short
            and (not distribution or normal(plugin.distribution) == normal(distribution))
        ]
    usable = [plugin for plugin in found if plugin.status in {"available", "conflict"}] or found
    if not usable:
        raise NoSuchPlugin(name, catalogue)
    of_kinds = tuple(dict.fromkeys(plugin.kind for plugin in usable))
    if len(of_kinds) > 1:
        raise Ambiguous(ref, of_kinds)
    if len(usable) > 1 and usable[0].status == "conflict":
        raise PluginConflict(of_kinds[0], ref, usable)
    return usable[0]


def tell(catalogue: Catalogue, plugin: Plugin) -> dict[str, Any]:
    """Return the description of a plugin as plain JSON types; the plugin is imported if possible."""
    import msgspec

    from intuition_core.plugins.description import Description, describe

    status, reason = plugin.status, plugin.reason
    description = Description()
    if status in {"available", "conflict"}:
        status, reason = "available", None
        try:
            part = catalogue.load(plugin.kind, plugin.target if is_file(plugin.target) else plugin.ref)
            if plugin.kind != "command":
                description = describe(part)
        except BrokenPlugin as error:
            status, reason = "broken", error.problem
    told = {
        **msgspec.structs.asdict(plugin),
        "status": status,
        "reason": reason,
        "contract": CONTRACT_VERSION if status != "incompatible" else None,
        **msgspec.structs.asdict(description),
        "example": example(plugin, description.parameters or ()),
    }
    plain: dict[str, Any] = msgspec.to_builtins(told)
    return plain


def example(plugin: Plugin, parameters: "tuple[Parameter, ...]") -> str | None:
    """Return a command that tries a plugin, with a place for each parameter that it needs; None for an unknown kind."""
    if plugin.kind not in _EXAMPLES:
        return None
    prefix = "source." if plugin.kind == "source" else ""
    needed = [f" --param {prefix}{each.name}={each.name.upper()}" for each in parameters if each.required]
    if plugin.kind == "source" and any(each.name == "path" for each in parameters):
        needed.insert(0, " --data FILE")
    name = plugin.target if is_file(plugin.target) else plugin.ref if plugin.status == "conflict" else plugin.name
    return _EXAMPLES[plugin.kind].format(name=shlex.quote(name), params="".join(needed))


def _holds(catalogue: Catalogue, kind: str, ref: str) -> bool:
    from intuition_core.plugins.files import NoSuchPart

    try:
        catalogue.load(kind, ref)
    except NoSuchPart:
        return False
    except IntuitionError:
        return True
    return True


def _print(told: dict[str, Any]) -> None:
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    from intuition_core.cli.screen import console

    out = console(width=120)
    source = f"{told['distribution']} {told['version']}".strip()
    out.print(Text.assemble(f"{told['kind']} ", (told["name"], "bold"), f" ({source})"))
    if told["reason"]:
        out.print(Text.assemble((told["status"], "red"), f": {told['reason']}"))
    about = told["doc"] or told["summary"]
    if about:
        out.print()
        out.print(Text(_plain(about)))
    out.print()
    if told["parameters"]:
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
        table.add_column("parameter", no_wrap=True)
        table.add_column("default", overflow="fold", max_width=24)
        table.add_column("takes", overflow="fold", ratio=1)
        table.add_column("meaning", overflow="fold", ratio=2)
        for each in told["parameters"]:
            default = "required" if each["required"] else "" if each["default"] is None else shown(each["default"])
            takes = f"{each['type']} (secret)" if each["secret"] else each["type"]
            table.add_row(*map(Text, (each["name"], default, takes, _plain(each["doc"]))))
        out.print(table)
    elif told["parameters"] is not None:
        out.print("It takes no parameters.")
    elif told["kind"] not in {"command", "hooks", "report"} and told["status"] == "available":
        out.print("It declares no parameters, and is given whatever is configured.")
    if told["contract"]:
        out.print()
        out.print(Text(f"Written for version {told['contract']} of the contract, as `{told['target']}`."))
    if told["example"]:
        out.print("To try it:")
        out.print(Padding(Text(told["example"], overflow="fold"), (0, 0, 0, 2)))


def _plain(text: str) -> str:
    """Return text without the marks of reStructuredText."""
    return re.sub(r"``(.+?)``", r"`\1`", text)


def shown(value: Any) -> str:
    """Return a plain value as TOML writes it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return _json(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(shown, value))}]"
    if isinstance(value, dict):
        inner = ", ".join(f"{_key(key)} = {shown(content)}" for key, content in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    return str(value)


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _json(key)


def _json(text: str) -> str:
    import json

    return json.dumps(text)  # which TOML reads as JSON does
