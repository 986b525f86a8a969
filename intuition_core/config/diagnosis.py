"""All mistakes of a configuration at once: its own, and those that only its plugins can find."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from intuition_core.config.compose import chosen, compose, connector_params, hook_factory, located
from intuition_core.config.editing import settle
from intuition_core.config.loading import BadConfiguration, Config, load_config
from intuition_core.config.requirements import check_requirements
from intuition_core.errors import BadParameter, IntuitionError, Mistakes
from intuition_core.params.checking import check_params
from intuition_core.plugins.catalogue import Catalogue, discover
from intuition_core.supervision.attended import ATTENDED


def read_config(file: Path | None = None, **given: Any) -> Config:
    """Return the configuration as `load_config` does; its mistakes are raised together with those of its parts.

    Raises:
        BadConfiguration: with every mistake.
        Mistakes: with those that the chosen plugins found, too.
    """
    try:
        config = load_config(file, **given)
    except BadConfiguration as error:
        if error.rest is None:
            raise
        rest = error.rest
        raise Mistakes.of([error, *faults(rest, discover(blocked=rest.values.plugins.blocked))]) from None
    ATTENDED.import_deadline = config.values.worker.import_deadline
    return config


def faults(config: Config, catalogue: Catalogue) -> list[IntuitionError]:
    """Find mistakes that the plugins of a configuration find; they are imported for it.

    Args:
        config: the configuration without its own mistakes.
        catalogue: the plugins there are.
    """
    return [
        inner
        for error in _faults(config, catalogue)
        for inner in (error.errors if isinstance(error, Mistakes) else (error,))
    ]


def _faults(config: Config, catalogue: Catalogue) -> Iterator[IntuitionError]:
    values = config.values
    try:
        check_requirements(config)
    except IntuitionError as error:
        yield error
        config = replace(config, values=replace(values, requires=()))
    if values.algorithm is not None or values.algorithms:
        yield from _of_parts(config, catalogue)
    for name in values.connectors:
        try:
            with chosen(config, f"connectors.{name}"):
                factory = catalogue.load("connector", name)
            connector_params(config, name, factory)
        except IntuitionError as error:
            yield error
    if values.source.name is not None:
        yield from _of_source(config, catalogue, values.source.name)
    for name in values.hooks.enabled:
        try:
            plugin = hook_factory(config, catalogue, name)
            with located(config, f"hooks.params.{name}"):
                check_params(f"hooks {name}", plugin, values.hooks.params.get(name, {}))
        except IntuitionError as error:
            yield error


def _of_parts(config: Config, catalogue: Catalogue) -> Iterator[IntuitionError]:
    try:
        settled = settle(config, catalogue, seed=0)
    except IntuitionError as error:
        yield error
        if not config.flat:
            return
        # The flat parameters hide what is wrong with the others.
        yield from _of_parts(replace(config, flat={}), catalogue)
        return
    try:
        compose(settled, catalogue)
    except IntuitionError as error:
        yield error


def _of_source(config: Config, catalogue: Catalogue, name: str) -> Iterator[IntuitionError]:
    try:
        with chosen(config, "source.name"):
            factory = catalogue.load("source", name)
        with located(config, "source.params"):
            check_params(f"source {name}", factory, config.values.source.params)
    except IntuitionError as error:
        for each in error.errors if isinstance(error, Mistakes) else (error,):
            # What is missing may yet be given by --data or --param.
            if not isinstance(each, BadParameter) or each.problem != "is missing":
                yield each
