"""Publishing to a Hub that speaks real HTTP: what readers see, what is sent, and what is refused."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from routerset.release.build import seal
from routerset.release.layout import CHECKSUMS
from routerset.release.manifest import read_manifest
from routerset.release.publish.errors import PublishRefused
from routerset.release.publish.hub import publish
from routerset.release.publish.published import Ending
from routerset.schemas.checksums import files
from tests.publish.clients import Order, Publisher, Told, in_process, load_rows
from tests.publish.conftest import REPOSITORY, Versions
from tests.publish.hub_store import READER, WRITER, Hub

NAME = "org/tiny"


def content(release: Path) -> dict[str, bytes]:
    """Files of a release folder."""
    return {path: (release / path).read_bytes() for path in sorted([*files(release), CHECKSUMS])}


def run(release: Path, token: str | None = WRITER, to: str = REPOSITORY, **changes: object) -> Told:
    """Publish in another process."""
    return Publisher(Order(release, to, token, **changes)).wait()  # type: ignore[arg-type]


def changed(hub: Hub) -> list[str]:
    """Requests that change something."""
    return [
        request.path
        for request in hub.requests
        if request.method in ("POST", "PUT", "DELETE") and "paths-info" not in request.path
    ]


def test_versions_stand_side_by_side(hub: Hub, versions: Versions, tmp_path: Path) -> None:
    told = run(versions.first, trusting=False)
    assert (told.code, told.message) == (0, "")
    assert hub.read(NAME, "v1.0.0") == hub.read(NAME, "main") == content(versions.first)
    loaded = [step for step in told.steps if step.startswith("loaded")]
    assert loaded == ["loaded 3 of 9 configs", "loaded 6 of 9 configs", "loaded 9 of 9 configs"]
    configs = [config.name for config in read_manifest(versions.first).configs()]
    rows = in_process(load_rows, NAME, "v1.0.0", tmp_path / "1", configs)
    assert rows["gsm8k"]["train"] == pq.read_table(versions.first / "data/gsm8k/train.parquet").to_pylist()

    hub.requests.clear()
    told = run(versions.second, trusting=False)
    assert told.code == 0
    assert hub.read(NAME, "v1.0.0") == content(versions.first)
    assert hub.read(NAME, "v1.1.0") == hub.read(NAME, "main") == content(versions.second)
    assert sorted(hub.repos[NAME].branches) == ["main"]
    sent = ("models.parquet", "runs.parquet", "scores/gsm8k.parquet")
    sizes = sorted((versions.second / path).stat().st_size for path in sent)
    assert sorted(request.received for request in hub.requests if request.method == "PUT") == sizes
    assert [path for path in told.result.sent if path.endswith(".parquet")] == [*sent]

    assert in_process(load_rows, NAME, "v1.0.0", tmp_path / "2", configs) == rows
    models = in_process(load_rows, NAME, None, tmp_path / "3", ["models"])["models"]["train"]
    assert len(models) == len(rows["models"]["train"]) + 1


def test_what_is_published_is_left_alone(published: Hub, versions: Versions) -> None:
    told = run(versions.first)
    assert (told.code, told.result.ending, told.result.bytes_sent) == (0, Ending.UNCHANGED, 0)
    assert changed(published) == []


def test_other_reports_are_no_reason_to_publish(published: Hub, versions: Versions, tmp_path: Path) -> None:
    release = shutil.copytree(versions.first, tmp_path / "release")
    (release / "reports").mkdir()
    (release / "reports/table1.md").write_text("| a |")
    seal(release)
    told = run(release)
    assert (told.code, told.result.ending) == (0, Ending.UNCHANGED)
    assert changed(published) == []


def test_a_dry_run_tells_files_bytes_and_changes_and_does_nothing(published: Hub, versions: Versions) -> None:
    told = run(versions.second, token=None, dry_run=True)
    assert (told.code, told.result.ending) == (0, Ending.PLANNED)
    assert changed(published) == []
    expected = {
        path: len(data)
        for path, data in content(versions.second).items()
        if data != content(versions.first).get(path)
    }
    assert told.result.sent == expected
    text = told.result.text()
    unchanged = len(content(versions.second)) - len(expected)
    assert unchanged > 80
    assert f"{sum(expected.values()):,}  bytes in {len(expected)} files; {unchanged} files unchanged" in text
    largest = sorted(expected.items(), key=lambda each: -each[1])
    assert f"{largest[0][1]:,}  {largest[0][0]}" in text
    rest = largest[4:]
    assert f"{sum(size for _, size in rest):,}  in {len(rest)} more files" in text
    assert "- MINOR, models: 1 model added: `org/model-0009`" in text


def test_a_dry_run_creates_no_repository(hub: Hub, versions: Versions) -> None:
    told = run(versions.first, dry_run=True)
    assert (told.code, len(told.result.sent), hub.repos) == (0, len(content(versions.first)), {})


def test_the_commit_on_main_says_which_version(published: Hub) -> None:
    titles = [*published.repos[NAME].titles.values()]
    assert titles == ["someone else", "Upload v1.0.0", "Release v1.0.0"]


def test_files_that_the_new_version_lacks_are_removed(hub: Hub, versions: Versions, tmp_path: Path) -> None:
    """The first version has a report, which the second does not."""
    release = shutil.copytree(versions.first, tmp_path / "release")
    (release / "reports").mkdir()
    (release / "reports/table1.md").write_text("| a |")
    seal(release)
    assert run(release).code == 0
    told = run(versions.second)
    assert (told.code, told.result.removed) == (0, ("reports/table1.md",))
    assert hub.read(NAME, "main") == content(versions.second)
    assert hub.read(NAME, "v1.0.0")["reports/table1.md"] == b"| a |"


def refused(told: Told, code: int, *words: str) -> None:
    assert told.code == code
    assert [word for word in words if word not in told.message] == []
    assert WRITER not in told.message


def test_a_version_is_published_once(published: Hub, versions: Versions) -> None:
    refused(run(versions.other), 2, REPOSITORY, "v1.0.0 is published, with other content", "`previous`")
    assert changed(published) == []


def test_a_version_comes_after_the_latest(published: Hub, versions: Versions) -> None:
    published.repos[NAME].tags["v1.2.0"] = published.repos[NAME].tags["v1.0.0"]
    refused(run(versions.second), 2, "v1.1.0 was built after 1.0.0, but v1.2.0 is the latest")


def test_foreign_content_stays(hub: Hub, versions: Versions) -> None:
    hub.add(NAME, {"train.csv": b"a,b\n1,2\n", "README.md": b"# mine\n"})
    refused(run(versions.first), 2, REPOSITORY, "found README.md, train.csv", "empty repository")
    assert changed(hub) == []


def test_files_between_releases_stay(published: Hub, versions: Versions) -> None:
    published.add(NAME, {"notes.txt": b"mine\n"})
    refused(run(versions.second), 2, "found files that no release put there: notes.txt")
    assert changed(published) == []


def test_another_dataset_stays(published: Hub, versions: Versions) -> None:
    manifest = json.loads(published.read(NAME, "main")["manifest.json"])
    manifest["release"]["name"] = "large"
    published.add(NAME, {"manifest.json": json.dumps(manifest).encode()})
    refused(run(versions.second), 2, "found dataset 'large', expected 'tiny'")
    assert changed(published) == []


@pytest.mark.parametrize("manifest", [b'{"schema_version": 99}', b"[]", b"{"])
def test_a_previous_release_of_an_unknown_schema_stays(
    published: Hub, versions: Versions, manifest: bytes
) -> None:
    published.add(NAME, {"manifest.json": manifest})
    refused(run(versions.second), 3, f"{REPOSITORY}/manifest.json")
    assert changed(published) == []


@pytest.mark.parametrize(
    ("token", "words"),
    [
        (None, "HF_TOKEN is not set"),
        ("hf_some_other_token", "does not accept the token in HF_TOKEN"),
        (READER, "may not do this"),
    ],
)
def test_a_token_must_be_right(published: Hub, versions: Versions, token: str | None, words: str) -> None:
    told = run(versions.second, token=token)
    refused(told, 2, REPOSITORY, words)
    assert token is None or token not in told.message + "".join(told.steps)
    assert published.read(NAME, "main") == content(versions.first)


def test_a_token_must_be_right_for_a_new_repository(hub: Hub, versions: Versions) -> None:
    refused(run(versions.first, token=READER), 2, "may not do this")
    assert hub.repos == {}


def test_a_damaged_release_is_not_published(hub: Hub, versions: Versions, tmp_path: Path) -> None:
    release = shutil.copytree(versions.first, tmp_path / "release")
    path = release / "scores/gsm8k.parquet"
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    refused(run(release), 1, "scores/gsm8k.parquet: found SHA-256")
    assert hub.requests == []


def test_no_release_is_not_published(hub: Hub, tmp_path: Path) -> None:
    refused(run(tmp_path), 3, "manifest.json: not found; expected the folder of a release")


def test_another_version_than_asked_for_is_not_published(versions: Versions) -> None:
    with pytest.raises(PublishRefused, match=r"found version 1\.0\.0, expected 2\.0\.0; set `version`"):
        publish(versions.first, REPOSITORY, version="2.0.0")


@pytest.mark.parametrize("to", ["s3://bucket/data", "hf://org/tiny", "hf://datasets/tiny"])
def test_there_is_no_other_target(versions: Versions, to: str) -> None:
    with pytest.raises(PublishRefused, match="expected a folder or hf://datasets/ORG/NAME"):
        publish(versions.first, to)


def test_the_command_line_publishes(hub: Hub, versions: Versions, tmp_path: Path) -> None:
    """From a folder in which another dataset goes by the same name."""
    (tmp_path / NAME).mkdir(parents=True)
    (tmp_path / NAME / "train.csv").write_text("a,b\n1,2\n")
    command = [
        sys.executable,
        "-m",
        "routerset.etl.cli",
        "publish",
        str(versions.first.parent),
        "--to",
        REPOSITORY,
    ]
    environment = os.environ | {"HF_TOKEN": WRITER}
    told: dict[str, object] = {"env": environment, "cwd": tmp_path, "capture_output": True, "text": True}
    done = subprocess.run(command, check=False, **told)  # type: ignore[call-overload]
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == f"{REPOSITORY}: v1.0.0 published"
    assert done.stderr.splitlines()[-1] == "remove the branch"
    assert len((done.stdout + done.stderr).splitlines()) < 30
    assert hub.read(NAME, "main") == content(versions.first)
    environment["HF_TOKEN"] = "hf_some_other_token"
    done = subprocess.run(command, check=False, **told)  # type: ignore[call-overload]
    assert (done.returncode, done.stdout) == (2, "")
    said = done.stderr.splitlines()[-1]
    assert said.startswith(f"routerset: {REPOSITORY}: the Hub does not accept the token in HF_TOKEN")
