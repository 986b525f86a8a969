"""Release all distributions of this repository under one version: ``python tools/release.py 0.2.0``.

A copy of what is committed gets the version, and everything is built from it, installed into a fresh environment and
tried. Only if all of that works are the files here changed and committed, the tag made, and the wheels and sdists left
in ``dist``. Nothing is pushed or uploaded. ``--dry`` does the same and leaves everything as it is.

``nox -s release -- 0.2.0`` runs the checks of a change first.
"""

import argparse
import datetime as dt
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path

from packaging.version import InvalidVersion, Version

KINDS = ("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")
"""What an entry of the changelog may be about, in this order."""

UNRELEASED = "## Unreleased"

PRICES = "Date,Close\n2024-01-02,10\n2024-01-03,11\n2024-01-04,12\n2024-01-05,11\n"
BACKTEST = ("backtest", "--algo", "buy-and-hold", "--portfolio", "fixed", "--data", "prices.csv", "--json")


class NotReleasable(Exception):
    """Something is in the way of a release; the message says what, and what to do."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Release, or say why not; give the exit code."""
    parser = argparse.ArgumentParser(prog="release.py", description="Release all distributions under one version.")
    parser.add_argument("version", help="the version to release, such as 0.2.0")
    parser.add_argument("--dry", action="store_true", help="build and try everything, and change nothing")
    parser.add_argument("--root", type=Path, default=Path(__file__).parent.parent, help="the repository")
    given = parser.parse_args(arguments)
    try:
        release(given.root.resolve(), given.version, dry=given.dry)
    except NotReleasable as error:
        print(f"release.py: {error}", file=sys.stderr)
        return 1
    return 0


def release(root: Path, version: str, *, dry: bool) -> None:
    """Release what is committed in a repository under a version.

    Raises:
        NotReleasable: something is in the way, or what was built does not work.
    """
    folders = distributions(root)
    check(root, version, folders)
    with tempfile.TemporaryDirectory(prefix="release-") as made:
        copy, built = Path(made, "copy"), Path(made, "dist")
        _export(root, copy)
        write(copy, version, distributions(copy))
        _run(copy, "uv", "build", "--quiet", "--all-packages", "--out-dir", str(built))
        expect_files(built, version, folders)
        _say(f"built {len(folders)} wheels and {len(folders)} sdists")
        try_out(built, version, Path(made, "environment"))
        if dry:
            _say(f"{version} can be released; nothing was changed")
            return
        write(root, version, folders)
        target = root / "dist"
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(built, target)
    _run(root, "git", "commit", "--quiet", "--all", "--message", f"release: {version}")
    _run(root, "git", "tag", "--annotate", "--message", f"Release {version}", f"v{version}")
    _say(f"{version} is committed and tagged v{version}; its wheels and sdists are in dist. Nothing was pushed")


def distributions(root: Path) -> dict[str, Path]:
    """Give the distributions of a repository by name, each with its pyproject.toml; the core is the first."""
    files = [root / "pyproject.toml", *sorted(root.glob("plugins/*/pyproject.toml"))]
    return {tomllib.loads(file.read_text())["project"]["name"]: file for file in files}


def check(root: Path, version: str, folders: dict[str, Path]) -> None:
    """Look for what is in the way of a release.

    Raises:
        NotReleasable: with everything that is.
    """
    wrong = [*_wrong_with_version(root, version, folders)]
    if _run(root, "git", "status", "--porcelain"):
        wrong.append("there are changes that are not committed; commit or stash them")
    wrong += wrong_with_changelog((root / "CHANGELOG.md").read_text(), list(folders))
    if wrong:
        raise NotReleasable("; ".join(wrong))


def _wrong_with_version(root: Path, version: str, folders: dict[str, Path]) -> Iterator[str]:
    try:
        wanted = Version(version)
    except InvalidVersion:
        yield f"`{version}` is no version; write it as 0.2.0"
        return
    if str(wanted) != version or len(wanted.release) != 3:
        yield f"write the version as {'.'.join(map(str, (*wanted.release, 0, 0)[:3]))}"
        return
    if _run(root, "git", "tag", "--list", f"v{version}"):
        yield f"v{version} was released already; choose a later version"
    for name, file in folders.items():
        present = tomllib.loads(file.read_text())["project"]["version"]
        if wanted < Version(present):
            yield f"{name} is {present} already; choose a later version"


def wrong_with_changelog(text: str, names: Sequence[str]) -> Iterator[str]:
    """Say what is wrong with the section that is to be released.

    It has a heading for each distribution that changed, below it one for each kind of change, and entries below that.
    """
    lines = _section(text)
    if lines is None:
        yield f"CHANGELOG.md: there is no `{UNRELEASED}`; add it with what changed"
        return
    name = kind = None
    entries, seen = 0, set[tuple[str, ...]]()
    for number, line in lines:
        place = f"CHANGELOG.md:{number}"
        if line.startswith("### "):
            name, kind = line[4:], None
            if name not in names:
                yield f"{place}: `{name}` is no distribution of this repository"
        elif line.startswith("#### "):
            kind = line[5:]
            if kind not in KINDS:
                yield f"{place}: `{kind}` is none of {', '.join(KINDS)}"
        elif line.startswith("- "):
            entries += 1
            if name is None or kind is None:
                yield f"{place}: this entry is not below a distribution (###) and a kind of change (####)"
        if line.startswith("###"):
            heading = (name or "",) if kind is None else (name or "", kind)
            if heading in seen:
                yield f"{place}: `{' '.join(heading)}` is there twice"
            seen.add(heading)
    if not entries:
        yield f"CHANGELOG.md: `{UNRELEASED}` has no entry; say what changed"


