"""What a function is to give: how that is looked at, and what it is called in messages."""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeAlias

import numpy as np

Promise: TypeAlias = Callable[[Any], Any]
"""Takes what was given and gives it as it is used; raises `Unkept` if it is something else."""

LONGEST = 120
"""Characters of a value that a message shows, and a quarter of those of a text; our choice."""


class Unkept(Exception):
    """What was given is not what was to be given."""

    def __init__(self, given: Any, words: str) -> None:
        super().__init__(f"{shown(given)}, which is not {words}")


def one(kind: type, words: str = "") -> Promise:
    """Promise a value of a kind; a truth value is no number."""

    def read(given: Any) -> Any:
        if not isinstance(given, kind) or isinstance(given, bool):
            raise Unkept(given, words or article(kind.__name__))
        return given

    return read


def maybe(promise: Promise) -> Promise:
    """Promise something, or None."""
    return lambda given: None if given is None else promise(given)


def several(promise: Promise, words: str) -> Promise:
    """Promise any number of things, which become a tuple; a text is not several letters."""

    def read(given: Any) -> Any:
        if not isinstance(given, Iterable) or isinstance(given, (str, bytes, Mapping)):
            raise Unkept(given, words)
        return tuple(promise(part) for part in given)

    return read


def holding(kind: type, words: str, holds: Callable[[Any], bool]) -> Promise:
    """Promise a value of a kind whose fields are what they are declared to be."""
    whole = one(kind)

    def read(given: Any) -> Any:
        if not holds(whole(given)):
            raise Unkept(given, words)
        return given

    return read


def having(kind: str, names: Iterable[str]) -> Promise:
    """Promise an object with these methods."""
    wanted = tuple(names)

    def read(given: Any) -> Any:
        missing = [name for name in wanted if not callable(getattr(given, name, None))]
        if missing:
            few = f", having no {', '.join(missing)}" if len(missing) < len(wanted) / 2 else ""
            raise Unkept(given, article(kind) + few)
        return given

    return read


def anything(given: Any) -> Any:
    """Promise nothing."""
    return given


def drained(given: Any) -> Any:
    """Promise nothing; an iterator is drained, so that what it raises is raised here."""
    return tuple(given) if isinstance(given, Iterator) else given


def text(given: Any) -> str:
    """Promise a text."""
    if not isinstance(given, str):
        raise Unkept(given, "a text")
    return given


def truth(given: Any) -> bool:
    """Promise true or false, and nothing that only counts as one of them."""
    if not isinstance(given, (bool, np.bool_)):
        raise Unkept(given, "true or false")
    return bool(given)


def names(given: Any) -> frozenset[str]:
    """Promise a set of names; a text is not a set of letters."""
    if not isinstance(given, (frozenset, set)) or not all(isinstance(name, str) for name in given):
        raise Unkept(given, "a set of names")
    return frozenset(given)


def texts_by_name(given: Any) -> dict[str, str]:
    """Promise a mapping of names to texts."""
    if not isinstance(given, Mapping) or not all(isinstance(part, str) for pair in given.items() for part in pair):
        raise Unkept(given, "a mapping of names to texts")
    return dict(given)


def article(word: str) -> str:
    """Write a word with its article: ``an executor``, ``a store``."""
    return f"{'an' if word[:1].lower() in set('aeiou') else 'a'} {word}"


def shown(given: Any) -> str:
    """Write a value in one short line, whatever it is."""
    short = reprlib.Repr()
    short.maxstring = short.maxother = short.maxlong = LONGEST
    return one_line(short.repr(given))


def one_line(words: str) -> str:
    """Write a text in one line that is not too long."""
    line = " ".join(words.split())
    return line if len(line) <= 4 * LONGEST else f"{line[: 4 * LONGEST]} ..."
