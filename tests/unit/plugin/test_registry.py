"""The registry: what is declared is checked and joined by name, and plugins are called in one place."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from latcal.errors import PluginError, Problem, RecipeError
from latcal.plugin import StoreType, hookimpl
from latcal.plugin.registry import Registry, load_plugins
from latcal.testing import strangers


def load(*extra: object) -> Registry:
    return load_plugins(without=["latcal"], extra=extra)


def test_what_a_plugin_declares_is_found_by_kind_and_name() -> None:
    registry = load(strangers)
    assert registry.names("calibration") == ("cloud", "moon", "sky")
    assert registry.get("camera", "webcam").summary == "A webcam"
    assert registry.named("store", "cupboard").plugin == "extra:latcal.testing.strangers:1"


def test_our_own_plugins_come_through_entry_points_and_are_named_by_distribution_and_entry() -> None:
    registry = load_plugins()
    named = registry.named("calibration", "bias")
    assert (named.plugin, named.distribution) == ("latcal:bias", "latcal")
    assert registry.versions["latcal"] == named.version


@pytest.mark.parametrize(("kind", "written", "meant"), [("camera", "webcm", "webcam"), ("store", "cupbord", "cupboard")])
def test_an_unknown_name_suggests_the_nearest(kind: str, written: str, meant: str) -> None:
    words = rf"^no plugin declares the {kind} '{written}', latcal being left out by --without \(did you mean '{meant}'\?\)$"
    with pytest.raises(RecipeError, match=words):
        load(strangers).named(kind, written)


def test_an_unknown_name_near_to_none_lists_all() -> None:
    words = r"^no plugin declares the camera 'x', latcal being left out by --without \(there is webcam\)$"
    with pytest.raises(RecipeError, match=words):
        load(strangers).named("camera", "x")


def test_where_nothing_is_left_out_nothing_is_said_of_it(registry: Registry) -> None:
    assert registry.left_out == ()
    with pytest.raises(RecipeError, match=r"^no plugin declares the camera 'x' \(there is replay, simulated\)$"):
        registry.named("camera", "x")


def test_one_name_may_be_declared_of_two_kinds() -> None:
    class Plugin:
        @hookimpl
        def latcal_stores(self) -> list[StoreType]:
            return [StoreType(name="webcam", summary="", options=strangers.Nothing, open=lambda options, world: None)]

    assert load(strangers, Plugin()).names("store") == ("cupboard", "webcam")


def test_a_hook_implementation_gets_the_arguments_that_it_takes_and_no_others() -> None:
    heard: list[Any] = []

    class Plugin:
        @hookimpl
        def latcal_preflight(self, camera: object) -> None:
            heard.append(camera)

    assert [answer for _, answer in load(Plugin()).hook("latcal_preflight", plan=1, store=2, camera=3)] == [()]
    assert heard == [3]


def named_plugin(name: str, answer: Callable[[], Any]) -> object:
    @hookimpl
    def latcal_check_plan() -> Any:
        return answer()

    return SimpleNamespace(__name__=name, latcal_check_plan=latcal_check_plan)


def finds(what: str) -> Callable[[], Any]:
    return lambda: iter([Problem(what)])


def found(registry: Registry, *extra: Any) -> list[str]:
    return [problem.what for _, answer in registry.hook("latcal_check_plan", *extra, plan=None) for problem in answer]


def test_hooks_are_called_in_the_order_of_their_plugins_names_whatever_the_order_of_loading() -> None:
    b, a = named_plugin("b", finds("b")), named_plugin("a", finds("a"))
    assert found(load(b, a)) == found(load(a, b)) == ["a", "b"]


def test_a_plugin_of_one_run_is_called_after_the_others_and_is_not_registered() -> None:
    registry = load(named_plugin("a", finds("a")))
    assert found(registry, (named_plugin("own", finds("own")), "my run")) == ["a", "own"]
    assert len(registry.implementations("latcal_check_plan")) == 1


def test_a_plugin_of_one_run_without_that_hook_is_passed_over() -> None:
    assert list(load().hook("latcal_check_plan", (object(), "my run"), plan=None)) == []


def test_asking_a_function_of_a_declaration_names_it_its_kind_and_its_distribution() -> None:
    registry = load(strangers)
    words = r"^extra:latcal\.testing\.strangers: open of the camera 'webcam' raised NotImplementedError: 3 is for reading"
    with pytest.raises(PluginError, match=words):
        registry.ask(registry.named("camera", "webcam"), "open", 3, SimpleNamespace(run="now"))


def test_defaults_are_those_of_every_option(registry: Registry) -> None:
    assert registry.defaults("executor", "processes").workers is None
