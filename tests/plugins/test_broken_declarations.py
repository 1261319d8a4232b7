"""A stranger's plugin that is wrong before it is ever called: its metadata, its import, its hooks, its declarations.

Each row is one slip and all that is said of it; the plugin is a distribution of its own, `latcal-cellar 2.3`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from latcal.errors import PluginError
from latcal.plugin.registry import load_plugins

Install = Callable[..., Path]

WAY_OUT = "mend or remove latcal-cellar, or run with --without latcal-cellar:plugin"

HEAD = """
from attrs import define, field, frozen
from latcal.plugin import *

@frozen
class Nothing:
    a: int = option(1, help="One.")
"""
STORE = f"""{HEAD}
@hookimpl
def latcal_stores():
    yield StoreType(name="cellar", summary="Theirs", options=Nothing, open=lambda options, world: None)
"""
CALIBRATION = f"""{HEAD}
def good(*args):
    return ()

async def later(inputs):
    return ()

METRICS = {{"depth": Metric("depth", "electron", Scope.AMPLIFIER, "Depth.")}}
RULES = (Rule("depth", "depth <= 2 electron"),)

@hookimpl
def latcal_calibrations():
    yield CalibrationType(
        name="crack", summary="Theirs", options=Nothing, images=frozenset({{"bias"}}), metrics=METRICS, rules=RULES,
        measure=good)
