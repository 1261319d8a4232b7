"""What goes wrong with hardware: what may be tried again, and what may not."""

from __future__ import annotations

from latcal.plugin import CameraError


class Trouble(CameraError):
    """Something that may go better at the next attempt: a lost connection, a frame that is not whole."""


class Aborted(CameraError):
    """It was told to abort: nothing is tried again."""
