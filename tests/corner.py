"""The corner of the bench: nights whose story is not about 16 amplifiers are told with two, in an eighth of the time."""

from __future__ import annotations

from pathlib import Path

CORNER = Path(__file__).with_name("corner.yaml")
EVERY = 2
"""Amplifiers of the corner."""
_BENCH = "instrument: bench\n"


def on_the_corner(recipe: str, *, accept: bool = True) -> str:
    """Put a recipe of the bench on its corner.

    Parameters
    ----------
    accept : bool
        Say that an exposure is refused where both amplifiers fail: of 16, half must. Where the counts are the story the
        recipe says them itself.
    """
    assert recipe.count(_BENCH) == 1
    counts = f"accept: {{amplifiers: {EVERY}}}\n" if accept else ""
    return recipe.replace(_BENCH, f"instrument: {CORNER}\n{counts}")
