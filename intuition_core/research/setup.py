"""From what a person asks for to what a run over recorded events needs: a composition, and a source that is open."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from intuition_core.config.compose import compose, hook_plugins, located
from intuition_core.config.diagnosis import read_config
from intuition_core.config.editing import settle
from intuition_core.config.loading import Config
from intuition_core.history import History
from intuition_core.plugins.catalogue import Catalogue, discover
from intuition_core.sources.opening import Frame, open_source
from intuition_core.sources.reading import MergedReader, SourceReader
from intuition_core.trading.composition import Composition

SEED: Final = 0
"""The seed where none is given: two runs of one composition decide the same."""

SETTINGS: Final = ("costs", "fills", "margin", "time")
"""Tables of the configuration whose keys ``--param`` takes as well, such as ``costs.commission_bps``."""


def settings_of(flat: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Split the ``--param`` values into keys of the configuration and parameters of parts."""
    keys = {key: value for key, value in flat.items() if key.partition(".")[0] in SETTINGS and "." in key}
    return keys, {key: value for key, value in flat.items() if key not in keys}


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """Which events of a source a run takes."""

    start: int | None = None
    """Events before this are left out, nanoseconds UTC."""
    end: int | None = None
    """Events that are not before this are left out."""
    symbols: tuple[str, ...] = ()
    """Other symbols are left out; none means all."""


class Setup:
    """A settled configuration with the plugins there are.

    Attributes:
        config: the configuration, settled.
        catalogue: the plugins there are.

    Args:
        config: as read.
        source: parameters of the source.
        discovering: makes the catalogue; called with the plugins that the configuration blocks.
        named: the flag or the argument by which the source is named, if it is: it may be read beside other data.
        origin: how messages call where the parameters come from.

    Raises:
        BadConfiguration: a key that no part takes, or that two take.
        Unmet: the configuration requires what is not installed.
    """

    def __init__(
        self,
        config: Config,
        *,
        source: Mapping[str, Any],
        discovering: Callable[..., Catalogue] = discover,
        named: str = "--source",
        origin: str = "--param",
    ) -> None:
        self._source = dict(source)
        self._named = named
        self.catalogue: Catalogue = discovering(blocked=config.values.plugins.blocked)
        self.config = settle(config, self.catalogue, seed=SEED, origin=origin)

    @property
    def names_source(self) -> bool:
        """Whether the configuration names a source."""
        return self.config.values.source.name is not None

    def composition(self) -> Composition:
        """Return the composition: its parts loaded, their parameters checked.

        Raises:
            IntuitionError: a plugin cannot be used, or a part does not take a parameter; `Mistakes` with several.
        """
        return compose(self.config, self.catalogue)

    def open(self, data: Sequence[str | Frame], span: Span, *, hashed: bool) -> SourceReader | MergedReader:
        """Open the source of the events.

        Args:
            data: as for `open_source`.
            span: which events are wanted.
            hashed: whether hashes of events are wanted, which it takes time to make.

        Raises:
            IntuitionError: nothing says which source reads the data, or it cannot read them.
        """
        table = self.config.values.source
        with located(self.config, "source.params"):
            return open_source(
                self.catalogue,
                table.name,
                data=data,
                params={**table.params, **self._source},
                start=span.start,
                end=span.end,
                symbols=span.symbols,
                negative_prices=self.config.values.negative_prices,
                beside=self.config.origins.get("source.name") == self._named,
                hashed=hashed,
            )

    def with_sections(self, history: History) -> History:
        """Return a history with the sections that enabled hook plugins add to a report."""
        if not self.config.values.hooks.enabled:
            return history
        from intuition_core.plugins.hooks import Hooks  # imports pluggy, which most runs do without

        hooks = Hooks("backtest", hook_plugins(self.config, self.catalogue))
        return msgspec.structs.replace(history, sections=hooks.report_sections(history))


def read_setup(
    file: Path | None, *, flags: Mapping[str, Any], flat: Mapping[str, Any], spelled: Mapping[str, str]
) -> Setup:
    """Return the setup of a configuration file, the environment, and what was typed.

    Args:
        file: the configuration file; None for the one that is found by itself.
        flags: dotted keys and their values.
        flat: the ``--param`` values, settings and parameters of the source included.
        spelled: how flags are typed, by the dotted key.

    Raises:
        BadConfiguration: the configuration has mistakes.
        Mistakes: with those that the chosen plugins found, too.
    """
    settings, rest = settings_of(flat)
    source = {key.removeprefix("source."): rest.pop(key) for key in list(rest) if key.startswith("source.")}
    names = {**spelled, **{key: f"--param {key}" for key in settings}}
    return Setup(read_config(file, flags={**flags, **settings}, flat=rest, spelled=names), source=source)


def report_part(catalogue: Catalogue, *, required: bool) -> Any:
    """Return the report that is installed; None where none is, and none is required.

    Raises:
        IntuitionError: there is none, or none that can be used.
    """
    reports = [plugin for plugin in catalogue.plugins if plugin.kind == "report" and plugin.status == "available"]
    if not reports and not required:
        return None
    factory: Any = catalogue.load("report", reports[0].ref if len(reports) == 1 else "html")
    return factory()
