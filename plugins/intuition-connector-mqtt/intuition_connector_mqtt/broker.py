"""``intuition broker``: a broker on this machine, mosquitto where there is one, else the embedded one, an extra."""

import errno
import logging
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import click

from intuition_core.errors import IntuitionError

HOST: Final = "127.0.0.1"
MAX_PAYLOAD: Final = 16 * 1024 * 1024
"""Bytes that the embedded broker takes at once; with its own limit of 20 KiB it would hang up on larger ones."""

EXTRA: Final = "intuition-connector-mqtt[embedded]"
"""The extra that brings the embedded broker."""

_SYSTEM_FOLDERS: Final = ("/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin")
_START_TIMEOUT: Final = 10.0


class PortTaken(IntuitionError):
    """A port that a broker cannot listen on."""

    def __init__(self, port: int, problem: str) -> None:
        self.port = port
        self.problem = problem
        super().__init__(f"cannot listen on port {port} of {HOST}: {problem}; choose another with --port {port + 1}")


class BrokerFailed(IntuitionError):
    """A broker that could not be run."""

    def __init__(self, name: str, problem: str) -> None:
        self.name = name
        self.problem = problem
        super().__init__(f"{name}: {problem}")


class NoBroker(IntuitionError):
    """A machine without a broker to run."""

    def __init__(self, *, embedded: bool) -> None:
        self.embedded = embedded
        wanted = (
            "the embedded broker is not installed" if embedded else "neither mosquitto nor the embedded broker is here"
        )
        others = "leave --embedded out where there is mosquitto" if embedded else "install mosquitto"
        super().__init__(
            f"{wanted}; run `pip install '{EXTRA}'` (from a clone: `pip install 'plugins/{EXTRA}'`), or {others}"
        )


@click.command()
@click.option("--port", type=click.IntRange(1, 65535), default=1883, show_default=True, help="Where to listen.")
@click.option(
    "--data",
    "folder",
    metavar="FOLDER",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep messages and sessions in this folder; without it they end with the broker.",
)
@click.option("--embedded", is_flag=True, help="Use the embedded broker even where there is mosquitto.")
def broker(*, port: int, folder: Path | None, embedded: bool) -> None:
    """Run an MQTT broker for this machine only, until it is stopped."""
    program = None if embedded else find_mosquitto()
    _check_port(port)
    if program is not None:
        _run_mosquitto(program, port, folder)
    elif folder is not None:
        raise BrokerFailed("iotcore", "the embedded broker keeps nothing; install mosquitto to use --data")
    else:
        _run_embedded(port, asked=embedded)


def find_mosquitto() -> str | None:
    """Find mosquitto on the path, or where systems keep it that leave it off a user's path."""
    return shutil.which("mosquitto", path=os.pathsep.join([os.environ.get("PATH", os.defpath), *_SYSTEM_FOLDERS]))


def mosquitto_config(port: int, folder: Path | None) -> str:
    """The configuration of a mosquitto that keeps messages for clients that are away, and sends without delay."""
    lines = [
        f"listener {port} {HOST}",
        "allow_anonymous true",
        "max_inflight_messages 1000",
        "max_queued_messages 0",
        "set_tcp_nodelay true",
        "log_dest stderr",
        "log_type error",
        "log_type warning",
        f"persistence {'false' if folder is None else 'true'}",
    ]
    if folder is not None:
        # Saved on a clean stop and every few seconds: the default of half an hour would lose all of it to a crash.
        lines += [f"persistence_location {folder.resolve()}/", "autosave_interval 5"]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        # Started by root, mosquitto would become a user that may not write to the folder.
        lines.append("user root")
    return "\n".join([*lines, ""])


def _check_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            problem = "another program listens there" if error.errno == errno.EADDRINUSE else error.strerror
            raise PortTaken(port, problem or str(error)) from None


def _run_mosquitto(program: str, port: int, folder: Path | None) -> None:
    stopping = False
    child: subprocess.Popen[bytes] | None = None

    def stop(*_: object) -> None:
        nonlocal stopping
        stopping = True
        if child is not None:
            child.terminate()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    with tempfile.TemporaryDirectory(prefix="intuition-broker-") as scratch:
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        config = Path(scratch, "mosquitto.conf")
        config.write_text(mosquitto_config(port, folder), encoding="utf-8")
        with subprocess.Popen([program, "-c", str(config)], stdin=subprocess.DEVNULL) as child:  # noqa: S603  # found, not given
            if stopping:  # before there was a child to stop
                child.terminate()
            if _wait_for(port, alive=lambda: child.poll() is None):
                kept = "kept only while it runs, see --data" if folder is None else f"kept in {folder}"
                _say(f"broker ready: mosquitto on mqtt://{HOST}:{port}; messages are {kept}")
            # Not one wait without end: a signal that comes right before it would be heeded only after it.
            while (code := child.poll()) is None:
                with suppress(subprocess.TimeoutExpired):
                    child.wait(1.0)
    if not stopping:
        raise BrokerFailed(program, f"ended with code {code}; what it said is above")


def _run_embedded(port: int, *, asked: bool) -> None:
    try:
        from iotcore import IotCoreBroker
    except ModuleNotFoundError as error:
        if error.name != "iotcore":
            raise
        raise NoBroker(embedded=asked) from None

    # The broker's traces of every packet come as errors.
    logging.getLogger("rumqttd").setLevel(logging.CRITICAL)
    # It lives on threads of this process, so it ends with it, however that ends. The threads inherit the mask.
    stop = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, stop)
    try:
        IotCoreBroker(listen=HOST, port=port, max_payload_size=MAX_PAYLOAD, max_inflight_count=1000).start()
    except OSError as error:
        raise PortTaken(port, str(error)) from None
    if not _wait_for(port, alive=lambda: True):
        raise BrokerFailed("iotcore", f"it does not listen on port {port}")
    _say(
        f"broker ready: the embedded broker (iotcore) on mqtt://{HOST}:{port}; "
        "it is not durable: messages and sessions end with it; install mosquitto to keep them"
    )
    signal.sigwait(stop)


def _wait_for(port: int, *, alive: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + _START_TIMEOUT
    while alive() and time.monotonic() < deadline:
        try:
            socket.create_connection((HOST, port), timeout=1.0).close()
        except OSError:
            time.sleep(0.02)
        else:
            return True
    return False


def _say(text: str) -> None:
    click.echo(text, err=True)
