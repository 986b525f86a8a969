"""Settings that a caller of `initialize` lays over the configuration of a session."""

import logging
from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from intuition_core.config.compose import compose
from intuition_core.config.editing import overlay
from intuition_core.config.loading import BadConfiguration, Config, Mistake
from intuition_core.params.checking import json_params
from intuition_core.plugins.catalogue import Catalogue
from intuition_core.plugins.files import is_file
from intuition_core.trading.composition import Composition, difference

_log = logging.getLogger("intuition")


def overlaid(
    config: Config, composition: Composition, conf: Mapping[str, Any], catalogue: Catalogue
) -> tuple[Config, Composition, str | None]:
    """Return the configuration and composition with other settings, and the key of the first difference, if any.

    Args:
        config: the present configuration; what was given by flag stays.
        composition: the present composition; its rules stay.
        conf: the settings, as in a configuration file.
        catalogue: the plugins there are.

    Raises:
        BadConfiguration: a setting is none, or names a file.
    """
    _refuse_files(conf)
    # As asked first, so that nonsense is refused also where a flag has the last word.
    asked = compose(overlay(replace(config, pinned=frozenset()), conf, catalogue), catalogue, served=True)
    asked = replace(asked, rules=composition.rules)
    changed = overlay(config, conf, catalogue)
    recomposed = replace(compose(changed, catalogue, served=True), rules=composition.rules)
    stays = difference(asked.to_json(), recomposed.to_json())
    if stays is not None:
        _log.info("initialize: `%s` stays as it was given by flag", stays)
    key = difference(composition.to_json(), recomposed.to_json())
    key = key or difference(_parameters(composition), _parameters(recomposed))
    if changed.values.negative_prices != config.values.negative_prices:
        key = "negative_prices"
    return changed, recomposed, key


def _parameters(composition: Composition) -> dict[str, Any]:
    """Return the parameters of all parts with the secrets, which `Composition.to_json` leaves out, by part."""
    return {f"{part.kind} {part.name}": json_params(part.params) for part in composition.parts}


def _refuse_files(conf: Mapping[str, Any]) -> None:
    """Refuse settings that name a file: only the person who starts the session chooses files to run."""
    for key in ("algorithm", "portfolio"):
        table = conf.get(key)
        chosen = [table.get("name"), table.get("use")] if isinstance(table, Mapping) else []
        for reference in chosen:
            if isinstance(reference, str) and is_file(reference):
                problem = f"`{reference}` is a file, and callers choose among installed plugins; name it to `serve`"
                raise BadConfiguration(Mistake("initialize", key, problem))
