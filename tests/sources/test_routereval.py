"""RouterEval pickles beyond the golden folders: files found, arrays on disk, vectors, real files."""

from __future__ import annotations

import math
import pickle
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routerset.etl.sources import routereval
from routerset.etl.sources.base import Dump, DumpUnreadable, Reading, SourceSpec
from routerset.etl.sources.routereval import companions, discover, embedding_files, read_embeddings
from routerset.schemas.tables import Reason

SHARED = Path(__file__).resolve().parents[2] / ".." / "shared" / "dumps"
real_dumps = pytest.mark.skipif(
    not SHARED.is_dir(), reason=f"no real dumps in {SHARED.name}/ beside the checkout"
)


def save(value: object, path: Path, protocol: int = 4) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(value, protocol=protocol))


def save_scores(
    root: Path, models: list[str], data: dict[str, np.ndarray], name: str = "l", protocol: int = 4
) -> None:
    content = {"model": models, "data": {task: {"correctness": scores} for task, scores in data.items()}}
    save(content, root / "leaderboard_score" / f"{name}.pkl", protocol)


def spec_of(root: Path) -> SourceSpec:
    return SourceSpec("routereval", str(root))


def read_all(spec: SourceSpec) -> list[Reading]:
    return [reading for dump in discover(spec) for reading in routereval.read(dump, spec)]


def matrix_of(readings: list[Reading], models: list[str], n_items: int) -> np.ndarray:
    """Scores (models, items) put together from all blocks; NaN where there is none."""
    matrix = np.full((len(models), n_items), np.nan, np.float32)
    for reading in readings:
        for block in reading.blocks:
            rows = [models.index(model) for model in block.runs.models]
            columns = [int(key) for key in block.columns.doc_keys.to_pylist()]
            assert np.isnan(matrix[np.ix_(rows, columns)]).all()
            matrix[np.ix_(rows, columns)] = block.values
    return matrix


def test_discover_finds_score_pickles_from_the_folder_or_the_file(tmp_path: Path) -> None:
    save_scores(tmp_path, ["org/a"], {"gpqa_main": np.ones((2, 1))}, "new")
    save_scores(tmp_path, ["org/a"], {"ifeval": np.ones((2, 1))}, "old")
    save({}, tmp_path / "leaderboard_prompt" / "old_prompt.pkl")
    save({}, tmp_path / "leaderboard_embed" / "old_embed" / "tiny_result.pkl")
    found = list(discover(spec_of(tmp_path)))
    assert [dump.file for dump in found] == ["leaderboard_score/new.pkl", "leaderboard_score/old.pkl"]
    assert [dump.file for dump in discover(spec_of(tmp_path / "leaderboard_score" / "old.pkl"))] == [
        "old.pkl"
    ]
    assert [encoder for encoder, _ in embedding_files(spec_of(tmp_path))] == ["tiny"]


def test_companion_is_the_prompt_pickle(tmp_path: Path) -> None:
    save_scores(tmp_path, ["org/a"], {"ifeval": np.ones((2, 1))})
    (dump,) = discover(spec_of(tmp_path))
    assert companions(dump, spec_of(tmp_path)) == ()
    save({}, tmp_path / "leaderboard_prompt" / "l_prompt.pkl")
    assert len(companions(dump, spec_of(tmp_path))) == 1


