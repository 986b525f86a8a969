"""``intuition data verify``: the files of datasets against their hashes."""

import click

from intuition_core.cli.data.mending import moment
from intuition_core.cli.data.opened import write_json


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME…]")
@click.option("--json", "as_json", is_flag=True, help="Write a JSON array.")
def verify(*, names: tuple[str, ...], as_json: bool) -> int:
    """Hold the files of datasets against the hashes that they had when they were added.

    NAME is a dataset or its folder; all of the catalogue without any. The exit code is 1 where a file is missing or is
    another one. Files beside them that were not added are told, and read by nobody.
    """
    from intuition_core.sources.datasets.index import read_index
    from intuition_core.sources.datasets.places import dataset_names, find_dataset
    from intuition_core.sources.datasets.verifying import verify as defects_of

    rows = []
    failed = False
    for name in names or dataset_names():
        folder = find_dataset(name)
        index = read_index(folder)
        defects = list(defects_of(folder))
        failed = failed or any(defect.kind != "stray" for defect in defects)
        rows.append({"name": index.name, "sha256": index.sha256, "files": len(index.pieces), "defects": defects})
        if as_json:
            continue
        for defect in defects:
            lost = ""
            if defect.kind != "stray" and defect.first is not None and defect.last is not None:
                lost = f"; lost: {defect.sid} from {moment(defect.first)} to {moment(defect.last)}"
            click.echo(f"{index.name}: {defect.path} {defect.problem}{lost}")
        if any(defect.kind != "stray" for defect in defects):
            sources = "; ".join(dict.fromkeys(f"`{added.data}`" for added in index.added))
            click.echo(f"  mend: intuition data rm {index.name}, then add again what it was made of: {sources}")
        else:
            number = len(index.pieces)
            whole = "1 file as it was added" if number == 1 else f"{number:,} files as they were added"
            click.echo(f"{index.name}: {whole}, contents {index.sha256[:12]}")
    if as_json:
        write_json(rows)
    return 1 if failed else 0
