"""What cannot be validated is refused with the file, what was found and what to do."""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from expectations.errors import UnknownTable, Unreadable, ValidationError
from expectations.validate import validate
from tests.expectations.builds import Copy, part


@pytest.fixture
def copy(good: Path, tmp_path: Path) -> Copy:
    return Copy(good, tmp_path / "build")


def cut(path: Path) -> None:
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data[: len(data) // 2])


def test_a_file_cut_short(copy: Copy) -> None:
    cut(copy.root / part("scores", "arc"))
    with pytest.raises(
        Unreadable, match=r"benchmark=arc/part-0\.parquet: unreadable .*build it again"
    ) as caught:
        validate(copy.root)
    assert caught.value.exit_code == 3


def test_pages_that_are_damaged_behind_a_sound_footer(copy: Copy) -> None:
    path = copy.root / part("scores", "arc")
    data = bytearray(path.read_bytes())
    data[8:200] = bytes(192)
    path.unlink()
    path.write_bytes(bytes(data))
    with pytest.raises(Unreadable, match="damaged"):
        validate(copy.root, suites=["scores"])


def test_a_text_file_named_parquet(tmp_path: Path) -> None:
    path = tmp_path / "scores.parquet"
    path.write_text("model,item,score\n")
    with pytest.raises(Unreadable, match=r"scores\.parquet: unreadable .*expected a whole Parquet file"):
        validate(path)


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match=r"nowhere: not found; expected a build"):
        validate(tmp_path / "nowhere")


def test_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match=r"no manifest\.json, no tables/ and no dump"):
        validate(tmp_path)


def test_an_unknown_table_is_wrong_usage(good: Path) -> None:
    with pytest.raises(
        UnknownTable, match="found 'results', expected one of layout, manifest, models"
    ) as caught:
        validate(good, table="results")
    assert caught.value.exit_code == 2
    with pytest.raises(UnknownTable, match="expected a table"):
        validate(good / "tables/models.parquet", table="results")


def test_a_parquet_file_that_is_no_table_of_ours(tmp_path: Path) -> None:
    path = tmp_path / "weather.parquet"
    pq.write_table(pa.table({"city": ["Delft"], "rain": [1.0]}), path)
    with pytest.raises(Unreadable, match=r"neither a table nor a dump that we know.*say which with --table"):
        validate(path)


@pytest.mark.parametrize("text", ["{", "[]", '{"schema_version": 99}', '{"schema_version": 1}', "\x00"])
def test_a_manifest_that_is_none(text: str, tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(Unreadable, match=r"manifest\.json: .*"):
        validate(tmp_path)


def test_checksums_that_are_none(copy: Copy) -> None:
    copy.text("release/SHA256SUMS", "all good\n")
    with pytest.raises(Unreadable, match=r"SHA256SUMS\[line 1\]: found 'all good'"):
        validate(copy.root / "release")


def test_a_column_of_another_type_is_named_and_what_needs_it_is_not_run(copy: Copy) -> None:
    table = copy.read(part("scores", "arc"))
    copy.table(part("scores", "arc"), table.set_column(2, "score", table["score"].cast(pa.string())))
    outcome = validate(copy.root, suites=["layout", "scores"])
    (error,) = outcome.errors
    assert error.expectation == "column_types"
    assert error.examples == (
        {"path": part("scores", "arc"), "column": "score", "expected": "float", "found": "string"},
    )
    assert len(outcome.skipped) > 5
    assert re.match(r"scores\.\w+: scores: columns of tables/scores/benchmark=arc/", outcome.skipped[0])


def test_a_release_whose_manifest_lies(copy: Copy) -> None:
    copy.json("release/manifest.json", lambda d: d["tables"]["groups.parquet"].update(rows=7))
    outcome = validate(copy.root / "release", suites=["manifest"])
    assert outcome.exit_code == 1
    assert {f.expectation for f in outcome.errors} == {"row_counts", "checksums"}
    rows = next(f for f in outcome.errors if f.expectation == "row_counts")
    assert rows.examples[0]["path"] == "groups.parquet"
    assert rows.examples[0]["listed_rows"] == 7


@pytest.mark.parametrize("lost", ["tables/models.parquet", "manifest.json"])
def test_a_build_that_lacks_a_part_is_judged_without_it(lost: str, copy: Copy) -> None:
    (copy.root / lost).unlink()
    outcome = validate(copy.root, suites=["layout", "models", "scores", "groups"])
    expected = {"tables_present"} if lost.endswith("parquet") else set()
    assert {f.expectation for f in outcome.errors} == expected


def test_one_table_alone(good: Path) -> None:
    outcome = validate(good / part("items", "arc"))
    assert {f.suite for f in outcome.findings} == {"layout", "items"}
    assert outcome.errors == ()
    assert validate(good / "tables/models.parquet", table="models").errors == ()


def test_a_stage_looks_at_nothing_that_later_stages_wrote(copy: Copy) -> None:
    cut(copy.root / part("groups", "arc", method="paper"))
    assert validate(copy.root, stage="splits").errors == ()
    with pytest.raises(Unreadable):
        validate(copy.root, stage="groups")
    with pytest.raises(UnknownTable, match="ingest, splits, groups, embed, release"):
        validate(copy.root, stage="publish")


def test_the_stage_release_is_the_release(good: Path) -> None:
    outcome = validate(good, stage="release", suites=["release"])
    assert outcome.path == str(good / "release")
    assert [f.success for f in outcome.findings] == [True] * 9


def test_every_refusal_is_one_kind_of_error() -> None:
    assert issubclass(Unreadable, ValidationError)
    assert issubclass(UnknownTable, ValidationError)
