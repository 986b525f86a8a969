"""What sources of recorded events share: the order of events, times, lengths of bars, splits and dividends."""

from intuition_core.account.actions import ACTIONS
from intuition_core.account.actions import checked as checked_action
from intuition_core.data import RATES
from intuition_core.params.durations import read_duration
from intuition_core.sources.merge import merge, ordered
from intuition_core.sources.merge import rank as rank_in_moment
from intuition_core.sources.stamps import DAY
from intuition_core.sources.stamps import ENOUGH as ENOUGH_DISTANCES
from intuition_core.sources.stamps import FEWEST as FEWEST_DISTANCES
from intuition_core.sources.stamps import check_format as check_time_format
from intuition_core.sources.stamps import meaning as time_unit
from intuition_core.sources.stamps import settled as bar_length

__all__ = [
    "ACTIONS",
    "DAY",
    "ENOUGH_DISTANCES",
    "FEWEST_DISTANCES",
    "RATES",
    "bar_length",
    "check_time_format",
    "checked_action",
    "merge",
    "ordered",
    "rank_in_moment",
    "read_duration",
    "time_unit",
]
