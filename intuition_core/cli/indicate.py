"""``intuition indicate``: an indicator between topics: quotes in, its values out, for any algorithm."""

import logging
import signal
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from msgspec.structs import replace

from intuition_core.cli.logs import set_up_logging
from intuition_core.cli.options import config_option, journal_opener, key_and_value, verbose_option
from intuition_core.config.loading import Config, load_config
from intuition_core.config.tables import AlgorithmTable
from intuition_core.params.typed import Typed

if TYPE_CHECKING:
    from intuition_core.plugins.catalogue import Catalogue, Plugin
    from intuition_core.serving.service import Service

_CONNECTOR: Final = "connectors.mqtt"
_METHODS: Final = ("attach", "events", "confirm", "outbox", "describe", "initialize", "event")
"""What of a session the connector uses; not its account, as nothing is traded."""


@click.command()
@click.argument("name")
@click.option("--on", metavar="CHANNEL", help="The channel to listen to (default: the indicator's own, often quotes).")
@click.option("--channel", metavar="CHANNEL", help="The channel to publish on (default: the indicator's name).")
@click.option("--param", "params", multiple=True, metavar="KEY=VALUE", help="A parameter of the indicator.")
@click.option("--mqtt", "url", metavar="URL", help="The broker: mqtt:// or mqtts://.")
@click.option("--username", metavar="NAME", help="The user at the broker.")
@click.option("--password-file", type=click.Path(), help="A file with the password; a variable serves as well.")
@click.option("--ca", "ca_file", type=click.Path(), help="The authority that signed the broker's certificate.")
@click.option("--session", metavar="NAME", help="The session's name (default: indicate-<channel>).")
@click.option("--journal", metavar="FILE", help="Where the session is kept (default: a file named after it).")
@click.option("--no-journal", is_flag=True, help="Keep nothing: after a restart the windows fill anew.")
@config_option
@click.option("--log-format", type=click.Choice(["text", "json"]), default="text", help="How to write logs.")
@verbose_option
def indicate(*, name: str, log_format: str, verbose: int, **options: Any) -> None:
    """Publish an indicator's values on a channel, for any algorithm.

    For example, `intuition indicate sma --param window=20` listens to quotes at the broker and publishes each average
    as an event on `sma/<symbol>`, with an id by which one that comes twice is known again. What it has heard is kept
    in a journal, and the same command goes on with it: no value is left out or computed otherwise when the process
    ends, however it ends.

    The broker is the one in [connectors.mqtt] of the configuration, as for `intuition connect`. Of the rest of it only
    `negative_prices`, [plugins] and the durability in [journal] count.
    """
    log = set_up_logging(log_format, verbose)
    typed, origins = _parameters(options.pop("on"), options.pop("channel"), options.pop("params"))
    settings = _settings(**options)
    settings = replace(settings, origins={**settings.origins, **origins})

    from intuition_core.config.compose import connector as make_connector
    from intuition_core.plugins.catalogue import Catalogue, discover
    from intuition_core.serving.service import Service

    catalogue = discover(blocked=settings.values.plugins.blocked)
    plugin = catalogue.find("indicator", name)
    params = _checked(settings, catalogue, plugin, name, typed)
    speaks_on = str(params.get("channel") or plugin.name)
    settings = _alone(settings, plugin, params, options["session"] or _session_of(speaks_on))
    with ExitStack() as stack:
        # An indicator is an algorithm that gives nothing but messages.
        parts = (replace(plugin, kind="algorithm"), *_of_kind(catalogue, "portfolio"))
        service = Service(settings, Catalogue(parts), journal=journal_opener(settings, stack))
        stack.callback(service.close)
        _run(make_connector(settings, catalogue, "mqtt"), service, plugin.name, speaks_on, log)
    log.info("stopped: indicator %s", plugin.name)


def _parameters(on: str | None, channel: str | None, params: Iterable[str]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the indicator's parameters as they were typed, and the flag that gave each, by its dotted key."""
    typed: dict[str, Any] = {
        key: Typed(value) for key, value in (("on", on), ("channel", channel)) if value is not None
    }
    origins = {f"algorithm.params.{key}": f"--{key}" for key in typed}
    for key, value in map(key_and_value, params):
        typed[key] = value
        origins[f"algorithm.params.{key}"] = f"--param {key}"
    return typed, origins


def _settings(
    *, session: str | None, journal: str | None, no_journal: bool, config: Path | None, **broker: Any
) -> Config:
    return load_config(
        config,
        flags={
            **{f"{_CONNECTOR}.{key}": value for key, value in broker.items()},
            f"{_CONNECTOR}.messages": "channel",
            "session": session,
            "journal.path": journal,
            "journal.enabled": False if no_journal else None,
        },
        spelled={f"{_CONNECTOR}.url": "--mqtt", f"{_CONNECTOR}.ca_file": "--ca"},
    )


def _checked(
    settings: Config, catalogue: "Catalogue", plugin: "Plugin", name: str, typed: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the parameters as the indicator takes them, in plain JSON types.

    Raises:
        BadParameter: it does not take one.
    """
    from intuition_core.config.compose import located
    from intuition_core.params.checking import check_params, json_params

    with located(settings, "algorithm.params"):
        return json_params(check_params(f"indicator {plugin.name}", catalogue.load("indicator", name), typed))


def _run(connector: Any, service: "Service", name: str, speaks_on: str, log: logging.Logger) -> None:
    """Connect the session to the broker until SIGINT or SIGTERM."""
    from intuition_core.serving.local import Local

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: connector.stop())
    kept = service.journal
    if kept is None:
        log.info("no journal: after a restart the windows fill anew")
    else:
        log.info("journal %s: %d events so far", kept.path, service.session.last_seq)
    methods = service.methods()
    log.info("%s on %s, to %s", name, ", ".join(service.session.engine.channels), speaks_on)
    connector.run(Local(service.session.name, {method: methods[method].function for method in _METHODS}))


def _alone(settings: Config, plugin: "Plugin", params: dict[str, Any], session: str) -> Config:
    """Return a configuration with the indicator as its only part, and with a session of its own."""
    values = settings.values
    path = values.journal.path if "journal.path" in settings.pinned else None
    return replace(
        settings,
        values=replace(
            type(values)(),
            algorithms=(AlgorithmTable(name=plugin.name, params=params),),
            session=session,
            negative_prices=values.negative_prices,
            journal=replace(values.journal, path=path),
            connectors=values.connectors,
            plugins=values.plugins,
        ),
    )


def _session_of(channel: str) -> str:
    name = "".join(letter if letter.isascii() and (letter.isalnum() or letter in "._") else "-" for letter in channel)
    return f"indicate-{name}"[:64]


def _of_kind(catalogue: "Catalogue", kind: str) -> "list[Plugin]":
    return [plugin for plugin in catalogue.plugins if plugin.kind == kind]
