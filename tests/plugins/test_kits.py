"""Suites can fail: broken plugins of every kind, each caught by the test that is named, in words that help."""

from __future__ import annotations

import importlib.util
import inspect
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from latcal.model.steps import Build
from latcal.testing import samples
from latcal.testing.nights import load
from latcal.testing.once import once
from latcal.testing.stories import stories
from latcal.testing.trials import Trial


def _careless() -> Any:
    spec = importlib.util.spec_from_file_location("latcal_test_careless", Path(__file__).with_name("careless_plugins.py"))
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


careless = _careless()

CAUGHT = [
    (
        careless.CalibrationThatWritesIntoItsInputKit, "test_pixels_that_it_is_given_are_not_changed_and_give_the_same_again",
        r"build_amplifier changes pixels that it was given \(work on a copy\)",
    ),
    (careless.CalibrationByDiceKit, "test_another_run_in_threads_gives_the_same_products_and_numbers", "At index 0 diff"),
    (careless.CalibrationOfLambdasKit, "test_its_functions_and_options_can_be_sent_to_another_process", "<lambda>"),
    (careless.CarelessCalibrationKit, "test_the_order_of_frames_changes_nothing", "plane 'image'"),
    (careless.CarelessCalibrationKit, "test_pixels_without_value_stay_without_value", "NaN in every frame have a value in the"),
    (careless.CarelessCalibrationKit, "test_pixels_without_value_leave_every_number_one", "a few pixels .* make NaN of level"),
    (careless.CarelessCalibrationKit, "test_what_its_rules_compare_is_measured", "'ghost' compares ghost, which is not meas"),
    (careless.CarelessCalibrationKit, "test_what_it_needs_pins_and_waives_are_kinds", r"pins what it does not need: \['dark'\]"),
    (careless.CarelessCalibrationKit, "test_its_budget_is_of_its_own_rules", "'nois' in "),
    (careless.CarelessCalibrationKit, "test_one_exposure_is_enough_or_deliberately_not", "one exposure: .*IndexError"),
    (careless.MoodyCalibrationKit, "test_its_check_gives_the_same_answer_twice", "not today"),
    (
        careless.CarelessCameraKit, "test_an_exposure_under_way_is_aborted_from_another_thread_and_the_next_one_works",
        r"the exposure goes on 0\.2 s after the abort",
    ),
    (careless.CarelessCameraKit, "test_exposures_come_in_the_setup_that_was_foretold", "filter: None != 'g'"),
    (careless.CarelessCameraKit, "test_pixels_can_be_read_again_by_others_after_the_camera_is_closed", "the shutter is closed"),
    (careless.CarelessCameraKit, "test_a_filter_that_it_has_not_is_a_problem_that_names_it", "no problem names 'octarine'"),
    (careless.CameraByDiceKit, "test_the_same_requests_give_the_same_pixels_to_a_camera_opened_anew", "Arrays are not equal"),
    (
        careless.LitCameraKit, "test_hardware_is_left_as_it_was_found_whatever_ends_its_use",
        "it is not so after _take_all",
    ),
    (careless.LitCameraKit, "test_a_run_that_ends_well_leaves_hardware_as_it_was_found", r"'on' == 'off'"),
    (careless.LitCameraKit, "test_flats_are_taken_to_a_level", r"'on' == 'off'"),
    (careless.LitCameraKit, "test_a_gate_that_does_not_hold_is_shown_and_refuses_by_value_and_limit", "no gate of bias is shown"),
    (careless.LitCameraKit, "test_a_camera_in_trouble_says_so_in_time_and_can_be_closed", "None is no CameraError"),
    (careless.LitCameraKit, "test_frames_of_an_exposure_that_was_taken_again_are_marked", "no RETRIED in the header"),
    (
        careless.LitCameraKit, "test_what_it_offers_and_its_gates_are_told_without_an_exposure",
        "which is not a mapping of names to texts",
    ),
    (careless.CarelessStoreKit, "test_overlapping_ranges_are_refused_and_touching_ones_are_not", "DID NOT RAISE"),
    (careless.CarelessStoreKit, "test_of_threads_that_certify_the_same_range_exactly_one_wins", r"\[1, 1, 1"),
    (careless.CarelessStoreKit, "test_threads_never_reserve_the_same_id", "2022110400001"),
    (careless.CarelessStoreKit, "test_changing_an_array_later_changes_no_product", "assert"),
    (careless.CarelessStoreKit, "test_what_one_handle_wrote_another_finds", "no bias for detector 0"),
    (careless.CarelessStoreKit, "test_the_newest_product_that_belongs_to_an_exposure_is_found_certified_or_not", "Differing attr"),
    (careless.CarelessStoreKit, "test_what_is_attached_to_a_product_comes_back_to_the_last_byte_and_may_be_replaced", "earlier"),
    (careless.CarelessStoreKit, "test_what_is_not_attached_is_an_error", "DID NOT RAISE"),
    (
        careless.HastyStoreKit, "test_a_writer_that_is_killed_leaves_nothing_half_written_and_is_in_nobodys_way",
        "is cut short|is not FITS|no raw frame",
    ),
    (careless.CarelessExecutorKit, "test_results_come_in_the_order_of_the_items", "At index 0 diff"),
    (careless.CarelessExecutorKit, "test_items_are_taken_from_their_source_as_they_are_needed", "3000 of 3000 items were taken"),
    (careless.CarelessExecutorKit, "test_a_deliberate_error_keeps_its_problems", "a task failed"),
    (careless.CarelessExecutorKit, "test_a_run_that_is_told_to_end_begins_no_more_items", "DID NOT RAISE"),
    (
        careless.CarelessExecutorKit,
        "test_it_says_in_one_line_how_a_step_will_run_before_it_is_entered",
        r"'\\n' not in 'four\\nthreads'",
    ),
    (careless.CarelessReporterKit, "test_a_run_that_never_starts_leaves_nothing_behind", r"night\.txt"),
    (careless.CarelessReporterKit, "test_the_same_events_give_the_same_text", "RunStarted"),
    (careless.CarelessReporterKit, "test_its_method_is_marked_as_the_hook", "None is not None"),
    (careless.SharingReporterKit, "test_two_that_hear_two_runs_at_once_have_nothing_to_do_with_each_other", "RunStarted"),
    (careless.RaisingReporterKit, "test_it_hears_every_sort_of_event", "the reporter: latcal_event raised KeyError: 'findings'"),
    (careless.RaisingReporterKit, "test_events_that_it_does_not_know_disturb_it_not", "raised TypeError: no such event"),
    (
        careless.CarelessProcedureKit, "test_what_it_gives_is_plain_data",
        r"store\.root is .*Path\('store'\), labels\.taken is datetime",
    ),
    (careless.CarelessProcedureKit, "test_it_gives_the_same_recipe_twice_whatever_becomes_of_the_first", "latcal: 1"),
    (careless.CarelessProcedureKit, "test_it_writes_nothing", r"seen\.txt"),
    (careless.LenientProcedureKit, "test_configurations_that_are_wrong_are_refused_in_words", "DID NOT RAISE"),
    (careless.CarelessInstrumentKit, "test_declaring_them_loads_none", "small was loaded to be declared"),
    (careless.CarelessInstrumentKit, "test_they_load_as_what_they_are_named", "'hasty': 'small'"),
    (careless.CarelessInstrumentKit, "test_no_pixel_of_a_raw_image_is_two_things", "its serial overscan has pixels of the data"),
    (careless.CarelessInstrumentKit, "test_gains_noises_and_saturations_are_numbers_above_zero", r"read_noise is 0\.0"),
]
"""The kit of a broken plugin, a test of it, and what that must say."""


