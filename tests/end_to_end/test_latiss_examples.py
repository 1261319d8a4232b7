"""The examples of the LATISS page, on the bench: each comes to the end that its comment tells."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import latcal
from latcal.cli import main
from latcal.model.validity import instant
from latcal.plugin.registry import Registry

EXAMPLES = Path(__file__).parents[2] / "recipes" / "latiss"
ON_BENCH = ("--set", "instrument=bench", "--set", "executor={use: serial}")
IN_RED = ("--set", "config.filter=r")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments), catch_exceptions=False)


def example(name: str, *settings: str, command: str = "recipe") -> Result:
    return run(command, str(EXAMPLES / f"{name}.yaml"), *ON_BENCH, *settings)


def seconds(planned: str) -> float:
    """Read a time: ``2 min 15 s``."""
    return sum(float(n) * {"h": 3600, "min": 60, "s": 1}[unit] for n, unit in re.findall(r"(\d+) (h|min|s)\b", planned))


def clocks(done: Result, registry: Registry) -> tuple[float, float]:
    """Give the camera time that a run planned, and what the simulated clock shows of it [s]."""
    planned = re.search(r"steps; (.*) of camera time", done.output)[1]
    taken = re.findall(r"exposures? taken .*, (\d+) to (\d+)$", done.output, re.M)
    with latcal.open_store("folder", registry, root="./store") as store:
        first, last = store.exposure(int(taken[0][0])), store.exposure(int(taken[-1][1]))
    return seconds(planned), float((last.begin - first.begin).to_value("s")) + last.time_s + READOUT_S


READOUT_S = 2.0  # of the bench


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Give a folder whose store has the references."""
    folder = tmp_path_factory.mktemp("latiss")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert example("reference").exit_code == 0
        yield folder


def test_there_is_an_example_for_each_of_the_page() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.yaml")} == {
        "reference", "daily", "exposure_times", "numbers_and_times", "internal", "ptc", "ptc_and_defects", "quick_gain",
        "three_images",
    }  # fmt: skip


def test_the_daily_default_is_verified_against_the_references_and_tells_the_gains(night: Path, registry: Registry) -> None:
    done = example("daily")
    planned, took = clocks(done, registry)
    assert planned == pytest.approx(took, abs=1.0)  # it is told in whole seconds
    assert done.exit_code == 0, done.output
    for kind in ("BIAS", "DARK", "FLAT"):
        assert f"{kind} calibration passed " in done.output
    gains = done.output.split("Estimated from each pair of flats, by its first exposure, detector and amplifier:")[1]
    assert gains.count("\tExposure ID: ") == 10
    assert gains.count("\t \t S00 C") == 10 * 16
    assert "nothing is certified" in done.output


FEWER = [word for key in ("n_bias", "n_dark", "n_flat") for word in ("--set", f"config.{key}=4")]
"""For what differs from the daily default in times alone."""


@pytest.mark.parametrize(("name", "settings"), [("exposure_times", FEWER), ("numbers_and_times", ()), ("quick_gain", ())])
def test_an_example_of_external_verification_comes_to_its_end_and_certifies_nothing(
    name: str, settings: tuple[str, ...], night: Path, registry: Registry
) -> None:
    before = run("products").output
    done = example(name, *settings)
    assert done.exit_code == 0, done.output
    planned, took = clocks(done, registry)
    assert planned == pytest.approx(took, abs=1.0)
    assert run("products").output == before


def test_the_time_that_is_planned_has_the_waits_between_exposures(night: Path, registry: Registry) -> None:
    settings = ("--set", "config.wait_between_exposures=1.5", "--set", "config.exp_times_flat=[1.2, 1.2, 3, 3]")
    planned, took = clocks(example("quick_gain", *settings), registry)
    assert took == pytest.approx(9.6 + 5 * 2.0 + 4 * 1.5)
    assert planned == pytest.approx(took, abs=1.0)


BRIGHT = ("--set", "camera={use: simulated, seed: 7, first: 80, lamp: 45000 electron/s}")
"""So that flats of 0.1 to 1.6 s reach 72000 electrons. With the lamp of the other examples they reach 3200: the sensor of LATISS
has pixels enough to tell the brighter-fatter effect of those, the bench has not."""


def test_a_curve_and_defects_are_measured_and_not_certified_without_generation(night: Path, registry: Registry) -> None:
    first = "u/czw/DM-28920/calib.20210720"  # the first of the collections that the example names
    few = ["config.n_bias=20", "config.exp_times_dark=30", "config.n_dark=20", "config.n_flat=30", "config.exp_times_flat=1.8"]
    of_old = [word for one in (*few, f"config.calib_collection={first}") for word in ("--set", one)]
    assert example("reference", *BRIGHT, *of_old).exit_code == 0
    before = run("products").output
    done = example("ptc_and_defects", *BRIGHT)
    assert done.exit_code == 0, done.output
    assert re.search(rf"^uses flat of detector 0 \w+ from {first}$", done.output, re.M)
    assert re.search(r"^uses bias of detector 0 \w+ from LATISS/calib$", done.output, re.M)
    planned, took = clocks(done, registry)
    assert planned == pytest.approx(took, abs=1.0)
    for kind in ("BIAS", "DARK", "FLAT", "DEFECTS", "PTC", "GAIN"):
        assert f"{kind} calibration passed " in done.output
    assert "so calib_collection and certify_calib_begin_date and certify_calib_end_date say nothing here" in done.output
    assert run("products").output == before


