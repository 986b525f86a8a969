"""``intuition data rm``: a dataset less."""

import shutil
import sys

import click

from intuition_core.errors import IntuitionError


class NotConfirmed(IntuitionError):
    """A dataset that nobody has confirmed to remove."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"the dataset {name} was not removed: nobody is there to ask; say --yes")


@click.command(name="rm")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
def remove(*, name: str, yes: bool) -> None:
    """Remove a dataset of the catalogue, with its files."""
    from intuition_core.sources.datasets.index import changing, read_index
    from intuition_core.sources.datasets.places import NoSuchDataset, dataset_folder, dataset_names

    folder = dataset_folder(name)
    if name not in dataset_names():
        raise NoSuchDataset(name, dataset_names())
    if not yes:
        if not sys.stdin.isatty():
            raise NotConfirmed(name)
        index = read_index(folder)
        click.confirm(f"remove {name}, {index.rows:,} events in {folder}?", abort=True, err=True)
    with changing(folder):
        shutil.rmtree(folder)
    click.echo(f"{name} is removed", err=True)
