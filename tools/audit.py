"""Known vulnerabilities of what constraints.txt pins, and licences of what is installed: ``python tools/audit.py``.

`nox -s audit` runs it. Exit codes: 0 nothing found; 1 something found; 3 nothing found, but vulnerabilities are not
audited, as the service that knows them cannot be reached.
"""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import Distribution, PackageNotFoundError, distribution, distributions
from pathlib import Path
from typing import Any, Final, NamedTuple

ROOT: Final = Path(__file__).parents[1]
PINNED: Final = ROOT / "constraints.txt"
NOT_AUDITED: Final = 3

ALLOWED: Final = re.compile(
    r"\b(MIT|BSD|0BSD|Apache|ISC|ZPL|Zope|MPL|Mozilla|PSF|Python|HPND|Unlicense|CC0|Public Domain|EPL|Eclipse|Zlib|"
    r"NCSA|LGPL|Lesser General)\b",
    re.IGNORECASE,
)
"""Licences under which a program that uses a library may be given away as it is."""
REFUSED: Final = re.compile(r"\b(A?GPL|(Affero )?General Public)\b", re.IGNORECASE)
_LESSER: Final = re.compile(r"\bLGPL\b|Lesser General Public|Library or Lesser", re.IGNORECASE)
_NAME: Final = re.compile(r"^[A-Za-z0-9._-]+")
_TIMEOUT: Final = 300


class Finding(NamedTuple):
    """A package with something to know of it."""

    package: str
    problem: str


class NotAudited(Exception):
    """Vulnerabilities cannot be looked up."""


def licence(found: Distribution) -> str:
    """Return the licence that a distribution states: its expression, its classifiers, or its text's first line."""
    about = found.metadata.json
    if expression := about.get("license_expression"):
        return str(expression)
    classifiers = [line.rpartition("::")[2].strip() for line in about.get("classifier", ()) if "License ::" in line]
    stated = str(about.get("license", "")).strip().splitlines()
    return ", ".join(each for each in classifiers if each != "OSI Approved") or next(iter(stated), "")


def unfit_licences(names: Iterable[str]) -> Iterator[Finding]:
    """Yield the distributions whose licence is none that is allowed; those that are not installed are left out."""
    for name in names:
        try:
            stated = licence(distribution(name))
        except PackageNotFoundError:
            continue
        if not fits(stated):
            yield Finding(name, f"licence {stated or 'not stated'}")


def fits(stated: str) -> bool:
    """Return whether one of the licences that are offered is allowed."""
    choices = re.split(r"\bOR\b|;", stated)
    return any(
        ALLOWED.search(choice) and not (REFUSED.search(choice) and not _LESSER.search(choice)) for choice in choices
    )


def runtime() -> list[str]:
    """Return the names of all distributions that ours need where they run, without extras and tools."""
    ours = {each.metadata["Name"] for each in distributions() if each.metadata["Name"].startswith("intuition-")}
    found: set[str] = set()
    left = sorted(ours)
    while left:
        name = left.pop()
        if name in found:
            continue
        found.add(name)
        try:
            needed = distribution(name).requires or ()
        except PackageNotFoundError:
            continue
        left += [match[0] for line in needed if "extra ==" not in line and (match := _NAME.match(line))]
    return sorted(found - ours)


def vulnerabilities(command: Sequence[str]) -> list[Finding]:
    """Return the known vulnerabilities of what is pinned.

    Args:
        command: starts pip-audit.

    Raises:
        NotAudited: it cannot be run, or its service does not answer or knows none of the packages.
    """
    options = (
        "--requirement",
        str(PINNED),
        "--no-deps",
        "--disable-pip",
        "--format",
        "json",
        "--progress-spinner",
        "off",
    )
    try:
        done = subprocess.run([*command, *options], capture_output=True, text=True, check=False, timeout=_TIMEOUT)
        packages: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotAudited(f"pip-audit cannot be run: {error}") from None
    except (ValueError, KeyError):
        last = done.stderr.strip().splitlines()[-1:] or ["it says nothing"]
        raise NotAudited(f"pip-audit reached no service: {last[0][:200]}") from None
    return read(packages)


def read(packages: Sequence[dict[str, Any]]) -> list[Finding]:
    """Return what pip-audit found.

    Raises:
        NotAudited: the service knew none of the packages.
    """
    known = [package for package in packages if "skip_reason" not in package]
    if not known:
        raise NotAudited("the service knew none of the packages")
    found = [
        Finding(f"{package['name']} {package['version']}", f"{each['id']}, mended in {', '.join(each['fix_versions'])}")
        for package in known
        for each in package["vulns"]
    ]
    missed = [str(package["name"]) for package in packages if "skip_reason" in package]
    if missed:
        print(f"not known to the service: {', '.join(missed)}")
    return found


def main() -> int:
    """Look at both, and return the exit code."""
    findings = list(unfit_licences(names := runtime()))
    print(f"licences of {len(names)} distributions looked at")
    audited = True
    command = ["pip-audit"] if shutil.which("pip-audit") else ["uv", "tool", "run", "pip-audit"]
    try:
        findings += vulnerabilities(command)
    except NotAudited as error:
        audited = False
        print(f"not audited: {error}")
    for finding in findings:
        print(f"{finding.package}: {finding.problem}")
    return 1 if findings else 0 if audited else NOT_AUDITED


if __name__ == "__main__":
    sys.exit(main())
