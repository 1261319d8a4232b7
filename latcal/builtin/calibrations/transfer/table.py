"""The tables of a photon transfer curve: a row of figures, and a row of all fields of Rubin's dataset, per amplifier."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from astropy.time import Time
from attrs import frozen
from numpy.typing import NDArray

from latcal.builtin.calibrations.transfer.extraction import Extraction
from latcal.builtin.calibrations.transfer.options import PtcOptions
from latcal.numerics.linearity import fit_linearity
from latcal.numerics.transfer import Transfer
from latcal.plugin import Amplifier, BuildError, Detector, Exposure

NAN = math.nan
SIGNIFICANT = 0.999
"""A noise that does not change has a chi-square below the limit in so many of a thousand cases; latcal's choice."""

SMALLEST_CHANGE = 0.01
"""A change of the read noise with the signal by less than this part of it is none to speak of; latcal's choice."""

Cells = dict[str, tuple[Any, str]]
Wide = NDArray[np.float64]


@frozen
class Subject:
    """Whose curve it is, and of which pairs.

    Parameters
    ----------
    pairs : tuple of (Exposure, Exposure)
    nominal_gain, nominal_noise : float [electron / adu], [electron]
        What the instrument file lets expect.
    """

    detector: Detector
    amplifier: Amplifier
    pairs: tuple[tuple[Exposure, Exposure], ...]
    options: PtcOptions
    nominal_gain: float
    nominal_noise: float

    @property
    def times_s(self) -> Wide:
        """Exposure time of every pair, mean of both [s]."""
        return np.array([0.5 * (first.time_s + second.time_s) for first, second in self.pairs])

    @property
    def charges(self) -> Wide:
        """Charge of the photodiode for every pair [C]; NaN where none was written."""
        given = self.options.photocharges
        return np.array([float(one.to_value("C")) for one in given]) if given else np.full(len(self.pairs), NAN)


def figures(subject: Subject, extraction: Extraction, found: Transfer | None) -> Cells:
    """Give the row of figures; NaN where nothing was fitted."""
    detector = subject.detector
    window = detector.brighter_fatter_window or (NAN, NAN)
    kept = found.turnoff.kept if found else np.isfinite(extraction.levels)
    chi_square, limit = steadiness(extraction.noises[kept], extraction.noise_errors[kept])
    names = ("gain", "gain_error", "noise", "noise_error", "noise_squared", "noise_squared_error")
    fitted = [getattr(found, name) if found else NAN for name in names]
    gain = fitted[0]
    return {
        "gain": (gain, "electron / adu"),
        "gain_error": (fitted[1], "electron / adu"),
        "noise": (fitted[2], "electron"),
        "noise_error": (fitted[3], "electron"),
        "noise_squared": (fitted[4], "electron2"),
        "noise_squared_error": (fitted[5], "electron2"),
        "a00": (found.a00 if found else NAN, "1 / electron"),
        "a00_error": (found.a00_error if found else NAN, "1 / electron"),
        "a00_exponential": (float(subject.options.model != "POLYNOMIAL"), ""),
        "a00_c00_correlation": (found.a00_c00_correlation if found else NAN, ""),
        "turnoff": (found.turnoff.level if found else NAN, "adu"),
        "turnoff_error": (found.turnoff.error if found else NAN, "adu"),
        "turnoff_electron": (found.turnoff.level * gain if found else NAN, "electron"),
        "turnoff_electron_error": (found.turnoff.error * gain if found else NAN, "electron"),
        "turnoff_reached": (float(found.turnoff.reached or _full_above(subject, extraction, kept)) if found else NAN, ""),
        "highest": (found.highest if found else NAN, "adu"),
        "reduced_chi_square": (found.reduced_chi_square if found else NAN, ""),
        "freedom": (float(found.freedom) if found else NAN, ""),
        "pairs": (float(np.count_nonzero(found.turnoff.kept)) if found else 0.0, ""),
        "overscan_noise": (_mean(extraction.noises[kept]) * gain, "electron"),
        "noise_chi_square": (chi_square, ""),
        "noise_chi_square_limit": (limit, ""),
        "nonlinearity": (_largest(linearity(subject, extraction, kept), kept), ""),
        "nominal_gain": (subject.nominal_gain, "electron / adu"),
        "nominal_noise": (subject.nominal_noise, "electron"),
        "nominal_noise_squared": (subject.nominal_noise**2, "electron2"),
        "of_detector": (float(subject.options.region == "detector"), ""),
        "least_a00": (window[0], "1 / electron"),
        "greatest_a00": (window[1], "1 / electron"),
        "least_turnoff": (NAN if detector.least_turnoff is None else detector.least_turnoff, "electron"),
    }


