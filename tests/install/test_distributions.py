"""What every distribution of the project has to have: types, a licence, and metadata that say the same."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
CORE = ROOT / "pyproject.toml"
PROJECTS = [CORE, *sorted(ROOT.glob("plugins/*/pyproject.toml"))]


def metadata(file: Path) -> dict[str, Any]:
    return dict(tomllib.loads(file.read_text())["project"])


@pytest.mark.parametrize("file", PROJECTS, ids=lambda file: "intuition-core" if file == CORE else file.parent.name)
def test_it_is_typed_and_licensed_as_the_core(file: Path) -> None:
    project, core = metadata(file), metadata(CORE)
    assert (file.parent / project["name"].replace("-", "_") / "py.typed").read_text() == ""
    assert (file.parent / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()
    # Where nothing is said, the backend takes the file LICENSE.
    assert "LICENSE" in project.get("license-files", ["LICENSE"])
    assert project["license"].split(" AND ")[0] == core["license"]
    for field in ("classifiers", "requires-python"):
        assert project[field] == core[field]


def test_the_classifiers_name_the_pythons_that_the_tests_are_for() -> None:
    text = (ROOT / "noxfile.py").read_text()
    (line,) = (line for line in text.splitlines() if line.startswith("PYTHONS = "))
    pythons = [word for word in line.split('"') if word[:1].isdigit()]
    named = [each.rpartition(" :: ")[2] for each in metadata(CORE)["classifiers"] if "Python :: 3." in each]
    assert named == pythons
