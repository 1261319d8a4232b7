"""The recipes that come with latcal, found by name."""

from __future__ import annotations

from pathlib import Path

from latcal.plugin import hookimpl


def folders() -> tuple[Path, ...]:
    """Give the folders that hold them: inside an installed package, or beside it in a checkout."""
    package = Path(__file__).resolve().parents[1]
    return tuple(folder for folder in (package / "recipes", package.parent / "recipes") if _is_ours(folder, package))


def names() -> tuple[str, ...]:
    """List what can be named, without ``.yaml``."""
    found = {path.relative_to(folder) for folder in folders() for path in folder.rglob("*.yaml")}
    return tuple(sorted(path.with_suffix("").as_posix() for path in found))


@hookimpl
def latcal_find_recipe(name: str) -> Path | None:
    """Find a recipe by the name of its file, with or without ``.yaml``; of those in a folder, with that: latiss/daily."""
    if Path(name).is_absolute() or ".." in Path(name).parts:
        return None
    for folder in folders():
        path = folder / f"{name.removesuffix('.yaml')}.yaml"
        if path.is_file():
            return path
    return None


def _is_ours(folder: Path, package: Path) -> bool:
    """Tell whether a folder is there and, outside the package, belongs to a checkout of latcal."""
    return folder.is_dir() and (folder.parent == package or (package.parent / "pyproject.toml").is_file())
