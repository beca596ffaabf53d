"""Details files: one document is the same in every layout and in every order of rows."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routerset.etl.sources import details
from routerset.etl.sources.base import Dump, DumpUnreadable, Reading, Settings, SourceSpec
from routerset.etl.sources.parse import details_text

TIME = "2023-07-19T13:48:53.093937"
ARC = "harness|arc:challenge|25"
ASKED = ["Which is a metal?", "Which is a gas?", "Which of these is  a METAL?"]
OPTIONS = [["iron", "wood"], ["stone", "argon"], ["wood", "iron"]]
GOLD = [0, 1, 1]
SCORES = [1.0, 0.0, 0.0]
PROMPTS = [f"1+1? 2\n\n{question}" for question in ASKED]
TOKENS = [[[7, 8, 9]]] * 3

OLD = {
    "example": ["Mercury_7", "Mercury_8", "Mercury_9"],
    "query": ASKED,
    "choices": OPTIONS,
    "gold": GOLD,
    "acc": [0.0] * 3,
    "acc_norm": SCORES,
    "input_tokens": TOKENS,
    "cont_tokens": TOKENS,
}
NEW = {
    "example": ASKED,
    "instruction": [""] * 3,
    "full_prompt": PROMPTS,
    "choices": OPTIONS,
    "gold": [[]] * 3,
    "gold_index": [[g] for g in GOLD],
    "metrics": [{"acc": 0.0, "acc_norm": s} for s in SCORES],
    "input_tokens": TOKENS,
}
NEW_GOLD_TEXT = {**NEW, "gold": [[OPTIONS[i][g]] for i, g in enumerate(GOLD)]}
LIGHTEVAL = {
    "doc": [
        {"query": q, "choices": c, "gold_index": g, "full_prompt": p, "id": str(i)}
        for i, (q, c, g, p) in enumerate(zip(ASKED, OPTIONS, GOLD, PROMPTS, strict=True))
    ],
    "metric": [{"acc": 0, "acc_norm": int(s)} for s in SCORES],
    "model_response": [{"input_tokens": [1], "text": ["iron"]}] * 3,
}
LIGHTEVAL_DUNDER = {f"__{name}__": column for name, column in LIGHTEVAL.items()}
LIGHTEVAL_13 = {
    "doc": [
        {"query": q, "choices": c, "gold_index": [g], "instruction": "", "id": str(i), "task_name": ARC}
        for i, (q, c, g) in enumerate(zip(ASKED, OPTIONS, GOLD, strict=True))
    ],
    "metric": [{"acc": 0.0, "acc_norm:logprob_normalization=x": s} for s in SCORES],
    "model_response": [{"input": p, "input_tokens": [1]} for p in PROMPTS],
}
SPELLED = {
    **{name: [str(value) for value in column] for name, column in NEW_GOLD_TEXT.items()},
    "metrics": [f"{{'acc': nan, 'acc_norm': np.float64({s})}}" for s in SCORES],
}
LAYOUTS = {
    "lighteval 0.13": LIGHTEVAL_13,
    "lighteval 0.6": SPELLED,
    "lighteval 0.6, plain": {**SPELLED, "metrics": [f"{{'acc': 0, 'acc_norm': {int(s)}}}" for s in SCORES]},
    "old": OLD,
    "new": NEW,
    "new with gold text": NEW_GOLD_TEXT,
    "lighteval": LIGHTEVAL,
    "lighteval dunder": LIGHTEVAL_DUNDER,
}


def write(folder: Path, columns: Mapping[str, object], task: str = ARC, **options: object) -> Path:
    path = folder / "details_org__model" / TIME / f"details_{task}_{TIME}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(dict(columns)), path, **options)
    return path


def read_one(folder: Path, **keys: object) -> Reading:
    spec = SourceSpec(format="details", path=str(folder), **keys)  # type: ignore[arg-type]
    (dump,) = details.discover(spec)
    (reading,) = details.read(dump, spec)
    return reading


def accounted(reading: Reading) -> bool:
    kept = sum(int(np.isfinite(block.values).sum()) for block in reading.blocks)
    superseded = sum(int(block.n_superseded.sum()) for block in reading.blocks)
    return sum(reading.n_read.values()) == kept + superseded + len(reading.quarantined)


def scores(reading: Reading) -> dict[str, float]:
    (block,) = reading.blocks
    return dict(zip(block.columns.doc_keys.to_pylist(), block.values[0].tolist(), strict=True))


# --- layouts -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_every_layout_says_the_same(tmp_path: Path, layout: Mapping[str, object]) -> None:
    write(tmp_path / "old", OLD)
    write(tmp_path / "other", layout)
    old, other = read_one(tmp_path / "old"), read_one(tmp_path / "other")
    assert scores(other) == scores(old)
    assert other.blocks[0].columns.prints.equals(old.blocks[0].columns.prints)
    for name in ("question", "choices", "gold"):
        assert other.blocks[0].columns.docs()[name].equals(old.blocks[0].columns.docs()[name])
    prompts = [None] * 3 if layout is OLD else PROMPTS
    assert other.blocks[0].columns.docs()["prompt"].to_pylist() == prompts


@pytest.mark.parametrize(
    ("task", "metrics", "metric", "few_shot"),
    [
        ("arc:challenge|25", {"acc": 1.0}, "acc", 25),
        ("leaderboard|arc:challenge|0|0", {"acc": 0.0, "acc_norm": 1.0}, "acc_norm", 0),
        ("lighteval|gsm8k|5", {"qem": 1, "maj@8": 0}, "qem", 5),
        ("gsm8k|8", {"extractive_match": 1.0}, "extractive_match", 8),
        ("helm|mmlu:anatomy|5", {"em": 1.0, "qem": 0.0}, "em", 5),
        ("leaderboard|truthfulqa:mc|0", {"truthfulqa_mc1": 0, "truthfulqa_mc2": 1.0}, "truthfulqa_mc2", 0),
        ("extended|ifeval|0|0", {"prompt_level_strict_acc": True}, "prompt_level_strict_acc", 0),
    ],
)
def test_lighteval_tasks_are_read_by_their_own_metric(
    tmp_path: Path, task: str, metrics: dict[str, object], metric: str, few_shot: int
) -> None:
    write(tmp_path, {"example": ["?"], "metrics": [metrics]}, task)
    (block,) = read_one(tmp_path).blocks
    assert (block.columns.metric, block.values.tolist()) == (metric, [[1.0]])
    assert block.runs.settings == Settings(task, few_shot)


@pytest.mark.parametrize(
    "hostile", ["[" * 5000, "{'acc_norm': " * 2000, "__import__('os')", "{1: [}", "-" * 9000]
)
def test_hostile_literals_are_no_scores_and_no_options(tmp_path: Path, hostile: str) -> None:
    bad = {name: [*SPELLED[name][:2], hostile] for name in ("metrics", "choices", "gold", "gold_index")}
    write(tmp_path, {**SPELLED, **bad})
    reading = read_one(tmp_path)
    assert accounted(reading)
    assert reading.quarantined["reason"].to_pylist() == ["missing_score"]


def test_documents_are_told_apart_by_question_and_options() -> None:
    def identify(**columns: object) -> details_text.Documents:
        return details_text.identify_documents(pa.table(columns))

    base = identify(
        question=["a", "a", "a", "b"], choices=[["x", "y"], ["y", "x"], ["x", "y"], ["x", "y"]], gold=[0] * 4
    )
    keys = base.keys.to_pylist()
    assert keys[1:3] == [f"{keys[0]}#1", f"{keys[0]}#2"]  # options in another order make no other document
    assert len(set(keys)) == 4
    folded = identify(
        question=["A ", "a", "a", "b"], choices=[["X", "y"], ["y", "x"], ["x", "y"], ["x", "y"]], gold=[1] * 4
    )
    assert folded.keys.to_pylist() == keys
    assert not set(folded.prints.to_pylist()) & set(base.prints.to_pylist())


@given(order=st.permutations(range(8)))
@settings(max_examples=20, deadline=None)
def test_the_order_of_rows_means_nothing(tmp_path_factory: pytest.TempPathFactory, order: list[int]) -> None:
    folder = tmp_path_factory.mktemp("details")
    columns = {
        "example": [f"{i}?" for i in range(8)],
        "gold": list(range(8)),
        "acc_norm": [i / 8 for i in range(8)],
    }
    write(folder / "a", columns)
    write(folder / "b", {name: [column[i] for i in order] for name, column in columns.items()})
    assert scores(read_one(folder / "a")) == scores(read_one(folder / "b"))


def test_token_columns_are_never_read(tmp_path: Path) -> None:
    path = write(tmp_path, OLD, compression="none", use_dictionary=False)
    file = pq.ParquetFile(path)
    data = bytearray(path.read_bytes())
    broken = 0
    for i in range(file.metadata.num_columns):
        column = file.metadata.row_group(0).column(i)
        if "tokens" in column.path_in_schema:
            start = column.data_page_offset
            data[start : start + column.total_compressed_size] = bytes(column.total_compressed_size)
            broken += 1
    path.write_bytes(data)
    assert broken == 2
    assert list(scores(read_one(tmp_path)).values()) == SCORES


def test_documents_of_many_models_are_worked_out_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    details_text._RECENT.clear()
    lists = []
    identify = details_text._identify
    monkeypatch.setattr(details_text, "_identify", lambda table: lists.append(len(table)) or identify(table))
    for model in range(4):
        write(tmp_path / str(model), {**OLD, "acc_norm": [float(model % 2)] * 3})
        assert set(scores(read_one(tmp_path / str(model))).values()) == {float(model % 2)}
    assert lists == [3]


@pytest.mark.parametrize(
    ("changed", "same_keys"),
    [
        ({"query": [ASKED[0], ASKED[1], "Which of these is  a METAL!"]}, False),
        ({"choices": [*OPTIONS[:2], ["wood", "zinc"]]}, False),
        ({"gold": [0, 1, 0]}, True),
        ({"gold": pa.array([0, 1, 0], pa.int8())}, True),
    ],
)
def test_documents_that_differ_in_a_letter_or_a_gold_answer_are_others(
    tmp_path: Path, changed: Mapping[str, object], same_keys: bool
) -> None:
    write(tmp_path / "one", OLD)
    write(tmp_path / "other", {**OLD, **changed})
    one, other = (read_one(tmp_path / name).blocks[0].columns for name in ("one", "other"))
    assert other.doc_keys.equals(one.doc_keys) is same_keys
    assert [a == b for a, b in zip(one.prints.to_pylist(), other.prints.to_pylist(), strict=True)] == [
        True,
        True,
        False,
    ]


@pytest.mark.parametrize(
    "options",
    [
        {"compression": "none"},
        {"row_group_size": 2},
        {"use_dictionary": False},
        {"data_page_version": "2.0"},
        {"write_statistics": False},
        {"store_schema": False},
    ],
    ids=str,
)
def test_how_a_file_is_written_does_not_matter(tmp_path: Path, options: Mapping[str, object]) -> None:
    for name, how in (("plain", {}), ("other", options), ("plain again", {})):
        for tokens in (TOKENS, [[[]]] * 3, [[], None, [[]]]):
            folder = tmp_path / name / str(len(str(tokens)))
            write(folder, {**OLD, "input_tokens": pa.array(tokens, pa.list_(pa.list_(pa.int64())))}, **how)
            reading = read_one(folder)
            assert list(scores(reading).values()) == SCORES
            assert accounted(reading)
            costs = reading.blocks[0].costs
            assert ("prompt_tokens" in costs) is (tokens is TOKENS)


def test_a_file_is_read_alike_whatever_columns_the_one_before_had(tmp_path: Path) -> None:
    found = []
    for at, layout in enumerate([*LAYOUTS.values(), *reversed(LAYOUTS.values())]):
        write(tmp_path / str(at), layout)
        found.append(scores(read_one(tmp_path / str(at))))
    assert all(each == found[0] for each in found)


@pytest.mark.parametrize(
    ("index", "gold", "choices", "expected"),
    [
        (1, None, ["a", "b"], "b"),
        ([1], [], ["a", "b"], "b"),
        ([0], ["#### 4"], ["a"], "#### 4"),
        (None, 0, ["a", "b"], "a"),
        (None, "text ", [], "text"),
        (None, ["x", "y"], ["a"], '["x","y"]'),
        ([0, 1], None, ["a", "b"], '["a","b"]'),
        ([7], None, ["a", "b"], "7"),
        (None, 3, [], "3"),
        ([], [], ["a"], None),
        (None, None, ["a"], None),
    ],
)
def test_gold_answers_are_texts(
    index: object, gold: object, choices: list[str], expected: str | None
) -> None:
    columns = {"question": ["q"], "choices": [choices], "gold_index": [index], "gold": [gold]}
    (text,) = details_text.read_texts(pa.table(columns))
    assert text.gold == expected


# --- names -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "model", "group", "timestamp"),
    [
        (f"details_org__m/{TIME}/details_{ARC}_{TIME}.parquet", "org/m", "details_org__m", TIME),
        (f"x/details_org__m/{TIME}/details_{ARC}_{TIME}.parquet", "org/m", "x/details_org__m", TIME),
        (f"details/org/m/{TIME}/details_{ARC}_{TIME}.parquet", "org/m", "details/org/m", TIME),
        (f"details/org__m/{TIME}/details_{ARC}_{TIME}.parquet", "org/m", "details/org__m", TIME),
        (f"org/m/{TIME}/details_{ARC}_{TIME}.parquet", "org/m", "org/m", TIME),
        (f"org__m/{TIME}/details_{ARC}.parquet", "org/m", "org__m", TIME),
        (f"org__m/details_{ARC}.parquet", "org/m", "org__m", None),
        ("details_m/details_harness%7Carc:challenge%7C25.parquet", "m", "details_m", None),
        ("details_m/details_harness_arc_challenge_25.parquet", "m", "details_m", None),
    ],
)
def test_names_tell_model_group_and_time(
    tmp_path: Path, file: str, model: str, group: str, timestamp: str | None
) -> None:
    path = tmp_path / file
    path.parent.mkdir(parents=True)
    pq.write_table(pa.table(OLD), path)
    (dump,) = details.discover(SourceSpec("details", str(tmp_path)))
    (block,) = read_one(tmp_path).blocks
    assert (dump.group, block.runs.models, block.runs.timestamps) == (group, (model,), (timestamp,))
    assert (block.columns.benchmark, block.columns.subset) == ("arc", "arc")


def test_a_path_to_the_folder_of_one_model_still_names_it(tmp_path: Path) -> None:
    path = write(tmp_path, OLD)
    for each in (path.parent, path):
        assert read_one(each).blocks[0].runs.models == ("org/model",)


def test_other_parquet_files_are_no_dumps(tmp_path: Path) -> None:
    write(tmp_path, OLD)
    (tmp_path / "details_org__model" / "results.parquet").write_bytes(b"")
    assert len(list(details.discover(SourceSpec("details", str(tmp_path))))) == 1


# --- damage ------------------------------------------------------------------------------------------


def test_two_columns_of_one_name_are_as_good_as_none(tmp_path: Path) -> None:
    names = ["example", "acc_norm", "acc_norm"]
    path = write(tmp_path, OLD)
    pq.write_table(pa.Table.from_arrays([pa.array(ASKED), pa.array(SCORES), pa.array(SCORES)], names), path)
    assert set(read_one(tmp_path).quarantined["reason"].to_pylist()) == {"missing_metric"}


def test_columns_that_unfold_beyond_the_limit_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(details, "MAX_BYTES", 1 << 20)
    path = write(tmp_path, {"example": ["x" * 10_000] * 1000, "acc_norm": [1.0] * 1000})
    assert path.stat().st_size < 20_000
    with pytest.raises(DumpUnreadable, match="more than 1048576 bytes"):
        read_one(tmp_path)


def test_more_rows_than_any_task_has_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(details, "MAX_ROWS", 2)
    write(tmp_path, OLD)
    with pytest.raises(DumpUnreadable, match="found 3 rows, expected 1 to 2"):
        read_one(tmp_path)


DAMAGING = """
import sys
from pathlib import Path
from routerset.etl.sources import details
from routerset.etl.sources.base import Dump, DumpUnreadable, SourceSpec