def given(name: str, kit: Any, folder: Path, request: pytest.FixtureRequest, stack: ExitStack) -> Any:
    """Give what the fixture of that name gives to a test of a suite."""
    match name:
        case "trial":
            return once(request.session, f"trial of {type(kit).__name__}", lambda: Trial(kit.plugin(), kit.recipe()))
        case "loaded":
            return load(kit.plugin())
        case "instruments":
            loaded = load(kit.plugin())
            return {one: loaded.registry.get("instrument", one).load() for one in loaded.names("instrument")}
        case "store":
            return stack.enter_context(kit.open(folder))
        case "executor":
            return stack.enter_context(kit.open(samples.world(folder)))
        case "nights":
            return once(request.session, "nights", lambda: stories(folder / "kept"))
        case "story":
            return "refused"
        case "step":
            return Build(3, 0, "bias", (0, 1), {})
    return request.getfixturevalue(name)


@pytest.mark.parametrize(("kit", "test", "words"), CAUGHT, ids=[f"{kit.__name__}-{test}" for kit, test, _ in CAUGHT])
def test_a_broken_plugin_is_caught(
    kit: Any, test: str, words: str, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # one of them leaves a file where it is called
    suite = kit()
    method = getattr(suite, test)
    with ExitStack() as stack:
        arguments = {name: given(name, suite, tmp_path, request, stack) for name in inspect.signature(method).parameters}
        with pytest.raises((Exception, pytest.fail.Exception), match=words):
            method(**arguments)
