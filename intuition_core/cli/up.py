"""``intuition up``: broker, backend and connector together, for a first look and for daily work on one machine."""

import errno
import os
import shlex
import shutil
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import click
import msgspec

from intuition_core.cli.options import config_option, key_and_value, rpc_address, verbose_option
from intuition_core.config.loading import Config, load_config
from intuition_core.errors import IntuitionError
from intuition_core.rpc.address import Address, Exposed
from intuition_core.supervision.streams import styled
from intuition_core.system.printable import escaped

if TYPE_CHECKING:
    from intuition_core.supervision.processes import Child

MQTT_PORT: Final = 1883
_CONNECT: Final = b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x05\x00\x00"
"""The shortest MQTT 3.1.1 CONNECT: clean session, no client id, 5 s keep-alive."""
_CONNACK: Final = 0x20
_COLOURS: Final = {"broker": "blue", "backend": "green", "connector": "magenta", "demo": "yellow"}


class PortTaken(IntuitionError):
    """A port that something else listens on."""

    def __init__(self, what: str, address: str, remedy: str) -> None:
        self.what = what
        self.address = address
        super().__init__(f"the {what} cannot listen at {address}: the port is taken; {remedy}")


@click.command()
@click.option("--algo", metavar="NAME", help="The algorithm (default: as configured, else random).")
@click.option("--portfolio", metavar="NAME", help="The portfolio (default: as configured, else naive).")
@click.option("--param", "params", multiple=True, metavar="KEY=VALUE", help="A parameter of a part, or of the core.")
@click.option("--cash", metavar="AMOUNT", help="What the account starts with (default 10000).")
@click.option("--seed", type=int, metavar="N", help="Makes every draw repeatable.")
@click.option("--session", metavar="NAME", help="The session's name (default: <algorithm>-<portfolio>; demo: demo).")
@click.option("--no-journal", is_flag=True, help="Keep the session in memory alone.")
@click.option("--reload", is_flag=True, help="Go on with a part's file (--algo ./my_algo.py) each time it is saved.")
@click.option("--mqtt", "url", metavar="URL", help="Use this broker rather than finding or starting one.")
@click.option(
    "--mqtt-port",
    type=click.IntRange(1, 65535),
    default=MQTT_PORT,
    show_default=True,
    help="The port of a broker found or started.",
)
@click.option("--embedded", is_flag=True, help="Start the embedded broker even where mosquitto is installed.")
@click.option("--addr", metavar="ADDRESS", help="Where the backend is served (default tcp://127.0.0.1:4242).")
@click.option("--demo", is_flag=True, help="Feed it real recorded prices.")
@config_option
@verbose_option
@click.option("--insecure", is_flag=True, help="Allow an --addr that other machines can reach, without keys.")
def up(**options: Any) -> None:
    """Run broker, backend and connector together, and show the decisions live.

    A broker that listens already is used; else mosquitto is started where it is installed; else the embedded broker.
    Ctrl-C stops them all.
    """
    chosen = _Options(**options)
    settings = _settings(chosen)
    if settings.values.algorithm is None and not settings.values.algorithms:
        chosen = msgspec.structs.replace(chosen, algo="random")
    _look_for_plugins(settings, chosen.algo, demo=chosen.demo)
    _refuse_address(settings, insecure=chosen.insecure)

    from intuition_core.supervision.processes import Supervisor

    url, broker = _broker(settings, chosen)
    supervisor = Supervisor([*broker, *_children(settings, chosen, url)], prefix=_prefix)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, supervisor.stop)
    publish = ["publish", *(_file_flag(settings) if chosen.config is not None else [])]
    if settings.where("connectors.mqtt.url") in (None, "--mqtt") and url != f"mqtt://127.0.0.1:{MQTT_PORT}":
        publish += ["--mqtt", _without_password(url)]
    code = supervisor.run(lambda: _tell_what_next(publish))
    _say("stopped")
    raise SystemExit(code)


class _Options(msgspec.Struct, frozen=True, kw_only=True):
    """The options of the command."""

    algo: str | None
    portfolio: str | None
    params: tuple[str, ...]
    cash: str | None
    seed: int | None
    session: str | None
    no_journal: bool
    reload: bool
    url: str | None
    mqtt_port: int
    embedded: bool
    addr: str | None
    demo: bool
    config: Path | None
    verbose: int
    insecure: bool


def _settings(options: _Options) -> Config:
    return load_config(
        options.config,
        flags={
            "algorithm.name": options.algo,
            "portfolio.name": options.portfolio,
            "cash": options.cash,
            "seed": options.seed,
            "session": options.session,
            "rpc.addr": options.addr,
            "connectors.mqtt.url": options.url,
        },
        flat=dict(map(key_and_value, options.params)),
        spelled={"connectors.mqtt.url": "--mqtt"},
    )


def _refuse_address(settings: Config, *, insecure: bool) -> None:
    """Check where the backend is to listen.

    Raises:
        Exposed: other machines could reach it, and it has no keys.
        PortTaken: something else listens there.
    """
    rpc = rpc_address(settings)
    address = settings.values.rpc.addr
    if not (rpc.loopback or insecure or settings.values.rpc.key):
        raise Exposed(address)
    _refuse_taken(rpc, address)


