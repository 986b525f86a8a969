"""What sources of recorded events share: names of columns, times, lengths of bars, order, actions, what is told."""

from intuition_core.account.actions import ACTIONS
from intuition_core.account.actions import checked as checked_action
from intuition_core.data import RATES, read_price
from intuition_core.epoch import UNITS as TIME_UNITS
from intuition_core.params.durations import read_duration
from intuition_core.sources.asking import Asking
from intuition_core.sources.columns import CLOCKS as CLOCK_COLUMNS
from intuition_core.sources.columns import DAYS as DAY_COLUMNS
from intuition_core.sources.columns import DIVIDENDS as DIVIDEND_COLUMNS
from intuition_core.sources.columns import MARKET as MARKET_COLUMNS
from intuition_core.sources.columns import NAMES as COLUMN_NAMES
from intuition_core.sources.columns import PRICES as PRICE_FIELDS
from intuition_core.sources.columns import SPLITS as SPLIT_COLUMNS
from intuition_core.sources.columns import known_name, plain_name
from intuition_core.sources.frames import UNNAMED as UNNAMED_FRAME
from intuition_core.sources.merge import merge, ordered
from intuition_core.sources.merge import rank as rank_in_moment
from intuition_core.sources.pages import Page, TryLater
from intuition_core.sources.stamps import DAY, as_nanoseconds, why_unread
from intuition_core.sources.stamps import ENOUGH as ENOUGH_DISTANCES
from intuition_core.sources.stamps import FEWEST as FEWEST_DISTANCES
from intuition_core.sources.stamps import check_format as check_time_format
from intuition_core.sources.stamps import meaning as time_unit
from intuition_core.sources.stamps import settled as bar_length
from intuition_core.sources.stamps import shown as shown_length
from intuition_core.sources.stamps import usual as usual_distance
from intuition_core.sources.taken import Taken, opening_note

__all__ = [
    "ACTIONS",
    "CLOCK_COLUMNS",
    "COLUMN_NAMES",
    "DAY",
    "DAY_COLUMNS",
    "DIVIDEND_COLUMNS",
    "ENOUGH_DISTANCES",
    "FEWEST_DISTANCES",
    "MARKET_COLUMNS",
    "PRICE_FIELDS",
    "RATES",
    "SPLIT_COLUMNS",
    "TIME_UNITS",
    "UNNAMED_FRAME",
    "Asking",
    "Page",
    "Taken",
    "TryLater",
    "as_nanoseconds",
    "bar_length",
    "check_time_format",
    "checked_action",
    "known_name",
    "merge",
    "opening_note",
    "ordered",
    "plain_name",
    "rank_in_moment",
    "read_duration",
    "read_price",
    "shown_length",
    "time_unit",
    "usual_distance",
    "why_unread",
]
