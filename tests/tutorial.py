"""Follow docs/plugins.md word for word: write its files, run its commands, compare what they print.

``python tutorial.py FOLDER`` does it in an empty folder, with a shell, as a reader would; the tests do it with what is
installed.
"""

from __future__ import annotations

import fnmatch
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "plugins.md"
_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_WRITE = re.compile(r"Write `([\w.]+)`:\s*$")

Step = tuple[str, str, str]
"""``write``, the name of a file and its text; or ``run``, a command and what it prints."""


def steps(page: str) -> Iterator[Step]:
    """Give the steps of the page, in order."""
    before = 0
    for match in _FENCE.finditer(page):
        text, language, body = page[before : match.start()], match[1], match[2]
        before = match.end()
        if language == "console":
            for part in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]:
                command, _, printed = part.partition("\n")
                yield "run", command, printed
        elif named := _WRITE.search(text):
            yield "write", named[1], body


def agrees(printed: str, told: str) -> bool:
    """Tell whether a page tells what was printed; ``...`` stands for anything, and columns may be wider."""
    parts = re.split(r"(\.\.\.)", re.sub(r" +", " ", told))
    pattern = "".join("*" if part == "..." else re.sub(r"([*?[])", r"[\1]", part) for part in parts)
    return fnmatch.fnmatchcase(re.sub(r" +", " ", printed).strip(), pattern.strip())


def follow(page: str, folder: Path, run: Callable[[str, Path], str]) -> list[str]:
    """Do every step; give what the page tells wrongly.

    Parameters
    ----------
    run : callable
        ``run(command, folder)`` gives what the command prints.
    """
    wrong, here = [], folder
    for what, name, text in steps(page):
        if what == "write":
            (here / name).write_text(text, encoding="utf-8")
            continue
        if name.startswith("cd "):
            here = here / name.removeprefix("cd ")
            continue
        printed = run(name, here)
        if not agrees(printed, text):
            wrong.append(f"$ {name}\n{printed}\n--- and the page tells\n{text}")
    return wrong


def in_a_shell(command: str, folder: Path) -> str:
    """Run a command as a reader does, in the environment that the page has made."""
    prefix = ". .venv/bin/activate; " if (folder / ".venv").exists() else ""
    print(f"$ {command}", flush=True)
    done = subprocess.run(
        ["bash", "-c", prefix + command], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    print(done.stdout, flush=True)
    return done.stdout


if __name__ == "__main__":
    told_wrong = follow(PAGE.read_text(encoding="utf-8"), Path(sys.argv[1]), in_a_shell)
    print(*told_wrong or ["the page is true"], sep="\n")
    sys.exit(bool(told_wrong))
