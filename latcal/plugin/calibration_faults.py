"""Whether a calibration type holds together: so that no default rule is found, at night, to judge nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from attrs import evolve

from latcal.errors import Problem, RecipeError
from latcal.model import rules as rule_language
from latcal.model.frames import SETUP_KEYS
from latcal.model.metrics import Metric, Scope
from latcal.model.quantities import is_unit
from latcal.model.rules import Rule
from latcal.plugin.declarations import CalibrationType
from latcal.plugin.promises import shown

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*", re.ASCII)
"""What can be written as a name, in a recipe and in a rule."""


def calibration_faults(one: CalibrationType) -> Iterator[Problem]:
    """Say what of a calibration type does not hold together: what it consumes, makes, measures, and judges by."""
    for key in ("images", "setup", "pins"):
        value = getattr(one, key)
        if not isinstance(value, (frozenset, set)) or not all(isinstance(name, str) for name in value):
            yield Problem(f"has the {key} {shown(value)}, which is not a frozenset of names")
    if not one.images:
        yield Problem("consumes no images")
    for key in sorted(one.setup - set(SETUP_KEYS)):
        yield Problem(f"has {key!r} in its setup", f"there is {', '.join(SETUP_KEYS)}")
    if (one.build_amplifier is None) != (one.assemble is None):
        yield Problem("has one of build_amplifier and assemble, and a product is made by both")
    if one.assemble is None and one.measure is None:
        yield Problem("has no measure, and makes no product")
    if one.assemble is None and one.groups is not None:
        yield Problem("has groups, and makes no product")
    if one.observe is not None and (one.groups_apart or one.measure is None):
        yield Problem("has an observe, and no measure of one exposure that would use it")
    if one.residual is not None and one.groups_apart:
        yield Problem("has a residual, which is of one exposure, and groups apart")
    if one.product and not one.groups_apart:
        yield Problem("has a product of another name, which is for what is measured in groups apart")
    if not isinstance(one.product, str) or (one.product and not NAME.fullmatch(one.product)):
        yield Problem(f"has the product {shown(one.product)}, which is not a name", "write letters, digits and _")
    if not (isinstance(one.also_called, tuple) and all(isinstance(name, str) and name for name in one.also_called)):
        yield Problem(f"is also_called {shown(one.also_called)}, which is not a tuple of names", "write ('cpCov',)")
    if one.residual is not None and one.assemble is None:
        yield Problem("has a residual, and no assemble that would put it together")
    yield from _metric_faults(one.metrics)
    yield from _shown_faults(one.shown, one.metrics)
    yield from _rule_faults(one.rules, one.metrics)


def _metric_faults(metrics: Any) -> Iterator[Problem]:
    if not isinstance(metrics, Mapping) or not all(isinstance(metric, Metric) for metric in metrics.values()):
        yield Problem(f"has the metrics {shown(metrics)}, which is not a mapping of names to Metric")
        return
    for name, metric in metrics.items():
        if not isinstance(name, str) or not NAME.fullmatch(name):
            yield Problem(f"has a metric {shown(name)}, which is not a name", "write letters, digits and _")
        if metric.name != name:
            yield Problem(f"has the metric {shown(metric.name)} under the name {name!r}")
        if not isinstance(metric.scope, Scope):
            yield Problem(f"has the metric {name!r} of {shown(metric.scope)}, which is not a Scope")
        if not is_unit(metric.unit):
            yield Problem(f"has the metric {name!r} in {shown(metric.unit)}, which is not a unit")


def _shown_faults(shown_metrics: Any, metrics: Any) -> Iterator[Problem]:
    pairs = shown_metrics if isinstance(shown_metrics, tuple) else (shown_metrics,)
    for pair in pairs:
        if not (isinstance(pair, tuple) and len(pair) == 2 and all(isinstance(name, str) for name in pair)):
            yield Problem(f"shows {shown(pair)}, which is not a pair of names of metrics")
            return
        for name in filter(None, pair):
            scope = getattr(metrics.get(name), "scope", None) if isinstance(metrics, Mapping) else None
            if scope not in (Scope.AMPLIFIER, Scope.PRODUCT_AMPLIFIER):
                yield Problem(f"shows {name!r}, which is not a metric of an amplifier")


def _rule_faults(rules: Any, metrics: Mapping[str, Metric]) -> Iterator[Problem]:
    if not isinstance(rules, tuple) or not all(isinstance(rule, Rule) for rule in rules):
        yield Problem(f"has the rules {shown(rules)}, which is not a tuple of Rule")
        return
    named = [rule.name for rule in rules]
    for rule in rules:
        if not isinstance(rule.name, str) or not NAME.fullmatch(rule.name):
            yield Problem(f"has a rule {shown(rule.name)}, which is not a name", "write letters, digits and _")
        elif named.count(rule.name) > 1:
            yield Problem(f"has two rules {rule.name!r}")
        elif not isinstance(rule.text, str):
            yield Problem(f"has the rule {rule.name!r}: {shown(rule.text)} is not a text")
        else:
            yield from (evolve(p, what=f"has the rule {rule.name!r}: {p.what}") for p in _not_judged(rule, metrics))


def _not_judged(rule: Rule, metrics: Mapping[str, Metric]) -> tuple[Problem, ...]:
    """Give what keeps a default rule from being judged."""
    try:
        rule_language.check(rule, metrics)
    except RecipeError as error:
        return error.problems
    return ()