def _broker(settings: Config, options: _Options) -> "tuple[str, list[Child]]":
    """Return the broker's address and, where none listens there yet, the process that is to be started.

    Raises:
        PortTaken: something else listens there.
    """
    from intuition_core.supervision.processes import Child

    configured = settings.values.connectors.get("mqtt", {}).get("url")
    if configured is not None:
        return str(configured), []
    port = options.mqtt_port
    url = f"mqtt://127.0.0.1:{port}"
    if speaks_mqtt("127.0.0.1", port):
        _say(f"using the broker that listens at {url} already")
        return url, []
    _refuse_taken_broker(port)
    embedded = ["--embedded"] if options.embedded else []
    return url, [Child(name="broker", command=_command("broker", "--port", str(port), *embedded), ready="ready")]


def _children(settings: Config, options: _Options, url: str) -> "Iterator[Child]":
    """Yield the other processes, in the order in which they are to be started."""
    from intuition_core.supervision.processes import Child

    file = _file_flag(settings)
    common = [*file, "-" + "v" * options.verbose] if options.verbose else file
    # By variable, not by argument: the address may hold a password, and arguments show in the process list.
    environment = {"INTUITION_CONNECTORS__MQTT__URL": url}
    yield Child(name="backend", command=_command("serve", *_serve_flags(settings, options), *common), ready="ready: ")
    yield Child(
        name="connector",
        command=_command("connect", *(["--rpc", options.addr] if options.addr else []), *common),
        environment=environment,
        ready="connected to the broker",
    )
    if options.demo:
        yield Child(
            name="demo",
            # Under a name of its own each time: a session that knew the last demo would take it for a repetition.
            command=_command("publish", "--source", "sample", "--rate", "5", "--as", f"demo-{token_hex(4)}", *file),
            environment=environment,
            finite=True,
        )


def _serve_flags(settings: Config, options: _Options) -> list[str]:
    """Return the flags of `serve`; what the configuration says, `serve` reads there itself."""
    session = options.session or ("demo" if options.demo and settings.values.session is None else None)
    named = {
        "--algo": options.algo,
        "--portfolio": options.portfolio,
        "--cash": options.cash,
        "--seed": options.seed,
        "--addr": options.addr,
        "--session": session,
    }
    flags = [word for flag, value in named.items() if value is not None for word in (flag, str(value))]
    flags += [word for param in options.params for word in ("--param", param)]
    switches = {"--no-journal": options.no_journal, "--reload": options.reload, "--insecure": options.insecure}
    flags += [flag for flag, is_on in switches.items() if is_on]
    if options.demo and settings.values.portfolio is None and not settings.values.algorithms:
        flags += ["--param", "portfolio.max_fraction=0.02"]
        _say("demo: naive bets at most 2 % of the cash at a time, so that it lasts")
    return flags


def _file_flag(settings: Config) -> list[str]:
    return ["--config", str(settings.file)] if settings.file else []


def _command(*words: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "intuition_core", *words)


def speaks_mqtt(host: str, port: int) -> bool:
    """Return whether an MQTT broker answers at a port, even if it refuses the connection."""
    try:
        with socket.create_connection((host, port), timeout=2) as connection:
            connection.sendall(_CONNECT)
            answer = connection.recv(4)
    except OSError:
        return False
    return bool(answer) and answer[0] == _CONNACK


def _refuse_taken(rpc: Address, address: str) -> None:
    if _taken(rpc.host, rpc.port):
        other = rpc._replace(port=rpc.port % 65535 + 1).endpoint
        raise PortTaken("backend", address, f"end what listens there, or choose another with --addr {other}")


def _refuse_taken_broker(port: int) -> None:
    if _taken("127.0.0.1", port):
        raise PortTaken(
            "broker",
            f"127.0.0.1:{port}",
            f"what listens there is no MQTT broker; choose another port with --mqtt-port {port + 1}, "
            "or a broker with --mqtt URL",
        )


def _taken(host: str, port: int) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return error.errno == errno.EADDRINUSE
    return False


def _look_for_plugins(settings: Config, algo: str | None, *, demo: bool) -> None:
    """Check, before anything starts, that the plugins are installed and that the connector takes its parameters."""
    from intuition_core.config.compose import connector
    from intuition_core.plugins.catalogue import discover

    values = settings.values
    catalogue = discover(blocked=values.plugins.blocked)
    chosen = values.algorithm.name if values.algorithm is not None else algo
    portfolio = values.portfolio.name if values.portfolio is not None else None
    for kind, name in (("algorithm", chosen), ("portfolio", portfolio), ("source", "sample" if demo else None)):
        if name is not None:
            catalogue.find(kind, name)
    connector(settings, catalogue, "mqtt")


def _tell_what_next(publish: list[str]) -> None:
    if "UV" in os.environ:  # set by `uv run`
        launcher = "uv run intuition"
    else:
        launcher = "intuition" if shutil.which("intuition") else f"{sys.executable} -m intuition_core"
    _say("everything runs. In another terminal, publish a quote:")
    _say(f"    {launcher} {shlex.join(publish)} quotes '{{\"goog\": 3.45}}'")
    _say("Decisions show here; `random` lets about every second quote pass. Ctrl-C stops it all.")


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _prefix(name: str) -> str:
    text = f"{name:<9} | "
    coloured = "NO_COLOR" not in os.environ and sys.stderr.isatty() and sys.stdout.isatty()
    return click.style(text, fg=_COLOURS.get(name)) if coloured else text


def _say(sentence: str) -> None:
    styled(sys.stderr, f"{_prefix('up')}{escaped(sentence)}\n")
    sys.stderr.flush()
