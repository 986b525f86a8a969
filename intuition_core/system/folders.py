"""The platform's folders for what is kept: sessions, keys."""

from pathlib import Path
from typing import Final

from intuition_core.errors import IntuitionError

_NAME: Final = "intuition"


class NoHome(IntuitionError):
    """A user without a home folder, where files are kept unless another place is named."""

    def __init__(self, variable: str) -> None:
        self.variable = variable
        super().__init__(
            f"this user has no home folder to keep files in; set HOME or {variable} to a folder, with its full path"
        )


def data_folder() -> Path:
    """Return the folder for data of this user.

    Raises:
        NoHome: there is none.
    """
    from platformdirs import user_data_dir

    try:
        return _full(user_data_dir(_NAME, appauthor=False), "XDG_DATA_HOME")
    except (RuntimeError, KeyError):
        raise NoHome("XDG_DATA_HOME") from None


def config_folder() -> Path:
    """Return the folder for the configuration of this user.

    Raises:
        NoHome: there is none.
    """
    from platformdirs import user_config_dir

    try:
        return _full(user_config_dir(_NAME, appauthor=False), "XDG_CONFIG_HOME")
    except (RuntimeError, KeyError):
        raise NoHome("XDG_CONFIG_HOME") from None


def _full(found: str, variable: str) -> Path:
    path = Path(found)
    if not path.is_absolute():
        raise NoHome(variable)
    return path
