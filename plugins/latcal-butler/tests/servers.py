"""A PostgreSQL server of the tests' own: Debian's programs, on a socket, by a user without rights."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from attrs import frozen

PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
"""Where Debian's package has them; the newest version is last."""

USER = "latcal"
FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "jit=off", "max_connections=60", "listen_addresses=")


@frozen
class Server:
    """A server that runs.

    Parameters
    ----------
    folder : Path
        Of its socket.
    """

    folder: Path
    data: Path
    bin: Path

    def url(self, database: str) -> str:
        """Give what a Butler's configuration has under ``registry.db``."""
        return f"postgresql+psycopg2://{USER}@/{database}?host={self.folder}"

    def run(self, statement: str, database: str = "postgres") -> None:
        """Run one statement, outside of a transaction."""
        import psycopg2

        connection = psycopg2.connect(host=str(self.folder), user=USER, dbname=database)
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement)
        finally:
            connection.close()

    def configuration(self, database: str, path: Path) -> Path:
        """Write the Butler configuration that a repository in a database is made with."""
        draft = path.with_name(f"{path.name}.{os.getpid()}")
        draft.write_text(f"registry:\n  db: {self.url(database)}\n", encoding="utf-8")
        draft.replace(path)  # another process may look for it
        return path

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = " ".join(f"-c {one}" for one in (*FAST, f"unix_socket_directories={self.folder}"))
        log = self.data.parent / "server.log"
        _run(self.bin / "pg_ctl", "start", "-w", "-t", "60", "-D", self.data, "-l", log, "-o", options)

    def stop(self) -> None:
        """Stop it; whoever is connected is cut off."""
        _run(self.bin / "pg_ctl", "stop", "-w", "-m", "fast", "-D", self.data)  # it writes late: a crash would lose commits


@contextmanager
def server(folder: Path) -> Iterator[Server]:
    """Start a server in a folder, whose path must be short: a socket's has 107 characters."""
    made = Server(folder, folder / "data", PROGRAMS[-1])
    if os.geteuid() == 0:
        shutil.chown(folder, *_unprivileged())
    _run(made.bin / "initdb", "-D", made.data, "-U", USER, "--auth=trust", "--encoding=UTF8", "--no-sync", "--locale=C")
    made.start()
    try:
        yield made
    finally:
        made.stop()


def _run(program: Path, *arguments: object) -> None:
    user = {"user": _unprivileged()[0], "group": _unprivileged()[1], "extra_groups": []} if os.geteuid() == 0 else {}
    subprocess.run(
        [program, *map(str, arguments)], check=True, capture_output=True, text=True, cwd="/", timeout=120, **user
    )


def _unprivileged() -> tuple[int, int]:
    entry = pwd.getpwnam("nobody")
    return entry.pw_uid, entry.pw_gid

