"""Tables that stay the same are the same version, or a PATCH; a previous release that is none is refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from routerset.release import card
from routerset.release.build import write_release
from routerset.release.errors import ReleaseInputError, VersionError
from routerset.release.verify import verify
from routerset.schemas import store
from routerset.schemas.tables import SCORES
from tests.release.builds import options
from tests.release.edits import GSM8K, copy, edit, flip, release_after


def test_nothing_changed_is_the_same_release(built: Path, tmp_path: Path) -> None:
    result = release_after(built, copy(built, tmp_path))
    assert (result.version, result.changed) == ("1.0.0", False)
    same = (tmp_path / "build/release/SHA256SUMS").read_bytes()
    assert same == (built / "release/SHA256SUMS").read_bytes()


def test_other_versions_of_libraries_alone_change_nothing(
    built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("routerset.release.manifest.installed", lambda name: "99.0")
    assert release_after(built, copy(built, tmp_path)).changed is False


def test_texts_alone_are_a_patch(built: Path, tmp_path: Path) -> None:
    result = release_after(built, copy(built, tmp_path), accounting=())
    assert (result.version, result.changed) == ("1.0.1", True)
    assert "- no row changed" in (tmp_path / "build/release/CHANGELOG.md").read_text("utf-8")


def with_pictures(**pictures: bytes) -> Callable[[Path], None]:
    """Reports of some pictures."""

    def draw(release: Path) -> None:
        for name, data in pictures.items():
            path = release / f"reports/{name}.png"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(data)

    return draw


def test_a_card_that_shows_more_or_less_is_a_patch(built: Path, tmp_path: Path) -> None:
    build, before = copy(built, tmp_path), built / "release"
    for draw, version in (
        (with_pictures(figure2_scaling=b"a picture"), "1.0.1"),
        (with_pictures(figure2_scaling=b"a picture", figure3_kinds=b"one more"), "1.0.2"),
        (None, "1.0.3"),
    ):
        out = tmp_path / f"v{version}"
        result = write_release(build, out, options(previous=before), reports=draw)
        assert (result.version, result.changed) == (version, True)
        assert "- no row changed" in (out / "CHANGELOG.md").read_text("utf-8")
        assert verify(out) == []
        before = out


def test_a_card_written_in_other_words_is_a_patch(
    built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    template = tmp_path / "card.md.jinja"
    template.write_text(card.TEMPLATE.read_text("utf-8") + "\nOne more line.\n", "utf-8")
    monkeypatch.setattr(card, "TEMPLATE", template)
    card._template.cache_clear()
    try:
        assert release_after(built, copy(built, tmp_path)).version == "1.0.1"
    finally:
        card._template.cache_clear()


def test_pictures_drawn_in_other_bytes_are_no_reason_for_a_new_version(built: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    write_release(built, first, options(), reports=with_pictures(figure2_scaling=b"by one library"))
    wanted = options(previous=first)
    again = write_release(built, second, wanted, reports=with_pictures(figure2_scaling=b"by the next"))
    assert (again.version, again.changed) == ("1.0.0", False)
    assert (second / "README.md").read_bytes() == (first / "README.md").read_bytes()


@pytest.mark.parametrize(("wanted", "changed"), [("1.0.0", False), ("1.5.0", True)])
def test_a_version_asked_for_without_a_change(
    built: Path, tmp_path: Path, wanted: str, changed: bool
) -> None:
    result = release_after(built, copy(built, tmp_path), version=wanted)
    assert (result.version, result.changed) == (wanted, changed)


def test_a_version_too_small_leaves_nothing_behind(built: Path, tmp_path: Path) -> None:
    build = copy(built, tmp_path)
    edit(f"scores/{GSM8K}", SCORES, flip)(build)
    with pytest.raises(VersionError, match=r"expected 2\.0\.0 or later: a MAJOR change after 1\.0\.0"):
        release_after(built, build, version="1.0.1")
    assert sorted(p.name for p in build.iterdir()) == ["tables"]


def break_schema(release: Path) -> None:
    manifest = json.loads((release / "manifest.json").read_text("utf-8"))
    store.write_json(release / "manifest.json", manifest | {"schema_version": 99})


def break_json(release: Path) -> None:
    (release / "manifest.json").write_text("{", "utf-8")


def break_entry(release: Path) -> None:
    manifest = json.loads((release / "manifest.json").read_text("utf-8"))
    del manifest["tables"]["models.parquet"]["rows"]
    store.write_json(release / "manifest.json", manifest)


def remove_all(release: Path) -> None:
    shutil.rmtree(release)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (break_schema, "manifest.json: schema_version: found 99, expected 2"),
        (break_json, "manifest.json: unreadable"),
        (break_entry, "manifest.json: an entry is missing or malformed"),
        (remove_all, "manifest.json: not found"),
        (lambda r: (r / "CHANGELOG.md").unlink(), "CHANGELOG.md: unreadable"),
        (lambda r: (r / "SHA256SUMS").unlink(), "SHA256SUMS: unreadable"),
    ],
)
def test_a_previous_release_that_cannot_be_read_is_refused(
    built: Path, release: Path, tmp_path: Path, damage: Callable[[Path], None], message: str
) -> None:
    damage(release)
    with pytest.raises(ReleaseInputError, match=message):
        write_release(built, tmp_path / "out", options(previous=release))
    assert not (tmp_path / "out").exists()
