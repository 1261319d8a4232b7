"""Folders that are not ours to write into: those of somebody else, and places that are no folders at all."""

from __future__ import annotations

import os
import re
from pathlib import Path

INDEX = "index.sqlite"
_OURS = frozenset({INDEX, "raw", "products", "reports"})
_SYSTEMS = frozenset({"lost+found"})
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/+")
_BUTLER = "butler.yaml"
_SHOWN = 3


def foreign(root: Path) -> tuple[str, str]:
    """Say why a folder is none of ours, and what to do; two empty texts if it may be.

    Ours is what has our index, what is empty or not there, and what holds our own folders only, as a run leaves it that
    broke off. Hidden files do not count. Nothing is opened.
    """
    scheme = _SCHEME.match(str(root))
    if scheme:
        where = f"{scheme[1]}://{str(root)[scheme.end() :]}"
        return f"{where!r} is not a folder of this computer", "write a path, or use a store that reads it"
    if not (root.is_dir() and os.access(root, os.R_OK | os.X_OK)) or (root / INDEX).exists():
        return "", ""
    others = sorted(path.name for path in root.iterdir() if path.name not in _OURS | _SYSTEMS and path.name[0] != ".")
    if _BUTLER in others:
        what = f"{root} looks like a Butler repository, since it holds {_BUTLER}, and is not a folder store"
        return what, "the store 'butler' of the plugin latcal-butler reads it: install that, or name another folder"
    if others:
        shown = ", ".join(others[:_SHOWN]) + (f" and {len(others) - _SHOWN} more" if len(others) > _SHOWN else "")
        return f"{root} is not a folder store: it holds {shown}, and no index", "name a new folder, or an empty one"
    return "", ""
