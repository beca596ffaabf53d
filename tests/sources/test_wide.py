"""Wide dumps beyond the golden folders: what a config must say, texts by key, batches, order, real files."""

from __future__ import annotations

import csv
import functools
import io
import math
from collections import Counter
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from routerset.etl.sources import wide
from routerset.etl.sources.base import DumpUnreadable, Reading, SourceSpec
from routerset.etl.sources.parse import csv_text
from routerset.etl.sources.parse.csv_text import csv_records
from routerset.etl.sources.parse.tabular import read_rows, score_cells
from routerset.etl.sources.parse.wide_layout import WideOptions

SHARED = Path(__file__).resolve().parents[2] / ".." / "shared" / "dumps"
real_dumps = pytest.mark.skipif(
    not SHARED.is_dir(), reason=f"no real dumps in {SHARED.name}/ beside the checkout"
)

Scores = dict[tuple[str, str | None, str, str], float]
CELLS = st.sampled_from(
    ["0", "1", "1.0", "0.25", "", "NaN", "True", "[1]", "2", "-1", "inf", "abc", '"0"', '"a,b"']
)


def read_all(spec: SourceSpec) -> list[Reading]:
    return [reading for dump in wide.discover(spec) for reading in wide.read(dump, spec)]


def scores_of(readings: list[Reading]) -> Scores:
    """(model, time, subset, document) -> score; each at most once."""
    found: Scores = {}
    for reading in readings:
        for block in reading.blocks:
            for at, column in np.argwhere(np.isfinite(block.values)).tolist():
                run = block.runs.models[at], block.runs.timestamps[at]
                key = (*run, block.columns.subset, str(block.columns.doc_keys[column]))
                assert key not in found
                found[key] = float(block.values[at, column])
    return found


def counts_of(readings: list[Reading]) -> Counter[str]:
    """Records read, kept, superseded and quarantined by reason; checks that they agree."""
    counts: Counter[str] = Counter()
    for reading in readings:
        counts["read"] += sum(reading.n_read.values())
        counts["kept"] += sum(int(np.isfinite(block.values).sum()) for block in reading.blocks)
        counts["superseded"] += sum(int(block.n_superseded.sum()) for block in reading.blocks)
        counts.update(reading.quarantined["reason"].to_pylist())
    assert counts["read"] * 2 == sum(counts.values())
    return +counts


def write(path: Path, text: str) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return str(path)


def with_keys(spec: SourceSpec, **keys: object) -> SourceSpec:
    """The source with some of the keys that every source has, or `wide` alone."""
    own = {name: keys.pop(name) for name in [*keys] if name in WideOptions.__dataclass_fields__}
    options = replace(spec.options_as(WideOptions), **own)  # type: ignore[arg-type]
    return replace(spec, options=options, **keys)  # type: ignore[arg-type]


