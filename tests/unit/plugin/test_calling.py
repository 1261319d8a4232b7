"""Plugins are called in one place: what they raise is named, what they give is looked at, and both fit in one line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Self

import pytest

from latcal.errors import CameraError, NotReady, PluginError, Problem, StoreError
from latcal.plugin.calling import Guarded, ask, call, call_hook, called, each, expect, insist
from latcal.plugin.promises import anything, one, text


def raising(error: BaseException) -> Callable[..., Any]:
    def broken(*_: object) -> Any:
        raise error

    return broken


@pytest.mark.parametrize("error", [CameraError("shutter stuck"), NotReady([Problem("lit")])])
def test_a_deliberate_error_passes_a_call_unchanged(error: Exception) -> None:
    with pytest.raises(type(error), match=r"stuck|lit") as caught:
        call("their 1.0", raising(error))
    assert caught.value is error


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ZeroDivisionError("no pixels"), "raised ZeroDivisionError: no pixels"),
        (ValueError(), "raised ValueError"),
        (ValueError("one\n\n  two"), "raised ValueError: one two"),
        (ValueError("x" * 1000), "raised ValueError: " + "x" * 480 + " ..."),
        (SystemExit(), "asked the program to exit"),
        (SystemExit(7), "asked the program to exit (7)"),
        (GeneratorExit("gone"), "raised GeneratorExit: gone"),
        (BaseExceptionGroup("both", [KeyError("a"), KeyboardInterrupt()]), "raised BaseExceptionGroup: both (2 sub-exceptions)"),
    ],
)
def test_any_other_error_becomes_one_of_the_plugin_in_one_line_with_the_original_as_its_cause(
    error: BaseException, words: str
) -> None:
    with pytest.raises(PluginError, match=r"^[^\n]*$") as caught:
        call("their 1.0", raising(error))
    assert str(caught.value) == f"their 1.0: broken {words}"
    assert caught.value.__cause__ is error
    assert caught.value.exit_code == 3


def test_an_interrupt_is_not_an_error_of_a_plugin() -> None:
    with pytest.raises(KeyboardInterrupt, match=r"^$"):
        call("their 1.0", raising(KeyboardInterrupt()))


def test_nothing_is_deliberate_while_plugins_are_loaded() -> None:
    with pytest.raises(PluginError, match=r"^their 1\.0: latcal_stores raised StoreError: no disk$"):
        insist("their 1.0", "latcal_stores", anything, raising(StoreError("no disk")))
    with pytest.raises(PluginError, match=r"^their 1\.0: latcal_stores raised PluginError: no licence$"):
        insist("their 1.0", "latcal_stores", anything, raising(PluginError("no licence")))
    with pytest.raises(PluginError, match=r"^their 1\.0: latcal_stores gave 3, which is not a text$"):
        insist("their 1.0", "latcal_stores", text, lambda: 3)


def test_a_generator_is_drained_inside_the_call_and_all_else_is_given_as_it_is() -> None:
    def yields() -> Iterator[int]:
        yield 1
        raise KeyError("night")

    assert call("their 1.0", lambda: (i for i in range(3))) == (0, 1, 2)
    assert call("their 1.0", lambda: [1]) == [1]
    with pytest.raises(PluginError, match=r"^their 1\.0: yields raised KeyError: 'night'$"):
        call("their 1.0", yields)


def test_what_is_given_is_looked_at_inside_the_call() -> None:
    class Hostile:
        @property
        def __class__(self) -> type:
            raise OSError("no class")

    assert ask("their 1.0", "name of it", text, lambda: "sky") == "sky"
    with pytest.raises(PluginError, match=r"^their 1\.0: name of it gave 42, which is not a text$") as caught:
        ask("their 1.0", "name of it", text, lambda: 42)
    assert caught.value.__cause__ is None
    with pytest.raises(PluginError, match=r"^their 1\.0: name of it raised OSError: no class$"):
        ask("their 1.0", "name of it", text, Hostile)


def test_a_value_that_cannot_be_shown_is_named_by_its_class() -> None:
    class Shy:
        def __repr__(self) -> str:
            raise OSError("no words")

    with pytest.raises(PluginError, match=r"^their 1\.0: name of it gave <Shy instance at 0x[0-9a-f]+>, which is not a text$"):
        ask("their 1.0", "name of it", text, Shy)


def test_functions_are_called_by_the_name_of_what_they_are_made_of() -> None:
    class Tool:
        def __call__(self) -> None:
            pass

    assert called(partial(partial(sorted, [1]), reverse=True)) == "sorted"
    assert called(Tool()) == "Tool"


def test_a_hook_gets_the_arguments_that_it_takes() -> None:
    given = {"plan": 1, "store": 2, "camera": 3}
    assert call_hook("their 1.0", lambda camera, plan: (camera, plan), given) == (3, 1)
    assert call_hook("their 1.0", lambda other=5: other, given) == 5
    with pytest.raises(PluginError, match=r"^their 1\.0: <lambda> gave 3, which is not a text$"):
        call_hook("their 1.0", lambda camera: camera, given, text)


def test_items_are_given_one_by_one_and_each_step_is_a_call() -> None:
    def yields(first: int) -> Iterator[int]:
        yield first
        raise OSError("the line is dead")

    items = each("their 1.0", yields, 5)
    assert next(items) == 5
    with pytest.raises(PluginError, match=r"^their 1\.0: yields raised OSError: the line is dead$"):
        next(items)
    with pytest.raises(PluginError, match=r"^their 1\.0: map of the executor raised TypeError: 'int' object is not iterable$"):
        next(each("their 1.0", lambda: 42, what="map of the executor"))


class Kettle:
    """Something opened."""

    litres = 2

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> bool:
        return True

    def label(self) -> object:
        return 42

    @property
    def steam(self) -> int:
        raise OSError("cold")


def test_what_is_opened_is_guarded_method_by_method() -> None:
    guarded = Guarded(Kettle(), "their 1.0", "kettle", {"label": text})
    assert guarded.litres == 2
    with pytest.raises(PluginError, match=r"^their 1\.0: label of the kettle gave 42, which is not a text$"):
        guarded.label()
    with pytest.raises(PluginError, match=r"^their 1\.0: steam of the kettle raised OSError: cold$"):
        _ = guarded.steam
    with pytest.raises(PluginError, match=r"^their 1\.0: lid of the kettle raised AttributeError: 'Kettle' object has no"):
        _ = guarded.lid


def test_closing_swallows_no_error() -> None:
    with pytest.raises(StoreError, match="full"), Guarded(Kettle(), "their 1.0"):
        raise StoreError("full")


@pytest.mark.parametrize(("kind", "words"), [(int, "an int"), (list | tuple, "a list or tuple"), (int | None, "an int or None")])
def test_an_answer_of_another_kind_is_said_to_be(kind: Any, words: str) -> None:
    with pytest.raises(PluginError, match=f"^size of it gave 'big', which is not {words}$"):
        expect("big", kind, "size of it")


def test_true_is_not_a_number() -> None:
    with pytest.raises(PluginError, match=r"^their 1\.0: size of it gave True, which is not an int$"):
        ask("their 1.0", "size of it", one(int), lambda: True)