def _full_above(subject: Subject, extraction: Extraction, kept: NDArray[np.bool_]) -> bool:
    """Say whether a pair of more light than all that were kept was not measured for its saturated pixels: the curve ends there."""
    full = extraction.full > subject.options.max_saturated
    return bool(np.any(full & (subject.times_s > subject.times_s[kept].max())))


def steadiness(noises: Wide, errors: Wide) -> tuple[float, float]:
    """Judge whether the read noise of the overscans is the same at every level.

    Parameters
    ----------
    noises, errors : (n,) [adu]

    Returns
    -------
    chi_square, limit : scalar
        Chi-square of the noises about their weighted mean, over n - 1, by their standard errors; and what chance leaves it
        below in `SIGNIFICANT` of cases, to which what a scatter of `SMALLEST_CHANGE` of the noise would add is added: a
        change that is real and too small to matter is none. NaN for fewer than two.

    Notes
    -----
    The Rubin verification divides by the standard deviation of the list in place of the square of an error: that is the
    scatter itself, in adu.
    """
    from scipy.special import gammaincinv

    told = np.isfinite(noises) & np.isfinite(errors)
    freedom = int(told.sum()) - 1
    if freedom < 1:
        return NAN, NAN
    weights = 1.0 / np.square(errors[told])
    mean = np.sum(weights * noises[told]) / weights.sum()
    chi_square = float(np.sum(weights * np.square(noises[told] - mean))) / freedom
    small = float(np.sum(weights * np.square(SMALLEST_CHANGE * noises[told]))) / freedom
    return chi_square, 2.0 * float(gammaincinv(0.5 * freedom, SIGNIFICANT)) / freedom + small


def linearity(subject: Subject, extraction: Extraction, kept: NDArray[np.bool_]) -> Wide:
    """Give level over straight line, less 1, of every pair: against charge if that is known, else exposure time."""
    charges = subject.charges
    light = charges if np.isfinite(charges).any() else subject.times_s
    try:
        return fit_linearity(extraction.levels, light, kept).residuals
    except BuildError:  # too few different exposures for a line: there are no residuals of it
        return np.full(len(extraction.levels), NAN)


def dataset(subject: Subject, extraction: Extraction, found: Transfer | None, bad: tuple[str, ...]) -> Cells:
    """Give the row of all fields of Rubin's photon transfer dataset (version 2.6), under its names for table columns.

    Errors are those of counting times the root of the reduced chi-square, where that is no chance. There are no columns
    PTCAUX_ of other keys. What was not measured is NaN: no histogram, no test of Kolmogorov and Smirnov (where Rubin's has
    1), no rolloff, no amplifier offset. An amplifier without fit is NaN in all that a fit gives (where Rubin's has 1 for gain and noise, and
    2e19 for the turnoff). FINAL_ are NaN where a pair was rejected. Lists of matrices are flat, pair by pair, serial lag
    first.
    """
    return {**_identity(subject, bad), **_measured(subject, extraction, found), **_fitted(subject, extraction, found)}


def _identity(subject: Subject, bad: tuple[str, ...]) -> Cells:
    options, pairs = subject.options, subject.pairs
    full = options.model.startswith("FULL")
    return {
        "AMPLIFIER_NAME": (subject.amplifier.name, ""),
        "PTC_FIT_TYPE": (options.model, ""),
        "BAD_AMPS": (" ".join(bad), ""),
        "COV_MATRIX_SIDE": (options.lags, ""),
        "COV_MATRIX_SIDE_FULL_COV_FIT": (options.lags if full else 0, ""),
        "INPUT_EXP_ID_PAIRS": (tuple(one.id for pair in pairs for one in pair), ""),
        "INPUT_EXP_PAIR_MJD_START": (tuple(float(Time(pair[0].begin).tai.mjd) for pair in pairs), "d"),
        "RAW_EXP_TIMES": (_cell(subject.times_s), "s"),
        "PHOTO_CHARGE": (_cell(subject.charges), "C"),
    }