"""


def refused(**options: object) -> str:
    with pytest.raises(PluginError, match=r"^[^\n]*$") as caught:
        load_plugins(without=["latcal"], **options)
    assert caught.value.exit_code == 3
    return str(caught.value)


def test_the_plugins_that_are_broken_here_are_sound_if_nothing_is_changed(install: Install) -> None:
    install("latcal-cellar", STORE)
    install("latcal-crack", CALIBRATION)
    registry = load_plugins(without=["latcal"])
    assert (registry.names("store"), registry.names("calibration")) == (("cellar",), ("crack",))


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import a_module_that_is_not_there", "ModuleNotFoundError: No module named 'a_module_that_is_not_there'"),
        ("def broken(:\n    pass", "SyntaxError: invalid syntax (latcal_cellar_module.py, line 1)"),
        ("raise RuntimeError('no licence\\nfor this host')", "RuntimeError: no licence for this host"),
        ("raise SystemExit('enough')", "asked the program to exit (enough)"),
        ("class Escape(BaseException): pass\nraise Escape('out of here')", "Escape: out of here"),
        ("import latcal.errors as e\nraise e.StoreError('no disk')", "StoreError: no disk"),
        ("import latcal.errors as e\nraise e.PluginError('no licence')", "PluginError: no licence"),
        ("import warnings\nwarnings.warn('old', DeprecationWarning)", "DeprecationWarning: old"),
    ],
)
def test_a_plugin_that_does_not_import_stops_the_program(install: Install, source: str, reason: str) -> None:
    install("latcal-cellar", source, version="2.3")
    assert refused() == f"latcal-cellar 2.3: entry point 'plugin' does not import: {reason} ({WAY_OUT})"


def test_a_plugin_whose_import_only_warns_is_loaded(install: Install) -> None:
    install("latcal-cellar", f"import warnings\nwarnings.warn('old', DeprecationWarning)\n{STORE}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert load_plugins(without=["latcal"]).names("store") == ("cellar",)


def test_an_interrupt_while_a_plugin_imports_is_an_interrupt(install: Install) -> None:
    install("latcal-cellar", "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt, match=r"^$"):
        load_plugins(without=["latcal"])


MISSING = "does not import: ModuleNotFoundError: No module named 'not_there'"
UNNAMED = "does not import: AttributeError: module 'latcal_cellar_module' has no attribute 'nothing'"


SECOND = WAY_OUT.replace(":plugin", ":b")


@pytest.mark.parametrize(
    ("points", "what"),
    [
        ("plugin = not_there", f"entry point 'plugin' {MISSING} ({WAY_OUT})"),
        ("plugin = latcal_cellar_module:nothing", f"entry point 'plugin' {UNNAMED} ({WAY_OUT})"),
        ("plugin = a b c", f"entry point 'plugin' is 'a b c', which is not a module or an object in one ({WAY_OUT})"),
        ("plugin =", f"entry point 'plugin' is '', which is not a module or an object in one ({WAY_OUT})"),
        (
            "plugin = latcal_cellar_module\nplugin = another",
            "two entry points of the group 'latcal' are called 'plugin' (mend it, or run with --without latcal-cellar)",
        ),
        ("a = latcal_cellar_module\nb = latcal_cellar_module", f"latcal-cellar:b is the same plugin as latcal-cellar:a ({SECOND})"),
    ],
)
def test_an_entry_point_that_leads_nowhere_stops_the_program(install: Install, points: str, what: str) -> None:
    install("latcal-cellar", STORE, version="2.3", points=f"[latcal]\n{points}\n")
    assert refused() == f"latcal-cellar 2.3: {what}"


def test_entry_points_that_cannot_be_read_stop_the_program_only_where_they_are_of_plugins(install: Install) -> None:
    install("latcal-cellar", STORE, version="2.3", points="[latcal]\nplugin\n")
    said = refused()
    assert said.startswith("latcal-cellar 2.3: its entry_points.txt cannot be read: ")
    assert said.endswith(" (install it again, or run with --without latcal-cellar)")
    assert load_plugins(without=["latcal", "latcal-cellar"]).left_out == ("latcal", "latcal-cellar")
    install("somebody-else", points="garbage\n[console_scripts]\nmore garbage\n")
    assert load_plugins(without=["latcal", "latcal-cellar"]).names("store") == ()


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        ("Version: 2.3\n", "a distribution in {folder}: it declares plugins, and its METADATA has no Name"),
        ("", "a distribution in {folder}: it declares plugins, and its METADATA has no Name"),
        ("Name: latcal-cellar\n", "latcal-cellar, in {folder}: it declares plugins, and its METADATA has no Version"),
    ],
)
def test_metadata_that_do_not_say_whose_a_plugin_is_stop_the_program(
    install: Install, metadata: str, words: str
) -> None:
    folder = install("latcal-cellar", STORE, metadata=metadata)
    assert refused() == words.format(folder=folder) + " (install it again)"


NO_AWAIT = "is async, and hooks are called without await (write def; "
IN_ORDER = ", and hooks are called one by one, by their plugins' names (remove it; "


@pytest.mark.parametrize(
    ("source", "what"),
    [
        (STORE.replace("@hookimpl\n", ""), "latcal_stores is not marked (write @latcal.plugin.hookimpl over it; "),
        (STORE + "\ndef latcal_event(event): pass", "latcal_event is not marked (write @latcal.plugin.hookimpl over it; "),
        (STORE.replace("latcal_stores", "latcal_camras"), "there is no hook 'latcal_camras' (did you mean 'latcal_cameras'?; "),
        ("latcal_event(night): pass", "latcal_event takes 'night', and is given event (write names that it is given; "),
        ("latcal_event(event, /): pass", "latcal_event takes 'event', and is given event by name (write names; "),
        ("latcal_event(**all): pass", "latcal_event takes '**all', and is given event by name (write names; "),
        ("latcal_stores(options): pass", "latcal_stores takes 'options', and is given nothing (write names that it is given; "),
        ("async latcal_event(event): pass", f"latcal_event {NO_AWAIT}"),
        ("(wrapper=True) latcal_event(event): yield", f"latcal_event says wrapper{IN_ORDER}"),
        ("(tryfirst=True) latcal_event(event): pass", f"latcal_event says tryfirst{IN_ORDER}"),
    ],
)
def test_a_hook_that_would_never_be_called_or_never_well_stops_the_program(
    install: Install, source: str, what: str
) -> None:
    if "\n" not in source:
        options, _, rest = source.rpartition(" latcal_")[0], None, source[source.index("latcal_") :]
        mark, asynchronous = (options if "(" in options else ""), ("async " if options == "async" else "")
        source = f"{HEAD}\n@hookimpl{mark}\n{asynchronous}def {rest}"
    install("latcal-cellar", source, version="2.3")
    assert refused() == f"latcal-cellar 2.3: {what}{WAY_OUT})"


def test_a_module_without_hooks_stops_the_program(install: Install) -> None:
    install("latcal-cellar", "damp = True", version="2.3")
    said = refused()
    assert said.startswith("latcal-cellar 2.3: it implements no hook: <module 'latcal_cellar_module' from ")
    assert said.endswith(f" (mark its functions with @latcal.plugin.hookimpl; {WAY_OUT})")


def test_a_class_where_an_object_belongs_stops_the_program(install: Install) -> None:
    source = HEAD + "\nclass Plugin:\n    @hookimpl\n    def latcal_event(self, event): pass\n"
    install("latcal-cellar", source, version="2.3", points="[latcal]\nplugin = latcal_cellar_module:Plugin\n")
    words = f"latcal_event takes 'self', and is given event (name an object of the class; {WAY_OUT})"
    assert refused() == f"latcal-cellar 2.3: {words}"


def test_a_hook_of_a_later_latcal_may_be_marked_as_one(install: Install) -> None:
    source = "\n@hookimpl(optionalhook=True)\ndef latcal_tomorrow(event, other=3): pass\n"
    install("latcal-cellar", STORE + source)
    assert load_plugins(without=["latcal"]).names("store") == ("cellar",)


NAME = "{} is not a name for a store (write letters, digits and _; "
NO_CLASS = "which is not an attrs class (write @attrs.frozen over a class; "
OURS = "the store 'cellar'"


@pytest.mark.parametrize(
    ("slip", "what"),
    [
        ('name="cellar" > name=3', NAME.format("3")),
        ('name="cellar" > name="wine-cellar"', NAME.format("'wine-cellar'")),
        ('name="cellar" > name="wine cellar"', NAME.format("'wine cellar'")),
        ('name="cellar" > name="3"', NAME.format("'3'")),
        ('name="cellar" > name=""', NAME.format("''")),
        ('summary="Theirs" > summary=None', f"summary of {OURS} is None, which is not a line of text ("),
        ("options=Nothing > options=dict", f"options of {OURS} are <class 'dict'>, {NO_CLASS}"),
        ("options=Nothing > options=Nothing()", f"options of {OURS} are Nothing(a=1), {NO_CLASS}"),
        ("open=lambda options, world: None > open=None", f"open of {OURS} is None, which is not a function ("),
        (
            "open=lambda options, world: None > open=lambda options: None",
            f"open of {OURS} does not take what it is given: options, world (",
        ),
        (
            ", open=lambda options, world: None > ",
            "latcal_stores raised TypeError: StoreType.__init__() missing 1 required keyword-only argument: 'open' (",
        ),
        ("yield StoreType > return StoreType", "latcal_stores gave StoreType(name='cellar', summary='Theirs', options="),
        ("yield > made =", "latcal_stores gave None, which is not a list of declarations ("),
        ("latcal_stores > latcal_cameras", "StoreType(name='cellar', summary='Theirs', options="),
    ],
)
def test_a_declaration_that_is_not_one_stops_the_program(install: Install, slip: str, what: str) -> None:
    there, _, instead = slip.partition(" > ")
    assert there in STORE
    install("latcal-cellar", STORE.replace(there, instead), version="2.3")
    said = refused()
    assert said.startswith(f"latcal-cellar 2.3: {what}")
    assert said.endswith(f"{WAY_OUT})")


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ("@define\nclass O:\n    a: int = option(1, help='A.')", "can be changed (write @attrs.frozen over the class; "),
        ("@frozen\nclass O:\n    a: int = 1\n    b: int = 2", "have no help text: a, b (write latcal.plugin.option(..., help=...); "),
        ("@frozen\nclass O:\n    a: list = option([], help='A.')", "share the list that is the default of 'a' (write a tuple; "),
        ("@frozen\nclass O:\n    use: int = option(1, help='A.')", "have one called 'use', the key that names a declaration (give it another name; "),
        (
            "@frozen\nclass O:\n    a: 'Nirvana' = option(None, help='A.')",
            "have a type that is not there: name 'Nirvana' is not defined (import it outside of TYPE_CHECKING; ",
        ),
        (
            "@frozen\nclass O:\n    a: list[complex] | None = option(None, help='A.')",
            "have one that no recipe can write: a: complex (write a type that YAML has; ",
        ),
        (
            "@frozen\nclass O:\n    a: 'Quantity' = option('5 elektron', help='A.', unit='s')",
            "cannot be made of their defaults: making them raised ValueError: ",
        ),
    ],
)
def test_options_that_a_recipe_cannot_write_well_stop_the_program(install: Install, options: str, what: str) -> None:
    source = STORE.replace("@hookimpl", f"{options}\n\n@hookimpl").replace("options=Nothing", "options=O")
    install("latcal-cellar", source, version="2.3")
    said = refused()
    assert said.startswith(f"latcal-cellar 2.3: options of the store 'cellar' {what}")
    assert said.endswith(f"{WAY_OUT})")


CRACK = "the calibration 'crack'"
GROUPED = "measure=good, build_amplifier=good, assemble=lambda inputs, parts: 0, groups=lambda exposures, options: ()"


@pytest.mark.parametrize(
    ("slip", "what"),
    [
        ('images=frozenset({"bias"}) > images="bias"', f"{CRACK} has the images 'bias', which is not a frozenset of names ("),
        ('images=frozenset({"bias"}) > images=frozenset()', f"{CRACK} consumes no images ("),
        ("measure=good > measure=good, setup='filter'", f"{CRACK} has the setup 'filter', which is not a frozenset of names ("),
        (
            "measure=good > measure=good, setup=frozenset({'colour'})",
            f"{CRACK} has 'colour' in its setup (there is filter, grating, binning, mode; ",
        ),
        ("measure=good > measure=good, pins=['bias']", f"{CRACK} has the pins ['bias'], which is not a frozenset of names ("),
        ("metrics=METRICS > metrics={'depth': 3}", f"{CRACK} has the metrics {{'depth': 3}}, which is not a mapping of names to Metric ("),
        ('{"depth": Metric > {"deep": Metric', f"{CRACK} has the metric 'depth' under the name 'deep' ("),
        ('"depth", "electron" > "depth", "elektron"', f"{CRACK} has the metric 'depth' in 'elektron', which is not a unit ("),
        ('"depth", "electron" > "depth", None', f"{CRACK} has the metric 'depth' in None, which is not a unit ("),
        ("Scope.AMPLIFIER > 'amplifier'", f"{CRACK} has the metric 'depth' of 'amplifier', which is not a Scope ("),
        ('{"depth": Metric("depth" > {"the depth": Metric("the depth"', f"{CRACK} has a metric 'the depth', which is not a name (write letters, digits and _; "),
        ("rules=RULES > rules=('depth <= 2',)", f"{CRACK} has the rules ('depth <= 2',), which is not a tuple of Rule ("),
        ("rules=RULES > rules=RULES * 2", f"{CRACK} has two rules 'depth' ("),
        ('Rule("depth" > Rule("the depth"', f"{CRACK} has a rule 'the depth', which is not a name (write letters, digits and _; "),
        ('"depth <= 2 electron" > None', f"{CRACK} has the rule 'depth': None is not a text ("),
        ('"depth <= 2 electron" > "detph <= 2"', f"{CRACK} has the rule 'depth': 'detph' is not measured (did you mean 'depth'?; "),
        (
            '"depth <= 2 electron" > "depth <= 2 s"',
            f"{CRACK} has the rule 'depth': 'depth' is in electron and '2 s' is in s (compare and add only what has one unit; ",
        ),
        ("measure=good > measure=None", f"{CRACK} has no measure, and makes no product ("),
        ("measure=good > measure=good, groups=lambda exposures, options: ()", f"{CRACK} has groups, and makes no product ("),
        (
            "measure=good > measure=good, product='extract'",
            f"{CRACK} has a product of another name, which is for what is measured in groups apart (",
        ),
        (
            f"measure=good > {GROUPED}, observe=good",
            f"{CRACK} has an observe, and no measure of one exposure that would use it (",
        ),
        (
            f"measure=good > {GROUPED}, residual=good",
            f"{CRACK} has a residual, which is of one exposure, and groups apart (",
        ),
        (
            f"measure=good > {GROUPED}, product='the extract'",
            f"{CRACK} has the product 'the extract', which is not a name (write letters, digits and _; ",
        ),
        (
            "measure=good > measure=good, shown=(('deep', ''),)",
            f"{CRACK} shows 'deep', which is not a metric of an amplifier (",
        ),
        (
            "measure=good > measure=good, also_called='cpCrack'",
            f"{CRACK} is also_called 'cpCrack', which is not a tuple of names (write ('cpCov',); ",
        ),
        ("measure=good > measure=good, shown=('depth',)", f"{CRACK} shows 'depth', which is not a pair of names of metrics ("),
        ("measure=good > measure=later", f"measure of {CRACK} is async, and is called without await (write def; "),
        ("measure=good > measure=lambda: ()", f"measure of {CRACK} does not take what it is given: inputs ("),
        ("measure=good > measure=good, check='x'", f"check of {CRACK} is 'x', which is not a function ("),
        (
            "measure=good > measure=good, build_amplifier=good",
            f"{CRACK} has one of build_amplifier and assemble, and a product is made by both (",
        ),
        ("measure=good > measure=good, residual=good", f"{CRACK} has a residual, and no assemble that would put it together ("),
    ],
)
def test_a_calibration_type_that_does_not_hold_together_stops_the_program(
    install: Install, slip: str, what: str
) -> None:
    there, _, instead = slip.partition(" > ")
    assert there in CALIBRATION
    install("latcal-cellar", CALIBRATION.replace(there, instead), version="2.3")
    assert refused() == f"latcal-cellar 2.3: {what}{WAY_OUT})"


def test_a_plugin_that_declares_a_name_twice_stops_the_program(install: Install) -> None:
    install("latcal-cellar", STORE.replace("yield", "for _ in range(2): yield"), version="2.3")
    assert refused() == "latcal-cellar 2.3: latcal-cellar:plugin declares the store 'cellar' twice (remove one)"


def test_a_plugin_that_is_handed_over_is_told_to_be_mended() -> None:
    def handed(source: str) -> object:
        namespace: dict[str, object] = {}
        exec(source, namespace)
        return type("Handed", (), {"latcal_stores": staticmethod(namespace["latcal_stores"])})()

    spaced, sound = handed(STORE.replace('"cellar"', '"wine cellar"')), handed(STORE)
    said = refused(extra=[spaced])
    assert said == f"extra:Handed: {NAME.format(repr('wine cellar'))}mend it, or load without it)"
    said = refused(extra=[sound, sound])
    assert said == "extra:Handed: extra:Handed:2 is the same plugin as extra:Handed:1 (mend it, or load without it)"
