"""What the pages of plugins tell of mistakes: each is made in the plugin of its page, and gives the message told."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import pages
import pytest
import tutorial

SMALL = """\
from attrs import frozen
from latcal.plugin import InstrumentType, hookimpl
from latcal.testing.cameras import small_instrument

@frozen
class Nothing:
    pass

@hookimpl
def latcal_instruments():
    yield InstrumentType(name="small", summary="Few pixels, for quick runs", options=Nothing, load=small_instrument)
"""
ON_FEW = ("recipe", "--set", "instrument=small")
PROCESSES = ("--set", "executor={use: processes, workers: 1}")
LENIENT = ("--set", "rules={bias: {noise: noise <= 2 * frame_noise, mean: abs(mean) <= read_noise}}")
ALONE = (*ON_FEW, "--set", "executor.workers=1")
IMPATIENT = ("--set", "limits={answer: 0.2 s, abort: 0.2 s}")
AGAINST = ("--set", "stages.0={check: bias, frames: [biases], collections: [calib/night]}")
ON_CONSOLE = ("--set", "report=[{use: console}, {use: logbook, path: .}]")
PLANNED = ("plan",)


def with_method(text: str) -> tuple[str, str]:
    """Give the mirrored store a method of its own."""
    return "    def certify(self, refs", f"    {text}\n\n    def certify(self, refs"


@attrs.frozen
class Mistake:
    """One change to the plugin of a page, in the order of the page's table, and the command that shows its message."""

    old: str
    new: str
    command: tuple[str, ...] = ON_FEW
    times: int = 1


MISTAKES = {
    "calibration-types.md": (
        Mistake("abs(change) <= 0.2 * read_noise", "abs(change) <= 0.2"),
        Mistake('"abs(common_change) <= 1 electron"', '"abs(common_change) <= read_noise"'),
        Mistake('option("", help="Why it may be used with another bias than the one it was made with.")', '""'),
        Mistake('return frozenset({"bias"})', "return frozenset()"),
        Mistake('pins={"bias": inputs.needs["bias"].id}', "pins={}"),
        Mistake('{"change": statistics', '{"chang": statistics'),
        Mistake("float(common), exposure=exposure", "float(common)"),
        Mistake("measure=measure", "measure=lambda inputs: measure(inputs)", (*ON_FEW, *PROCESSES)),
        Mistake("rules=(*judging.RESIDUAL_RULES, *RULES)", "rules=()", ("plan", "--set", "rules.bias_drift={}")),
    ),
    "cameras.md": (
        Mistake("aborted, begin = self._aborted.wait(request.pause_s), self._now()  # TAI", 'raise ValueError("no link")'),
        Mistake("request.happened(", "evolve(request, number=0).happened("),
        Mistake("dark_time_s=gathered_s", "dark_time_s=gathered_s - 1"),
        Mistake("one.raw.shape, one.data.slices", "one.data.shape, one.data.slices"),
        Mistake("prefix, begin,", "prefix, begin.datetime,"),
        Mistake("filter=request.setup.filter or self._found", "filter=self._found"),
        Mistake("def remarks(self):", "def remark(self):"),
        Mistake("self._cancelled.wait(seconds)", "bool(time.sleep(4))", (*ON_FEW, *IMPATIENT)),
    ),
    "stores.md": (
        Mistake(*with_method('def ingest(self, frame):\n        raise OSError("no space left")')),
        Mistake(*with_method("def ingest(self, frame):\n        self._store.ingest(frame)")),
        Mistake(*with_method("def find(self, *asked):\n        return None"), (*ON_FEW, *AGAINST)),
        Mistake(*with_method("def reserve(self, day, n):\n        return self._store.reserve(day, n)[1:]")),
        Mistake(*with_method("def is_free(self, *asked):\n        return 1")),
        Mistake(*with_method("def is_free(self, *asked):\n        return True"), (*ON_FEW, *LENIENT), times=2),
    ),
    "executors.md": (
        Mistake("yield from results_of(outcome)", "yield from results_of(outcome)[:-1]", ALONE),
        Mistake("yield from results_of(outcome)", "yield from results_of(outcome)[::-1]", ALONE),
        Mistake("yield from results_of(outcome)", 'raise RuntimeError("a worker failed")', ALONE),
        Mistake('"spawn"', '"spoon"'),
        Mistake('return f"{self._workers}', 'return self._workers  # f"', PLANNED),
    ),
    "reporters.md": (
        Mistake("if isinstance(event, Judged)", "if event.step", (*ON_FEW, *ON_CONSOLE)),
        Mistake("except OSError as error", "except KeyError as error", (*ON_FEW, *ON_CONSOLE)),
        Mistake("def latcal_event(event)", "def latcal_event(events)"),
        Mistake("def latcal_event(event)", "def latcal_evnt(event)"),
        Mistake('help="The book; each night adds to it."', 'help=""'),
    ),
    "procedures.md": (
        Mistake('"into": f"dome/', '"until": "noon", "into": f"dome/', PLANNED),
        Mistake('"discard": 2', '"discard": "2"', PLANNED),
        Mistake('        "instrument": "bench",\n', "", PLANNED),
        Mistake("    return {\n", "    yield {\n", PLANNED),
        Mistake('option(("r",)', 'option(["r"]', PLANNED),
        Mistake("@frozen\n", "from attrs import define\n@define\n", PLANNED),
    ),
    "instruments.md": (
        Mistake("data: '[9:264,1:256]'", "data: [9:264,1:256]", PLANNED),
        Mistake("data: '[9:264,1:256]'", "data: '[9:304,1:256]'", PLANNED),
        Mistake("gain: 1.4 1.42 electron/adu", "gain: 1.4 1.42", PLANNED),
        Mistake("gain: 1.4 1.42 electron/adu", "gain: 1.4 1.42 1.5 electron/adu", PLANNED),
        Mistake("raw: ", "raws: ", PLANNED),
        Mistake('"{name}.yaml").read_text', '"{name}.yml").read_text', PLANNED),
        Mistake('load=partial(load, "oak")', 'load=load("oak")', PLANNED),
    ),
}


