"""Lists and discards: which exposures the numbers and times of the keys mean."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import Any

from attrs import frozen

from latcal.builtin.procedures.latiss.options import LatissOptions
from latcal.plugin import Group, Problem, RecipeError


@frozen
class Frames:
    """The exposures of one image type.

    Parameters
    ----------
    image : str
    times_s, discarded_s : tuple of float [s]
    remark : str
        What a person should know of how they were counted.
    """

    image: str
    times_s: tuple[float, ...]
    discarded_s: tuple[float, ...]
    remark: str = ""

    @property
    def sequence(self) -> dict[str, Any]:
        """The sequence, as a recipe has it."""
        found: dict[str, Any] = {"image": self.image, "exposures": _phrases(self.times_s)}
        if not self.discarded_s:
            return found
        alike = set(self.discarded_s) == {self.times_s[0]}
        return {**found, "discard": len(self.discarded_s) if alike else _phrases(self.discarded_s)}

    @property
    def pairs_s(self) -> frozenset[float]:
        """Those times that two exposures have [s]."""
        return frozenset(time for time in self.times_s if self.times_s.count(time) > 1)

    @property
    def odd_times_s(self) -> tuple[float, ...]:
        """Those times that are not there an even number of times: their flats are not all of them pairs [s]."""
        return tuple(time for time in sorted(set(self.times_s)) if self.times_s.count(time) % 2)


def settle_frames(image: str, options: LatissOptions, written: frozenset[str]) -> Frames:
    """Say what is taken of an image type.

    A list as long as number and discards together is used as it stands, its first entries being discarded. A list as long
    as the number gets its discards added, at its first time. A list whose number is not written sets it.

    Raises
    ------
    RecipeError
        If the list is of another length.
    """
    key, number_key = f"exp_times_{image}", f"n_{image}"
    number, discard = getattr(options, number_key), getattr(options, f"n_discard_{image}")
    times = getattr(options, key, 0.0)
    if not isinstance(times, tuple):
        return Frames(image, (float(times),) * number, (float(times),) * discard)
    exposures = tuple(float(time) for time in times)
    if len(exposures) == number + discard:
        remark = ""
        if key in written and number_key not in written and discard:
            what = f"{number_key} is {number} and n_discard_{image} {discard}, so the first {discard} of the "
            remark = f"{what}{len(exposures)} times of {key} are discarded"
        return Frames(image, exposures[discard:], exposures[:discard], remark)
    if len(exposures) == number or (key in written and number_key not in written):
        return Frames(image, exposures, exposures[:1] * discard)
    raise RecipeError([_mismatch(image, len(exposures), number, discard, written)])


def _mismatch(image: str, length: int, number: int, discard: int, written: frozenset[str]) -> Problem:
    key, number_key, discard_key = f"exp_times_{image}", f"n_{image}", f"n_discard_{image}"
    neither = f"neither {number} ({number_key}) nor {number + discard} (with {discard_key})"
    counts = neither if discard else f"not {number} ({number_key}), and {discard_key} is 0"
    if key not in written:
        what = f"the {length} times that are the default of {key} are {counts}"
        said = next(one for one in (number_key, discard_key, key) if one in written or one == key)
        return Problem(what, f"write '{key}: 30', or a list of {number}", path=f"config.{said}")
    what = f"a list of {length} times is {counts}"
    return Problem(what, f"write {number} times, or '{number_key}: {length}'", path=f"config.{key}")


def _phrases(times_s: Iterable[float]) -> Any:
    """Write times as a recipe does, those alike that follow one another together."""
    found = [str(Group(len(list(group)), time)) for time, group in groupby(times_s)]
    return found[0] if len(found) == 1 else found
