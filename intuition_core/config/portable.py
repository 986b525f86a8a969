"""What a journal keeps of a configuration, as plain values, and the composition made from them."""

from collections.abc import Mapping
from typing import Any

import msgspec

from intuition_core.config.compose import compose
from intuition_core.config.editing import overlay, settle, substitute_parts
from intuition_core.config.loading import Config, convert
from intuition_core.params.checking import redact_params
from intuition_core.plugins.catalogue import Catalogue
from intuition_core.trading.composition import Composition, Part


def portable(config: Config, composition: Composition) -> dict[str, Any]:
    """Return the keys of a settled configuration that decide the records, as plain JSON types without secrets."""
    kept = (
        "seed",
        "cash",
        "fill",
        "quantity_step",
        "negative_prices",
        "algorithms",
        "risks",
        "indicators",
        "costs",
        "fills",
        "time",
        "timers",
    )
    tree: dict[str, Any] = {key: msgspec.to_builtins(getattr(config.values, key)) for key in kept}
    tables: list[tuple[dict[str, Any], Part]] = [
        *zip(tree["risks"], composition.risks, strict=True),
        *zip(tree["indicators"], composition.indicators, strict=True),
    ]
    for table, line in zip(tree["algorithms"], composition.sleeves, strict=True):
        tables += ((table, line.algorithm), (table["portfolio"], line.portfolio))
    if config.values.margin is not None:
        tree["margin"] = msgspec.to_builtins(config.values.margin)
    if config.values.currency is not None:
        tree["currency"] = config.values.currency
    if composition.venue is not None and config.values.broker is not None:  # where it trades, without its parameters
        tree["broker"] = {"mode": "live", "name": composition.venue.broker, "on_drift": composition.venue.on_drift}
    if composition.instruments:  # as they are now: a file may say something else tomorrow
        table = [instrument.to_json() for instrument in composition.instruments]
        tree["instruments"] = {"calendars": config.values.instruments.calendars, "table": table}
    for table, part in tables:
        table["params"] = redact_params(part.factory, table["params"])
    return tree


def recorded(
    configuration: Mapping[str, Any],
    catalogue: Catalogue,
    changes: Mapping[str, Any],
    *,
    rules: int,
    parts: Mapping[str, str] | None = None,
    flag: str = "--with",
) -> Composition:
    """Return the composition of what `portable` returned, with other parts and other parameters.

    Args:
        configuration: what `portable` returned.
        catalogue: the plugins there are.
        changes: parameters by their flat or dotted keys, as `overlay` takes them.
        rules: the number of the rules that the session was begun under.
        parts: other algorithms and portfolios, as `substitute_parts` takes them.
        flag: the flag with which a person gives changes and parts, for messages.

    Raises:
        IntuitionError: a plugin is not installed, or does not take its parameters.
    """
    config = settle(Config(values=convert(configuration, origin="journal")), catalogue)
    if parts:
        config = substitute_parts(config, parts, spelled={label: f"{flag} {label}" for label in parts})
    changed = overlay(config, changes, catalogue, origin=flag) if changes else config
    composition = compose(changed, catalogue, served=not (changes or parts))  # other decisions had no venue
    return msgspec.structs.replace(composition, rules=rules)