@pytest.mark.parametrize("protocol", [2, 4, 5])
@pytest.mark.parametrize("order", ["items", "models", "items in Fortran order"])
def test_large_arrays_are_read_in_pieces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, protocol: int, order: str
) -> None:
    n_models, n_items = 70, 150
    models = [f"org/m{i}" for i in range(n_models)]
    scores = np.random.default_rng(0).random((n_models, n_items))
    scores[3, 5] = math.nan
    saved = {
        "items": scores.T.copy(),
        "models": scores,
        "items in Fortran order": np.asfortranarray(scores.T),
    }
    save_scores(tmp_path, models, {"harness_gsm8k_5": saved[order]}, protocol=protocol)
    monkeypatch.setattr(routereval, "MAX_CELLS", 4000)
    readings = read_all(spec_of(tmp_path))
    assert [reading.n_read for reading in readings] == [
        {"gsm8k": 26 * 150},
        {"gsm8k": 26 * 150},
        {"gsm8k": 18 * 150},
    ]
    np.testing.assert_array_equal(matrix_of(readings, models, n_items), scores.astype(np.float32))


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_every_record_is_accounted_for_in_pieces_of_any_size(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    names = data.draw(
        st.lists(st.sampled_from(["org/a", "org__a", "org/b", "c", "two words", ""]), min_size=1)
    )
    n_items = data.draw(st.integers(1, 4).filter(lambda n: n != len(names)))
    cell = st.sampled_from([0.0, 1.0, 0.5, math.nan, 2.0, -1.0])
    row = st.lists(cell, min_size=len(names), max_size=len(names))
    scores = np.array(data.draw(st.lists(row, min_size=n_items, max_size=n_items)))
    root = tmp_path_factory.mktemp("routereval")
    save_scores(root, names, {"harness_gsm8k_5": scores})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(routereval, "MAX_CELLS", data.draw(st.integers(1, 20)))
        readings = read_all(spec_of(root))
    n_read: Counter[str | None] = Counter()
    for reading in readings:
        n_read.update(reading.n_read)
        kept = sum(int(np.isfinite(block.values).sum()) for block in reading.blocks)
        superseded = sum(int(block.n_superseded.sum()) for block in reading.blocks)
        assert sum(reading.n_read.values()) == kept + superseded + len(reading.quarantined)
    usable = [name for name in names if name not in ("two words", "")]
    assert n_read["gsm8k"] == len(usable) * n_items
    assert n_read[None] == len(names) - len(usable)


def test_prompts_belong_to_row_numbers(tmp_path: Path) -> None:
    texts = [f"prompt {i} " + "x" * i for i in range(200)]  # more than 64 KiB: left on disk
    save_scores(tmp_path, ["org/a", "org/b"], {"harness_arc_challenge_25": np.ones((200, 2))})
    save({"harness_arc_challenge_25": np.array(texts)}, tmp_path / "leaderboard_prompt" / "l_prompt.pkl")
    ((block,),) = [reading.blocks for reading in read_all(spec_of(tmp_path))]
    assert block.columns.docs()["prompt"].to_pylist() == texts
    assert block.columns.doc_keys.to_pylist() == [str(i) for i in range(200)]
    assert len(set(block.columns.prints.to_pylist())) == 200


def test_prints_change_with_the_prompt_only(tmp_path: Path) -> None:
    def prints(texts: list[str] | None) -> pa.Array:
        save_scores(tmp_path, ["org/a"], {"ifeval": np.ones((2, 1))})
        save({"ifeval": texts}, tmp_path / "leaderboard_prompt" / "l_prompt.pkl")
        return read_all(spec_of(tmp_path))[0].blocks[0].columns.prints.to_pylist()

    base = prints(["one", "two"])
    assert prints(["one", "two"]) == base
    assert [a == b for a, b in zip(prints(["one", "too"]), base, strict=True)] == [True, False]
    assert len({*base, *prints(None)}) == 4


def test_subset_cannot_come_from_a_field(tmp_path: Path) -> None:
    save_scores(tmp_path, ["org/a"], {"mmlu_all": np.ones((2, 1))})
    with pytest.raises(ValueError, match=r"tasks: 'mmlu_all' = 'mmlu/\{subject\}': a pickle has no field"):
        read_all(replace(spec_of(tmp_path), tasks={"mmlu_all": "mmlu/{subject}"}))


def test_remote_pickles_are_refused() -> None:
    path = "memory://bucket/leaderboard_score/l.pkl"
    dump = Dump("routereval", path, "l.pkl", "l.pkl", 1, "1")
    with pytest.raises(DumpUnreadable, match="read in place: download the folder"):
        list(routereval.read(dump, SourceSpec("routereval", path)))


def test_messages_name_no_path_of_this_machine(tmp_path: Path) -> None:
    save_scores(tmp_path, ["org/a"], {"ifeval": np.ones((2, 1))})
    path = tmp_path / "leaderboard_score" / "l.pkl"
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(DumpUnreadable) as caught:
        read_all(spec_of(tmp_path))
    assert caught.value.reason is Reason.UNREADABLE_FILE
    assert str(tmp_path) not in str(caught.value)


def test_damaged_array_costs_its_task_only(tmp_path: Path) -> None:
    truth = np.ones((1000, 70), "?")
    models = [f"org/m{i}" for i in range(70)]
    save_scores(tmp_path, models, {"harness_arc_challenge_25": truth, "ifeval": np.ones((2, 70))})
    path = tmp_path / "leaderboard_score" / "l.pkl"
    data = path.read_bytes()
    path.write_bytes(data.replace(b"\x01" * 70_000, b"\x01" * 60_000 + b"\x07" * 10_000))
    lost, kept = read_all(spec_of(tmp_path))
    assert lost.n_read == {"arc": 1}
    assert lost.quarantined["reason"].to_pylist() == [Reason.UNREADABLE_FILE]
    assert kept.n_read == {"ifeval": 140}


def test_vectors_by_benchmark_and_subset(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    large, small = rng.random((300, 64)), rng.random((2, 64)).astype("f2")
    path = tmp_path / "leaderboard_embed" / "l_embed" / "RoBERTa_last_result.pkl"
    save({"harness_gsm8k_5": large, "mine": small, "unknown": small}, path)
    spec = replace(spec_of(tmp_path), tasks={"mine": "bbh/snarks"})
    ((encoder, found),) = embedding_files(spec)
    assert (encoder, found) == ("RoBERTa_last", str(path))
    vectors = read_embeddings(found, spec)
    assert list(vectors) == [("gsm8k", "gsm8k"), ("bbh", "snarks")]
    assert all(array.dtype == np.float32 for array in vectors.values())
    np.testing.assert_array_equal(vectors["gsm8k", "gsm8k"], large.astype(np.float32))
    np.testing.assert_array_equal(vectors["bbh", "snarks"], small.astype(np.float32))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([1], "expected a dict of arrays, found a list of 1"),
        (
            {"ifeval": np.ones(3)},
            "task 'ifeval': expected a matrix of floats, found an array of float64, shape \\(3,\\)",
        ),
        ({"ifeval": np.ones((3, 2), int)}, "expected a matrix of floats, found an array of int64"),
        ({"ifeval": [[1.0]]}, "expected a matrix of floats, found a list of 1"),
        ({"ifeval": np.array([[1.0, math.nan]])}, "expected numbers, found NaN or infinity"),
        (
            {"ifeval": np.ones((0, 2))},
            "expected a matrix of floats, found an array of float64, shape \\(0, 2\\)",
        ),
        ({"ifeval": np.ones((2, 3)), "mmlu_pro": np.ones((2, 4))}, "expected vectors of 3 numbers, found 4"),
    ],
)
def test_vectors_that_are_none(tmp_path: Path, value: object, message: str) -> None:
    path = tmp_path / "x_result.pkl"
    save(value, path)
    with pytest.raises(DumpUnreadable, match=message):
        read_embeddings(str(path), spec_of(tmp_path))


