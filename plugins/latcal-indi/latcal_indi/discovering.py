"""The instrument of cameras that nobody wrote a file for: one amplifier each, of the size that their drivers tell."""

from __future__ import annotations

from latcal.plugin import Amplifier, Box, CameraError, Detector, Instrument, Preparation

from latcal_indi.exposing import Exposing
from latcal_indi.hardware import Hardware
from latcal_indi.options import IndiOptions
from latcal_indi.preparing import Preparing, Wheel
from latcal_indi.restoring import Restoring
from latcal_indi.troubles import Trouble

NO_OVERSCAN = Preparation(serial="none", parallel="none")
"""Drivers tell nothing of overscans."""


def instrument(options: IndiOptions) -> Instrument:
    """Ask the devices for geometry, bit depth, binning and filters; devices found unconnected are left so.

    Raises
    ------
    CameraError
        If the server or a device does not answer, or what it tells is no sensor.
    """
    hardware = Hardware(options)
    try:
        hardware.open()
        wheel = Wheel(hardware)
        return Instrument(
            name="camera",
            detectors=tuple(_detector(hardware, key, device) for key, device in enumerate(options.devices)),
            filters=tuple(dict.fromkeys(wheel.known())),
            readout_s=float(options.sensor.readout.to_value("s")),
            full_well=float(options.sensor.full_well.to_value("electron")),
            id_prefix="INDI",
            binning=options.binning,
            preparation=NO_OVERSCAN,
        )
    finally:
        _leave(hardware)


def _leave(hardware: Hardware) -> None:
    faults = [] if hardware.mirror.lost else Restoring(hardware, Preparing(hardware), Exposing(hardware)).restore()
    hardware.link.close()
    if faults:
        raise CameraError(f"not all devices are as they were found: {'; '.join(faults)} (see to it by hand)")


def _detector(hardware: Hardware, key: int, device: str) -> Detector:
    options, info = hardware.options, hardware.need(device, "CCD_INFO").values
    columns, rows = (int(number) for number in options.binning.split("x"))
    nx, ny = int(info["CCD_MAX_X"]) // columns, int(info["CCD_MAX_Y"]) // rows
    if not (nx > 0 and ny > 0):
        raise Trouble(f"{device!r} tells a sensor of {nx} x {ny} pixels (write an instrument file)")
    whole, figures = Box(0, ny, 0, nx), options.sensor
    amplifier = Amplifier(
        name="A",
        extension=0,
        raw=whole,
        data=whole,
        position=whole,
        gain=float(figures.gain.to_value("electron/adu")),
        read_noise=float(figures.read_noise.to_value("electron")),
        saturation=2.0 ** info["CCD_BITSPERPIXEL"] - 1,
    )
    return Detector(key, device.replace(" ", "_"), (amplifier,), pixel_um=float(info["CCD_PIXEL_SIZE"]) * columns)
