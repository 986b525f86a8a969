"""Variants beside a session: fed from its journal, which is only read, while it runs or afterwards."""

import time
from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any, Final

import click
from rich.live import Live

from intuition_compare.comparison import Drawing
from intuition_compare.picture import check_picture, draw
from intuition_compare.rows import line
from intuition_compare.table import table
from intuition_compare.telling import console, tell
from intuition_compare.variants import Variant, beside, combined
from intuition_compare.watched import Watched
from intuition_core.cli.interruption import Interruption, interruptible
from intuition_core.cli.monitor import Monitor
from intuition_core.cli.options import blocked_plugins, key_and_value
from intuition_core.config.portable import recorded
from intuition_core.plugins.catalogue import discover
from intuition_core.session.archive import find_session
from intuition_core.session.journal import Journal
from intuition_core.trading.composition import rules_of

_PAUSE: Final = 0.5
"""Seconds between two looks at whether the session has taken more."""

_OF_HISTORY: Final = {"data": "--data", "source": "--source", "start": "--from", "end": "--to", "symbols": "--symbols"}
"""What says nothing beside a session, whose events are those that it has taken."""


def compare_session(
    session: str,
    *,
    follow: bool,
    portfolio: str | None,
    algo: str | None,
    vary: Sequence[str],
    params: Sequence[str],
    cash: str | None,
    seed: int | None,
    level: float,
    replications: int,
    picture: Path | None,
    as_json: bool,
    config: Path | None,
    **of_history: Any,
) -> int:
    """Compare variants with a session on the events that it has taken, and give the exit code.

    Raises:
        IntuitionError: what was asked for makes no sense, or cannot be run.
    """
    if meaningless := [flag for key, flag in _OF_HISTORY.items() if of_history[key]]:
        raise click.UsageError(f"{', '.join(meaningless)}: with --session the events are those that the session took")
    check_picture(picture)
    combinations = combined(portfolio=portfolio, algo=algo, vary=vary)
    flat = dict(map(key_and_value, params))
    if cash is not None:
        flat["cash"] = cash
    catalogue = discover(blocked=blocked_plugins(config))
    path = find_session(session)
    with Journal(path, read_only=True) as journal:
        notes = journal.meta()
    begun = recorded(notes["configuration"], catalogue, {}, rules=rules_of(notes["composition"]))
    original = Variant(f"session {notes['session']}", begun)
    variants = beside(
        combinations, catalogue=catalogue, original=original, configuration=notes["configuration"], flat=flat
    )
    drawing = Drawing(level, replications, seed or 0)
    monitor = Monitor()
    watched = Watched(path, notes, [original, *variants], drawing, monitor=monitor)
    with interruptible() as interruption, monitor.running():
        watched.catch_up(interruption)
        if follow:
            _follow(watched, interruption, as_json=as_json)
    comparison = watched.comparison()
    if not (follow and as_json):  # or all has been told
        tell(comparison, as_json=as_json)
    draw(comparison, picture)
    return 130 if interruption.asked and not follow else 0


def _follow(watched: Watched, interruption: Interruption, *, as_json: bool) -> None:
    """Tell what is found each time that there is more, until Ctrl-C."""
    out = console()
    shown = Live(console=out, auto_refresh=False, transient=True) if out.is_terminal and not as_json else None
    with shown or nullcontext():
        more = True
        while not interruption.asked:
            if more:
                comparison = watched.comparison()
                if shown is not None:
                    shown.update(table(comparison, width=out.width), refresh=True)
                elif as_json:
                    tell(comparison, as_json=True)
                else:
                    click.echo(line(comparison))
            interruption.unless_asked(partial(time.sleep, _PAUSE))
            more = not interruption.asked and watched.catch_up(interruption)
