"""Manifests of wrong types, sizes and names: one clear error, at once, from whoever reads them."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path

import pytest

from routerset.etl import manifest as build_manifest
from routerset.etl.cli import main
from routerset.expectations.errors import Unreadable
from routerset.expectations.target import locate
from routerset.release.build import write_release
from routerset.release.errors import ReleaseInputError
from routerset.release.evaluator import DataError, InputError, load_release
from routerset.release.manifest import read_manifest
from routerset.schemas.manifests import ManifestError
from tests.release.builds import options, small_benches, write_build

WRONG: tuple[object, ...] = (None, [], {}, "x", -1, 1e13, 1 << 70, {"a": {"b": 1}}, [[None]], True, 0.5)
TEXTS = {
    "null": "null",
    "list": "[]",
    "number": "7",
    "empty": "",
    "no text": "\xff",
    "deep": "[" * 200_000,
    "deep object": '{"a":' * 200_000,
    "deep and whole": '{"schema_version": 2, "release": ' + "[" * 200_000 + "]" * 200_000 + "}",
    "NaN": '{"schema_version": NaN}',
    "long number": '{"schema_version": ' + "9" * 5000 + "}",
    "repeated key": '{"schema_version": 2, "schema_version": 2, "release": {}, "stages": {}}',
    "no release": '{"schema_version": 2}',
    "empty release": '{"schema_version": 2, "release": {}}',
    "empty stages": '{"schema_version": 2, "stages": []}',
    "schema true": '{"schema_version": true, "release": {}}',
}


def leaves(value: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Place of every value of a document, the first of a list or of a map standing for the rest."""
    yield path
    if isinstance(value, dict):
        for key in value if path in ((), ("release",)) or len(value) < 25 else list(value)[:1]:
            yield from leaves(value[key], (*path, key))
    elif isinstance(value, list) and value:
        yield from leaves(value[0], (*path, 0))


