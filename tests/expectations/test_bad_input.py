"""What cannot be validated is refused with the file, what was found and what to do."""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from routerset.etl.trial import dump_reader
from routerset.expectations.errors import UnknownTable, Unreadable, ValidationError
from routerset.expectations.validate import validate
from tests.expectations.builds import ENCODER, Copy, part
from tests.expectations.mutations.edits import cell


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


@pytest.mark.parametrize("suite", ["items", "release"])
def test_pages_that_do_not_inflate(copy: Copy, suite: str) -> None:
    name = part("items", "arc") if suite == "items" else "release/data/arc/train.parquet"
    path = copy.root / name
    start = pq.read_metadata(path).row_group(0).column(0).data_page_offset
    data = bytearray(path.read_bytes())
    data[start + 40 : start + 80] = b"\xff" * 40
    path.unlink()
    path.write_bytes(bytes(data))
    root = copy.root if suite == "items" else copy.root / "release"
    with pytest.raises(Unreadable, match=r"damaged \(.*\); expected whole files; fetch or build it again"):
        validate(root, suites=["layout", suite])


def test_names_of_columns_that_are_no_unicode(tmp_path: Path) -> None:
    path = tmp_path / "gsm8k.parquet"
    pq.write_table(pa.table({"city_1": ["Delft"], "rain": [1.0]}), path, store_schema=False)
    path.write_bytes(path.read_bytes().replace(b"city_1", b"\xb8ity_1"))
    with pytest.raises(Unreadable, match=r"gsm8k\.parquet: unreadable .*expected a whole Parquet file"):
        validate(path)
    assert "unreadable_file" in {f.expectation for f in validate(tmp_path, dumps=dump_reader()).errors}


def test_text_that_is_no_unicode(copy: Copy) -> None:
    path = copy.root / "release/groups.parquet"
    table = copy.read("release/groups.parquet")
    path.unlink()
    pq.write_table(table, path, compression="none")
    path.write_bytes(path.read_bytes().replace(b"all_weak", b"\xd8ll_weak"))
    with pytest.raises(Unreadable, match=r"damaged \(.*groups\.parquet.*UTF"):
        validate(copy.root / "release", suites=["groups"])


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


@pytest.mark.parametrize("text", ["{", "[]", '{"schema_version": 99}', '{"schema_version": 2}', "\x00"])
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


def test_the_scores_of_a_release_know_their_benchmark(copy: Copy) -> None:
    cell("release/scores/arc.parquet", 7, "score", 0.5)(copy)
    outcome = validate(copy.root / "release/scores/arc.parquet")
    assert [f.expectation for f in outcome.warnings] == ["score_binary"]
    assert outcome.errors == ()


def test_a_part_of_a_release_names_the_release(good: Path) -> None:
    for name in ("data/arc/train.parquet", f"vectors/{ENCODER}/arc/test.parquet", "groups.parquet"):
        with pytest.raises(Unreadable, match=rf"found a part of .*; validate {good / 'release'}$"):
            validate(good / "release" / name)


def test_a_manifest_of_another_program_is_no_build(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text('{"name": "a web page"}')
    path = tmp_path / "tables/gsm8k.parquet"
    path.parent.mkdir()
    pq.write_table(pa.table({"model": ["a/b"], "item_1": [1]}), path)
    for place in (path, path.parent):
        assert validate(place, dumps=dump_reader()).errors == ()
    pq.write_table(pa.table({"city": ["Delft"]}), path)
    with pytest.raises(Unreadable, match="neither a table nor a dump that we know"):
        validate(path, dumps=dump_reader())


def test_the_tables_of_a_build_name_the_build(good: Path) -> None:
    with pytest.raises(Unreadable, match=rf"found the tables of a build.*; validate {good}$"):
        validate(good / "tables")


def test_a_stage_looks_at_nothing_that_later_stages_wrote(copy: Copy) -> None:
    cut(copy.root / part("groups", "arc", method="paper"))
    assert validate(copy.root, stage="splits").errors == ()
    with pytest.raises(Unreadable):
        validate(copy.root, stage="groups")
    with pytest.raises(UnknownTable, match="ingest, embed, curate, splits, groups, limits, release"):
        validate(copy.root, stage="publish")


def test_the_stage_release_is_the_release(good: Path) -> None:
    outcome = validate(good, stage="release", suites=["release"])
    assert outcome.path == str(good / "release")
    assert [f.success for f in outcome.findings] == [True] * 11


def test_every_refusal_is_one_kind_of_error() -> None:
    assert issubclass(Unreadable, ValidationError)
    assert issubclass(UnknownTable, ValidationError)
