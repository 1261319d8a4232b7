"""Compare the levels of flats with the light that made them: exposure time, or charge of a photodiode."""

from __future__ import annotations

import numpy as np
from attrs import frozen

from latcal.errors import BuildError
from latcal.numerics.arrays import Mask, Wide


@frozen(eq=False)
class Linearity:
    """Levels against light, as a polynomial.

    Parameters
    ----------
    coefficients, errors : (order + 1,) [adu / light^k]
        ``level = k0 + k1 t + ...``; the errors are by the scatter of the fitted levels, NaN where none is left over.
    residuals : (n,)
        Level over the fit, less 1, of all levels; NaN where there is none.
    largest : scalar
        The largest of the fitted ones, without sign.
    fitted : (n,)
    """

    coefficients: Wide
    errors: Wide
    residuals: Wide
    largest: float
    fitted: Mask


def fit_linearity(levels: Wide, light: Wide, usable: Mask | None = None, *, order: int = 1) -> Linearity:
    """Fit levels against light.

    Parameters
    ----------
    levels : (n,) [adu]
    light : (n,) [s, or any unit of light]
    usable : (n,) or None
        Which to fit to: those below the turnoff, say. None for all above 0.
    order : int
        1 for a straight line; 2 to have the curvature as well.

    Returns
    -------
    Linearity

    Raises
    ------
    BuildError
        If fewer than order + 1 different exposures are left.

    Notes
    -----
    All levels weigh alike by the fraction they are off, as a lamp and a shutter are off, not by their photons. The
    intercept is free: a shutter that opens late, or an offset of the bias, is not a nonlinearity.
    """
    with np.errstate(invalid="ignore"):
        able = np.isfinite(levels) & np.isfinite(light) & (levels > 0.0)
    chosen = able if usable is None else able & usable
    different = np.unique(light[chosen]).size
    if order < 1 or different < order + 1:
        raise BuildError(f"{different} different exposures are not the {order + 1} or more that order {order} needs")
    scale = float(np.abs(light[chosen]).max())
    powers = (light[:, None] / scale) ** np.arange(order + 1)
    weighted = powers[chosen] / levels[chosen, None]
    found, _, rank, _ = np.linalg.lstsq(weighted, np.ones(len(weighted)), rcond=None)
    if rank < order + 1:
        raise BuildError(f"{len(weighted)} levels do not tell the {order + 1} coefficients of order {order} apart")
    model = powers @ found
    residuals = np.where(able & (model > 0.0), levels / np.where(model > 0.0, model, np.nan) - 1.0, np.nan)
    units = scale ** -np.arange(order + 1.0)
    left = weighted @ found - 1.0
    freedom = left.size - order - 1
    variance = float(left @ left) / freedom if freedom else np.nan
    errors = np.sqrt(variance * np.diagonal(np.linalg.inv(weighted.T @ weighted)))
    return Linearity(found * units, errors * units, residuals, float(np.nanmax(np.abs(residuals[chosen]))), chosen)
