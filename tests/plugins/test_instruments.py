"""The instruments that come with latcal, and a stranger's, by the suite for all."""

from __future__ import annotations

from latcal.builtin import instruments
from latcal.testing import InstrumentSuite, strangers


class TestOurs(InstrumentSuite):
    def plugin(self):
        return instruments


class TestEye(InstrumentSuite):
    def plugin(self):
        return strangers
