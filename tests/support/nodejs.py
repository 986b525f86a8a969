"""What the tests need to run the Node.js programs in ``tests/node``; a conftest imports the fixture."""

import fcntl
import os
import shutil
import subprocess
from pathlib import Path
from typing import NoReturn

import pytest

PROGRAMS = Path(__file__).parent.parent / "node"
INSTALL = ("npm", "install", "--ignore-scripts", "--no-package-lock", "--no-audit", "--no-fund")


@pytest.fixture(scope="session")
def node_modules() -> Path:
    """The folder of the installed npm packages; installs them once."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            _absent(f"{program} is not installed")
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
                _absent(f"npm could not install the packages: {install.stderr.strip()[-500:]}")
            stamp.touch()
    return stamp.parent


def _absent(reason: str) -> NoReturn:
    """Skip on a person's machine; fail in CI, where everything has to be there."""
    if os.environ.get("CI", "").lower() in {"1", "true"}:
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)
