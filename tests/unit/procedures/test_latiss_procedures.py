"""The procedures of the three cameras, by the suite for all."""

from __future__ import annotations

from latcal.builtin.procedures import latiss
from latcal.testing import ProcedureSuite

CURVE = {"do_ptc": True, "do_defects": True, "exp_times_flat": [5, 5, 10, 10, 15, 15, 20, 20], "n_flat": 8}
MADE = {"generate_calibrations": True, "certify_calib_begin_date": "2022-11-04", "certify_calib_end_date": "2022-11-05"}


class TestLatiss(ProcedureSuite):
    procedure = "latiss"

    def plugin(self):
        return latiss

    def configs(self):
        return (
            {},
            {**MADE, **CURVE, "filter": 20, "grating": "empty", "program": "BLOCK-1"},
            {**MADE, "do_verify": False, "user": "Ana", "at_least_dark": 5, "n_dark": 6, "exp_times_dark": [5, 5, 5, 10, 15, 20]},
            {"n_dark": 2, "exp_times_dark": [5, 10, 15], "wait_between_exposures": 1.5, "majority": "strict"},
            {"script_mode": "DARK", **MADE, "input_collections_verify_dark": "u/a,u/b"},
        )

    def refused(self):
        return [
            ({"n_bias": 0}, "config.n_bias: 0 is not above 0"),
            ({"exp_times_dark": []}, "an empty list has no exposure time"),
            ({"exp_times_flat": [5, -5]}, "-5 s is not above 0"),
            ({"filter": 0}, "0 is not an ID, which counts from 1"),
            ({"input_collections_ptc": "a,,b"}, "'a,,b' is not a list of collections"),
            ({"at_least_bias": 0}, "0 is not at least 1"),
            ({"at_least_bias": 21}, "config.at_least_bias: 21 is more than the 20 exposures"),
            ({"detectors": [1]}, "config.detectors: 1 is not a detector of latiss"),
            ({"script_mode": "BIAS_FLAT"}, "'BIAS_FLAT' is not one of its choices"),
            ({"exp_times_dark": 4000}, "config.exp_times_dark: 4000 s is not a time that the camera can expose"),
        ]


class TestLsstComCam(ProcedureSuite):
    procedure = "lsstcomcam"

    def plugin(self):
        return latiss

    def configs(self):
        return {}, {"detectors": [0, 8], "script_mode": "BIAS", **MADE}


class TestLsstCam(ProcedureSuite):
    procedure = "lsstcam"

    def plugin(self):
        return latiss

    def configs(self):
        return ({"script_mode": "BIAS"},)
