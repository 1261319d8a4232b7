"""What every instrument must be: inherit `InstrumentSuite`, give the plugin, and its tests are yours."""

from __future__ import annotations

import math
import pickle
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from latcal.plugin import Amplifier, Box, Detector, Instrument
from latcal.testing.nights import Loaded, load, planned
from latcal.testing.once import class_of, once

RECIPE = """\
latcal: 1
title: What can be planned for any instrument
instrument: {name}
camera: {{use: simulated}}
store: {{use: memory}}
sequences: {{biases: {{image: bias, exposures: 11 x 0 s}}}}
stages: [{{make: bias, frames: [biases], wait: true}}]
certify: {{into: calib/suite, begin: 2022-11-04, end: 2022-11-05}}
"""


class InstrumentSuite:
    """The behaviours of instruments that a plugin declares; all of them are looked at.

    A subclass named ``Test...`` gives the plugin.

    Examples
    --------
    >>> class TestOurs(InstrumentSuite):
    ...     def plugin(self):
    ...         return latcal_ours
    """

    def plugin(self) -> object:
        """Give the module or object that declares the instruments."""
        raise NotImplementedError

    @pytest.fixture
    def loaded(self, request: pytest.FixtureRequest) -> Loaded:
        """Give the plugin among what is installed."""
        return once(class_of(request), "loaded", lambda: load(self.plugin()))

    @pytest.fixture
    def instruments(self, request: pytest.FixtureRequest, loaded: Loaded) -> Mapping[str, Instrument]:
        """Give the plugin's instruments by name."""
        names = loaded.names("instrument")
        assert names, "the plugin declares no instrument"
        every = {name: loaded.registry.get("instrument", name) for name in names}
        return once(class_of(request), "instruments", lambda: {name: one.load() for name, one in every.items()})

    def test_declaring_them_loads_none(self, loaded: Loaded, monkeypatch: pytest.MonkeyPatch) -> None:
        """`latcal --help` waits for no file of pixels."""
        made: list[str] = []
        monkeypatch.setattr(Instrument, "__attrs_post_init__", lambda one: made.append(one.name))
        for impl in loaded.registry.manager.hook.latcal_instruments.get_hookimpls():
            if impl.plugin == loaded.plugin:
                declare: Any = impl.function
                assert list(declare())
        assert not made, f"{', '.join(made)} was loaded to be declared"

    def test_they_load_as_what_they_are_named(self, instruments: Mapping[str, Instrument]) -> None:
        """Headers and reports say the name that a recipe says; what is an `Instrument` has a geometry that fits."""
        assert all(type(one) is Instrument for one in instruments.values())
        assert {name: one.name for name, one in instruments.items()} == {name: name for name in instruments}

    def test_they_load_the_same_twice_and_can_be_sent_to_another_process(
        self, loaded: Loaded, instruments: Mapping[str, Instrument]
    ) -> None:
        """Workers have detectors and amplifiers with their work."""
        for name, one in instruments.items():
            assert loaded.registry.get("instrument", name).load() == one
            assert pickle.loads(pickle.dumps(one)) == one  # noqa: S301 - made on the spot

    def test_detectors_filters_and_gratings_have_names_of_their_own(self, instruments: Mapping[str, Instrument]) -> None:
        """Recipes and reports name them."""
        for one in instruments.values():
            for given in ([detector.name for detector in one.detectors], one.filters, one.gratings):
                assert len(set(given)) == len(given), f"{one.name}: {given}"

    def test_no_pixel_of_a_raw_image_is_two_things(self, instruments: Mapping[str, Instrument]) -> None:
        """No overscan pixel is light, and no two amplifiers are read from the same pixels."""
        for place, detector, amplifier in _amplifiers(instruments):
            for name, box in _overscans(amplifier).items():
                assert box.size > 0, f"{place}: its {name} is empty (leave it out)"
                assert not box.overlaps(amplifier.data), f"{place}: its {name} has pixels of the data"
            others = [one for one in detector.amplifiers if one is not amplifier and one.extension == amplifier.extension]
            assert not any(amplifier.raw.overlaps(other.raw) for other in others), f"{place} has pixels of another"

    def test_gains_noises_and_saturations_are_numbers_above_zero(self, instruments: Mapping[str, Instrument]) -> None:
        """And full well, readout and pixel size are what they can be."""
        for place, _, amplifier in _amplifiers(instruments):
            for name in ("gain", "read_noise", "saturation"):
                value = getattr(amplifier, name)
                assert 0 < value < math.inf, f"{place}: {name} is {value}"
        for one in instruments.values():
            assert 0 < one.full_well < math.inf
            assert 0 <= one.readout_s < math.inf
            assert 0 <= one.rollover_h < 24
            assert all(0 < detector.pixel_um < math.inf for detector in one.detectors)

    def test_a_recipe_can_be_planned_on_them(self, loaded: Loaded, instruments: Mapping[str, Instrument]) -> None:
        """By name, and with every detector."""
        for name, one in instruments.items():
            found = planned(RECIPE.format(name=name), loaded.registry)
            assert found.instrument == one
            assert found.stages[0].detectors == tuple(detector.id for detector in one.detectors)

    def test_headers_are_plain_values(self, instruments: Mapping[str, Instrument]) -> None:
        """They are written into each raw file."""
        for one in instruments.values():
            assert all(isinstance(value, bool | int | float | str) for value in one.header.values()), one.name


def _amplifiers(instruments: Mapping[str, Instrument]) -> Iterator[tuple[str, Detector, Amplifier]]:
    for name, one in instruments.items():
        for detector in one.detectors:
            for amplifier in detector.amplifiers:
                yield f"{name} {detector.name} {amplifier.name}", detector, amplifier


def _overscans(amplifier: Amplifier) -> dict[str, Box]:
    boxes = {"serial overscan": amplifier.serial_overscan, "parallel overscan": amplifier.parallel_overscan}
    return {name: box for name, box in boxes.items() if box is not None}

