"""``intuition publish``: messages to a broker, typed, piped, or replayed from a source."""

import re
import sys
import time
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from intuition_connector_mqtt.address import DEFAULT_URL
from intuition_connector_mqtt.connector import PART, Mqtt
from intuition_connector_mqtt.parameters import access
from intuition_connector_mqtt.publisher import Publisher
from intuition_core.cli.options import config_option
from intuition_core.compose import connector_params, located
from intuition_core.config import load_config
from intuition_core.parameters import check_params
from intuition_core.plugins import discover

_TABLE: Final = "connectors.mqtt"
_NOT_IN_TOPICS: Final = re.compile(r"[+#/\x00]")

Message = tuple[str, bytes]


def _rate(_context: click.Context, _parameter: click.Parameter, value: str) -> float | None:
    """Read a number of messages per second; None stands for as many as there can be."""
    if value == "max":
        return None
    try:
        rate = float(value)
    except ValueError:
        rate = 0.0
    if not 0 < rate < float("inf"):
        raise click.BadParameter(f"{value!r} is neither a number of messages per second nor `max`")
    return rate


@click.command()
@click.argument("topic", default="quotes")
@click.argument("payload", required=False)
@click.option("--source", metavar="NAME", help="Replay a source, a plugin's name, onto TOPIC/<symbol>.")
@click.option("--rate", callback=_rate, default="max", show_default=True, help="Messages per second, or `max`.")
@click.option("--limit", type=click.IntRange(min=1), help="Stop after so many messages.")
@click.option("--qos", type=click.IntRange(0, 1), default=1, show_default=True, help="1: wait for acknowledgement.")
@click.option("--mqtt", "url", metavar="URL", help=f"The broker: mqtt:// or mqtts:// (default {DEFAULT_URL}).")
@click.option("--username", metavar="NAME", help="The user at the broker.")
@click.option("--password-file", metavar="FILE", help="A file with the password; a variable serves as well.")
@click.option("--ca", "ca_file", metavar="FILE", help="The authority that signed the broker's certificate.")
@config_option
def publish(
    *,
    topic: str,
    payload: str | None,
    source: str | None,
    rate: float | None,
    limit: int | None,
    qos: int,
    config: Path | None,
    **given: str | None,
) -> None:
    r"""Publish PAYLOAD on TOPIC (`quotes` by default); `-` as PAYLOAD publishes each line of the standard input.

    \b
    intuition publish quotes '{"goog": 3.45}'
    intuition publish --source sample --rate 60

    The broker is the one in [connectors.mqtt] of the configuration, as for `intuition connect`, unless flags say
    otherwise.
    """
    if (payload is None) == (source is None):
        raise click.UsageError("give a payload, `-`, or --source NAME: one of them")
    if not topic or "+" in topic or "#" in topic or "\0" in topic:
        raise click.UsageError(f"cannot publish on {topic!r}: a topic holds no `+` and no `#`")
    settings = load_config(
        config,
        flags={f"{_TABLE}.{key}": value for key, value in given.items()},
        spelled={f"{_TABLE}.url": "--mqtt", f"{_TABLE}.ca_file": "--ca"},
    )
    with located(settings, _TABLE):
        address, tls = access(PART, connector_params(settings, "mqtt", Mqtt))
    if source is not None:
        messages = _replayed(_source(source, settings.values.plugins.blocked), topic)
    else:
        messages = _given(topic, payload or "")
    count = 0
    with Publisher(address, tls=tls, qos=qos) as publisher:
        for where, content in _paced(islice(messages, limit), rate):
            publisher.publish(where, content)
            count += 1
    click.echo(f"published {count} message{'s' * (count != 1)} to {address}", err=True)


def _given(topic: str, payload: str) -> Iterator[Message]:
    if payload != "-":
        yield topic, payload.encode()
        return
    for line in sys.stdin.buffer:
        if content := line.strip():
            yield topic, content


def _source(name: str, blocked: tuple[str, ...]) -> Any:
    factory: Any = discover(blocked=blocked).load("source", name)
    source = factory()
    if hasattr(source, "initialize"):
        source.initialize(check_params(f"source {name}", factory, {}))
    return source


def _replayed(source: Any, topic: str) -> Iterator[Message]:
    for event in source.events():
        # A symbol that cannot be a level of a topic still goes along in the payload.
        sid = event.get("sid")
        named = isinstance(sid, str) and sid and not _NOT_IN_TOPICS.search(sid)
        yield f"{topic}/{sid}" if named else topic, msgspec.json.encode(event)


def _paced(messages: Iterable[Message], rate: float | None) -> Iterator[Message]:
    start = time.monotonic()
    for number, message in enumerate(messages):
        if rate:
            time.sleep(max(0.0, start + number / rate - time.monotonic()))
        yield message
