from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
from contextlib import suppress

import click
import pytest
from click.testing import CliRunner

from latcal.cli import main
from latcal.cli.arguments import RecipeName, columns, each, instant_of, load
from latcal.cli.stopping import interruptible, stopping
from latcal.errors import LatcalError, NotReady, PluginError, Problem, RecipeError, Where

COMMANDS = ("recipe", "plan", "expand", "schema", "plugins", "products", "find", "report")


def test_help_imports_neither_numpy_nor_astropy_nor_any_plugin() -> None:
    program = (
        "import sys\nfrom latcal.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "print(sorted({name.split('.')[0] for name in sys.modules} & {'numpy', 'astropy', 'pluggy', 'rich', 'scipy'}))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert all(f"  {command} " in done.stdout for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str) -> None:
    done = CliRunner().invoke(main, [command, "--help"])
    assert done.exit_code == 0
    assert done.output.startswith(f"Usage: main {command}")


def test_an_unknown_command_exits_2() -> None:
    done = CliRunner().invoke(main, ["recipes"])
    assert done.exit_code == 2
    assert "No such command" in done.stderr


@click.command()
def _raising() -> None:
    raise click.get_current_context().obj


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (RecipeError([Problem("one"), Problem("two", "mend it", Where("a.yaml", 3, 4))]), 2, "one\na.yaml:3:4: two (mend it)\n"),
        (PluginError("broken 1.0: raised"), 3, "broken 1.0: raised\n"),
        (NotReady([Problem("no room")]), 4, "no room\n"),
        (LatcalError("worse"), 4, "worse\n"),
        (KeyboardInterrupt(), 130, "interrupted\n"),
    ],
)
def test_a_deliberate_error_is_one_line_per_problem_and_an_exit_code(
    error: BaseException, code: int, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(main), "get_command", lambda *_: _raising)
    done = CliRunner().invoke(main, ["recipe"], obj=error)
    assert (done.exit_code, done.stderr, done.stdout) == (code, text, "")


def test_any_other_error_is_our_bug_and_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(main), "get_command", lambda *_: _raising)
    with pytest.raises(ZeroDivisionError, match="ours"):
        CliRunner().invoke(main, ["recipe"], obj=ZeroDivisionError("ours"), catch_exceptions=False)


def test_the_faults_of_all_recipes_are_gathered() -> None:
    def make(name: str) -> str:
        if name != "good":
            raise RecipeError([Problem(f"{name} is not good")])
        return name

    assert each(("good", "good"), make) == ["good", "good"]
    with pytest.raises(RecipeError, match="a is not good\nb is not good"):
        each(("a", "good", "b"), make)


def test_the_first_signal_sets_stop_and_the_second_ends_a_command_that_has_no_camera_yet(capsys: pytest.CaptureFixture[str]) -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt, match=r"^$"), stopping() as signals:
        os.kill(os.getpid(), signal.SIGTERM)
        assert signals.stop.is_set()
        os.kill(os.getpid(), signal.SIGINT)
    assert "stopping" in capsys.readouterr().err
    assert before == (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM))


def test_a_terminal_that_is_gone_stops_a_run_unless_it_was_told_to_outlive_it() -> None:
    before = signal.getsignal(signal.SIGHUP)
    try:
        for found, stops in ((signal.SIG_DFL, True), (signal.SIG_IGN, False)):
            signal.signal(signal.SIGHUP, found)
            with stopping() as signals:
                os.kill(os.getpid(), signal.SIGHUP)
                assert signals.stop.is_set() is stops
            assert signal.getsignal(signal.SIGHUP) == found
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_command_that_only_asks_a_camera_is_ended_by_any_signal_as_by_ctrl_c(number: int) -> None:
    before = signal.signal(number, signal.SIG_DFL)  # of a suite under nohup the terminal's signal is ignored
    try:
        with pytest.raises(KeyboardInterrupt, match=r"^$"), interruptible():
            os.kill(os.getpid(), number)
        assert signal.getsignal(number) == signal.SIG_DFL
    finally:
        signal.signal(number, before)


def test_columns_are_aligned() -> None:
    assert list(columns([("a", "bbb", ""), ("aaaa", "b", "c")])) == ["a     bbb", "aaaa  b    c"]


def test_an_instant_is_a_date_or_a_date_and_time_in_tai() -> None:
    assert instant_of("2022-11-04").isot == "2022-11-04T00:00:00.000"
    assert instant_of("2022-11-04T18:30:00").scale == "tai"
    with pytest.raises(click.BadParameter, match="'tomorrow' is not a date"):
        instant_of("tomorrow")


def test_our_recipes_complete_by_name() -> None:
    context = click.Context(main)
    found = RecipeName().shell_complete(context, click.Argument(["names"]), "")
    from latcal.builtin.recipes import names

    assert [item.value for item in found][: len(names())] == list(names())


@pytest.mark.parametrize("collecting", [True, False])
@pytest.mark.parametrize("without", [(), ("nobody",)])
def test_garbage_is_collected_after_loading_as_it_was_before(without: tuple[str, ...], collecting: bool) -> None:
    was = gc.isenabled()
    try:
        (gc.enable if collecting else gc.disable)()
        with suppress(PluginError):
            load(without)
        assert gc.isenabled() is collecting
    finally:
        (gc.enable if was else gc.disable)()
