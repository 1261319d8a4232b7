"""What a user types and reads: latcal-butler init, the names that latcal lists, and this distribution's README."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import warnings
from pathlib import Path

import attrs
import latcal
import pytest
import yaml
from click.testing import CliRunner, Result
from latcal.cli import main as latcal_main
from latcal.plugin import StoreError
from latcal.testing import samples
from latcal.testing.certificates import NIGHT
from lsst.daf.butler import Butler
from lsst.daf.butler.cli.butler import cli as butler_main
from repositories import opened

from latcal_butler.options import ButlerOptions
from latcal_butler.script import main

HERE = Path(__file__).parent
README = (HERE.parent / "README.md").read_text(encoding="utf-8")


def init(*words: str) -> Result:
    return CliRunner().invoke(main, ["init", *words], catch_exceptions=False)


def test_a_repository_is_made_once_and_its_instrument_entered_once(tmp_path: Path) -> None:
    repo = str(tmp_path / "repo")
    assert init(repo).output == f"{repo}: made a repository\n{repo}: LATISS entered, with 1 detector\n"
    assert init(repo).output == f"{repo}: LATISS is there already\n"
    butler = Butler.from_config(repo)
    (record,) = butler.query_dimension_records("detector", instrument="LATISS")
    assert (record.id, record.full_name, record.raft, record.name_in_raft) == (0, "RXX_S00", "RXX", "S00")
    butler.close()


def test_rubins_own_tools_load_the_instrument_by_its_class(tmp_path: Path) -> None:
    from lsst.pipe.base import Instrument

    repo = str(tmp_path / "repo")
    init(repo, "--instrument", "bench", "--name", "LATISS")
    butler = Butler.from_config(repo)
    instrument = Instrument.fromName("LATISS", butler.registry)
    assert instrument.getName() == "LATISS"
    assert instrument.makeDefaultRawIngestRunName() == "LATISS/raw/all"
    butler.close()


def test_a_repository_that_others_made_learns_what_latcal_needs(tmp_path: Path) -> None:
    Butler.makeRepo(tmp_path / "repo")
    with pytest.raises(StoreError, match=r"does not know latcal's datasets .*init"), opened(tmp_path):
        pass
    repo = str(tmp_path / "repo")
    assert init(repo).output.startswith(f"{repo}: added latcal's datasets to its configuration\n")
    with opened(tmp_path) as store:
        store.certify([store.put(samples.product(), "run-1")], "calib", NIGHT)
    configuration = Path(repo, "butler.yaml")
    whole = configuration.read_text(encoding="utf-8")
    configuration.write_text(re.sub(r"^ *LatcalFile: .*FileFormatter\n", "", whole, flags=re.MULTILINE), encoding="utf-8")
    with pytest.raises(StoreError, match="does not know latcal's datasets"), opened(tmp_path):
        pass
    assert "added latcal's datasets" in init(repo).output
    assert yaml.safe_load(configuration.read_text(encoding="utf-8")) == yaml.safe_load(whole)
    assert not list(Path(repo).glob("latcal_*"))  # it was written beside, and moved to its place


def test_a_bias_of_the_rubin_stack_keeps_its_name(tmp_path: Path) -> None:
    from lsst.daf.butler import DatasetType

    with opened(tmp_path) as store:
        with store.repository.writing() as butler:
            theirs = DatasetType("bias", ("instrument", "detector"), "ExposureF", universe=butler.dimensions, isCalibration=True)
            butler.registry.registerDatasetType(theirs)
        with pytest.raises(StoreError, match=r"dataset type .*bias.*ExposureF.* is not latcal's"):
            store.put(samples.product(), "run-1")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--instrument", "latis"), "no plugin has an instrument 'latis' (there is "),
        (("--instrument", "no.yaml"), "no.yaml: No such file or directory"),
    ],
)
def test_what_cannot_be_entered_is_told_and_nothing_is_made(tmp_path: Path, words: tuple[str, ...], message: str) -> None:
    done = init(str(tmp_path / "repo"), *words)
    assert done.exit_code == 4
    assert message in done.output
    assert list(tmp_path.iterdir()) == []


def test_nothing_of_the_butler_is_imported_until_a_repository_is_opened() -> None:
    script = "import sys, latcal; latcal.load_plugins(); print([name for name in sys.modules if name.split('.')[0] in ('lsst', 'sqlalchemy')])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout == "[]\n"


def test_a_repository_is_recognised_where_a_procedure_names_a_place(tmp_path: Path) -> None:
    (tmp_path / "repo").mkdir()
    (tmp_path / "repo" / "butler.yaml").touch()
    registry = latcal.load_plugins()
    text = f"latcal: 1\nprocedure: latiss\nconfig: {{repo: '{tmp_path / 'repo'}'}}\n"
    store = latcal.read(text, "day.yaml", registry).store
    assert (store.use, store.options.repo) == ("butler", str(tmp_path / "repo"))
    assert latcal.read(text.replace("/repo'", "/other'"), "day.yaml", registry).store.use == "folder"
    named = text.replace("/repo'", "/repo/butler.yaml'")
    assert latcal.read(named, "day.yaml", registry).store.use == "folder"  # nothing in it says that it is one
    (tmp_path / "repo" / "butler.yaml").write_text("registry:\n  db: sqlite:///gen3.sqlite3\n")
    assert latcal.read(named, "day.yaml", registry).store.use == "butler"


def test_the_readme_lists_every_option() -> None:
    table = README[README.index("## Options") : README.index("**PostgreSQL.**")]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == [field.name for field in attrs.fields(ButlerOptions)]


PROGRAMS = {"latcal-butler": main, "latcal": latcal_main, "butler": butler_main}


def test_the_readme_leads_from_nothing_to_a_certified_bias(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    section = README[README.index("## From nothing") : README.index("## Options")]
    blocks = re.findall(r"^```(yaml|console)\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    assert [language for language, _ in blocks] == ["console", "yaml", "console"]
    for language, text in blocks:
        if language == "yaml":
            Path("bias.yaml").write_text(text, encoding="utf-8")
            continue
        for line, expected in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", text, re.MULTILINE):
            program, *words = shlex.split(line)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of Rubin's own packages
                done = CliRunner().invoke(PROGRAMS[program], words)
            assert done.exit_code == 0, done.output
            wanted = ".*".join(re.escape(" ".join(part.split())) for part in f" {expected} ".split("..."))
            assert re.search(wanted, " ".join(done.output.split())), (line, done.output)


def test_the_plugins_own_recipe_is_planned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(latcal_main, ["plan", "butler_daily"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert "Certify bias" in done.output
    assert list(tmp_path.iterdir()) == []
