"""What may be configured, by the names of Rubin's tasks, and what it means to latcal."""

from __future__ import annotations

import json
from collections.abc import Mapping
from operator import attrgetter
from types import MappingProxyType
from typing import Any, ClassVar

from attrs import frozen
from latcal.plugin import BuildError
from lsst.pex.config import ChoiceField, Config, ConfigField, Field

NOTHING: Mapping[str, Any] = MappingProxyType({})


@frozen
class Meaning:
    """What a field means: an option of latcal, or one within another.

    Parameters
    ----------
    path : tuple of str
        The option; of one within another, both names.
    choices : mapping
        What a value becomes, if it is one of a few.
    beside : mapping
        Further options that it goes with.
    unit : str
        Latcal's.
    """

    path: tuple[str, ...]
    choices: Mapping[str, str] = NOTHING
    beside: Mapping[str, Any] = NOTHING
    unit: str = ""

    def enter(self, options: dict[str, Any], value: Any) -> None:
        """Enter what a value means among options."""
        options.update(self.beside)
        *outer, name = self.path
        for one in outer:
            options = options.setdefault(one, {})
        options[name] = self.choices[value] if self.choices else f"{value:g} {self.unit}" if self.unit else value


class OptionsField(Field[str]):
    """Options as a recipe writes them: a mapping, or the same as JSON text."""

    def __set__(self, instance: Any, value: Any, at: Any = None, label: str = "assignment") -> None:
        """Set it; a mapping becomes text."""
        super().__set__(instance, json.dumps(value) if isinstance(value, dict) else value, at=at, label=label)


def number(doc: str, dtype: type = float) -> Any:
    """Give a field of a number that, left out, is latcal's default."""
    return Field(dtype=dtype, default=None, optional=True, doc=doc)


def choice(doc: str, names: tuple[str, ...]) -> Any:
    """Give a field of a few names that, left out, is latcal's default."""
    return ChoiceField(dtype=str, default=None, optional=True, doc=doc, allowed=dict.fromkeys(names, "as there"))


def options_field() -> Any:
    """Give the field for options of latcal that Rubin's tasks have no field for."""
    return OptionsField(  # type: ignore[no-untyped-call]
        dtype=str, default="{}", doc="Options of latcal, as a recipe writes them: '{grow: 2}'. Fields beside go first."
    )


def order_field() -> Any:
    """Give the field by which a recipe's run says what products come from."""
    return Field(dtype=str, default="", doc="What a run of latcal orders: where it comes from, as JSON; for people empty.")


def options_of(config: Any) -> dict[str, Any]:
    """Give the options of latcal that a configuration means.

    Raises
    ------
    BuildError
        If its ``options`` are not a mapping.
    """
    try:
        options = json.loads(config.options)
    except ValueError as error:
        raise BuildError(f"options: {config.options!r} is not JSON ({error}; write '{{\"grow\": 2}}')") from error
    if not isinstance(options, dict):
        raise BuildError(f"options: {config.options!r} is not a mapping (write '{{\"grow\": 2}}')")
    for name, meaning in config.means.items():
        value = attrgetter(name)(config)
        if value is not None:
            meaning.enter(options, value)
    return options


class OverscanConfig(Config):
    """How overscans are subtracted."""

    fitType = choice("Model of the serial overscan.", ("MEAN_PER_ROW", "MEDIAN_PER_ROW", "MEAN", "MEDIAN"))
    numSigmaClip = number("Sigma beyond which an overscan sample is an outlier.")


_SERIAL = {"MEAN_PER_ROW": "mean per row", "MEDIAN_PER_ROW": "median per row", "MEAN": "constant", "MEDIAN": "constant"}
_CLIP = Meaning(("clip",))


class IsrFields(Config):
    """Fields of the task ``isr``."""

    means: ClassVar[Mapping[str, Meaning]] = {
        "doDefect": Meaning(("defects",)),
        "doCrosstalk": Meaning(("crosstalk",)),
        "overscan.fitType": Meaning(("overscan", "serial"), _SERIAL),
        "overscan.numSigmaClip": Meaning(("overscan", "clip")),
    }
    calibration: Any = Field(dtype=str, default="bias", doc="Calibration type of latcal that the frames are prepared for.")
    doDefect = number("Leave out the pixels of a defect map, which is then needed; left out, no.", bool)
    doCrosstalk = number("Subtract crosstalk, where the instrument has coefficients; left out, yes.", bool)
    overscan: Any = ConfigField(dtype=OverscanConfig, doc="How overscans are subtracted.")
    options = options_field()
    order = order_field()


class BuildFields(Config):
    """Fields of every task that builds or verifies."""

    means: ClassVar[Mapping[str, Meaning]] = {}
    calibration: Any = Field(dtype=str, default="bias", doc="Calibration type of latcal.")
    options = options_field()
    order = order_field()


