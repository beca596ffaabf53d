"""Categories of items: what dumps and benchmarks tell of them, and that they change nothing else."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from routerset.etl.build import build
from routerset.etl.config import ConfigError, Runner, load_config
from routerset.etl.manifest import Manifest
from routerset.etl.sources.parse.items_file import read_items
from routerset.schemas.benchmarks import BENCHMARKS, MMLU_CATEGORIES, MMLU_SUBJECTS
from routerset.schemas.registry import registry

OWN = '[[benchmark]]\nname = "quiz"\nmetric = "points"\n'
LONG = '[[source]]\nformat = "long"\npath = "all.csv"\nbenchmark = "quiz"\n'
RECATEGORISED, IN_ONE_FILE = "of_another_category", "records_of_another_category"


def ingest(folder: Path, config: str, out: str = "out") -> Manifest:
    """The tables of a config that stands in a folder."""
    path = folder / "x.toml"
    path.write_text(config)
    return build(load_config(path), folder / out, Runner(), lambda *_: None, "ingest")


def rows(
    folder: Path, table: str, columns: str, benchmark: str = "quiz", out: str = "out"
) -> list[tuple[object, ...]]:
    """Columns of a table, in order."""
    path = folder / out / f"tables/{table}/benchmark={benchmark}/part-0.parquet"
    return duckdb.sql(f"select {columns} from read_parquet('{path}', hive_partitioning = false)").fetchall()


def notes(manifest: Manifest) -> Mapping[str, int]:
    """Notes of all sources."""
    found: dict[str, int] = {}
    for row in manifest.stages["ingest"].info["accounting"]:
        for note, n in row["notes"].items():
            found[note] = found.get(note, 0) + n
    return found


def write_csv(path: Path, table: Mapping[str, list[object]]) -> None:
    """A table as CSV."""
    duckdb.connect().from_arrow(pa.table(dict(table))).write_csv(str(path))


def answers(categories: Mapping[str, list[str | None]]) -> dict[str, list[object]]:
    """Answers to three questions by models, each with the categories that its own records tell."""
    records = [
        (model, f"q{at}", f"What is {at} plus {at}?", at % 2, told)
        for model, of_model in categories.items()
        for at, told in enumerate(of_model)
    ]
    return dict(
        zip(
            ("model", "doc_key", "question", "score", "category"),
            map(list, zip(*records, strict=True)),
            strict=True,
        )
    )


def test_the_category_of_most_records_counts_in_a_file(tmp_path: Path) -> None:
    told = {"a/1": ["maths", "b", "  some \t words"], "a/2": ["maths", "a", None], "a/3": ["art", None, None]}
    write_csv(tmp_path / "all.csv", answers(told))
    manifest = ingest(tmp_path, OWN + LONG)
    assert rows(tmp_path, "items", "doc_key, category") == [
        ("q0", "maths"),
        ("q1", "a"),
        ("q2", "some words"),
    ]
    assert notes(manifest) == {IN_ONE_FILE: 2}


def test_the_category_of_most_models_counts_and_the_others_are_counted(tmp_path: Path) -> None:
    for name, told in (
        ("a", ["art", "art", "x" * 101]),
        ("b", ["art", "maths", None]),
        ("c", ["maths", "maths", None]),
    ):
        write_csv(tmp_path / f"{name}.csv", answers({f"org/{name}": told}))
    manifest = ingest(tmp_path, OWN + LONG.replace("all.csv", "*.csv"))
    assert rows(tmp_path, "items", "category") == [("art",), ("maths",), (None,)]
    assert notes(manifest) == {RECATEGORISED: 2}
    assert len(rows(tmp_path, "scores", "*")) == 9


def test_a_category_is_no_part_of_a_document(tmp_path: Path) -> None:
    found = []
    for name, told in (("none", [None] * 3), ("some", ["a", None, "b"]), ("others", ["b", "c", "d"])):
        write_csv(tmp_path / "all.csv", answers({"a/1": told, "a/2": told}))
        ingest(tmp_path, OWN + LONG, name)
        found.append(
            (
                rows(tmp_path, "items", "item, item_id, question_id, family_id", out=name),
                (tmp_path / name / "tables/scores/benchmark=quiz/part-0.parquet").read_bytes(),
            )
        )
        assert [category for (category,) in rows(tmp_path, "items", "category", out=name)] == told
    assert found[0] == found[1] == found[2]


def test_what_the_config_says_of_subsets_counts_before_dumps_and_is_read_again(tmp_path: Path) -> None:
    table = answers({"a/1": ["one", "two", "three"]}) | {"subset": ["algebra", "art_old", "art_new"]}
    write_csv(tmp_path / "all.csv", table)
    ingest(tmp_path, OWN + LONG)
    assert set(rows(tmp_path, "items", "subset, category")) == {
        ("algebra", "one"),
        ("art_old", "two"),
        ("art_new", "three"),
    }
    config = OWN + 'categories = { "art_*" = "arts", art_new = "news", "*" = "rest" }\n' + LONG
    ingest(tmp_path, config)
    assert set(rows(tmp_path, "items", "subset, category")) == {
        ("algebra", "rest"),
        ("art_old", "arts"),
        ("art_new", "news"),
    }


def test_the_longest_pattern_counts_and_a_name_before_all() -> None:
    said = {"*": "d", "a*": "c", "a*c": "b", "abc": "a", "a?c": "never"}
    (row,) = (
        registry({"x": {"metric": "m", "categories": {k: v for k, v in said.items() if "?" not in k}}})["x"],
    )
    assert [row.category_of(name) for name in ("abc", "a-c", "ab", "zz")] == ["a", "b", "c", "d"]
    assert BENCHMARKS["arc"].category_of("arc") is None


@pytest.mark.parametrize(
    "said",
    ['{ "a/b" = "x" }', '{ a = "" }', '{ a = " x" }', '{ a = "x\\ny" }', '{ a = "' + "x" * 101 + '" }'],
)
def test_categories_that_cannot_be_meant_are_a_config_error(tmp_path: Path, said: str) -> None:
    (tmp_path / "x.toml").write_text(f"{OWN}categories = {said}\n{LONG}")
    with pytest.raises(ConfigError, match="categories: expected"):
        load_config(tmp_path / "x.toml")


def test_every_subject_of_mmlu_has_one_of_17_categories() -> None:
    assert len(MMLU_CATEGORIES) == 17
    assert sorted(subject for subjects in MMLU_CATEGORIES.values() for subject in subjects) == sorted(
        MMLU_SUBJECTS
    )
    assert BENCHMARKS["mmlu"].category_of("high_school_statistics") == "math"
    assert BENCHMARKS["mmlu"].category_of("permuted") is None


def test_mmlu_pro_zips_tell_categories(tmp_path: Path) -> None:
    lists = {
        "A": [("math", 1), ("law", 2), (5, 3)],
        "B": [("math", 1), ("art", 2), (None, 3)],
        "C": [("math", 1), ("art", 2)],
    }
    for model, documents in lists.items():
        content = [
            {
                "question_id": at,
                "question": f"Is it {at}?",
                "options": ["no", "yes"],
                "answer": "B",
                "pred": "B",
                "category": told,
            }
            for told, at in documents
        ]
        with zipfile.ZipFile(tmp_path / f"model_outputs_{model}_5shots.zip", "w") as archive:
            archive.writestr("x.json", json.dumps(content))
    source = (
        '[[source]]\nformat = "mmlu_pro"\npath = "."\nmodels = { A = "org/A", B = "org/B", C = "org/C" }\n'
    )
    manifest = ingest(tmp_path, source)
    assert rows(tmp_path, "items", "doc_key, category", "mmlu_pro") == [
        ("1", "math"),
        ("2", "art"),
        ("3", None),
    ]
    assert notes(manifest)[RECATEGORISED] == 1


def test_harness_logs_tell_categories_where_the_registry_names_the_field(tmp_path: Path) -> None:
    for task, field in (
        ("mmlu_pro", "category"),
        ("gpqa_main_zeroshot", "High-level domain"),
        ("arc_challenge", "category"),
    ):
        lines = [
            {
                "doc_id": at,
                "doc": {"question": f"Is it {at}?", "choices": ["yes", "no"], field: told},
                "target": "yes",
                "arguments": [["Is it?", " yes"]],
                "resps": [[["yes"]]],
                "filtered_resps": ["yes"],
                "acc": 1.0,
                "acc_norm": 1.0,
            }
            for at, told in enumerate(("maths", None, 7))
        ]
        path = tmp_path / "org__m" / f"samples_{task}_2026-01-02T03-04-05.000000.jsonl"
        path.parent.mkdir(exist_ok=True)
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    ingest(tmp_path, '[[source]]\nformat = "lm_eval"\npath = "."\n')
    for benchmark, expected in (("mmlu_pro", "maths"), ("gpqa", "maths"), ("arc", None)):
        assert rows(tmp_path, "items", "category", benchmark) == [(expected,), (None,), (None,)]


@pytest.mark.parametrize("name", ["items.csv", "items.parquet"])
def test_items_files_tell_categories(tmp_path: Path, name: str) -> None:
    table = pa.table(
        {
            "item": ["q0", "q1", "q1", "q2", "q2", "q3"],
            "question": ["Is it 0?", "Is it 1?", "Is it 1?", "Is it 2?", "Is it 2?", None],
            "category": ["a", "b", "c", None, "d", None],
        }
    )
    if name.endswith("csv"):
        duckdb.connect().from_arrow(table).write_csv(str(tmp_path / name))
    else:
        pq.write_table(table, tmp_path / name)
    found, left_out = read_items(str(tmp_path / name), {})
    assert dict(zip(*found.select(["doc_key", "category"]).to_pydict().values(), strict=True)) == {
        "q0": "a", "q1": None, "q2": "d", "q3": None,
    }  # fmt: skip
    assert left_out == {"items_with_two_categories": 1}
    write_csv(tmp_path / "scores.csv", {"model": ["a/1", "a/2"], "q0": [1, 0], "q1": [1, 1], "q2": [0, 0]})
    source = f'[[source]]\nformat = "wide"\npath = "scores.csv"\nbenchmark = "quiz"\nitems = "{name}"\n'
    ingest(tmp_path, OWN + source)
    assert rows(tmp_path, "items", "doc_key, category") == [("q0", "a"), ("q1", None), ("q2", "d")]
