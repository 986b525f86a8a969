"""Checks of what people ask of a session, before it becomes an event."""

from collections.abc import Collection

from intuition_core.data import Event
from intuition_core.plugins.catalogue import Plugin, discover
from intuition_core.plugins.files import FILE
from intuition_core.plugins.trial import check
from intuition_core.session.control import BadControl
from intuition_core.trading.composition import Part
from intuition_core.trading.engine import TradingEngine


def check_use(engine: TradingEngine, event: Event) -> None:
    """Refuse a control event that would change nothing.

    Raises:
        BadControl: the kill switch is where the event would turn it.
    """
    if event["action"] == "clear" and engine.killed is None:
        raise BadControl("clear", "the kill switch is not on")
    if event["action"] == "kill" and engine.killed is not None:
        # Orders placed since can only be those that sell all; to place them anew would sell it twice.
        selling = {order.order.sid for order in engine.open_orders}
        if not event["flatten"]:
            raise BadControl("kill", f"the kill switch is on already: {engine.killed}")
        if selling and selling >= engine.ledger.positions.keys():
            raise BadControl("kill", f"the kill switch is on already, and sells all: {engine.killed}")


def newer_plugin(kind: str, part: Part, *, blocked: Collection[str]) -> Plugin:
    """Return the plugin of a part in the version that another process would import.

    Args:
        kind: the part's kind.
        part: the part as it is.
        blocked: the distributions whose plugins are left out.

    Raises:
        BadControl: the part comes from no installed plugin, or from the version that is installed.
    """
    if part.use is None or part.distribution == FILE:
        problem = f"{part.label} is no installed plugin; a file is taken up anew by `serve --reload`"
        raise BadControl("upgrade", problem)
    newer = discover(blocked=blocked).find(kind, part.use)
    if newer.version == part.version:
        problem = f"{part.label} is the version that is installed; install the other one first"
        raise BadControl("upgrade", problem)
    return newer


def check_upgrade(engine: TradingEngine, newer: Plugin) -> None:
    """Refuse an upgrade after which the session could not go on.

    Raises:
        BadControl: the version cannot be imported, or a part gives no state that could be kept.
    """
    if found := check(newer).problem:
        raise BadControl("upgrade", f"{newer} cannot be imported: {found}")
    if unkept := engine.roster.unkept():
        labels = " and ".join(part.label for part in unkept)
        raise BadControl("upgrade", f"what {labels} has come to would be lost: it gives no state by `snapshot()`")