@pytest.fixture
def small(tmp_path: Path) -> SourceSpec:
    return SourceSpec("wide", write(tmp_path / "r.csv", "model,0,1\norg/a,1,0\n"), "gsm8k")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"benchmark": None}, "needs benchmark"),
        ({"benchmark": "mmlu"}, "mmlu has 57 subsets: set subset, subset_pattern, or column_pattern"),
        ({"subset_pattern": "("}, "subset_pattern = '\\(' is no regular expression"),
        ({"subset_pattern": "x"}, "subset_pattern = 'x' needs a group \\(\\?P<subset>"),
        ({"column_pattern": "(?P<subset>x)"}, "column_pattern = .* needs a group \\(\\?P<doc_key>"),
        ({"items": "/nowhere/items.csv"}, "items: /nowhere/items.csv: no such file"),
    ],
)
def test_config_that_does_not_say_enough(small: SourceSpec, changes: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_all(with_keys(small, **changes))


@pytest.mark.parametrize(
    ("items", "columns", "message"),
    [
        ("id,prompt\n0,x\n", {"answer": "x"}, "unknown key 'answer'; valid keys: doc_key, question, prompt"),
        ("id,prompt\n0,x\n", {"gold": "target"}, "gold = 'target': .* has no such column; it has id, prompt"),
        ("name,prompt\n0,x\n", {}, "expected a key column named item, id, doc_key, found name, prompt"),
        ("id,id,prompt\n0,1,x\n", {}, "doc_key = 'id': .* has several such columns; it has id, id, prompt"),
        ("id,prompt", {}, "cannot be read: .*Empty CSV"),
        ("", {}, "expected CSV in UTF-8"),
    ],
)
def test_items_file_that_does_not_fit(
    small: SourceSpec, tmp_path: Path, items: str, columns: dict[str, str], message: str
) -> None:
    path = write(tmp_path / "items.csv", items)
    with pytest.raises(ValueError, match=message):
        read_all(with_keys(small, items=path, item_columns=columns))


def test_prints_change_with_text_and_gold_answer_only(small: SourceSpec, tmp_path: Path) -> None:
    def prints(items: str, header: str = "0,1") -> dict[str, str]:
        write(Path(small.path), f"model,{header}\norg/a,1,0\n")
        write(tmp_path / "items.csv", items)
        (block,) = read_all(with_keys(small, items=str(tmp_path / "items.csv")))[0].blocks
        return dict(zip(block.columns.doc_keys.to_pylist(), block.columns.prints.to_pylist(), strict=True))

    base = prints("id,question,gold,note\n0,one,1,x\n1,two,2,x\n")
    assert prints("note,gold,question,id\ny,2,two,1\ny,1,one,0\n", header="1,0") == base
    other_gold = prints("id,question,gold\n0,one,1\n1,two,3\n")
    other_text = prints("id,question,gold\n0,one!,1\n1,two,2\n")
    assert other_gold["0"] == base["0"] != other_text["0"]
    assert other_gold["1"] != base["1"] == other_text["1"]
    assert len(set(base.values())) == 2


def test_prints_without_text_are_of_the_key(small: SourceSpec) -> None:
    (block,) = read_all(small)[0].blocks
    assert len(set(block.columns.prints.to_pylist())) == 2


def test_no_hostile_subset_becomes_a_path(tmp_path: Path) -> None:
    write(tmp_path / "secret.csv", "id,question\n0,secret\n")
    path = write(tmp_path / "dump" / "r.csv", "model,../secret:0\norg/a,1\n")
    spec = with_keys(SourceSpec("wide", path, "mmlu"), column_pattern="(?P<subset>.+):(?P<doc_key>.+)")
    (reading,) = read_all(with_keys(spec, items=str(tmp_path / "dump" / "{subset}.csv")))
    assert reading.blocks[0].columns.subset == "../secret"
    assert reading.blocks[0].columns.docs()["question"].to_pylist() == [None]
    assert reading.notes == {("mmlu", "subsets_without_items_file"): 1}


def test_companions_are_the_items_files(small: SourceSpec, tmp_path: Path) -> None:
    (dump,) = wide.discover(small)
    assert wide.companions(dump, small) == ()
    with_items = with_keys(small, items=str(tmp_path / "p" / "{subset}_x.csv"))
    assert wide.companions(dump, with_items) == ()
    write(tmp_path / "p" / "one_x.csv", "id\n0\n")
    first = wide.companions(dump, with_items)
    write(tmp_path / "p" / "two_x.csv", "id\n0\n")
    assert len(first) == 1
    assert set(first) < set(wide.companions(dump, with_items))


def test_discover_is_sorted_and_leaves_other_files(tmp_path: Path) -> None:
    for name in ("b.csv", "a/z.csv.gz", "a.parquet", "c.txt", ".hidden.csv"):
        write(tmp_path / name, "")
    found = list(wide.discover(SourceSpec("wide", str(tmp_path), "gsm8k")))
    assert [dump.file for dump in found] == ["a.parquet", "a/z.csv.gz", "b.csv"]
    assert [dump.group for dump in found] == [dump.file for dump in found]


def csv_of(names: list[str], keys: list[str], cells: list[list[str]]) -> str:
    rows = [",".join([name, *row]) for name, row in zip(names, cells, strict=True)]
    return "\n".join([",".join(["model", *keys]), *rows]) + "\n"


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_every_record_is_accounted_for_in_batches_of_any_size(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    n_columns = data.draw(st.integers(1, 4))
    keys = data.draw(st.lists(st.sampled_from("abcde"), min_size=n_columns, max_size=n_columns))
    row = st.lists(CELLS, min_size=n_columns, max_size=n_columns)
    cells = data.draw(st.lists(row, min_size=1, max_size=6))
    name = st.sampled_from(["org/a", "org__a", "org/b", "org/c", "two words", '"org/d"', '"x'])
    names = data.draw(st.lists(name, min_size=len(cells), max_size=len(cells)))
    path = write(tmp_path_factory.mktemp("wide") / "r.csv", csv_of(names, keys, cells))
    spec = with_keys(SourceSpec("wide", path, "gsm8k"), column_pattern="(?P<doc_key>.+)")
    whole = read_all(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            wide, "read_rows", functools.partial(read_rows, max_cells=data.draw(st.integers(1, 12)))
        )
        pieces = read_all(spec)
    assert scores_of(pieces) == scores_of(whole)
    assert counts_of(pieces) == counts_of(whole)
    usable = [at for at, each in enumerate(names) if each not in ("two words", '"x')]
    assert counts_of(whole)["read"] == len(usable) * n_columns + len(names) - len(usable)


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.lists(st.sampled_from(["0", "1", "", "x", "3"]), min_size=3, max_size=3), min_size=1),
    st.randoms(),
)
def test_order_of_rows_and_columns_does_not_matter(
    tmp_path_factory: pytest.TempPathFactory, cells: list[list[str]], random: Random
) -> None:
    folder = tmp_path_factory.mktemp("wide")
    names = [f"org/{at // 2}" for at in range(len(cells))]
    one = write(folder / "one.csv", csv_of(names, ["a", "b", "c"], cells))
    rows, columns = list(range(len(cells))), [0, 1, 2]
    random.shuffle(rows)
    random.shuffle(columns)
    turned = [[cells[row][column] for column in columns] for row in rows]
    other = write(folder / "other.csv", csv_of([names[r] for r in rows], ["abc"[c] for c in columns], turned))
    first, second = (read_all(SourceSpec("wide", path, "gsm8k")) for path in (one, other))
    assert scores_of(first) == scores_of(second)
    assert counts_of(first) == counts_of(second)