def test_internal_verification_certifies_for_one_day_and_refuses_the_same_again_before_it_begins(night: Path) -> None:
    done = example("internal")
    assert done.exit_code == 0, done.output
    assert "note: what is certified into LATISS/calib/daily/calib.2022NOV04.1 holds 2022-11-04 to 2022-11-05, which " in done.output
    into = "LATISS/calib/daily/calib.2022NOV04.1"
    assert done.output.count(f"into {into}, 2022-11-04 to 2022-11-05") >= 3
    for kind in ("BIAS", "DARK", "FLAT"):
        assert f"{kind} calibration passed " in done.output
    again = example("internal")
    assert again.exit_code == 4
    assert f"config.calib_collection: {into}: a bias for detector 0 is already valid" in again.stderr
    assert f"certify into another collection: --set config.calib_collection={into}.2, or another range" in again.stderr
    assert "2022-11-05" in again.stderr
    assert example("internal", "--set", f"config.calib_collection={into}.2", command="plan").exit_code == 0


def test_a_curve_and_defects_are_certified_with_the_calibrations_they_were_made_with(night: Path, registry: Registry) -> None:
    path = EXAMPLES / "ptc.yaml"
    settings = (*ON_BENCH[1::2], *IN_RED[1::2])
    recipe = latcal.read(path.read_text("utf-8"), str(path), registry, settings=settings)
    report = latcal.run(latcal.plan(recipe, registry), registry, now=lambda: instant("2022-11-04T20:00:00"))
    assert report.exit_code == 0, report.stages
    into, flat = "LATISS/calib/daily/calibs.2022NOV04.1", max(report.exposures.values())
    with latcal.open_store("folder", registry, root="./store", instrument=registry.get("instrument", "bench").load()) as store:
        read = {kind: store.get(store.find_exposure(kind, 0, flat, [into])) for kind in ("bias", "dark", "flat", "defects", "ptc")}
        extract = store.get(store.of_exposure("cpPtcExtract", 0, flat - 1)).tables["amplifiers"]
    assert all(read[kind].planes["image"].shape == (400, 640) for kind in ("bias", "dark", "flat"))
    assert read["defects"].planes["mask"].any()
    assert len(read["defects"].tables["defects"]["x0"].values) > 0
    assert read["ptc"].tables["amplifiers"]["gain"].values[0] == pytest.approx(1.08, rel=0.1)
    assert len(extract["gain"].values) == len(extract["noise"].values) == 16


def test_three_images_fail_noise_and_say_so_in_the_words_of_the_page(night: Path) -> None:
    done = example("three_images")
    assert done.exit_code == 1, done.output
    lines = done.output.splitlines()
    assert "BIAS calibration failed verification and will not be certified." in lines
    assert lines.count("\tNOISE: 16") == 3
    assert "\tAcceptable maximum number of failed exposures: 3" in lines
    assert "\tFinal number of exposures that failed verification: 3" in lines
    assert "DARK skipped: bias was refused" in lines
    assert "daily.2022SEP29.2" not in run("products").output


def test_what_is_taken_unverified_says_so_wherever_it_is_named(night: Path, registry: Registry) -> None:
    settings = [
        word
        for setting in ("do_verify=false", "user=Ana", "calib_collection=calib/trust", "script_mode=BIAS_DARK", "n_bias=3", "n_dark=3",
                        "exp_times_dark=30")
        for word in ("--set", f"config.{setting}")
    ]  # fmt: skip
    signed = "Ana: do_verify is false"
    planned = example("internal", *settings, command="plan")
    assert planned.output.count(f"UNVERIFIED: {signed}") == 4  # Verify and Certify of two
    done = example("internal", *settings)
    assert done.exit_code == 0, done.output
    assert f"UNVERIFIED  bias will not be judged: {signed}" in done.output
    assert f"BIAS calibration was not verified, waived by {signed}; certified UNVERIFIED into calib/trust" in done.output
    assert run("products", "--collection", "calib/trust").output.count(f"UNVERIFIED: {signed}") == 2
    with latcal.open_store("folder", registry, root="./store") as store:
        one = next(iter(store.list("bias", "calib/trust")))
        assert one.unverified == signed
        assert store.get(one.ref).provenance.unverified == signed


def test_references_that_are_missing_are_named_with_the_collections_before_anything_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = example("daily", "--set", "config.input_collections_verify_dark=u/czw/DM-28920,LATISS/calib")
    assert done.exit_code == 4
    lines = done.stderr.splitlines()
    assert any("no bias for detector 0" in line and "in LATISS/calib" in line for line in lines)
    assert any("no dark for detector 0" in line and "in u/czw/DM-28920, LATISS/calib" in line for line in lines)
    assert any("config.input_collections_verify_dark: no dark for detector 0" in line for line in lines)
    assert any("config.input_collections_verify_bias: no bias for detector 0" in line for line in lines)
    assert not list(tmp_path.rglob("*.fits"))


def test_a_set_with_a_frame_that_did_not_come_fails_unless_a_smallest_number_is_written(night: Path) -> None:
    fault = "camera.faults=[{what: never arrives, sequence: biases, exposures: 5}]"
    lost = ("--set", "config.script_mode=BIAS", "--set", fault, "--set", "config.oods_timeout=3")
    done = example("daily", *lost)
    assert done.exit_code == 4, done.output
    assert "3 of 20 frames came, and 20 are wanted (missing: biases 5/21" in done.output
    assert "limits.answer 3 s" in done.output
    done = example("daily", *lost, "--set", "config.at_least_bias=15")
    assert "biases 5/21" in done.output
    assert "BIAS calibration passed " in done.output