def _section(text: str) -> list[tuple[int, str]] | None:
    """Give the lines of the section that is to be released with their numbers; None where there is none."""
    lines = list(enumerate(text.splitlines(), 1))
    begin = next((index for index, (_, line) in enumerate(lines) if line == UNRELEASED), None)
    if begin is None:
        return None
    rest = lines[begin + 1 :]
    end = next((index for index, (_, line) in enumerate(rest) if line.startswith("## ")), len(rest))
    return rest[:end]


def write(root: Path, version: str, folders: dict[str, Path]) -> None:
    """Write the version into all distributions and the changelog, and the bounds of one on another."""
    bounds = f">={'.'.join(version.split('.')[:2])},<{next_contract(version)}"
    own = "|".join(map(re.escape, folders))
    for file in folders.values():
        text = re.sub(r'(?m)^version = ".*"$', f'version = "{version}"', file.read_text(), count=1)
        text = re.sub(rf'"({own})(\[[^]]*\])?>=[^",;]+,<[^",;]+"', rf'"\1\2{bounds}"', text)
        file.write_text(text)
    changelog = root / "CHANGELOG.md"
    today = dt.datetime.now(tz=dt.UTC).date().isoformat()
    text = changelog.read_text().replace(f"{UNRELEASED}\n", f"{UNRELEASED}\n\n## {version} ({today})\n", 1)
    changelog.write_text(text)


def next_contract(version: str) -> str:
    """Give the first version that may break a promise of this one: the next minor of 0.x, or the next major."""
    major, minor = map(int, version.split(".")[:2])
    return f"0.{minor + 1}" if major == 0 else str(major + 1)


def expect_files(built: Path, version: str, names: Sequence[str] | dict[str, Path]) -> None:
    """Hold what was built against the distributions there are.

    Raises:
        NotReleasable: a wheel or an sdist is missing, or there is another.
    """
    stems = [f"{name.replace('-', '_')}-{version}" for name in names]
    expected = {f"{stem}-py3-none-any.whl" for stem in stems} | {f"{stem}.tar.gz" for stem in stems}
    found = {file.name for file in built.iterdir() if not file.name.startswith(".")}
    if found != expected:
        raise NotReleasable(f"what was built differs from what was expected: {', '.join(sorted(found ^ expected))}")


def try_out(built: Path, version: str, environment: Path) -> None:
    """Install the wheels into a fresh environment and run what users run first.

    Raises:
        NotReleasable: something of it fails.
    """
    home = environment.parent / "home"
    home.mkdir()
    _run(home, "uv", "venv", "--quiet", "--python", sys.executable, str(environment))
    programs = environment / ("Scripts" if os.name == "nt" else "bin")
    wheels = map(str, sorted(built.glob("*.whl")))
    _run(home, "uv", "pip", "install", "--quiet", "--python", str(programs / "python"), *wheels)
    intuition = str(programs / "intuition")
    told = _run(home, intuition, "--version")
    if version not in told.split():
        raise NotReleasable(f"`intuition --version` says {told!r}, not {version}")
    plugins = json.loads(_run(home, intuition, "list-plugins", "--json"))
    broken = [plugin["name"] for plugin in plugins if plugin["status"] != "available"]
    if broken or not plugins:
        raise NotReleasable(f"these plugins cannot be used once they are installed: {', '.join(broken) or 'all'}")
    (home / "prices.csv").write_text(PRICES)
    outcome = json.loads(_run(home, intuition, *BACKTEST))
    if not outcome["decisions_sha256"] or not outcome["fills"]:
        raise NotReleasable("a backtest with what was installed filled no order")
    _say(f"installed and tried: {told}, {len(plugins)} plugins, a backtest with {outcome['fills']} fills")


def _export(root: Path, copy: Path) -> None:
    """Copy what is committed."""
    copy.mkdir()
    archive = copy.with_suffix(".tar")
    _run(root, "git", "archive", "--output", str(archive), "HEAD")
    shutil.unpack_archive(archive, copy, filter="data")


def _run(folder: Path, *command: str) -> str:
    """Run a command and give what it prints.

    Raises:
        NotReleasable: it fails; with what it said.
    """
    # An environment or a configuration of the one who releases is none of those who install it.
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("INTUITION_", "VIRTUAL_ENV"))}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr or done.stdout).strip()
        raise NotReleasable(f"`{' '.join(command[:4])} …` ended with {done.returncode}: {said}")
    return done.stdout.strip()


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