def test_unsafe_vectors_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x_result.pkl"
    path.write_bytes(b"cos\nsystem\n(S'exit 1'\ntR.")
    with pytest.raises(DumpUnreadable) as caught:
        read_embeddings(str(path), spec_of(tmp_path))
    assert caught.value.reason is Reason.UNSAFE_PICKLE


def test_file_that_names_no_encoder(tmp_path: Path) -> None:
    save({}, tmp_path / "leaderboard_embed" / "l_embed" / "a b_result.pkl")
    with pytest.raises(ValueError, match="'a b' cannot name an encoder"):
        embedding_files(spec_of(tmp_path))


@real_dumps
def test_real_pickles() -> None:
    spec = spec_of(SHARED / "routereval_pickles")
    readings = read_all(spec)
    blocks = {block.columns.benchmark: block for reading in readings for block in reading.blocks}
    assert {name: block.values.shape for name, block in blocks.items()} == {
        "gsm8k": (2461, 249),
        "arc": (2461, 100),
    }
    assert all(np.isfinite(block.values).all() for block in blocks.values())
    assert all(block.columns.docs()["prompt"].null_count == 0 for block in blocks.values())
    ((encoder, path),) = embedding_files(spec)
    assert encoder == "minilm"
    shapes = {benchmark: array.shape for (benchmark, _), array in read_embeddings(path, spec).items()}
    assert shapes == {"gsm8k": (249, 384), "arc": (100, 384)}


