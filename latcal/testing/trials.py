"""The trial of a calibration type: its recipe, planned and run in the ways in which it must come out alike."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from attrs import define

from latcal.engine.reading import read
from latcal.errors import PluginError
from latcal.model.recipe import Recipe, Stage
from latcal.model.steps import Plan
from latcal.plugin import CalibrationType, Executor
from latcal.plugin.declarations import Named
from latcal.plugin.registry import Registry
from latcal.testing import samples
from latcal.testing.nights import Loaded, Night, load, planned, run_night
from latcal.testing.watching import Seen, watched

SERIAL = "executor={use: serial}"


@define(eq=False)
class Trial:
    """A recipe whose last stage is of the calibration type that is tried.

    Parameters
    ----------
    plugin : object
        That declares the type.
    text : str
        Of the recipe.
    """

    plugin: object
    text: str

    @cached_property
    def _loaded(self) -> Loaded:
        return load(self.plugin)

    @property
    def registry(self) -> Registry:
        """What is installed, and the plugin."""
        return self._loaded.registry

    def read(self, *settings: str) -> Recipe:
        """Read the recipe."""
        return read(self.text, "suite.yaml", self.registry, settings=settings)

    def plan(self, *settings: str) -> Plan:
        """Read and plan the recipe."""
        return planned(self.text, self.registry, *settings)

    @cached_property
    def recipe(self) -> Recipe:
        """The recipe as it is written."""
        return self.read()

    @property
    def stage(self) -> Stage:
        """The stage that is tried."""
        return self.recipe.stages[-1]

    @property
    def makes(self) -> bool:
        """Whether that stage makes a product."""
        return self.stage.verb != "check" and self.kind.build_amplifier is not None

    def setting(self, key: str, value: str) -> str:
        """Write what sets a key of that stage."""
        return f"stages.{len(self.recipe.stages) - 1}.{key}={value}"

    @cached_property
    def named(self) -> Named:
        """The declaration that is tried.

        Raises
        ------
        PluginError
            If the plugin does not declare what the last stage is of.
        """
        mine = self._loaded.names("calibration")
        if self.stage.kind not in mine:
            said = ", ".join(mine) or "none"
            raise PluginError(f"the last stage is of {self.stage.kind!r}, and the plugin declares {said} (write it last)")
        return self.registry.named("calibration", self.stage.kind)

    @property
    def kind(self) -> CalibrationType:
        """The type that is tried."""
        found: CalibrationType = self.named.declaration
        return found

    @cached_property
    def _watched(self) -> tuple[Night, Seen]:
        registry, seen = watched(self.registry, self.kind.name)
        return run_night(self.text, registry, SERIAL), seen

    @property
    def night(self) -> Night:
        """The run of the recipe, amplifier by amplifier in this process."""
        return self._watched[0]

    @property
    def seen(self) -> Seen:
        """What the functions of the type were given in that run, and what they gave."""
        assert self.night.report.exit_code == 0, f"the recipe does not run to its end: {self.night.reasons}"
        return self._watched[1]

    @cached_property
    def again(self) -> Night:
        """Another run, in threads."""
        return run_night(self.text, self.registry, "executor={use: threads, workers: 2}")

    def run(self, *settings: str) -> Night:
        """Run the recipe anew, amplifier by amplifier in this process."""
        return run_night(self.text, self.registry, SERIAL, *settings)


def processes(registry: Registry, scratch: Path) -> Executor:
    """Give the executor whose workers are processes, with one of them, not yet entered."""
    declaration = registry.get("executor", "processes")
    opened: Executor = declaration.open(declaration.options(workers=1), samples.world(scratch))
    return opened
