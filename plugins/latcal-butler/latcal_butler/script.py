"""The command ``latcal-butler``: make a repository, and enter an instrument in it."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import click
from latcal.errors import LatcalError

from latcal_butler.options import ButlerOptions

if TYPE_CHECKING:
    from latcal.plugin import Instrument


@click.group()
@click.version_option(package_name="latcal-butler")
def main() -> None:
    """Butler repositories for latcal."""


@main.command()
@click.argument("repo")
@click.option("--instrument", default="latiss", show_default=True, help="A name that latcal knows, or an instrument file.")
@click.option("--name", default=None, help="What the repository calls it; LATISS for latiss, or else its own name.")
@click.option(
    "--config", type=click.Path(exists=True, dir_okay=False, path_type=Path), default=None,
    help="Butler configuration to make it with: registry.db of PostgreSQL, for example.",
)  # fmt: skip
def init(repo: str, instrument: str, name: str | None, config: Path | None) -> None:
    """Make a Butler repository and enter an instrument in it.

    REPO is a folder or a URI. Where there is a repository already, what latcal's datasets need is added to its
    configuration, and the instrument is entered if it is not there. Nothing else is changed.
    """
    try:
        done = initialise(repo, find_instrument(instrument), name, config)
    except LatcalError as error:
        click.echo(str(error), err=True)
        sys.exit(4)
    for line in done:
        click.echo(line)


def find_instrument(text: str) -> Instrument:
    """Load the instrument of a name, or of a file.

    Raises
    ------
    LatcalError
        If there is none, or the file is not one.
    """
    import latcal
    from latcal.formats.instruments import read_instrument
    from latcal.plugin import StoreError

    path = Path(text)
    if path.suffix == ".yaml":
        try:
            return read_instrument(path.read_text(encoding="utf-8"), str(path))
        except OSError as error:
            raise StoreError(f"{path}: {error.strerror}") from error
    registry = latcal.load_plugins()
    if text not in registry.names("instrument"):
        known = ", ".join(registry.names("instrument"))
        raise StoreError(f"no plugin has an instrument {text!r} (there is {known}; or name a file)")
    found: Instrument = registry.get("instrument", text).load()
    return found


def initialise(repo: str, instrument: Instrument, name: str | None, config: Path | None) -> list[str]:
    """Make what is missing of a repository; say what was done.

    Raises
    ------
    StoreError
        If something else lies there, or it cannot be written.
    """
    from astropy.time import Time
    from latcal.plugin import World

    from latcal_butler.faults import told
    from latcal_butler.making import configuration_place, teach
    from latcal_butler.store import ButlerStore

    options = ButlerOptions(repo=repo, create=True, config=config, instrument=name)
    world = World(instrument, lambda: Time.now().tai, "init", threading.Event(), Path())
    done = []
    with told(repo):
        there = configuration_place(repo).exists()
        if there and teach(repo):
            done.append(f"{repo}: added latcal's datasets to its configuration")
    with ButlerStore(options, world) as store:
        with store.repository.reading() as butler:
            known = butler is not None and store.repository.has_instrument(butler, store.repository.instrument_name(butler))
        with store.repository.writing() as butler:
            called = store.repository.instrument_name(butler)
    if not there:
        done.append(f"{repo}: made a repository")
    detectors = f"{len(instrument.detectors)} detector{'s' if len(instrument.detectors) > 1 else ''}"
    done.append(f"{repo}: {called} {'is there already' if known else f'entered, with {detectors}'}")
    return done
