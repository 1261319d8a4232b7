"""Which keys apply: one that was written and cannot is an error; a default that cannot is left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from attrs import frozen

from latcal.builtin.procedures.latiss.options import LatissOptions
from latcal.plugin import Problem

IMAGES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "BIAS": ("bias",),
        "DARK": ("dark",),
        "BIAS_DARK": ("bias", "dark"),
        "BIAS_DARK_FLAT": ("bias", "dark", "flat"),
    }
)
"""Image types of each mode, in the order in which they are taken."""

PLURALS: Mapping[str, str] = MappingProxyType({"bias": "biases", "dark": "darks", "flat": "flats"})
"""What sequences of an image type are called."""

FULL = "BIAS_DARK_FLAT"
DESTINATION = ("calib_collection", "certify_calib_begin_date", "certify_calib_end_date")
"""Keys that say where products go. The page writes them also where nothing is certified: then the plan says so."""

_TAKEN = ("n_{}", "n_discard_{}", "exp_times_{}", "at_least_{}")
_OF_FLATS = ("filter", "grating")


@frozen
class Doing:
    """What the keys ask for.

    Parameters
    ----------
    pairs : bool
        Whether any two flats have one time. If not, and the gain was not asked for by name, it is left out.
    """

    options: LatissOptions
    written: frozenset[str]
    pairs: bool

    @property
    def gain(self) -> bool:
        """Whether gains of pairs are estimated: a curve brings them too."""
        options, named = self.options, "do_gain_from_flat_pairs" in self.written
        wanted = options.do_ptc or (options.do_gain_from_flat_pairs and (self.pairs or named))
        return options.script_mode == FULL and wanted

    @property
    def taken(self) -> tuple[str, ...]:
        """The image types that are taken: those of the mode of which anything is made."""
        options = self.options
        mode = IMAGES[options.script_mode]
        if options.do_verify or options.generate_calibrations:
            return mode
        used = {"flat": self.gain or options.do_defects, "dark": options.do_defects}
        return tuple(image for image in mode if options.script_mode == FULL and used.get(image))


def faults(doing: Doing) -> Iterator[Problem]:
    """Give a problem for every key that was written and cannot apply."""
    options, written = doing.options, doing.written
    if not doing.taken:
        what = "false leaves nothing to do: without generate_calibrations nothing is made of the images"
        yield _problem("do_verify", what, "write do_verify: true, or generate_calibrations: true")
        return
    for key, (what, hint) in {**dict(_of_stages(doing)), **dict(_of_images(doing))}.items():
        if key in written:
            yield _problem(key, what, hint)
    if options.script_mode != FULL:
        for key in ("do_defects", "do_ptc", "do_gain_from_flat_pairs"):
            if key in written and getattr(options, key):
                what = f"true needs darks and flats, and script_mode is {options.script_mode}"
                yield _problem(key, what, f"remove it, or write script_mode: {FULL}")


def _problem(key: str, what: str, hint: str) -> Problem:
    return Problem(what, hint, path=f"config.{key}")


def _of_images(doing: Doing) -> Iterator[tuple[str, tuple[str, str]]]:
    """Give the keys of image types that are not taken, or not judged."""
    mode, present = IMAGES[doing.options.script_mode], doing.taken
    for image, plural in PLURALS.items():
        if image in present:
            continue
        why = f"script_mode {doing.options.script_mode} takes no {plural}"
        why = f"of the {plural} nothing is made, and none are taken" if image in mode else why
        hint = "write do_verify: true" if image in mode else f"write script_mode: {FULL}"
        keys = (*_TAKEN, "number_verification_tests_threshold_{}", "config_options_{}", "input_collections_{}")
        keys = (*keys, "input_collections_verify_{}", *(_OF_FLATS if image == "flat" else ()))
        for key in keys:
            yield key.format(image), (f"it does not apply: {why}", f"remove it, or {hint}")


def _of_stages(doing: Doing) -> Iterator[tuple[str, tuple[str, str]]]:
    """Give the keys of what is not generated, not verified or not measured."""
    options = doing.options
    for image in PLURALS:
        if not options.generate_calibrations:
            for key in (f"config_options_{image}", f"input_collections_{image}"):
                what = f"it does not apply: no {image} is generated"
                yield key, (what, "remove it, or write generate_calibrations: true")
        if not options.do_verify:
            for key in (f"input_collections_verify_{image}", f"number_verification_tests_threshold_{image}"):
                yield key, ("it does not apply: nothing is verified", "remove it, or write do_verify: true")
    if not options.do_verify:
        for key in ("majority", "keep_images"):
            yield key, ("it does not apply: nothing is verified", "remove it, or write do_verify: true")
    if not options.do_defects:
        for key in ("config_options_defects", "input_collections_defects"):
            yield key, ("it does not apply: no defects are looked for", "remove it, or write do_defects: true")
    if not doing.gain:
        for key in ("config_options_ptc", "input_collections_ptc"):
            what = "it does not apply: there is neither a curve nor a gain"
            yield key, (what, "remove it, or write do_ptc: true or do_gain_from_flat_pairs: true")
    if options.do_verify or not options.generate_calibrations:
        what = "it does not apply: nothing is certified unverified"
        yield "user", (what, "remove it, or write generate_calibrations: true and do_verify: false")
