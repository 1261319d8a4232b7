"""The lamp put out: at once and from any thread, or by itself when nobody asks for exposures any more."""

from __future__ import annotations

import contextlib
import threading

from attrs import define, field
from latcal.plugin import CameraError

from latcal_indi.hardware import Hardware
from latcal_indi.mirror import Property
from latcal_indi.troubles import Trouble

DARK_S = 2.0
"""How long it is waited for the lamp to be off when all is left at once [s]; our choice: what a person waits for."""

LINGER_S = 30.0
"""How long a lamp stays lit while no exposure is asked for [s]; our choice: longer than it takes to look at probes of a level."""


@define(eq=False)
class Darkness:
    """Puts the lamp out, if it was ever switched here."""

    hardware: Hardware
    _timer: threading.Timer | None = field(default=None, init=False)

    @property
    def place(self) -> tuple[str, str] | None:
        """Device and property of the lamp; None if it was never switched here."""
        lamp = self.hardware.options.lamp
        place = None if lamp is None else (lamp.device, lamp.property)
        return place if place in self.hardware.found else None

    def begin(self) -> None:
        """Send the lamp off, waiting for nothing."""
        hardware, place = self.hardware, self.place
        if place is None or hardware.options.lamp is None or hardware.mirror.lost:
            return
        if place in hardware.unheard or hardware.value(*place, hardware.options.lamp.on) == "On":
            hardware.send(*place, {hardware.options.lamp.off: "On"}, hardware.options.waits.s("lamp"), safe=True)

    def come(self) -> None:
        """Send the lamp off, and wait until it says that it is.

        Raises
        ------
        CameraError
            If it does not within `DARK_S`.
        """
        hardware, lamp, place = self.hardware, self.hardware.options.lamp, self.place
        if lamp is None or place is None:
            return
        told = hardware.mirror.get(*place)
        off = {lamp.off: "On"}
        if told is not None and hardware.stands(told, off) and told.state != "Busy" and not hardware.mirror.lost:
            return
        before = hardware.mirror.heard

        def there() -> Property | None:
            now = hardware.mirror.get(*place)
            is_off = now is not None and now.heard > before and now.state != "Busy" and now.values.get(lamp.off) == "On"
            return now if is_off else None

        try:
            hardware.send(*place, off, DARK_S, safe=True)
            seen = hardware.mirror.wait(there, DARK_S, threading.Event())
        except Trouble as trouble:
            raise CameraError(f"the lamp {place[0]!r} may be lit: {trouble} (see to it by hand)") from trouble
        if seen is None:
            raise CameraError(f"the lamp {place[0]!r} did not say within {DARK_S:g} s that it is off (see to it by hand)")

    def come_by_itself(self, free: threading.Lock) -> None:
        """Let the lamp go out if nothing is asked for in `LINGER_S`.

        Parameters
        ----------
        free : threading.Lock
            Held by whoever begins an exposure, who calls `wait` first.
        """
        if self.place is not None:
            self._timer = threading.Timer(LINGER_S, self._forgotten, (free,))
            self._timer.daemon = True
            self._timer.start()

    def _forgotten(self, free: threading.Lock) -> None:
        with free, contextlib.suppress(Trouble):  # closing sees to the lamp again, and says if it cannot
            if self._timer is threading.current_thread():
                self.begin()

    def wait(self) -> None:
        """Let it stay lit for now."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
