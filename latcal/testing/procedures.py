"""What every procedure must do: inherit `ProcedureSuite`, give plugin and configurations, and its tests are yours."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import attrs
import pytest

from latcal.engine.planning import plan
from latcal.engine.reading import read
from latcal.engine.writing import to_yaml, write
from latcal.errors import RecipeError
from latcal.formats.schema import json_schema
from latcal.formats.structure import structure
from latcal.formats.tree import Tree
from latcal.model.geometry import Instrument
from latcal.model.recipe import Recipe
from latcal.plugin import Expansion, ProcedureType, Surroundings
from latcal.testing.nights import Loaded, load
from latcal.testing.once import class_of, once


class ProcedureSuite:
    """The behaviours of a procedure: a site's keys that stand for a recipe.

    A subclass named ``Test...`` gives the plugin, and with `configs` what may be written under ``config``, the
    defaults first (an empty mapping, if all keys have one). With `refused` it may give configurations that are wrong,
    each with words that the message must have. A plugin that declares several procedures says in `procedure` which one
    is meant.

    Examples
    --------
    >>> class TestNightly(ProcedureSuite):
    ...     def plugin(self):
    ...         return latcal_nightly
    ...
    ...     def configs(self):
    ...         return {}, {"n_bias": 30}
    ...
    ...     def refused(self):
    ...         return [({"n_bias": 0}, "n_bias")]
    """

    procedure: ClassVar[str] = ""
    """Name of the procedure, if the plugin declares several."""

    def plugin(self) -> object:
        """Give the module or object that declares the procedure."""
        raise NotImplementedError

    def configs(self) -> Sequence[Mapping[str, Any]]:
        """Give configurations that are right, the defaults first."""
        raise NotImplementedError

    def refused(self) -> Sequence[tuple[Mapping[str, Any], str]]:
        """Give configurations that are wrong, each with words of the message."""
        return ()

    @pytest.fixture
    def loaded(self, request: pytest.FixtureRequest) -> Loaded:
        """Give the plugin among what is installed."""
        return once(class_of(request), "loaded", lambda: load(self.plugin()))

    def _declared(self, loaded: Loaded) -> ProcedureType:
        mine = (self.procedure,) if self.procedure else loaded.names("procedure")
        assert len(mine) == 1, f"the plugin declares {', '.join(mine) or 'no procedure'} (say which: procedure = NAME)"
        found: ProcedureType = loaded.registry.get("procedure", mine[0])
        return found

    def _text(self, loaded: Loaded, config: Mapping[str, Any]) -> str:
        return to_yaml({"latcal": 1, "procedure": self._declared(loaded).name, "config": dict(config)})

    def _read(self, loaded: Loaded, config: Mapping[str, Any]) -> Recipe:
        return read(self._text(loaded, config), "suite.yaml", loaded.registry)

    def _expanded(self, loaded: Loaded) -> Iterator[tuple[Any, Mapping[str, Any]]]:
        one = self._declared(loaded)
        for config in self.configs():
            read_as: Any = structure(Tree(dict(config)), one.options)
            options = one.settle(read_as, Surroundings(frozenset(config), partial(_instrument, loaded)))
            yield options, _recipe_of(one, options)

    def test_its_schema_can_be_printed_and_explains_every_key(self, loaded: Loaded) -> None:
        """`latcal schema` is where a person looks them up: help, and the default where there is one."""
        one = self._declared(loaded)
        schema = json.loads(json.dumps(json_schema(one.options)))
        for attribute in attrs.fields(one.options):
            shown = schema["properties"][attribute.name]
            assert shown["description"]
            assert ("default" in shown) is (attribute.default is not attrs.NOTHING)

    def test_its_options_are_frozen(self, loaded: Loaded) -> None:
        """Nothing changes them once they are read."""
        for options, _ in self._expanded(loaded):
            for one in attrs.fields(type(options)):
                with pytest.raises(attrs.exceptions.FrozenInstanceError):
                    setattr(options, one.name, getattr(options, one.name))

    def test_every_configuration_stands_for_a_recipe_that_can_be_planned(self, loaded: Loaded) -> None:
        """With steps that do something."""
        assert self.configs(), "configs gives none"
        for config in self.configs():
            assert plan(self._read(loaded, config), loaded.registry).steps

    def test_the_recipe_that_it_stands_for_can_be_written_and_read_again(self, loaded: Loaded) -> None:
        """`latcal expand` prints it; it is the same recipe without the procedure."""
        for config in self.configs():
            recipe = self._read(loaded, config)
            again = read(write(recipe, loaded.registry), "suite.yaml", loaded.registry)
            for name in ("title", "instrument", "camera", "store", "sequences", "stages", "rules", "accept", "certify"):
                assert getattr(again, name) == getattr(recipe, name), name

    def test_what_it_gives_is_plain_data(self, loaded: Loaded) -> None:
        """Text, numbers, true and false, lists and mappings, as a recipe file has them."""
        for _, given in self._expanded(loaded):
            strange = list(_strange(given, ""))
            assert not strange, f"not what a recipe file can hold: {', '.join(strange)}"

    def test_it_gives_the_same_recipe_twice_whatever_becomes_of_the_first(self, loaded: Loaded) -> None:
        """It is pure: from its options, and from nothing else."""
        one = self._declared(loaded)
        for options, given in self._expanded(loaded):
            before = to_yaml(given)
            _spoil(given)
            assert to_yaml(_recipe_of(one, options)) == before

    def test_it_writes_nothing(self, loaded: Loaded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where it is called: reading a recipe leaves no trace."""
        monkeypatch.chdir(tmp_path)
        list(self._expanded(loaded))
        assert list(tmp_path.iterdir()) == []

    def test_a_key_that_it_has_not_is_refused_with_the_one_that_is_meant(self, loaded: Loaded) -> None:
        """Nothing is ignored."""
        for attribute in attrs.fields(self._declared(loaded).options)[:1]:
            slip = {**self.configs()[0], f"{attribute.name}_": 1}
            with pytest.raises(RecipeError, match=rf"{attribute.name}_.*did you mean '{attribute.name}'"):
                self._read(loaded, slip)

    def test_configurations_that_are_wrong_are_refused_in_words(self, loaded: Loaded) -> None:
        """Those of `refused`; while reading or planning, before anything is exposed."""
        for config, words in self.refused():
            with pytest.raises(RecipeError) as caught:
                plan(self._read(loaded, config), loaded.registry)
            assert words in str(caught.value)


def _recipe_of(one: ProcedureType, options: Any) -> Mapping[str, Any]:
    given = one.expand(options)
    return given.recipe if isinstance(given, Expansion) else given


def _instrument(loaded: Loaded, name: str) -> Instrument:
    found: Instrument = loaded.registry.get("instrument", name).load()
    return found


def _strange(value: Any, path: str) -> Iterator[str]:
    """Name what is not plain."""
    if isinstance(value, Mapping):
        yield from (f"{path}.{key!r}".lstrip(".") for key in value if type(key) is not str)
        for key, part in value.items():
            yield from _strange(part, f"{path}.{key}".lstrip("."))
    elif isinstance(value, list | tuple):
        for number, part in enumerate(value):
            yield from _strange(part, f"{path}.{number}")
    elif not (value is None or type(value) in (str, int, float, bool)):
        yield f"{path} is {value!r}"


def _spoil(given: Any) -> None:
    """Change all that can be changed."""
    if isinstance(given, dict):
        for part in given.values():
            _spoil(part)
        given.clear()
    elif isinstance(given, list):
        for part in given:
            _spoil(part)
        given.clear()
