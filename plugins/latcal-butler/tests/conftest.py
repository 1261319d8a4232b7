"""Templates of repositories, and a server, that tests share."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from corners import CornerNight, native_night
from nights import Night, run_night
from repositories import POSTGRES, TEMPLATES, make_postgres_template, make_template
from servers import PROGRAMS, Server, server


@pytest.fixture(scope="session", autouse=True)
def templates(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Make the repository that others are copied from."""
    folder = tmp_path_factory.mktemp("templates")
    make_template(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(TEMPLATES, str(folder))
        yield folder


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """Start a PostgreSQL server; where Debian's package is not installed, tests that want it are skipped."""
    if not PROGRAMS:
        if os.environ.get("LATCAL_REQUIRE_POSTGRES"):
            pytest.fail("LATCAL_REQUIRE_POSTGRES is set, and Debian's package postgresql is not installed")
        pytest.skip("Debian's package postgresql is not installed")
    with tempfile.TemporaryDirectory(prefix="pg", ignore_cleanup_errors=True) as name, server(Path(name)) as started:
        make_postgres_template(started)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(POSTGRES, os.pathsep.join(map(str, (started.folder, started.data, started.bin))))
            yield started


@pytest.fixture(scope="session")
def corner_night(tmp_path_factory: pytest.TempPathFactory) -> CornerNight:
    """Run a night with a corner of a sensor by latcal's own engine."""
    return native_night(tmp_path_factory.mktemp("corner"))


@pytest.fixture(scope="session")
def night(tmp_path_factory: pytest.TempPathFactory) -> Night:
    """Run the recipe ``butler_daily`` on a new repository, with the sensor of the bench and fewer images."""
    return run_night(tmp_path_factory.mktemp("night"))
