"""The slips that people make in YAML: found where they are made, and mended so that reading can go on.

The parser notices a slip where it can no longer go on, which is often the line after. Here the lines before are
looked at, and what a person meant is offered as a hint; it is never taken for what they wrote.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from attrs import frozen

from latcal.errors import Problem, Where

_ITEM = r"(?P<lead>\s*(?:- +)*)"
_EQUALS = re.compile(rf"{_ITEM}(?P<key>[\w.-]+)(?P<slip> *= *)(?P<value>[^=\s].*)?")
_TIGHT = re.compile(rf"{_ITEM}(?P<key>[A-Za-z_][\w-]*)(?P<slip>:)(?P<value>[^\s/:\\].*)")
_SPACE = re.compile(rf"{_ITEM}(?P<key>[A-Za-z_][\w-]*)(?P<slip>:? +(?:[-;=] *)?)(?P<value>[^\s:#].*)")
_BARE = re.compile(rf"{_ITEM}(?P<key>[A-Za-z_][\w-]*)(?P<slip>)(?P<value>)\s*(?:#.*)?")
_TAB = re.compile(r"(?P<lead> *)(?P<slip>\t[ \t]*)(?P<value>\S.*)?")
_OPPOSITES = (("begin", "end"), ("start", "end"), ("first", "last"), ("lowest", "highest"))
_WORDS = {"true": "true", "yes": "true", "on": "true", "false": "false", "no": "false", "off": "false"}


@frozen
class Slip:
    """A slip in one line, and that line as it was probably meant."""

    problem: Problem
    line: int
    mended: str


def slip_in(
    line: str, number: int, file: str, *, patterns: tuple[re.Pattern[str], ...] = (_EQUALS, _TIGHT)
) -> Slip | None:
    """Find ``key=value`` or ``key:value`` in one line.

    Parameters
    ----------
    line : str
    number : int
        Counted from zero.
    file : str
    patterns : tuple of Pattern
        What to look for.
    """
    for pattern in patterns:
        match = pattern.fullmatch(line.rstrip())
        if match is not None:
            key, value = match["key"], (match["value"] or "").strip()
            meant = f"{key}: {_WORDS.get(value.lower(), value) or 'value'}"
            where = Where(file, number + 1, match.start("key") + 1)
            problem = Problem(
                f"{line[match.start('key') :].strip()!r} is not a key and its value", f"write '{meant}'", where
            )
            return Slip(problem, number, f"{match['lead']}{key}: {value}")
    return None


def twice_hint(key: str, others: Iterable[str]) -> str:
    """Say what to do about a key that is given twice: where it has an opposite that is not given, that was meant."""
    for one, other in (*_OPPOSITES, *(pair[::-1] for pair in _OPPOSITES)):
        meant = key.replace(one, other)
        if one in key and meant not in others:
            return f"remove one, or write {meant!r}"
    return "remove one"


def find_slip(text: str, file: str, error: Any) -> Slip | None:
    """Find the slip that a parser stumbled over, in its line or in those just before.

    Parameters
    ----------
    text : str
    file : str
    error : ruamel.yaml.error.MarkedYAMLError
    """
    lines = text.split("\n")
    at, context = _line(error.problem_mark), _line(error.context_mark)
    at = min(at if at >= 0 else context, len(lines) - 1)
    tab = _TAB.fullmatch(lines[at])
    if tab is not None:
        where = Where(file, at + 1, tab.start("slip") + 1)
        mended = f"{tab['lead']}{tab['slip'].replace(chr(9), '  ')}{tab['value'] or ''}"
        return Slip(Problem("a tab is not indentation", "write spaces", where), at, mended)
    simple_key = "simple key" in str(error.context)
    for number in dict.fromkeys([*([context] if simple_key else []), at, *_before(lines, at)]):
        patterns: tuple[re.Pattern[str], ...] = (_EQUALS, _TIGHT)
        if simple_key and number == context:
            patterns = (_EQUALS, _TIGHT, _SPACE, _BARE)
        elif number < at and _indent(lines[number]) < _indent(lines[at]):
            patterns = (_EQUALS, _TIGHT, _BARE)  # a key that lost its colon, before what it holds
        slip = slip_in(lines[number], number, file, patterns=patterns)
        if slip is not None:
            return slip
    return None


def stumble(text: str, file: str, error: Any) -> Problem:
    """Put into words what a parser could not go on from, at the best place that it knows.

    Parameters
    ----------
    text : str
    file : str
    error : ruamel.yaml.error.MarkedYAMLError
    """
    lines = text.split("\n")
    mark, context = error.problem_mark or error.context_mark, str(error.context or "")
    problem = str(error.problem or "what follows cannot be read")
    here = Where(file, mark.line + 1, mark.column + 1) if mark else Where(file, 1, 1)
    line = lines[min(here.line, len(lines)) - 1]
    rest = line[here.column - 1 :].strip()
    if "escape" in problem:
        return Problem(f"{line.strip()!r} has a backslash that is not an escape", "use single quotes", here)
    if error.context_mark is not None and "quoted scalar" in context:
        begun = Where(file, error.context_mark.line + 1, error.context_mark.column + 1)
        return Problem("the quotation mark is not closed", "write another at the end", begun)
    if error.context_mark is not None and "flow" in context:
        return _in_brackets(lines, here, error.context_mark)
    if rest[:1] in ("}", "]"):
        return Problem(f"{rest[:1]!r} closes nothing", "remove it, or open the bracket", here)
    if "mapping values are not allowed" in problem or "expected <block end>" in problem:
        return _out_of_line(lines, here)
    if "cannot start any token" in problem:
        return Problem(f"{rest!r} is not text", f"write it in quotes: '{rest}'", here)
    if "simple key" in context:
        begun = Where(file, error.context_mark.line + 1, error.context_mark.column + 1)
        what = f"{lines[error.context_mark.line].strip()!r} is not a key and its value"
        return Problem(what, "write 'key: value'", begun)
    if "sequence entries" in problem:
        return Problem(f"{rest!r} does not begin an item there", "write each '- ' at the begin of a line", here)
    return Problem(f"{rest or line.strip()!r} is not YAML: {problem}", "write 'key: value' lines", here)


def _in_brackets(lines: list[str], here: Where, begun: Any) -> Problem:
    """Say what is wrong between brackets, of which the last one open began at a mark."""
    before = "\n".join([*lines[: begun.line], lines[begun.line][: begun.column + 1]])
    at = max(before.rfind("["), before.rfind("{"))  # at the end of the text the mark is past it
    bracket = before[at : at + 1]
    closing = "]" if bracket == "[" else "}"
    line = lines[here.line - 1] if here.line <= len(lines) else ""
    rest = line[here.column - 1 :].strip()
    if rest[:1] in ("]", "}"):
        return Problem(f"{rest[:1]!r} does not close {bracket!r}", f"write {closing!r} before it", here)
    word = re.search(r"\S+$", line[: here.column - 1].rstrip())
    if begun.line == here.line - 1 and rest[:1] == ":" and word is not None:
        where = Where(here.file, here.line, word.start() + 1)
        return Problem(f"there is no ',' before {word[0]!r}", f"write ', {word[0]}: ...'", where)
    if begun.line == here.line - 1 and rest:
        return Problem(f"{rest!r} does not go on what {bracket!r} began", "write ',' or close the bracket", here)
    opened = Where(here.file, before.count("\n", 0, at) + 1, at - before.rfind("\n", 0, at))
    what = f"{bracket!r} is not closed, or a ',' is missing, before line {here.line}"
    return Problem(what, f"write {closing!r}", opened)


def _out_of_line(lines: list[str], here: Where) -> Problem:
    """Say what is wrong with a line that fits neither what is above it nor itself."""
    line = lines[here.line - 1]
    text, begin = line.strip(), _indent(line) + 1
    done, rest = line[: here.column - 1].strip(" -"), line[here.column - 1 :].strip()
    if re.match(rf"{_ITEM}[^\s:]+: ", line[: here.column]) and rest[:1] == ":":
        key, _, value = text.partition(": ")
        return Problem(
            "a second ':' in one line is not text", f"write {key}: '{value}', or begin a line after {key}:", here
        )
    if done and rest[:1] != ":":
        return Problem(f"{rest!r} does not go on {done!r}", "remove it, or write the whole in quotes", here)
    if re.match(r"-\w", text):
        return Problem(
            f"{text!r} is not an item of a list", f"write '- {text[1:]}'", Where(here.file, here.line, begin)
        )
    for number in _before(lines, here.line - 1):
        above = lines[number].strip()
        if _indent(lines[number]) == _indent(line) and ":" not in above and above[0] != "-":
            where = Where(here.file, number + 1, begin)
            return Problem(f"{above!r} is not a key and its value", "write 'key: value'", where)
    what = f"{text!r} is not in line with what is above"
    return Problem(what, "indent it like its neighbours", Where(here.file, here.line, begin))


def _before(lines: list[str], at: int) -> list[int]:
    """Give the nearest line above that says something."""
    said = [number for number in range(at - 1, -1, -1) if lines[number].strip() and lines[number].lstrip()[0] != "#"]
    return said[:1]


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _line(mark: Any) -> int:
    return -1 if mark is None else int(mark.line)
