"""Which parameters a configuration's parts take."""

from collections.abc import Callable, Sequence

from intuition_core.config.loading import Config
from intuition_core.config.tables import CORE_KEYS
from intuition_core.params.checking import parameter_names
from intuition_core.plugins.catalogue import Catalogue


def parameter_taker(config: Config, catalogue: Catalogue) -> Callable[[str], bool]:
    """Return a predicate of flat parameter keys: whether the core, an algorithm or a portfolio takes the parameter.

    A part that declares no parameters takes each. A key may name the kind of the part: ``portfolio.fraction``.

    Args:
        config: settled, so that its algorithms have their portfolios.
        catalogue: the plugins there are.

    Raises:
        IntuitionError: a plugin cannot be used.
    """
    declared: list[tuple[str, Sequence[str] | None]] = []
    for table in config.values.algorithms:
        declared.append(("algorithm", parameter_names(catalogue.load("algorithm", table.use or table.name))))
        if table.portfolio is not None:
            declared.append(("portfolio", parameter_names(catalogue.load("portfolio", table.portfolio.use))))

    def takes(key: str) -> bool:
        label, _, name = key.removeprefix("params.").rpartition(".")
        kind = label.removesuffix(".params")
        asked = [known for part, known in declared if kind not in ("algorithm", "portfolio") or kind == part]
        return key in CORE_KEYS or any(known is None or name in known for known in asked)

    return takes
