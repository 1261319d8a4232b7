"""What a rule is made of: numbers, names, four operations, two functions, one comparison; nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from attrs import frozen

from latcal.model.quantities import number_text


@frozen
class Number:
    """A number, and its unit as written in canonical form; empty if it has none."""

    value: float
    unit: str = ""

    def __str__(self) -> str:
        return f"{number_text(self.value)} {self.unit}".rstrip()


@frozen
class Name:
    """The name of a metric."""

    name: str

    def __str__(self) -> str:
        return self.name


@frozen
class Negative:
    """Minus something."""

    of: Arithmetic

    def __str__(self) -> str:
        return f"-({self.of})" if isinstance(self.of, Operation) else f"-{self.of}"


@frozen
class Call:
    """The absolute value or the square root of something."""

    function: str
    of: Arithmetic

    def __str__(self) -> str:
        return f"{self.function}({self.of})"


@frozen
class Operation:
    """A sum, difference, product or quotient."""

    symbol: str
    left: Arithmetic
    right: Arithmetic

    def __str__(self) -> str:
        products = self.symbol in "*/"
        left, right = str(self.left), str(self.right)
        if products and (_is(self.left, "+-") or _has_unit(self.left)):
            left = f"({left})"
        if _is(self.right, "+-") or (products and (_is(self.right, "*/") or _has_unit(self.right))):
            right = f"({right})"
        return f"{left} {self.symbol} {right}"


Arithmetic = Number | Name | Negative | Call | Operation


@frozen
class Expression:
    """One comparison (two operands) or one window (three, both comparisons in the same direction)."""

    operands: tuple[Arithmetic, ...]
    symbols: tuple[str, ...]

    def __str__(self) -> str:
        rest = (f" {symbol} {operand}" for symbol, operand in zip(self.symbols, self.operands[1:], strict=True))
        return f"{self.operands[0]}{''.join(rest)}"


def _is(node: Arithmetic, symbols: Literal["+-", "*/"]) -> bool:
    return isinstance(node, Operation) and node.symbol in symbols


def _has_unit(node: Arithmetic) -> bool:
    """Say whether a node needs brackets in a product: `5 electron / s` is a rate, `(5 electron) / s` a quotient."""
    if isinstance(node, Negative):
        return _has_unit(node.of)
    return isinstance(node, Number) and node.unit not in ("", "%")


def names(expression: Expression) -> frozenset[str]:
    """List the metrics that an expression names."""
    return frozenset(node.name for operand in expression.operands for node in walk(operand) if isinstance(node, Name))


def walk(node: Arithmetic) -> Iterator[Arithmetic]:
    """Give a node and everything below it."""
    yield node
    match node:
        case Negative(of=of) | Call(of=of):
            yield from walk(of)
        case Operation(left=left, right=right):
            yield from walk(left)
            yield from walk(right)
        case _:
            pass
