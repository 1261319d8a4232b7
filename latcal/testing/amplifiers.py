"""What the functions of a calibration type must do with one amplifier's pixels: part of `CalibrationSuite`."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import product
from typing import Any, ClassVar, TypeVar

import numpy as np
import pytest
from attrs import evolve
from numpy.typing import NDArray

from latcal.plugin import AmplifierFrame, AmplifierInputs, Part
from latcal.testing.same import assert_same_numbers, assert_same_part
from latcal.testing.trials import Trial
from latcal.testing.watching import held

HOLE = (slice(4, 7), slice(4, 7))
"""Pixels that the suite leaves without value."""

SPREAD = 4
"""How far around them a product may be without value, too [pixel]; our choice: what a type grows."""

ROUNDING = 1e-5
"""How far float32 may be off when frames are summed in another order, of the largest value there; our choice."""

FEW = 8
"""Calls of one function that are looked at again, spread over all; our choice: each amplifier is as good as another."""

Call = TypeVar("Call")


def some(calls: Sequence[Call]) -> Sequence[Call]:
    """Give a few of many calls."""
    return calls[:: -(-len(calls) // FEW)] if calls else calls


@contextmanager
def _nothing_changed(function: str) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        if "read-only" in str(error):
            raise AssertionError(f"{function} changes pixels that it was given (work on a copy): {error}") from error
        raise


def _with_hole(frame: AmplifierFrame) -> AmplifierFrame:
    pixels = np.array(frame.reader(slice(None)))
    pixels[HOLE] = np.nan
    return evolve(frame, pixels=held(pixels))


def _with_holes(inputs: AmplifierInputs) -> AmplifierInputs:
    return evolve(inputs, frames=tuple(map(_with_hole, inputs.frames)))


def _valued(part: Part) -> NDArray[np.bool_]:
    """Tell where a part's image has a value that counts."""
    valued: NDArray[np.bool_] = np.isfinite(part.planes["image"])
    return valued & (part.planes["mask"] == 0) if "mask" in part.planes else valued


def _lost(before: dict[str, float], after: dict[str, float]) -> list[str]:
    return [name for name, value in before.items() if np.isfinite(value) and not np.isfinite(after.get(name, np.nan))]


class AmplifierBehaviour:
    """Tests of `build_amplifier`, `measure` and `residual` on the inputs that the recipe's run gave them."""

    order_free: ClassVar[bool] = True
    """Whether the order of the frames changes nothing; say why beside it if it does."""

    def _built(self, trial: Trial) -> Sequence[tuple[AmplifierInputs, Part]]:
        if not trial.makes:
            pytest.skip(f"{trial.kind.name} makes no product")
        assert trial.seen.builds, "build_amplifier was never called"
        return some(trial.seen.builds)

    def test_pixels_that_it_is_given_are_not_changed_and_give_the_same_again(self, trial: Trial) -> None:
        """Functions are pure: called again with arrays that cannot be written, they give exactly what they gave."""
        kind, seen = trial.kind, trial.seen
        for inputs, part in some(seen.builds):
            with _nothing_changed("build_amplifier"):
                assert_same_part(_of(kind.build_amplifier)(inputs), part)
        for inputs, found in some(seen.measures):
            with _nothing_changed("measure"):
                assert_same_numbers(tuple(_of(kind.measure)(inputs)), found)

    def test_what_was_observed_before_changes_no_number(self, trial: Trial) -> None:
        """A frame is observed by its own noise, measured by that of its set, which may be another: so much of it."""
        if trial.kind.observe is None:
            pytest.skip(f"{trial.kind.name} observes nothing")
        for (inputs, found), part in product(some(trial.seen.measures), (1.0, 1.004, 2.0)):
            frames = tuple(evolve(frame, frame_noise=part * frame.frame_noise) for frame in inputs.frames)
            seen = pickle.loads(pickle.dumps(_of(trial.kind.observe)(evolve(inputs, frames=frames, seen=None))))  # noqa: S301
            assert_same_numbers(tuple(_of(trial.kind.measure)(evolve(inputs, seen=seen))), found)

    def test_a_residual_is_an_image_of_the_amplifier_and_changes_no_pixel(self, trial: Trial) -> None:
        """``keep: [residuals]`` keeps what was measured."""
        if trial.kind.residual is None:
            pytest.skip(f"{trial.kind.name} has no residuals")
        for inputs, _ in some(trial.seen.measures):
            with _nothing_changed("residual"):
                first, second = (_of(trial.kind.residual)(inputs) for _ in range(2))
            assert first.planes["image"].shape == inputs.shape
            assert_same_part(second, first)

    def test_the_order_of_frames_changes_nothing(self, trial: Trial) -> None:
        """A product is of a set of frames, but for rounding."""
        if not self.order_free:
            pytest.skip("order_free = False")
        for inputs, part in self._built(trial):
            turned = _of(trial.kind.build_amplifier)(evolve(inputs, frames=inputs.frames[::-1]))
            assert_same_part(turned, part, rounding=ROUNDING)

    def test_pixels_without_value_stay_without_value(self, trial: Trial) -> None:
        """What no frame has a value for, the image has none for: NaN, or masked."""
        for inputs, part in self._built(trial):
            holed = _of(trial.kind.build_amplifier)(_with_holes(inputs))
            assert list(holed.planes) == list(part.planes)
            if "image" in part.planes and part.planes["image"].shape == inputs.shape:
                assert not _valued(holed)[HOLE].any(), "pixels that are NaN in every frame have a value in the image"

    def test_pixels_without_value_take_no_value_from_others(self, trial: Trial) -> None:
        """A few saturated pixels leave the rest of the image, and the numbers of the amplifier, as they are there."""
        for inputs, part in self._built(trial):
            holed = _of(trial.kind.build_amplifier)(_with_holes(inputs))
            if "image" in part.planes and part.planes["image"].shape == inputs.shape:
                kept = np.isfinite(part.planes["image"])
                kept[tuple(slice(max(one.start - SPREAD, 0), one.stop + SPREAD) for one in HOLE)] = False
                assert np.isfinite(holed.planes["image"])[kept].all(), "pixels far from those without value lost theirs"
            lost = _lost(_facts(part), _facts(holed))
            assert not lost, f"a few pixels without value make NaN of {', '.join(lost)}"

    def test_pixels_without_value_leave_every_number_one(self, trial: Trial) -> None:
        """What is measured of a frame is measured of the pixels that have a value."""
        for inputs, found in some(trial.seen.measures):
            holed = {one.metric: one.value for one in _of(trial.kind.measure)(_with_holes(inputs))}
            lost = _lost({one.metric: one.value for one in found}, holed)
            assert not lost, f"a few pixels without value make NaN of {', '.join(lost)}"


def _facts(part: Part) -> dict[str, float]:
    return {name: value for name, (value, _) in part.facts.items()}


def _of(function: Callable[..., Any] | None) -> Callable[..., Any]:
    assert function is not None
    return function