@contextmanager
def few_pixels(folder: Path) -> Iterator[None]:
    """Install an instrument of few pixels beside the plugin of a page."""
    pages.know("latcal-small", {"small": "latcal_small"}, folder)
    (folder / "latcal_small.py").write_text(SMALL)
    try:
        yield
    finally:
        sys.modules.pop("latcal_small", None)


def mistakes() -> Iterator[Any]:
    for page, changes in MISTAKES.items():
        rows = pages.table(page, "What goes wrong")
        assert len(rows) == len(changes), page
        for row, change in zip(rows, changes, strict=True):
            (told,) = pages.quoted(row[1:])
            yield pytest.param(pages.DOCS / page, change, told, id=f"{page.removesuffix('.md')}: {row[0]}")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    pages.go_to(tmp_path, monkeypatch)
    return tmp_path


@pytest.mark.parametrize(("page", "mistake", "told"), list(mistakes()))
def test_a_mistake_gives_the_message_that_is_told(page: Path, mistake: Mistake, told: str, here: Path) -> None:
    plugins = [text for name, text in pages.files(page).items() if not name.startswith("test_")]
    assert sum(text.count(mistake.old) for text in plugins) == 1, "it is not one change"
    pages.write(page, here, (mistake.old, mistake.new))
    pages.install(page, here)
    recipe = next(name for name, text in pages.files(page).items() if text.startswith("latcal: 1"))
    command, *settings = mistake.command
    with pages.forgotten(page), few_pixels(here):
        for _ in range(mistake.times):
            printed = pages.run(shlex.join(["latcal", command, recipe, *settings]), here)
    assert any(tutorial.agrees(line, told) for line in printed.splitlines()), printed
