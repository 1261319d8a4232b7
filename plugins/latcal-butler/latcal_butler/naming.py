"""What things are called in a repository: instruments, filters, dataset types, collections."""

from __future__ import annotations

import getpass
import hashlib
import re

from attrs import evolve, frozen

from latcal.plugin import Instrument, Product, Setup
from latcal.plugin.lookup import run_collection, run_of, setup_text

INSTRUMENTS = {"latiss": "LATISS", "lsstcomcam": "LSSTComCam", "lsstcam": "LSSTCam"}
"""What Rubin Observatory calls the instruments that latcal has files of (obs_lsst)."""

RAW, FACTS, REPORT, GEOMETRY = "raw", "latcalExposure", "latcalReport", "latcalInstrument"
"""Dataset types that are no products: raw frames, the facts of an exposure, the reports of a run, an instrument."""

IMAGE, TABLES, PRODUCT, RAW_FRAME, FILE = "LatcalImage", "LatcalTables", "LatcalProduct", "LatcalRaw", "LatcalFile"
"""Storage classes of ours, as `latcal_butler.configuration` defines them."""

DICT = "StructuredDataDict"
"""A storage class that every Butler has."""

_BY_FILTER = frozenset({"flat"})
"""Kinds that have a physical filter in Rubin's own repositories, whatever the first product says."""

_IMAGES = frozenset({"bias", "dark", "flat"})
_TABLES = frozenset({"defects", "ptc", "cpPtcExtract", "gain"})
_PART = re.compile(r"[A-Za-z0-9_.+-]+")
_LONGEST_FILTER = 32  # of the dimension universe
_PRETTY = re.compile(r"[A-Za-z0-9]+\.[A-Za-z0-9]+")
_OURS = re.compile(r"u/[^/]+/(?P<run>[^/]+)/\d+")

NO_FILTER = "none"


@frozen
class Shelf:
    """Where products of one kind and setup are in a repository.

    Parameters
    ----------
    name : str
        Of the dataset type.
    physical_filter : str or None
        None for a dataset type that has none.
    exposure : bool
        Whether it has one for each exposure.
    """

    name: str
    physical_filter: str | None
    exposure: bool

    @property
    def dimensions(self) -> tuple[str, ...]:
        """Of the dataset type; those that others imply are left out."""
        more = ("exposure",) if self.exposure else ()
        return ("instrument", "detector", *more, *(() if self.physical_filter is None or more else ("physical_filter",)))

    @property
    def certificate(self) -> str:
        """The dataset type of what is known of a certification, and goes with it."""
        return f"{self.name}_certificate"


def instrument_name(instrument: Instrument) -> str:
    """Give what a repository calls an instrument."""
    return INSTRUMENTS.get(instrument.name, _word(instrument.name))


def physical_filter(setup: Setup) -> str:
    """Give the physical filter of a setup, ``FILTER~GRATING`` as obs_lsst has it for LATISS; equal ones for equal setups."""
    parts = [part for part in (setup.filter, setup.grating) if part is not None]
    name = "~".join(parts) if setup.filter is not None else "".join(f"~{part}" for part in parts)
    plain = all(_PART.fullmatch(part) for part in parts) and name != NO_FILTER and len(name) <= _LONGEST_FILTER
    if not parts:
        return NO_FILTER
    return name if plain else f"filter_{_digest(repr(parts) + repr(setup.filter is None))}"


def band(name: str) -> str:
    """Give the band of a physical filter: its letter, ``white`` for none, or ``unknown``."""
    match = re.fullmatch(r"(?:SDSS)?([ugrizy])(?:_\w+)?", name.partition("~")[0])
    return match[1] if match else "white" if name.startswith((NO_FILTER, "empty", "~empty")) else "unknown"


def type_name(kind: str) -> str:
    """Give the dataset type of a kind of product: its name, or ``verifyBiasProc`` for the residuals of biases."""
    if kind.endswith("_residual"):
        return f"verify{title(kind.removesuffix('_residual'))}Proc"
    return _word(kind)


def title(kind: str) -> str:
    """Give a kind as it stands within names: ``Flat``."""
    return _word(kind)[:1].upper() + _word(kind)[1:]


def of_exposures(kind: str) -> bool:
    """Tell whether every product of a kind belongs to an exposure."""
    return kind.endswith("_residual") or kind == "cpPtcExtract"


def shelf(kind: str, setup: Setup, *, exposure: bool, by_filter: bool | None = None) -> Shelf:
    """Give where products of a kind and setup are.

    Parameters
    ----------
    exposure : bool
        Whether they belong to an exposure each.
    by_filter : bool or None
        Whether the dataset type of the kind has a physical filter; None if there is no such dataset type yet.
    """
    filtered = setup.filter is not None or setup.grating is not None
    by_filter = kind in _BY_FILTER or (filtered if by_filter is None else by_filter)
    rest = evolve(setup, filter=None, grating=None) if by_filter else setup
    words = [type_name(kind)]
    if exposure and not of_exposures(kind):
        words.append("exposure")
    if rest != Setup():
        words.append(f"{_word(str(rest))}_{_digest(setup_text(rest))}")
    return Shelf("_".join(words), physical_filter(setup) if by_filter else None, exposure)


def storage_class(product: Product) -> str:
    """Give the storage class of the dataset type that a product begins."""
    if product.kind in _IMAGES or product.kind.endswith("_residual"):
        return IMAGE
    if product.kind in _TABLES:
        return TABLES
    return IMAGE if "image" in product.planes else TABLES


def attachment(shelf_name: str, name: str) -> str:
    """Give the dataset type of a file that goes with products; the last word is the end of the file's name."""
    words = [shelf_name] if _PRETTY.fullmatch(name) else [shelf_name, _digest(name)]
    stem, dot, end = name.rpartition(".")
    return "_".join([*words, _word(stem if dot else end), _word(end if dot else "bin")])


def run_name(user: str | None, run: str, number: int) -> str:
    """Give a RUN collection of a run: the first has nearly all, further ones what has no place there."""
    return f"u/{user or _login()}/{run}/{number}"


def run_behind(collection: str) -> str:
    """Give the run that a RUN collection is of, as latcal names it; the collection itself if it is none of latcal's."""
    match = _OURS.fullmatch(collection)
    return match["run"] if match else run_of(collection) or collection


def chain_name(run: str) -> str:
    """Give the CHAINED collection of all that a run built."""
    return run_collection(run)


def raw_collection(instrument: str) -> str:
    """Give the RUN collection of raw frames."""
    return f"{instrument}/raw/all"


def geometry_collection(instrument: str) -> str:
    """Give the RUN collection of what is known of an instrument itself."""
    return f"{instrument}/calib/latcal/instrument"


def _login() -> str:
    try:
        return _word(getpass.getuser())
    except (KeyError, OSError):  # a user without a name, as in some containers
        return "latcal"


def _word(text: str) -> str:
    word = re.sub(r"\W", "_", text, flags=re.ASCII)
    return word if word[:1].isalpha() or word[:1] == "_" else f"x{word}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
