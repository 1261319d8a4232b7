"""Instruments of repositories, as Rubin's tools load them: ``latcal_butler.instruments.LATISS``.

Every name is a class: an instrument of latcal may be a file of a recipe's own, and a repository has its geometry
(`latcal_butler.naming.GEOMETRY`).
"""

from __future__ import annotations

import functools
import re
from typing import Any, ClassVar

import latcal
from latcal.errors import StoreError
from latcal.plugin import Instrument
from lsst.daf.butler import FormatterV2, Registry
from lsst.pipe.base import Instrument as RubinInstrument

from latcal_butler.dimensions import register_instrument


class LatcalInstrument(RubinInstrument):
    """An instrument that latcal knows.

    Parameters
    ----------
    collection_prefix : str or None
        As in `lsst.pipe.base.Instrument`.
    """

    name: ClassVar[str] = ""

    @classmethod
    def getName(cls) -> str:  # noqa: N802 - Rubin's name
        """Give its name in the repository."""
        return cls.name

    def getRawFormatter(self, dataId: Any) -> type[FormatterV2]:  # noqa: N802, N803, ARG002 - Rubin's names
        """Give the formatter of its raw frames."""
        from latcal_butler.formatters import RawFormatter

        return RawFormatter

    def register(self, registry: Registry, *, update: bool = False) -> None:
        """Register it, its detectors and its filters, as ``butler register-instrument`` does."""
        register_instrument(registry, self.name, known(self.name), update=update)


def known(name: str) -> Instrument:
    """Load the instrument that a repository calls so, of those that latcal and its plugins declare.

    Raises
    ------
    StoreError
        If there is none.
    """
    registry = latcal.load_plugins()
    for one in registry.names("instrument"):
        if name in {one, instrument_name_of(one)}:
            instrument: Instrument = registry.get("instrument", one).load()
            return instrument
    raise StoreError(f"no plugin of latcal has an instrument {name!r} (register it with its file: latcal-butler init)")


def instrument_name_of(name: str) -> str:
    """Give what a repository calls the instrument that latcal calls so."""
    from latcal_butler.naming import INSTRUMENTS

    return INSTRUMENTS.get(name, name)


def class_name(name: str) -> str:
    """Give the full name of the class of an instrument, as a repository has it."""
    return f"{__name__}.{name}"


@functools.cache
def _class_of(name: str) -> type[LatcalInstrument]:
    return type(name, (LatcalInstrument,), {"name": name, "__module__": __name__, "__qualname__": name})


def __getattr__(name: str) -> type[LatcalInstrument]:
    if name.startswith("_") or not re.fullmatch(r"[A-Za-z]\w*", name):
        raise AttributeError(name)
    return _class_of(name)
