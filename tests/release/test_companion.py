"""The companion of a release: the withheld texts, none else, for a gated place."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

import routerset
from routerset.etl.cli import main
from routerset.etl.config import Release
from routerset.etl.stages.previous import previous_of
from routerset.expectations.errors import Unreadable
from routerset.release.companion import write_companion
from routerset.release.errors import ReleaseInputError
from routerset.release.evaluator.errors import InputError
from routerset.release.manifest import read_manifest
from routerset.schemas import store
from routerset.schemas.checksums import files, format_checksums
from routerset.schemas.released import TEXTS_SCHEMA
from routerset.schemas.store import sha256

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def build(built: Path, tmp_path: Path) -> Path:
    """A copy of a build and its release, with the companion."""
    copy = Path(shutil.copytree(built, tmp_path / "build"))
    assert write_companion(copy, copy / "release", copy / "release-gated")
    return copy


def content(folder: Path) -> dict[str, bytes]:
    return {path: (folder / path).read_bytes() for path in (*files(folder), "SHA256SUMS")}


def resealed(folder: Path) -> None:
    """A companion that was changed by somebody who knows how checksums are written."""
    sums = {path: sha256(folder / path) for path in files(folder)}
    (folder / "SHA256SUMS").write_text(format_checksums(sums))


def retold(folder: Path) -> None:
    """The same, of one who knows manifests, too."""
    manifest = json.loads((folder / "manifest.json").read_text())
    found = {"sha256": sha256(folder / "texts.parquet"), "bytes": (folder / "texts.parquet").stat().st_size}
    manifest["tables"]["texts.parquet"] |= found
    (folder / "manifest.json").write_text(store.json_text(manifest))
    resealed(folder)


def problems(folder: Path) -> str:
    return "\n".join(map(str, routerset.verify(folder)))


def test_it_has_the_texts_that_the_release_withholds_and_none_else(build: Path) -> None:
    gated = build / "release-gated"
    assert sorted(content(gated)) == sorted(
        ["CHANGELOG.md", "LICENSE", "README.md", "SHA256SUMS", "manifest.json", "texts.parquet"]
    )
    table = pq.read_table(gated / "texts.parquet")
    assert table.schema.names == TEXTS_SCHEMA.names
    items = pq.read_table(build / "tables/items/benchmark=gpqa/part-0.parquet")
    wanted = dict(zip(items["item_id"].to_pylist(), items["question"].to_pylist(), strict=True))
    assert dict(zip(table["item_id"].to_pylist(), table["question"].to_pylist(), strict=True)) == wanted
    assert {*table["benchmark"].to_pylist()} == {"gpqa"}
    assert {*table["license"].to_pylist()} == {"CC-BY-4.0"}
    manifest, main = read_manifest(gated), read_manifest(build / "release")
    assert (manifest.version, manifest.companion["of"]) == (main.version, main.name)
    assert [config.name for config in manifest.configs()] == ["texts"]
    assert problems(gated) == ""


def test_the_card_asks_who_reads_it(build: Path) -> None:
    card = (build / "release-gated/README.md").read_text()
    told = yaml.safe_load(card.split("---\n")[1])
    assert "show no text of this dataset online" in told["extra_gated_prompt"]
    assert [*told["extra_gated_fields"].values()] == ["checkbox"]
    assert told["license"] == "cc-by-4.0"
    assert [config["config_name"] for config in told["configs"]] == ["texts"]
    assert "| gpqa | Graduate-Level Google-Proof Q&A | 30 | CC-BY-4.0 |" in card
    assert "- gpqa: CC-BY-4.0\n" in (build / "release-gated/LICENSE").read_text()


def test_the_same_tables_give_the_same_bytes_and_leave_the_release_alone(built: Path, build: Path) -> None:
    before = content(build / "release-gated")
    assert write_companion(build, build / "release", build / "release-gated")
    assert content(build / "release-gated") == before
    assert content(build / "release") == content(built / "release")


def test_where_nothing_is_withheld_there_is_none(built: Path, tmp_path: Path) -> None:
    release = Path(shutil.copytree(built / "release", tmp_path / "release"))
    manifest = json.loads((release / "manifest.json").read_text())
    for entry in manifest["benchmarks"].values():
        entry["text_published"] = True
    (release / "manifest.json").write_text(json.dumps(manifest))
    assert write_companion(built, release, tmp_path / "gated") == ()
    assert not (tmp_path / "gated").exists()


def _less(folder: Path) -> None:
    path = folder / "texts.parquet"
    store.write_table(path, TEXTS_SCHEMA, pq.read_table(path).slice(1))
    retold(folder)


def _another(folder: Path) -> None:
    path = folder / "texts.parquet"
    table = pq.read_table(path)
    ids = table["item_id"].to_pylist()
    at = TEXTS_SCHEMA.get_field_index("item_id")
    table = table.set_column(at, TEXTS_SCHEMA.field(at), pa.array([*ids[:-1], "gpqa/zzzz"]))
    store.write_table(path, TEXTS_SCHEMA, table)
    retold(folder)


def _version(folder: Path) -> None:
    for name in ("manifest.json", "README.md", "CHANGELOG.md"):
        text = (folder / name).read_text()
        (folder / name).write_text(text.replace("1.0.0", "1.1.0"))
    resealed(folder)


def _card(folder: Path) -> None:
    text = (folder / "README.md").read_text()
    (folder / "README.md").write_text(re.sub("extra_gated_prompt.*\n", "", text))
    resealed(folder)


def _extra(folder: Path) -> None:
    (folder / "more.txt").write_text("more")
    resealed(folder)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_less, "found rows 29"),
        (_another, "an item that is not withheld: gpqa/zzzz"),
        (_version, "companion of"),
        (_card, "README.md: found other text"),
        (_extra, "more.txt: found a file that no release has"),
        (lambda folder: (folder / "LICENSE").write_text("x"), "LICENSE: found SHA-256"),
    ],
)
def test_verify_finds_what_is_wrong(build: Path, change: object, said: str) -> None:
    change(build / "release-gated")  # type: ignore[operator]
    assert said in problems(build / "release-gated")


def test_verify_compares_with_the_release_that_is_named(
    build: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    alone = Path(shutil.move(build / "release-gated", tmp_path / "elsewhere"))
    notes: list[str] = []
    assert routerset.verify(alone, note=notes.append) == []
    assert "name that release, --against RELEASE" in notes[0]
    assert main(["verify", str(alone), "--against", str(build / "release")]) == 0
    assert "whole and consistent" in capsys.readouterr().out
    assert "companion of" in str(routerset.verify(alone, against=alone)[0])


def test_a_companion_is_no_release_to_the_gate(build: Path) -> None:
    with pytest.raises(Unreadable, match="routerset verify"):
        routerset.validate(build / "release-gated")


def test_a_companion_is_no_release_to_evaluate_or_to_follow(build: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="texts alone"):
        routerset.load_release(build / "release-gated")
    follows = Release(previous=str(build / "release-gated"))
    with pytest.raises(ReleaseInputError, match="texts alone"):
        previous_of(follows, tmp_path, lambda _: None)()


def test_a_text_of_it_in_the_release_is_found_as_before(build: Path) -> None:
    shutil.copy(build / "release-gated/texts.parquet", build / "release/texts.parquet")
    assert "texts.parquet: found a file that SHA256SUMS does not list" in problems(build / "release")
    resealed(build / "release")
    assert "texts.parquet: found a file that no release has" in problems(build / "release")


def test_the_lines_of_the_page_join_both(
    build: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (ROOT / "docs/publishing.md").read_text("utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    names: dict[str, object] = {}
    code = code.replace("ORG/TEXTS", str(build / "release-gated"))
    exec(code.replace("ORG/NAME", str(build / "release")), names)  # noqa: S102 -- the page's own example
    joined = names["items"]
    assert len(joined) == 23  # type: ignore[arg-type]
    assert joined["question"].notna().all()  # type: ignore[index]


def test_publish_puts_it_into_a_folder(
    build: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = str(tmp_path / "published")
    assert main(["publish", str(build / "release-gated"), "--to", place]) == 0
    assert "v1.0.0 published" in capsys.readouterr().out
    assert content(Path(place, "v1.0.0")) == content(build / "release-gated")
    assert main(["publish", str(build / "release-gated"), "--to", place]) == 0
    assert "published already" in capsys.readouterr().out
    assert main(["publish", str(build / "release"), "--to", place]) == 2  # never into one place
    assert "v1.0.0 is published, with other content" in capsys.readouterr().err
