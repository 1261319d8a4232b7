"""The instruments that come with latcal: one YAML file each, read when it is wanted."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from importlib.resources import files
from importlib.resources.abc import Traversable

from attrs import frozen

from latcal.plugin import Instrument, InstrumentType, hookimpl


@frozen
class NoOptions:
    """An instrument has none: what varies is written in a file of its own."""


@hookimpl
def latcal_instruments() -> Iterator[InstrumentType]:
    """Declare every instrument file of this folder, by its name."""
    for file in sorted(files(__name__).iterdir(), key=lambda file: file.name):
        if file.name.endswith(".yaml"):
            name = file.name.removesuffix(".yaml")
            yield InstrumentType(name=name, summary=_summary(file), options=NoOptions, load=partial(_load, file))


def _summary(file: Traversable) -> str:
    """Give the comment in the first line of a file."""
    with file.open(encoding="utf-8") as text:
        return text.readline().strip("# \n.")


def _load(file: Traversable) -> Instrument:
    from latcal.formats.instruments import read_instrument

    return read_instrument(file.read_text(encoding="utf-8"), file.name)
