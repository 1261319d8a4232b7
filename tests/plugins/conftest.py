"""A stranger's distribution: a dist-info folder on the path, as an installer leaves it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import pytest

Install = Callable[..., Path]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Make a distribution of one module, whose entry point has a name of its own; give its folder.

    What its metadata say can be given as text, where it is to be broken. The one installed last comes first on the path.
    """
    modules: list[str] = []

    def made(
        distribution: str,
        source: str | Path = "",
        *,
        version: str = "1.0",
        entry: str = "plugin",
        points: str | None = None,
        metadata: str | None = None,
        place: str = "",
    ) -> Path:
        module = f"{distribution.replace('-', '_')}_module" if isinstance(source, str) else source.stem
        folder = tmp_path / (place or distribution)
        info = folder / f"{distribution.replace('-', '_')}-{version}.dist-info"
        info.mkdir(parents=True)
        facts = f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n"
        (info / "METADATA").write_text(facts if metadata is None else metadata)
        (info / "entry_points.txt").write_text(f"[latcal]\n{entry} = {module}\n" if points is None else points)
        if isinstance(source, Path):
            shutil.copy(source, folder)
        else:
            (folder / f"{module}.py").write_text(dedent(source))
        monkeypatch.syspath_prepend(folder)
        modules.append(module)
        return folder

    yield made
    for module in modules:
        sys.modules.pop(module, None)
