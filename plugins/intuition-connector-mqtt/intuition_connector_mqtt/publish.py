"""``intuition publish``: messages to a broker, typed, piped, or replayed from a source."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from itertools import count, islice
from pathlib import Path
from typing import Final

import click

from intuition_connector_mqtt.address import DEFAULT_URL
from intuition_connector_mqtt.connector import PART, Mqtt
from intuition_connector_mqtt.numbering import Message, Numbering, source_name
from intuition_connector_mqtt.parameters import access
from intuition_connector_mqtt.progress import Bar, Progress
from intuition_connector_mqtt.publisher import Publisher
from intuition_connector_mqtt.replay import Replay
from intuition_core.commands import Interruption, Moment, config_option, interruptible, key_and_value, set_up_logging
from intuition_core.runs import Catalogue, connector_params, discover, load_config, located

_TABLE: Final = "connectors.mqtt"

Timed = tuple[Message, int]
"""A message, and the time of its event in nanoseconds UTC."""


def _number(per: str) -> Callable[[click.Context, click.Parameter, str | None], float | None]:
    """A callback of click that reads a number above zero, or `max` as None."""

    def read(_context: click.Context, _parameter: click.Parameter, value: str | None) -> float | None:
        if value is None or value == "max":
            return None
        try:
            number = float(value)
        except ValueError:
            number = 0.0
        if not 0 < number < float("inf"):
            raise click.BadParameter(f"{value!r} is neither a number of {per} nor `max`")
        return number

    return read


def _symbols(_context: click.Context, _parameter: click.Parameter, value: str | None) -> tuple[str, ...]:
    return tuple(word.strip() for word in (value or "").split(",") if word.strip())


@click.command()
@click.argument("topic", required=False)
@click.argument("payload", required=False)
@click.option("--source", metavar="NAME", help="Replay a source, a plugin's name, onto TOPIC/<symbol>.")
@click.option(
    "--data",
    metavar="PATH",
    multiple=True,
    help="What it reads; says also which source, without --source. Several are merged by time.",
)
@click.option("--param", metavar="KEY=VALUE", multiple=True, help="Another parameter of the source.")
@click.option("--from", "start", type=Moment(), help="Leave out what is before this time.")
@click.option("--to", "end", type=Moment(), help="Leave out this time and what is after it.")
@click.option("--symbols", metavar="A,B,...", callback=_symbols, help="Leave out other symbols.")
@click.option(
    "--speed", metavar="N", callback=_number("times"), help="Recorded seconds per second, or `max` (the default)."
)
@click.option("--rate", metavar="N", callback=_number("messages per second"), help="Messages per second, or `max`.")
@click.option(
    "--follow", is_flag=True, help="At the end of a file of CSV or JSON lines, go on with what is added to it."
)
@click.option("--as", "name", metavar="NAME", help="What to call the source in the messages (default: name and data).")
@click.option("--limit", type=click.IntRange(min=1), help="Stop after so many messages.")
@click.option("--qos", type=click.IntRange(0, 1), default=1, show_default=True, help="1: wait for acknowledgement.")
@click.option("--mqtt", "url", metavar="URL", help=f"The broker: mqtt:// or mqtts:// (default {DEFAULT_URL}).")
@click.option("--username", metavar="NAME", help="The user at the broker.")
@click.option("--password-file", metavar="FILE", help="A file with the password; a variable serves as well.")
@click.option("--ca", "ca_file", metavar="FILE", help="The authority that signed the broker's certificate.")
@config_option
def publish(
    *,
    topic: str | None,
    payload: str | None,
    source: str | None,
    data: tuple[str, ...],
    param: tuple[str, ...],
    start: int | None,
    end: int | None,
    symbols: tuple[str, ...],
    follow: bool,
    name: str | None,
    speed: float | None,
    rate: float | None,
    limit: int | None,
    qos: int,
    config: Path | None,
    **given: str | None,
) -> int:
    """Publish PAYLOAD on TOPIC (`quotes` by default); `-` as PAYLOAD publishes each line of the standard input.

    \b
    intuition publish quotes '{"goog": 3.45}'
    intuition publish --data prices.csv --speed 60
    intuition publish --source sample --rate 60

    What is replayed gets ids: the same command again, after a crash, say, publishes the same events again, and a
    session knows them. The broker is the one in [connectors.mqtt] of the configuration, as for `intuition connect`,
    unless flags say otherwise.
    """  # noqa: D301  # click's mark is the character, which a raw text would not hold
    replays = source is not None or bool(data)
    meant = {"--param": param, "--from": start, "--to": end, "--symbols": symbols, "--follow": follow, "--as": name}
    _check_usage(topic, payload, replays=replays, only_replays={**meant, "--speed": speed}, rate=rate)
    settings = load_config(
        config,
        flags={f"{_TABLE}.{key}": value for key, value in given.items()},
        spelled={f"{_TABLE}.url": "--mqtt", f"{_TABLE}.ca_file": "--ca"},
    )
    with located(settings, _TABLE):
        address, tls = access(PART, connector_params(settings, "mqtt", Mqtt))
    replay = None
    if replays:
        given_params = dict(map(key_and_value, param))
        replay = Replay(source=source, data=data, params=given_params, start=start, end=end, symbols=symbols)
    published = 0
    with _progress(shown=replays) as progress:
        if replay is not None:
            set_up_logging()  # once the bar is there, so that lines go above it
            catalogue = discover(blocked=settings.values.plugins.blocked)
            messages = _replayed(catalogue, replay, progress, topic=topic, name=name, follow=follow)
        else:
            messages = ((message, 0) for message in _given(topic or "quotes", payload or ""))
        with Publisher(address, tls=tls, qos=qos) as publisher, interruptible() as interruption:
            for where, content in _paced(islice(messages, limit), interruption, rate=rate, speed=speed):
                publisher.publish(where, content)
                published += 1
                progress.published(published)
    stopped = "interrupted: " if interruption.asked else ""
    click.echo(f"{stopped}published {published} message{'s' * (published != 1)} to {address}", err=True)
    return 130 if interruption.asked else 0


def _progress(*, shown: bool) -> AbstractContextManager[Progress]:
    return Bar() if shown and sys.stderr.isatty() else nullcontext(Progress())


def _check_usage(
    topic: str | None, payload: str | None, *, replays: bool, only_replays: Mapping[str, object], rate: float | None
) -> None:
    """Raise `click.UsageError` for arguments that do not go together, or a topic that cannot be published on."""
    if (payload is None) != replays:
        raise click.UsageError("give a payload, `-`, or --source NAME or --data PATH: one of them")
    for flag, value in only_replays.items():
        if value and not replays:
            raise click.UsageError(f"{flag} is for what --source or --data replays")
    if only_replays["--speed"] is not None and rate is not None:
        raise click.UsageError("give --speed or --rate: one of them")
    if topic is not None and (not topic or "+" in topic or "#" in topic or "\0" in topic):
        raise click.UsageError(f"cannot publish on {topic!r}: a topic holds no `+` and no `#`")


def _given(topic: str, payload: str) -> Iterator[Message]:
    if payload != "-":
        yield topic, payload.encode()
        return
    for line in sys.stdin.buffer:
        if content := line.strip():
            yield topic, content


def _replayed(
    catalogue: Catalogue, replay: Replay, progress: Progress, *, topic: str | None, name: str | None, follow: bool
) -> Iterator[Timed]:
    """Open the source at once, and give its events as messages.

    Raises:
        IntuitionError: the source cannot be opened.
    """
    events = replay.followed(catalogue) if follow else replay.events(catalogue, progress)
    numbering = Numbering(name or source_name(replay.plugin, replay.reads), topic)
    return ((numbering.message(event), event["ts"]) for event in events)


def _paced(
    messages: Iterable[Timed], interruption: Interruption, *, rate: float | None, speed: float | None
) -> Iterator[Message]:
    """The messages, each when it is due, until there is none or a person has asked for the end."""
    timed = iter(messages)
    start, first = 0.0, None
    for number in count():
        upcoming = interruption.unless_asked(partial(next, timed, None))
        if upcoming is None:
            return
        message, ts = upcoming
        if first is None:  # a source may take its time until it has its first event
            start, first = time.monotonic(), ts
        due = number / rate if rate else (ts - first) / 1e9 / speed if speed else 0.0
        if due:
            interruption.unless_asked(partial(time.sleep, max(0.0, start + due - time.monotonic())))
        if interruption.asked:
            return
        yield message