def test_other_pickles_count_where_there_is_no_folder_of_scores(tmp_path: Path) -> None:
    save({"data": {"ifeval": {"correctness": np.ones((2, 1))}}, "models": ["org/a"]}, tmp_path / "lb.pickle")
    save({}, tmp_path / "leaderboard_prompt" / "l_prompt.pkl")
    save({}, tmp_path / "leaderboard_embed" / "l_embed" / "tiny_result.pkl")
    assert [dump.file for dump in discover(spec_of(tmp_path))] == ["lb.pickle"]
    assert [dump.file for dump in discover(spec_of(tmp_path / "lb.pickle"))] == ["lb.pickle"]
    save_scores(tmp_path, ["org/a"], {"ifeval": np.ones((2, 1))})
    assert [dump.file for dump in discover(spec_of(tmp_path))] == ["leaderboard_score/l.pkl"]
    assert [routereval.SOURCE.named(dump) for dump in discover(spec_of(tmp_path))] == [True]
    assert [routereval.SOURCE.named(dump) for dump in discover(spec_of(tmp_path / "lb.pickle"))] == [False]


@pytest.mark.parametrize("turned", [False, True])
def test_the_number_of_models_tells_what_rows_are(tmp_path: Path, turned: bool) -> None:
    scores = np.random.default_rng(0).random((3, 20_000))
    saved = scores.T.copy() if turned else scores
    models = [f"open-llm-leaderboard/details_org__m{at}" for at in range(3)]
    save({"mmlu_pro": {"correctness": saved, "models": models}}, tmp_path / "carrot.pkl")
    save({"data": {"mmlu_pro": {"correctness": saved}}, "models": models}, tmp_path / "tiny.pkl")
    for name in ("carrot", "tiny"):
        readings = read_all(spec_of(tmp_path / f"{name}.pkl"))
        found = matrix_of(readings, [f"org/m{at}" for at in range(3)], 20_000)
        np.testing.assert_array_equal(found, scores.astype(np.float32))


def test_rows_of_models_are_put_together(tmp_path: Path) -> None:
    scores = np.random.default_rng(0).random((4, 10_042))  # each of more than 64 KiB: left on disk
    tasks = [{"hellaswag": {"correctness": row.copy()}, "gone": {}} for row in scores]
    save(
        {f"open-llm-leaderboard/org__m{at}-details": each for at, each in enumerate(tasks)},
        tmp_path / "r.pkl",
    )
    readings = read_all(spec_of(tmp_path))
    found = matrix_of(readings, [f"org/m{at}" for at in range(4)], 10_042)
    np.testing.assert_array_equal(found, scores.astype(np.float32))
    assert sum(sum(reading.n_read.values()) for reading in readings) == 4 * 10_042 + 1


def test_one_array_on_disk_is_of_one_model(tmp_path: Path) -> None:
    row = np.ones(10_042)
    save({f"m{at}": {"hellaswag": {"correctness": row}} for at in range(1000)}, tmp_path / "r.pkl")
    first, *rest = read_all(spec_of(tmp_path))
    assert first.n_read == {"hellaswag": 999}
    assert [reading.n_read for reading in rest] == [{"hellaswag": 10_042}]


def test_row_numbers_of_two_files_are_not_joined(tmp_path: Path) -> None:
    data = {"ifeval": {"correctness": np.ones((2, 1))}}
    save({"data": data, "models": ["org/a"]}, tmp_path / "a.pkl")
    save({"ifeval": {"correctness_prompt": np.ones((1, 2)), "models": ["org/a"]}}, tmp_path / "b.pkl")
    spec = spec_of(tmp_path)
    spaces = [block.columns.key_space for reading in read_all(spec) for block in reading.blocks]
    assert len(set(spaces)) == 2
    assert "routereval:ifeval" not in spaces
    same = read_all(replace(spec, key_space="mine"))
    assert {block.columns.key_space for reading in same for block in reading.blocks} == {"mine"}
