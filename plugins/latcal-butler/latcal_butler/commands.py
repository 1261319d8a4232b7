"""Command lines of ``pipetask`` for steps of a plan: lists of arguments, which no shell reads."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from types import MappingProxyType
from typing import Any

from attrs import evolve, field, frozen
from latcal.formats.plain import unstructure

PIPELINES = Path(__file__).parent / "pipelines"
OURS = "latcal_butler.tasks."
OF_ISR = ("overscan", "crosstalk", "defects")
"""Options of latcal that say how frames are prepared: the task ``isr`` has them, not those that use its frames."""


@frozen
class Pipeline:
    """The pipeline of a calibration type.

    Parameters
    ----------
    file : str
        Its name, without ``.yaml``.
    tasks : tuple of str
        Labels of those that a step needs.
    output : str
        The dataset type that says what came of it.
    """

    file: str
    tasks: tuple[str, ...]
    output: str


def _build(file: str, task: str, output: str) -> Pipeline:
    return Pipeline(file, ("isr", task), output)


def _verify(name: str) -> Pipeline:
    return Pipeline(f"verify{name}", ("isr", f"verify{name}Det"), f"verify{name}Measurements")


BUILD: Mapping[str, Pipeline] = MappingProxyType(
    {
        "bias": _build("cpBias", "cpBiasCombine", "bias"),
        "dark": _build("cpDark", "cpDarkCombine", "dark"),
        "flat": _build("cpFlat", "cpFlatCombine", "flat"),
        "defects": _build("cpDefects", "measureDefects", "defects"),
        "gain": _build("cpPtc", "cpPtcExtract", "cpPtcExtract"),
        "ptc": _build("cpPtc", "cpPtcSolve", "ptc"),
    }
)
VERIFY: Mapping[str, Pipeline] = MappingProxyType(
    {kind: _verify(f"{kind[:1].upper()}{kind[1:]}") for kind in ("bias", "dark", "flat", "defects", "gain")}
)
"""By calibration type. The curve is judged by its product alone: nothing is measured of frames."""


@frozen
class Command:
    """One ``pipetask run``.

    Parameters
    ----------
    pipeline : Pipeline
    file : str
        Ours, or a site's own in its place: a path or a URI, with the labels of tasks after ``#`` if not all are meant.
    inputs : tuple of str
        Collections, in order.
    options : mapping of str to mapping
        By label of a task: fields of its configuration, as ``-c`` takes them.
    orders : mapping of str to str
        By label of a task: the file with what a run of latcal orders.
    where : str
        Which detectors and exposures.
    """

    repo: str
    pipeline: Pipeline
    file: str
    inputs: tuple[str, ...]
    output: str
    where: str
    options: Mapping[str, Mapping[str, str]] = field(factory=dict)
    orders: Mapping[str, str] = field(factory=dict)
    skip: tuple[str, ...] = ()
    processes: int = 1
    summary: str = ""

    def arguments(self) -> list[str]:
        """Give the arguments, the name of the program being the first."""
        words = ["pipetask", "run", "-b", self.repo, "-p", self._tasks(), "-i", ",".join(self.inputs)]
        words += ["--output-run", self.output]
        for label, fields in self.options.items():
            words += [word for name, value in fields.items() for word in ("-c", f"{label}:{name}={value}")]
        words += [word for label, path in self.orders.items() for word in ("-C", f"{label}:{path}")]
        words += ["-d", self.where, "--register-dataset-types", "-j", str(self.processes)]
        words += ["--skip-existing-in", ",".join(self.skip)] if self.skip else []
        return words + (["--summary", self.summary] if self.summary else [])

    def __str__(self) -> str:
        return shlex.join(self.arguments())

    def _tasks(self) -> str:
        """Name the file and, where it has the tasks that we know and none are named, these."""
        known = classes(self.file)
        mine = [label for label in self.pipeline.tasks if label in known]
        all_there = len(mine) == len(self.pipeline.tasks) and "#" not in self.file
        return f"{self.file}#{','.join(mine)}" if all_there else self.file


def classes(file: str) -> dict[str, str]:
    """Give the class of every task of a pipeline, by its label, as Rubin's own reader finds them; none is imported.

    Parameters
    ----------
    file : str
        A path or a URI, ``resource://`` too; of labels or a subset after ``#`` only these tasks.

    Raises
    ------
    OSError, ValueError, LookupError, TypeError, yaml.YAMLError
        If it cannot be read as a pipeline.
    """
    from lsst.pipe.base import Pipeline as RubinPipeline
    from lsst.pipe.base.pipelineIR import PipelineIR

    whole = PipelineIR.from_string(str(RubinPipeline.from_uri(file)))
    return {label: str(task.klass) for label, task in whole.tasks.items()}


def configured(command: Command, options: Any, *, residuals: bool | None = None) -> Command:
    """Enter a stage's options, where they differ from latcal's defaults, for those tasks that are ours."""
    known = classes(command.file)
    plain = unstructure(options, omit_defaults=True)
    main = command.pipeline.tasks[-1]
    of_isr = {name: value for name, value in plain.items() if name in OF_ISR}
    rest = {name: value for name, value in plain.items() if name not in OF_ISR}
    fields: dict[str, dict[str, str]] = {}
    for label, mine in (("isr", of_isr), (main, rest)):
        if mine and known.get(label, "").startswith(OURS):
            fields[label] = {"options": literal(json.dumps(mine))}
    if residuals is not None and known.get(main, "").startswith(OURS):
        fields.setdefault(main, {})["doWriteProc"] = str(residuals)
    return evolve(command, options=fields)


def literal(text: str) -> str:
    """Write a text so that ``-c`` reads it as that text, and as nothing else."""
    return json.dumps(text, ensure_ascii=False)


def where(instrument: str, detectors: Iterable[int], exposures: Sequence[int] | None) -> str:
    """Write which detectors and exposures are meant; those of a plan are not known yet."""
    numbers = "..." if exposures is None else ranges(exposures)
    return f"instrument='{instrument}' AND detector IN ({ranges(detectors)}) AND exposure IN ({numbers})"


def ranges(numbers: Iterable[int]) -> str:
    """Write numbers as the Butler's expressions do: ``1..5, 8``."""
    runs = groupby(enumerate(sorted(set(numbers))), key=lambda pair: pair[1] - pair[0])
    found = []
    for _, run in runs:
        members = [number for _, number in run]
        found.append(str(members[0]) if len(members) == 1 else f"{members[0]}..{members[-1]}")
    return ", ".join(found)
