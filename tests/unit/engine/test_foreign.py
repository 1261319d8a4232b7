"""Somebody else's statistics, judged by our rules."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table
from attrs import evolve

import latcal
from latcal.model.metrics import Metric, Scope
from latcal.plugin import Acceptance, Judged, RecipeError, Rule
from latcal.plugin.registry import Registry
from latcal.plugin.wording import verdict_text

NOISE = Metric("noise", "electron", Scope.AMPLIFIER, "Noise.")
QUIET = Rule("noise", "noise <= 10 electron")


def table(noise: list[float]) -> Table:
    made = Table({"exposure": [1, 1, 2, 2], "detector": ["S0"] * 4, "amplifier": ["A", "B"] * 2, "noise": noise})
    made["noise"].unit = "electron"
    return made


def judge(noise: list[float], **arguments: object) -> latcal.plugin.Verdict:
    return latcal.judge(table(noise), "eo_bias", **{"metrics": [NOISE], "rules": [QUIET], **arguments})


def test_rules_and_metrics_of_ones_own_judge_a_table() -> None:
    assert judge([9.0, 9.1, 8.0, 9.9]).accepted
    refused = judge([9.0, 12.0, 8.0, 19.0])
    assert not refused.accepted
    assert verdict_text(refused) == (
        "eo_bias refused: NOISE on 1 of 2 amplifiers in 2 of 2 exposures; worst S0 B: 19 e-, at most 10 e-"
    )


def test_counts_are_those_of_a_recipe() -> None:
    assert judge([9.0, 12.0, 8.0, 9.0], accept=Acceptance(exposures=2)).accepted
    assert not judge([9.0, 12.0, 8.0, 9.0], accept=Acceptance(exposures=1)).accepted


def test_what_is_no_number_fails() -> None:
    assert not judge([np.nan, 9.0, np.nan, 9.0]).accepted


def test_what_latcal_measured_is_judged_again_to_the_same_verdict(
    night: Callable, registry: Registry, tmp_path: Path
) -> None:
    heard = night(set=[f"store={{use: folder, root: {tmp_path}}}", "sequences.biases.exposures=12 x 0 s"])
    verdicts = [event.verdict for event in heard.of(Judged)]
    assert [(verdict.kind, verdict.accepted) for verdict in verdicts] == [("bias", True), ("dark", False)]
    for number, verdict in enumerate(verdicts):
        (kept,) = tmp_path.glob(f"reports/*/{number}_make_{verdict.kind}_measurements.ecsv")
        assert latcal.judge(Table.read(kept), verdict.kind, registry) == evolve(verdict, remedy="")


def test_a_rule_whose_metric_is_not_in_the_table_is_an_error_until_it_is_dropped_by_name(registry: Registry) -> None:
    given = table([9.0] * 4)
    with pytest.raises(RecipeError) as caught:
        latcal.judge(given, "bias", registry)
    lines = str(caught.value).splitlines()
    assert "rule 'cr_noise' needs cr_noise, which the table does not have (add the column, or drop=['cr_noise'])" in lines
    assert "rule 'noise' needs frame_noise, which the table does not have (add the column, or drop=['noise'])" in lines
    verdict = latcal.judge(given, "bias", registry, rules=[QUIET], drop=["cr_noise", "mean", "read_noise"])
    assert verdict.accepted


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"rules": []}, "no rule that counts is left"),
        ({"rules": [evolve(QUIET, advisory=True)]}, "no rule that counts is left"),
        ({"drop": ["nois"]}, r"'nois' is not a rule that could be dropped \(there is noise\)"),
        ({"rules": [Rule("noise", "noise <= 10 s")]}, "rule 'noise': "),
        ({"rules": [Rule("mean", "mean <= 10 s")]}, "rule 'mean': 'mean' is not measured"),
    ],
)
def test_nothing_is_accepted_by_silence(arguments: dict[str, object], words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        judge([9.0] * 4, **arguments)


def test_an_exposure_may_have_the_number_0() -> None:
    given = table([90.0, 90.0, 9.0, 9.0])
    given["exposure"] = [0, 0, 1, 1]
    arguments = {"metrics": [NOISE], "rules": [QUIET], "accept": Acceptance(exposures=1)}
    assert latcal.judge(given, "eo_bias", **arguments).failed_exposures == (0,)
    assert not latcal.judge(given, "eo_bias", **arguments).accepted
    assert not latcal.judge(given[:2], "eo_bias", metrics=[NOISE], rules=[QUIET]).accepted


def test_a_rule_without_a_place_in_the_table_is_an_error() -> None:
    with pytest.raises(RecipeError, match="rule 'noise': the table has no row for one amplifier"):
        latcal.judge(table([9.0] * 4)[:0], "eo_bias", metrics=[NOISE], rules=[QUIET])
    given = table([9.0] * 4)
    given["scope"] = ["amplifier"] * 4
    given.add_row(dict(zip(given.colnames, (0, "S1", "", np.nan, "product"), strict=True)))
    with pytest.raises(RecipeError, match="rule 'noise': no row of S1 names an amplifier"):
        latcal.judge(given, "eo_bias", metrics=[NOISE], rules=[QUIET])


def test_a_table_of_products_alone_can_be_accepted_or_refused() -> None:
    rate = Metric("rate", "electron / s", Scope.PRODUCT, "Rate.")
    given = Table({"detector": ["S0", "S1"], "rate": [0.02, 0.03]}, units={"rate": "electron / s"})
    limits = Rule("rate", "rate <= 0.2 electron/s"), Rule("rate", "rate <= 0.025 electron/s")
    verdicts = [latcal.judge(given, "mine", metrics=[rate], rules=[one], accept=Acceptance(1, 1, 1)) for one in limits]
    assert [verdict.accepted for verdict in verdicts] == [True, False]


def test_columns_of_several_lengths_are_an_error_that_says_so() -> None:
    with pytest.raises(RecipeError, match=r"the statistics are not a table: .*give columns of one length"):
        latcal.judge({"exposure": [1], "noise": [1.0, 2.0]}, "eo_bias", metrics=[NOISE], rules=[QUIET])


def test_a_kind_that_nobody_declares_is_an_error(registry: Registry) -> None:
    with pytest.raises(RecipeError, match=r"no plugin declares the calibration 'bais' \(did you mean 'bias'\?\)"):
        latcal.judge(table([9.0] * 4), "bais", registry)
