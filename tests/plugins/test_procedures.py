"""A stranger's procedure, and one for the bench with choices in it, by the suite for all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from attrs import frozen

from latcal.plugin import ProcedureType, combining, hookimpl, option
from latcal.testing import ProcedureSuite, strangers


@frozen
class BenchOptions:
    script_mode: Literal["BIAS", "BIAS_DARK"] = option("BIAS", help="Which calibrations are made.")
    n_bias: int = option(11, help="Number of biases.", validator=combining.above_zero)
    exp_times_dark: tuple[float, ...] = option((15.0, 30.0), help="Exposure times of the darks [s].")
    certify: bool = option(True, help="Whether what is made is certified, or only measured.")


def _expand(options: BenchOptions) -> Mapping[str, Any]:
    verb = "make" if options.certify else "measure"
    sequences: dict[str, Any] = {"biases": {"image": "bias", "exposures": f"{options.n_bias} x 0 s", "discard": 1}}
    stages = [{verb: "bias", "frames": ["biases"]}]
    if options.script_mode == "BIAS_DARK":
        sequences["darks"] = {"image": "dark", "exposures": [f"6 x {time} s" for time in options.exp_times_dark]}
        stages.append({verb: "dark", "frames": ["darks"], "collections": ["calib/weekly"]} if verb == "measure" else {
            verb: "dark", "frames": ["darks"]
        })  # fmt: skip
    recipe = {
        "latcal": 1,
        "title": f"Bench, {options.script_mode}",
        "instrument": "bench",
        "camera": {"use": "simulated", "seed": 7},
        "store": {"use": "memory"},
        "sequences": sequences,
        "stages": stages,
    }
    certify = {"into": "calib/bench", "begin": "2022-11-04", "end": "2022-11-05"}
    return {**recipe, "certify": certify} if options.certify else recipe


class Bench:
    @hookimpl
    def latcal_procedures(self) -> Iterator[ProcedureType]:
        yield ProcedureType(name="bench_day", summary="Bias and dark of a bench", options=BenchOptions, expand=_expand)


class TestBench(ProcedureSuite):
    def plugin(self):
        return Bench()

    def configs(self):
        return (
            {},
            {"script_mode": "BIAS_DARK", "n_bias": 21},
            {"script_mode": "BIAS_DARK", "exp_times_dark": [5], "certify": False},
        )

    def refused(self):
        return [
            ({"n_bias": 0}, "config.n_bias: 0 is not above 0"),
            ({"n_bias": "20"}, "config.n_bias: '20' is not"),
            ({"script_mode": "BIAS_DARC"}, "did you mean 'BIAS_DARK'"),
            ({"script_mode": "BIAS_DARK", "exp_times_dark": [0]}, "0 s is not a time for dark frames"),
        ]


class TestWeekly(ProcedureSuite):
    def plugin(self):
        return strangers

    def configs(self):
        return {}, {"n_sky": 9, "collection": "calib/weekly.2"}

    def refused(self):
        return [({"n_sky": 0}, "which is not between 1 and 100000"), ({"collection": "a//b"}, "a//b")]