@settings(deadline=None, max_examples=300)
@given(st.lists(st.text('ab",1\r ', max_size=9), max_size=8))
@example([',"', '",\r\r'])
def test_a_line_is_a_record_unless_legal_quotes_go_on(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str]
) -> None:
    path = tmp_path_factory.mktemp("wide") / "r.csv"
    path.write_bytes("\n".join(["x,y,z", *lines]).encode())
    records = [record.decode() for record in csv_records(io.BytesIO("\n".join(lines).encode()), ",", 3)]
    split = [
        [line for line in text.split("\n") if line.strip()] for text in ("".join(records), "\n".join(lines))
    ]
    assert split[0] == split[1]
    for record in records:
        if "\n" in record[:-1]:
            # of two carriage returns at its end, the second is an empty line to the library
            (cells,) = filter(None, csv.reader(io.StringIO(record, newline=""), strict=True))
            assert len(cells) == 3
    numbers, bad = [], []
    for rows in read_rows(str(path), [0], [1, 2], max_cells=9):
        assert all(len(column) == len(rows.numbers) for column in (*rows.texts, *rows.scores))
        numbers += rows.numbers.tolist()
        bad += [row.row for row in rows.bad]
    assert sorted(numbers + bad) == list(range(len(records)))


@settings(deadline=None, max_examples=300)
@given(
    st.one_of(
        st.text("01.eE+-naifty []_x", max_size=5),
        st.sampled_from(
            ["NaN", "NAN", "-nan", "+NaN", "Null", "NONE", "Infinity", "-INF", "TRUE", "1e400", "1e-400"]
        ),
    )
)
def test_a_cell_counts_the_same_beside_one_that_is_no_number(
    tmp_path_factory: pytest.TempPathFactory, cell: str
) -> None:
    folder = tmp_path_factory.mktemp("wide")
    outcomes = []
    for other in ("1", "no number"):
        path = write(folder / f"{other}.csv", f"model,0,1\norg/a,{other},{cell}\n")
        (rows,) = read_rows(path, [0], [1, 2])
        cells = score_cells(rows.scores, 1)
        outcomes.append((repr(cells.values[0, 1]), cells.found(int(cells.state[0, 1]))))
    assert outcomes[0] == outcomes[1]


def test_repeats_are_one_run_even_in_different_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = ["org/a,1,0", *(f"org/m{at},1,1" for at in range(9)), "org__a,1,1"]
    spec = SourceSpec("wide", write(tmp_path / "r.csv", "\n".join(["model,0,1", *rows])), "gsm8k")
    monkeypatch.setattr(wide, "read_rows", functools.partial(read_rows, max_cells=6))
    readings = read_all(spec)
    assert len(readings) > 1
    assert scores_of(readings)["org/a", None, "gsm8k", "0"] == 1.0
    assert counts_of(readings) == Counter(read=22, kept=19, superseded=1, duplicate_key=2)


