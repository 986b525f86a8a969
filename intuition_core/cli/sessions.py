"""``intuition sessions``: what is kept of sessions."""

import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from intuition_core.errors import IntuitionError

if TYPE_CHECKING:
    from intuition_core.session.journal import Journal
    from intuition_core.session.verification import Verified
    from intuition_core.supervision.crashes import FailureDecision
    from intuition_core.trading.records import Record


class NotInQuarantine(IntuitionError):
    """A part whose quarantine cannot be lifted, since it is not in quarantine."""

    def __init__(self, session: str, part: str, quarantined: list[str]) -> None:
        self.session = session
        self.part = part
        self.quarantined = quarantined
        there = f"in quarantine: {', '.join(f'`{name}`' for name in quarantined)}" if quarantined else "no part is"
        super().__init__(f"no part `{part}` of session `{session}` is in quarantine; {there}")


class NoSuchClient(IntuitionError):
    """A client that a session does not know."""

    def __init__(self, session: str, client: str, known: list[str]) -> None:
        self.session = session
        self.client = client
        self.known = known
        there = f"its clients are {', '.join(known)}" if known else "none has attached"
        super().__init__(f"session `{session}` has no client `{client}`; {there}")


class SeveralParts(IntuitionError):
    """A name that several parts in quarantine have."""

    def __init__(self, part: str, quarantined: list[str]) -> None:
        self.part = part
        self.quarantined = quarantined
        super().__init__(f"several parts are called `{part}`; say {' or '.join(f'`{name}`' for name in quarantined)}")


