"""Versions mean something: what changed decides the number, and the changelog tells it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from routerset.release.build import write_release
from routerset.release.diff import Level
from routerset.release.errors import VersionError
from routerset.release.manifest import read_manifest
from routerset.release.verify import verify
from routerset.release.version import choose_version, next_version
from routerset.schemas.tables import GROUPS, ITEMS, LIMITS, MODELS, SCORES, SPLITS
from tests.release.builds import Bench, binary, options, write_build
from tests.release.edits import (
    GSM8K,
    add_benchmark,
    add_encoder,
    add_method,
    add_model,
    copy,
    drop_folder,
    edit,
    flip,
    move_vectors,
    put,
    release_after,
    swap_candidates,
    swap_sides,
    without,
    without_last_group,
)


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
            edit(f"items/{GSM8K}", ITEMS, put("category", 0, "maths")),
            "1.1.0",
            ["MINOR, gsm8k: column `category` completed in 1 of"],
        ),
        (
            edit(f"items/{GSM8K}", ITEMS, put("category", 1, "law")),
            "2.0.0",
            ["MAJOR, gsm8k: column `category` changed in 1 of"],
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
            edit(f"limits/method=paper/{GSM8K}", LIMITS, put("oracle_a", 0, 0.5)),
            "2.0.0",
            ["MAJOR, gsm8k: limits of 1 group changed: `paper_m3_all_strong`"],
        ),
        (
            drop_folder("limits"),
            "2.0.0",
            ["MAJOR, gsm8k: limits of 6 groups removed: `paper_m3_all_strong`, "],
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
    write_release(before, before / "release", options())
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


def test_a_second_change_stands_above_the_first(built: Path, tmp_path: Path) -> None:
    build = copy(built, tmp_path)
    add_encoder(build)
    release_after(built, build, encoders={"mine": {"from_dump": ["gsm8k"]}})
    again = copy(build, tmp_path / "again")
    edit(f"scores/{GSM8K}", SCORES, flip)(again)
    result = write_release(again, again / "release", options(previous=build / "release"))
    history = (again / "release/CHANGELOG.md").read_text("utf-8")
    assert result.version == "2.0.0"
    assert [line for line in history.splitlines() if line.startswith("## ")] == [
        "## 2.0.0",
        "## 1.1.0",
        "## 1.0.0",
    ]
    assert verify(build / "release") == []


def test_other_files_for_the_same_scheme_are_a_major_change(built: Path, tmp_path: Path) -> None:
    result = release_after(built, copy(built, tmp_path), schemes=("family", "paper"))
    assert result.version == "2.0.0"
    entry = (tmp_path / "build/release/CHANGELOG.md").read_text("utf-8")
    assert "MAJOR, dataset: the files follow split scheme `family`, before `paper`" in entry


def test_a_scheme_less_is_a_major_change_and_one_more_a_minor_one(built: Path, tmp_path: Path) -> None:
    build = copy(built, tmp_path)
    assert release_after(built, build, schemes=("paper",)).version == "2.0.0"
    wanted = options(previous=build / "release")
    assert write_release(build, tmp_path / "back", wanted).version == "2.1.0"
    entry = (tmp_path / "back/CHANGELOG.md").read_text("utf-8")
    assert "- MINOR, arc: 1 column added: `split_family`" in entry
