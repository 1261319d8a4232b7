"""The `header` of an instrument file: cards that are the same in all its raw files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from latcal.errors import Problem
from latcal.formats.keywords import is_own
from latcal.formats.tree import Tree, dotted

_KEYWORD = re.compile(r"[A-Z0-9_-]+(?: [A-Z0-9_-]+)*")
_LONGEST = 60  # characters of keyword and value; what a card holds beside HIERARCH, blanks and quotes


def constant_problems(tree: Tree, header: Mapping[str, Any]) -> Iterator[Problem]:
    """Say what is wrong with the constant cards of an instrument file, each with its place."""
    for keyword, value in header.items():
        path = ("header", keyword)
        faults = tuple(_of_keyword(keyword, header))
        for what, hint in faults:
            yield Problem(what, hint, tree.key_at(path), dotted(path))
        if not faults:
            for what, hint in _of_value(keyword, value):
                yield Problem(what, hint, tree.value_at(path), dotted(path))


def _of_keyword(keyword: str, header: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    word = keyword.upper()
    if not _KEYWORD.fullmatch(word):
        yield f"{keyword!r} is not a FITS keyword", "write letters, digits, '-' and '_', at best 8 of them"
    elif is_own(word):
        yield f"{word} is written by latcal itself, from what it knows of each frame", "remove it"
    elif sum(other.upper() == word for other in header) > 1:
        yield f"{word} is given twice", "remove one: FITS knows no small letters"


def _of_value(keyword: str, value: Any) -> Iterator[tuple[str, str]]:
    if not isinstance(value, bool | int | float | str):
        yield f"{value!r} is not a value of a card", "write text, a number, true or false"
    elif isinstance(value, str) and not (value.isascii() and value.isprintable()):
        yield f"{value!r} is not text that FITS can hold", "write letters, digits and signs of ASCII"
    elif len(keyword) + len(str(value)) > _LONGEST:
        yield f"{value!r} does not fit on a card", f"write at most {_LONGEST} characters, with the keyword"