@click.group(invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Write a JSON array.")
@click.pass_context
def sessions(context: click.Context, *, as_json: bool) -> None:
    """List the sessions that are kept; show, export, archive, verify, repair or release one, or forget a client."""
    if context.invoked_subcommand is not None:
        return
    from intuition_core.session.archive import session_file, session_names

    rows = []
    for name in session_names():
        path = session_file(name)
        try:
            rows.append({"name": name, **_summary(path), "problem": None})
        except IntuitionError as error:
            rows.append({"name": name, "problem": str(error)})
    if as_json:
        _write_json(rows)
        return
    if not rows:
        click.echo("no sessions yet: `intuition serve` makes one", err=True)
    for row in rows:
        if row["problem"]:
            click.echo(f"{row['name']}: {row['problem']}")
        else:
            click.echo(f"{row['name']}: {row['events']} events since {_day(row['begun'])}, {row['bytes']:,} bytes")


@sessions.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Write a JSON object.")
def show(*, name: str, as_json: bool) -> None:
    """Sum one session up: its parts, its events and records, its clients, and what is in quarantine.

    Parts and shares are shown as they are now, and below them what was changed while the session ran.
    """
    from intuition_core.session.archive import find_session
    from intuition_core.session.console import sentence

    path = find_session(name)
    journal = _open(path)
    try:
        meta = journal.meta()
        counts: Counter[str] = Counter()
        first = last = None
        for events, records in journal.batches():  # those that are held
            counts.update(record["type"] for record in records)
            first = events[0]["ts"] if first is None else first
            last = events[-1]["ts"]
        changes = [
            record
            for record in journal.records.controls()
            if record["type"] == "control" and record["action"] in ("swap", "upgrade", "shares")
        ]
        told = {
            **_summary(path),
            "run": meta["run"],
            "composition": _changed(meta["composition"], changes),
            "changes": changes,
            "first_ts": first,
            "last_ts": last,
            "records": dict(counts),
            "clients": {client: epoch for client, (epoch, _) in journal.clients().items()},
            "quarantined": [
                {"part": _reference(decision), "seq": decision.seq, "problem": decision.problem}
                for decision in _quarantined(journal)
            ],
        }
    finally:
        journal.close()
    if as_json:
        _write_json(told)
        return
    click.echo(f"{meta['session']} (run {told['run']}), begun {_day(told['begun'])}")
    for line in _lines(told["composition"]):
        click.echo(f"  {line}")
    for record in changes:
        click.echo(f"  event {record['seq']}: {sentence(record)}")
    click.echo(f"  cash {told['composition']['cash']}, seed {told['composition']['seed']}")
    kept = f", of which 1 to {told['kept_after']} are not kept any more" if told["kept_after"] else ""
    click.echo(
        f"  {told['events']} events{kept}, {', '.join(f'{n} {kind}s' for kind, n in counts.items()) or 'no records'}"
    )
    for quarantine in told["quarantined"]:
        click.echo(f"  in quarantine since event {quarantine['seq']}: {quarantine['part']}: {quarantine['problem']}")
    click.echo(f"  file {path}")


@sessions.command()
@click.argument("name")
@click.option("--format", "form", type=click.Choice(["jsonl", "csv", "parquet"]), default="jsonl", show_default=True)
@click.option("--events", is_flag=True, help="The events rather than the records.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="A file; else standard output.")
def export(*, name: str, form: str, events: bool, output: Path | None) -> None:
    """Write a session's records, oldest first."""
    from intuition_core.cli.tables import RECORD_COLUMNS, open_table
    from intuition_core.session.archive import find_session

    if form == "parquet" and output is None:
        msg = "Parquet is no text; name a file with --output"
        raise click.UsageError(msg)
    journal = _open(find_session(name))
    try:
        columns = _columns(_rows(journal, events=True)) if events else RECORD_COLUMNS
        with open_table(form, output, columns) as table:
            for batch in _batches(_rows(journal, events=events)):
                table.add(batch)
    finally:
        journal.close()


@sessions.command()
@click.argument("name")
def archive(*, name: str) -> None:
    """Put a session away under a name with the date, so that its own name begins anew."""
    from intuition_core.session.archive import find_session, held, put_away

    path = find_session(name)
    with held(path):
        with _open(path, read_only=False):  # which brings everything into the one file
            pass
        target = put_away(path, f"{path.stem}.{_stamp()}")
    click.echo(f"archived as {target.stem}", err=True)


@sessions.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Write a JSON object.")
def verify(*, name: str, as_json: bool) -> int:
    """Verify all that is kept of a session, against the checksums that were written with it.

    NAME is a session or a file; it may be served meanwhile. The exit code is 1 where something is damaged or missing.
    """
    from intuition_core.session.archive import find_session
    from intuition_core.session.verification import verified

    path = find_session(name)
    found = verified(path)
    if as_json:
        _write_json(
            {
                "file": str(path),
                "checksums": found is not None,
                "events": found.last if found else None,
                "without_checksums": found.since if found else None,
                "kept_after": found.beginning if found else None,
                "damages": [damage._asdict() for damage in found.damages] if found else [],
            }
        )
    elif found is None:
        click.echo(f"{path}: kept by an earlier version, without checksums; the next `intuition serve` adds them")
    else:
        _tell_verified(path, found)
    return 1 if found is not None and found.damages else 0


def _tell_verified(path: Path, found: "Verified") -> None:
    for damage in found.damages:
        click.echo(f"{path}: {damage.what}: {damage.problem}")
    if found.damages:
        click.echo(f"put a backup back, or keep what is whole with `intuition sessions repair {path}`", err=True)
        return
    earlier = f"; events 1 to {found.since} are from before there were checksums" if found.since else ""
    dropped = f"; events 1 to {found.beginning} are not kept any more" if found.beginning else ""
    click.echo(f"{path}: all {found.last - found.beginning} events are what was written{earlier}{dropped}")


@sessions.command()
@click.argument("name")
@click.option("--older", is_flag=True, help="Go on with an older copy, which is whole in itself.")
def repair(*, name: str, older: bool) -> None:
    """Go on with what is provably whole of a damaged session, in a new file.

    Events are kept up to the first that is damaged or missing. The damaged file is put away under a name with the date.
    With --older that is done to a file without damage, too: clients that were answered after it was copied do not
    refuse it any more. End the session first.
    """
    from intuition_core.session.archive import find_session, held, put_away
    from intuition_core.session.repair import repair as repaired
    from intuition_core.session.verification import verified

    path = find_session(name)
    with held(path):
        found = verified(path)
        if found is None or not (found.damages or older):
            click.echo(f"{path} is whole; nothing is changed", err=True)
            return
        stamp = _stamp()
        made = path.with_name(f"{path.stem}.repaired-{stamp}{path.suffix}")
        result = repaired(path, made)
        away = put_away(path, f"{path.stem}.damaged-{stamp}")
        put_away(made, path.stem)
    click.echo(f"{path} holds events {result.beginning + 1} to {result.last} now; the damaged file is {away}", err=True)
    if result.lost:
        click.echo(
            f"{result.lost} later events are not in it, though they were acknowledged: have them sent again, and see "
            f"that nobody acts twice: records of events after {result.last} will have ids that were used before",
            err=True,
        )
    for table in result.left_out:
        click.echo(f"of its table `{table}` what could be read was kept; some of it may be missing", err=True)


@sessions.command()
@click.argument("name")
@click.argument("client")
def forget(*, name: str, client: str) -> None:
    """Forget a client that is gone for good, so that nothing is kept for it any more.

    What it was given and has not confirmed is not given again, and what it has sent and not settled is not known again
    by its delivery. End the session first.
    """
    from intuition_core.session.archive import find_session, held

    path = find_session(name)
    with held(path), _open(path, read_only=False) as journal:
        if client not in journal.clients():
            raise NoSuchClient(name, client, sorted(journal.clients()))
        journal.forget(client)
    click.echo(f"client {client} is forgotten; one of that name begins anew", err=True)


@sessions.command()
@click.argument("name")
@click.argument("part")
def release(*, name: str, part: str) -> None:
    """Lift the quarantine of a part, from the next event on.

    PART is its name, or kind:name where several have the name. End the session first. The part begins anew, knowing
    nothing of the events before; those that it missed stay missed.
    """
    from intuition_core.session.archive import find_session, held
    from intuition_core.supervision.crashes import Release

    path = find_session(name)
    with held(path):
        journal = _open(path, read_only=False)
        try:
            quarantined = {_reference(decision): decision for decision in _quarantined(journal)}
            meant = [reference for reference in quarantined if part in (reference, reference.partition(":")[2])]
            if not meant:
                raise NotInQuarantine(name, part, list(quarantined))
            if len(meant) > 1:
                raise SeveralParts(part, meant)
            decision = quarantined[meant[0]]
            journal.failures.record_release(Release(journal.last_seq, decision.part, decision.name))
            seq = journal.last_seq
        finally:
            journal.close()
    click.echo(
        f"{meant[0]} is called again after event {seq}; it was in quarantine since event {decision.seq}", err=True
    )


def _changed(composition: Mapping[str, Any], changes: "Iterable[Record]") -> dict[str, Any]:
    """Return a composition, as plain JSON types, after its swaps, upgrades and moved shares."""
    from intuition_core.trading.composition import json_parts

    plain = deepcopy(dict(composition))
    lines = {line["algorithm"]["name"]: line for line in plain["algorithms"]}
    for record in changes:
        if record["action"] == "shares":
            for name, share in record["shares"].items():
                lines[name]["share"] = share
        elif record["action"] == "swap":
            _, part = list(json_parts(plain))[record["place"] - 1]
            part.update(record["after"])
        elif record["kind"] in ("algorithm", "portfolio"):
            lines[record["name"]][record["kind"]].update(record["after"])
        else:
            for part in plain.get(f"{record['kind']}s", ()):
                if part["name"] == record["name"]:
                    part.update(record["after"])
    return plain


def _lines(composition: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each part of a composition; with several algorithms, their shares and portfolios too."""
    several = len(composition["algorithms"]) > 1
    for line in composition["algorithms"]:
        algorithm, portfolio = line["algorithm"], line["portfolio"]
        yield f"algorithm {_described(algorithm)}" + (f", share {line['share']}" if several else "")
        yield f"portfolio {_described(portfolio)}" + (f", of {algorithm['name']}" if several else "")
    for kind in ("indicator", "risk"):
        for part in composition.get(f"{kind}s", ()):
            yield f"{kind} {_described(part)}"


def _described(part: Mapping[str, Any]) -> str:
    origin = f" ({part['distribution']} {part['version']})" if part["distribution"] else ""
    return f"{part['name']}{origin}: {part['params']}"


def _quarantined(journal: "Journal") -> "list[FailureDecision]":
    from intuition_core.session.recovery import swapped
    from intuition_core.supervision.crashes import Release, in_quarantine

    # A part that took the place of one in quarantine is called.
    replaced = [
        Release(swap["seq"], swap["place"], f"{swap['kind']} {swap['before']['name']}")
        for swap in swapped(journal.records.controls())
    ]
    decisions = (each for some in journal.failures.decisions().values() for each in some)
    return in_quarantine(decisions, [*journal.failures.releases(), *replaced])


def _reference(decision: "FailureDecision") -> str:
    return decision.name.replace(" ", ":", 1)


def _open(path: Path, *, read_only: bool = True) -> "Journal":
    from intuition_core.session.journal import Journal

    return Journal(path, read_only=read_only)


def _summary(path: Path) -> dict[str, Any]:
    journal = _open(path)
    try:
        meta = journal.meta()
        return {
            "session": meta["session"],
            "begun": meta["begun"],
            "events": journal.last_seq,
            "kept_after": journal.beginning,
            "bytes": path.stat().st_size,
            "file": str(path),
        }
    finally:
        journal.close()


def _stamp() -> str:
    return datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")


def _day(ts: int) -> str:
    return datetime.fromtimestamp(ts // 10**9, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _rows(journal: "Journal", *, events: bool) -> Iterator[dict[str, Any]]:
    seq = journal.beginning
    for taken, records in journal.batches():
        if not events:
            yield from records
            continue
        for event in taken:
            seq += 1
            yield {"seq": seq, **event}


def _write_json(content: Any) -> None:
    import msgspec

    sys.stdout.write(msgspec.json.encode(content).decode() + "\n")


def _batches(rows: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    while batch := list(islice(rows, 1000)):
        yield batch


def _columns(rows: Iterator[dict[str, Any]]) -> dict[str, type]:
    """Return the columns of the rows, in the order of their first use, with the types that hold their values."""
    kinds: dict[str, set[type]] = {}
    for row in rows:
        for key, value in row.items():
            kinds.setdefault(key, set()).add(type(value))
    return {key: int if seen == {int} else float if seen <= {int, float} else str for key, seen in kinds.items()}
