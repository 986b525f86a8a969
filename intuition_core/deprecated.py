"""Import paths of earlier releases, which warn and work for one release more.

A module that has moved is found under its old name; a name of a module whose old name is a package's now is found in
the package.
"""

TYPE_CHECKING = False  # the command `intuition` begins before anything takes time to import

if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any

MOVED = {
    "actions": "account.actions",
    "amounts": "account.amounts",
    "answers": "trading.answers",
    "apart": "determinism.apart",
    "archive": "session.archive",
    "attended": "supervision.attended",
    "bars": "trading.matching",
    "books": "account.books",
    "cell": "supervision.shared_status",
    "compose": "config.compose",
    "composition": "trading.composition",
    "console": "session.console",
    "control": "session.control",
    "costs": "account.costs",
    "curve": "backtest.equity",
    "description": "plugins.description",
    "desk": "trading.order_manager",
    "diagnosis": "config.diagnosis",
    "digest": "trading.digest",
    "distributions": "plugins.distributions",
    "durations": "params.durations",
    "files": "plugins.files",
    "front": "supervision.front",
    "hashing": "determinism.hashing",
    "hooks": "plugins.hooks",
    "hours": "account.hours",
    "inquiry": "supervision.inquiry",
    "instruments": "account.instruments",
    "journal": "session.journal",
    "ledger": "account.ledger",
    "listings": "config.listings",
    "local": "serving.local",
    "lookahead": "backtest.lookahead",
    "lookout": "trading.risk_monitor",
    "margin": "account.margin",
    "market": "account.market",
    "merge": "sources.merge",
    "naive": "trading.naive",
    "orders": "trading.orders",
    "paper": "trading.paper_broker",
    "parameters": "params.checking",
    "part_probe": "plugins.part_probe",
    "plugin_probe": "plugins.plugin_probe",
    "processes": "supervision.processes",
    "randomness": "determinism.randomness",
    "reading": "sources.reading",
    "reload": "serving.reload",
    "requirements": "config.requirements",
    "rows": "backtest.rows",
    "schema": "config.schema",
    "seats": "trading.parts",
    "service": "serving.service",
    "stage": "supervision.stage",
    "stamps": "sources.stamps",
    "strategy": "trading.engine",
    "swaps": "trading.swaps",
    "tables": "cli.tables",
    "targets": "trading.targets",
    "timers": "trading.timers",
    "trace": "trading.trace",
    "typed": "params.typed",
    "verdicts": "supervision.crashes",
    "wall": "trading.wall",
    "watchdog": "supervision.watchdog",
}
"""Modules of `intuition_core` by their old names, and where they are."""

RENAMED = {
    "cell": {
        "Cell": "supervision.shared_status:SharedStatus",
        "CellWatch": "supervision.worker_status:StatusMonitor",
    },
    "compose": {
        "DEFAULT_PORTFOLIO": "config.editing:DEFAULT_PORTFOLIO",
        "exchange": "config.editing:substitute_parts",
        "overlay": "config.editing:overlay",
        "portable": "config.portable:portable",
        "recorded": "config.portable:recorded",
        "settle": "config.editing:settle",
    },
    "composition": {"Line": "trading.composition:Sleeve"},
    "curve": {"Curve": "backtest.equity:EquityCurve"},
    "desk": {"Desk": "trading.order_manager:OrderManager"},
    "journal": {
        "BadJournal": "session.errors:BadJournal",
        "Batch": "session.batch:Batch",
        "Delivery": "session.batch:Delivery",
        "Identity": "session.batch:Identity",
        "JournalFailed": "session.errors:JournalFailed",
        "Known": "session.batch:Known",
        "encoded": "session.batch:encoded",
        "position": "trading.records:record_key",
    },
    "ledger": {
        "LedgerView": "trading.view:LedgerView",
        "Readable": "account.readable:Readable",
        "Statement": "account.statement:Statement",
        "floor_to_step": "account.amounts:floor_to_step",
    },
    "lookout": {"Lookout": "trading.risk_monitor:RiskMonitor"},
    "processes": {
        "Backoff": "system.backoff:Backoff",
        "LIFELINE": "supervision.lifeline:VARIABLE",
        "end_with_parent": "supervision.lifeline:end_with_parent",
    },
    "reading": {"Merged": "sources.reading:MergedReader", "Opened": "sources.reading:SourceReader"},
    "seats": {
        "IndicatorSeat": "trading.parts:BoundIndicator",
        "LineSeat": "trading.parts:BoundSleeve",
        "RiskSeat": "trading.parts:BoundRisk",
        "Seat": "trading.parts:BoundPart",
        "Started": "trading.parts:StartedPart",
    },
    "service": {
        "BadCall": "serving.arguments:BadCall",
        "CompositionChanged": "serving.opening:CompositionChanged",
        "FileChanged": "serving.opening:FileChanged",
        "Options": "serving.arguments:Options",
        "TooManyDecisions": "serving.paging:TooManyDecisions",
    },
    "strategy": {
        "CONTROL": "trading.decisions:CONTROL",
        "Cell": "trading.calls:CallStatus",
        "MAX_NAMED": "trading.booking:MAX_NAMED",
        "Quarantine": "trading.roster:Quarantine",
        "Strategy": "trading.engine:TradingEngine",
        "UNHEARD": "trading.decisions:UNHEARD",
    },
    "verdicts": {"Casualty": "supervision.crashes:WorkerCrash", "Verdict": "supervision.crashes:FailureDecision"},
}
"""Names that modules had under their old names, and what they are called; importing the old module brings them back."""

