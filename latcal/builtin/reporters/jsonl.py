"""The `jsonl` reporter: every event as a line of JSON, for `latcal report` and for other programs."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Self, TextIO

from attrs import define, field, frozen

from latcal.plugin import ReporterType, StoreError, World, hookimpl, option

if TYPE_CHECKING:  # planning tells nothing
    from latcal.plugin import Event


@frozen
class JsonlOptions:
    """Options of the `jsonl` reporter."""

    path: Path = option(
        help="The file to write, anew for every run; relative to the working directory"
    )


@define(eq=False)
class JsonlReporter:
    """Writes each event when it is heard, so that a run that ends badly has its lines.

    Parameters
    ----------
    path : Path
        Opened at the first event.
    """

    path: Path
    _file: TextIO | None = field(default=None, init=False)

    @hookimpl
    def latcal_event(self, event: Event) -> None:
        """Write one line.

        Raises
        ------
        StoreError
            If the file cannot be written.
        """
        from latcal.formats.journal import to_json

        try:
            if self._file is None:
                self._file = self.path.open("w", encoding="utf-8")
            self._file.write(to_json(event) + "\n")
            self._file.flush()
        except OSError as error:
            raise StoreError(f"{self.path}: cannot be written: {error.strerror or error}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._file is not None:
            self._file.close()


def open_jsonl(options: JsonlOptions, world: World) -> JsonlReporter:  # noqa: ARG001 - the declaration's
    """Open the reporter."""
    return JsonlReporter(options.path)


@hookimpl
def latcal_reporters() -> Iterable[ReporterType]:
    """Declare the reporter."""
    yield ReporterType(
        name="jsonl", summary="Every event as a line of JSON in a file", options=JsonlOptions, open=open_jsonl
    )
