"""Settle the keys: which apply, how many frames they mean, and which options of stages."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from attrs import frozen

from latcal.builtin.procedures.latiss import applying
from latcal.builtin.procedures.latiss.frames import Frames, settle_frames
from latcal.builtin.procedures.latiss.options import LatissOptions
from latcal.builtin.procedures.latiss.pipelines import stage_options
from latcal.builtin.procedures.latiss.sites import Site
from latcal.plugin import Instrument, Problem, RecipeError, Surroundings
from latcal.plugin.wording import counted

T = TypeVar("T")


@frozen
class Settled:
    """What the keys mean.

    Parameters
    ----------
    gain : bool
        Whether gains of pairs are estimated.
    frames : mapping of str to Frames
        By image type, in the order in which they are taken.
    stage_options : mapping of str to mapping
        By calibration type, the options of its stage.
    filter, grating : str or None
        By name.
    user : str
        Who answers for what is taken unverified; empty if nobody has to.
    """

    site: Site
    options: LatissOptions
    written: frozenset[str]
    gain: bool
    frames: Mapping[str, Frames]
    stage_options: Mapping[str, Mapping[str, Any]]
    filter: str | None
    grating: str | None
    user: str = ""

    @property
    def detectors(self) -> tuple[int, ...]:
        """Ids of the detectors, if they are not all of them."""
        return self.options.detectors or self.site.detectors

    @property
    def kinds(self) -> tuple[str, ...]:
        """What is measured beside bias, dark and flat."""
        options = self.options
        wanted = (options.do_defects, options.do_ptc, self.gain)
        return tuple(kind for kind, asked in zip(("defects", "ptc", "gain"), wanted, strict=True) if asked)

    @property
    def images(self) -> tuple[str, ...]:
        """The image types that have a stage of their own."""
        return tuple(self.frames) if self.options.do_verify or self.options.generate_calibrations else ()


def settle(site: Site, options: LatissOptions, around: Surroundings) -> Settled:
    """Settle the keys that a person wrote, and the defaults of the others.

    Raises
    ------
    RecipeError
        With every key that does not apply, or does not go with another.
    """
    found: list[Problem] = []
    every = {image: attempt(found, settle_frames, image, options, around.written) for image in _mode(options)}
    flats = every.get("flat")
    doing = applying.Doing(options, around.written, flats is None or bool(flats.pairs_s))
    frames = {image: one for image, one in every.items() if one is not None and image in doing.taken}
    found += applying.faults(doing)
    chosen: dict[str, Mapping[str, Any]] = {}
    for pipeline, kinds in _pipelines(doing).items():
        text = getattr(options, f"config_options_{pipeline}")
        chosen.update(attempt(found, stage_options, pipeline, text, kinds) or {})
    names = {key: attempt(found, _name, site, key, getattr(options, key), around) for key in ("filter", "grating")}
    if flats is not None:
        found += _pairs(doing, flats, chosen.get("ptc", {}))
    if options.certify_calib_begin_date >= options.certify_calib_end_date:
        found.append(_no_time(options))
    waived = options.generate_calibrations and not options.do_verify
    user = (options.user or around.user) if waived else ""
    if waived and not user:
        found.append(Problem("false needs the name of who answers for it", "write user: NAME", path="config.do_verify"))
    if found:
        raise RecipeError(found)
    return Settled(site, options, around.written, doing.gain, frames, chosen, **names, user=user)


def attempt(found: list[Problem], function: Callable[..., T], *args: Any) -> T | None:
    """Call a function, and keep what it says is wrong: all is told at once."""
    try:
        return function(*args)
    except RecipeError as error:
        found += error.problems
        return None


def _mode(options: LatissOptions) -> tuple[str, ...]:
    return applying.IMAGES[options.script_mode]


def _pipelines(doing: applying.Doing) -> dict[str, tuple[str, ...]]:
    """Say which pipelines run, and of which stages each is."""
    options, found = doing.options, dict[str, tuple[str, ...]]()
    if options.generate_calibrations:
        found.update({image: (image,) for image in doing.taken})
    if options.do_defects and options.script_mode == applying.FULL:
        found["defects"] = ("defects",)
    if doing.gain:
        found["ptc"] = ("ptc", "gain") if options.do_ptc else ("gain",)
    return found


def _name(site: Site, key: str, value: str | int | None, around: Surroundings) -> str | None:
    """Give the name of a filter or grating that may be given by its place."""
    if not isinstance(value, int):
        return value
    instrument: Instrument = around.instrument(site.instrument)
    known = instrument.filters if key == "filter" else instrument.gratings
    if value > len(known):
        what = f"{value} is not the ID of a {key} of {instrument.name}, which has {len(known)}"
        raise RecipeError([Problem(what, f"write 1 to {len(known)}, or a name", path=f"config.{key}")])
    return known[value - 1]


def _pairs(doing: applying.Doing, flats: Frames, curve_options: Mapping[str, Any]) -> Iterator[Problem]:
    """See that there are pairs for what needs them."""
    fewest = _fewest_levels(curve_options)
    key, curve = "config.exp_times_flat", doing.options.do_ptc and doing.gain
    if curve and flats.odd_times_s:
        odd = ", ".join(f"{time:g}" for time in flats.odd_times_s)
        what = f"a curve needs pairs, and of {odd} s there is no even number of flats"
        yield Problem(what, f"write each time twice, as in [{odd}, {odd}]", path=key)
    elif curve and len(flats.pairs_s) < fewest:
        what = f"pairs of {counted(len(flats.pairs_s), 'time')} cannot make a curve: it needs {fewest} times"
        example = ", ".join(f"{5 * n}, {5 * n}" for n in range(1, fewest + 1))
        yield Problem(what, f"write each time twice, as in [{example}]", path=key)
    elif doing.gain and not flats.pairs_s:
        what = "no two flats have one time, and a gain needs a pair"
        yield Problem(what, "write a time twice, or do_gain_from_flat_pairs: false", path=key)


def _fewest_levels(curve_options: Mapping[str, Any]) -> int:
    """Give how many levels the model of a curve takes: of the options, or of what they are by default."""
    from latcal.numerics.curve_models import pairs_needed

    order, lags = curve_options.get("order", 2), curve_options.get("lags", 10)
    # an order or a number of lags that is none is refused by the calibration type, in its own words
    return pairs_needed(curve_options.get("model", "EXPAPPROXIMATION"), order=max(order, 2), lags=max(lags, 1))


def _no_time(options: LatissOptions) -> Problem:
    what = f"'{options.certify_calib_end_date}' is not after the begin, '{options.certify_calib_begin_date}'"
    return Problem(what, "write a later day, which is itself excluded", path="config.certify_calib_end_date")
