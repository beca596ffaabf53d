"""Files that are not ours: no verb writes over, removes or follows what it did not make."""

from __future__ import annotations

import os
import shutil
import signal
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TypeAlias

import pytest

from routerset.etl.build import build
from routerset.etl.cli import main
from routerset.etl.config import Runner, load_config
from routerset.release.verify import verify
from tests.dumps import truth, write_config, write_items, write_wide

Plant: TypeAlias = Callable[[Path], object]
"""Puts something into a folder; `Path` of a folder beside it, `theirs`, holds what links may lead to."""
OURS = "`routerset {}` writes over files here, and removes what it wrote\n"


@dataclass(frozen=True)
class Inputs:
    """What verbs read: a config with its dumps, and a build of them."""

    config: Path
    build: Path

    @property
    def release(self) -> Path:
        return self.build / "release"


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    folder = tmp_path_factory.mktemp("inputs")
    known = truth()
    write_wide(folder / "dumps" / "a.csv", known.models, known.keys, known.scores)
    write_items(folder / "items.csv", known.keys)
    config = write_config(folder / "x.toml", extra="[embed]\nencoders = []\n")
    make(config, folder / "built")
    return Inputs(config, folder / "built")


@pytest.fixture(autouse=True)
def no_hanging() -> Iterator[None]:
    """A pipe that is opened the wrong way waits for ever; the test then fails instead."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise AssertionError("hangs")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(120)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder to work in, and beside it one of somebody else."""
    theirs = tmp_path / "theirs"
    (theirs / "data_docs").mkdir(parents=True)
    (theirs / "data_docs" / "page.html").write_text("theirs")
    (theirs / "part-0.parquet").write_text("theirs")
    (theirs / "file").write_text("theirs")
    (theirs / ".marker").write_text(OURS.format("build"))
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def make(config: Path, out: Path) -> None:
    build(load_config(config), out, Runner(), lambda *_: None)


def snapshot(root: Path) -> dict[str, tuple[object, ...]]:
    """All that can be told of everything below a folder, links not followed."""
    found = {}
    for path in sorted([root, *root.rglob("*")]):
        of = path.lstat()
        is_file, is_link = stat.S_ISREG(of.st_mode), stat.S_ISLNK(of.st_mode)
        content = path.read_bytes() if is_file else str(path.readlink()) if is_link else None
        found[str(path)] = (of.st_mode, of.st_ino, of.st_nlink, of.st_size, of.st_mtime_ns, content)
    return found


def refuses(words: list[str], around: Path, capsys: pytest.CaptureFixture[str], named: str = "") -> None:
    """A command ends with 2, says what it found, and all that lies around is as it was."""
    before = snapshot(around)
    code = main(words)
    said = capsys.readouterr().err
    assert snapshot(around) == before
    assert (code, "Traceback" in said, named in said) == (2, False, True), said


def file(name: str, text: str = "theirs") -> Plant:
    def plant(folder: Path) -> None:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    return plant


def link(name: str, target: str) -> Plant:
    def plant(folder: Path) -> None:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            shutil.rmtree(path)
        path.unlink(missing_ok=True)
        path.symlink_to(folder.parent / "theirs" / target)

    return plant


def pipe(name: str) -> Plant:
    def plant(folder: Path) -> None:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        os.mkfifo(path)

    return plant


def folder_at(name: str) -> Plant:
    def plant(folder: Path) -> None:
        (folder / name).unlink(missing_ok=True)
        (folder / name).mkdir(parents=True)

    return plant


def read_only(folder: Path) -> None:
    (folder / "notes.txt").write_text("theirs")
    folder.chmod(0o500)


def every(*plants: Plant) -> Plant:
    def plant(folder: Path) -> None:
        for each in plants:
            each(folder)

    return plant


