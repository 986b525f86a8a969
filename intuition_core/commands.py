"""What commands of plugins share with those of the core: options, Ctrl-C, logs, and what becomes of failing parts."""

from typing import TYPE_CHECKING, Final

from intuition_core.system.lazy import finder

if TYPE_CHECKING:
    from intuition_core.cli.failures import Failures as Failures
    from intuition_core.cli.interruption import Interruption as Interruption
    from intuition_core.cli.interruption import interruptible as interruptible
    from intuition_core.cli.logs import set_up_logging as set_up_logging
    from intuition_core.cli.monitor import Monitor as Monitor
    from intuition_core.cli.options import BadFlag as BadFlag
    from intuition_core.cli.options import Moment as Moment
    from intuition_core.cli.options import blocked_plugins as blocked_plugins
    from intuition_core.cli.options import config_option as config_option
    from intuition_core.cli.options import error_option as error_option
    from intuition_core.cli.options import key_and_value as key_and_value
    from intuition_core.cli.options import market_flags as market_flags
    from intuition_core.cli.options import market_options as market_options
    from intuition_core.cli.options import verbose_option as verbose_option
    from intuition_core.cli.screen import FILE_WIDTH as FILE_WIDTH
    from intuition_core.cli.screen import console as console
    from intuition_core.cli.tables import CannotWrite as CannotWrite
    from intuition_core.params.typed import Typed as Typed
    from intuition_core.research.setup import SETTINGS as SETTINGS
    from intuition_core.research.setup import settings_of as settings_of
else:
    PLACES: Final = {
        "BadFlag": "cli.options",
        "CannotWrite": "cli.tables",
        "FILE_WIDTH": "cli.screen",
        "Failures": "cli.failures",
        "Interruption": "cli.interruption",
        "Moment": "cli.options",
        "Monitor": "cli.monitor",
        "SETTINGS": "research.setup",
        "Typed": "params.typed",
        "blocked_plugins": "cli.options",
        "config_option": "cli.options",
        "console": "cli.screen",
        "error_option": "cli.options",
        "interruptible": "cli.interruption",
        "key_and_value": "cli.options",
        "market_flags": "cli.options",
        "market_options": "cli.options",
        "set_up_logging": "cli.logs",
        "settings_of": "research.setup",
        "verbose_option": "cli.options",
    }
    __all__ = list(PLACES)
    __getattr__ = finder(__name__, PLACES)
