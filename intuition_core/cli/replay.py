"""``intuition replay``: a session's events once more."""

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from intuition_core.cli.logs import set_up_logging
from intuition_core.cli.monitor import Monitor
from intuition_core.cli.options import verbose_option
from intuition_core.errors import IntuitionError

if TYPE_CHECKING:
    from intuition_core.session.journal import Journal
    from intuition_core.trading.composition import Composition


@click.command()
@click.argument("session")
@click.option("--until", type=click.IntRange(min=0), metavar="SEQ", help="Stop after this event.")
@click.option(
    "--with",
    "changes",
    multiple=True,
    metavar="KEY=VALUE",
    help="Ask what would have happened: portfolio=kelly, algorithm.threshold=0.7, cash=50000; of several algorithms "
    "NAME.portfolio=kelly for one, and portfolio=kelly for all.",
)
@click.option("--json", "as_json", is_flag=True, help="Write one JSON object.")
@verbose_option
def replay(*, session: str, until: int | None, changes: tuple[str, ...], as_json: bool, verbose: int) -> None:
    """Run a session's events again, and hold the records against its journal.

    SESSION is a name or a file. Every record must be the journal's, byte for byte, and so must the account of each
    snapshot; the first that is not is shown with the journal's, and the exit code is 1. A part in a file is run as the
    file is now, and it is said where it was another. With --with nothing is compared: both accounts are shown.
    """
    set_up_logging(verbose=verbose)
    parts, values = _asked(changes)
    from intuition_core.config.portable import recorded
    from intuition_core.plugins.catalogue import discover
    from intuition_core.session.archive import find_session
    from intuition_core.session.journal import Journal
    from intuition_core.trading.composition import rules_of

    journal = Journal(find_session(session), read_only=True)
    try:
        meta = journal.meta()
        catalogue = discover()
        as_it_was = recorded(meta["configuration"], catalogue, {}, rules=rules_of(meta["composition"]))
        _tell_of_files(meta, as_it_was)
        told: dict[str, Any] = {
            "session": meta["session"],
            **_run(journal, as_it_was, meta["run"], until, compare=True),
        }
        if changes:
            other = recorded(meta["configuration"], catalogue, values, rules=rules_of(meta["composition"]), parts=parts)
            told["with"] = {"changes": list(changes), **_run(journal, other, meta["run"], until, compare=False)}
    finally:
        journal.close()
    if as_json:
        import msgspec

        sys.stdout.write(msgspec.json.encode(told).decode() + "\n")
        return
    click.echo(f"{told['session']}: {told['events']} events, {told['records']} records, each as in the journal")
    _tell("as it was", told)
    if changes:
        _tell(f"with {', '.join(changes)}", told["with"])


class BeforeBoundary(IntuitionError):
    """An event up to which a journal cannot be replayed, since other versions of parts ran it."""

    def __init__(self, until: int, boundary: int, *, dropped: bool = False) -> None:
        self.until = until
        self.boundary = boundary
        why = (
            f"events up to {boundary} are not kept any more ([journal] keep)"
            if dropped
            else f"another version of a part was taken up after event {boundary}, and what was before cannot be run "
            "again with it"
        )
        super().__init__(f"--until {until}: {why}; leave --until out, or name a later event")


def _run(
    journal: "Journal", composition: "Composition", run: str, until: int | None, *, compare: bool
) -> dict[str, Any]:
    from collections import Counter

    from intuition_core.account.statement import Statement
    from intuition_core.determinism.apart import unchanged
    from intuition_core.session.recovery import Snapshots, replayed_events, restored
    from intuition_core.trading.engine import TradingEngine

    monitor = Monitor()
    with monitor.starting(composition):
        engine = monitor.maker(TradingEngine)(composition, run=run)
    counts: Counter[str] = Counter()
    kept = Snapshots(journal) if compare else None
    begun = 0
    if compare and (start := journal.start):
        dropped = start > journal.boundary
        if until is not None and until < start:
            raise BeforeBoundary(until, start, dropped=dropped)
        begun = restored(engine, journal, wanted=False)
        why = "they are not kept any more" if dropped else "another version of a part was taken up after them"
        click.echo(f"events 1 to {start} are not run again: {why}", err=True)
    with unchanged(), monitor.running(), monitor.watching(engine):
        for records in replayed_events(engine, journal, after=begun, until=until, compare=compare):
            counts.update(record["type"] for record in records)
            if kept is not None:
                kept.compare(engine)
    return {
        "events": engine.seq - begun,
        "records": counts.total(),
        "by_type": dict(counts),
        "account": Statement.of(engine.ledger, engine.seq).to_json(),
    }


def _tell_of_files(meta: Mapping[str, Any], composition: "Composition") -> None:
    """Write which parts from files have changed since the session ran."""
    from intuition_core.serving.reload import changed_files

    for each in meta.get("reloads", ()):
        click.echo(
            f"{each['kind']} {each['name']}: its file was saved and begun anew after event {each['seq']}", err=True
        )
    if renewals := meta.get("renewals"):
        events = ", ".join(map(str, renewals))
        click.echo(f"parts that keep no state began anew after event {events}; a replay does not know that", err=True)
    for each in changed_files(meta["composition"], composition.to_json()):
        click.echo(
            f"{each['kind']} {each['name']}: run from the file as it is now ({each['version']}), which is not what the "
            f"session ran last ({each['before']})",
            err=True,
        )


def _asked(changes: tuple[str, ...]) -> tuple[dict[str, str], dict[str, Any]]:
    """Return the parts by place, such as ``portfolio=kelly``, and the other parameters."""
    from intuition_core.cli.options import BadFlag, key_and_value

    parts: dict[str, str] = {}
    values: dict[str, Any] = {}
    for text in changes:
        try:
            key, value = key_and_value(text)
        except BadFlag:
            raise BadFlag("--with", text) from None
        if key in ("portfolio", "algorithm") or (key.endswith(".portfolio") and not key.endswith(".params.portfolio")):
            parts[key] = str(value)
        else:
            values[key] = value
    return parts, values


def _tell(title: str, told: Mapping[str, Any]) -> None:
    account = told["account"]
    counts = ", ".join(f"{number} {kind}s" for kind, number in told["by_type"].items()) or "no records"
    click.echo(f"  {title}: {counts}; equity {account['equity']}, cash {account['cash']}")
