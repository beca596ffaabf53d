"""Options of which one has no effect beside another: a line and exit code 2, a ValueError in Python."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

import routerset
from routerset.etl.cli import main
from tests.dumps import truth, write_config, write_items, write_wide

APART = {
    "build x.toml --out o --scheduler tcp://h:1": "--scheduler needs --runner dask",
    "build x.toml --out o --runner dask --scheduler tcp://h:1 --workers 2": (
        "--scheduler cannot be used with --workers: a cluster has the workers that were started for it"
    ),
    "build x.toml --out o --dry-run --workers 2": "--dry-run cannot be used with --workers",
    "build x.toml --out o --dry-run --check": "--dry-run cannot be used with --check",
    "build x.toml --out o --dry-run --runner dask": "--dry-run cannot be used with --runner dask",
    "validate dumps --previous o": "found --previous beside a dump; expected a whole build or release",
    "validate dumps --config x.toml --previous o": "found --previous beside a dump",
    "validate built --table scores --previous o": "found --previous beside a build, --table scores",
    "verify r --config x.toml": "--config needs --against DUMPS",
    "verify r --against built --config x.toml": "--config needs dumps to read again, and a build has tables",
    "status r --config x.toml": "--config needs a build; a release, and what is published, has none",
    "status hf://datasets/ORG/NAME --config x.toml": "--config needs a build",
    "publish r --to p --overwrite": "--overwrite needs hf://datasets/ORG/NAME",
    "rollback p 1.0.0 --overwrite": "--overwrite needs hf://datasets/ORG/NAME",
    "leaderboard r s --out o --url https://example.org": "--url needs --eval-results DIR",
    "leaderboard r s --out o --dataset a/b": "--dataset needs --eval-results DIR",
    f"leaderboard r s --out o --revision {'0' * 40}": "--revision needs --eval-results DIR",
    "leaderboard r s --out o --eval-results e": "--eval-results needs --dataset ORG/NAME",
}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    known = truth()
    write_wide(tmp_path / "dumps" / "gsm8k.csv", known.models, known.keys, known.scores)
    write_items(tmp_path / "items.csv", known.keys)
    write_config(tmp_path / "x.toml")
    (tmp_path / "built/tables").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("line", APART)
def test_options_that_do_not_go_together_are_refused(
    line: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(place.rglob("*"))
    assert main(shlex.split(line)) == 2
    out, err = capsys.readouterr()
    assert APART[line] in err
    assert "leave" in err.splitlines()[-1]
    assert out == ""
    assert sorted(place.rglob("*")) == before


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: routerset.build("x.toml", "o", scheduler="tcp://h:1"), "--scheduler needs --runner dask"),
        (lambda: routerset.build("x.toml", "o", runner="dask", scheduler="a", workers=2), "--workers"),
        (lambda: routerset.validate("dumps", previous="o"), "found --previous beside a dump"),
        (lambda: routerset.verify("r", config="x.toml"), "--config needs --against DUMPS"),
        (lambda: routerset.verify("r", config="x.toml", against="built"), "--config needs dumps"),
    ],
)
def test_arguments_that_do_not_go_together_are_value_errors(
    call: Callable[[], object], said: str, place: Path
) -> None:
    with pytest.raises(ValueError, match=said):
        call()
