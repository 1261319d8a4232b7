"""Gain and offset of cameras, under the names that their drivers have for them."""

from __future__ import annotations

from collections.abc import Mapping

from latcal_indi.mirror import Mirror, Property

SETTINGS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "gain": (("CCD_GAIN", "GAIN"), ("CCD_CONTROLS", "Gain")),
    "offset": (("CCD_OFFSET", "OFFSET"), ("CCD_CONTROLS", "Offset")),
}
"""Properties and members: of most drivers, and of those of ZWO, ToupTek and their kin (indi_asi_ccd, indi_toupcam_ccd)."""


def setting(mirror: Mirror, device: str, word: str) -> tuple[Property, str] | None:
    """Give the property of a setting, and its member in it; None if the device has none."""
    for name, member in SETTINGS[word]:
        told = mirror.get(device, name)
        if told is not None and member in told.values:
            return told, member
    return None
