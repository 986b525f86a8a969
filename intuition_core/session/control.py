"""Control events: decisions of people while a session runs, which are events so that a replay decides the same.

They come on the channel `intuition_core.trading.decisions.CONTROL`, which no publisher can use.
"""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from intuition_core.account.books import BadShares, check_shares
from intuition_core.data import Event, as_json, check_id
from intuition_core.errors import BadData, IntuitionError, did_you_mean
from intuition_core.trading.composition import RULES, Part
from intuition_core.trading.decisions import CONTROL

_KEYS: Final[Mapping[str, frozenset[str]]] = {
    "kill": frozenset({"reason", "flatten"}),
    "clear": frozenset({"reason"}),
    "shares": frozenset({"shares"}),
}
SWAPPED: Final = ("algorithm", "portfolio", "risk", "indicator")
"""The kinds of parts that others can take the place of."""
_OF_ALL: Final = frozenset({"action", "id", "source"})


class BadControl(IntuitionError):
    """A session was asked for something that it cannot do."""

    def __init__(self, action: str, problem: str) -> None:
        self.action = action
        self.problem = problem
        super().__init__(f"{action}: {problem}")


def read(command: object, *, there: Mapping[str, Decimal], ts: int, by: str) -> Event:
    """Return the event of a command: an object with ``action``, the arguments of the action, and maybe ``id, source``.

    Args:
        command: the object.
        there: the shares that there are.
        ts: the time in nanoseconds UTC.
        by: who decided it.

    Raises:
        BadControl: it is no such object; a misspelt key counts as a mistake, since ``flaten`` would sell nothing.
        BadShares: the shares are for others, or come to more than one.
    """
    if not isinstance(command, Mapping):
        raise BadControl(
            "control", f'expected an object such as {{"action": "kill", "reason": "…"}}, got {command!r:.60}'
        )
    action = command.get("action")
    if not isinstance(action, str) or action not in _KEYS:
        raise BadControl("control", f"`action` is one of {', '.join(_KEYS)}, not {action!r:.60}")
    unknown = sorted(str(key) for key in command.keys() - _KEYS[action] - _OF_ALL)
    if unknown:
        raise BadControl(action, f"it does not take `{unknown[0]:.60}`; it takes {', '.join(sorted(_KEYS[action]))}")
    try:
        if "id" in command:
            check_id(command["id"])
        as_json("source", command.get("source"))
    except BadData as error:
        raise BadControl(action, str(error)) from None
    if action == "kill":
        return kill(command.get("reason"), ts=ts, by=by, flatten=command.get("flatten", False))
    if action == "clear":
        return clear(command.get("reason"), ts=ts, by=by)
    return share_out(command.get("shares"), there=there, ts=ts, by=by)


def kill(reason: object, *, ts: int, by: str, flatten: object = False) -> Event:
    """Return the event that turns the kill switch on: no order is placed any more, open ones are cancelled.

    Args:
        reason: why, for the records.
        ts: the time in nanoseconds UTC.
        by: who decided it.
        flatten: sell all that is held, too.

    Raises:
        BadControl: there is no reason that could be recorded.
    """
    if not isinstance(flatten, bool):
        raise BadControl("kill", f"flatten is true or false, not {flatten!r:.60}")
    return {
        "channel": CONTROL,
        "ts": ts,
        "action": "kill",
        "reason": _reason("kill", reason),
        "by": by,
        "flatten": flatten,
    }


def clear(reason: object, *, ts: int, by: str) -> Event:
    """Return the event that turns the kill switch off: orders are placed again.

    Raises:
        BadControl: there is no reason that could be recorded.
    """
    return {"channel": CONTROL, "ts": ts, "action": "clear", "reason": _reason("clear", reason), "by": by}


def share_out(shares: object, *, there: Mapping[str, Decimal], ts: int, by: str) -> Event:
    """Return the event that changes the algorithms' shares of the capital.

    Args:
        shares: by algorithm, from 0 to 1, as numbers or text; who is not named keeps the share there is.
        there: the shares that there are.
        ts: the time in nanoseconds UTC.
        by: who decided it.

    Raises:
        BadControl: they are no shares.
        BadShares: they are for others, or come to more than one.
    """
    if not isinstance(shares, Mapping) or not shares:
        raise BadControl("shares", f'expected a share for each algorithm, such as {{"trend": 0.5}}, got {shares!r:.60}')
    if len(there) == 1:
        raise BadShares("one algorithm has all of it")
    wanted: dict[str, Decimal] = {}
    for name, share in shares.items():
        try:
            wanted[name] = Decimal(str(share))
        except InvalidOperation:
            raise BadControl("shares", f"the share of `{name}` is a number from 0 to 1, not {share!r:.60}") from None
    check_shares({**there, **wanted}, list(there))
    plain = {name: format(share, "f") for name, share in wanted.items()}
    return {"channel": CONTROL, "ts": ts, "action": "shares", "shares": plain, "by": by}


