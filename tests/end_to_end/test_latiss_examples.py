"""The examples of the LATISS page, on the bench or its corner: each comes to the end that its comment tells."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from corner import CORNER, EVERY

import latcal
from latcal.cli import main
from latcal.model.events import Status
from latcal.model.report import RunReport
from latcal.plugin.judged import run_report
from latcal.plugin.registry import Registry

EXAMPLES = Path(__file__).parents[2] / "recipes" / "latiss"
SERIAL = ("--set", "executor={use: serial}")
ON_BENCH = ("--set", "instrument=bench", *SERIAL)
ON_CORNER = ("--set", f"instrument={CORNER}", *SERIAL)


def threshold(*kinds: str) -> tuple[str, ...]:
    """Let an exposure fail where both amplifiers of the corner do: of 16, eight must."""
    key = "config.number_verification_tests_threshold"
    return tuple(word for kind in kinds for word in ("--set", f"{key}_{kind}={EVERY}"))


ALL = threshold("bias", "dark", "flat")
IN_RED = ("--set", "config.filter=r")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments), catch_exceptions=False)


def example(name: str, *settings: str, command: str = "recipe", on: tuple[str, ...] = ON_CORNER) -> Result:
    return run(command, str(EXAMPLES / f"{name}.yaml"), *on, *settings)


def seconds(planned: str) -> float:
    """Read a time: ``2 min 15 s``, or the first of ``8 s: the bias WILL FAIL, ... (1 min 16 s if all passed)``."""
    planned = re.match(r"(\d+ (h|min|s) ?)+", planned)[0]
    return sum(float(n) * {"h": 3600, "min": 60, "s": 1}[unit] for n, unit in re.findall(r"(\d+) (h|min|s)\b", planned))


READOUT_S = 2.0  # of the bench and its corner


def timed(name: str, registry: Registry, *settings: str, on: tuple[str, ...] = ON_CORNER) -> tuple[Result, float]:
    """Run an example, and see that it takes the camera time that its plan says: within a second, and 10 %.

    Returns
    -------
    (Result, float [s])
        The run, and what the simulated clock shows of it.
    """
    planned = re.search(r"^camera time (.*)$", example(name, *settings, command="plan", on=on).output, re.M)[1]
    done = example(name, *settings, on=on)
    taken = re.findall(r"exposures? taken .*, (\d+) to (\d+)$", done.output, re.M)
    with latcal.open_store("folder", registry, root="./store") as store:
        first, last = store.exposure(int(taken[0][0])), store.exposure(int(taken[-1][1]))
    took = float((last.begin - first.begin).to_value("s")) + last.time_s + READOUT_S
    assert seconds(planned) == pytest.approx(took, abs=min(1.0, 0.1 * took)), planned  # it is told in whole seconds
    assert seconds(re.search(r"steps; (.*) of camera time", done.output)[1]) == seconds(planned)
    return done, took


def reported(done: Result, registry: Registry) -> RunReport:
    """Read the events of a run back from its store."""
    with latcal.open_store("folder", registry, root="./store") as store:
        return run_report(store, re.search(r"^  run +(\S+),", done.output, re.M)[1])


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory, registry: Registry) -> Iterator[Path]:
    """Give a folder whose store has the references."""
    folder = tmp_path_factory.mktemp("latiss")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert timed("reference", registry, *ALL)[0].exit_code == 0
        yield folder


def test_there_is_an_example_for_each_of_the_page() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.yaml")} == {
        "reference", "daily", "exposure_times", "numbers_and_times", "internal", "ptc", "ptc_and_defects", "quick_gain",
        "three_images",
    }  # fmt: skip


def test_the_daily_default_is_verified_against_the_references_and_tells_the_gains(night: Path, registry: Registry) -> None:
    done, _ = timed("daily", registry, *ALL)
    assert done.exit_code == 0, done.output
    for kind in ("BIAS", "DARK", "FLAT"):
        assert f"{kind} calibration passed " in done.output
    gains = done.output.split("Estimated from each pair of flats, by its first exposure, detector and amplifier:")[1]
    assert gains.count("\tExposure ID: ") == 10
    assert gains.count("\t \t S00 C") == 10 * EVERY
    assert "nothing is certified" in done.output


FEWER = [word for key in ("n_bias", "n_dark", "n_flat") for word in ("--set", f"config.{key}=4")]
"""For what differs from the daily default in times alone."""


@pytest.mark.parametrize(("name", "settings"), [("exposure_times", (*FEWER, *ALL)), ("numbers_and_times", ALL), ("quick_gain", ())])
def test_an_example_of_external_verification_comes_to_its_end_and_certifies_nothing(
    name: str, settings: tuple[str, ...], night: Path, registry: Registry
) -> None:
    before = run("products").output
    done, _ = timed(name, registry, *settings)
    assert done.exit_code == 0, done.output
    assert run("products").output == before


def test_the_time_that_is_planned_has_the_waits_between_exposures(night: Path, registry: Registry) -> None:
    settings = ("--set", "config.wait_between_exposures=1.5", "--set", "config.exp_times_flat=[1.2, 1.2, 3, 3]")
    assert timed("quick_gain", registry, *settings)[1] == pytest.approx(9.6 + 5 * 2.0 + 4 * 1.5)


def test_internal_verification_certifies_for_one_day_and_refuses_the_same_again_before_it_begins(
    night: Path, registry: Registry
) -> None:
    done, _ = timed("internal", registry, *ALL)
    assert done.exit_code == 0, done.output
    into = "LATISS/calib/daily/calib.2022NOV04.1"
    assert f"note: what is certified into {into} holds 2022-11-04 to 2022-11-05, which " in done.output
    assert done.output.count(f"into {into}, 2022-11-04 to 2022-11-05") >= 3
    for kind in ("BIAS", "DARK", "FLAT"):
        assert f"{kind} calibration passed " in done.output
    again = example("internal", *ALL)
    assert again.exit_code == 4
    assert f"config.calib_collection: {into}: a bias for detector 0 is already valid" in again.stderr
    assert f"certify into another collection: --set config.calib_collection={into}.2, or another range" in again.stderr
    assert "2022-11-05" in again.stderr
    assert example("internal", *ALL, "--set", f"config.calib_collection={into}.2", command="plan").exit_code == 0


def test_three_images_fail_noise_as_planned_and_say_so_in_the_words_of_the_page(night: Path, registry: Registry) -> None:
    done, took = timed("three_images", registry, on=ON_BENCH)  # its counts are those of 16 amplifiers
    assert took == pytest.approx(4 * READOUT_S)
    assert "the bias WILL FAIL, and steps 6 to 13 are skipped (1 min 16 s if all passed)" in done.output
    report = reported(done, registry)
    assert report.started.foreseen.skipped == tuple(step.line.id for step in report.steps if step.status is Status.SKIPPED)
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
    done = example("daily", *ALL, "--set", "config.input_collections_verify_dark=u/czw/DM-28920,LATISS/calib")
    assert done.exit_code == 4
    lines = done.stderr.splitlines()
    assert any("no bias for detector 0" in line and "in LATISS/calib" in line for line in lines)
    assert any("no dark for detector 0" in line and "in u/czw/DM-28920, LATISS/calib" in line for line in lines)
    assert any("config.input_collections_verify_dark: no dark for detector 0" in line for line in lines)
    assert any("config.input_collections_verify_bias: no bias for detector 0" in line for line in lines)
    assert not list(tmp_path.rglob("*.fits"))


def test_a_set_with_a_frame_that_did_not_come_fails_unless_a_smallest_number_is_written(night: Path) -> None:
    fault = "camera.faults=[{what: never arrives, sequence: biases, exposures: 5}]"
    lost = (*threshold("bias"), "--set", "config.script_mode=BIAS", "--set", fault, "--set", "config.oods_timeout=3")
    done = example("daily", *lost)
    assert done.exit_code == 4, done.output
    assert "3 of 20 frames came, and 20 are wanted (missing: biases 5/21" in done.output
    assert "limits.answer 3 s" in done.output
    done = example("daily", *lost, "--set", "config.at_least_bias=15")
    assert "biases 5/21" in done.output
    assert "BIAS calibration passed " in done.output


LAMP = "camera={use: simulated, seed: 7, first: %d, lamp: 45000 electron/s}"
"""So bright that flats of 0.1 to 1.6 s reach 72000 electrons. With the lamp of the other examples they reach 3200: the sensor of
LATISS has pixels enough to tell the brighter-fatter effect of those, the bench has not."""

REFERENCE = ("calib_collection=LATISS/calib", "certify_calib_begin_date=2020-01-01", "certify_calib_end_date=2050-01-01")
"""What makes new calibrations those that others are verified against."""

SHORTER = "exp_times_flat=[0.2, 0.2, 0.4, 0.4, 0.6, 0.6, 0.8, 0.8, 1.0, 1.0, 1.2, 1.2, 1.4, 1.4]"
"""The flats of the example in that light: of the same levels."""


@pytest.fixture(scope="module")
def curves(tmp_path_factory: pytest.TempPathFactory, registry: Registry) -> Iterator[tuple[Path, Result]]:
    """Give a folder whose store has a curve and defects of the whole bench: of its corner an edge is too large a part."""
    folder = tmp_path_factory.mktemp("curves")
    settings = (LAMP % 80, *(f"config.{key}" for key in (*REFERENCE, SHORTER)))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        done, _ = timed("ptc", registry, *IN_RED, *(word for setting in settings for word in ("--set", setting)), on=ON_BENCH)
        assert done.exit_code == 0, done.output
        yield folder, done


def test_a_curve_and_defects_are_certified_and_read_back_for_an_exposure_as_the_page_does(
    curves: tuple[Path, Result], registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, done = curves
    monkeypatch.chdir(folder)
    flat = int(re.search(r"flats: 15 exposures taken \(1 discarded\), \d+ to (\d+)", done.output)[1])
    bench = registry.get("instrument", "bench").load()
    with latcal.open_store("folder", registry, root="./store", instrument=bench) as store:
        assert {one.ref.kind for one in store.list(collection="LATISS/calib")} == {"bias", "dark", "flat", "defects", "ptc"}
        read = {kind: store.get(store.find_exposure(kind, 0, flat, ["LATISS/calib"])) for kind in ("bias", "dark", "flat", "defects", "ptc")}
        pair = store.get(store.of_exposure("cpPtcExtract", 0, flat - 1)).tables["amplifiers"]
    assert all(read[kind].planes["image"].shape == (400, 640) for kind in ("bias", "dark", "flat"))
    assert read["defects"].planes["mask"].any()
    assert len(read["defects"].tables["defects"]["x0"].values) > 0
    gains = read["ptc"].tables["amplifiers"]["gain"].values
    assert gains == pytest.approx(pair["gain"].values, rel=0.2)  # of one pair of a bench, and of seven
    assert len(pair["noise"].values) == 16


def test_a_curve_and_defects_are_measured_and_not_certified_without_generation(
    curves: tuple[Path, Result], registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(curves[0])
    before = run("products").output
    # the flats in the light of those they are verified against, with other noise
    done, _ = timed("ptc_and_defects", registry, *IN_RED, "--set", "config.grating=empty", "--set", LAMP % 300, on=ON_BENCH)
    assert done.exit_code == 0, done.output
    for kind in ("BIAS", "DARK", "FLAT", "DEFECTS", "PTC", "GAIN"):
        assert f"{kind} calibration passed " in done.output
    assert "so calib_collection and certify_calib_begin_date and certify_calib_end_date say nothing here" in done.output
    assert run("products").output == before
