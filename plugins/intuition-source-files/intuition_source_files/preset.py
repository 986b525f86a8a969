"""What is known of a vendor's layout."""

from collections.abc import Mapping
from typing import Any

import msgspec


class Preset(msgspec.Struct, frozen=True, kw_only=True):
    """A layout of files."""

    name: str
    """What it is called; several layouts of one vendor may have the same name."""
    title: str
    """Whose it is, and what is in it."""
    header: str = ""
    """The columns, with commas between them; ``?`` at an end means that it may be missing, ``*`` is any text, ``|`` is
    between several names of one, and a last ``...`` lets there be others. Case and order do not matter."""
    exact: bool = False
    """Whether the case of the header's names matters."""
    ordered: bool = False
    """Whether their order matters."""
    cells: tuple[str, ...] = ()
    """Of a layout without a header: what the cells of the first row look like."""
    columns: tuple[str, ...] = ()
    """Of a layout without a header: what its columns are called."""
    file: str = ""
    """What a file's name without its ending looks like. Its groups ``symbol``, ``bar``, ``minutes``, ``zone`` and
    ``adjusted`` say what they are called."""
    named: bool = False
    """Whether a file must be called so to be of this layout."""
    formats: tuple[str, ...] = ()
    """How times may be written, where it is not as in ISO 8601."""
    options: Mapping[str, Any] = {}
    """What options are where nobody says otherwise; names of columns may have ``*``."""
    ask: Mapping[str, str] = {}
    """Options that the file cannot tell and that are needed where times are no dates alone, and why."""
    prices: str = ""
    """What kind of prices they are, where the layout says so."""
    adjusted: str = "not told whether prices are adjusted"
    left_out: tuple[str, ...] = ()
    """Columns that are not passed on."""
    carried: tuple[str, ...] = ()
    """Columns of prices in which an empty cell means the value before."""
    traded: bool = True
    """Whether the column of volumes counts units; where not, and its first cell is zero, it is left out."""
    divisor: int = 1
    """What a written price is divided by."""
    packed: bool = False
    """Whether it is known only in an archive that is called as the file in it."""
    folders: tuple[str, ...] = ()
    """In folders of which names it is none of this layout."""
