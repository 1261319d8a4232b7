"""What a recipe may say to the simulated camera. An effect is switched off by 0, the full well by a large one."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from attrs import frozen

from latcal.builtin.cameras.simulation.faults import Fault
from latcal.plugin import option

if TYPE_CHECKING:
    from astropy.units import Quantity


IMAGES = MappingProxyType({"bias": False, "dark": False, "flat": True})
"""Image types that it takes, and whether the lamp is on."""

LONGEST_S = 3600.0
"""Longest exposure [s]; our choice."""


def _not_negative(_: Any, attribute: Any, value: Any) -> None:
    number = value if isinstance(value, int | float) else value.value
    if number < 0:
        raise ValueError(f"{attribute.name} of {value} is not 0 or more", "write 0 to switch it off")


def _percent(_: Any, attribute: Any, value: Any) -> None:
    if not 0 <= value.to_value("%") <= 20:
        raise ValueError(f"{attribute.name} of {value} is not between 0 % and 20 %", "write '2 %'")


def _not_positive(_: Any, attribute: Any, value: Any) -> None:
    if value.value > 0:
        raise ValueError(f"{attribute.name} of {value} is not 0 or less", "write 0 to switch it off")


def _above_zero(_: Any, attribute: Any, value: Any) -> None:
    if value is not None and not value.value > 0:
        raise ValueError(f"{attribute.name} of {value} is not above 0", "write '1e9 electron' for one that is never full")


def _bits(_: Any, attribute: Any, value: int) -> None:
    if not 8 <= value <= 30:
        raise ValueError(f"{attribute.name} of {value} is not between 8 and 30", "write 18")


@frozen
class SimulatedOptions:
    """Options of the simulated camera.

    Notes
    -----
    Each default says its source: LATISS, LSSTCam and DECam figures are collected in docs/simulator.md; *assumed* is
    latcal's choice.
    """

    seed: int = option(0, help="Number that all of the sensor and of its noise follows from.", validator=_not_negative)
    first: int = option(
        0,
        help="Index of the first exposure: another night of the same sensor begins where the last one ended.",
        validator=_not_negative,
    )
    clock: Literal["simulated", "real"] = option(
        "simulated", help="Whether exposure times only add up, from now on, or are waited for."
    )
    truth: Path | None = option(None, help="Folder to write what is true of each detector to, as FITS; none if left out.")
    gain_scatter: Quantity = option(
        "2 %", unit="%", validator=_percent, help="Rms of true over nominal gain (LATISS overscans over nominal)."
    )
    read_noise_factor: float = option(
        1.03, validator=_not_negative, help="Mean of true over nominal read noise (LATISS); 0 for no read noise."
    )
    read_noise_scatter: Quantity = option(
        "2 %", unit="%", validator=_percent, help="Rms of true over nominal read noise (LATISS)."
    )
    lowest_pedestal: Quantity = option(
        "8400 adu", unit="adu", validator=_not_negative, help="Lowest pedestal of an amplifier (LATISS headers)."
    )
    highest_pedestal: Quantity = option(
        "22500 adu", unit="adu", validator=_not_negative, help="Highest pedestal of an amplifier (LATISS headers)."
    )
    pedestal_drift: Quantity = option(
        "0.5 adu", unit="adu", validator=_not_negative, help="Rms of the pedestal from frame to frame (assumed)."
    )
    bias_structure: Quantity = option(
        "3 electron",
        unit="electron",
        validator=_not_negative,
        help="Rms of the fixed row and column patterns, which no overscan sees (assumed).",
    )
    glow: Quantity = option(
        "6 electron", unit="electron", validator=_not_negative, help="Glow of the output at the corner read first (assumed)."
    )
    settling: Quantity = option(
        "4000 electron",
        unit="electron",
        validator=_not_negative,
        help="Largest charge in the first of 2000 rows, in the first exposure of a sequence; a fiftieth in the next (LATISS).",
    )
    crosstalk: float = option(
        1.5e-3,
        validator=_not_negative,
        help="Largest coefficient between amplifiers, median 1.8e-5 (LATISS), where the instrument file gives none.",
    )
    dark_current: Quantity = option(
        "0.02 electron/s", unit="electron/s", validator=_not_negative, help="Dark current at -100 C (LSSTCam ITL sensors)."
    )
    dark_delay: Quantity = option(
        "0.01 s", unit="s", validator=_not_negative, help="Dark time beyond the exposure time (LATISS headers)."
    )
    hot_pixels: Quantity = option(
        "0.01 %", unit="%", validator=_percent, help="Part of the pixels that are hot (assumed)."
    )
    lowest_hot_rate: Quantity = option(
        "4 electron/s", unit="electron/s", validator=_not_negative, help="Rate of the faintest hot pixel (assumed)."
    )
    highest_hot_rate: Quantity = option(
        "200 electron/s", unit="electron/s", validator=_not_negative, help="Rate of the brightest hot pixel (assumed)."
    )
    bad_columns: int = option(
        4, validator=_not_negative, help="Columns of a detector that are bad over part of a half: bright or dim (assumed)."
    )
    telegraph_pixels: Quantity = option(
        "0.001 %", unit="%", validator=_percent, help="Part of the pixels that jump by 60 to 300 electrons (assumed)."
    )
    cosmic_rays: Quantity = option(
        "2 / (cm2 min)",
        unit="1 / (cm2 min)",
        validator=_not_negative,
        help="Cosmic rays per area and dark time (DECam darks have 2.2, muons at the site 1.5).",
    )
    prnu: Quantity = option(
        "0.4 %", unit="%", validator=_percent, help="Rms response from pixel to pixel (LSST prototype sensors)."
    )
    vignetting: Quantity = option(
        "2.5 %", unit="%", validator=_percent, help="Smooth illumination, centre and corners against the mean (LATISS)."
    )
    lamp: Quantity = option(
        "3600 electron/s", unit="electron/s", validator=_not_negative, help="Light of a flat (LATISS pairs, DMTN-101)."
    )
    lamp_noise: Quantity = option(
        "0.1 %", unit="%", validator=_percent, help="Rms of the lamp from exposure to exposure (assumed)."
    )
    lamp_drift: Quantity = option(
        "0.2 %", unit="%", validator=_percent, help="Brightening of the lamp in 10 minutes of exposures (assumed)."
    )
    shutter_delay: Quantity = option(
        "0 s", unit="s", help="How much longer than asked the light falls in; negative for shorter (an ideal shutter)."
    )
    brighter_fatter: Quantity = option(
        "-1.7e-6 / electron",
        unit="1 / electron",
        validator=_not_positive,
        help="Coefficient a00; those of the neighbours go with it, and the sum of all is 0 (LATISS PTC, refit).",
    )
    non_linearity: Quantity = option(
        "-0.5 %", unit="%", help="What is wrong with the signal at 100000 electrons; it grows with the signal (assumed)."
    )
    full_well: Quantity | None = option(
        None, unit="electron", validator=_above_zero, help="Charge beyond which a pixel spills along its column; the instrument's if left out."
    )
    adc_bits: int = option(18, validator=_bits, help="Bits of the converter: where raw numbers end (LSST video chain).")
    cools_in: Quantity = option(
        "0 s", unit="s", validator=_not_negative, help="How long the sensor cools after the camera is opened (assumed)."
    )
    cools_within: Quantity = option(
        "600 s", unit="s", validator=_not_negative, help="How long that is waited for before an exposure (assumed)."
    )
    faults: tuple[Fault, ...] = option((), help="What goes wrong, and in which exposures (docs/simulator.md).")

    def __attrs_post_init__(self) -> None:
        for low, high in (
            (self.lowest_pedestal, self.highest_pedestal),
            (self.lowest_hot_rate, self.highest_hot_rate),
        ):
            if low > high:
                raise ValueError(f"{low} is not below {high}", "write the lower one as the lowest")