def swap(
    kind: object, name: object, use: object, params: object = None, *, ts: int, by: str, keep_state: object = False
) -> Event:
    """Return the event that puts a part in the place of another; `Session.prepare` starts the part and completes it.

    Args:
        kind: ``algorithm``, ``portfolio``, ``risk`` or ``indicator``.
        name: the place: the algorithm's name for it and its portfolio, the part's own for the others.
        use: the plugin.
        params: its parameters, as in a configuration.
        ts: the time in nanoseconds UTC.
        by: who decided it.
        keep_state: whether the new part goes on from the state of the old one.

    Raises:
        BadControl: one of these is not what it should be.
    """
    kind, name = check_place("swap", kind, name)
    if not isinstance(use, str) or not 0 < len(use) <= 500 or not use.isprintable():
        raise BadControl("swap", f"expected the name of a plugin, got {use!r:.60}")
    if not isinstance(keep_state, bool):
        raise BadControl("swap", f"keep_state is true or false, not {keep_state!r:.60}")
    if not isinstance(params, Mapping | None):
        raise BadControl("swap", f"expected a table of parameters, got {params!r:.60}")
    try:
        given = as_json("params", {} if params is None else params)
    except BadData as error:
        raise BadControl("swap", str(error)) from None
    return {
        "channel": CONTROL,
        "ts": ts,
        "action": "swap",
        "kind": kind,
        "name": name,
        "use": use,
        "params": given,
        "keep_state": keep_state,
        "by": by,
    }


def upgrade(kind: object, name: object, *, before: Part, version: str, ts: int, by: str) -> Event:
    """Return the event at which another process goes on with another version of a part's plugin.

    Args:
        kind: as for `swap`.
        name: the same.
        before: the part that is there.
        version: the version that is to go on.
        ts: the time in nanoseconds UTC.
        by: who decided it.

    Raises:
        BadControl: one of these is not what it should be.
    """
    kind, name = check_place("upgrade", kind, name)
    old = before.to_json()
    return {
        "channel": CONTROL,
        "ts": ts,
        "action": "upgrade",
        "kind": kind,
        "name": name,
        "before": old,
        "after": {**old, "version": version},
        "by": by,
    }


def rules(number: int, *, before: int, ts: int, by: str) -> Event:
    """Return the event from which orders fill by newer rules.

    Args:
        number: the rules to go over to.
        before: those that the session goes by.
        ts: the time in nanoseconds UTC.
        by: who decided it.

    Raises:
        BadControl: there are no such rules, or they are no newer ones.
    """
    if not 1 <= number <= RULES:
        raise BadControl("rules", f"there are rules 1 to {RULES}, not {number}")
    if number <= before:
        raise BadControl("rules", f"the session goes by rules {before} already, and never back to older ones")
    return {"channel": CONTROL, "ts": ts, "action": "rules", "rules": number, "by": by}


def check_place(action: str, kind: object, name: object) -> tuple[str, str]:
    """Return the kind and the name of a part, checked.

    Raises:
        BadControl: they cannot be that.
    """
    if not isinstance(kind, str) or kind not in SWAPPED:
        near = did_you_mean(kind, SWAPPED) if isinstance(kind, str) else ""
        raise BadControl(action, f"the kind is one of {', '.join(SWAPPED)}, not {kind!r:.60}{near}")
    if not isinstance(name, str) or not 0 < len(name) <= 500 or not name.isprintable():
        raise BadControl(action, f"expected the name of a part, got {name!r:.60}")
    return kind, name


def _reason(action: str, reason: Any) -> str:
    if not isinstance(reason, str) or not reason.strip() or len(reason) > 500 or not reason.isprintable():
        raise BadControl(action, "say why, in 1 to 500 printable characters")
    return reason
