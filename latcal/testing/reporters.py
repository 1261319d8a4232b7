"""What every reporter must do: inherit `ReporterSuite`, say how to open yours, and its tests are yours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from itertools import zip_longest
from pathlib import Path
from typing import Any, NoReturn

import pluggy
import pytest
from attrs import frozen

from latcal.errors import StoreError
from latcal.formats.journal import from_json, to_json
from latcal.model.events import EVENTS, Event
from latcal.plugin import Reporter
from latcal.plugin.calling import call_hook
from latcal.testing.nights import Night
from latcal.testing.once import once
from latcal.testing.stories import STORIES, stories


@frozen
class Later:
    """An event of a later latcal, which no reporter of today knows."""

    what: str = "something new"
    step: int = 0


class ReporterSuite:
    """The behaviours of a reporter.

    A subclass named ``Test...`` says with `open` how to open one that writes below a folder. What it wrote there is
    compared as text: override `written` if it writes elsewhere, or something else. A reporter that leaves nothing to
    compare gives an empty text.

    It is told the events of real nights: `accepted`, `refused`, `failed`, `interrupted`, `unverified` and `kept`.

    `fill_up` is optional: give a context in which nothing can be written, as if the disk were full, and the suite sees
    that it is a `StoreError`.

    Examples
    --------
    >>> class TestPage(ReporterSuite):
    ...     def open(self, folder):
    ...         return PageReporter(PageOptions(path=folder / "page.html"))
    """

    def open(self, folder: Path) -> Reporter:
        """Give a reporter of its own for each call, not yet entered, that writes below a folder."""
        raise NotImplementedError

    def written(self, folder: Path) -> str:
        """Give what was written below a folder, as one text."""
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        return "".join(f"{path.name}\n{path.read_text(encoding='utf-8')}" for path in files)

    def fill_up(self) -> AbstractContextManager[object] | None:
        """Give a context in which it finds no room to write; None if you cannot bring that about."""
        return None

    @pytest.fixture
    def nights(
        self, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
    ) -> Mapping[str, Night]:
        """Give nights by how they end; they are run once for all reporters."""
        return once(request.session, "nights", lambda: stories(tmp_path_factory.mktemp("kept")))

    def _told(self, folder: Path, events: Iterable[Any]) -> str:
        folder.mkdir()
        with self.open(folder) as reporter:
            for event in events:
                _tell(reporter, event)
        return self.written(folder)

    def test_its_method_is_marked_as_the_hook(self, tmp_path: Path) -> None:
        """So it can be a plugin that hears every run, too."""
        assert pluggy.PluginManager("latcal").parse_hookimpl_opts(self.open(tmp_path), "latcal_event") is not None

    def test_it_hears_every_sort_of_event(self, nights: Mapping[str, Night], tmp_path: Path) -> None:
        """In one run after another, each with a reporter of its own; it raises for none of them."""
        assert {type(event) for night in nights.values() for event in night.events} == set(EVENTS)
        assert {name: night.report.exit_code for name, night in nights.items()} == STORIES
        for name, night in nights.items():
            self._told(tmp_path / name, night.events)

    @pytest.mark.parametrize("story", STORIES)
    def test_the_same_events_give_the_same_text(self, nights: Mapping[str, Night], tmp_path: Path, story: str) -> None:
        """It adds nothing of its own: no clock, no order of chance."""
        events = nights[story].events
        assert self._told(tmp_path / "again", events) == self._told(tmp_path / "first", events)

    @pytest.mark.parametrize("story", STORIES)
    def test_a_night_told_again_from_its_journal_gives_the_same_text(
        self, nights: Mapping[str, Night], tmp_path: Path, story: str
    ) -> None:
        """`latcal report` does that."""
        events = nights[story].events
        journal = [from_json(to_json(event)) for event in events]
        assert self._told(tmp_path / "again", journal) == self._told(tmp_path / "first", events)

    def test_events_that_it_does_not_know_disturb_it_not(self, nights: Mapping[str, Night], tmp_path: Path) -> None:
        """Later versions of latcal have more."""
        for name, night in nights.items():
            first, *others = night.events
            told = [first, Later(), *(one for event in others for one in (event, Later()))]
            self._told(tmp_path / name, told)

    def test_a_run_that_never_starts_leaves_nothing_behind(self, tmp_path: Path) -> None:
        """It is opened before the first event, and the file of an earlier night stays as it is until then."""
        assert self._told(tmp_path / "nothing", ()) == ""
        assert list((tmp_path / "nothing").rglob("*")) == []

    @pytest.mark.parametrize("story", STORIES)
    def test_it_can_be_closed_in_the_middle_of_a_night(
        self, nights: Mapping[str, Night], tmp_path: Path, story: str
    ) -> None:
        """After whatever event; and nobody waits for it."""
        events = nights[story].events
        for cut in sorted({1, 2, len(events) // 3, 2 * len(events) // 3, len(events) - 1}):
            self._told(tmp_path / str(cut), events[:cut])

    def test_closing_it_swallows_no_error_and_may_be_done_twice(
        self, nights: Mapping[str, Night], tmp_path: Path
    ) -> None:
        """Whatever ended the run is seen."""
        with pytest.raises(ZeroDivisionError, match="theirs"), self.open(tmp_path) as reporter:
            _tell_and_fail(reporter, nights["accepted"].events[:5])
        reporter.__exit__(None, None, None)

    def test_two_that_hear_two_runs_at_once_have_nothing_to_do_with_each_other(
        self, nights: Mapping[str, Night], tmp_path: Path
    ) -> None:
        """Nothing is kept beside the reporter itself."""
        apart = [self._told(tmp_path / f"apart-{name}", nights[name].events) for name in ("accepted", "refused")]
        folders = [tmp_path / name for name in ("accepted", "refused")]
        for folder in folders:
            folder.mkdir()
        with self.open(folders[0]) as one, self.open(folders[1]) as two:
            for first, second in zip_longest(*(nights[folder.name].events for folder in folders)):
                for reporter, event in ((one, first), (two, second)):
                    if event is not None:
                        _tell(reporter, event)
        assert [self.written(folder) for folder in folders] == apart

    def test_a_full_disk_is_a_store_error(self, nights: Mapping[str, Night], tmp_path: Path) -> None:
        """The run notes it and goes on without it."""
        full = self.fill_up()
        if full is None:
            pytest.skip("fill_up gives nothing")
        with full, pytest.raises(StoreError, match=r"\S"), self.open(tmp_path) as reporter:
            _tell_and_fail(reporter, nights["accepted"].events)


def _tell(reporter: Reporter, event: Event | Later) -> None:
    hear: Any = reporter
    call_hook("the reporter", hear.latcal_event, {"event": event})


def _tell_and_fail(reporter: Reporter, events: Iterable[Event]) -> NoReturn:
    for event in events:
        _tell(reporter, event)
    raise ZeroDivisionError("theirs")