ELSEWHERE = {
    "config": {
        "tables": (
            "ALIASES CORE_KEYS DEFAULT_ADDRESS Table PartTable PortfolioChoice AlgorithmTable IndicatorTable "
            "SourceTable CostsTable FillsTable MarginTable InstrumentTable InstrumentsTable RpcTable JournalTable "
            "WorkerTable HooksTable PluginsTable Configuration"
        )
    },
    "plugins": {"first_party": "FIRST_PARTY how_to_install", "trial": "Check check"},
    "session": {
        "batch_run": "Item",
        "clients": "Attachment",
        "errors": ("BatchFailed BehindBoundary Halted IdReused NothingKept ReplayDiffers StaleEpoch Stopping Unheard"),
        "identity": "identity_of",
        "monitor": "Unwatched",
        "recovery": "Recovery replayed_events restored swapped",
    },
}
"""Packages that were modules: names that are in another module than most, by that module."""


class Finder:
    """Finds moved modules; the last of `sys.meta_path`, so that it is asked for nothing that is there."""

    @classmethod
    def find_spec(cls, name: str, *_: object) -> "ModuleSpec | None":
        """Give the specification of a moved module; None for all others."""
        package, old = name.rpartition(".")[::2]
        if package != "intuition_core" or old not in MOVED:
            return None
        from importlib.machinery import ModuleSpec

        return ModuleSpec(name, _Loader(f"{package}.{MOVED[old]}"))  # type: ignore[arg-type]  # it has what the import system asks for


class _Loader:
    """Loads the moved module in place of the one that was asked for."""

    def __init__(self, new: str) -> None:
        self._new = new

    def create_module(self, spec: "ModuleSpec") -> "ModuleType":
        """Give the module where it is now."""
        from importlib import import_module

        _warn(spec.name, self._new, level=3)
        module = import_module(self._new)
        for name, place in RENAMED.get(spec.name.rpartition(".")[2], {}).items():
            where, _, now = place.partition(":")
            vars(module).setdefault(name, getattr(import_module(f"intuition_core.{where}"), now))
        self._spec = module.__spec__
        return module

    def exec_module(self, module: "ModuleType") -> None:
        """Leave the module as it is: it has run already."""
        module.__spec__ = self._spec


def names(old: str, new: str, name: str) -> "Any":
    """Give a name of a module whose old name is a package's now.

    Args:
        old: the package.
        new: where the module is; `ELSEWHERE` says which names are in another one.
        name: what was asked for.

    Raises:
        AttributeError: the module does not have it either.
    """
    import sys
    from importlib import import_module

    if name.startswith("__"):
        raise AttributeError(f"module {old!r} has no attribute {name!r}")
    for module, moved in ELSEWHERE.get(old.rpartition(".")[2], {}).items():
        if name in moved.split():
            new = f"{old}.{module}"
    try:
        found = getattr(import_module(new), name)
    except AttributeError:
        raise AttributeError(f"module {old!r} has no attribute {name!r}") from None
    # `from old import name` asks twice: the import system whether it is there, then the statement itself.
    if sys._getframe(2).f_globals.get("__name__") != "importlib._bootstrap":
        _warn(f"{old}.{name}", f"{new}.{name}", level=4)
    return found


def _warn(old: str, new: str, *, level: int) -> None:
    """Warn of an old path; frames of the import system are none of the ``level`` frames up to who uses it."""
    import warnings

    warnings.warn(f"{old} is {new} now, and will not be found in the next release", DeprecationWarning, level)
