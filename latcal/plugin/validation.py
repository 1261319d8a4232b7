"""Look at a plugin when it is loaded: its hooks and all that it declares, so that no slip waits for the night."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

import attrs
import pluggy
from attrs import evolve

from latcal.errors import PluginError, Problem
from latcal.plugin import hookspecs
from latcal.plugin.calibration_faults import NAME, calibration_faults
from latcal.plugin.calling import insist
from latcal.plugin.contracts import FUNCTIONS, METHODS
from latcal.plugin.declarations import CalibrationType, Declaration
from latcal.plugin.discovery import Source
from latcal.plugin.option_faults import option_faults
from latcal.plugin.promises import article, shown

_OPTIONAL = frozenset({"build_amplifier", "assemble", "residual", "groups", "measure", "observe", "instrument"})
_SPECIFIED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        name: tuple(inspect.signature(function).parameters)
        for name, function in inspect.getmembers(hookspecs, inspect.isfunction)
        if name.startswith("latcal_")
    }
)


def hook_faults(manager: pluggy.PluginManager, plugin: Any) -> Iterator[Problem]:
    """Say what is wrong with the implementations of hooks in a plugin."""
    found = {name: manager.parse_hookimpl_opts(plugin, name) for name in dir(plugin)}
    marked = {name: dict(options) for name, options in found.items() if options is not None}
    for name in sorted(found.keys() & _SPECIFIED.keys() - marked.keys()):
        if callable(getattr(plugin, name)):
            yield Problem(f"{name} is not marked", "write @latcal.plugin.hookimpl over it")
    for name, options in marked.items():
        hook = str(options.get("specname") or name)
        if hook in _SPECIFIED:
            yield from _implementation_faults(name, getattr(plugin, name), _SPECIFIED[hook], options)
        elif not options.get("optionalhook"):
            near = difflib.get_close_matches(hook, _SPECIFIED, 1, 0.5)
            hint = f"did you mean {near[0]!r}?" if near else f"there is {', '.join(_SPECIFIED)}"
            yield Problem(f"there is no hook {hook!r}", hint)
    if not marked and not found.keys() & _SPECIFIED.keys():
        yield Problem(f"it implements no hook: {shown(plugin)}", "mark its functions with @latcal.plugin.hookimpl")


def _implementation_faults(
    name: str, function: Callable[..., Any], given: tuple[str, ...], options: Mapping[str, Any]
) -> Iterator[Problem]:
    """Say what is wrong with one implementation: how it is called is ours to say."""
    if inspect.iscoroutinefunction(function):
        yield Problem(f"{name} is async, and hooks are called without await", "write def")
    for option in ("wrapper", "hookwrapper", "tryfirst", "trylast"):
        if options.get(option):
            yield Problem(f"{name} says {option}, and hooks are called one by one, by their plugins' names", "remove it")
    there = ", ".join(given) or "nothing"
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            yield Problem(f"{name} takes {str(parameter)!r}, and is given {there} by name", "write names")
        elif parameter.name not in given and parameter.default is parameter.empty:
            hint = "name an object of the class" if parameter.name == "self" else "write names that it is given"
            yield Problem(f"{name} takes {parameter.name!r}, and is given {there}", hint)


def declaration_faults(kind: str, cls: type[Declaration], one: Any) -> Iterator[Problem]:
    """Say what is wrong with a declaration; the first thing, where others follow from it."""
    if not isinstance(one, cls):
        yield Problem(f"{shown(one)} is declared as {article(kind)}, and is not {article(cls.__name__)}")
    elif not isinstance(one.name, str) or not NAME.fullmatch(one.name):
        yield Problem(f"{shown(one.name)} is not a name for {article(kind)}", "write letters, digits and _")
    else:
        whose = f"of the {kind} {one.name!r}"
        if not isinstance(one.summary, str) or "\n" in one.summary:
            yield Problem(f"summary {whose} is {shown(one.summary)}, which is not a line of text")
        yield from option_faults(f"options {whose}", one.options)
        if kind in METHODS and "use" in {field.alias for field in attrs.fields(one.options)}:
            what = f"options {whose} have one called 'use', the key that names a declaration"
            yield Problem(what, "give it another name")
        for name, function in FUNCTIONS[kind].items():
            yield from _function_faults(f"{name} {whose}", getattr(one, name), function.arguments, name in _OPTIONAL)
        if isinstance(one, CalibrationType):
            yield from (evolve(fault, what=f"the calibration {one.name!r} {fault.what}") for fault in calibration_faults(one))


def _function_faults(words: str, function: Any, arguments: tuple[str, ...], optional: bool) -> Iterator[Problem]:
    if function is None and optional:
        return
    if not callable(function):
        yield Problem(f"{words} is {shown(function)}, which is not a function")
        return
    if inspect.iscoroutinefunction(function):
        yield Problem(f"{words} is async, and is called without await", "write def")
    try:
        inspect.signature(function).bind(*arguments)
    except TypeError:
        yield Problem(f"{words} does not take what it is given: {', '.join(arguments) or 'nothing'}")
    except ValueError:  # a function in C need not say what it takes
        return


def refuse(source: Source, find: Callable[..., Iterator[Problem]], *args: Any) -> None:
    """Stop at the first fault of a plugin, with what to do.

    Raises
    ------
    PluginError
        If there is one, or it cannot be looked at.
    """
    fault = insist(str(source), "what it is made of", lambda given: next(iter(given), None), find, *args)
    if fault is not None:
        hint = "; ".join(filter(None, (fault.hint, source.way_out)))
        raise PluginError(f"{source}: {fault.what} ({hint})")
