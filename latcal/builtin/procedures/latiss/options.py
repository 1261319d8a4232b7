"""The keys of the procedure, as its page has them: name, type, default and help; and a few of latcal's own."""

from __future__ import annotations

from datetime import date
from typing import Any, Literal, TypeAlias

from attrs import frozen

from latcal.builtin.procedures.latiss.sites import LATISS, LSSTCAM, LSSTCOMCAM, Site
from latcal.plugin import combining, option

Times: TypeAlias = float | tuple[float, ...]
NO_DEFECTS = "-c isr:doDefect=False"
NO_CROSSTALK = "-c isr:doCrosstalk=False"
DARK_TIMES = (*[5] * 5, *[15] * 2, *[30] * 16)
_TIMES = "one for all, or a list: as long as n + discard, it is used as it stands; as long as n, its first is discarded too"
_CLI = "as the command line of the pipeline has them (docs/latiss.md lists the tasks and fields)"
_LIMIT = "Failures of one test on one detector at which it counts as failed."
_INPUTS = "Comma-separated collections, searched in order, for what the {} is made with."
_REFERENCES = "Comma-separated collections, searched in order, with what the {} frames are verified against."
_LEAST = "Smallest number of {} frames to go on with, if some do not come; left out: all of them."


def _times(_: Any, attribute: Any, value: Times) -> None:
    """Refuse times in which nothing is exposed, and a list of none."""
    every = value if isinstance(value, tuple) else (value,)
    if not every:
        raise ValueError("an empty list has no exposure time", f"write '{attribute.name}: 30', or a list")
    for time in every:
        if not time > 0:
            raise ValueError(f"{time:g} s is not above 0", f"write '{attribute.name}: 30', or a list")


def _id(_: Any, attribute: Any, value: str | int | None) -> None:
    if isinstance(value, int) and value < 1:
        raise ValueError(f"{value} is not an ID, which counts from 1", f"write '{attribute.name}: 1', or its name")


def _least(_: Any, attribute: Any, value: int | None) -> None:
    if value is not None and value < 1:
        raise ValueError(f"{value} is not at least 1", f"write '{attribute.name}: 1' or more")


def _collections(_: Any, attribute: Any, value: str) -> None:
    if not all(name.strip() for name in value.split(",")):
        raise ValueError(f"{value!r} is not a list of collections", f"write '{attribute.name}: {attribute.default}'")


def _inputs(site: Site, what: str) -> Any:
    return option(site.calib, help=_INPUTS.format(what), validator=_collections)


def _references(site: Site, what: str) -> Any:
    return option(site.calib, help=_REFERENCES.format(what), validator=_collections)


def _number(default: int, what: str) -> Any:
    return option(default, help=f"Number of {what} to take.", validator=combining.above_zero)


def _discarded(what: str) -> Any:
    return option(1, help=f"Number of {what} to take before them and discard.", validator=combining.not_below_zero)


