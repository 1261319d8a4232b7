"""The cameras that the procedure is for: what differs between them."""

from __future__ import annotations

from attrs import frozen


@frozen
class Site:
    """One camera.

    Parameters
    ----------
    name : str
        As its collections and reports call it.
    instrument : str
        The instrument file.
    detectors : tuple of int
        Those that are meant by an empty list; none for every one of the instrument.
    """

    name: str
    instrument: str
    detectors: tuple[int, ...] = ()

    @property
    def repo(self) -> str:
        """Its repository."""
        return f"/repo/{self.name}"

    @property
    def calib(self) -> str:
        """The collection of its calibrations."""
        return f"{self.name}/calib"


LATISS = Site("LATISS", "latiss")
LSSTCOMCAM = Site("LSSTComCam", "lsstcomcam")
LSSTCAM = Site("LSSTCam", "lsstcam", (*range(189), 191, 192, 195, 196, 199, 200, 203, 204))
"""Of LSSTCam the science and wavefront sensors, 197 of them: the script's own list is meant to be these, and has four
guiders in the place of four wavefront sensors."""