EXTENSION = '{"manifest_version": 3, "name": "an extension", "stages": {}}'
FOREIGN: dict[str, Plant] = {
    "a file": file("notes.txt"),
    "a hidden file": file(".env"),
    "a checkout": every(file(".git/HEAD"), file("release/__init__.py"), file("tables/a.py")),
    "code in release/": file("release/build.py"),
    "a table": file("tables/items/x.parquet"),
    "an item in place": file("tables/items/benchmark=gsm8k/part-0.parquet"),
    "dumps": file("dumps/a.csv"),
    "an empty folder": folder_at("photos"),
    "temporaries": file("staging/.mine.tmp"),
    "somebody's temporary": file("staging/.mine.12-0123abcd.tmp"),
    "another manifest": file("manifest.json", EXTENSION),
    "a deep manifest": file("manifest.json", "[" * 200_000),
    "a manifest that is a link": link("manifest.json", "file"),
    "a manifest that is a pipe": pipe("manifest.json"),
    "a marker of somebody": file(".routerset", "mine"),
    "a marker that is a link": link(".routerset", ".marker"),
    "a marker that is a pipe": pipe(".routerset"),
    "a marker that is a folder": folder_at(".routerset"),
    "a lock with text": file(".lock", "1234"),
    "a lock that is a link": link(".lock", "file"),
    "a lock that is a link to nothing": link(".lock", "nothing"),
    "a lock that is a pipe": pipe(".lock"),
    "a lock that is a folder": folder_at(".lock"),
    "a report of somebody": every(file("results.csv"), file("report.html"), file("README.md")),
    "pages of somebody": every(file("results.json", "{}"), file("data_docs/index.html")),
    "a config of somebody": file("demo.toml"),
    "truth of somebody": file("truth.json", "{}"),
    "truth that is a pipe": pipe("truth.json"),
    "a link alone": link("photos", ""),
    "read-only": read_only,
}
VERBS: dict[str, Callable[[Inputs, Path], list[str]]] = {
    "build": lambda of, out: ["build", str(of.config), "--out", str(out)],
    "report": lambda of, out: ["report", str(of.release), "--sizes", "3", "--out", str(out)],
    "validate": lambda of, out: ["validate", str(of.release), "--out", str(out)],
    "demo": lambda of, out: ["demo", "--out", str(out)],
    "synth": lambda of, out: ["synth", str(out), "--models", "4", "--benchmarks", "gsm8k"],
}


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("kind", FOREIGN)
def test_no_verb_touches_a_folder_that_is_not_ours(
    verb: str, kind: str, inputs: Inputs, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    FOREIGN[kind](place)
    refuses(VERBS[verb](inputs, place), place.parent, capsys, "out")


@pytest.mark.parametrize("owner", ["build", "report", "validate", "demo"])
@pytest.mark.parametrize("verb", VERBS)
def test_no_verb_writes_to_the_folder_of_another(
    verb: str, owner: str, inputs: Inputs, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if verb != owner:
        every(file(".routerset", OURS.format(owner)), file("notes.txt"))(place)
        refuses(VERBS[verb](inputs, place), place.parent, capsys, "" if verb == "synth" else owner)


@pytest.mark.parametrize("verb", ["build", "report", "validate", "demo"])
@pytest.mark.parametrize("inside", ["", "reports/more"])
def test_no_verb_writes_into_a_release(
    verb: str, inside: str, inputs: Inputs, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    release = shutil.copytree(inputs.release, place / "v1.0.0")
    refuses(VERBS[verb](inputs, release / (inside or "new")), place, capsys, "a release")
    refuses(VERBS[verb](inputs, release), place, capsys)


IN_A_BUILD: dict[str, Plant] = {
    **{f"{name}/ is a link": link(name, "") for name in ("tables", "staging", "validation", "release")},
    "tables/items is a link": link("tables/items", ""),
    "a partition is a link": link("tables/items/benchmark=gsm8k", ""),
    "a table is a link": link("tables/models.parquet", "file"),
    "release/reports is a link": link("release/reports", ""),
    "release/validation is a link": link("release/validation", ""),
    "a file of the release is a link": link("release/README.md", "file"),
    "staging/done is a link": link("staging/done", ""),
    "validation/ingest is a link": link("validation/ingest", ""),
    "a temporary is a link": link("tables/items/.x.1-0123abcd.tmp", ""),
    "the manifest is a link": link("manifest.json", "file"),
    "the marker is a link": every(file("notes.txt"), link(".routerset", "file")),
    "the lock is a link": link(".lock", "file"),
    "the lock is a link to nothing": link(".lock", "nothing"),
    "the lock is a pipe": pipe(".lock"),
    "the lock is a folder": folder_at(".lock"),
    "the lock is a folder with files": every(folder_at(".lock"), file(".lock/x")),
    "a pipe among the tables": pipe("tables/items/pipe"),
    "a file in release/": file("release/notes.txt"),
    "a file below release/": file("release/evaluator/routers/mine.py"),
    "a checkout in release/": file("release/.git/HEAD"),
    "a cache in release/": file("release/evaluator/__pycache__/mine.cpython-312.pyc"),
    "another old release": file(".release.before/notes.txt"),
    "a file among the tables": file("tables/notes.txt"),
    "a table of another name": file("tables/items/x.parquet"),
    "a table of another benchmark": file("tables/items/benchmark=arc/part-0.parquet"),
    "a backup of a partition": lambda out: shutil.copytree(
        out / "tables/items/benchmark=gsm8k", out / "tables/items/benchmark=gsm8k.bak"
    ),
    "a temporary of somebody": file("tables/items/.mine.tmp"),
}


@pytest.mark.parametrize("of_old", [False, True], ids=["marked", "of before"])
@pytest.mark.parametrize("kind", IN_A_BUILD)
def test_a_build_touches_nothing_where_its_folder_holds_what_is_not_its_own(
    kind: str, of_old: bool, inputs: Inputs, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(inputs.build, place, dirs_exist_ok=True)
    if of_old:
        (place / ".routerset").unlink()
    IN_A_BUILD[kind](place)
    refuses(VERBS["build"](inputs, place), place.parent, capsys, str(place))


@pytest.mark.parametrize(
    ("verb", "plant"),
    [
        ("report", link("report.html", "file")),
        ("report", link("results.csv", "nothing")),
        ("report", link("figure2_scaling.png", "file")),
        ("report", pipe("table1.md")),
        ("validate", link("data_docs", "data_docs")),
        ("validate", link("data_docs/index.html", "file")),
        ("validate", link("results.json", "file")),
        ("validate", pipe("results.json")),
        ("validate", file("data_docs/notes.txt")),
        ("demo", link("demo.toml", "file")),
        ("demo", link("dumps", "")),
        ("demo", link("build", "")),
        ("demo", pipe("demo.toml")),
    ],
)
def test_nothing_is_followed_or_removed_in_a_folder_that_is_ours(
    verb: str, plant: Plant, inputs: Inputs, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file(".routerset", OURS.format(verb))(place)
    plant(place)
    refuses(VERBS[verb](inputs, place), place.parent, capsys, str(place))


@pytest.mark.parametrize(
    "plant",
    [
        link("validation", ""),
        link("validation/data_docs", "data_docs"),
        link("validation/results.json", "file"),
    ],
)
def test_validate_follows_no_link_in_a_build(
    plant: Plant, inputs: Inputs, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(inputs.build, place, dirs_exist_ok=True)
    plant(place)
    refuses(["validate", str(place)], place.parent, capsys, "validation")


@pytest.mark.parametrize("name", [".report.html.part", ".results.csv.part"])
def test_a_report_leaves_what_has_the_name_of_a_draft(name: str, inputs: Inputs, place: Path) -> None:
    every(file(".routerset", OURS.format("report")), link(name, "file"))(place)
    before = snapshot(place.parent / "theirs"), (place / name).readlink()
    assert main(VERBS["report"](inputs, place)) == 0
    assert (snapshot(place.parent / "theirs"), (place / name).readlink()) == before
    assert (place / "report.html").is_file()


@pytest.mark.parametrize("kind", [file, link, pipe, folder_at])
def test_synth_writes_over_no_config(
    kind: Callable[..., Plant], inputs: Inputs, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kind("out.toml", *(["file"] if kind is link else []))(place)
    refuses(VERBS["synth"](inputs, place / "out"), place.parent, capsys, "out.toml")


def test_verbs_run_again_in_their_own_folder(inputs: Inputs, tmp_path: Path) -> None:
    for verb in ("synth", "report", "validate"):
        assert [main(VERBS[verb](inputs, tmp_path / verb)) for _ in range(2)] == [0, 0]


@pytest.mark.parametrize("left", [[], [".routerset"], [".lock"], [".lock", ".routerset"]])
def test_a_run_that_was_killed_as_it_began_goes_on(left: list[str], inputs: Inputs, place: Path) -> None:
    for name in left:
        (place / name).touch()
    make(inputs.config, place)
    assert (place / ".routerset").read_text() == OURS.format("build")


def test_a_build_of_before_goes_on(inputs: Inputs, place: Path) -> None:
    shutil.copytree(inputs.build, place, dirs_exist_ok=True)
    (place / ".routerset").unlink()
    before = snapshot(place)
    said: list[str] = []
    build(load_config(inputs.config), place, Runner(), lambda _, state: said.append(state))
    assert set(said) == {"up to date"}
    added = snapshot(place).keys() - before.keys()
    assert added == {str(place / ".routerset")}


def test_what_an_earlier_build_listed_and_a_killed_run_left_is_removed(inputs: Inputs, place: Path) -> None:
    """And only that: other files of the folder stay."""
    shutil.copytree(inputs.build, place, dirs_exist_ok=True)
    groups = place / "tables/groups/method=paper/benchmark=gsm8k/part-0.parquet"
    left = place / "tables/groups/method=greedy/benchmark=arc/part-0.parquet"
    left.parent.mkdir()
    shutil.copy(groups, left)
    ours = [place / inside / ".x.1-0123abcd.tmp" for inside in (".", "tables", "staging/done")]
    for path in ours:
        path.mkdir()
    theirs = [place / "notes.txt", place / "photos" / "a.png", place / "staging" / ".mine.tmp"]
    for path in theirs:
        file(path.relative_to(place).as_posix())(place)
    text = inputs.config.read_text()
    one = inputs.config.with_name("one.toml")
    one.write_text(text.replace("sizes = [3, 5]", 'sizes = [3, 5]\nmethods = ["greedy"]'))
    make(one, place)
    assert [path for path in [groups.parent.parent, left.parent, *ours] if path.exists()] == []
    assert {path.read_text() for path in theirs} == {"theirs"}


@pytest.mark.parametrize("lost", ["manifest.json", "release/SHA256SUMS", "release/manifest.json", "release"])
def test_a_build_that_lost_a_list_is_made_whole(lost: str, inputs: Inputs, place: Path) -> None:
    shutil.copytree(inputs.build, place, dirs_exist_ok=True)
    if (place / lost).is_dir():
        shutil.rmtree(place / lost)
    else:
        (place / lost).unlink()
    make(inputs.config, place)
    assert verify(place / "release") == []
    assert (place / "release/SHA256SUMS").read_bytes() == (inputs.release / "SHA256SUMS").read_bytes()


def test_no_marker_gets_into_a_release(inputs: Inputs) -> None:
    assert (inputs.build / ".routerset").is_file()
    assert list(inputs.release.rglob(".routerset")) == []
    assert ".routerset" not in (inputs.release / "SHA256SUMS").read_text()


@pytest.mark.parametrize("path", ["dumps", "dumps/**/*.csv"])
@pytest.mark.parametrize("out", ["out", "deep/er/out", "link"])
def test_a_source_leaves_out_what_is_written_into_it(
    out: str, path: str, inputs: Inputs, tmp_path: Path
) -> None:
    """As often as it is built, and with a note."""
    dumps = shutil.copytree(inputs.config.parent / "dumps", tmp_path / "dumps")
    shutil.copy(inputs.config.with_name("items.csv"), tmp_path)
    config = write_config(tmp_path / "x.toml", dump=path, extra="[embed]\nencoders = []\n")
    if out == "link":
        (tmp_path / "elsewhere").mkdir()
        (dumps / "link").symlink_to(tmp_path / "elsewhere")
    (dumps / "report").mkdir()
    every(file(".routerset", OURS.format("report")), file("results.csv"))(dumps / "report")
    said: list[list[str]] = []
    for _ in range(3):
        said.append([])
        report = lambda _, state, said=said: said[-1].append(state)  # noqa: E731
        manifest = build(load_config(config), dumps / out, Runner(), report)
        info = manifest.stages["ingest"].info
        assert [(row["n"], row["such_as"]) for row in info["passed_over"]] == [(2, min(f"{out}/", "report/"))]
        assert [row["read"] for row in info["accounting"]] == [240]
    assert [set(states) for states in said[1:]] == [{"up to date"}] * 2
