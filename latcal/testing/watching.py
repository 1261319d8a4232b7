"""Watch the functions of a calibration type during a run, and keep what they were given and what they gave."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

import numpy as np
from attrs import define, evolve, field, frozen
from numpy.typing import NDArray

from latcal.plugin import AmplifierInputs, DetectorInputs, Measurement, Measurements, Part, Plane, Product
from latcal.plugin.registry import Registry


@frozen
class Held(Plane):
    """Rows of pixels in memory that nobody can change: stands for a `Plane` whose scratch file is gone."""

    pixels: NDArray[Any] = field(factory=lambda: np.empty((0, 0), np.float32), eq=False)

    def read(self, rows: slice = slice(None)) -> NDArray[Any]:
        """Give some rows, read-only."""
        return self.pixels[rows]


def held(pixels: NDArray[Any]) -> Held:
    """Hold an array; it becomes read-only."""
    pixels.flags.writeable = False
    return Held("", 0, (pixels.shape[0], pixels.shape[1]), pixels.dtype.name, pixels)


def _kept(plane: Plane) -> Plane:
    return held(plane.read()) if plane.path else plane


def kept(inputs: AmplifierInputs) -> AmplifierInputs:
    """Give the inputs of one amplifier with their pixels, as they are now."""
    frames = tuple(evolve(frame, pixels=_kept(frame.pixels)) for frame in inputs.frames)
    needs = {
        kind: evolve(
            product, image=_kept(product.image), variance=_kept(product.variance), mask=_kept(product.mask),
            more={name: _kept(plane) for name, plane in product.more.items()},
        )
        for kind, product in inputs.needs.items()
    }
    return evolve(inputs, frames=frames, needs=needs)


@define(eq=False)
class Seen:
    """What the functions of a type were given in a run, and what they gave, call by call."""

    builds: list[tuple[AmplifierInputs, Part]] = field(factory=list)
    assemblies: list[tuple[DetectorInputs, tuple[Part, ...], Product]] = field(factory=list)
    measures: list[tuple[AmplifierInputs, tuple[Measurement, ...]]] = field(factory=list)
    summaries: list[tuple[Measurements, Mapping[str, Product], tuple[Measurement, ...]]] = field(factory=list)


def watched(registry: Registry, kind: str) -> tuple[Registry, Seen]:
    """Give a registry in which a calibration type is watched, and what is seen.

    The functions are then closures: they suit the executors of one process only.
    """
    seen, named = Seen(), registry.named("calibration", kind)
    one = named.declaration

    def build_amplifier(inputs: AmplifierInputs) -> Part:
        before = kept(inputs)
        part: Part = one.build_amplifier(inputs)
        seen.builds.append((before, part))
        return part

    def assemble(inputs: DetectorInputs, parts: tuple[Part, ...]) -> Product:
        product: Product = one.assemble(inputs, parts)
        seen.assemblies.append((inputs, parts, product))
        return product

    def measure(inputs: AmplifierInputs) -> tuple[Measurement, ...]:
        before, found = kept(inputs), tuple(one.measure(inputs))
        seen.measures.append((before, found))
        return found

    def summarise(measured: Measurements, products: Mapping[str, Product]) -> tuple[Measurement, ...]:
        found = tuple(one.summarise(measured, products))
        seen.summaries.append((measured, products, found))
        return found

    watching: dict[str, Callable[..., Any]] = {"summarise": summarise}
    if one.measure is not None:
        watching["measure"] = measure
    if one.build_amplifier is not None:
        watching |= {"build_amplifier": build_amplifier, "assemble": assemble}
    for name, function in watching.items():
        watching[name] = wraps(getattr(one, name))(function)
    every = {**registry.declarations["calibration"], kind: evolve(named, declaration=evolve(one, **watching))}
    return evolve(registry, declarations={**registry.declarations, "calibration": every}), seen