def changed(document: object, path: tuple[str | int, ...], value: object) -> object:
    """The document with another value at a place."""
    if not path:
        return value
    copy = deepcopy(document)
    place = copy
    for key in path[:-1]:
        place = place[key]  # type: ignore[index]
    place[path[-1]] = value  # type: ignore[index]
    return copy


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A build with one benchmark, its release, and a manifest as builds have."""
    folder = write_build(tmp_path_factory.mktemp("built"), small_benches()[:1])
    write_release(folder, folder / "release", options())
    stages = {
        "ingest": {
            "benchmarks": {"gsm8k": {"models": 20, "items": 40}},
            "accounting": [options().accounting[0]],
            "settings": {"min_coverage": 1.0, "table_4": False},
            "passed_over": [],
        },
        "splits": {"counts": {"paper": {"gsm8k": {"train": 32, "validation": 4, "test": 4}}}},
        "groups": {"groups": {"paper": {"gsm8k": {
            "complete_models": 20, "left_out": 0, "groups": ["m3_all_strong"],
            "skipped": [{"m": 100, "kind": "all_strong", "reason": "few"}]}}}},
        "embed": {"embeddings": {"minilm": {"gsm8k": {"from": "model", "truncated": 0}}}},
    }  # fmt: skip
    output = {"path": "tables/models.parquet", "sha256": "0" * 64, "bytes": 1, "rows": 1}
    document = {
        "schema_version": 2,
        "dataset": "x",
        "libraries": {},
        "stages": {n: {"outputs": [output], "info": i, "fingerprint": ""} for n, i in stages.items()},
    }
    (folder / "manifest.json").write_text(json.dumps(document))
    return folder


def refused(path: Path, *reads: Callable[[Path], object]) -> int:
    """How many readers refuse a folder; anything but their own error fails."""
    found = 0
    for read in reads:
        try:
            read(path)
        except (ReleaseInputError, InputError, DataError, Unreadable, ManifestError):
            found += 1
    return found


def test_every_value_of_a_release(build: Path, tmp_path: Path) -> None:
    release = Path(shutil.copytree(build / "release", tmp_path / "release"))
    document = json.loads((release / "manifest.json").read_text())
    tried = missed = 0
    for path in leaves(document):
        for value in WRONG:
            (release / "manifest.json").write_text(json.dumps(changed(document, path, value)))
            gate, ours, _ = (refused(release, read) for read in (locate, read_manifest, load_release))
            assert gate == ours or ours
            tried, missed = tried + 1, missed + (not gate)
    assert tried > 500
    assert missed < tried / 5  # texts, counts that are others, and facts of encoders: other checks


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("seed",), "x"),
        (("seed",), True),
        (("seed",), -1),
        (("benchmarks", "gsm8k", "n_items"), 1e13),
        (("benchmarks", "gsm8k", "n_items"), 10**13),
        (("benchmarks", "gsm8k", "n_items"), 40.5),
        (("benchmarks", "gsm8k", "n_items"), "40"),
        (("benchmarks", "gsm8k", "binary"), 1),
        (("benchmarks", "gsm8k", "groups", 0, "m"), "3"),
        (("benchmarks", "gsm8k", "groups", 0, "m"), 1 << 41),
        (("benchmarks", "gsm8k", "reference_score"), "1"),
        (("benchmarks", "../gsm8k"), {}),
        (("release", "version"), {}),
        (("release", "version"), "1.0.0\n"),
        (("release", "name"), ["x"]),
        (("release", "previous"), 1),
    ],
)
def test_every_reader_refuses(
    build: Path, tmp_path: Path, path: tuple[str | int, ...], value: object
) -> None:
    release = Path(shutil.copytree(build / "release", tmp_path / "release"))
    document = json.loads((release / "manifest.json").read_text())
    (release / "manifest.json").write_text(json.dumps(changed(document, path, value)))
    readers = (locate, read_manifest, load_release)
    unread = {("release", "previous"), ("release", "version")}  # by the evaluator, or not as a version
    assert refused(release, *readers) >= 3 - (path in unread)


@pytest.mark.parametrize(
    "path", [(), ("release",), ("benchmarks", "gsm8k"), ("tables", "models.parquet"), ("accounting", 0)]
)
def test_keys_of_a_release_are_a_closed_list(
    build: Path, tmp_path: Path, path: tuple[str | int, ...]
) -> None:
    release = Path(shutil.copytree(build / "release", tmp_path / "release"))
    document = json.loads((release / "manifest.json").read_text())
    (release / "manifest.json").write_text(json.dumps(changed(document, (*path, "news"), 1)))
    with pytest.raises(ReleaseInputError, match=r"unknown key .*\.news"):
        read_manifest(release)
    assert refused(release, locate) == 1


def test_every_value_of_a_build(build: Path, tmp_path: Path) -> None:
    document = json.loads((build / "manifest.json").read_text())
    folder = tmp_path / "build"
    (folder / "tables").mkdir(parents=True)
    for path in leaves(document):
        for value in WRONG:
            (folder / "manifest.json").write_text(json.dumps(changed(document, path, value)))
            refused(folder, locate, build_manifest.load)


@pytest.mark.parametrize("text", list(TEXTS))
def test_texts_that_are_no_manifest(build: Path, tmp_path: Path, text: str) -> None:
    folder = Path(shutil.copytree(build, tmp_path / "build"))
    data = TEXTS[text].encode("latin-1")
    (folder / "manifest.json").write_bytes(data)
    (folder / "release" / "manifest.json").write_bytes(data)
    assert refused(folder / "release", locate, read_manifest, load_release) == 3
    refused(folder, locate, build_manifest.load)


def special(path: Path, what: str) -> None:
    """Something else than a file in the place of one."""
    path.unlink()
    if what == "fifo":
        os.mkfifo(path)
    elif what == "folder":
        path.mkdir()
    else:
        path.symlink_to(what)


@pytest.mark.parametrize("what", ["/dev/zero", "fifo", "folder", "/dev/stdin", "manifest.json"])
@pytest.mark.parametrize("name", ["manifest.json", "SHA256SUMS"])
def test_no_file_at_all(
    build: Path, tmp_path: Path, what: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Path(shutil.copytree(build, tmp_path / "build"))
    if name == what:
        what = str(folder / "release" / name)  # a link to itself
    special(folder / "release" / name, what)
    release = str(folder / "release")
    verbs = [["validate", release], ["verify", release], ["publish", str(folder), "--to", f"{tmp_path}/to"]]
    if name == "manifest.json":
        verbs += [["evaluate", release], ["report", release, "--out", f"{tmp_path}/page"]]
    for words in verbs:
        code = main(words)
        assert code == 3 or (words[0] in ("verify", "publish") and code == 1), words
        told = capsys.readouterr()
        assert name in told.out + told.err
    if name == "manifest.json" and not what.startswith(str(folder)):
        (folder / "manifest.json").unlink()
        (folder / "release" / name).rename(folder / name)
        assert main(["validate", str(folder)]) == 3
        assert build_manifest.load(folder) is None  # it is written anew


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "../outside", "data/../../outside", "./x", "a//b", "a\x00b", ""]
)
def test_checksums_name_files_below_the_release(
    build: Path, tmp_path: Path, path: str, capsys: pytest.CaptureFixture[str]
) -> None:
    release = Path(shutil.copytree(build / "release", tmp_path / "release"))
    (tmp_path / "outside").write_text("secret")
    with (release / "SHA256SUMS").open("a") as sums:
        sums.write(f"{'0' * 64}  {path}\n")
    assert main(["validate", str(release)]) == 3
    assert main(["verify", str(release)]) == 1
    assert "SHA256SUMS[line" in capsys.readouterr().out


def test_links_below_a_release_are_not_read(build: Path, tmp_path: Path) -> None:
    release = Path(shutil.copytree(build / "release", tmp_path / "release"))
    shutil.move(release / "LICENSE", tmp_path / "LICENSE")
    (release / "LICENSE").symlink_to(tmp_path / "LICENSE")
    os.mkfifo(release / "CITATION")
    assert main(["validate", str(release)]) == 1
