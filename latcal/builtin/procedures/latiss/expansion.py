"""The recipe that the settled keys stand for, where each of its parts comes from, and what is to be said of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from attrs import field, mutable

from latcal.builtin.procedures.latiss.acceptance import exposures_at_which_it_fails
from latcal.builtin.procedures.latiss.applying import DESTINATION, FULL, IMAGES, PLURALS
from latcal.builtin.procedures.latiss.settling import Settled
from latcal.plugin import Expansion, Problem, RecipeError
from latcal.plugin.wording import counted

NEEDS: Mapping[str, frozenset[str]] = {
    "bias": frozenset(),
    "dark": frozenset({"bias"}),
    "flat": frozenset({"bias", "dark"}),
    "defects": frozenset({"bias"}),
    "ptc": frozenset({"bias"}),
    "gain": frozenset({"bias"}),
}
"""Kinds of product that each kind is made with; a defect map too where the options say so."""

ADVISORY = {"ptc": ("ptc_noise",)}
"""Rules that are reported and not counted: from flats of seconds the curve's noise is far extrapolated (the page's script
judges a curve by nothing)."""

LAMP = "2000 electron/s"
"""Of the simulated camera, if no other stands beside: flats of the page, of 5 to 50 s, are then below full well."""

FRAMES = {"defects": ("dark", "flat"), "ptc": ("flat",), "gain": ("flat",)}
"""Image types that are measured for what is more than bias, dark and flat."""


@mutable
class _Draft:
    """A recipe while it is written."""

    settled: Settled
    stages: list[dict[str, Any]] = field(factory=list)
    origins: dict[str, str] = field(factory=dict)
    made: set[str] = field(factory=set)
    unused: dict[str, str] = field(factory=dict)

    def add(self, stage: dict[str, Any], origin: str, **origins: str) -> None:
        """Add a stage, and where it and its keys come from."""
        here = f"stages.{len(self.stages)}"
        self.stages.append(stage)
        self.origins[here] = f"config.{origin}"
        self.origins.update({f"{here}.{key.replace('__', '.')}": f"config.{name}" for key, name in origins.items()})


def expand(settled: Settled) -> Expansion:
    """Write the recipe.

    Raises
    ------
    RecipeError
        If collections were written, and all that would be looked up there is made in the same run.
    """
    draft = _Draft(settled)
    for image in settled.images:
        _stage_of(draft, image)
    for kind in settled.kinds:
        _measured(draft, kind)
    unused = {key: what for key, what in draft.unused.items() if key in settled.written}
    if unused:
        raise RecipeError(Problem(what, "remove it", path=f"config.{key}") for key, what in unused.items())
    options = settled.options
    recipe = {
        "latcal": 1,
        "title": f"{settled.site.name}, {options.script_mode}, {_how(settled)}",
        "instrument": settled.site.instrument,
        "camera": {"use": "simulated", "lamp": LAMP},
        "store": {"at": options.repo, "otherwise": "folder"},
        "executor": _executor(options.n_processes),
        "report": [{"use": "console"}, {"use": "latiss_text"}],
        "limits": dict.fromkeys(("answer", "ingest"), f"{options.oods_timeout:g} s"),
        "labels": {key: getattr(options, key) for key in ("program", "reason", "note") if getattr(options, key)},
        "sequences": {PLURALS[image]: _sequence(draft, image) for image in settled.frames},
        "stages": draft.stages,
        "certify": _certify(draft) if options.generate_calibrations else None,
    }
    draft.origins.update({"store": "config.repo", "executor": "config.n_processes"})
    draft.origins.update({f"limits.{limit}": "config.oods_timeout" for limit in ("answer", "ingest")})
    written = {key: value for key, value in recipe.items() if value not in (None, {})}
    return Expansion(written, draft.origins, tuple(_remarks(settled)))


def _how(settled: Settled) -> str:
    options = settled.options
    if options.generate_calibrations:
        return "internal verification" if options.do_verify else "unverified"
    return "external verification" if options.do_verify else "measured only"


def _executor(processes: int) -> dict[str, Any]:
    return {"use": "processes", "workers": processes} if processes > 1 else {"use": "serial"}


def _sequence(draft: _Draft, image: str) -> dict[str, Any]:
    settled, name = draft.settled, f"sequences.{PLURALS[image]}"
    times = "n_bias" if image == "bias" else f"exp_times_{image}"
    draft.origins.update({name: f"config.{times}", f"{name}.discard": f"config.n_discard_{image}"})
    found = settled.frames[image].sequence
    if image == "flat":
        for key, value in (("filter", settled.filter), ("grating", settled.grating)):
            draft.origins[f"{name}.{key}"] = f"config.{key}"
            found |= {key: value} if value is not None else {}
    if settled.options.wait_between_exposures:
        draft.origins[f"{name}.pause"] = "config.wait_between_exposures"
        found["pause"] = f"{settled.options.wait_between_exposures:g} s"
    return found


def _certify(draft: _Draft) -> dict[str, str]:
    options = draft.settled.options
    for key, name in zip(("into", "begin", "end"), DESTINATION, strict=True):
        draft.origins[f"certify.{key}"] = f"config.{name}"
    draft.origins["certify"] = f"config.{DESTINATION[0]}"
    begin, end = options.certify_calib_begin_date, options.certify_calib_end_date
    return {"into": options.calib_collection, "begin": begin.isoformat(), "end": end.isoformat()}


def _stage_of(draft: _Draft, image: str) -> None:
    """Add the stage of bias, dark or flat: made here, or checked."""
    settled, options = draft.settled, draft.settled.options
    stage: dict[str, Any] = {"make" if options.generate_calibrations else "check": image, "frames": [PLURALS[image]]}
    if options.generate_calibrations:
        origin = f"config_options_{image}" if f"config_options_{image}" in settled.written else "generate_calibrations"
        looked_up, source = _looked_up(draft, stage, image), f"input_collections_{image}"
        stage["wait"] = True
        draft.made.add(image)
        _verify_against(draft, stage, image, looked_up)
    else:
        origin, source = "script_mode", f"input_collections_verify_{image}"
        stage["collections"] = _listed(getattr(options, source))
    if options.do_verify:
        stage["accept"] = _accept(settled, image)
        stage |= {"keep": ["residuals"]} if options.keep_images else {}
    _more(draft, stage, _least(settled, (image,)))
    draft.add(
        stage,
        origin,
        collections=source,
        verify__collections=f"input_collections_verify_{image}",
        options=f"config_options_{image}",
        accept__amplifiers=f"number_verification_tests_threshold_{image}",
        accept__exposures="majority",
        at_least=f"at_least_{image}",
        detectors="detectors",
        verify="do_verify",
    )


def _accept(settled: Settled, image: str) -> dict[str, Any]:
    options, count = settled.options, len(settled.frames[image].times_s)
    least = getattr(options, f"at_least_{image}") or count
    at = exposures_at_which_it_fails(min(count, least)) if options.majority == "page" else "majority"
    amplifiers = getattr(options, f"number_verification_tests_threshold_{image}")
    return {"amplifiers": amplifiers, "detectors": "majority", "exposures": at}


def _looked_up(draft: _Draft, stage: dict[str, Any], kind: str) -> bool:
    """Write the options of a stage, and where its inputs are looked up, if any are; say whether they are."""
    key = f"input_collections_{'ptc' if kind == 'gain' else kind}"
    chosen = draft.settled.stage_options[kind]
    needs = NEEDS[kind] | (frozenset({"defects"}) if chosen.get("defects") else frozenset())
    if chosen:
        stage["options"] = dict(chosen)
    if needs - draft.made:
        stage["collections"] = _listed(getattr(draft.settled.options, key))
        return True
    if kind != "gain" or not draft.settled.options.do_ptc:
        draft.unused[key] = "nothing would be looked up there: all that is needed is made in the same run"
    return False


def _verify_against(draft: _Draft, stage: dict[str, Any], image: str, looked_up: bool) -> None:
    """Say what a product is verified with: what it was made with, unless other collections hold all of that."""
    options = draft.settled.options
    if not options.do_verify:
        stage["verify"] = {"waived_by": draft.settled.user, "reason": _reason(options.reason)}
        return
    key = f"input_collections_verify_{image}"
    references = _listed(getattr(options, key))
    if not looked_up or (NEEDS[image] & draft.made):
        draft.unused[key] = f"nothing would be looked up there: the {image} is verified with what it is made with"
    elif references != stage["collections"]:
        stage["verify"] = {"collections": references}


def _reason(reason: str) -> str:
    return "do_verify is false" + (f", {reason}" if reason else "")


def _measured(draft: _Draft, kind: str) -> None:
    """Add defects, curve or gains: certified if calibrations are generated, gains never."""
    options = draft.settled.options
    certified = options.generate_calibrations and kind != "gain"
    stage: dict[str, Any] = {"make" if certified else "measure": kind}
    stage["frames"] = [PLURALS[image] for image in FRAMES[kind]]
    _looked_up(draft, stage, kind)
    if kind in ADVISORY:
        stage["verify"] = {"advisory": list(ADVISORY[kind])}
    pipeline = "ptc" if kind == "gain" else kind
    if certified:
        draft.made.add(kind)
        if not options.do_verify:
            stage["verify"] = {"waived_by": draft.settled.user, "reason": _reason(options.reason)}
    _more(draft, stage, _least(draft.settled, FRAMES[kind]))
    key = "do_gain_from_flat_pairs" if kind == "gain" and not options.do_ptc else f"do_{pipeline}"
    pipeline_options, collections = f"config_options_{pipeline}", f"input_collections_{pipeline}"
    draft.add(stage, key, collections=collections, options=pipeline_options, detectors="detectors", verify="do_verify")


def _least(settled: Settled, images: tuple[str, ...]) -> int | None:
    """Give the smallest number of frames to go on with; None if no key says that some may be missing."""
    counts = {image: getattr(settled.options, f"at_least_{image}") for image in images}
    if all(count is None for count in counts.values()):
        return None
    return sum(len(settled.frames[image].times_s) if count is None else count for image, count in counts.items())


def _more(draft: _Draft, stage: dict[str, Any], least: int | None) -> None:
    if draft.settled.detectors:
        stage["detectors"] = list(draft.settled.detectors)
    if least is not None:
        stage["at_least"] = least


def _listed(collections: str) -> list[str]:
    return [name.strip() for name in collections.split(",")]


def _remarks(settled: Settled) -> Iterator[str]:
    """Say what the plan alone does not show."""
    options, written = settled.options, settled.written
    yield from (frames.remark for frames in settled.frames.values() if frames.remark)
    if options.do_gain_from_flat_pairs and not settled.gain:
        lack = "no two flats have one time" if options.script_mode == FULL else f"{options.script_mode} takes no flats"
        yield f"do_gain_from_flat_pairs is left out: {lack}"
    if options.do_ptc and not options.do_gain_from_flat_pairs:
        yield "do_ptc brings the gains of all pairs, although do_gain_from_flat_pairs is false"
    yield from _counts(settled)
    for key, name in (("filter", settled.filter), ("grating", settled.grating)):
        if isinstance(getattr(options, key), int):
            yield f"{key} {getattr(options, key)} is {name}"
    left = [PLURALS[image] for image in IMAGES[options.script_mode] if image not in settled.frames]
    if left:
        yield f"no {' and no '.join(left)} are taken: nothing would be made of them, since do_verify is false"
    if not options.generate_calibrations:
        idle = [key for key in DESTINATION if key in written]
        yield "nothing is certified" + (f", so {' and '.join(idle)} say{'' if idle[1:] else 's'} nothing here" if idle else "")
        return
    begin, end = options.certify_calib_begin_date, options.certify_calib_end_date
    unsaid = [key for key in DESTINATION[1:] if key not in written]
    if unsaid:
        years, verb = (end - begin).days / 365.25, "are" if unsaid[1:] else "is"
        yield f"what is certified holds from {begin} to {end}, {years:.0f} years: {' and '.join(unsaid)} {verb} not written"


def _counts(settled: Settled) -> Iterator[str]:
    """Say what the page's count of exposures is where some may be missing."""
    for image in settled.images if settled.options.do_verify and settled.options.majority == "page" else ():
        least = getattr(settled.options, f"at_least_{image}")
        if least is not None:
            at = _accept(settled, image)["exposures"]
            yield f"at_least_{image} is {least}, so {counted(at, 'failed exposure')} refuse the {image}, as the page counts for {least}"
