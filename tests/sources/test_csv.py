"""CSV as people write it: records over lines, delimiters, encodings, archives, what is no wide table."""

from __future__ import annotations

import gzip
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routerset.etl.sources.base import DumpUnreadable, Reading, SourceSpec, SpecError
from routerset.etl.sources.parse import csv_text
from tests.sources.test_wide import counts_of, read_all, scores_of, with_keys, write

TABLE = "model,q0,q1\norg/a,1,0\norg/b,0.5,\n"
SCORES = {("org/a", "q0"): 1.0, ("org/a", "q1"): 0.0, ("org/b", "q0"): 0.5}


def read_csv(folder: Path, text: str | bytes, name: str = "r.csv", **keys: object) -> list[Reading]:
    """What a file of this text gives. keys: of the source."""
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_all(with_keys(SourceSpec("wide", str(path), "gsm8k"), **keys))


def found(readings: list[Reading]) -> dict[tuple[str, str], float]:
    return {(model, key): score for (model, _, _, key), score in scores_of(readings).items()}


def left_out(readings: list[Reading]) -> dict[str, str]:
    """Column -> why it is no item, as the notes say it."""
    notes = [
        note for reading in readings for _, note in reading.notes if note.startswith("left out: column ")
    ]
    words = [note.removeprefix("left out: column ").partition(" (see ")[0] for note in notes]
    return {word.split(" ")[0].strip("'"): word.partition(" ")[2] for word in words}


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("named", [True, False])
def test_the_delimiter_is_named_or_told_by_the_header(tmp_path: Path, delimiter: str, named: bool) -> None:
    keys = {"delimiter": delimiter} if named else {}
    assert found(read_csv(tmp_path, TABLE.replace(",", delimiter), **keys)) == SCORES


def test_a_spreadsheet_may_say_its_delimiter_in_a_line_of_its_own(tmp_path: Path) -> None:
    assert found(read_csv(tmp_path, "sep=;\r\n" + TABLE.replace(",", ";"))) == SCORES


@pytest.mark.parametrize("name", ["r.tsv", "r.tsv.gz", "r.csv.gz", "r.csv.zst", "R.CSV"])
def test_names_that_are_read(tmp_path: Path, name: str) -> None:
    data = TABLE.encode()
    if name.endswith(".gz"):
        data = gzip.compress(data)
    if name.endswith(".zst"):
        data = pa.compress(data, codec="zstd", asbytes=True)
    (tmp_path / name).write_bytes(data)
    assert found(read_all(SourceSpec("wide", str(tmp_path), "gsm8k"))) == SCORES


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-16", "utf-16-le", "utf-32", "utf-8-sig"])
def test_the_encoding_is_named(tmp_path: Path, encoding: str) -> None:
    readings = read_csv(tmp_path, "model;é0\nürg/modèle;1\n".encode(encoding), encoding=encoding)
    assert found(readings) == {("ürg/modèle", "é0"): 1.0}


