"""The language of rules: text to a small tree, by a parser that knows these few nodes and nothing else.

Nothing here is evaluated as Python: there is no `eval`, no `compile` and no `ast`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Set as AbstractSet
from typing import NoReturn

from attrs import frozen

from latcal.errors import Problem, RecipeError
from latcal.model.expressions import Arithmetic, Call, Expression, Name, Negative, Number, Operation
from latcal.model.quantities import NUMBER, parse_unit

LONGEST = 150  # numbers, names and signs; our choice: a rule that needs more is two rules
DEEPEST = 20  # brackets within brackets; our choice
_FUNCTIONS = ("abs", "sqrt")
_COMPARISONS = ("<=", ">=", "<", ">")

_TOKEN = re.compile(
    rf"(?P<number>{NUMBER.removeprefix('[+-]?')})|(?P<word>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<symbol><=|>=|=<|=>|==|!=|\*\*|//|&&|\|\||[-+*/()<>%=])|(?P<space>\s+)|(?P<other>.)",
    re.DOTALL,
)
_HINTS = {
    **dict.fromkeys(("=", "==", "!="), "write '<=', or abs(a - b) <= tolerance"),
    **dict.fromkeys(("=<", "≤"), "write '<='"),
    **dict.fromkeys(("=>", "≥"), "write '>='"),
    **dict.fromkeys(("^", "**"), "write x * x, or sqrt(x)"),
    **dict.fromkeys(("and", "or", "not", "&", "|", "&&", "||"), "write two rules"),
    **dict.fromkeys(("'", '"'), "write the name of a metric without quotes"),
    **dict.fromkeys((".", "[", "]", "{", "}"), "a metric is one plain name"),
    "//": "write '/'",
    "%": "it follows a number, as in 5 %",
    "×": "write '*'",
    "±": "write abs(a - b) <= tolerance",
    "−": "write '-'",
    ",": "write 0.5 for a half; abs and sqrt take one thing",
}


def parse(text: str, names: AbstractSet[str] = frozenset()) -> Expression:
    """Read a rule.

    Parameters
    ----------
    text : str
    names : set of str
        The names of metrics, which are then never taken for units: `5 electron / s` divides by a metric `s`.

    Raises
    ------
    RecipeError
        With one problem: the first thing that is not of the language, and what to write.
    """
    return _Parser(text, names).expression()


@frozen
class _Token:
    kind: str
    text: str


class _Parser:
    """A recursive descent over the tokens of one rule."""

    def __init__(self, text: str, metrics: AbstractSet[str]) -> None:
        self.text, self.metrics, self.position, self.depth = text, metrics, 0, 0
        found = [_Token(str(match.lastgroup), match[0]) for match in _TOKEN.finditer(text[: 40 * LONGEST])]
        self.tokens = [token for token in found if token.kind != "space"]
        if len(self.tokens) > LONGEST or len(text) > 40 * LONGEST:
            self.refuse(f"a rule of {len(text)} characters is not short", "write two rules")
        if not self.tokens:
            self.refuse(f"{text!r} is not a rule", "write a comparison, as in noise <= 5 electron")

    def expression(self) -> Expression:
        operands, symbols = [self.sum()], []
        while self.peek() in _COMPARISONS:
            symbols.append(self.take())
            operands.append(self.sum())
        if self.position < len(self.tokens):
            self.refuse_here()
        if not symbols:
            self.refuse(f"{self.text!r} compares nothing", f"write {self.text.strip()[:60]} <= limit")
        if len(symbols) > 2:
            self.refuse(f"{self.text!r} is not one comparison or one window", "write two rules")
        if len({symbol[0] for symbol in symbols}) > 1:
            self.refuse(f"{self.text!r} is not a window", "write low < x < high")
        return Expression(tuple(operands), tuple(symbols))

    def sum(self) -> Arithmetic:
        node = self.product()
        while self.peek() in ("+", "-"):
            node = Operation(self.take(), node, self.product())
        return node

    def product(self) -> Arithmetic:
        node = self.factor()
        while self.peek() in ("*", "/"):
            node = Operation(self.take(), node, self.factor())
        return node

    def factor(self) -> Arithmetic:
        self.depth += 1
        if self.depth > DEEPEST:
            self.refuse(f"more than {DEEPEST} brackets and signs within each other are not read", "write two rules")
        node = self.atom()
        self.depth -= 1
        return node

    def atom(self) -> Arithmetic:
        if self.peek() == "-":
            self.take()
            return Negative(self.factor())
        if self.peek() == "(":
            return self.bracket()
        kind = self.kind()
        if kind == "number":
            return self.number()
        if kind != "word" or self.peek() in _HINTS:
            self.refuse_here()
        if self.peek(1) != "(":
            return Name(self.take())
        if self.peek() not in _FUNCTIONS:
            self.refuse(f"{self.peek()!r} is not a function of the rule language", f"known: {', '.join(_FUNCTIONS)}")
        return Call(self.take(), self.bracket())

    def bracket(self) -> Arithmetic:
        self.take()
        node = self.sum()
        if self.peek() in _COMPARISONS:
            self.refuse(f"{self.peek()!r} does not stand in brackets", "compare once, outside of all brackets")
        if not self.peek():
            self.refuse(f"a bracket of {self.text!r} is not closed", "write ')'")
        if self.peek() != ")":
            self.refuse_here()
        self.take()
        return node

    def number(self) -> Number:
        text = self.take()
        if not math.isfinite(float(text)):
            self.refuse(f"{text!r} is not a finite number", "write a smaller one")
        return Number(float(text), self.unit())

    def unit(self) -> str:
        if self.peek() == "%":
            if self.kind(1) in ("number", "word") or self.peek(1) == "(":
                self.refuse(f"'%' is not an operator in {self.text!r}", "write 5 % * x for five per cent of x")
            return self.take()
        if self.peek() == "1" and self.peek(1) == "/" and self.is_unit(2):
            return self.take() + self.take() + self.take()
        if self.kind() != "word" or self.peek() in _HINTS:
            return ""
        if not self.is_unit():
            known = self.peek() in self.metrics
            hint = f"write '* {self.peek()}'" if known else "write a unit like electron, adu or s, or an operator"
            self.refuse(f"{self.peek()!r} after a number is not a unit", hint)
        unit = self.take()
        while self.peek() == "*" and self.is_unit(1):
            unit += self.take() + self.take()
        if self.peek() == "/" and self.is_unit(1):
            unit += self.take() + self.take()
        return unit

    def is_unit(self, ahead: int = 0) -> bool:
        word = self.peek(ahead)
        if self.kind(ahead) != "word" or word in self.metrics or word in _FUNCTIONS or self.peek(ahead + 1) == "(":
            return False
        try:
            parse_unit(word)
        except ValueError:
            return False
        return True

    def kind(self, ahead: int = 0) -> str:
        at = self.position + ahead
        return self.tokens[at].kind if at < len(self.tokens) else ""

    def peek(self, ahead: int = 0) -> str:
        at = self.position + ahead
        return self.tokens[at].text if at < len(self.tokens) else ""

    def take(self) -> str:
        text = self.peek()
        self.position += 1
        return text

    def refuse_here(self) -> NoReturn:
        found = self.peek()
        if not found:
            self.refuse(f"{self.text!r} ends too early", "write a number or the name of a metric after it")
        before = self.tokens[self.position - 1].text if self.position else ""
        if found in _HINTS or self.kind() == "other":
            self.refuse(f"{found!r} is not in the rule language", _HINTS.get(found, "write + - * / abs sqrt and <="))
        if self.kind() == "symbol":
            self.refuse(f"{found!r} does not stand there in {self.text!r}", "write a number or a metric before it")
        self.refuse(f"{found!r} does not follow {before!r}", "write + - * / or a comparison between them")

    def refuse(self, what: str, hint: str) -> NoReturn:
        raise RecipeError([Problem(what, hint)])
