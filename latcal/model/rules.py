"""Rules: comparisons of metrics, checked for names, scope and units when planning, then applied to arrays."""

from __future__ import annotations

import difflib
from collections.abc import Mapping

import numpy as np
from attrs import evolve, frozen
from numpy.typing import NDArray

from latcal.errors import Problem, RecipeError
from latcal.model.dimensions import common_unit, scale_of, without_units
from latcal.model.expressions import Arithmetic, Call, Expression, Name, Negative, Number, Operation, names, walk
from latcal.model.grammar import parse
from latcal.model.metrics import Metric, Scope
from latcal.model.quantities import parse_unit
from latcal.model.wording import told_apart, worded

__all__ = ["CheckedRule", "Expression", "Rule", "check", "names", "parse"]

_LIMITS = {"<=": "at most", "<": "below", ">=": "at least", ">": "above"}
_TURNED = {"<=": ">=", "<": ">", ">=": "<=", ">": "<"}

Values = NDArray[np.float64]


@frozen
class Rule:
    """A comparison of metrics, as written.

    Parameters
    ----------
    name : str
        What recipes call it to replace, drop or soften it.
    text : str
        In the rule language: ``abs(noise - frame_noise) <= 5 % * frame_noise``.
    advisory : bool
        Reported, never counted.
    summary : str
        One line for people.
    """

    name: str
    text: str
    advisory: bool = False
    summary: str = ""


