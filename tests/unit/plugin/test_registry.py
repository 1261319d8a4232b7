"""The registry: what is declared is checked and joined by name, and plugins are called in one place."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from attrs import field, frozen

from latcal.errors import CameraError, NotReady, PluginError, Problem, RecipeError
from latcal.plugin import CameraType, StoreType, hookimpl
from latcal.plugin.calling import call
from latcal.plugin.registry import Registry, load_plugins
from latcal.testing import strangers


def declare(name: str = "webcam", options: type = strangers.Nothing, **changes: Any) -> CameraType:
    given: dict[str, Any] = {"open": lambda options, world: None, "describe": lambda options, instrument: None}
    return CameraType(name=name, summary="A camera", options=options, **{**given, **changes})


def camera_plugin(*cameras: object) -> object:
    class Plugin:
        @hookimpl
        def latcal_cameras(self) -> Iterator[object]:
            yield from cameras

    return Plugin()


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


def test_without_a_plugin_what_it_declares_does_not_exist() -> None:
    registry = load_plugins(without=["latcal:dark"])
    assert "dark" not in registry.names("calibration")
    assert "bias" in registry.names("calibration")


def test_without_a_plugin_that_is_not_installed_is_an_error() -> None:
    with pytest.raises(PluginError, match=r"--without latcal:drak: no such plugin or distribution is installed"):
        load_plugins(without=["latcal:drak"])


@pytest.mark.parametrize("kind", ["camera", "store"])
def test_an_unknown_name_suggests_the_nearest(kind: str) -> None:
    registry = load(strangers)
    with pytest.raises(RecipeError, match=f"no plugin declares the {kind} 'webcm|cupbord' .did you mean '(webcam|cupboard)'"):
        registry.named(kind, {"camera": "webcm", "store": "cupbord"}[kind])


def test_an_unknown_name_near_to_none_lists_all() -> None:
    with pytest.raises(RecipeError, match=r"no plugin declares the camera 'x' \(there is webcam\)"):
        load(strangers).named("camera", "x")


def test_two_plugins_that_declare_one_name_are_both_named_with_the_way_out() -> None:
    with pytest.raises(PluginError) as caught:
        load(strangers, camera_plugin(declare()))
    text = str(caught.value)
    assert text.startswith("two plugins declare the camera 'webcam': extra:Plugin:2 ")
    assert "extra:latcal.testing.strangers:1" in text
    assert "--without extra:latcal.testing.strangers:1" in text


def test_one_name_may_be_declared_of_two_kinds() -> None:
    class Plugin:
        @hookimpl
        def latcal_stores(self) -> list[StoreType]:
            return [StoreType(name="webcam", summary="", options=strangers.Nothing, open=lambda options, world: None)]

    assert load(strangers, Plugin()).names("store") == ("cupboard", "webcam")


@frozen
class Silent:
    port: int
    speed: int = field(default=1, metadata={"help": "How fast."})


@pytest.mark.parametrize(
    ("declaration", "message"),
    [
        (declare("web cam"), r"'web cam' is not a name for a camera \(letters, digits and _\)"),
        (declare(""), r"'' is not a name for a camera"),
        (declare(options=dict), r"options of the camera 'webcam' is not an attrs class"),
        (declare(options=Silent), r"options of the camera 'webcam' have no help text: port$"),
        ("webcam", r"declares 'webcam' as a camera, which is not a CameraType"),
    ],
)
def test_a_declaration_that_is_not_one_stops_the_program(declaration: object, message: str) -> None:
    with pytest.raises(PluginError, match=f"^extra:Plugin: .*{message}"):
        load(camera_plugin(declaration))


def test_a_plugin_that_raises_while_declaring_is_named() -> None:
    class Plugin:
        @hookimpl
        def latcal_cameras(self) -> Iterator[CameraType]:
            yield declare()
            raise ZeroDivisionError("no pixels")

    with pytest.raises(PluginError, match=r"^extra:Plugin: latcal_cameras raised ZeroDivisionError: no pixels$"):
        load(Plugin())


def test_a_plugin_that_declares_nothing_is_fine() -> None:
    class Plugin:
        @hookimpl
        def latcal_cameras(self) -> None:
            return None

    assert load(Plugin()).names("camera") == ()


def test_a_hook_that_does_not_exist_is_refused() -> None:
    class Plugin:
        @hookimpl
        def latcal_camera(self) -> None:
            return None

    with pytest.raises(PluginError, match=r"unknown hook 'latcal_camera'"):
        load(Plugin())


def test_a_hook_with_an_argument_that_it_is_never_given_is_refused() -> None:
    class Plugin:
        @hookimpl
        def latcal_event(self, night: object) -> None:
            return None

    with pytest.raises(PluginError, match=r"night"):
        load(Plugin())


def test_a_hook_implementation_gets_the_arguments_that_it_takes_and_no_others() -> None:
    heard: list[Any] = []

    class Plugin:
        @hookimpl
        def latcal_preflight(self, camera: object) -> None:
            heard.append(camera)

    assert [answer for _, answer in load(Plugin()).hook("latcal_preflight", plan=1, store=2, camera=3)] == [None]
    assert heard == [3]


def named_plugin(name: str, answer: Callable[[], Any]) -> object:
    @hookimpl
    def latcal_check_plan() -> Any:
        return answer()

    return SimpleNamespace(__name__=name, latcal_check_plan=latcal_check_plan)


def test_hooks_are_called_in_the_order_of_their_plugins_names_whatever_the_order_of_loading() -> None:
    b, a = named_plugin("b", lambda: "b"), named_plugin("a", lambda: "a")
    assert [answer for _, answer in load(b, a).hook("latcal_check_plan", plan=None)] == ["a", "b"]
    assert [answer for _, answer in load(a, b).hook("latcal_check_plan", plan=None)] == ["a", "b"]


def test_what_a_hook_yields_is_drained_inside_the_call() -> None:
    def yields() -> Iterator[Problem]:
        yield Problem("too long")
        raise KeyError("night")

    registry = load(named_plugin("slow", yields))
    with pytest.raises(PluginError, match=r"extra:slow: latcal_check_plan raised KeyError: 'night'") as caught:
        list(registry.hook("latcal_check_plan", plan=None))
    assert isinstance(caught.value.__cause__, KeyError)


def test_a_reporter_of_one_run_is_called_after_the_others_and_is_not_registered() -> None:
    registry = load(named_plugin("a", lambda: "a"))
    own = named_plugin("own", lambda: "own")
    assert list(registry.hook("latcal_check_plan", (own, "my run"), plan=None))[-1] == ("my run", "own")
    assert len(registry.implementations("latcal_check_plan")) == 1


def test_a_plugin_of_one_run_without_that_hook_is_passed_over() -> None:
    assert list(load().hook("latcal_check_plan", (object(), "my run"), plan=None)) == []


@pytest.mark.parametrize("error", [CameraError("shutter stuck"), NotReady([Problem("lit")])])
def test_a_deliberate_error_passes_a_call_unchanged(error: Exception) -> None:
    def function() -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        call("their 1.0", function)
    assert caught.value is error


def test_any_other_error_becomes_one_of_the_plugin_with_the_original_as_its_cause() -> None:
    with pytest.raises(PluginError, match=r"^their 1\.0: <lambda> raised ZeroDivisionError: .*zero$") as caught:
        call("their 1.0", lambda: 1 / 0)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert caught.value.exit_code == 3


def test_an_interrupt_is_not_an_error_of_a_plugin() -> None:
    def function() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        call("their 1.0", function)


def test_a_generator_is_given_as_a_tuple_and_all_else_as_it_is() -> None:
    assert call("their 1.0", lambda: (i for i in range(3))) == (0, 1, 2)
    assert call("their 1.0", lambda: [1]) == [1]


def test_calling_a_function_of_a_declaration_names_its_distribution() -> None:
    registry = load(strangers)
    named = registry.named("calibration", "sky")
    with pytest.raises(PluginError, match=r"^extra:latcal\.testing\.strangers: _assemble raised NotImplementedError"):
        registry.call(named, named.declaration.assemble, None, ())
