"""Where both lanes are just now: a fold of events for the live display."""

from __future__ import annotations

from attrs import Factory, define

from latcal.plugin import Event, Exposed, RunStarted, StepEnded, StepReport, StepStarted
from latcal.plugin.wording import duration


@define
class Progress:
    """What is going on in the camera lane and in the processing lane.

    Parameters
    ----------
    exposed, exposures : int
        How many exposures have ended, and how many there are.
    planned_s, left_s : float [s]
        Camera time of the plan, and what of it is to come.
    at_s : float [s]
        When the last exposure ended, into the run.
    """

    steps: dict[int, StepReport] = Factory(dict)
    running: dict[int, str] = Factory(dict)
    exposed: int = 0
    exposures: int = 0
    planned_s: float = 0.0
    left_s: float = 0.0
    at_s: float = 0.0

    def hear(self, event: Event) -> None:
        """Take an event into account."""
        match event:
            case RunStarted(steps=steps):
                self.steps = {step.id: StepReport(step) for step in steps}
                self.exposures = sum(step.verb == "take" and not step.kept for step in steps)
                self.planned_s = self.left_s = sum(step.camera_s for step in steps)
            case StepStarted(step=step):
                line = self.steps[step].line
                # the sequence and time of an exposure; of another step what it does, without from what
                label = line.label
                self.running[step] = label.removeprefix("Take ") if line.verb == "take" else label.split("  ")[0]
            case Exposed(step=step, at_s=at_s):
                self._exposed(step)
                self.at_s = at_s
            case StepEnded(step=step):
                self._exposed(step)
            case _:
                pass

    def _exposed(self, step: int) -> None:
        self.running.pop(step, None)
        line = self.steps.pop(step, None)
        if line is not None and line.line.verb == "take" and not line.line.kept:
            self.exposed += 1
            self.left_s -= line.line.camera_s

    @property
    def camera(self) -> str:
        """What the camera does, and how long it still will."""
        now = [label for step, label in self.running.items() if self._takes(step)]
        return now[-1] if now else ("idle" if self.exposed < self.exposures else "done")

    @property
    def processing(self) -> str:
        """What is being processed."""
        now = [label for step, label in self.running.items() if not self._takes(step)]
        return " and ".join(now) or "waiting"

    @property
    def time_left(self) -> str:
        """Camera time still to come, at the pace seen so far; by the plan until there is one."""
        done = self.planned_s - self.left_s
        pace = self.at_s / done if done > 0 and self.at_s > 0 else 1.0
        return duration(self.left_s * pace)

    def _takes(self, step: int) -> bool:
        return step in self.steps and self.steps[step].line.verb == "take"
