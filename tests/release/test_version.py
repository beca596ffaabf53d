"""Versions mean something: what changed decides the number, and the changelog tells it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from etl import store
from etl.splits import SPLIT_SCHEMES
from release import card
from release.build import ReleaseResult, write_release
from release.diff import Level
from release.errors import ReleaseInputError, VersionError
from release.manifest import read_manifest
from release.verify import verify
from release.version import choose_version, next_version
from schemas.tables import GROUPS, ITEMS, MODELS, SCORES, SPLITS
from tests.release.builds import Bench, binary, model_names, options, write_build

Edit = Callable[[pa.Table], pa.Table]


@pytest.mark.parametrize(
    ("level", "expected"), [(Level.MAJOR, "3.0.0"), (Level.MINOR, "2.4.0"), (Level.PATCH, "2.3.5")]
)
def test_the_level_decides_the_next_version(level: Level, expected: str) -> None:
    assert next_version("2.3.4", level) == expected


@pytest.mark.parametrize(
    ("wanted", "previous", "level", "expected"),
    [
        ("auto", None, Level.MAJOR, "1.0.0"),
        ("0.1.0", None, Level.MAJOR, "0.1.0"),
        ("auto", "1.2.3", Level.MINOR, "1.3.0"),
        ("2.0.0", "1.2.3", Level.MINOR, "2.0.0"),
        ("1.3.0", "1.2.3", Level.MINOR, "1.3.0"),
    ],
)
def test_a_version_may_be_asked_for(wanted: str, previous: str | None, level: Level, expected: str) -> None:
    assert choose_version(wanted, previous, level) == expected


@pytest.mark.parametrize(
    ("wanted", "previous", "level", "message"),
    [
        ("1.2.4", "1.2.3", Level.MINOR, "found 1.2.4, expected 1.3.0 or later: a MINOR change after 1.2.3"),
        ("1.9.0", "1.2.3", Level.MAJOR, "expected 2.0.0 or later"),
        ("1.2.3", "1.2.3", Level.PATCH, "expected 1.2.4 or later"),
        ("v2.0.0", "1.2.3", Level.PATCH, "found 'v2.0.0', expected X.Y.Z"),
        ("1.0", None, Level.PATCH, "found '1.0', expected X.Y.Z"),
        ("01.0.0", None, Level.PATCH, "expected X.Y.Z"),
    ],
)
def test_a_version_too_small_or_malformed_is_refused(
    wanted: str, previous: str | None, level: Level, message: str
) -> None:
    with pytest.raises(VersionError, match=message):
        choose_version(wanted, previous, level)


def copy(built: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(built, tmp_path / "build", ignore=shutil.ignore_patterns("release")))


def release_after(built: Path, build: Path, **changes: object) -> ReleaseResult:
    return write_release(build, build / "release", options(previous=built / "release", **changes), store)


def edit(path: str, schema: pa.Schema, change: Edit) -> Callable[[Path], None]:
    """Changes one table of a build."""

    def apply(build: Path) -> None:
        file = build / "tables" / path
        store.write_table(file, schema, change(pq.ParquetFile(file).read()))

    return apply


def put(column: str, row: int, value: object) -> Edit:
    """One cell."""

    def change(table: pa.Table) -> pa.Table:
        values = table[column].to_pylist()
        values[row] = value
        place = table.column_names.index(column)
        return table.set_column(place, column, pa.array(values, table.schema.field(column).type))

    return change


def without(column: str, value: object) -> Edit:
    return lambda table: table.filter(pc.not_equal(table[column].cast(pa.string()), value))


def flip(table: pa.Table) -> pa.Table:
    return put("score", 0, 1.0 - table["score"][0].as_py())(table)


def swap_sides(table: pa.Table) -> pa.Table:
    """Moves a train item to test, and a test item to train."""
    sides = table["split"].to_pylist()
    train, test = sides.index("train"), sides.index("test")
    sides[train], sides[test] = "test", "train"
    return put("split", train, "test")(put("split", test, "train")(table))


def swap_candidates(table: pa.Table) -> pa.Table:
    names = table["model_id"].to_pylist()
    return put("model_id", 0, names[1])(put("model_id", 1, names[0])(table))


def without_last_group(table: pa.Table) -> pa.Table:
    return table.filter(
        pc.invert(pc.and_(pc.equal(table["m"], 5), pc.equal(table["kind"], "strong_to_weak")))
    )


def add_model(build: Path) -> None:
    """One more model on arc, which has no groups."""
    names = model_names(21)
    fresh = {"model_id": names[20], "org": "org", "leaderboards": ["v1"]}
    rows = pa.Table.from_pylist([dict.fromkeys(MODELS.names) | fresh], schema=MODELS)
    edit("models.parquet", MODELS, lambda t: pa.concat_tables([t, rows]))(build)
    more = pa.table(
        {
            "model_id": pa.DictionaryArray.from_arrays(pa.array([0] * 12, pa.int32()), [names[20]]),
            "item": np.arange(12, dtype=np.int32),
            "score": np.ones(12, np.float32),
        }
    )
    edit(
        "scores/benchmark=arc/part-0.parquet",
        SCORES,
        lambda t: pa.concat_tables([t, more.cast(SCORES)]).unify_dictionaries(),
    )(build)


def drop_folder(path: str) -> Callable[[Path], None]:
    return lambda build: shutil.rmtree(build / "tables" / path)


def add_benchmark(build: Path) -> None:
    extra = write_build(build / "extra", [Bench("musr", binary(5, 9, 9), sizes=(), encoders={})])
    for table in ("items", "scores"):
        shutil.copytree(extra / f"tables/{table}", build / f"tables/{table}", dirs_exist_ok=True)
    for scheme in ("paper", "family"):
        part = f"tables/splits/scheme={scheme}"
        shutil.copytree(extra / part, build / part, dirs_exist_ok=True)
    shutil.rmtree(extra)


def add_encoder(build: Path) -> None:
    shutil.copytree(
        build / "tables/embeddings/encoder=minilm",
        build / "tables/embeddings/encoder=mine",
        dirs_exist_ok=True,
    )


def add_method(build: Path) -> None:
    shutil.copytree(build / "tables/groups/method=paper", build / "tables/groups/method=greedy")


def move_vectors(build: Path) -> None:
    path = build / "tables/embeddings/encoder=minilm/benchmark=gsm8k/part-0.parquet"
    table = pq.ParquetFile(path).read()
    store.write_table(path, table.schema, put("vector", 0, [0.5] * 8)(table))


GSM8K = "benchmark=gsm8k/part-0.parquet"


@pytest.mark.parametrize(
    ("change", "version", "told"),
    [
        (
            add_model,
            "1.1.0",
            ["MINOR, models: 1 model added: `org/model-0020`", "MINOR, arc: 1 model added:"],
        ),
        (add_benchmark, "1.1.0", ["MINOR, dataset: 1 benchmark added: `musr`"]),
        (add_encoder, "1.1.0", ["MINOR, dataset: 1 encoder added: `mine`"]),
        (add_method, "1.1.0", ["MINOR, gsm8k: 6 groups added: `greedy_m3_all_strong`"]),
        (
            edit("models.parquet", MODELS, put("license", 0, "mit")),
            "1.1.0",
            ["MINOR, models: 1 description completed: `org/model-0000`"],
        ),
        (
            edit("models.parquet", MODELS, put("leaderboards", 3, ["v1", "v2"])),
            "1.1.0",
            ["MINOR, models: 1 description completed: `org/model-0003`"],
        ),
        (
            edit("models.parquet", MODELS, put("org", 0, "other")),
            "2.0.0",
            ["MAJOR, models: 1 description changed"],
        ),
        (
            edit(f"scores/{GSM8K}", SCORES, flip),
            "2.0.0",
            ["MAJOR, gsm8k: scores of 1 model changed: `org/model-0000`"],
        ),
        (
            edit("scores/benchmark=arc/part-0.parquet", SCORES, without("model_id", "org/model-0001")),
            "2.0.0",
            ["MAJOR, arc: 1 model removed: `org/model-0001`"],
        ),
        (
            edit("scores/benchmark=arc/part-0.parquet", SCORES, lambda t: t.slice(1)),
            "2.0.0",
            ["MAJOR, arc: scores of 1 model changed: `org/model-0000`"],
        ),
        (
            edit(f"splits/scheme=paper/{GSM8K}", SPLITS, swap_sides),
            "2.0.0",
            ["MAJOR, gsm8k: column `split_paper` changed in 2 of 40 items"],
        ),
        (
            edit(f"splits/scheme=family/{GSM8K}", SPLITS, swap_sides),
            "2.0.0",
            ["MAJOR, gsm8k: column `split_family` changed in 2 of 40 items"],
        ),
        (
            edit(f"groups/method=paper/{GSM8K}", GROUPS, swap_candidates),
            "2.0.0",
            ["MAJOR, gsm8k: 1 group changed: `paper_m3_all_strong`"],
        ),
        (
            edit(f"groups/method=paper/{GSM8K}", GROUPS, without_last_group),
            "2.0.0",
            ["MAJOR, gsm8k: 1 group removed: `paper_m5_strong_to_weak`"],
        ),
        (
            edit(f"items/{GSM8K}", ITEMS, put("question", 4, "Another question?")),
            "2.0.0",
            ["MAJOR, gsm8k: column `question` changed in 1 of 40 items"],
        ),
        (
            edit(f"items/{GSM8K}", ITEMS, put("item_id", 4, "gsm8k/new")),
            "2.0.0",
            [
                "MAJOR, gsm8k: 1 item removed: `gsm8k/0004`",
                "MAJOR, gsm8k: 1 item added: `gsm8k/new`",
            ],
        ),
        (move_vectors, "2.0.0", ["MAJOR, gsm8k: embeddings of encoder `minilm` changed"]),
        (
            drop_folder("embeddings/encoder=sbert"),
            "2.0.0",
            ["MAJOR, dataset: 1 encoder removed: `sbert`", "MAJOR, gsm8k: 1 encoder removed: `sbert`"],
        ),
        (
            drop_folder("items/benchmark=arc"),
            "2.0.0",
            ["MAJOR, dataset: 1 benchmark removed: `arc`"],
        ),
    ],
)
def test_what_changed_decides_the_version(
    built: Path, tmp_path: Path, change: Callable[[Path], None], version: str, told: list[str]
) -> None:
    build = copy(built, tmp_path)
    change(build)
    result = release_after(built, build)
    assert (result.version, result.changed) == (version, True)
    history = (build / "release/CHANGELOG.md").read_text("utf-8")
    entry, older = history.split("\n## ")[1:]
    assert [line for line in told if f"- {line}" not in entry] == []
    assert f"\n## {older}" in (built / "release/CHANGELOG.md").read_text("utf-8")
    manifest = read_manifest(build / "release")
    assert (manifest.version, manifest.previous) == (version, "1.0.0")


def test_a_score_that_was_missing_is_an_addition(tmp_path: Path) -> None:
    scores = binary(6, 20, 1)
    scores[2, 5] = np.nan
    before = write_build(tmp_path / "before", [Bench("arc", scores, sizes=(), encoders={})])
    write_release(before, before / "release", options(), store)
    scores[2, 5] = 1.0
    after = write_build(tmp_path / "after", [Bench("arc", scores, sizes=(), encoders={})])
    assert release_after(before, after).version == "1.1.0"
    entry = (after / "release/CHANGELOG.md").read_text("utf-8")
    assert "- MINOR, arc: scores of 1 model completed: `org/model-0002`" in entry
    assert "| arc | 6 | 20 | 120 (+1) |" in entry


def test_the_changelog_shows_the_shift_and_the_tables(built: Path, tmp_path: Path) -> None:
    build = copy(built, tmp_path)
    edit(f"scores/{GSM8K}", SCORES, flip)(build)
    release_after(built, build)
    entry = (build / "release/CHANGELOG.md").read_text("utf-8").split("\n## ")[1]
    old, new = (read_manifest(b / "release") for b in (built, build))
    shift = new.benchmarks["gsm8k"].mean_score - old.benchmarks["gsm8k"].mean_score
    assert (
        f"| gsm8k | 20 | 40 | 800 | 20 | {new.benchmarks['gsm8k'].mean_score:.6f} | {shift:+.6f} |" in entry
    )
    assert f"| scores/gsm8k.parquet | 800 | `{new.tables['scores/gsm8k.parquet'].sha256}` |" in entry
    assert "scores/arc.parquet" not in entry


def test_nothing_changed_is_the_same_release(built: Path, tmp_path: Path) -> None:
    result = release_after(built, copy(built, tmp_path))
    assert (result.version, result.changed) == ("1.0.0", False)
    same = (tmp_path / "build/release/SHA256SUMS").read_bytes()
    assert same == (built / "release/SHA256SUMS").read_bytes()


def test_other_versions_of_libraries_alone_change_nothing(
    built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("release.manifest.installed", lambda name: "99.0")
    assert release_after(built, copy(built, tmp_path)).changed is False


def test_a_second_change_stands_above_the_first(built: Path, tmp_path: Path) -> None:
    build = copy(built, tmp_path)
    add_encoder(build)
    release_after(built, build)
    again = copy(build, tmp_path / "again")
    edit(f"scores/{GSM8K}", SCORES, flip)(again)
    result = write_release(again, again / "release", options(previous=build / "release"), store)
    history = (again / "release/CHANGELOG.md").read_text("utf-8")
    assert result.version == "2.0.0"
    assert [line for line in history.splitlines() if line.startswith("## ")] == [
        "## 2.0.0",
        "## 1.1.0",
        "## 1.0.0",
    ]
    assert verify(build / "release", SPLIT_SCHEMES) == []


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
        (with_pictures(a=b"a picture"), "1.0.1"),
        (with_pictures(a=b"a picture", b=b"one more"), "1.0.2"),
        (None, "1.0.3"),
    ):
        out = tmp_path / f"v{version}"
        result = write_release(build, out, options(previous=before), store, reports=draw)
        assert (result.version, result.changed) == (version, True)
        assert "- no row changed" in (out / "CHANGELOG.md").read_text("utf-8")
        assert verify(out, SPLIT_SCHEMES) == []
        before = out


def test_a_card_written_in_other_words_is_a_patch(
    built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    template = tmp_path / "card.md.jinja"
    template.write_text(card.TEMPLATE.read_text("utf-8") + "\nOne more line.\n", "utf-8")
    monkeypatch.setattr(card, "TEMPLATE", template)
    assert release_after(built, copy(built, tmp_path)).version == "1.0.1"


def test_pictures_drawn_in_other_bytes_are_no_reason_for_a_new_version(built: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    write_release(built, first, options(), store, reports=with_pictures(a=b"by one library"))
    wanted = options(previous=first)
    again = write_release(built, second, wanted, store, reports=with_pictures(a=b"by the next"))
    assert (again.version, again.changed) == ("1.0.0", False)
    assert (second / "README.md").read_bytes() == (first / "README.md").read_bytes()


def test_other_files_for_the_same_scheme_are_a_major_change(built: Path, tmp_path: Path) -> None:
    result = release_after(built, copy(built, tmp_path), schemes=("family", "paper"))
    assert result.version == "2.0.0"
    entry = (tmp_path / "build/release/CHANGELOG.md").read_text("utf-8")
    assert "MAJOR, dataset: the files follow split scheme `family`, before `paper`" in entry


def test_a_scheme_less_is_a_major_change_and_one_more_a_minor_one(built: Path, tmp_path: Path) -> None:
    build = copy(built, tmp_path)
    assert release_after(built, build, schemes=("paper",)).version == "2.0.0"
    wanted = options(previous=build / "release")
    assert write_release(build, tmp_path / "back", wanted, store).version == "2.1.0"
    entry = (tmp_path / "back/CHANGELOG.md").read_text("utf-8")
    assert "- MINOR, arc: 1 column added: `split_family`" in entry


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
        (break_schema, "manifest.json: schema_version: found 99, expected 1"),
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
        write_release(built, tmp_path / "out", options(previous=release), store)
    assert not (tmp_path / "out").exists()
