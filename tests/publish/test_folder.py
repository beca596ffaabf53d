"""Publishing into a folder: whole versions, links to what did not change, and refusals."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from pathlib import Path

import pytest

from routerset.release.build import seal
from routerset.release.publish import folder as publish_folder
from routerset.release.publish.errors import DiskFull, PublishError, PublishRefused, ServiceUnavailable
from routerset.release.publish.hub import publish
from routerset.release.publish.published import Ending
from routerset.release.verify import verify
from routerset.schemas.checksums import files
from tests.publish.clients import Order, Publisher
from tests.publish.conftest import Versions
from tests.publish.test_hub import content


@pytest.fixture
def target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to publish to; what arrives is not loaded, which takes seconds."""
    monkeypatch.setattr(publish_folder, "check_arrival", lambda *_: [])
    return tmp_path / "target"


def shown(target: Path) -> list[str]:
    return sorted(path.name for path in target.iterdir() if not path.name.startswith("."))


def test_versions_stand_side_by_side(versions: Versions, tmp_path: Path) -> None:
    told: list[str] = []
    first = publish(versions.first, str(tmp_path / "target"), progress=told.append)
    assert (first.ending, first.version) == (Ending.PUBLISHED, "1.0.0")
    assert [step.split()[0] for step in told] == ["copy", "verify", *["loaded"] * 3, "move"]
    second = publish(versions.second, str(tmp_path / "target"))
    target = tmp_path / "target"
    assert shown(target) == ["latest", "v1.0.0", "v1.1.0"]
    assert content(target / "v1.0.0") == content(versions.first)
    assert content(target / "latest") == content(target / "v1.1.0") == content(versions.second)
    linked = [path for path in files(target / "v1.1.0") if (target / "v1.1.0" / path).stat().st_nlink == 2]
    first, second_files = content(versions.first), content(versions.second)
    alike = [path for path, data in second_files.items() if data == first.get(path)]
    assert (len(linked), second.kept) == (len(alike), len(alike))
    assert len(alike) > 80
    assert sorted({*content(versions.second)} - {*linked}) == sorted(second.sent)


def test_modules_where_one_publishes_are_not_run(
    versions: Versions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "json.py").write_text("open('ran', 'w')\n")
    monkeypatch.chdir(tmp_path)
    assert publish(versions.first, "target").ending is Ending.PUBLISHED
    assert not (tmp_path / "ran").exists()


def test_a_published_release_verifies_until_a_byte_changes(target: Path, versions: Versions) -> None:
    publish(versions.first, str(target))
    assert verify(target / "latest") == []
    for path in files(target / "latest"):
        data = (target / "latest" / path).read_bytes()
        (target / "latest" / path).write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        problems = verify(target / "latest")
        assert [problem for problem in problems if path in str(problem)] != []
        (target / "latest" / path).write_bytes(data)


def test_what_is_published_is_left_alone(target: Path, versions: Versions) -> None:
    publish(versions.first, str(target))
    before = {path: path.stat().st_mtime_ns for path in target.rglob("*") if path.name != ".lock"}
    assert publish(versions.first, str(target)).ending is Ending.UNCHANGED
    assert {path: path.stat().st_mtime_ns for path in target.rglob("*") if path.name != ".lock"} == before


def test_a_dry_run_does_nothing(target: Path, versions: Versions) -> None:
    result = publish(versions.first, str(target), dry_run=True)
    assert (result.ending, result.sent.keys(), target.exists()) == (
        Ending.PLANNED,
        content(versions.first).keys(),
        False,
    )


def test_a_version_is_published_once(target: Path, versions: Versions) -> None:
    publish(versions.first, str(target))
    with pytest.raises(PublishRefused, match=r"target: v1\.0\.0 is published, with other content"):
        publish(versions.other, str(target))
    assert content(target / "latest") == content(versions.first)


