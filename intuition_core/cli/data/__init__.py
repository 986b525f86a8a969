"""``intuition data``: what is in files, and the catalogue of datasets."""

import click

from intuition_core.cli.data.add import add
from intuition_core.cli.data.fetch import fetch
from intuition_core.cli.data.gaps import gaps
from intuition_core.cli.data.list_datasets import list_datasets
from intuition_core.cli.data.remove import remove
from intuition_core.cli.data.show import show
from intuition_core.cli.data.verify import verify


@click.group()
def data() -> None:
    """Look into files, and keep data under names that `--data` takes.

    A dataset is a folder of Parquet files that any tool reads, with an index that has their hashes.
    """


for _command in (show, add, list_datasets, verify, gaps, remove, fetch):
    data.add_command(_command)
