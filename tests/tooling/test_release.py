"""``tools/release.py``: what is in the way of a release, a dry one, and one of a small repository."""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from release import distributions, next_contract, wrong_with_changelog

ROOT = Path(__file__).parent.parent.parent
PLUGINS = ("intuition-algorithms", "intuition-portfolio-fixed", "intuition-source-files")
CHANGELOG = """# Changelog

## Unreleased

### intuition-core

#### Added

- A new thing.

#### Fixed

- An old thing.

### intuition-algorithms

#### Fixed

- Another.
"""

Release = Callable[..., subprocess.CompletedProcess[str]]


def git(folder: Path, *words: str) -> str:
    identity = ("-c", "user.name=Tests", "-c", "user.email=tests@example.org", "-c", "commit.gpgsign=false")
    return subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """The core and three plugins, committed."""
    root = tmp_path / "repository"
    skipped = shutil.ignore_patterns("__pycache__", "tests", "build", "dist")
    shutil.copytree(ROOT / "intuition_core", root / "intuition_core", ignore=skipped)
    for name in PLUGINS:
        shutil.copytree(ROOT / "plugins" / name, root / "plugins" / name, ignore=skipped)
    for name in ("README.md", "LICENSE", ".gitignore"):
        shutil.copy(ROOT / name, root / name)
    shutil.copytree(ROOT / "tools", root / "tools", ignore=skipped)
    others = re.compile(rf"(?m)^intuition-(?!core\b)(?!{'|'.join(name[10:] for name in PLUGINS)}\b).*workspace.*\n")
    (root / "pyproject.toml").write_text(others.sub("", (ROOT / "pyproject.toml").read_text()))
    (root / "CHANGELOG.md").write_text(CHANGELOG)
    git(root, "init", "--quiet", "--initial-branch=main")
    for key, value in (("user.name", "Tests"), ("user.email", "tests@example.org"), ("commit.gpgsign", "false")):
        git(root, "config", key, value)
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message=Everything")
    return root


@pytest.fixture
def release(repository: Path) -> Release:
    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, ROOT / "tools" / "release.py", "--root", repository, *words]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=110)

    return run


def everything(root: Path) -> dict[str, bytes]:
    """Give all files and what git knows."""
    files = {str(file.relative_to(root)): file.read_bytes() for file in root.rglob("*") if file.is_file()}
    return {name: content for name, content in files.items() if name != ".git/index"}


def test_a_dry_release_builds_and_tries_everything_and_changes_nothing(repository: Path, release: Release) -> None:
    before = everything(repository)
    told = release("7.8.9", "--dry")
    assert (told.returncode, told.stderr) == (0, "")
    lines = told.stdout.splitlines()
    assert lines[0] == "built 4 wheels and 4 sdists"
    assert re.fullmatch(r"installed and tried: intuition 7\.8\.9, \d+ plugins, a backtest with 1 fills", lines[1])
    assert lines[2] == "7.8.9 can be released; nothing was changed"
    assert everything(repository) == before


def test_a_release_is_committed_tagged_and_left_in_dist(repository: Path, release: Release) -> None:
    told = release("7.8.9")
    assert (told.returncode, told.stderr) == (0, "")
    for file in (repository / "pyproject.toml", *repository.glob("plugins/*/pyproject.toml")):
        assert 'version = "7.8.9"' in file.read_text()
        assert file.parent == repository or '"intuition-core>=7.8,<8"' in file.read_text()
    assert re.search(
        r"^## Unreleased\n\n## 7\.8\.9 \(\d{4}-\d\d-\d\d\)\n\n### intuition-core\n",
        (repository / "CHANGELOG.md").read_text(),
        re.MULTILINE,
    )
    assert len(list((repository / "dist").glob("*.whl"))) == len(list((repository / "dist").glob("*.tar.gz"))) == 4
    assert git(repository, "status", "--porcelain") == ""
    assert git(repository, "log", "-1", "--format=%s%d").strip() == "release: 7.8.9 (HEAD -> main, tag: v7.8.9)"
    again = release("7.8.9")
    assert again.returncode == 1
    assert "v7.8.9 was released already; choose a later version" in again.stderr
    assert "`## Unreleased` has no entry; say what changed" in again.stderr


def test_what_does_not_work_once_it_is_installed_is_not_released(repository: Path, release: Release) -> None:
    (repository / "plugins/intuition-algorithms/intuition_algorithms/__init__.py").write_text("import nowhere\n")
    git(repository, "commit", "--quiet", "--all", "--message=Broken")
    before = everything(repository)
    told = release("7.8.9")
    assert told.returncode == 1
    assert "buy-and-hold" in told.stderr
    assert "Traceback" not in told.stderr.partition("nowhere")[0]
    assert everything(repository) == before


@pytest.mark.parametrize(
    ("version", "said"),
    [
        ("seven", "`seven` is no version; write it as 0.2.0"),
        ("7.8", "write the version as 7.8.0"),
        ("7.8.09", "write the version as 7.8.9"),
        ("0.0.9", " already; choose a later version"),
    ],
)
def test_versions_that_cannot_be_released(repository: Path, release: Release, version: str, said: str) -> None:
    told = release(version)
    assert (told.returncode, told.stdout) == (1, "")
    assert said in told.stderr


def test_what_is_not_committed_is_in_the_way(repository: Path, release: Release) -> None:
    (repository / "new.txt").write_text("")
    told = release("7.8.9", "--dry")
    assert told.returncode == 1
    assert told.stderr == "release.py: there are changes that are not committed; commit or stash them\n"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("## Unreleased", "## Soon", "CHANGELOG.md: there is no `## Unreleased`; add it with what changed"),
        ("### intuition-algorithms", "### algorithms", "CHANGELOG.md:15: `algorithms` is no distribution"),
        ("#### Added", "#### Made", "CHANGELOG.md:7: `Made` is none of Added, Changed, Deprecated"),
        ("#### Added\n\n", "", "CHANGELOG.md:7: this entry is not below a distribution (###) and a kind of change"),
        ("#### Added", "#### Fixed", "CHANGELOG.md:11: `intuition-core Fixed` is there twice"),
        ("### intuition-algorithms", "### intuition-core", "CHANGELOG.md:15: `intuition-core` is there twice"),
    ],
)
def test_changelogs_that_cannot_be_released(repository: Path, release: Release, old: str, new: str, said: str) -> None:
    (repository / "CHANGELOG.md").write_text(CHANGELOG.replace(old, new, 1))
    git(repository, "commit", "--quiet", "--all", "--message=Changed")
    told = release("7.8.9", "--dry")
    assert told.returncode == 1
    assert said in told.stderr


def test_the_changelog_here_can_be_released() -> None:
    text = (ROOT / "CHANGELOG.md").read_text()
    assert [said for said in wrong_with_changelog(text, list(distributions(ROOT))) if "has no entry" not in said] == []


@pytest.mark.parametrize(("version", "bound"), [("0.1.0", "0.2"), ("0.9.7", "0.10"), ("1.0.0", "2"), ("12.3.4", "13")])
def test_a_plugin_is_bounded_by_the_next_contract(version: str, bound: str) -> None:
    assert next_contract(version) == bound
