"""A real PostgreSQL for the tests, in a folder of its own."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

PASSWORD = "p@ss/w:rd?"


class Server(NamedTuple):
    """A database server at work."""

    port: int

    def url(self, *, user: str = "ann", password: str | None = "p%40ss%2Fw%3Ard%3F", scheme: str = "postgresql") -> str:
        credentials = user if password is None else f"{user}:{password}"
        return f"{scheme}://{credentials}@127.0.0.1:{self.port}/postgres"


def programs() -> Path | None:
    """Where PostgreSQL's programs are; Debian keeps them out of the way."""
    found = shutil.which("initdb")
    if found:
        return Path(found).parent
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return folders[-1].parent if folders else None


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    """A PostgreSQL that the tests start; it asks for a password."""
    folder = programs()
    if folder is None:
        if os.environ.get("CI") == "true":
            pytest.fail("PostgreSQL is not installed, and CI has to test with it")
        pytest.skip("PostgreSQL is not installed")
    # It refuses to be run by root.
    user = pwd.getpwnam("postgres") if os.geteuid() == 0 else None
    as_user = {} if user is None else {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="intuition-postgresql-") as place:
        secret = Path(place, "password")
        secret.write_text(f"{PASSWORD}\n")
        if user is not None:
            os.chown(place, user.pw_uid, user.pw_gid)
            os.chown(secret, user.pw_uid, user.pw_gid)
        data = f"{place}/data"

        def run(*command: str) -> None:
            done = subprocess.run(
                [str(folder / command[0]), *command[1:]],
                cwd=place,
                env={"LC_ALL": "C.UTF-8", "PATH": os.environ["PATH"]},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
                **as_user,  # type: ignore[call-overload]  # depends on who runs the tests
            )
            assert done.returncode == 0, done.stdout

        run("initdb", "-D", data, "-U", "ann", "-A", "scram-sha-256", f"--pwfile={secret}", "--no-sync")
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={place} -c fsync=off"
        run("pg_ctl", "-D", data, "-l", f"{place}/log", "-o", options, "-w", "-t", "60", "start")
        try:
            yield Server(port)
        finally:
            run("pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