def _measured(subject: Subject, extraction: Extraction, found: Transfer | None) -> Cells:
    count = len(subject.pairs)
    none = (NAN,) * count
    with np.errstate(invalid="ignore", divide="ignore"):
        gains = extraction.levels / (extraction.covariances[:, 0, 0] - np.square(extraction.frame_noises))
        weights = 1.0 / extraction.errors
    kept = found.turnoff.kept if found else np.isfinite(extraction.levels)
    return {
        "RAW_MEANS": (_cell(extraction.levels), "adu"),
        "RAW_VARS": (_cell(extraction.covariances[:, 0, 0]), "adu2"),
        "RAW_DELTAS": (_cell(extraction.deltas), "adu"),
        "ROW_MEAN_VARIANCE": (_cell(extraction.row_mean_variances), "adu2"),
        "GAIN_LIST": (_cell(gains), "electron / adu"),
        "GAIN_UNADJUSTED": (found.gain if found else NAN, "electron / adu"),
        "OVERSCAN_MEDIAN_LIST": (_cell(extraction.pedestals), "adu"),
        "OVERSCAN_MEDIAN": (_mean(extraction.pedestals), "adu"),
        "OVERSCAN_MEDIAN_SIGMA": (float(np.std(extraction.pedestals)) if count else NAN, "adu"),
        "NOISE_LIST": (_cell(extraction.noises), "adu"),
        "NOMINAL_GAIN": (subject.nominal_gain, "electron / adu"),
        "HIST_VARS": (none, "adu2"),
        "HIST_CHI2_DOFS": (none, ""),
        "KS_PVALUES": (none, ""),
        "PHOTO_CHARGE_DELTAS": (none, "C"),
        "AMP_OFFSETS": (none, "adu"),
        "NPIXEL_COVARIANCES": (tuple(int(number) for number in extraction.pixels), ""),
        "COVARIANCES": (_cell(extraction.covariances), "adu2"),
        "COVARIANCES_SQRT_WEIGHTS": (_cell(weights), "1 / adu2"),
        "LINEARITY_RESIDUALS": (_cell(linearity(subject, extraction, kept)), ""),
    }


def _fitted(subject: Subject, extraction: Extraction, found: Transfer | None) -> Cells:
    count, side = len(subject.pairs), subject.options.lags
    full = subject.options.model.startswith("FULL")
    kept = found.turnoff.kept if found else np.zeros(count, dtype=np.bool_)
    levels, variances = extraction.levels, extraction.covariances[:, 0, 0]
    model = np.full((count, side, side), NAN)
    if found:
        reach = found.model_covariances.shape[1]
        model[:, :reach, :reach] = found.model_covariances

    def of(name: str) -> float:
        return float(getattr(found, name)) if found else NAN

    def matrix(name: str) -> tuple[float, ...]:
        known = found is not None and getattr(found, name).size == side * side
        return _cell(getattr(found, name)) if known else (NAN,) * side**2

    pars = 0 if full or not found else len(found.parameters)
    length = max(3, subject.options.order + 1 if subject.options.model == "POLYNOMIAL" else 3)
    return {
        "EXP_ID_MASK": (tuple(bool(one) for one in kept), ""),
        "EXP_ID_ROLLOFF_MASK": ((False,) * count, ""),
        "GAIN": (of("gain"), "electron / adu"),
        "GAIN_ERR": (of("gain_error"), "electron / adu"),
        "NOISE": (of("noise"), "electron"),
        "NOISE_ERR": (of("noise_error"), "electron"),
        "PTC_FIT_PARS": (_cell(found.parameters) if found and pars else (NAN,) * length, ""),
        "PTC_FIT_PARS_ERROR": (_cell(found.parameter_errors) if found and pars else (NAN,) * length, ""),
        "PTC_FIT_CHI_SQ": (of("reduced_chi_square"), ""),
        "PTC_TURNOFF": (found.turnoff.level if found else NAN, "adu"),
        "PTC_TURNOFF_SAMPLING_ERROR": (found.turnoff.error if found else NAN, "adu"),
        "PTC_ROLLOFF": (NAN, "adu"),
        "PTC_ROLLOFF_ERROR": (NAN, "adu"),
        "PTC_ROLLOFF_TAU": (NAN, "adu"),
        "PTC_ROLLOFF_TAU_ERROR": (NAN, "adu"),
        "A_MATRIX": (matrix("a_matrix"), "1 / electron"),
        "B_MATRIX": (matrix("b_matrix"), "1 / electron"),
        "NOISE_MATRIX": (matrix("noise_matrix"), "electron2"),
        "COVARIANCES_MODEL": (_cell(model), "adu2"),
        "FINAL_MEANS": (_cell(np.where(kept, levels, NAN)), "adu"),
        "FINAL_VARS": (_cell(np.where(kept, variances, NAN)), "adu2"),
        "FINAL_MODEL_VARS": (_cell(np.where(kept, model[:, 0, 0], NAN)), "adu2"),
    }


def _cell(values: Wide) -> tuple[float, ...]:
    return tuple(float(value) for value in np.asarray(values, dtype=np.float64).ravel())


def _mean(values: Wide) -> float:
    told = values[np.isfinite(values)]
    return float(told.mean()) if told.size else NAN


def _largest(residuals: Wide, kept: NDArray[np.bool_]) -> float:
    told = np.abs(residuals[kept & np.isfinite(residuals)])
    return float(told.max()) if told.size else NAN
