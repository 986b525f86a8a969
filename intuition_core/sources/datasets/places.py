"""Where datasets are: a folder each, in the catalogue or anywhere else."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from intuition_core.errors import IntuitionError, did_you_mean

INDEX: Final = "dataset.json"
"""The file by which a folder is known as a dataset."""

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_PINNED: Final = re.compile(r"(.+)@([0-9a-f]{4,64})")


class BadName(IntuitionError):
    """A name that no dataset can have."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"no dataset can be called `{name}`; names have up to 64 letters, digits, `.`, `_` and `-`")


class NoSuchDataset(IntuitionError):
    """A dataset that the catalogue does not have."""

    def __init__(self, name: str, known: Sequence[str]) -> None:
        self.name = name
        self.known = tuple(known)
        there = f"there are {', '.join(known)}" if known else "there is none yet: `intuition data add` makes one"
        super().__init__(f"no dataset `{name}`{did_you_mean(name, known) or ';'} {there}")


class DatasetOrFile(IntuitionError):
    """A name that both a file here and a dataset have."""

    def __init__(self, name: str, dataset: Path) -> None:
        self.name = name
        self.dataset = dataset
        super().__init__(
            f"{name}: there is a file or folder of that name here, and a dataset; write ./{name} for what is here, "
            f"or {dataset} for the dataset"
        )


def catalogue_folder() -> Path:
    """Return the folder that holds the datasets of this user."""
    import platformdirs

    return Path(platformdirs.user_data_dir("intuition", appauthor=False)) / "data"


def check_name(name: str) -> str:
    """Return a name that a dataset can have.

    Raises:
        BadName: none can have it.
    """
    if _NAME.fullmatch(name) is None:
        raise BadName(name)
    return name


def dataset_names() -> list[str]:
    """Return the names of the datasets in the catalogue."""
    return sorted(path.parent.name for path in catalogue_folder().glob(f"*/{INDEX}"))


def dataset_folder(name: str) -> Path:
    """Return the folder of a dataset in the catalogue, whether it is there or not.

    Raises:
        BadName: none can have that name.
    """
    return catalogue_folder() / check_name(name)


def split_pin(text: str) -> tuple[str, str | None]:
    """Return the name, and the beginning of the hash in ``NAME@HASH``; None where there is none."""
    pinned = _PINNED.fullmatch(text)
    return (text, None) if pinned is None else (pinned[1], pinned[2])


def look_up(text: str) -> Path | None:
    """Return the folder of a dataset that is named, or whose path is given; None where there is none.

    Args:
        text: a name, a path, or either with ``@`` and the beginning of a hash.

    Raises:
        DatasetOrFile: a dataset has the name, and a file or another folder here.
    """
    for name in dict.fromkeys((text, split_pin(text)[0])):
        path = Path(name).expanduser()
        if _is_dataset(path):
            return path
        if _NAME.fullmatch(name) is None:
            continue
        kept = catalogue_folder() / name
        if _is_dataset(kept):
            if path.exists():
                raise DatasetOrFile(name, kept)
            return kept
    return None


def _is_dataset(folder: Path) -> bool:
    """Whether a folder is known as a dataset; one into which nobody may look is not."""
    try:
        return (folder / INDEX).is_file()
    except OSError:
        return False


def find_dataset(text: str) -> Path:
    """Return the folder of a dataset, as `look_up` finds it.

    Raises:
        NoSuchDataset: there is none, with the names there are.
        DatasetOrFile: a file or another folder here has the name, too.
    """
    found = look_up(text)
    if found is None:
        raise NoSuchDataset(split_pin(text)[0], dataset_names())
    return found