path = Path(sys.argv[1])
sound = path.read_bytes()
footer = int.from_bytes(sound[-8:-4], "little")
for at in range(len(sound) - 8 - footer, len(sound) - 8):
    for bit in (0, 3, 6):
        damaged = bytearray(sound)
        damaged[at] ^= 1 << bit
        path.write_bytes(damaged)
        try:
            list(details.read(Dump("details", str(path), "/".join(path.parts[-2:]), "", 0, ""), SourceSpec("details", "")))
        except DumpUnreadable:
            pass
print("read", footer)
"""  # noqa: E501 - a program


def test_no_damaged_footer_ends_the_process(tmp_path: Path) -> None:
    """As pyarrow does where it is asked about a column that a damaged footer tells of."""
    path = write(tmp_path, {"example": ASKED, "acc_norm": SCORES, "input_tokens": TOKENS})
    done = subprocess.run([sys.executable, "-c", DAMAGING, str(path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("read")


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_damage_loses_no_record_and_raises_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    sink = io.BytesIO()
    pq.write_table(pa.table(NEW_GOLD_TEXT), sink, compression="none", use_dictionary=data.draw(st.booleans()))
    sound = bytearray(sink.getvalue())
    for _ in range(data.draw(st.integers(1, 3))):
        sound[data.draw(st.integers(0, len(sound) - 1))] = data.draw(st.integers(0, 255))
    file = f"details_org__m/details_{ARC}.parquet"
    path = tmp_path_factory.mktemp("details") / file
    path.parent.mkdir()
    path.write_bytes(sound[: data.draw(st.sampled_from([len(sound), len(sound) * 2 // 3]))])
    dump = Dump("details", str(path), file, "", 0, "")
    try:
        (reading,) = details.read(dump, SourceSpec("details", ""))
        texts = [block.columns.docs() for block in reading.blocks]
    except DumpUnreadable:
        return
    assert accounted(reading)
    for text, block in zip(texts, reading.blocks, strict=True):
        assert text["doc_key"].to_pylist() == block.columns.doc_keys.to_pylist()