class BiasFields(BuildFields):
    """Fields of ``cpBiasCombine``."""

    means: ClassVar[Mapping[str, Meaning]] = {
        "clip": _CLIP,
        "combine": Meaning(("estimator",), {"MEANCLIP": "clipped", "MEDIAN": "median"}),
    }
    clip = number("Sigma beyond which a sample is rejected.")
    combine = choice("How samples are combined; left out, by the noise of each frame.", ("MEANCLIP", "MEDIAN"))


class CombineFields(BuildFields):
    """Fields of ``cpDarkCombine`` and ``cpFlatCombine``."""

    means: ClassVar[Mapping[str, Meaning]] = {"clip": _CLIP}
    clip = number("Sigma beyond which a sample is rejected.")


class DefectsFields(BuildFields):
    """Fields of ``measureDefects``, and those that Rubin's ``mergeDefects`` has."""

    means: ClassVar[Mapping[str, Meaning]] = {
        "darkCurrentThreshold": Meaning(("hot",), unit="electron/s"),
        "fracThresholdFlat": Meaning(("cold",)),
        "nPixBorderUpDown": Meaning(("edge",)),
        "badOnAndOffPixelColumnThreshold": Meaning(("blinking",)),
        "goodPixelColumnGapThreshold": Meaning(("gap",)),
        "saturatedPixelsToFillColumnThreshold": Meaning(("saturated_column",)),
        "saturatedColumnDilationRadius": Meaning(("saturated_radius",)),
        "combinationMode": Meaning(
            ("merge",), {"OR": "or", "AND": "and", "FRACTION": "fraction"}, beside={"images": "each"}
        ),
        "combinationFraction": Meaning(("fraction",), beside={"images": "each"}),
    }
    darkCurrentThreshold = number("A pixel is hot this much above the median rate of its amplifier [electron/s].")
    fracThresholdFlat = number("A pixel is cold if it answers light by this part of what those around it do.")
    nPixBorderUpDown = number("Pixels at the edges of the detector that are bad.", int)
    badOnAndOffPixelColumnThreshold = number("Bad pixels that make a column a blinking one.", int)
    goodPixelColumnGapThreshold = number("Good pixels on end that are spared in a blinking column.", int)
    saturatedPixelsToFillColumnThreshold = number("Saturated pixels that make all of a column bad.", int)
    saturatedColumnDilationRadius = number("Columns beside a saturated pixel that are bad with it.", int)
    combinationMode = choice("How the maps of single frames are merged.", ("OR", "AND", "FRACTION"))
    combinationFraction = number("Part of the frames that is enough.")


class ExtractFields(BuildFields):
    """Fields of ``cpPtcExtract``."""

    means: ClassVar[Mapping[str, Meaning]] = {
        "nSigmaClipPtc": _CLIP,
        "gainCorrectionType": Meaning(("estimator",), {name: name for name in ("NONE", "SIMPLE", "FULL")}),
    }
    nSigmaClipPtc = number("Sigma beyond which a pixel of the difference of a pair does not count.")
    gainCorrectionType = choice("Estimator of the gain; left out, latcal's own.", ("NONE", "SIMPLE", "FULL"))


class SolveFields(BuildFields):
    """Fields of ``cpPtcSolve``, and those of ``cpPtcExtract`` that are of its covariances."""

    means: ClassVar[Mapping[str, Meaning]] = {
        "nSigmaClipPtc": _CLIP,
        "maximumRangeCovariancesAstier": Meaning(("lags",)),
        "minNumberGoodPixelsForCovariance": Meaning(("at_least",)),
        "numEdgeSuspect": Meaning(("edge",)),
        "detectorMeasurementRegion": Meaning(("region",), {"AMP": "amplifier", "FULL": "detector"}),
        "ptcFitType": Meaning(
            ("model",),
            {name: name for name in ("EXPAPPROXIMATION", "FULLCOVARIANCE", "FULLCOVARIANCE_NO_B", "POLYNOMIAL")},
        ),
        "polynomialFitDegree": Meaning(("order",)),
        "sigmaCutPtcOutliers": Meaning(("cut",)),
    }
    nSigmaClipPtc = number("Sigma beyond which a pixel of the difference of a pair does not count.")
    maximumRangeCovariancesAstier = number("Lags of the covariances in each direction.", int)
    minNumberGoodPixelsForCovariance = number("Fewest good pixels that a covariance is measured of.", int)
    numEdgeSuspect = number("Pixels at the edges of an amplifier that are left out.", int)
    detectorMeasurementRegion = choice("Whether there is a curve for each amplifier, or one for all.", ("AMP", "FULL"))
    ptcFitType = choice("Model of the curve.", tuple(means["ptcFitType"].choices))
    polynomialFitDegree = number("Degree of a POLYNOMIAL.", int)
    sigmaCutPtcOutliers = number("Sigma beyond which a level is an outlier of the fit.")
