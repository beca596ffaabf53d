"""Going back to a version: a new one that says so, whoever is killed on the way."""

from __future__ import annotations

import os
import signal
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from routerset.release.changelog import read_changelog
from routerset.release.errors import ReleaseInputError, VersionError
from routerset.release.manifest import read_manifest
from routerset.release.publish import folder as publish_folder
from routerset.release.publish import hub as publishing
from routerset.release.publish.errors import PublishError, PublishRefused
from routerset.release.publish.hub import publish
from routerset.release.publish.published import Ending, Published
from routerset.release.publish.rollback import rollback
from routerset.release.verify import verify
from tests.publish.clients import QUICK, _processes, without_waiting
from tests.publish.conftest import REPOSITORY, Versions
from tests.publish.hub_store import WRITER, Hub
from tests.publish.test_hub import NAME, content, run

WHY = "the new model was\nscored\x1b[31m  twice"


@pytest.fixture
def target(tmp_path: Path, versions: Versions, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two versions; what arrives is not loaded, which takes seconds."""
    monkeypatch.setattr(publish_folder, "check_arrival", lambda *_: [])
    for release in (versions.first, versions.second):
        publish(release, str(tmp_path / "target"))
    return tmp_path / "target"


def tables(release: Path) -> dict[str, str]:
    return {path: table.sha256 for path, table in read_manifest(release).tables.items()}


def test_an_older_version_comes_back_as_a_new_one_that_says_so(target: Path) -> None:
    before = {version: content(target / version) for version in ("v1.0.0", "v1.1.0")}
    done = rollback(str(target), "1.0.0", WHY)
    assert (done.ending, done.version) == (Ending.PUBLISHED, "2.0.0")
    assert (target / "latest").readlink() == Path("v2.0.0")
    assert {version: content(target / version) for version in before} == before
    assert tables(target / "latest") == tables(target / "v1.0.0")
    assert verify(target / "latest") == []
    *_, told = read_changelog((target / "latest/CHANGELOG.md").read_text())
    assert told.changes[0].what == ("rolled back to v1.0.0, because the new model was scored\\x1b[31m twice")
    assert told.changes[1].what.startswith("1 model removed")
    assert "rolled back to v1.0.0" in done.text()
    assert len(done.text().splitlines()) < 30


def test_a_second_time_does_nothing(target: Path) -> None:
    rollback(str(target), "1.0.0")
    before = sorted(target.iterdir())
    for version in ("1.0.0", "2.0.0"):
        steps: list[str] = []
        assert rollback(str(target), version, progress=steps.append).ending is Ending.UNCHANGED
        assert f"v2.0.0, the latest version there, has all rows of v{version}" in steps
    assert sorted(target.iterdir()) == before
    assert rollback(str(target), "1.1.0").version == "2.1.0"  # and forth, which adds a model


def test_a_dry_run_changes_nothing(target: Path) -> None:
    before = sorted(target.iterdir())
    assert rollback(str(target), "1.0.0", dry_run=True).ending is Ending.PLANNED
    assert sorted(target.iterdir()) == before


@pytest.mark.parametrize(
    ("version", "because", "kind", "message"),
    [
        ("1.2.0", "", ReleaseInputError, "found versions v1.0.0, v1.1.0, expected v1.2.0"),
        ("../x", "", VersionError, "expected X.Y.Z"),
        ("1.0.0", "x" * 301, PublishRefused, "found 301 characters"),
    ],
)
def test_what_cannot_be_is_refused(
    target: Path, version: str, because: str, kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message):
        rollback(str(target), version, because)


def test_a_damaged_version_does_not_come_back(target: Path) -> None:
    (target / "v1.0.0/models.parquet").unlink()
    (target / "v1.0.0/models.parquet").write_bytes(b"x")
    with pytest.raises(PublishError, match=r"v1\.0\.0: not published: models\.parquet"):
        rollback(str(target), "1.0.0")
    assert (target / "latest").readlink() == Path("v1.1.0")


def _go_back(answers: Connection, to: str, die_at: int | None) -> None:
    without_waiting()
    os.environ["HF_TOKEN"] = WRITER
    publishing.check_arrival = publish_folder.check_arrival = lambda *_: []
    seen = 0

    def progress(step: str) -> None:
        nonlocal seen
        if seen == die_at:
            os.kill(os.getpid(), signal.SIGKILL)
        seen += 1

    answers.send(rollback(to, "1.0.0", WHY, progress=progress, patience=QUICK))


def go_back(to: str, die_at: int | None = None) -> Published | None:
    """Go back in another process; None where it was killed, at one of its steps."""
    answers, theirs = _processes.Pipe(duplex=False)
    process = _processes.Process(target=_go_back, args=(theirs, to, die_at))
    process.start()
    theirs.close()
    try:
        found: Published | None = answers.recv()
    except EOFError:
        found = None
    process.join()
    assert (process.exitcode, found is None) in ((0, False), (-signal.SIGKILL, True))
    return found


def test_a_killed_one_is_finished_by_the_same_command(target: Path) -> None:
    whole = 0
    while go_back(str(target), whole) is None:
        assert (target / "latest").readlink().name in ("v1.1.0", "v2.0.0")
        whole += 1
    assert whole >= 3
    done = go_back(str(target))
    assert done is not None
    assert done.ending is Ending.UNCHANGED
    assert sorted(path.name for path in target.iterdir() if path.name[0] != ".") == [
        "latest",
        "v1.0.0",
        "v1.1.0",
        "v2.0.0",
    ]
    assert tables(target / "latest") == tables(target / "v1.0.0")


def test_the_hub_goes_back_too_whoever_is_killed(published: Hub, versions: Versions) -> None:
    assert run(versions.second).code == 0
    old = {version: published.read(NAME, version) for version in ("v1.0.0", "v1.1.0")}
    whole = 0
    while go_back(REPOSITORY, whole) is None:
        told = published.read(NAME, "main")["CHANGELOG.md"]
        assert told == old["v1.1.0"]["CHANGELOG.md"] or b"\n## 2.0.0\n" in told
        whole += 1
    assert whole >= 6
    assert sorted(published.repos[NAME].tags) == ["v1.0.0", "v1.1.0", "v2.0.0"]
    assert sorted(published.repos[NAME].branches) == ["main"]
    assert published.read(NAME, "main") == published.read(NAME, "v2.0.0")
    assert {version: published.read(NAME, version) for version in old} == old
    kept = [path for path in old["v1.0.0"] if path.endswith(".parquet")]
    assert all(published.read(NAME, "main")[path] == old["v1.0.0"][path] for path in kept)
    assert b"rolled back to v1.0.0" in published.read(NAME, "main")["CHANGELOG.md"]
