"""Builds that follow a published release: it is looked for first, and is there or not."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from routerset.etl.build import build
from routerset.etl.config import Runner, load_config
from routerset.release.errors import ReleaseError, ReleaseInputError, VersionError
from routerset.release.manifest import read_manifest
from routerset.release.publish import folder as publish_folder
from routerset.release.publish.hub import publish
from routerset.release.publish.published import Ending
from tests.dumps import truth, write_config, write_items, write_wide


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with dumps; what is published is not loaded, which takes seconds."""
    monkeypatch.setattr(publish_folder, "check_arrival", lambda *_: [])
    add(tmp_path, 11)
    return tmp_path


def add(place: Path, n_models: int) -> None:
    """Dumps of some models, and the same items whatever their number."""
    known = truth()
    write_wide(place / "dumps/a.csv", known.models[:n_models], known.keys, known.scores[:n_models])
    write_items(place / "items.csv", known.keys)


def config(place: Path, release: str) -> Path:
    return write_config(place / "x.toml", extra=f"[release]\n{release}\n")


def run(config: Path, out: Path) -> list[str]:
    """Stages that ran."""
    ran: list[str] = []
    build(
        load_config(config),
        out,
        Runner(),
        lambda name, state: ran.append(name) if state == "running" else None,
    )
    return ran


def test_a_place_where_nothing_is_yet_means_a_first_release(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = config(place, 'previous = "published"')
    run(where, place / "out")
    assert f"no release at {place / 'published'} yet: this is a first one" in capsys.readouterr().err
    manifest = read_manifest(place / "out/release")
    assert (manifest.version, manifest.previous) == ("1.0.0", None)


def test_builds_follow_what_was_published_and_publish_once(place: Path) -> None:
    where, out, target = config(place, 'previous = "published"'), place / "out", place / "published"
    for n_models, version in ((11, "1.0.0"), (11, "1.0.0"), (12, "2.0.0"), (12, "2.0.0")):
        before = sorted(target.glob("v*"))
        add(place, n_models)
        run(where, out)
        done = publish(out / "release", str(target))
        assert done.version == version
        again = target / f"v{version}" in before
        assert done.ending is (Ending.UNCHANGED if again else Ending.PUBLISHED)
        assert len(done.text().splitlines()) == 1 or not again
    assert run(where, out) == []


@pytest.mark.parametrize(
    ("release", "kind", "message"),
    [
        ('previous = "x.toml"', ReleaseInputError, "found a file"),
        ('previous = "dumps"', ReleaseInputError, "found a.csv, expected a release"),
        ('previous = "published@v1.2.0"', ReleaseInputError, "found versions v1.0.0, expected v1.2.0"),
        ('previous = "published"\nversion = "0.9.0"', VersionError, "found 0.9.0, expected 1.0.1 or later"),
        ('previous = "broken"', ReleaseInputError, "CHANGELOG.md: unreadable"),
    ],
)
def test_one_that_cannot_be_followed_ends_a_build_before_it_begins(
    place: Path, release: str, kind: type[ReleaseError], message: str
) -> None:
    run(config(place, ""), place / "first")
    publish(place / "first/release", str(place / "published"))
    shutil.copytree(place / "first/release", place / "broken")
    (place / "broken/CHANGELOG.md").unlink()
    with pytest.raises(kind, match=message):
        run(config(place, release), place / "out")
    assert not (place / "out/tables").exists()
    assert read_manifest(place / "published/latest").version == "1.0.0"


@pytest.mark.parametrize("previous", ["first", "first/release", "published", "published@v1.0.0"])
def test_a_build_a_release_or_a_version_may_be_followed(place: Path, previous: str) -> None:
    run(config(place, ""), place / "first")
    publish(place / "first/release", str(place / "published"))
    add(place, 12)
    run(config(place, f'previous = "{previous}"'), place / "out")
    assert read_manifest(place / "out/release").previous == "1.0.0"
