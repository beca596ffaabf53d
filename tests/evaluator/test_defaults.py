"""What is evaluated where nobody says: the first method and scheme of a release, or the reference's own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from routerset.release.evaluator import InputError, evaluate, load_release
from routerset.release.evaluator.__main__ import main
from routerset.release.evaluator.items import load_items
from routerset.release.evaluator.predictions import read_predictions
from tests.evaluator.releases import random_fixture, write_release


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Groups by two methods and splits by two schemes, of which `greedy` and `family` come first."""
    fixture = random_fixture(ms=(3,), methods=("greedy", "paper"))
    return write_release(tmp_path_factory.mktemp("release"), [fixture], follow="family")


def edited(path: Path, folder: Path, **values: object) -> Path:
    """The release with other entries in its manifest; None takes one out."""
    for part in path.iterdir():
        (folder / part.name).symlink_to(part)
    manifest = json.loads((path / "manifest.json").read_text()) | values
    (folder / "manifest.json").unlink()
    kept = {key: value for key, value in manifest.items() if value is not None}
    (folder / "manifest.json").write_text(json.dumps(kept))
    return folder


@pytest.mark.parametrize(
    ("asked", "method", "scheme"),
    [
        ({}, "greedy", "family"),
        ({"method": "paper"}, "paper", "family"),
        ({"scheme": "paper"}, "greedy", "paper"),
        ({"compat": True, "scheme": "family"}, "paper", "family"),
        ({"compat": True, "scheme": "family", "method": "greedy"}, "greedy", "family"),
    ],
)
def test_the_first_of_the_manifest_is_the_default(
    path: Path, asked: dict[str, object], method: str, scheme: str
) -> None:
    rows = evaluate(load_release(path), ["oracle"], resamples=0, **asked).rows  # type: ignore[arg-type]
    assert {(row.method, row.scheme) for row in rows} == {(method, scheme)}


def test_compat_is_of_the_references_groups_and_split(tmp_path: Path) -> None:
    fixture = random_fixture(ms=(3,), methods=("greedy", "paper"))
    release = load_release(write_release(tmp_path, [fixture]))
    rows = evaluate(release, ["oracle"], compat=True, resamples=0).rows
    assert {(row.method, row.scheme) for row in rows} == {("paper", "paper")}


@pytest.mark.parametrize("methods", [None, []])
def test_a_manifest_without_methods(path: Path, tmp_path: Path, methods: list[str] | None) -> None:
    release = load_release(edited(path, tmp_path, methods=methods, schemes=None))
    assert release.setting(None, None) == ("greedy", "paper")


@pytest.mark.parametrize("methods", ["greedy", ["greedy", 1], ["../greedy"]])
def test_methods_that_are_no_names(path: Path, tmp_path: Path, methods: object) -> None:
    with pytest.raises(InputError, match="a required entry is missing or malformed"):
        load_release(edited(path, tmp_path, methods=methods))


def test_predictions_are_for_the_default_cells(path: Path, tmp_path: Path) -> None:
    release = load_release(path)
    group = release.groups_of("toy", "greedy")[0]
    items = load_items(release, "toy", [], None, "family").parts["test"].item_ids
    lines = [f"toy,3,{group.kind},{item},{group.candidates[0]}\n" for item in items]
    (tmp_path / "mine.csv").write_text("benchmark,m,kind,item_id,model\n" + "".join(lines))
    router = read_predictions(tmp_path / "mine.csv", release)
    assert [cell[3:] for cell in router.predictions] == [("greedy", "family")]


@pytest.mark.parametrize(("option", "method"), [([], "greedy"), (["--method", "paper"], "paper")])
def test_the_command_line(
    path: Path, option: list[str], method: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--routers", "oracle", "--resamples", "0", "--format", "json"]
    assert main([str(path), *words, *option]) == 0
    assert {row["method"] for row in json.loads(capsys.readouterr().out)} == {method}
