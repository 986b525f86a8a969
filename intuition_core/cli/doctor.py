"""``intuition doctor``: whether this machine has what a session needs."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias
from urllib.parse import urlsplit

import click

from intuition_core.cli.options import config_option, verbose_option
from intuition_core.errors import IntuitionError

if TYPE_CHECKING:
    from intuition_core.config.loading import Config

State: TypeAlias = Literal["ok", "note", "bad"]

_LIBRARIES: Final = ("zerorpc", "pyzmq", "gevent", "msgpack", "msgspec", "pluggy", "stevedore", "click")
_MARKS: Final = {"ok": ("ok", "green"), "note": ("note", "yellow"), "bad": ("BAD", "red")}
_OLDEST: Final = (3, 11)
_PATIENCE: Final = 2.0
"""Seconds that an address may take to answer."""
_SPARE: Final = 100 * 2**20
"""Bytes that a folder for journals should have free."""
_EARLIEST: Final = 1_735_689_600
"""The beginning of 2025, in seconds since 1970 UTC; a clock that shows less is wrong."""


class Finding(NamedTuple):
    """One check and its result."""

    name: str
    state: State
    told: str


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print an array of objects, for programs.")
@config_option
@verbose_option
def doctor(*, as_json: bool, config: Path | None, verbose: int) -> int:  # noqa: ARG001  # heard by who shows errors
    """Look whether this machine has what a session needs.

    That is Python, packages, the configuration, addresses, the folder of the journals and the clock.

    Nothing is changed, and no plugin is imported. The exit code is 1 where something is bad.
    """
    findings = list(examine(config))
    if as_json:
        import json

        click.echo(json.dumps([finding._asdict() for finding in findings], indent=2))
    else:
        from rich.text import Text

        from intuition_core.cli.screen import console

        out = console(soft_wrap=True)
        for finding in findings:
            mark, colour = _MARKS[finding.state]
            out.print(Text.assemble((f"{mark:<5}", colour), (f"{finding.name}: ", "bold"), finding.told))
    return 1 if any(finding.state == "bad" for finding in findings) else 0


def examine(file: Path | None = None) -> Iterator[Finding]:
    """Yield the result of each check; one that fails does not end the others."""
    from intuition_core.config.loading import BadConfiguration, Config, load_config
    from intuition_core.config.tables import Configuration

    yield _python()
    yield _libraries()
    try:
        config = load_config(file)
        told = (
            f"{config.file} has no mistakes in itself" if config.file else "there is no intuition.toml; defaults count"
        )
        yield Finding("configuration", "ok", told)
    except BadConfiguration as error:
        yield Finding("configuration", "bad", str(error))
        config = error.rest or Config(values=Configuration())
    looks: tuple[Callable[[Config], Finding], ...] = (_plugins, _requirements, _address, _broker, _journals)
    for look in looks:
        yield look(config)
    yield _clock()


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    wanted = ".".join(map(str, _OLDEST))
    if sys.version_info < _OLDEST:
        return Finding("Python", "bad", f"{version}, and {wanted} or newer is needed")
    return Finding("Python", "ok", f"{version} at {sys.executable}")


def _libraries() -> Finding:
    from importlib.metadata import PackageNotFoundError, version

    found, missing = [], []
    for name in ("intuition-core", *_LIBRARIES):
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    if missing:
        return Finding("packages", "bad", f"{', '.join(missing)} missing; run `pip install intuition-core` again")
    return Finding("packages", "ok", ", ".join(found))


def _plugins(config: "Config") -> Finding:
    from intuition_core.plugins.catalogue import discover

    plugins = discover(blocked=config.values.plugins.blocked).plugins
    odd = [plugin for plugin in plugins if plugin.status not in {"available", "blocked"}]
    brought = sorted({f"{plugin.distribution} {plugin.version}".strip() for plugin in plugins})
    if odd:
        told = "; ".join(f"{plugin} is {plugin.status}: {plugin.reason}" for plugin in odd)
        return Finding("plugins", "note", told)
    return Finding("plugins", "ok", f"{len(plugins)}, from {', '.join(brought)}")


def _requirements(config: "Config") -> Finding:
    from intuition_core.config.requirements import check_requirements

    try:
        check_requirements(config)
    except IntuitionError as error:
        return Finding("requirements", "bad", str(error))
    count = len(config.values.requires)
    return Finding("requirements", "ok", f"all {count} met" if count else "the configuration requires nothing")


def _address(config: "Config") -> Finding:
    from intuition_core.rpc.address import BadAddress, parse

    text = config.values.rpc.addr
    try:
        address = parse(text, listening=True)
    except BadAddress as error:
        return Finding("RPC address", "bad", str(error))
    try:
        with socket.socket(socket.AF_INET6 if address.ipv6 else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("" if address.host == "*" else address.host, address.port))
    except OSError as error:
        told = f"{text}: {error.strerror or error}; a session is served there already, or name another with --addr"
        return Finding("RPC address", "note", told)
    return Finding("RPC address", "ok", f"{text} is free")


def _broker(config: "Config") -> Finding:
    from intuition_core.params.checking import redacted

    url = str(config.values.connectors.get("mqtt", {}).get("url", "mqtt://127.0.0.1:1883"))
    shown = redacted(url, [])
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "127.0.0.1", parts.port or (8883 if parts.scheme == "mqtts" else 1883)
        with socket.create_connection((host, port), timeout=_PATIENCE):
            return Finding("broker", "ok", f"{shown} answers")
    except (OSError, ValueError) as error:
        told = f"{shown}: {error}; `intuition up` starts one, as `intuition broker` does"
        return Finding("broker", "note", told)


def _journals(config: "Config") -> Finding:
    from intuition_core.session.archive import folder

    path = Path(config.values.journal.path).absolute().parent if config.values.journal.path else folder()
    there = next(each for each in (path, *path.parents) if each.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        told = f"{there} cannot be written to; change its permissions, or name a file elsewhere with --journal"
        return Finding("journals", "bad", told)
    free = shutil.disk_usage(there).free
    if free < _SPARE:
        return Finding("journals", "bad", f"{path}: only {free / 2**20:.0f} MiB are free")
    return Finding("journals", "ok", f"{path}, {free / 2**30:.1f} GiB free")


def _clock() -> Finding:
    now = time.time()
    shown = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now))
    if now < _EARLIEST:
        return Finding("clock", "bad", f"{shown}, which is past; set it, since events are stamped by it")
    synchronised = _synchronised()
    if synchronised is False:
        return Finding("clock", "note", f"{shown}; it is not synchronised with the network's time")
    return Finding("clock", "ok", f"{shown}, {'synchronised' if synchronised else 'who sets it is not known'}")


def _synchronised() -> bool | None:
    """Return whether the system's clock is synchronised; None where that is unknown."""
    program = shutil.which("timedatectl")
    if program is None:
        return None
    try:
        answer = subprocess.run(  # noqa: S603  # the system's own program, found on its path
            [program, "show", "--property=NTPSynchronized", "--value"],
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return {"yes": True, "no": False}.get(answer.stdout.strip())
