"""``intuition compare --session``: variants on the events of a session's journal, which is only read."""

import time
from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any, Final

import click
from rich.live import Live

from intuition_compare.comparison import Drawing
from intuition_compare.following import Following
from intuition_compare.picture import check_picture, draw
from intuition_compare.rows import line
from intuition_compare.table import table
from intuition_compare.telling import tell
from intuition_compare.variants import beside, combined
from intuition_core.commands import (
    FILE_WIDTH,
    Interruption,
    Monitor,
    blocked_plugins,
    console,
    interruptible,
    key_and_value,
)
from intuition_core.runs import FollowedSession, discover

_PAUSE: Final = 0.5
"""Seconds between two looks at whether the session has taken more."""

_OF_HISTORY: Final = {"data": "--data", "source": "--source", "start": "--from", "end": "--to", "symbols": "--symbols"}
"""Options without a meaning beside a session, by their parameter: the events are those that the session took."""


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
    """Compare variants with a session on the events that it has taken, and return the exit code.

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
    monitor = Monitor()
    followed = FollowedSession(session, catalogue, monitor=monitor)
    variants = beside(combinations, catalogue=catalogue, session=followed, flat=flat)
    following = Following(followed, variants, Drawing(level, replications, seed or 0))
    with interruptible() as interruption, monitor.running():
        following.catch_up(lambda: interruption.asked)
        if follow:
            _follow(following, interruption, as_json=as_json)
    comparison = following.comparison()
    if not (follow and as_json):  # or all has been told
        tell(comparison, as_json=as_json)
    draw(comparison, picture)
    return 130 if interruption.asked and not follow else 0


def _follow(following: Following, interruption: Interruption, *, as_json: bool) -> None:
    """Show the comparison anew each time that the session has taken more, until Ctrl-C."""
    out = console(width=FILE_WIDTH)
    shown = Live(console=out, auto_refresh=False, transient=True) if out.is_terminal and not as_json else None
    with shown or nullcontext():
        more = True
        while not interruption.asked:
            if more:
                comparison = following.comparison()
                if shown is not None:
                    shown.update(table(comparison, width=out.width), refresh=True)
                elif as_json:
                    tell(comparison, as_json=True)
                else:
                    click.echo(line(comparison))
            interruption.unless_asked(partial(time.sleep, _PAUSE))
            more = not interruption.asked and following.catch_up(lambda: interruption.asked)
