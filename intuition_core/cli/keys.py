"""``intuition keys``: the keys that servers and their callers prove themselves with."""

from pathlib import Path
from typing import Final

import click
import msgspec

from intuition_core.cli.options import verbose_option

folder_option: Final = click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Where the keys are (default: `keys` in the platform's folder for configuration).",
)


class Pair(msgspec.Struct, frozen=True):
    """A row of the listing; ``secret`` is whether the secret half is there as well."""

    name: str
    public: str | None
    secret: bool
    problem: str | None = None


@click.group()
@verbose_option
def keys(verbose: int) -> None:  # the option itself remembers it
    """Make and show the keys that protect a session."""


@keys.command()
@click.argument("name")
@folder_option
def new(*, name: str, folder: Path | None) -> None:
    """Make a key pair: NAME.public to give away, NAME.secret to keep.

    Prints the public key. Files that are there already are never written over.
    """
    from intuition_core.rpc.keys import PUBLIC, SECRET, default_folder, new_pair

    chosen = folder or default_folder()
    click.echo(new_pair(name, chosen))
    click.echo(f"{chosen / name}{PUBLIC}: give it to the other side", err=True)
    click.echo(f"{chosen / name}{SECRET}: keep it; whoever has it can act as {name}", err=True)


@keys.command()
@click.argument("file", type=click.Path(path_type=Path))
def show(file: Path) -> None:
    """Print the public key of a file, which may be the secret half too."""
    from intuition_core.rpc.keys import public_half

    click.echo(public_half(file))


@keys.command("list")
@folder_option
@click.option("--json", "as_json", is_flag=True, help="Print an array of objects, for programs.")
def list_(*, folder: Path | None, as_json: bool) -> None:
    """List the keys of a folder: name, public key, and whether the secret half is there."""
    from intuition_core.rpc.keys import PUBLIC, SECRET, default_folder

    chosen = folder or default_folder()
    files = chosen.iterdir() if chosen.is_dir() else ()
    names = sorted({path.stem for path in files if path.suffix in (PUBLIC, SECRET)})
    pairs = [_pair(chosen, name) for name in names]
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(pairs), indent=2).decode())
    elif not pairs:
        click.echo(f"There are no keys in {chosen}; `intuition keys new NAME` makes some.", err=True)
    else:
        width = max(map(len, names))
        for pair in pairs:
            kept = "public and secret" if pair.secret else "public"
            click.echo(f"{pair.name:<{width}}  {pair.public or pair.problem}  {kept}".rstrip())


def _pair(folder: Path, name: str) -> Pair:
    from intuition_core.rpc.keys import PUBLIC, SECRET, BadKey, public_half

    secret = folder / f"{name}{SECRET}"
    public = folder / f"{name}{PUBLIC}"
    try:
        return Pair(name, public_half(public if public.exists() else secret), secret.exists())
    except BadKey as error:
        return Pair(name, None, secret.exists(), error.problem)
