"""The release that the next one is compared with, wherever it was published."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from routerset.release.errors import ReleaseError, ReleaseInputError
from routerset.release.publish.errors import ServiceUnavailable
from routerset.release.publish.fetch import previous_release
from tests.publish.clients import QUICK, in_process, without_waiting
from tests.publish.conftest import REPOSITORY, Versions
from tests.publish.hub_store import STRANGE, Action, Fault, Hub
from tests.publish.test_hub import NAME, content, run


def previous(where: str, cache: Path) -> Path | tuple[type[Exception], str] | None:
    """The folder, or the error."""
    without_waiting()
    try:
        return previous_release(where, cache, patience=QUICK)
    except ReleaseError as error:
        return type(error), str(error)


def found(where: str, cache: Path) -> dict[str, bytes]:
    folder = in_process(previous, where, cache)
    assert isinstance(folder, Path)
    return content(folder)


def test_a_release_is_itself(versions: Versions, tmp_path: Path) -> None:
    assert previous_release(str(versions.first), tmp_path) == versions.first


def test_a_folder_gives_its_latest_version(versions: Versions, tmp_path: Path) -> None:
    assert previous_release(str(tmp_path), tmp_path) is None
    for name, release in (
        ("v1.9.0", versions.first),
        ("v1.10.0", versions.second),
        ("notes", versions.other),
    ):
        shutil.copytree(release, tmp_path / name)
    assert previous_release(str(tmp_path), tmp_path) == tmp_path / "v1.10.0"


def test_the_hub_gives_its_latest_version_or_the_one_asked_for(
    published: Hub, versions: Versions, tmp_path: Path
) -> None:
    assert run(versions.second).code == 0
    assert found(REPOSITORY, tmp_path) == content(versions.second)
    assert found(f"{REPOSITORY}@v1.0.0", tmp_path) == content(versions.first)


def test_nothing_is_published_yet(hub: Hub, tmp_path: Path) -> None:
    assert in_process(previous, REPOSITORY, tmp_path) is None
    hub.add(NAME, {".gitattributes": b""})
    assert in_process(previous, REPOSITORY, tmp_path) is None


def test_a_version_that_is_not_there_is_told(published: Hub, tmp_path: Path) -> None:
    expected = f"{REPOSITORY}: found versions v1.0.0, expected v1.1.0"
    assert in_process(previous, f"{REPOSITORY}@v1.1.0", tmp_path) == (ReleaseInputError, expected)


def test_a_version_is_fetched_once_unless_the_copy_is_damaged(
    published: Hub, versions: Versions, tmp_path: Path
) -> None:
    assert found(REPOSITORY, tmp_path) == content(versions.first)
    published.requests.clear()
    assert found(REPOSITORY, tmp_path) == content(versions.first)
    assert [request for request in published.requests if "/resolve/" in request.path] == []
    next(tmp_path.rglob("models.parquet")).write_bytes(b"damaged")
    assert found(REPOSITORY, tmp_path) == content(versions.first)


@pytest.mark.parametrize("action", [Action.ERROR, Action.CLOSE, Action.LOSE_ANSWER, Action.HALF])
@pytest.mark.parametrize("path", ["/refs", "/tree/", "/resolve/"])
def test_faults_that_pass_are_waited_for(
    published: Hub, versions: Versions, tmp_path: Path, path: str, action: Action
) -> None:
    published.faults.append(Fault("GET", path, action, times=2))
    assert found(REPOSITORY, tmp_path) == content(versions.first)
    assert published.faults[0].times == 0


@pytest.mark.parametrize("strange", [*STRANGE, Action.LOOP, Action.HALF])
@pytest.mark.parametrize("path", ["/refs", "/resolve/.*manifest.json"])
def test_an_answer_that_is_none_is_told(published: Hub, tmp_path: Path, path: str, strange: Action) -> None:
    published.faults.append(Fault("GET", path, strange, times=1000))
    kind, message = in_process(previous, REPOSITORY, tmp_path)
    assert (kind, kind.exit_code) == (ServiceUnavailable, 75)
    assert message.startswith(f"{REPOSITORY}: ")


def test_a_body_that_comes_damaged_is_asked_for_again(
    published: Hub, versions: Versions, tmp_path: Path
) -> None:
    published.faults.append(Fault("GET", "/resolve/.*LICENSE", Action.CORRUPT))
    assert found(REPOSITORY, tmp_path) == content(versions.first)
    shutil.rmtree(tmp_path)
    published.faults[0].times = 1000
    kind, message = in_process(previous, REPOSITORY, tmp_path)
    assert (kind, "v1.0.0 differs from its SHA256SUMS" in message) == (ReleaseInputError, True)


def test_a_service_that_stays_down_is_told(published: Hub, tmp_path: Path) -> None:
    published.faults.append(Fault("GET", "/refs", Action.ERROR, times=1000))
    kind, message = in_process(previous, REPOSITORY, tmp_path)
    assert (kind, kind.exit_code) == (ServiceUnavailable, 75)
    assert message.startswith(f"{REPOSITORY}: the Hub answered 500")
