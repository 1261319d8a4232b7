"""What things are called in a repository: instruments, filters, dataset types, collections."""

from __future__ import annotations

import getpass
import hashlib
import re
from fnmatch import fnmatchcase
from typing import Any

from attrs import evolve, frozen
from latcal.plugin import Instrument, Product, Setup
from latcal.plugin.lookup import run_collection, run_of, setup_text

INSTRUMENTS = {"latiss": "LATISS", "lsstcomcam": "LSSTComCam", "lsstcam": "LSSTCam"}
"""What Rubin Observatory calls the instruments that latcal has files of (obs_lsst)."""

RAW, FACTS, REPORT, GEOMETRY = "raw", "latcalExposure", "latcalReport", "latcalInstrument"
"""Dataset types that are no products: raw frames, the facts of an exposure, the reports of a run, an instrument."""

IMAGE, TABLES, PRODUCT = "LatcalImage", "LatcalTables", "LatcalProduct"
RAW_FRAME, RECORD, FILE = "LatcalRaw", "LatcalRecord", "LatcalFile"
"""Storage classes of ours: views of products and products themselves, raw frames, values as JSON, and files, as `latcal_butler.configuration` defines them."""

DICT = "StructuredDataDict"
"""A storage class that every Butler has: a dictionary, as YAML."""

_BY_FILTER = frozenset({"flat"})
"""Kinds that have a physical filter in Rubin's own repositories, whatever the first product says."""

_IMAGES = frozenset({"bias", "dark", "flat"})
_TABLES = frozenset({"defects", "ptc", "cpPtcExtract", "gain"})
_PART = re.compile(r"[A-Za-z0-9_.+-]+")
_LONGEST_FILTER = 32  # of the dimension universe
_PRETTY = re.compile(r"[A-Za-z0-9]+\.[A-Za-z0-9]+")
_OURS = re.compile(r"u/[^/]+/(?P<run>[^/]+)/\d+")

_CERTIFICATE = "_certificate"

PREPARED = "cp*Proc"
"""Pattern of the dataset types of prepared frames, which the tasks `isr` make: by-products, and nothing that a run built."""

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
    def certificate(self) -> str:
        """The dataset type of what is known of a certification, and goes with it."""
        return certificate_type(self.name)


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


def of_filters(kind: str) -> bool:
    """Tell whether products of a kind have a physical filter, whatever the first one says."""
    return kind in _BY_FILTER


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
    if exposure:  # its filter and all else is that of the exposure
        return Shelf(type_name(kind) + ("" if of_exposures(kind) else "_exposure"), None, exposure=True)
    filtered = setup.filter is not None or setup.grating is not None
    by_filter = of_filters(kind) or (filtered if by_filter is None else by_filter)
    rest = evolve(setup, filter=None, grating=None) if by_filter else setup
    name = type_name(kind) if rest == Setup() else f"{type_name(kind)}_{_word(str(rest))}_{_digest(setup_text(rest))}"
    return Shelf(name, physical_filter(setup) if by_filter else None, exposure=False)


def storage_class(product: Product) -> str:
    """Give the storage class of the dataset type that a product begins."""
    if product.kind in _IMAGES or product.kind.endswith("_residual"):
        return IMAGE
    if product.kind in _TABLES:
        return TABLES
    return IMAGE if "image" in product.planes else TABLES


def is_ours(kind: Any) -> bool:
    """Tell whether datasets of a type are products as latcal writes them."""
    return kind.storageClass_name in {IMAGE, TABLES, PRODUCT}


def is_prepared(kind: Any) -> bool:
    """Tell whether datasets of a type are prepared frames."""
    return fnmatchcase(kind.name, PREPARED)


def is_certificate(name: str) -> bool:
    """Tell whether a dataset type is one of certificates."""
    return name.endswith(_CERTIFICATE)


def certified_type(name: str) -> str:
    """Give the dataset type of the products that a certificate is of."""
    return name.removesuffix(_CERTIFICATE)


def certificate_type(name: str) -> str:
    """Give the dataset type of the certificates of a dataset type of products."""
    return name + _CERTIFICATE


def attachment(shelf_name: str, name: str) -> str:
    """Give the dataset type of a file that goes with products; the last word is the end of the file's name."""
    words = [shelf_name] if _PRETTY.fullmatch(name) else [shelf_name, _digest(name)]
    stem, dot, end = name.rpartition(".")
    return "_".join([*words, _word(stem if dot else end), _word(end if dot else "bin")])


def run_stem(user: str | None, run: str) -> str:
    """Give how the names of the RUN collections of a run begin; a number follows."""
    return f"u/{user or _login()}/{run}"


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
