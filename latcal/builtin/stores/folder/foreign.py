"""Places that are not ours to write into: repositories of other software, and what is no folder at all."""

from __future__ import annotations

import re
from pathlib import Path

INDEX = "index.sqlite"
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/+")
_BUTLER = "butler.yaml"


def foreign(root: Path) -> tuple[str, str]:
    """Say why a place is none of ours, and what to do; two empty texts if it may be.

    What else lies in a folder does not matter: the truth of a simulated camera, say, or a note. Nothing is opened.
    """
    scheme = _SCHEME.match(str(root))
    if scheme:
        where = f"{scheme[1]}://{str(root)[scheme.end() :]}"
        return f"{where!r} is not a folder of this computer", "write a path, or use a store that reads it"
    if (root / _BUTLER).exists() and not (root / INDEX).exists():
        what = f"{root} looks like a Butler repository, since it holds {_BUTLER}, and is not a folder store"
        return what, "the store 'butler' of the plugin latcal-butler reads it: install that, or name another folder"
    return "", ""
