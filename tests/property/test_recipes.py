"""Reading is the inverse of writing, for every recipe."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from latcal.engine.reading import read
from latcal.engine.writing import to_yaml, write
from latcal.errors import RecipeError
from latcal.formats.located import compose
from latcal.model.recipe import Recipe
from latcal.plugin.registry import Registry, load_plugins
from latcal.testing import strangers, strategies

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**17), 10**17) | strategies.texts
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(strategies.texts, inner, max_size=3),
    max_leaves=10,
)  # fmt: skip


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load_plugins(without=["latcal"], extra=[strangers])


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(recipe=strategies.recipes())
def test_a_recipe_that_is_written_reads_back_the_same(recipe: Recipe, registry: Registry) -> None:
    assert read(write(recipe, registry), recipe.name, registry) == recipe


@settings(max_examples=100, deadline=None)
@given(plain=st.dictionaries(strategies.texts, PLAIN, min_size=1, max_size=3))
def test_plain_values_that_are_written_read_back_the_same_with_their_types(plain: dict[str, object]) -> None:
    assert repr(compose(to_yaml(plain), "plain.yaml").value) == repr(plain)


@settings(max_examples=100, deadline=None)
@given(text=strategies.texts | st.text(alphabet="latc:1 {}[]-&*!|>%@`'\"#,\n\tuse", max_size=60))
def test_whatever_the_text_only_a_recipe_error_comes_of_it(text: str, registry: Registry) -> None:
    with pytest.raises(RecipeError, match=r"^odd\.yaml:\d+:\d+: "):
        read(text, "odd.yaml", registry)