def test_part_of_a_parquet_that_cannot_be_read_is_one_record(tmp_path: Path) -> None:
    path = tmp_path / "r.parquet"
    n = 4000
    rng = np.random.default_rng(0)
    names = [f"org/m{at % 2000 if at < 2010 else at}" for at in range(n)]
    table = pa.table({"model": names, "0": rng.random(n), "1": rng.random(n)})
    pq.write_table(table, path, row_group_size=1000, compression="snappy", use_dictionary=False)
    chunk = pq.read_metadata(path).row_group(2).column(1)
    data = bytearray(path.read_bytes())
    data[chunk.data_page_offset : chunk.data_page_offset + 40] = b"\xff" * 40
    path.write_bytes(data)
    readings = read_all(SourceSpec("wide", str(path), "gsm8k"))
    counts = counts_of(readings)
    assert counts == Counter(read=6001, kept=6000, unreadable_file=1)
    assert readings[2].quarantined["row"].to_pylist() == [2000]
    # a model whose repeat lies in the part that is lost keeps the scores it has
    assert {(f"org/m{at}", None, "gsm8k", "0") for at in (0, 1)} <= scores_of(readings).keys()


def test_a_name_in_parquet_that_is_no_utf8_is_a_name_all_the_same(tmp_path: Path) -> None:
    names = pa.array([b"org/a", b"org/\xff"]).view(pa.string())
    pq.write_table(pa.table({"model": names, "0": [1.0, 0.0]}), tmp_path / "r.parquet")
    readings = read_all(SourceSpec("wide", str(tmp_path / "r.parquet"), "gsm8k"))
    assert counts_of(readings) == Counter(read=2, kept=1, invalid_model=1)
    assert scores_of(readings) == {("org/a", None, "gsm8k", "0"): 1.0}


def test_line_without_end_is_not_read_into_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_text, "MAX_BYTES", 100)
    path = write(tmp_path / "r.csv", "model,0\norg/a,1\norg/b," + "0" * 1000)
    readings = read_all(SourceSpec("wide", path, "gsm8k"))
    assert counts_of(readings) == Counter(read=2, kept=1, unreadable_file=1)
    assert readings[-1].quarantined["row"].to_pylist() == [1]


def test_more_columns_than_memory_could_hold_are_not_read(tmp_path: Path) -> None:
    path = write(tmp_path / "r.csv", "model" + ",x" * csv_text.MAX_COLUMNS + "\n")
    with pytest.raises(DumpUnreadable, match="found 131073 columns, expected 131072 at most"):
        read_all(SourceSpec("wide", path, "gsm8k"))


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        (0, 0.0), (True, 1.0), ("1", 1.0), (" 0.5 ", 0.5), (b"1e-1", 0.1), ("false", 0.0), ([1.0], 1.0),
        (["1"], 1.0), ("[1]", 1.0), (None, math.nan), ("", math.nan), ("none", math.nan), ([None], math.nan),
        ("1_0", None), ("0x1", None), ("yes", None), ([], None), ([1, 0], None), ("\u0661", None),
        ({"a": 1}, None),
    ],
)  # fmt: skip
def test_spellings_of_a_score(cell: object, expected: float | None) -> None:
    cells = score_cells([pa.array([cell])], 1)
    assert cells.values.shape == cells.state.shape == (1, 1)
    np.testing.assert_equal(cells.values[0, 0], math.nan if expected is None else expected)
    assert cells.found(int(cells.state[0, 0])) == (str(cell) if expected is None else None)


@real_dumps
def test_real_gsm8k_scores() -> None:
    folder = SHARED / "openllm_v1_wide"
    spec = with_keys(
        SourceSpec("wide", str(folder / "gsm8k_responses_wide.parquet"), "gsm8k"),
        items=str(folder / "gsm8k_items.parquet"),
        ignore_columns=("norm_score",),
    )
    readings = read_all(spec)
    assert counts_of(readings) == Counter(read=1_255_209, kept=1_255_209)
    blocks = [block for reading in readings for block in reading.blocks]
    assert len({model for block in blocks for model in block.runs.models}) == 5041
    docs = readings[0].blocks[0].columns.docs()
    assert len(docs) == 249
    assert docs["prompt"].null_count == 0
    assert all(not reading.notes for reading in readings)


@real_dumps
def test_real_mmlu_pro_scores_with_three_runs_given_twice() -> None:
    path = SHARED / "openllm_v2_wide" / "results" / "MMLU-Pro_results.csv"
    readings = read_all(SourceSpec("wide", str(path), "mmlu_pro"))
    expected = Counter(read=88 * 12032, kept=1_022_720, superseded=35_425, missing_score=671)
    assert counts_of(readings) == expected
