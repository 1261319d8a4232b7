"""Options for the command line of the pipelines: every field that is known becomes an option that its stage has."""

from __future__ import annotations

from typing import Any

import pytest

from latcal.builtin.procedures.latiss.pipelines import LABELS, TASKS, Field, stage_options
from latcal.errors import RecipeError
from latcal.formats.structure import structure
from latcal.formats.tree import Tree
from latcal.plugin.registry import Registry

KINDS = {"ptc": ("ptc", "gain")}
FIELDS = [
    (pipeline, task, name, one)
    for pipeline, tasks in TASKS.items()
    for task, fields in tasks.items()
    for name, one in fields.items()
]


def kinds_of(pipeline: str) -> tuple[str, ...]:
    return KINDS.get(pipeline, (pipeline,))


def value_of(one: Field) -> str:
    if one.choices:
        return list(one.choices)[-1]
    return {bool: "False", int: "31", float: "0.25"}[one.reads]


def made(registry: Registry, kind: str, options: dict[str, Any]) -> Any:
    return structure(Tree(options), registry.get("calibration", kind).options)


@pytest.mark.parametrize(("pipeline", "task", "name", "one"), FIELDS, ids=[f"{p}-{t}-{n}" for p, t, n, _ in FIELDS])
def test_a_field_becomes_an_option_of_its_stages(
    pipeline: str, task: str, name: str, one: Field, registry: Registry
) -> None:
    found = stage_options(pipeline, f"-c {task}:{name}={value_of(one)}", kinds_of(pipeline))
    for kind in kinds_of(pipeline):
        if one.only not in ("", kind) or not one.path:
            assert found[kind] == {}
            continue
        options = made(registry, kind, found[kind])
        value: Any = options
        for part in one.path:
            value = getattr(value, part)
        wanted = one.options({bool: False, int: 31, float: 0.25}.get(one.reads, value_of(one)))
        for part in one.path:
            wanted = wanted[part]
        assert str(value) == str(wanted).replace("0.25 electron/s", "0.25 electron / s")


def test_a_pipeline_has_its_tasks_also_by_the_labels_that_they_have_now() -> None:
    assert stage_options("ptc", "-c cpExtract:nSigmaClipPtc=4 -c cpPtcIsr:doCrosstalk=True", ("gain",)) == {
        "gain": {"clip": 4.0, "crosstalk": True}
    }
    assert set(LABELS.values()) <= {task for tasks in TASKS.values() for task in tasks}


def test_options_add_up_and_the_last_of_one_field_counts() -> None:
    text = "-c isr:overscan.fitType=MEDIAN_PER_ROW --config isr:overscan.numSigmaClip=3 --config=isr:doDefect=True -c isr:doDefect=False"
    assert stage_options("bias", text, ("bias",)) == {
        "bias": {"overscan": {"serial": "median per row", "clip": 3.0}, "defects": False}
    }


def test_values_may_be_in_quotes_as_a_shell_has_them() -> None:
    assert stage_options("ptc", "-c 'cpPtcSolve:ptcFitType=\"FULLCOVARIANCE\"'", ("ptc",))["ptc"]["model"] == "FULLCOVARIANCE"


def test_a_blank_text_changes_nothing() -> None:
    assert stage_options("bias", "", ("bias",)) == {"bias": {}}


SLIPS = [
    ("bias", "-c irs:doDefect=False", "'irs' is not a task of bias that has options here", "did you mean 'isr'? known: isr, cpBiasCombine"),
    ("bias", "-c isr:dodefect=False", "'dodefect' is not a field of isr that has an option here", "known: doDefect, doCrosstalk"),
    ("bias", "-c isr:doDefect=false", "'false' in 'isr:doDefect=false' is not True or False", "write 'isr:doDefect=True'"),
    ("bias", "-c cpBiasCombine:clip=much", "'much' in 'cpBiasCombine:clip=much' is not a number", "cpBiasCombine:clip=5"),
    ("bias", "-c cpBiasCombine:combine=MEAN", "'MEAN' in 'cpBiasCombine:combine=MEAN' is not one of its choices", "known: MEANCLIP"),
    ("bias", "isr:doDefect=False", "'isr:doDefect=False' is not an option that is read here", "write '-c task:field=value'"),
    ("bias", "-c isr:doDefect", "'isr:doDefect' is not an option of a task", "'-c isr:doDefect=False'"),
    ("bias", "-c doDefect=False", "'doDefect=False' is not an option of a task", "'-c isr:doDefect=False'"),
    ("bias", "-c isr:doDefect=False -c", "nothing follows the last '-c'", "write '-c task:field=value'"),
    ("bias", "-c 'isr:doDefect=False", "cannot be read: no closing quotation", "close every quotation mark"),
    ("defects", "-c isr:doDefect=True", "is not what makes defects", "write 'isr:doDefect=False'"),
    ("defects", "-c measureDefects:nPixBorderUpDown=1.5", "'1.5' in", "=5'"),
]


@pytest.mark.parametrize(("pipeline", "text", "what", "hint"), SLIPS, ids=[text for _, text, _, _ in SLIPS])
def test_a_slip_says_what_it_is_and_what_is_known(pipeline: str, text: str, what: str, hint: str) -> None:
    with pytest.raises(RecipeError, match=f"^config.config_options_{pipeline}: ") as caught:
        stage_options(pipeline, text, (pipeline,))
    (problem,) = caught.value.problems
    assert what in problem.what
    assert hint in problem.hint


def test_all_slips_of_one_text_are_told_at_once() -> None:
    with pytest.raises(RecipeError, match="cpBias") as caught:
        stage_options("bias", "-c cpBias:a=1 nonsense -c isr:doDefect=maybe", ("bias",))
    assert len(caught.value.problems) == 3


def test_a_field_of_a_curve_is_refused_where_only_gains_are_estimated() -> None:
    with pytest.raises(RecipeError, match=r"'cpPtcSolve:ptcFitType=POLYNOMIAL' is of a ptc, and none is made .*do_ptc: true"):
        stage_options("ptc", "-c cpPtcSolve:ptcFitType=POLYNOMIAL", ("gain",))
