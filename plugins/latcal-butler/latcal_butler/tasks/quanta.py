"""What every quantum needs beside its datasets: the instrument, the kernel, where products come from, a scratch folder."""

from __future__ import annotations

import functools
import hashlib
import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import latcal
from astropy.time import Time
from attrs import evolve, frozen
from latcal.formats import records
from latcal.formats.products import digest
from latcal.plugin import AmplifierFrame, BuildError, Detector, Instrument, Product, ProductRef, Provenance
from lsst.daf.butler import DatasetRef
from lsst.pipe.base import QuantumContext, Task

from latcal_butler.naming import run_behind
from latcal_butler.orders import orders_of
from latcal_butler.tasks.configuration import options_of
from latcal_butler.tasks.prepared import Origin, frames_of, origin_of

if TYPE_CHECKING:
    from latcal import Kernel
    from latcal.plugin.registry import Registry

Needed = Mapping[str, tuple[ProductRef, Product]]


@functools.cache
def installed() -> Registry:
    """Give what is installed, which is read once in a process: a registry never changes, and every quantum needs it."""
    return latcal.load_plugins()


def provenance_of(task: Task, config: Any, run: str) -> Provenance:
    """Give where products come from: the recipe of latcal's run, or else the task and its configuration."""
    ordered = orders_of(config).provenance
    if ordered is not None:
        return ordered
    text = json.dumps({task.getName(): {"calibration": config.calibration, "options": options_of(config)}}, sort_keys=True)
    return Provenance(
        run=run_behind(run),
        recipe=f"pipetask {task.getName()}",
        recipe_digest=hashlib.sha256(text.encode()).hexdigest(),
        recipe_text=text,
        settings=(),
        exposures={},
        inputs=(),
        options={},
        versions=versions(),
        created=Time.now().tai,
    )


def versions() -> dict[str, str]:
    """Give the versions of the distributions that latcal's declarations come from."""
    return dict(installed().versions)


def instrument_of(facts: Mapping[str, Any]) -> Instrument:
    """Read the instrument that a repository has."""
    return records.from_plain(dict(facts), Instrument)


def detector_of(instrument: Instrument, number: int) -> Detector:
    """Give a detector.

    Raises
    ------
    BuildError
        If there is none.
    """
    try:
        return instrument.detector(number)
    except KeyError:
        raise BuildError(f"the instrument {instrument.name} has no detector {number}") from None


def detector_number(context: QuantumContext) -> int:
    """Give the detector of a quantum."""
    data_id = context.quantum.dataId
    assert data_id is not None
    return int(data_id["detector"])


def kernel_of(config: Any, instrument: Instrument, options: Mapping[str, Any]) -> Kernel:
    """Give the calibration type of a task with options; those that say no and that the type does not have are left out."""
    registry = installed()
    known = {one.name for one in _fields(registry.get("calibration", config.calibration).options)}
    wanted = {name: value for name, value in options.items() if name in known or value is not False}
    return latcal.kernel(config.calibration, instrument, registry, wanted)


def _fields(cls: Any) -> Iterable[Any]:
    return tuple(cls.__attrs_attrs__)


def options_of_frames(origins: Iterable[Origin]) -> dict[str, Any]:
    """Give the options by which all these frames were prepared.

    Raises
    ------
    BuildError
        If not all were prepared alike.
    """
    found = {origin.options for origin in origins}
    if len(found) > 1:
        raise BuildError(f"the frames were prepared in different ways: {' and '.join(sorted(found))} (prepare them again)")
    options: dict[str, Any] = json.loads(found.pop())
    return options


def product_ref(ref: DatasetRef, product: Product) -> ProductRef:
    """Give latcal's reference of a product that is a dataset."""
    return ProductRef(
        id=ref.id.hex,
        kind=product.kind,
        detector=product.detector,
        setup=product.setup,
        digest=digest(product),
        run=run_behind(ref.run),
        frames=len(product.provenance.exposures),
        pins=dict(product.pins),
        preparation=product.preparation,
        exposure=product.exposure,
    )


@frozen(eq=False)
class Loaded:
    """The frames of a quantum, on the one detector, to work on.

    Parameters
    ----------
    frames : tuple of mapping
        By amplifier, in the order of their exposures.
    origins : tuple of Origin
    kind : str
        What messages call them.
    """

    frames: tuple[Mapping[str, AmplifierFrame], ...]
    origins: tuple[Origin, ...]

    def provenance(self, base: Provenance) -> Provenance:
        """Enter the frames where something comes from."""
        return evolve(base, exposures={one.exposure.id: one.checksum for one in self.origins})


def load_frames(handles: Iterable[Any], detector: Detector, folder: Path) -> Loaded:
    """Load prepared frames, one after another: only references to their pixels stay in memory."""
    frames, origins = [], []
    for handle in sorted(handles, key=lambda handle: handle.dataId["exposure"]):
        product = handle.get()
        frames.append(frames_of(product, detector, folder))
        origins.append(origin_of(product))
    return Loaded(tuple(frames), tuple(origins))


@contextmanager
def scratch() -> Iterator[Path]:
    """Give a folder for pixels, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="latcal-") as name:
        yield Path(name)