def test_other_reports_are_no_reason_to_publish(target: Path, versions: Versions, tmp_path: Path) -> None:
    release = shutil.copytree(versions.first, tmp_path / "release")
    (release / "reports").mkdir()
    (release / "reports/table1.md").write_text("| a |")
    seal(release)
    publish(versions.first, str(target))
    assert publish(release, str(target)).ending is Ending.UNCHANGED
    assert content(target / "latest") == content(versions.first)


def test_a_version_comes_after_the_latest(target: Path, versions: Versions) -> None:
    publish(versions.first, str(target))
    (target / "v1.0.0").rename(target / "v1.2.0")
    with pytest.raises(PublishRefused, match=r"v1\.1\.0 was built after 1\.0\.0, but v1\.2\.0 is the latest"):
        publish(versions.second, str(target))


def test_foreign_content_stays(target: Path, versions: Versions) -> None:
    (target / "v2").mkdir(parents=True)
    with pytest.raises(PublishRefused, match="found v2, expected versions of this dataset or nothing"):
        publish(versions.first, str(target))
    assert [path.name for path in target.iterdir()] == ["v2"]


@pytest.mark.parametrize("step", range(3))
def test_a_publisher_killed_at_a_step(target: Path, versions: Versions, step: int) -> None:
    publish(versions.first, str(target))
    told = Publisher(Order(versions.second, str(target), None, die_at=step)).wait()
    assert told.code == -9
    assert shown(target) == ["latest", "v1.0.0"]
    assert content(target / "latest") == content(versions.first)
    publish(versions.second, str(target))
    assert content(target / "latest") == content(versions.second)
    assert sorted(path.name for path in target.iterdir()) == [".lock", "latest", "v1.0.0", "v1.1.0"]


def test_a_publisher_killed_before_the_link(target: Path, versions: Versions) -> None:
    publish(versions.first, str(target))
    shutil.copytree(versions.second, target / "v1.1.0")
    assert publish(versions.second, str(target)).ending is Ending.UNCHANGED
    assert content(target / "latest") == content(versions.second)


@pytest.mark.parametrize("number", [0, 5, 40])
def test_a_full_disk_leaves_nothing(
    target: Path, versions: Versions, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    calls = iter(range(100))

    def full(descriptor: int) -> None:
        if next(calls) == number:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(DiskFull, match="No space left on device; free some space"):
            publish(versions.first, str(target))
    assert shown(target) == []
    assert publish(versions.first, str(target)).ending is Ending.PUBLISHED


def test_a_disk_that_is_too_small_is_told_first(
    target: Path, versions: Versions, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(target.parent)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(DiskFull, match=r"found 1,000 bytes free, expected 6\d\d,\d\d\d"):
        publish(versions.first, str(target))


def test_a_folder_that_cannot_be_written_is_told(target: Path, versions: Versions) -> None:
    target.write_text("a file")
    with pytest.raises(PublishRefused, match="publish to a folder that can be written"):
        publish(versions.first, str(target))


def test_what_arrives_damaged_is_not_published(
    target: Path, versions: Versions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        publish_folder, "check_arrival", lambda *_: ["a.parquet: found SHA-256 1, expected 2"]
    )
    with pytest.raises(PublishError, match=r"not published, since what arrived is wrong: a\.parquet"):
        publish(versions.first, str(target))
    assert shown(target) == []


def test_a_damaged_file_of_the_version_before_is_not_linked(target: Path, versions: Versions) -> None:
    publish(versions.first, str(target))
    (target / "v1.0.0/groups.parquet").write_bytes(b"damaged")
    publish(versions.second, str(target))
    assert content(target / "latest") == content(versions.second)


def test_a_folder_without_hard_links_gets_copies(
    target: Path, versions: Versions, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", refuse)
    publish(versions.first, str(target))
    publish(versions.second, str(target))
    assert content(target / "latest") == content(versions.second)


def test_one_at_a_time(target: Path, versions: Versions) -> None:
    target.mkdir()
    with (target / ".lock").open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        with pytest.raises(ServiceUnavailable, match="somebody else is publishing here"):
            publish(versions.first, str(target))
