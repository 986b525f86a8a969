"""``intuition upgrade``: go over to newer rules in a session that is kept."""

from pathlib import Path

import click

from intuition_core.cli.options import config_option


@click.command()
@click.argument("session", metavar="NAME")
@click.option("--rules", type=int, required=True, help="The number of the rules by which orders are to fill.")
@config_option
def upgrade(*, session: str, rules: int, config: Path | None) -> None:
    """Make the orders of a session fill by newer rules from now on.

    NAME is a session that is kept and that nobody serves at the moment. What it has come to stays, and is kept at this
    boundary; orders that are open count as decided at the time of its latest event. The next `intuition serve` goes on
    from there. A journal that was begun before rules had numbers goes by rules 1.
    """
    from contextlib import closing

    import msgspec

    from intuition_core.config.loading import Config, convert, load_config
    from intuition_core.plugins.catalogue import discover
    from intuition_core.serving.service import Service
    from intuition_core.session.archive import find_session, held
    from intuition_core.session.console import sentence
    from intuition_core.session.journal import Journal

    path = find_session(session)
    blocked = load_config(config).values.plugins.blocked
    with held(path):
        with closing(Journal(path, read_only=True)) as journal:
            meta = journal.meta()
        values = convert(meta["configuration"], origin="journal")
        kept = Config(values=msgspec.structs.replace(values, session=meta["session"]))
        service = Service(kept, discover(blocked=blocked), journal=lambda _: Journal(path), upgrading=True)
        try:
            records = service.take_rules(rules)
        finally:
            service.close()
    for record in records:
        click.echo(sentence(record), err=True)
