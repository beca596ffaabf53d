"""The registry, the schemas and the identities."""

from __future__ import annotations

from pathlib import PurePosixPath

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routerset.schemas import ids
from routerset.schemas.benchmarks import BENCHMARKS
from routerset.schemas.conform import SchemaError, conform
from routerset.schemas.released import RELEASED
from routerset.schemas.tables import REASONS, SPLITS, TABLES, Reason, embeddings_schema
from routerset.schemas.tasks import TASKS, find_task


def test_full_size_is_the_papers() -> None:
    assert sum(b.n_items * b.models for b in BENCHMARKS.values()) == 201_715_850
    assert {b.name: b.n_items for b in BENCHMARKS.values()} == {
        "arc": 1172,
        "hellaswag": 10042,
        "mmlu": 14042,
        "truthfulqa": 817,
        "winogrande": 1267,
        "gsm8k": 1319,
        "ifeval": 541,
        "bbh": 5761,
        "gpqa": 1192,
        "musr": 756,
        "math_lvl5": 1324,
        "mmlu_pro": 12032,
    }


def test_subsets_are_in_alphabetical_order() -> None:
    for benchmark in BENCHMARKS.values():
        assert list(benchmark.subsets) == sorted(benchmark.subsets)


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        ("harness|arc:challenge|25", ("arc", "arc")),
        ("harness|arc-challenge|25", ("arc", "arc")),
        ("harness_arc_challenge_25", ("arc", "arc")),
        ("harness|hendrycksTest-virology|5", ("mmlu", "virology")),
        ("harness_hendrycksTest_high_school_biology_5", ("mmlu", "high_school_biology")),
        ("harness|truthfulqa:mc|0", ("truthfulqa", "truthfulqa")),
        ("leaderboard_bbh_web_of_lies", ("bbh", "web_of_lies")),
        ("gpqa_diamond", ("gpqa", "diamond")),
        ("math_algebra_hard", ("math_lvl5", "algebra")),
        ("leaderboard_mmlu_pro", ("mmlu_pro", "mmlu_pro")),
    ],
)
def test_task_names_of_every_layout(task: str, expected: tuple[str, str]) -> None:
    assert (TASKS[task].benchmark, TASKS[task].subset) == expected


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        ("arc:challenge|25", ("arc", "arc", 25)),
        ("leaderboard|arc-challenge|25|0", ("arc", "arc", 25)),
        ("original|mmlu:world_religions|5", ("mmlu", "world_religions", 5)),
        ("lighteval|bbh:causal_judgment|3", ("bbh", "causal_judgement", 3)),
        ("lighteval|math:number_theory|4|0", ("math_lvl5", "num_theory", 4)),
        ("gpqa:diamond|0", ("gpqa", "diamond", 0)),
        ("harness|gsm8k|5", ("gsm8k", "gsm8k", 5)),
        ("gsm8k", ("gsm8k", "gsm8k", None)),
    ],
)
def test_task_names_of_lighteval_tell_the_number_of_examples(task: str, expected: tuple[object, ...]) -> None:
    found = find_task(task)
    assert found is not None
    assert (found.benchmark, found.subset, found.few_shot) == expected


@pytest.mark.parametrize("task", ["arc_easy", "arc:easy|25", "arc:challenge", "x|arc:challenge|y", "", "|1"])
def test_other_tasks_are_unknown(task: str) -> None:
    assert find_task(task) is None


def test_every_subset_has_a_name_in_every_family() -> None:
    named = {(task.benchmark, task.subset) for task in TASKS.values()}
    assert named == {(b.name, subset) for b in BENCHMARKS.values() for subset in b.subsets}


def test_files_of_a_release_tell_their_partition() -> None:
    for table in RELEASED.values():
        keys = {key: f"some-{key}" for key in table.keys}
        assert table.keys_of(table.at(**keys)) == keys
        assert PurePosixPath(table.at(**keys)).match(table.pattern)
        assert table.keys_of("elsewhere/" + table.at(**keys)) == {}


def test_every_column_is_documented() -> None:
    for schema in (*(table.schema for table in TABLES.values()), embeddings_schema(3)):
        assert all(field.metadata[b"doc"] for field in schema)


def test_every_reason_is_explained() -> None:
    assert set(REASONS) == set(Reason)


def test_conform_casts() -> None:
    table = pa.table({"split": ["train"], "item": pa.array([0], pa.int64())})
    assert conform(table, SPLITS, "splits").schema == SPLITS


def test_conform_names_every_problem_at_once() -> None:
    table = pa.table({"item": pa.array([None, 1], pa.int32()), "side": ["train", "test"]})
    with pytest.raises(SchemaError) as caught:
        conform(table, SPLITS, "splits")
    assert str(caught.value) == (
        "splits: column 'split' is missing; column 'side' is not in the schema; "
        "column 'item': 1 nulls, the first in row 0, expected none"
    )


@given(st.lists(st.text(alphabet="ab019.", max_size=6)))
def test_natural_order_is_total(keys: list[str]) -> None:
    backwards = keys[::-1]
    assert sorted(keys, key=ids.natural_key) == sorted(backwards, key=ids.natural_key)


def test_natural_order_reads_numbers() -> None:
    assert sorted(["10", "9", "a10", "a9", "1"], key=ids.natural_key) == ["1", "9", "10", "a9", "a10"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("org__name", "org/name"),
        ("org/name", "org/name"),
        ("name", "name"),
        ("org__na__me", "org/na__me"),
        ("", None),
        ("a/b/c", "b/c"),
        ("hf-internal/testing/tiny", "testing/tiny"),
        ("../etc", "etc"),
        ("./ckpt/x", "ckpt/x"),
        (".__ckpt__x", "ckpt/x"),
        ("./x/", "x"),
        ("~/x", "x"),
        ("/home/u/models/org/x", "org/x"),
        ("__home__u__models__org__x", "org/x"),
        ("C:\\models\\x", "models/x"),
        ("C__models__x", "models/x"),
        ("D:\\My Models\\my x", "My-Models/my-x"),
        ("org/name/", "org/name"),
        ("llama3:8b", "llama3:8b"),
        ("ollama/llama3:8b", "ollama/llama3:8b"),
        ("https://huggingface.co/org/name", "org/name"),
        ("/home/me/.cache/huggingface/hub/models--org--name/snapshots/0a1b2c", "org/name"),
        ("org/a..b", "org/a..b"),
        ("GPT 5", None),
        ("/", None),
        ("org/na me", None),
        ("org/" + "x" * 300, None),
        ("org/na\x00me", None),
    ],
)
def test_model_ids(name: str, expected: str | None) -> None:
    assert ids.model_id(name) == expected


def test_choices_count_for_content_and_not_for_questions() -> None:
    first = ids.content_digest("What  is it?", ["a", "b"], None)
    assert ids.content_digest("what is IT?", ["a", "b"], None) == first
    assert ids.content_digest("what is it?", ["b", "a"], None) == first
    assert ids.content_digest("what is it?", ["b", "c"], None) != first
    assert ids.question_id("What is it?", None, "x") == ids.question_id("what is  it?", "prompt", "y")


def test_items_without_text_are_questions_of_their_own() -> None:
    assert ids.question_id(None, None, "x") != ids.question_id(None, None, "y")
