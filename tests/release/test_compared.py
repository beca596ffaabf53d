"""`routerset diff`: what changed between two releases, and which version that makes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from routerset.etl.cli import main
from routerset.release.build import write_release
from routerset.release.manifest import read_manifest
from routerset.schemas.outfolder import BUILD, mark
from tests.release.builds import Bench, binary, model_names, options, write_build


def make(folder: Path, n_models: int, previous: Path | None = None) -> Path:
    """A build with a release."""
    bench = Bench("gsm8k", binary(10, 12, 2)[:n_models], sizes=(3,))
    build = write_build(folder, [bench], model_names(10))
    given = options(previous=previous, accounting=(), skipped_groups=())
    write_release(build, build / "release", given)
    return build / "release"


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    root = tmp_path_factory.mktemp("pair")
    first = make(root / "first", 9)
    return first, make(root / "second", 10, first)


def test_it_says_what_the_version_says(pair: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    old, new = pair
    assert main(["diff", str(old), str(new), "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["old"], found["next_version"]) == ("1.0.0", read_manifest(new).version)
    assert found["counts"]["gsm8k"]["models"] == [9, 10]
    assert any(c["what"].startswith("1 model added") for c in found["changes"])
    levels = ["MAJOR", "MINOR", "PATCH"]
    assert found["level"] == found["changes"][0]["level"]
    assert [c["level"] for c in found["changes"]] == sorted(
        (c["level"] for c in found["changes"]), key=levels.index
    )
    assert main(["diff", str(new), str(old), "--format", "json"]) == 0
    back = json.loads(capsys.readouterr().out)
    assert any(c["what"].startswith("1 model removed") for c in back["changes"])
    assert (back["level"], back["old"]) == ("MAJOR", read_manifest(new).version)


def test_its_text_fits_a_terminal(pair: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", *map(str, pair)]) == 0
    told = capsys.readouterr().out
    assert told.startswith("v1.0.0 to v")
    assert "because\n  " in told
    assert "10 (+1)" in told
    assert max(map(len, told.splitlines())) <= 80


def test_the_same_release_does_not_differ(
    pair: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    old = pair[0]
    mark(old.parent, BUILD)
    for same in (old, old.parent):  # the build that holds it
        assert main(["diff", str(old), str(same)]) == 0
        assert "every row and every file is the same" in capsys.readouterr().out
    assert main(["diff", str(old), str(old), "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["level"], found["next_version"], found["changes"]) == (None, "1.0.0", [])


def test_versions_of_a_place_are_named(
    pair: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "target"
    version = read_manifest(pair[1]).version
    for release, name in zip(pair, ("1.0.0", version), strict=True):
        shutil.copytree(release, target / f"v{name}")
    (target / "latest").symlink_to(f"v{version}")
    for old, new in (
        (f"{target}@v1.0.0", f"{target}"),
        (f"{target}/v1.0.0", f"{target}/latest"),
        (f"{target}@v1.0.0", f"{target}@v{version}"),
    ):
        assert main(["diff", old, new, "--format", "json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert (found["old"], found["new"]) == ("1.0.0", version)
    assert main(["diff", f"{target}@v9.0.0", str(target)]) == 3
    assert f"found versions v1.0.0, v{version}, expected v9.0.0" in capsys.readouterr().err
    assert main(["diff", str(tmp_path / "none"), str(target)]) == 3
    assert "found no release, expected one" in capsys.readouterr().err
