"""Modules that lie in a build, in a release or where one works are not run, whatever the verb."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from routerset.release.build import seal, write_release
from tests.dumps import truth, write_config, write_items, write_wide
from tests.release.builds import Bench, binary, model_names, options, write_build

NAMES = (
    "release/__init__.py",
    "release/publish/check.py",
    "routerset/__init__.py",
    "etl/__init__.py",
    "sitecustomize.py",
    "usercustomize.py",
    "__init__.py",
    *(
        f"{name}.py"
        for name in ("json", "numpy", "pyarrow", "datasets", "huggingface_hub", "duckdb", "typing")
    ),
)
STARTERS = {
    "console script": [str(Path(sys.executable).with_name("routerset"))],
    "module": [sys.executable, "-P", "-m", "routerset.etl.cli"],
}
VERBS = {
    "build": ["build", "x.toml", "--out", "out", "--only", "ingest"],
    "build with workers": ["build", "x.toml", "--out", "out", "--only", "ingest", "--workers", "2"],
    "validate": ["validate", "made/release"],
    "verify": ["verify", "made/release"],
    "publish": ["publish", "made", "--to", "target"],
    "publish, a dry run": ["publish", "made", "--to", "target", "--dry-run"],
    "evaluate": ["evaluate", "made/release", "--sizes", "3"],
    "report": ["report", "made/release", "--out", "report", "--sizes", "3"],
    "synth": ["synth", "dumps2", "--layout", "wide", "--models", "4"],
    "demo": ["demo", "--help"],
}


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A build with a release; not to be changed."""
    folder = write_build(
        tmp_path_factory.mktemp("planted") / "made",
        [Bench("arc", binary(8, 12, 1), sizes=(3,))],
        model_names(8),
    )
    write_release(folder, folder / "release", options(accounting=(), skipped_groups=()))
    return folder


@pytest.fixture
def place(made: Path, tmp_path: Path) -> Path:
    """A folder with dumps, their config and a build, where one works."""
    folder = tmp_path / "place"
    shutil.copytree(made, folder / "made")
    known = truth()
    write_wide(folder / "dumps/a.csv", known.models, known.keys, known.scores)
    write_items(folder / "items.csv", known.keys)
    write_config(folder / "x.toml")
    return folder


def plant(folder: Path, ran: Path) -> None:
    for name in NAMES:
        path = folder / name
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"open({str(ran)!r}, 'a').write({str(path)!r} + '\\n')\n")


def start(starter: str, verb: str, place: Path) -> subprocess.CompletedProcess[str]:
    command = [*STARTERS[starter], *VERBS[verb]]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return subprocess.run(
        command, cwd=place, env=environment, capture_output=True, text=True, check=False, timeout=300
    )


@pytest.mark.parametrize("starter", ["console script", pytest.param("module", marks=pytest.mark.slow)])
@pytest.mark.parametrize("verb", VERBS)
def test_planted_modules_are_not_run(place: Path, tmp_path: Path, verb: str, starter: str) -> None:
    ran = tmp_path / "ran"
    for folder in (place, place / "dumps", place / "made", place / "made/tables"):
        plant(folder, ran)
    shutil.rmtree(place / "made/release/publish", ignore_errors=True)
    (place / "made/release/__init__.py").unlink(missing_ok=True)
    done = start(starter, verb, place)
    expected = 1 if verb in ("validate", "verify") else 0  # the families and runs of the build are made up
    assert (ran.read_text() if ran.exists() else "", done.returncode) == ("", expected), done.stderr


@pytest.mark.parametrize("verb", ["validate", "verify", "publish", "evaluate", "report"])
def test_modules_that_a_release_lists_are_not_run(place: Path, tmp_path: Path, verb: str) -> None:
    """Whether such a release is refused is another matter."""
    ran = tmp_path / "ran"
    release = place / "made/release"
    plant(release, ran)
    plant(release / "evaluator", ran)
    seal(release)
    start("module", verb, place)
    assert (ran.read_text() if ran.exists() else "") == ""
