"""Options for the command line of the Rubin pipelines, ``-c isr:doDefect=False``, read into those of our stages.

A field is here where one of our options means the same. Tasks have the labels of the page; those that they got since are
known too.
"""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, TypeAlias

from attrs import frozen

from latcal.plugin import Problem, RecipeError

Options: TypeAlias = dict[str, Any]

LABELS: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("biasIsr", "darkIsr", "flatIsr"), "isr"),
        **dict.fromkeys(("cpBiasIsr", "cpDarkIsr", "cpFlatIsr", "cpPtcIsr"), "isr"),
        "cpExtract": "cpPtcExtract",
    }
)
"""Other labels of tasks."""


@frozen
class Field:
    """A field of a task that we have an option for.

    Parameters
    ----------
    reads : str
        What its value is: a truth value, a whole number, a number, or one of `choices`.
    path : tuple of str
        Our option; of an option within another, both names.
    choices : mapping of str to Any
        What the value becomes, if it is one of a few.
    beside : mapping
        Further options that it goes with.
    unit : str
        Ours.
    only : str
        The kind of stage that has the option, if not all that the pipeline stands for.
    """

    reads: type
    path: tuple[str, ...]
    choices: Mapping[str, Any] = MappingProxyType({})
    beside: Mapping[str, Any] = MappingProxyType({})
    unit: str = ""
    only: str = ""

    def options(self, value: Any) -> Options:
        """Give our options for a value; none, where a value means what we do anyway."""
        if not self.path:
            return {}
        chosen = self.choices[value] if self.choices else f"{value:g} {self.unit}" if self.unit else value
        *outer, name = self.path
        found: Options = {name: chosen}
        for one in reversed(outer):
            found = {one: found}
        return {**self.beside, **found}


def _choice(path: tuple[str, ...], choices: Mapping[str, str], only: str = "") -> Field:
    return Field(str, path, choices, only=only)


_MODELS = ("EXPAPPROXIMATION", "FULLCOVARIANCE", "FULLCOVARIANCE_NO_B", "POLYNOMIAL")
_SERIAL = {"MEAN_PER_ROW": "mean per row", "MEDIAN_PER_ROW": "median per row", "MEAN": "constant", "MEDIAN": "constant"}
_OVERSCAN: Mapping[str, Field] = {
    "overscan.fitType": _choice(("overscan", "serial"), _SERIAL),
    "overscan.numSigmaClip": Field(float, ("overscan", "clip")),
}
_ISR: Mapping[str, Field] = {
    "doDefect": Field(bool, ("defects",)),
    "doCrosstalk": Field(bool, ("crosstalk",)),
    **_OVERSCAN,
}
_COMBINE: Mapping[str, Field] = {"clip": Field(float, ("clip",))}
_EACH = {"images": "each"}

TASKS: Mapping[str, Mapping[str, Mapping[str, Field]]] = MappingProxyType(
    {
        "bias": {
            "isr": _ISR,
            "cpBiasCombine": {**_COMBINE, "combine": _choice(("estimator",), {"MEANCLIP": "clipped", "MEDIAN": "median"})},
        },
        "dark": {"isr": _ISR, "cpDarkCombine": _COMBINE},
        "flat": {"isr": _ISR, "cpFlatCombine": _COMBINE},
        "defects": {
            "isr": {**_ISR, "doDefect": Field(bool, ())},
            "measureDefects": {
                "darkCurrentThreshold": Field(float, ("hot",), unit="electron/s"),
                "fracThresholdFlat": Field(float, ("cold",)),
                "nPixBorderUpDown": Field(int, ("edge",)),
                "badOnAndOffPixelColumnThreshold": Field(int, ("blinking",)),
                "goodPixelColumnGapThreshold": Field(int, ("gap",)),
                "saturatedPixelsToFillColumnThreshold": Field(int, ("saturated_column",)),
                "saturatedColumnDilationRadius": Field(int, ("saturated_radius",)),
            },
            "mergeDefects": {
                "combinationMode": Field(
                    str, ("merge",), {"OR": "or", "AND": "and", "FRACTION": "fraction"}, beside=_EACH
                ),
                "combinationFraction": Field(float, ("fraction",), beside=_EACH),
            },
        },
        "ptc": {
            "isr": _ISR,
            "cpPtcExtract": {
                "nSigmaClipPtc": Field(float, ("clip",)),
                "gainCorrectionType": _choice(
                    ("estimator",), {name: name for name in ("NONE", "SIMPLE", "FULL")}, only="gain"
                ),
                "maximumRangeCovariancesAstier": Field(int, ("lags",), only="ptc"),
                "minNumberGoodPixelsForCovariance": Field(int, ("at_least",), only="ptc"),
                "numEdgeSuspect": Field(int, ("edge",), only="ptc"),
                "detectorMeasurementRegion": _choice(
                    ("region",), {"AMP": "amplifier", "FULL": "detector"}, only="ptc"
                ),
            },
            "cpPtcSolve": {
                "ptcFitType": _choice(("model",), {name: name for name in _MODELS}, only="ptc"),
                "polynomialFitDegree": Field(int, ("order",), only="ptc"),
                "sigmaCutPtcOutliers": Field(float, ("cut",), only="ptc"),
            },
        },
    }
)
"""By pipeline and task, the fields that we have an option for."""