def test_bytes_that_the_encoding_has_not_cost_their_cell(tmp_path: Path) -> None:
    readings = read_csv(tmp_path, "model,q0,q1\norg/a,é,1\norg/b,0,1\n".encode("latin-1"), encoding="ascii")
    assert counts_of(readings) == Counter(read=4, kept=3, score_out_of_range=1)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"delimiter": "::"}, "delimiter = '::': expected one character"),
        ({"delimiter": '"'}, "delimiter = '\"': expected one character"),
        ({"encoding": "klingon"}, "encoding = 'klingon' is none that Python knows"),
        ({"encoding": "base64"}, "encoding = 'base64' is none that Python knows"),
    ],
)
def test_keys_that_can_be_no_such_thing(tmp_path: Path, keys: dict[str, str], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        read_csv(tmp_path, TABLE, **keys)


@pytest.mark.parametrize(
    ("data", "name", "message"),
    [
        (b"PK\x03\x04\x14\x00", "r.csv.zip", "found a zip archive .*: unpack it"),
        (b"PK\x03\x04\x14\x00", "r.csv", "found a zip archive .*: unpack it"),
        (b"r.csv".ljust(257, b"\x00") + b"ustar\x00", "r.csv.tar", "found a tar archive: unpack it"),
        (b"BZh91AY", "r.csv", "found a bzip2 archive: unpack it"),
        (b"PAR1\x15", "r.csv", "found Parquet: name the file .parquet"),
        (b"<!DOCTYPE html>\n", "r.csv", "found a web page: download the file itself"),
        (TABLE.encode("utf-16"), "r.csv", 'found UTF-16: set encoding = "utf-16"'),
        (TABLE.encode("utf-32"), "r.csv", 'found UTF-32: set encoding = "utf-32"'),
        (TABLE.encode("utf-16-le"), "r.csv", 'set encoding = "utf-16-le"'),
        ("model,é0\n".encode("latin-1"), "r.csv", 'name its encoding, such as encoding = "latin-1"'),
        (TABLE.replace("\n", "\r").encode(), "r.csv", "lines that end with a carriage return alone"),
    ],
)
def test_what_is_no_text_in_utf8_is_told(tmp_path: Path, data: bytes, name: str, message: str) -> None:
    with pytest.raises(DumpUnreadable, match=message):
        read_csv(tmp_path, data, name)


def test_a_record_may_span_lines_and_its_number_is_that_of_a_record(tmp_path: Path) -> None:
    text = (
        'model,"why\r\nnot",q0,q1\r\norg/a,"one\r\n\r\n""two"", three",1,0\r\norg/b,,1\r\n"org/c",x,0,1\r\n'
    )
    readings = read_csv(tmp_path, text)
    assert found(readings) == {
        ("org/a", "q0"): 1.0, ("org/a", "q1"): 0.0, ("org/c", "q0"): 0.0, ("org/c", "q1"): 1.0,
    }  # fmt: skip
    assert readings[0].quarantined["row"].to_pylist() == [1]


@settings(deadline=None, max_examples=100)
@given(st.lists(st.text('ab",;\n1 é', max_size=12), min_size=1, max_size=5), st.sampled_from(",;\t|"))
def test_whatever_a_quoted_cell_holds_its_row_counts(
    tmp_path_factory: pytest.TempPathFactory, cells: list[str], delimiter: str
) -> None:
    quoted = ['"' + cell.replace('"', '""') + '"' for cell in cells]
    rows = [delimiter.join((f"org/m{at}", cell, "1", "0")) for at, cell in enumerate(quoted)]
    text = "\n".join([delimiter.join(("model", "comment", "q0", "q1")), *rows])
    readings = read_csv(tmp_path_factory.mktemp("csv"), text)
    assert counts_of(readings) == Counter(read=2 * len(cells), kept=2 * len(cells))


@pytest.mark.parametrize("limit", ["MAX_LINES", "MAX_BYTES", None])
def test_an_open_quote_costs_its_own_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str | None
) -> None:
    if limit:
        monkeypatch.setattr(csv_text, limit, 50)
    rows = [f"org/m{at},1,0" for at in range(100)]
    text = "\n".join(["model,q0,q1", *rows[:2], 'org/open,"1,0', *rows[2:], 'org/shut",1,0', 'org/open,1,"'])
    readings = read_csv(tmp_path, text)
    assert counts_of(readings) == Counter(read=203, kept=200, malformed_row=3)
    bad = [row for reading in readings for row in reading.quarantined["row"].to_pylist()]
    assert sorted(bad) == [2, 101, 102]


def test_decimal_commas_are_told(tmp_path: Path) -> None:
    readings = read_csv(tmp_path, "model;q0;q1\norg/a;0,5;1\n")
    (detail,) = readings[0].quarantined["detail"].to_pylist()
    assert detail == "document q0: expected a score in [0, 1], found '0,5': write decimals with a point"


def test_a_name_that_is_no_utf8_says_what_to_do(tmp_path: Path) -> None:
    (reading,) = read_csv(tmp_path, "model,q0\nmodèle,1\norg/a,1\n".encode("latin-1"))
    (detail,) = reading.quarantined["detail"].to_pylist()
    assert 'such as encoding = "latin-1"' in detail


@pytest.mark.parametrize(
    "name", ["cost_usd", "Latency", "run_id", "id", "norm score", "average", "input_tokens"]
)
def test_columns_named_as_no_item_are_left_out_and_named(tmp_path: Path, name: str) -> None:
    readings = read_csv(tmp_path, f"model,{name},apple,pear\norg/a,0.5,1,0\n")
    assert found(readings) == {("org/a", "apple"): 1.0, ("org/a", "pear"): 0.0}
    assert all(f"column {name!r} is named as no item" in note for _, note in readings[0].notes)
    assert len(left_out(readings)) == 1
    assert counts_of(readings) == Counter(read=2, kept=2)


def test_columns_unlike_the_items_are_left_out_and_named(tmp_path: Path) -> None:
    text = "model,q1,q2,top_p,q3\n" + "".join(f"org/m{at},1,0,0.9,{at}\n" for at in (3, 4))
    readings = read_csv(tmp_path, text)
    assert left_out(readings) == {"top_p": "has no number, as most have"}
    # named as the items are, a column without a score stays, and each of its cells is told
    assert counts_of(readings) == Counter(read=6, kept=4, score_out_of_range=2)


def test_columns_without_a_score_are_left_out_and_named(tmp_path: Path) -> None:
    rows = [f"org/m{at},1,fine,{40 + at},,{1 if at == 90 else 'late'}\n" for at in range(100)]
    readings = read_csv(tmp_path, "model,apple,word,percent,empty,seldom\n" + "".join(rows))
    assert left_out(readings) == {"word": "holds no score", "percent": "holds no score"}
    assert counts_of(readings) == Counter(read=300, kept=101, missing_score=100, score_out_of_range=99)


def test_where_no_column_holds_a_score_none_is_left_out_for_that(tmp_path: Path) -> None:
    readings = read_csv(tmp_path, "model,apple,pear\norg/a,x,7\n")
    assert counts_of(readings) == Counter(read=2, score_out_of_range=2)


