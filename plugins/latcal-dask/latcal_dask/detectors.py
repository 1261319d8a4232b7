"""What a worker does for one detector: this module is imported by workers."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import latcal
from attrs import evolve
from distributed import get_worker
from latcal.plugin.ordered import go_on

from latcal_dask.errands import Done, Errand
from latcal_dask.workplace import Prepared, Site


def do(errand: Errand) -> Done:
    """Build or measure one detector, in a worker.

    Raises
    ------
    LatcalError
        What the calibration type or the store raises; `BuildError` if the run is to end.
    """
    place: Any = get_worker().plugins[errand.place]
    site: Site = place.site
    detector = site.setting.instrument.detector(errand.detector)
    kernel = latcal.kernel(errand.kind, site.setting.instrument, site.registry, errand.options)
    place.folder.mkdir(parents=True, exist_ok=True)
    frames = _frames(place, errand, kernel)
    parts, checksums = [found for found, _ in frames.values()], {one: checksum for one, (_, checksum) in frames.items()}
    provenance = evolve(errand.provenance, exposures=checksums)
    needs = {kind: (ref, site.store.get(ref)) for kind, ref in errand.needs.items()}
    with tempfile.TemporaryDirectory(dir=place.folder) as folder:
        if errand.build:
            made = []
            for product in kernel.build(detector, parts, needs, provenance, Path(folder), errand.groups or None):
                go_on(place.stop)
                made.append((site.store.put(product, site.setting.run), evolve(product, planes={})))
            done = Done(place.address, tuple(made))
        else:
            done = _measured(place.address, site, kernel, errand, parts, needs, provenance, Path(folder))
    if errand.last:
        _forget(place, errand, kernel)
    return done


def _measured(
    address: str, site: Site, kernel: Any, errand: Errand, parts: Any, needs: Any, provenance: Any, folder: Path
) -> Done:
    detector = site.setting.instrument.detector(errand.detector)
    verified = [(ref, site.store.get(ref)) for ref in errand.verified]
    pairs = {ref.exposure: (ref, product) for ref, product in verified if ref.exposure is not None}
    whole = next((one for one in verified if one[0].exposure is None), None)
    needs = needs if whole is None else {**needs, errand.kind: whole}
    measured = kernel.measure(
        detector, parts, needs, folder, internal=errand.internal, products=pairs or None, groups=errand.groups or None
    )
    found = tuple(measured)
    for product in kernel.residuals(detector, parts, needs, provenance, folder) if errand.residuals else ():
        site.store.put(product, site.setting.run)
    return Done(address, tuple((ref, evolve(product, planes={})) for ref, product in verified), found)


def _frames(place: Any, errand: Errand, kernel: Any) -> dict[int, Prepared]:
    """Give prepared frames in the order of their exposures: those that this worker has prepared, the others read now."""
    key = repr(kernel.preparation)
    found = {one: place.frames.get((one, errand.detector, key)) for one in errand.exposures}
    missing = [one for one, prepared in found.items() if prepared is None]
    for frame in place.site.store.frames(missing, errand.detector) if missing else ():
        go_on(place.stop)
        prepared = kernel.prepare(frame, place.folder), frame.checksum
        found[frame.exposure.id] = place.frames[frame.exposure.id, errand.detector, key] = prepared
    return {one: prepared for one, prepared in found.items() if prepared is not None}


def _forget(place: Any, errand: Errand, kernel: Any) -> None:
    """Remove prepared frames that no later step reads."""
    for exposure in errand.exposures:
        parts, _ = place.frames.pop((exposure, errand.detector, repr(kernel.preparation)), ({}, ""))
        for path in {part.pixels.path for part in parts.values()}:
            Path(path).unlink(missing_ok=True)