@frozen
class CheckedRule:
    """A rule whose names, scope and units are known to hold; picklable, and quick on arrays.

    Parameters
    ----------
    rule : Rule
    scope : Scope
        That of every metric it names.
    names : frozenset of str
    expression : Expression
        As written.
    reduced : Expression
        Its numbers in the units that all units reduce to.
    scales : tuple of (str, float)
        By which the values of each metric are multiplied to be in those units.
    unit : str
        What is measured is shown in it.
    unit_scale : float
        Of that unit.
    """

    rule: Rule
    scope: Scope
    names: frozenset[str]
    expression: Expression
    reduced: Expression
    scales: tuple[tuple[str, float], ...]
    unit: str
    unit_scale: float

    @property
    def limit_text(self) -> str:
        """The rule in its canonical spelling."""
        return str(self.expression)

    def passes(self, values: Mapping[str, Values]) -> NDArray[np.bool_]:
        """Say where the rule is satisfied; what is not finite satisfies no rule.

        Parameters
        ----------
        values : mapping of str to array
            Each metric that the rule names, in its declared unit; shapes broadcast.

        Returns
        -------
        array of bool
        """
        return self._holds(self._operands(values))

    def strain(self, values: Mapping[str, Values]) -> Values:
        """Say how hard each place strains the rule: at most 1 passes, more fails, infinity is not finite.

        The excess over the limit is counted in units of the limit, so ``abs(a - b) <= r`` gives ``|a - b| / r``; of
        a window, in units of half its width. Where the limit is 0, in units of the larger of the two sides: then it
        tells only pass from fail.
        """
        operands = self._operands(values)
        holds = self._holds(operands)
        window = len(operands) == 3
        with np.errstate(all="ignore"):
            reference = np.abs(operands[2] - operands[0]) / 2 if window else np.abs(operands[1 - self._measured])
            strain = np.full(holds.shape, -np.inf)
            for symbol, left, right in zip(self.reduced.symbols, operands, operands[1:], strict=False):
                small, large = (left, right) if symbol[0] == "<" else (right, left)
                unit = np.where(reference > 0, reference, np.maximum(np.abs(small), np.abs(large)))
                excess = np.where(small == large, 0.0, (small - large) / unit)
                strain = np.maximum(strain, 1 + excess)
        # rounding shall not contradict `passes`, nor shall a tie of a strict comparison
        strain = np.where(holds, np.minimum(strain, 1.0), np.maximum(strain, np.nextafter(1.0, 2.0)))
        return np.where(np.isnan(strain), np.inf, strain)

    def describe(self, values: Mapping[str, Values]) -> list[str]:
        """Put places into words: ``7.38 e- for 9.1 e- +- 5 %``, ``12 e-, at least 1000 e-``.

        Parameters
        ----------
        values : mapping of str to (places,) array
            As for `passes`.

        Returns
        -------
        list of str
            In the order of the places.
        """
        shown = self._shown(self.reduced.operands, values)
        if len(shown) == 3:
            rising = shown if self.reduced.symbols[0][0] == "<" else shown[::-1]
            told = (told_apart(places, self.unit) for places in zip(*rising, strict=True))
            return [f"{value}, between {low} and {high}" for low, value, high in told]
        measured, limit = self._measured, 1 - self._measured
        symbol = self.reduced.symbols[0] if measured == 0 else _TURNED[self.reduced.symbols[0]]
        match self.reduced.operands[measured]:
            case Call(function="abs", of=Operation(symbol="-", left=left, right=right)) if symbol[0] == "<":
                pairs = zip(*self._shown((left, right), values), strict=True)
                told = (told_apart(pair, self.unit) for pair in pairs)
                tolerances = self._tolerances(right, shown[limit])
                return [f"{value} for {target} +- {each}" for (value, target), each in zip(told, tolerances, strict=True)]
            case Call(function="abs", of=of) if symbol[0] == "<":
                sides = ("within" if passed else "beyond" for passed in self.passes(values).tolist())
                texts = ([worded(value, self.unit) for value in column] for column in (*self._shown((of,), values), shown[limit]))
                return [f"{value} {side} +- {bound}" for side, value, bound in zip(sides, *texts, strict=True)]
            case _:
                told = (told_apart(pair, self.unit) for pair in zip(shown[measured], shown[limit], strict=True))
                return [f"{value}, {_LIMITS[symbol]} {bound}" for value, bound in told]

    @property
    def _measured(self) -> int:
        """Which operand of a comparison is held against the other, the limit."""
        left, right = self.reduced.operands[:2]
        constant = not any(isinstance(node, Name) for node in walk(left))
        return int(constant or (_is_magnitude(right) and not _is_magnitude(left)))

    def _operands(self, values: Mapping[str, Values], nodes: tuple[Arithmetic, ...] = ()) -> list[Values]:
        scales = dict(self.scales)
        with np.errstate(all="ignore"):
            known = {name: _finite(np.asarray(values[name], dtype=np.float64) * scales[name]) for name in self.names}
            found = [_value(node, known) for node in nodes or self.reduced.operands]
        return list(np.broadcast_arrays(*found))

    def _holds(self, operands: list[Values]) -> NDArray[np.bool_]:
        compare = {"<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal}
        holds = np.ones(operands[0].shape, dtype=np.bool_)
        for symbol, left, right in zip(self.reduced.symbols, operands, operands[1:], strict=False):
            holds &= compare[symbol](left, right)  # false if either is NaN
        return holds

    def _shown(self, nodes: tuple[Arithmetic, ...], values: Mapping[str, Values]) -> list[list[float]]:
        """Give the value of each node at every place, in the unit that is shown."""
        return [(operand / self.unit_scale).tolist() for operand in self._operands(values, nodes)]

    def _tolerances(self, target: Arithmetic, limits: list[float]) -> list[str]:
        match self.reduced.operands[1 - self._measured]:
            case Operation(symbol="*", left=Number(value=part), right=of) if of == target:
                return [f"{worded(100 * part)} %"] * len(limits)
            case Operation(symbol="*", left=of, right=Number(value=part)) if of == target:
                return [f"{worded(100 * part)} %"] * len(limits)
            case _:
                return [worded(limit, self.unit) for limit in limits]


def check(rule: Rule, metrics: Mapping[str, Metric]) -> CheckedRule:
    """Check a rule against the metrics of a calibration type.

    Raises
    ------
    RecipeError
        If the text is not in the rule language, names what is not measured, mixes scopes, or compares or adds what
        does not reduce to one unit.
    """
    expression = parse(rule.text, metrics.keys())
    used = names(expression)
    unknown = sorted(used - metrics.keys())
    if unknown:
        raise RecipeError([Problem(f"{name!r} is not measured", _nearest(name, metrics)) for name in unknown])
    if not used:
        raise RecipeError([Problem(f"{rule.text!r} names no metric", f"known: {', '.join(sorted(metrics))}")])
    scopes = {metrics[name].scope for name in sorted(used)}
    if len(scopes) > 1:
        listed = ", ".join(f"{name!r} is of one {metrics[name].scope.value}" for name in sorted(used))
        raise RecipeError([Problem(listed, "compare metrics of one scope")])
    unit = common_unit(expression, metrics)
    return CheckedRule(
        rule=rule,
        scope=scopes.pop(),
        names=used,
        expression=expression,
        reduced=evolve(expression, operands=tuple(without_units(operand) for operand in expression.operands)),
        scales=tuple((name, scale_of(parse_unit(metrics[name].unit))) for name in sorted(used)),
        unit=unit.to_string(),
        unit_scale=scale_of(unit),
    )


def _nearest(name: str, metrics: Mapping[str, Metric]) -> str:
    near = difflib.get_close_matches(name, metrics, n=1)
    return f"did you mean {near[0]!r}?" if near else f"known: {', '.join(sorted(metrics))}"


def _is_magnitude(node: Arithmetic) -> bool:
    return isinstance(node, Call) and node.function == "abs"


def _finite(values: Values) -> Values:
    """Replace infinities, which could vanish again in a quotient, by NaN, which cannot."""
    return np.where(np.isfinite(values), values, np.nan)


def _value(node: Arithmetic, values: Mapping[str, Values]) -> Values:
    match node:
        case Number(value=value):
            return np.asarray(value)
        case Name(name=name):
            return values[name]
        case Negative(of=of):
            return np.asarray(-_value(of, values))
        case Call(function=function, of=of):
            return np.asarray(np.abs(_value(of, values)) if function == "abs" else np.sqrt(_value(of, values)))
        case Operation(symbol=symbol, left=left, right=right):
            operate = {"+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide}[symbol]
            return _finite(operate(_value(left, values), _value(right, values)))