def test_a_pattern_leaves_nothing_to_guess(tmp_path: Path) -> None:
    text = "model,cost,q0,word\norg/a,1,0,x\n"
    readings = read_csv(tmp_path, text, column_pattern="(?P<doc_key>.+)")
    assert counts_of(readings) == Counter(read=3, kept=2, score_out_of_range=1)


def test_an_items_file_says_which_columns_are_items(tmp_path: Path) -> None:
    items = write(tmp_path / "items.csv", 'id;question\ncost;"how\nmuch; how many"\nword;x\nq1;y\n')
    text = "model,cost,word,top_p,q2\norg/a,1,x,0.5,1\n"
    readings = read_csv(tmp_path, text, items=items)
    assert left_out(readings) == {"top_p": "is not in the items file"}
    assert counts_of(readings) == Counter(read=3, kept=1, score_out_of_range=1) + Counter(kept=1)
    assert readings[0].blocks[0].columns.docs()["question"].to_pylist() == ["how\nmuch; how many", "x", None]


def test_an_items_file_has_the_encoding_of_its_source_where_it_is_no_utf8(tmp_path: Path) -> None:
    for encoding in ("latin-1", "utf-8"):
        (tmp_path / "items.csv").write_bytes("id,question\nq0,où\n".encode(encoding))
        readings = read_csv(
            tmp_path, TABLE.encode("latin-1"), items=str(tmp_path / "items.csv"), encoding="latin-1"
        )
        assert readings[0].blocks[0].columns.docs()["question"].to_pylist() == ["où", None]


def test_no_column_but_what_is_no_item(tmp_path: Path) -> None:
    with pytest.raises(DumpUnreadable, match="found no item column: 'cost' is named as no item"):
        read_csv(tmp_path, "model,cost\norg/a,1\n")


@pytest.mark.parametrize(
    ("header", "keys", "message"),
    [
        ("x,gpt-4,gpt-4|total_cost", {}, "a row per item and a column per model"),
        ("lab/a,lab/b,lab/c", {}, "a row per item and a column per model"),
        ("prompt,lab/a,lab/b", {"model_column": "prompt"}, "a row per item and a column per model"),
        ("prompt,lab/a,lab/b", {"model_column": "id"}, "a row per item and a column per model"),
        (
            "prompt,lab/a,lab/b",
            {"column_pattern": "(?P<doc_key>.*)"},
            "a row per item and a column per model",
        ),
        ("model,doc_id,f1,acc_norm", {}, "a long table"),
        ("id,model,score", {"column_pattern": "(?P<doc_key>.*)"}, "a long table"),
        ("1.0,0.0,1.0", {}, "the first line holds data and no header"),
        ("1,0,1,1", {}, "the first line holds data and no header"),
        ("org/a,1,0,,1", {}, "the first line holds data and no header"),
        ("llm_name,0,1,2", {}, "expected a column 'model', found 'llm_name'.*: set model_column"),
        ("0,1,2,3", {}, "expected a column 'model', found '0'.*: set model_column, or add a header"),
    ],
)
def test_what_is_no_wide_table_is_told(
    tmp_path: Path, header: str, keys: dict[str, str], message: str
) -> None:
    row = ",".join("1" for _ in header.split(","))
    with pytest.raises(DumpUnreadable, match=message):
        read_csv(tmp_path, f"{header}\n{row}\n", **keys)


@pytest.mark.parametrize(
    ("header", "keys", "read_as", "models"),
    [
        ("prompt,lab/a,lab/b", {}, "item_major", {"lab/a", "lab/b"}),
        ("sample_id,gpt-4,llama", {}, "item_major", {"gpt-4", "llama"}),
        ("prompt_id,model_name,label,prompt", {}, "long", {"1"}),
        ("prompt_id,model_name,label", {"model_column": "model_name"}, "long", {"1"}),
        ("model_id,prompt_id,model_name,label", {"model_column": "model_name"}, "long", {"1"}),
        ("question,llm,performance", {"model_column": "llm"}, "long", {"1"}),
        ("id,model,score", {}, "long", {"1"}),
    ],
)
def test_what_plainly_is_another_table_is_read_as_one(
    tmp_path: Path, header: str, keys: dict[str, str], read_as: str, models: set[str]
) -> None:
    row = ",".join(["x", *("1" for _ in header.split(",")[1:])])
    first, *readings = read_csv(tmp_path, f"{header}\n{row}\n", **keys)
    assert first.notes == {("gsm8k", f"files_read_as_{read_as}"): 1}
    blocks = [block for reading in readings for block in reading.blocks]
    assert {model for block in blocks for model in block.runs.models} == models
    assert all(block.values.tolist() == [[1.0]] * len(block.values) for block in blocks)


@pytest.mark.parametrize(
    "header",
    ["id,model,score,apple,pear", "model,question_1,question_2", "model,prompt/a,prompt/b", "model,0,1"],
)
def test_a_wide_table_is_not_taken_for_another(tmp_path: Path, header: str) -> None:
    rows = [",".join(f"org/m{at}" if name == "model" else "1" for name in header.split(",")) for at in (0, 1)]
    assert counts_of(read_csv(tmp_path, "\n".join([header, *rows]))) == Counter(read=4, kept=4)
