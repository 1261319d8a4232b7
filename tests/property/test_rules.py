from __future__ import annotations

import builtins
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latcal.errors import RecipeError
from latcal.model.expressions import Call, Expression, Name, Negative, Number, Operation, walk
from latcal.model.metrics import Metric, Scope
from latcal.model.rules import Rule, check, parse

NAMES = ("noise", "mean_level", "other_metric")
METRICS = {name: Metric(name, "electron", Scope.AMPLIFIER, "") for name in NAMES}
UNITS = ("", "", "%", "electron", "electron/s", "1/electron")

numbers = st.builds(Number, st.floats(0, 1e9, allow_subnormal=False), st.sampled_from(UNITS))
leaves = numbers | st.builds(Name, st.sampled_from(NAMES))
arithmetic = st.recursive(
    leaves,
    lambda inner: (
        st.builds(Negative, inner)
        | st.builds(Call, st.sampled_from(("abs", "sqrt")), inner)
        | st.builds(Operation, st.sampled_from("+-*/"), inner, inner)
    ),
    max_leaves=8,
)
less, more = st.sampled_from(("<", "<=")), st.sampled_from((">", ">="))
expressions = st.builds(
    lambda operands, symbols: Expression(tuple(operands), tuple(symbols)[: len(operands) - 1]),
    st.lists(arithmetic, min_size=2, max_size=3),
    st.lists(less, min_size=2, max_size=2) | st.lists(more, min_size=2, max_size=2),
)
fragments = st.sampled_from(
    ["noise", "mean_level", "5", "1e-3", "electron", "s", "%", "<", "<=", ">", "==", "(", ")", "abs(", "sqrt(", "+", "-",
     "*", "/", "**", ".", "__import__", "'os'", "lambda", ":", "[", "and", "1/electron", " ", "{x}", "eval("]
)  # fmt: skip
pieces = st.lists(fragments, max_size=15)
texts = st.text(max_size=60) | pieces.map(" ".join) | pieces.map("".join)


@given(expressions)
@settings(max_examples=150)
def test_what_is_printed_reads_the_same_again(expression: Expression) -> None:
    assert parse(str(expression)) == expression


@pytest.fixture(scope="module")
def warm() -> None:
    """See that astropy is imported before the tools of importing are taken away."""
    for text in ("x < 5 s", "x < 5 elektron"):
        with suppress(RecipeError):
            parse(text)


@pytest.mark.usefixtures("warm")
@given(texts)
@settings(max_examples=150)
def test_no_text_is_evaluated(text: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for forbidden in ("eval", "exec", "compile"):
            patch.setattr(builtins, forbidden, None)
        try:
            expression = parse(text)
        except RecipeError:
            return
    for operand in expression.operands:
        assert {type(node) for node in walk(operand)} <= {Number, Name, Negative, Call, Operation}


@given(texts)
@settings(max_examples=100)
def test_no_text_raises_anything_but_a_recipe_error(text: str) -> None:
    with suppress(RecipeError):
        check(Rule("r", text), METRICS)


values = st.floats(-1e6, 1e6) | st.sampled_from([np.nan, np.inf, -np.inf, 0.0])
RULES = [
    "noise <= mean_level",
    "noise > mean_level",
    "abs(noise - mean_level) <= 5 % * mean_level",
    "-10 electron < noise - mean_level <= 10 electron",
    "10 electron > noise / mean_level * noise > -3 electron",
    "sqrt(noise * noise) <= mean_level",
    "0 * noise <= mean_level",
]


@given(st.sampled_from(RULES), st.lists(st.tuples(values, values), min_size=1, max_size=20))
def test_what_is_not_finite_never_passes_and_strain_agrees(text: str, rows: list[tuple[float, float]]) -> None:
    rule = check(Rule("r", text), METRICS)
    noise, mean = np.array(rows).T
    given_values = {"noise": noise, "mean_level": mean}
    passes, strain = rule.passes(given_values), rule.strain(given_values)
    assert not passes[~np.isfinite(noise) | ~np.isfinite(mean)].any()
    assert np.array_equal(strain <= 1, passes)
    assert not np.isnan(strain).any()


@given(st.integers(0, 10_000), st.floats(0, 1e5), st.floats(1, 1e5))
def test_a_part_is_the_same_in_per_cent(parts: int, noise: float, mean: float) -> None:
    at = {"noise": np.array([noise]), "mean_level": np.array([mean])}
    per_cent = check(Rule("r", f"noise <= {parts} % * mean_level"), METRICS)
    plain = check(Rule("r", f"noise <= {parts / 100!r} * mean_level"), METRICS)
    assert per_cent.reduced == plain.reduced
    assert per_cent.passes(at) == plain.passes(at)


@given(st.floats(1e-3, 1e3), st.floats(1e-3, 1e3))
def test_a_verdict_does_not_depend_on_the_unit_declared(seconds: float, limit: float) -> None:
    if abs(seconds - limit) < 1e-9 * limit:
        return
    verdicts = {
        bool(
            check(Rule("r", f"t <= {limit!r} s"), {"t": Metric("t", unit, Scope.PRODUCT, "")}).passes(
                {"t": np.array(v)}
            )
        )
        for unit, v in (("s", seconds), ("ms", seconds * 1e3), ("min", seconds / 60))
    }
    assert len(verdicts) == 1
