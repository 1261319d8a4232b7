"""Values built from the events of a YAML parser, which resolves and constructs nothing for us."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from attrs import evolve

from latcal.errors import Problem, Where
from latcal.formats.slips import slip_in, twice_hint
from latcal.formats.tree import Path, Tree

DEEPEST = 50  # mappings and lists within each other; our choice, recipes use five

_STANDARD = "tag:yaml.org,2002:"  # what YAML makes of "!!"
_INTEGER = re.compile(r"[+-]?(?:0|[1-9][0-9]{0,17})")
_FLOAT = re.compile(
    r"[+-]?(?:(?:0|[1-9][0-9]*)?\.[0-9]+|(?:0|[1-9][0-9]*)\.?(?=[.eE]))(?:[eE][+-]?[0-9]+)?|[+-]?[0-9]\."
)
_WORDS: Mapping[str, bool | None] = {"": None, "~": None, "null": None, "true": True, "false": False}


class Stumble(Exception):
    """Where reading cannot go on: an error of the parser, or a problem of our own."""

    def __init__(self, error: Any = None, problem: Problem | None = None) -> None:
        self.error, self.problem = error, problem


class Reader:
    """Builds values from the events of ruamel's parser, which resolves and constructs nothing."""

    def __init__(self, text: str, file: str) -> None:
        self.file, self.lines = file, text.split("\n")
        self.problems: list[Problem] = []
        self.marks: dict[Path, Where] = {}
        self.value_marks: dict[Path, Where] = {}
        self.twice: list[tuple[str, Problem]] = []
        self.events = _events(text, file)

    def tree(self) -> Tree:
        """Give the values of the only document."""
        value = None
        documents = 0
        for event in self.events:
            name = type(event).__name__
            if name == "DocumentStartEvent":
                documents += 1
                if documents > 1:
                    problem = self.problem("a second document is not read", "write one recipe in one file", event)
                    raise Stumble(problem=problem)
            elif name not in ("StreamStartEvent", "StreamEndEvent", "DocumentEndEvent", "CommentEvent"):
                value = self.value(event, (), None)
        if documents == 0:
            self.problems.append(Problem("the text is empty", "write 'latcal: 1' first", Where(self.file, 1, 1)))
        return Tree(value, self.marks, self.value_marks, self.file)

    def value(self, event: Any, path: Path, key: Where | None) -> Any:
        """Give the value that begins with an event; `key` is the place of its key."""
        self.value_marks[path] = self.where(event)
        if len(path) > DEEPEST:
            raise Stumble(problem=self.problem(f"more than {DEEPEST} levels are not read", "write it flatter", event))
        self.refuse_marks(event)
        match type(event).__name__:
            case "MappingStartEvent":
                return self.mapping(path)
            case "SequenceStartEvent":
                return self.sequence(path)
            case "ScalarEvent":
                self.look_for_slips(event, key)
                return event.value if event.style else _plain(event.value)
            case _:
                return None

    def mapping(self, path: Path) -> dict[str, Any]:
        """Give the mapping whose start has been read."""
        found: dict[str, Any] = {}
        before, self.twice = self.twice, []
        for event in self.events:
            if type(event).__name__ == "MappingEndEvent":
                break
            where = self.where(event)
            key = self.key(event, found, path)
            inner = (*path, key)
            if key in found:
                self.value(next(self.events), (*path, "given twice", key), where)  # for its own faults
                continue
            self.marks[inner] = where
            found[key] = self.value(next(self.events), inner, where)
            self.look_for_missing_value(event, found[key])
        for key, problem in self.twice:  # what was meant is known when all others have been read
            self.problems[self.problems.index(problem)] = evolve(problem, hint=twice_hint(key, found))
        self.twice = before
        return found

    def key(self, event: Any, found: Mapping[str, Any], path: Path) -> str:
        """Give the key that is an event, and note if it was given before."""
        self.refuse_marks(event)
        if type(event).__name__ != "ScalarEvent" or (not event.value and not event.style):
            hint = "write a word before the ':'"
            raise Stumble(problem=self.problem("what stands before ':' is not a key", hint, event))
        key = str(event.value)
        if key == "<<" and not event.style:
            self.problems.append(self.problem("a merge ('<<') is not read", "write the keys out", event))
        elif key in found:
            first = self.marks[(*path, key)]
            what = f"{key!r} is given twice, first in line {first.line}"
            self.problems.append(self.problem(what, "remove one", event))
            self.twice.append((key, self.problems[-1]))
        return key

    def sequence(self, path: Path) -> list[Any]:
        """Give the list whose start has been read."""
        found: list[Any] = []
        for event in self.events:
            if type(event).__name__ == "SequenceEndEvent":
                break
            inner = (*path, len(found))
            self.marks[inner] = self.where(event)
            found.append(self.value(event, inner, None))
        return found

    def refuse_marks(self, event: Any) -> None:
        """Refuse anchors, aliases and tags."""
        if type(event).__name__ == "AliasEvent":
            self.problems.append(self.problem(f"the alias '*{event.anchor}' is not read", "write it out", event))
        elif event.anchor is not None:
            self.problems.append(self.problem(f"the anchor '&{event.anchor}' is not read", "remove it", event))
        if getattr(event, "tag", None) is not None:
            self.problems.append(
                self.problem(f"the tag '{event.tag.replace(_STANDARD, '!!')}' is not read", "remove it", event)
            )

    def look_for_slips(self, event: Any, key: Where | None) -> None:
        """Find the lines ``key=value`` that YAML takes for text of several lines."""
        begin, end = event.start_mark, event.end_mark
        begins_line = not self.lines[begin.line][: begin.column].strip(" -")
        if event.style or not begins_line or (key is not None and key.line == begin.line + 1):
            return
        for number in range(begin.line, min(end.line + 1, len(self.lines))):
            slip = slip_in(self.lines[number], number, self.file)
            if slip is not None:
                self.problems.append(slip.problem)

    def look_for_missing_value(self, event: Any, value: Any) -> None:
        """Find ``{key=value}`` and ``{key:value}``, which YAML takes for a key without a value."""
        if value is None and not event.style:
            slip = slip_in(event.value, event.start_mark.line, self.file)
            if slip is not None:
                self.problems.append(self.problem(slip.problem.what, slip.problem.hint, event))

    def problem(self, what: str, hint: str, event: Any) -> Problem:
        """Make a problem at the place of an event."""
        return Problem(what, hint, self.where(event))

    def where(self, event: Any) -> Where:
        """Give the place of an event."""
        return Where(self.file, event.start_mark.line + 1, event.start_mark.column + 1)


def _events(text: str, file: str) -> Iterator[Any]:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError
    from ruamel.yaml.reader import ReaderError

    try:
        yield from YAML(typ="safe", pure=True).parse(text)
    except MarkedYAMLError as error:
        raise Stumble(error) from None
    except ReaderError as error:
        line = text.count("\n", 0, error.position)
        column = error.position - (text.rfind("\n", 0, error.position) + 1)
        where = Where(file, line + 1, column + 1)
        raise Stumble(
            problem=Problem(f"the character {chr(error.character)!r} is not text", "remove it", where)
        ) from None
    except YAMLError as error:
        raise Stumble(problem=Problem(f"the text is not YAML: {error}", "", Where(file, 1, 1))) from None


def _plain(text: str) -> str | int | float | bool | None:
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text) and math.isfinite(float(text)):
        return float(text)
    return text