@frozen
class LatissOptions:
    """Keys of the procedure `latiss`."""

    script_mode: Literal["BIAS", "DARK", "BIAS_DARK", "BIAS_DARK_FLAT"] = option(
        "BIAS_DARK_FLAT", help="Which images are taken; the last also allows defects, curve and gains."
    )
    n_bias: int = _number(20, "biases")
    n_discard_bias: int = _discarded("biases")
    n_dark: int = _number(22, "darks")
    n_discard_dark: int = _discarded("darks")
    exp_times_dark: Times = option(DARK_TIMES, help=f"Exposure times of the darks [s]: {_TIMES}.", validator=_times)
    n_flat: int = _number(20, "flats")
    n_discard_flat: int = _discarded("flats")
    exp_times_flat: Times = option(5, help=f"Exposure times of the flats [s]: {_TIMES}. Pairs for do_ptc.", validator=_times)
    filter: str | int | None = option(
        None, help="Filter of the flats: its name, or its place in the instrument's list from 1; null: not changed.", validator=_id
    )
    grating: str | int | None = option(
        None, help="Grating of the flats: its name, or its place in the instrument's list from 1; null: not changed.", validator=_id
    )
    detectors: tuple[int, ...] = option((), help="Ids of the detectors to process; an empty list means all.")
    do_verify: bool = option(
        True, help="Verify; false, with generate_calibrations: products are certified unverified, and all that names them says so."
    )
    generate_calibrations: bool = option(
        False, help="Make combined calibrations, verify the images against them, and certify those that pass; false: external."
    )
    config_options_bias: str = option(NO_DEFECTS, help=f"Options of the bias pipeline, {_CLI}.")
    config_options_dark: str = option(NO_DEFECTS, help=f"Options of the dark pipeline, {_CLI}.")
    config_options_flat: str = option(NO_DEFECTS, help=f"Options of the flat pipeline, {_CLI}.")
    do_defects: bool = option(False, help="Find defects in darks and flats; script_mode must be BIAS_DARK_FLAT.")
    config_options_defects: str = option(NO_DEFECTS, help=f"Options of the defects pipeline, {_CLI}.")
    do_ptc: bool = option(
        False, help="Make a photon transfer curve, and the gain of every pair; script_mode must be BIAS_DARK_FLAT."
    )
    config_options_ptc: str = option(NO_CROSSTALK, help=f"Options of the pipeline of curve and gains, {_CLI}.")
    do_gain_from_flat_pairs: bool = option(
        True, help="Estimate the gain from every two flats of one time; left out where script_mode takes no flats."
    )
    input_collections_bias: str = _inputs(LATISS, "bias")
    input_collections_verify_bias: str = _references(LATISS, "bias")
    input_collections_dark: str = _inputs(LATISS, "dark")
    input_collections_verify_dark: str = _references(LATISS, "dark")
    input_collections_flat: str = _inputs(LATISS, "flat")
    input_collections_verify_flat: str = _references(LATISS, "flat")
    input_collections_defects: str = _inputs(LATISS, "defect map")
    input_collections_ptc: str = _inputs(LATISS, "curve, and every gain,")
    calib_collection: str = option(f"{LATISS.calib}/daily", help="Collection that what is made is certified into.")
    repo: str = option(
        LATISS.repo, help="The store: a Butler repository where its plugin is installed, or else a folder; `store:` wins."
    )
    n_processes: int = option(8, help="Processes that build and verify; `executor:` wins.", validator=combining.above_zero)
    certify_calib_begin_date: date = option(date(1950, 1, 1), help="Day from which what is certified holds.")
    certify_calib_end_date: date = option(date(2050, 1, 1), help="Day until which it holds, itself excluded.")
    oods_timeout: float = option(
        120, help="How long frames are waited for: those of an exposure from the camera, those of a sequence after its last one until they are in the store [s].", validator=combining.above_zero
    )
    number_verification_tests_threshold_bias: int = option(8, help=f"Bias: {_LIMIT}", validator=combining.above_zero)
    number_verification_tests_threshold_dark: int = option(8, help=f"Dark: {_LIMIT}", validator=combining.above_zero)
    number_verification_tests_threshold_flat: int = option(8, help=f"Flat: {_LIMIT}", validator=combining.above_zero)
    wait_between_exposures: float = option(
        0, help="Waited before every exposure but the first of its kind [s].", validator=combining.not_below_zero
    )
    program: str = option("", help="For the headers: the program that the images belong to.")
    reason: str = option("", help="For the headers: why they are taken.")
    note: str = option("", help="For the headers: what else is to be known of them.")
    majority: Literal["page", "strict"] = option(
        "page", help="Exposures that may fail: counted as on the page (3 of 3, 11 of 20), or 'strict', over half (2 of 3)."
    )
    at_least_bias: int | None = option(None, help=_LEAST.format("bias"), validator=_least)
    at_least_dark: int | None = option(None, help=_LEAST.format("dark"), validator=_least)
    at_least_flat: int | None = option(None, help=_LEAST.format("flat"), validator=_least)
    keep_images: bool = option(
        False, help="Keep the verified images: bias_residual, dark_residual, flat_residual of each exposure."
    )
    user: str = option("", help="Who answers for what is taken unverified; left out: the login name.")


@frozen
class LsstComCamOptions(LatissOptions):
    """Keys of the procedure `lsstcomcam`."""

    input_collections_bias: str = _inputs(LSSTCOMCAM, "bias")
    input_collections_verify_bias: str = _references(LSSTCOMCAM, "bias")
    input_collections_dark: str = _inputs(LSSTCOMCAM, "dark")
    input_collections_verify_dark: str = _references(LSSTCOMCAM, "dark")
    input_collections_flat: str = _inputs(LSSTCOMCAM, "flat")
    input_collections_verify_flat: str = _references(LSSTCOMCAM, "flat")
    input_collections_defects: str = _inputs(LSSTCOMCAM, "defect map")
    input_collections_ptc: str = _inputs(LSSTCOMCAM, "curve, and every gain,")
    calib_collection: str = option(f"{LSSTCOMCAM.calib}/daily", help="Collection that what is made is certified into.")
    repo: str = option(LSSTCOMCAM.repo, help="The store, as for `latiss`.")


@frozen
class LsstCamOptions(LatissOptions):
    """Keys of the procedure `lsstcam`."""

    detectors: tuple[int, ...] = option(
        (), help="Ids of the detectors to process; an empty list means science and wavefront sensors, without guiders."
    )
    input_collections_bias: str = _inputs(LSSTCAM, "bias")
    input_collections_verify_bias: str = _references(LSSTCAM, "bias")
    input_collections_dark: str = _inputs(LSSTCAM, "dark")
    input_collections_verify_dark: str = _references(LSSTCAM, "dark")
    input_collections_flat: str = _inputs(LSSTCAM, "flat")
    input_collections_verify_flat: str = _references(LSSTCAM, "flat")
    input_collections_defects: str = _inputs(LSSTCAM, "defect map")
    input_collections_ptc: str = _inputs(LSSTCAM, "curve, and every gain,")
    calib_collection: str = option(f"{LSSTCAM.calib}/daily", help="Collection that what is made is certified into.")
    repo: str = option(LSSTCAM.repo, help="The store, as for `latiss`.")
