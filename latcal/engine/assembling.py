"""Let a calibration type assemble a product, and see that it is the one that was to be made."""

from __future__ import annotations

from collections.abc import Iterator

from latcal.errors import PluginError
from latcal.model.products import Product
from latcal.model.quantities import is_unit
from latcal.plugin.declarations import Named
from latcal.plugin.inputs import DetectorInputs, Part
from latcal.plugin.registry import Registry


def assembled(registry: Registry, named: Named, inputs: DetectorInputs, parts: tuple[Part, ...]) -> Product:
    """Assemble a product.

    Raises
    ------
    PluginError
        If it is not of the kind, detector and setup that were asked for, has another origin, does not pin what its
        type says that it pins, or has a unit that is none: it would be found, and used, as something else.
    """
    product: Product = registry.ask(named, "assemble", inputs, parts)
    for what in _differences(product, inputs, named.declaration.pins):
        raise PluginError(f"{named.source}: {named.called('assemble')} gave a product {what}")
    return product


def _differences(product: Product, inputs: DetectorInputs, pins: frozenset[str]) -> Iterator[str]:
    wanted = {kind: inputs.needs[kind].id for kind in pins if kind in inputs.needs}
    for what, given, asked in (
        ("of the kind", product.kind, inputs.kind),
        ("of the detector", product.detector, inputs.detector.id),
        ("of the detector", product.detector_name, inputs.detector.name),
        ("of the setup", product.setup, inputs.setup),
        ("of the exposure", product.exposure, None),
        ("of frames prepared by", product.preparation, inputs.preparation),
        ("that pins", product.pins, wanted),
    ):
        if given != asked:
            yield f"{what} {given!r}, not {asked!r}"
    if product.provenance != inputs.provenance:
        yield "of another provenance than it was given"
    if not is_unit(product.unit):
        yield f"in {product.unit!r}, which is not a unit"
