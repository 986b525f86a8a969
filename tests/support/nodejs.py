"""What the tests need to run the Node.js programs in ``tests/node``; a conftest imports the fixtures."""

import fcntl
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest

PROGRAMS = Path(__file__).parent.parent / "node"
INSTALL = ("npm", "install", "--ignore-scripts", "--no-package-lock", "--no-audit", "--no-fund")


@pytest.fixture(scope="session")
def node_modules() -> Path:
    """The folder of the installed npm packages; installs them once."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            absent(f"{program} is not installed")
    manifest = PROGRAMS / "package.json"
    stamp = PROGRAMS / "node_modules" / ".package-lock.json"
    with manifest.open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several test runs may share the checkout
        if not stamp.exists() or stamp.stat().st_mtime < manifest.stat().st_mtime:
            install = subprocess.run(
                INSTALL,
                cwd=PROGRAMS,
                capture_output=True,
                text=True,
                check=False,
                timeout=100,
                stdin=subprocess.DEVNULL,
            )
            if install.returncode != 0:
                absent(f"npm could not install the packages: {install.stderr.strip()[-500:]}")
            stamp.touch()
    return stamp.parent


@pytest.fixture(scope="session")
def node_client(node_modules: Path) -> Callable[..., list[dict[str, Any]]]:
    """Run the founding article's client; give what it prints, one entry for each call."""

    def run(address: str, *args: object, stdin: str = "", **variables: object) -> list[dict[str, Any]]:
        command = ["node", str(node_modules.parent / "client.js"), address, *map(json.dumps, args)]
        environment = os.environ | {name: str(value) for name, value in variables.items()}
        ended = subprocess.run(
            command, input=stdin, capture_output=True, text=True, check=True, timeout=60, env=environment
        )
        return [json.loads(line) for line in ended.stdout.splitlines()]

    return run


def absent(reason: str) -> NoReturn:
    """Skip on a person's machine; fail in CI, where everything has to be there."""
    if os.environ.get("CI", "").lower() in {"1", "true"}:
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)