class _Slip(Exception):
    """What is wrong with one option, and what to write."""

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(what, hint)
        self.what, self.hint = what, hint


def stage_options(pipeline: str, text: str, kinds: tuple[str, ...]) -> dict[str, Options]:
    """Read the options of a pipeline.

    Parameters
    ----------
    pipeline : str
        A key of `TASKS`.
    text : str
        As written: ``-c isr:doDefect=False -c cpBiasCombine:clip=5``.
    kinds : tuple of str
        Kinds of the stages that it stands for.

    Returns
    -------
    dict of str to dict
        By kind, our options of its stages.

    Raises
    ------
    RecipeError
        With everything that is not an option, or not one that we have.
    """
    found: dict[str, Options] = {kind: {} for kind in kinds}
    slips: list[_Slip] = []
    for setting in _settings(text, slips):
        try:
            one, value = _read(pipeline, setting)
            for kind in _users(one, kinds, setting):
                _merge(found[kind], one.options(value))
        except _Slip as slip:
            slips.append(slip)
    if slips:
        raise RecipeError(Problem(slip.what, slip.hint, path=f"config.config_options_{pipeline}") for slip in slips)
    return found


def _users(one: Field, kinds: tuple[str, ...], setting: str) -> list[str]:
    users = [kind for kind in kinds if one.only in ("", kind)]
    if not users:
        raise _Slip(f"{setting!r} is of a {one.only}, and none is made", f"remove it, or write do_{one.only}: true")
    return users


def _settings(text: str, slips: list[_Slip]) -> Iterator[str]:
    """Give what stands after each ``-c``; note all else."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        slips.append(_Slip(f"{text!r} cannot be read: {str(error).lower()}", "close every quotation mark"))
        return
    waiting = False
    for word in words:
        if waiting:
            yield word
            waiting = False
        elif word in ("-c", "--config"):
            waiting = True
        elif word.startswith("--config="):
            yield word.removeprefix("--config=")
        else:
            slips.append(_Slip(f"{word!r} is not an option that is read here", "write '-c task:field=value' for each"))
    if waiting:
        slips.append(_Slip(f"nothing follows the last {words[-1]!r}", "write '-c task:field=value'"))


def _read(pipeline: str, setting: str) -> tuple[Field, Any]:
    """Read one ``task:field=value``."""
    name, equals, text = setting.partition("=")
    label, colon, key = name.partition(":")
    if not (equals and colon):
        raise _Slip(f"{setting!r} is not an option of a task", "write '-c task:field=value', as in '-c isr:doDefect=False'")
    tasks = TASKS[pipeline]
    task = LABELS.get(label, label)
    if task not in tasks:
        raise _Slip(f"{label!r} is not a task of {pipeline} that has options here", _known(label, tasks))
    if key not in tasks[task]:
        raise _Slip(f"{key!r} is not a field of {label} that has an option here", _known(key, tasks[task]))
    one = tasks[task][key]
    if not one.path and text != "False":
        raise _Slip(f"{setting!r} is not what makes defects: they are found in all pixels", f"write '{name}=False'")
    return one, _value(one, setting, text.strip("'\""))


def _value(one: Field, setting: str, text: str) -> Any:
    if one.choices:
        if text not in one.choices:
            raise _Slip(f"{text!r} in {setting!r} is not one of its choices", _known(text, one.choices))
        return text
    if one.reads is bool:
        if text not in ("True", "False"):
            raise _Slip(f"{text!r} in {setting!r} is not True or False", f"write '{setting.partition('=')[0]}=True' or False")
        return text == "True"
    try:
        return one.reads(text)
    except ValueError:
        kind = "whole number" if one.reads is int else "number"
        raise _Slip(f"{text!r} in {setting!r} is not a {kind}", f"write '{setting.partition('=')[0]}=5'") from None


def _known(word: str, known: Iterable[str]) -> str:
    """List what is known, the nearest before all."""
    near = difflib.get_close_matches(word, known, 1)
    return f"{f'did you mean {near[0]!r}? ' if near else ''}known: {', '.join(known)}"


def _merge(found: Options, more: Options) -> None:
    """Add options; of those within another, only what is said."""
    for name, value in more.items():
        if isinstance(value, dict):
            found[name] = {**found.get(name, {}), **value}
        else:
            found[name] = value
