"""The units of expressions: what each operand of a rule is in, and whether they can be compared."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, NoReturn

from attrs import evolve

from latcal.errors import Problem, RecipeError
from latcal.model.expressions import Arithmetic, Call, Expression, Name, Negative, Number, Operation, walk
from latcal.model.metrics import Metric
from latcal.model.quantities import parse_unit

if TYPE_CHECKING:
    from astropy.units import UnitBase


def common_unit(expression: Expression, metrics: Mapping[str, Metric]) -> UnitBase:
    """Find the unit that all operands of a comparison reduce to.

    Parameters
    ----------
    expression : Expression
    metrics : mapping of str to Metric
        Every name of the expression.

    Returns
    -------
    UnitBase
        As the first operand with a name has it: so what is measured is shown as it was declared.

    Raises
    ------
    RecipeError
        If they do not reduce to one unit, with both units, or with the unit that a bare number should have.
    """
    found = [(operand, unit_of(operand, metrics)) for operand in expression.operands]
    found.sort(key=lambda pair: not any(isinstance(node, Name) for node in walk(pair[0])))
    first, unit = next(((node, unit) for node, unit in found if unit is not None), (found[0][0], parse_unit("")))
    for node, other in found:
        if other is not None and not other.is_equivalent(unit):
            _refuse(first, unit, node, other)
    return unit


def unit_of(node: Arithmetic, metrics: Mapping[str, Metric]) -> UnitBase | None:
    """Find the unit of an expression; None is that of 0, which has every unit."""
    match node:
        case Number(value=value, unit=unit):
            return None if value == 0 and not unit else parse_unit(unit)
        case Name(name=name):
            return _declared(metrics[name])
        case Negative(of=of):
            return unit_of(of, metrics)
        case Call(function=function, of=of):
            inner = unit_of(of, metrics)
            return inner if function == "abs" or inner is None else inner**0.5
        case Operation(symbol=symbol, left=left, right=right):
            return _of_operation(symbol, (left, unit_of(left, metrics)), (right, unit_of(right, metrics)))


def without_units(node: Arithmetic) -> Arithmetic:
    """Replace each number by its value in the units that all units reduce to."""
    match node:
        case Number(value=value, unit=unit):
            return Number(scaled(value, scale_of(parse_unit(unit))))
        case Name():
            return node
        case Negative(of=of) | Call(of=of):
            return evolve(node, of=without_units(of))
        case Operation(left=left, right=right):
            return evolve(node, left=without_units(left), right=without_units(right))


def scale_of(unit: UnitBase) -> float:
    """Give the number by which a value in a unit is multiplied to be in the units that all units reduce to."""
    return float(unit.decompose().scale)


def scaled(value: float, scale: float) -> float:
    """Multiply by a scale, exactly where its inverse is whole: 57 % is 0.57."""
    inverse = round(1 / scale) if 0 < scale < 1 else 0
    return value / inverse if inverse and math.isclose(inverse * scale, 1.0, rel_tol=1e-15) else value * scale


def _of_operation(
    symbol: str, left: tuple[Arithmetic, UnitBase | None], right: tuple[Arithmetic, UnitBase | None]
) -> UnitBase | None:
    if symbol == "/" and right[1] is None:
        raise RecipeError([Problem(f"'{left[0]} / {right[0]}' is not a number", "divide by something else than 0")])
    if left[1] is None or right[1] is None:
        return (left[1] or right[1]) if symbol in "+-" else None
    if symbol == "*":
        return left[1] * right[1]
    if symbol == "/":
        return left[1] / right[1]
    if not left[1].is_equivalent(right[1]):
        _refuse(*left, *right)
    return left[1]


def _declared(metric: Metric) -> UnitBase:
    try:
        return parse_unit(metric.unit)
    except ValueError:
        what = f"the metric {metric.name!r} is declared in {metric.unit!r}, which is not a unit"
        raise RecipeError([Problem(what, "its plugin should declare one that astropy knows")]) from None


def _refuse(one: Arithmetic, unit: UnitBase, other: Arithmetic, its_unit: UnitBase) -> NoReturn:
    dimensionless = parse_unit("")
    for number, beside, wanted, found in ((other, one, unit, its_unit), (one, other, its_unit, unit)):
        if _is_literal(number) and found.is_equivalent(dimensionless):
            what = f"'{number}' has no unit, and '{beside}' is in {wanted.to_string()}"
            part = str(number).endswith("%")
            hint = f"write '{number} * x', x being in it" if part else f"write '{number} {wanted.to_string()}'"
            raise RecipeError([Problem(what, hint)])
    kinds = [f"in {u.to_string()}" if not u.is_equivalent(dimensionless) else "without unit" for u in (unit, its_unit)]
    what = f"'{one}' is {kinds[0]} and '{other}' is {kinds[1]}"
    raise RecipeError([Problem(what, "compare and add only what has one unit")])


def _is_literal(node: Arithmetic) -> bool:
    return isinstance(node, Number) or (isinstance(node, Negative) and _is_literal(node.of))
