"""Files that are whole or not there, and the messages of those that cannot be."""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from latcal.plugin import StoreError


@contextmanager
def told(path: Path) -> Iterator[None]:
    """Turn an error of the operating system into a `StoreError` that names the path."""
    try:
        yield
    except StoreError:
        raise
    except OSError as error:
        where = error.filename or path
        raise StoreError(f"{where}: {error.strerror or error} (make room or mend its permissions, then run again)") from error


class Draft:
    """A file written beside its place: moved there at once, or gone.

    A process that is killed leaves at most a hidden file, which nothing reads.

    Parameters
    ----------
    path : Path
        Where it shall be.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")

    def __enter__(self) -> Self:
        """Make the folder."""
        with told(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
        return self

    def write(self, writer: Callable[[Path], object]) -> None:
        """Call a function that writes a file, and see that it is on the disk.

        Raises
        ------
        StoreError
            If it cannot be written.
        """
        with told(self.path):
            writer(self.temporary)
            with self.temporary.open("rb+") as file:
                os.fsync(file.fileno())

    def move(self) -> None:
        """Move the file to its place, replacing what is there.

        Raises
        ------
        StoreError
            If it cannot be moved.
        """
        with told(self.path):
            os.replace(self.temporary, self.path)  # noqa: PTH105 - the one call that is atomic everywhere
            folder = os.open(self.path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    def __exit__(self, *exc: object) -> None:
        """Remove what was not moved."""
        with told(self.path):
            self.temporary.unlink(missing_ok=True)


def slug(text: str) -> str:
    """Make a text part of a file's name: what is not letters, digits, '_', '.', '~', '+' or '-' becomes '-'."""
    return re.sub(r"[^A-Za-z0-9_.~+-]", "-", text).lstrip(".")
