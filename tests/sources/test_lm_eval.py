"""Sample logs of the harness: what counts as a record, however a file is cut and decoded."""

from __future__ import annotations

import json
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routerset.etl.sources import lm_eval
from routerset.etl.sources.base import Dump, DumpUnreadable, Reading, SourceSpec
from routerset.etl.sources.parse import jsonlines, lm_eval_lines

REAL = Path(__file__).resolve().parents[2] / ".." / "shared" / "dumps" / "lm_eval_samples"
TASKS = {
    "metabench_arc_secondary": "arc",
    "metabench_gsm8k_secondary": "gsm8k",
    "metabench_hellaswag_secondary": "hellaswag",
    "metabench_mmlu_secondary": "mmlu/{subject}",
    "metabench_winogrande_secondary": "winogrande",
}


def write_log(folder: Path, data: bytes, task: str = "arc_challenge", model: str = "org__model") -> Path:
    path = folder / model / f"samples_{task}_2024-09-18T10-20-30.123456.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def encode(*lines: object) -> bytes:
    return b"".join(json.dumps(line, ensure_ascii=False).encode() + b"\n" for line in lines)


def usual(doc_id: int, score: object, metric: str = "acc_norm", **fields: object) -> dict[str, object]:
    doc = {"question": f"What is {doc_id}?", "choices": ["a", "b"]}
    hashes = {"doc_hash": digest(f"{doc_id}"), "prompt_hash": digest("prompt"), "target_hash": digest("0")}
    return {"doc_id": doc_id, "doc": doc, "target": "0", **hashes, metric: score, **fields}


def digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def read_one(folder: Path, **keys: object) -> Reading:
    spec = SourceSpec(format="lm_eval", path=str(folder), **keys)  # type: ignore[arg-type]
    (dump,) = lm_eval.discover(spec)
    (reading,) = lm_eval.read(dump, spec)
    return reading


def summary(reading: Reading) -> object:
    """All that a reading says, comparable."""
    blocks = [
        (
            *(b.columns.benchmark, b.columns.subset, b.columns.metric, b.runs.models),
            *(b.columns.doc_keys.to_pylist(), b.columns.prints.to_pylist(), b.columns.docs().to_pylist()),
            *(str(b.values.tolist()), b.n_read.tolist(), b.n_superseded.tolist()),
        )
        for b in reading.blocks
    ]
    return blocks, reading.quarantined.to_pylist(), dict(reading.n_read)


def accounted(reading: Reading) -> bool:
    kept = sum(int(np.isfinite(block.values).sum()) for block in reading.blocks)
    superseded = sum(int(block.n_superseded.sum()) for block in reading.blocks)
    return sum(reading.n_read.values()) == kept + superseded + len(reading.quarantined)


def scores(reading: Reading) -> dict[str, float]:
    (block,) = reading.blocks
    return dict(zip(block.columns.doc_keys.to_pylist(), block.values[0].tolist(), strict=True))


# --- decoding ----------------------------------------------------------------------------------------

VALUES = st.sampled_from(
    [0, 1, 0.0, 1.0, True, False, 0.5, [1.0], [True], None, float("nan"), 2.0, "x", [0.0, 1.0]]
)
ODD_LINES = st.sampled_from(
    [
        b"",
        b"  ",
        b"{",
        b"[]",
        b'"text"',
        b"null",
        b"17",
        b'{"doc_id": 1}',
        b"\xff",
        b'{"doc_id": "\\ud800"}',
        b"{}{}",
    ]
)
LINES = st.lists(
    st.one_of(
        st.builds(
            lambda i, v, metric, lost: encode(
                {k: x for k, x in usual(i, v, metric).items() if k != lost}
            ).strip(),
            st.integers(0, 12),
            VALUES,
            st.sampled_from(["acc", "exact_match"]),
            st.sampled_from(["", "", "doc_hash", "doc_id"]),
        ),
        ODD_LINES,
    ),
    min_size=1,
    max_size=12,
).filter(lambda lines: any(line.strip() for line in lines))


@settings(max_examples=150, deadline=None)
@given(lines=LINES, chunk=st.integers(1, 400), cut=st.booleans())
def test_neither_the_chunks_nor_the_neighbours_of_a_line_matter(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], chunk: int, cut: bool
) -> None:
    folder = tmp_path_factory.mktemp("log")
    write_log(folder, b"\n".join(lines) + (b"" if cut else b"\n"), task="gsm8k")
    whole = read_one(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jsonlines, "CHUNK", chunk)
        patch.setattr(lm_eval_lines, "BATCH", 3)
        pieces = read_one(folder)
    assert summary(pieces) == summary(whole)
    assert accounted(whole)
    assert sum(whole.n_read.values()) == sum(1 for line in lines if line.strip())


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_damage_loses_no_record_and_raises_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    sound = bytearray(encode(*(usual(i, i % 2) for i in range(6))))
    for _ in range(data.draw(st.integers(1, 4))):
        sound[data.draw(st.integers(0, len(sound) - 1))] = data.draw(st.integers(0, 255))
    folder = tmp_path_factory.mktemp("log")
    write_log(folder, bytes(sound[: data.draw(st.integers(1, len(sound)))]))
    try:
        reading = read_one(folder)
    except DumpUnreadable:
        return
    assert accounted(reading)
    for block in reading.blocks:
        assert block.columns.docs()["doc_key"].to_pylist() == block.columns.doc_keys.to_pylist()


@pytest.mark.parametrize("odd", [b'{"acc": NaN}', b"null", b"\xff\xfe", b"[" * 100_000, b'{"a":' * 2_000])
def test_one_odd_line_changes_no_other_record(tmp_path: Path, odd: bytes) -> None:
    lines = [encode(usual(i, i % 2)) for i in range(50)]
    write_log(tmp_path / "sound", b"".join(lines))
    write_log(tmp_path / "odd", b"".join([*lines[:20], odd + b"\n", *lines[20:]]))
    sound, other = read_one(tmp_path / "sound"), read_one(tmp_path / "odd")
    assert scores(other) == scores(sound)
    assert other.blocks[0].columns.prints.equals(sound.blocks[0].columns.prints)
    assert other.quarantined["row"].to_pylist() == [20]


def test_usual_lines_are_decoded_many_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_log(tmp_path, encode(*(usual(i, float(i % 2), filter="none") for i in range(9))))
    one_by_one: list[int] = []
    monkeypatch.setattr(lm_eval_lines, "_row", lambda line, number, run: one_by_one.append(number))
    assert scores(read_one(tmp_path)) == {str(i): float(i % 2) for i in range(9)}
    assert one_by_one == []


def test_prints_of_old_logs_depend_on_content_and_not_on_spelling(tmp_path: Path) -> None:
    plain = {"doc_id": 0, "doc": {"question": "Où?", "n": 1.0}, "target": "0", "acc_norm": 1.0}
    spellings = [
        json.dumps(plain),
        json.dumps(plain, ensure_ascii=False, indent=None, separators=(",", ":")),
        json.dumps({**plain, "doc": {"n": 1.0, "question": "Où?"}}),
        json.dumps({**plain, "resps": [float("nan")]}),
    ]
    others = [
        json.dumps({**plain, "target": "1"}),
        json.dumps({**plain, "doc": {"question": "Ou?", "n": 1.0}}),
    ]
    prints = []
    for i, text in enumerate([*spellings, *others]):
        write_log(tmp_path / str(i), text.encode())
        prints.append(read_one(tmp_path / str(i)).blocks[0].columns.prints[0].as_py())
    assert len(set(prints[:4])) == 1
    assert len(set(prints)) == 3


def test_a_line_of_ten_megabytes_is_a_line(tmp_path: Path) -> None:
    write_log(tmp_path, encode(usual(0, 1.0), usual(1, 0.0, resps="x" * 10_000_000), usual(2, 1.0)))
    assert scores(read_one(tmp_path)) == {"0": 1.0, "1": 0.0, "2": 1.0}


def test_a_line_beyond_the_limit_is_malformed_and_costs_only_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jsonlines, "CHUNK", 64)
    monkeypatch.setattr(jsonlines, "MAX_LINE", 1000)
    write_log(tmp_path, encode(usual(0, 1.0), usual(1, 0.0, resps="x" * 5000), usual(2, 1.0)))
    reading = read_one(tmp_path)
    assert scores(reading) == {"0": 1.0, "2": 1.0}
    assert reading.quarantined["reason"].to_pylist() == ["malformed_row"]
    assert accounted(reading)


def test_more_lines_than_any_task_has_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonlines, "MAX_LINES", 2)
    write_log(tmp_path, encode(usual(0, 1.0), usual(1, 1.0), usual(2, 0.0)))
    with pytest.raises(DumpUnreadable, match="at most 2 lines"):
        read_one(tmp_path)


@pytest.mark.parametrize(
    "values",
    [
        *([0, 1], [0.0, 1.0], [False, True], [[0.0], [1.0]], [0, [True]], [[[0]], [[1.0]]], ["0.0", "1.0"]),
        *(
            ["False", "True"],
            ["np.float64(0.0)", "np.float64(1.0)"],
            ["np.False_", "np.True_"],
            [-0.0, "[1]"],
        ),
        *([-1e-12, 1.0000000000000002], ["array(0.)", "array([1.], dtype=float32)"], ["0", "tensor(1.)"]),
    ],
)
def test_all_spellings_of_a_score_mean_the_same(tmp_path: Path, values: Sequence[object]) -> None:
    write_log(tmp_path, encode(*(usual(i, value) for i, value in enumerate(values))))
    assert scores(read_one(tmp_path)) == {"0": 0.0, "1": 1.0}


@pytest.mark.parametrize(
    "value", ["Infinity", "1e30", "1e999", "100.0", '"100%"', '"x"', "[]", "[0.0, 1.0]", "-1"]
)
def test_what_is_no_score_is_told(tmp_path: Path, value: str) -> None:
    lines = encode(*(usual(i, "VALUE" if i == 1 else 1.0) for i in range(3)))
    write_log(tmp_path, lines.replace(b'"VALUE"', value.encode()))
    reading = read_one(tmp_path)
    assert {key for key, score in scores(reading).items() if score == 1.0} == {"0", "2"}
    assert reading.quarantined["reason"].to_pylist() == ["score_out_of_range"]
    assert accounted(reading)


@pytest.mark.parametrize("value", ["NaN", "null", '"None"', '"nan"', "[NaN]", '""', '"np.float64(nan)"'])
def test_what_is_missing_is_no_score_and_beside_a_number_the_number_counts(
    tmp_path: Path, value: str
) -> None:
    lines = encode(usual(0, 1.0), usual(1, "VALUE"), usual(0, "VALUE"))
    write_log(tmp_path, lines.replace(b'"VALUE"', value.encode()))
    reading = read_one(tmp_path)
    assert scores(reading)["0"] == 1.0
    assert reading.quarantined["reason"].to_pylist() == ["missing_score"] * 2
    assert accounted(reading)


@pytest.mark.parametrize("key", ["0", 0, 0.0, -0.0])
def test_a_document_has_one_key_however_it_is_spelled(tmp_path: Path, key: object) -> None:
    write_log(tmp_path, encode({**usual(0, 1.0), "doc_id": key}))
    assert scores(read_one(tmp_path)) == {"0": 1.0}


@pytest.mark.parametrize("key", [0.5, "", None, True, [0]])
def test_what_is_no_key(tmp_path: Path, key: object) -> None:
    write_log(tmp_path, encode(usual(1, 1.0), {**usual(0, 1.0), "doc_id": key}))
    assert read_one(tmp_path).quarantined["reason"].to_pylist() == ["missing_key"]


@pytest.mark.parametrize(
    "line",
    [
        {"acc,none": 0.0, "acc_norm,none": 1.0},
        {"metrics": {"acc": 0.0, "acc_norm": 1.0}},
        {"metrics": {"acc,none": 0.0, "acc_norm,none": "np.float64(1.0)"}},
    ],
)
def test_a_metric_may_stand_with_its_filter_or_in_an_object(tmp_path: Path, line: dict[str, object]) -> None:
    write_log(tmp_path, encode({"doc_id": 0, "doc": {"question": "?"}, "target": "0", **line}))
    assert scores(read_one(tmp_path)) == {"0": 1.0}


def test_filters_in_the_names_of_one_metric(tmp_path: Path) -> None:
    line = {"exact_match,strict-match": 1.0, "exact_match,flexible-extract": 0.0}
    write_log(tmp_path, encode(*({"doc_id": i, "doc": {}, "target": "0", **line} for i in range(2))), "gsm8k")
    assert scores(read_one(tmp_path)) == {"0": 1.0, "1": 1.0}
    options = lm_eval.LmEvalOptions("flexible-extract")
    assert scores(read_one(tmp_path, options=options)) == {"0": 0.0, "1": 0.0}
    assert (
        read_one(tmp_path, options=lm_eval.LmEvalOptions("other")).quarantined["reason"].to_pylist()
        == ["missing_metric"] * 2
    )


@pytest.mark.parametrize("n_processes", [2, 3, 8])
@pytest.mark.parametrize("runs", [1, 2])
def test_unlabelled_filters_of_several_processes(tmp_path: Path, n_processes: int, runs: int) -> None:
    """Each process writes its documents once per filter, and processes one after the other."""
    lines = [
        usual(i, score, "exact_match")
        for _ in range(runs)
        for rank in range(n_processes)
        for score in (1.0, 0.0)
        for i in range(rank, 20, n_processes)
    ]
    write_log(tmp_path, encode(*lines), task="gsm8k")
    reading = read_one(tmp_path)
    assert scores(reading) == {str(i): 1.0 for i in range(20)}
    assert reading.blocks[0].n_superseded.tolist() == [20 * (2 * runs - 1)]
    assert accounted(reading)
    options = lm_eval.LmEvalOptions("flexible-extract")
    assert set(scores(read_one(tmp_path, options=options)).values()) == {0.0}


def test_an_answer_whose_turn_nobody_can_tell_does_not_count(tmp_path: Path) -> None:
    lines = [usual(i, s, "exact_match") for r in range(4) for s in (1.0, 0.0) for i in range(r, 20, 4)]
    write_log(tmp_path, encode(*lines[1:]), task="gsm8k")
    reading = read_one(tmp_path)
    assert scores(reading) == {str(i): 1.0 for i in range(1, 20)}
    assert reading.quarantined["reason"].to_pylist() == ["missing_metric"]
    assert accounted(reading)


@pytest.mark.parametrize(
    ("task", "label", "subset"),
    [
        ("arc_challenge_chat", "remove_whitespace", "arc"),
        ("bbh_cot_fewshot_navigate", "get-answer", "navigate"),
        ("bbh_cot_zeroshot_navigate", "flexible-extract", "navigate"),
        ("gpqa_diamond_cot_zeroshot", "strict-match", "diamond"),
        ("gsm8k_cot", "strict-match", "gsm8k"),
        ("minerva_math_precalc", "none", "precalculus"),
        ("minerva_math_counting_and_prob", "strict-match", "counting_and_prob"),
        ("mmlu_anatomy_generative", "get_response", "anatomy"),
        ("mmlu_pro_law", "strict-match", "mmlu_pro"),
    ],
)
def test_stock_tasks_are_read_by_their_own_metric_and_filter(
    tmp_path: Path, task: str, label: str, subset: str
) -> None:
    write_log(tmp_path, encode(usual(0, 1.0, "exact_match", filter=label)), task=task)
    (block,) = read_one(tmp_path).blocks
    assert (block.columns.subset, block.columns.metric) == (subset, "exact_match")
    assert block.values.tolist() == [[1.0]]
    assert block.runs.settings.task == task


def test_a_file_in_another_order_scores_the_same_documents(tmp_path: Path) -> None:
    lines = [usual(i, i % 2) for i in range(20)]
    write_log(tmp_path / "a", encode(*lines))
    write_log(tmp_path / "b", encode(*(lines[i] for rank in range(8) for i in range(rank, 20, 8))))
    assert scores(read_one(tmp_path / "a")) == scores(read_one(tmp_path / "b"))


def test_the_preferred_name_of_a_metric_counts_where_a_log_has_several(tmp_path: Path) -> None:
    both = [usual(i, 1.0, "exact_match", acc=0.0) for i in range(2)]
    write_log(tmp_path, encode(*both), task="gsm8k")
    reading = read_one(tmp_path)
    assert (reading.blocks[0].columns.metric, scores(reading)) == ("acc", {"0": 0.0, "1": 0.0})
    assert scores(read_one(tmp_path, metric="exact_match")) == {"0": 1.0, "1": 1.0}


# --- names -------------------------------------------------------------------------------------------


def test_results_files_are_no_dumps_and_the_folder_names_model_and_group(tmp_path: Path) -> None:
    write_log(tmp_path, encode(usual(0, 1.0)), model="org__model-details/org__model")
    (tmp_path / "org__model-details" / "org__model" / "results_2024-09-18T10-20-30.123456.json").write_text(
        "{}"
    )
    (dump,) = lm_eval.discover(SourceSpec("lm_eval", str(tmp_path)))
    assert dump.group == "org__model-details/org__model"
    assert read_one(tmp_path).blocks[0].runs.models == ("org/model",)


def test_a_path_to_one_file_or_to_one_model_still_names_the_model(tmp_path: Path) -> None:
    path = write_log(tmp_path, encode(usual(0, 1.0)))
    for each in (path, path.parent):
        assert read_one(each).blocks[0].runs.models == ("org/model",)


def test_the_config_may_name_model_benchmark_and_key_space(tmp_path: Path) -> None:
    write_log(tmp_path, encode(usual(0, 1.0)), task="anything", model="m")
    (block,) = read_one(tmp_path, benchmark="arc", models={"m": "a/b"}, key_space="arc-v1").blocks
    assert (block.columns.benchmark, block.columns.key_space) == ("arc", "arc-v1")
    assert block.runs.models == ("a/b",)


def test_a_benchmark_fixed_by_the_config_takes_subsets_from_task_names(tmp_path: Path) -> None:
    write_log(tmp_path / "known", encode(usual(0, 1.0, "acc")), task="mmlu_virology")
    write_log(tmp_path / "unknown", encode(usual(0, 1.0, "acc")), task="mmlu_alchemy")
    assert read_one(tmp_path / "known", benchmark="mmlu").blocks[0].columns.subset == "virology"
    named = read_one(tmp_path / "unknown", benchmark="mmlu", subset="virology")
    assert named.blocks[0].columns.subset == "virology"
    refused = read_one(tmp_path / "unknown", benchmark="mmlu")
    assert refused.quarantined["reason"].to_pylist() == ["unknown_task"]


def test_a_file_that_is_gone_is_unreadable(tmp_path: Path) -> None:
    dump = Dump(
        "lm_eval",
        str(tmp_path / "org__m" / "samples_arc_challenge.jsonl"),
        "org__m/samples_arc_challenge.jsonl",
        "",
        0,
        "",
    )
    with pytest.raises(DumpUnreadable, match="expected JSON lines"):
        list(lm_eval.read(dump, SourceSpec("lm_eval", "")))


# --- real logs ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def real() -> dict[str, Reading]:
    if not REAL.is_dir():
        pytest.skip("the folder `shared` with real dumps is not beside the checkout")
    spec = SourceSpec("lm_eval", str(REAL), tasks=TASKS)
    return {
        dump.file.split("samples_")[1][:-33]: r
        for dump in lm_eval.discover(spec)
        for r in lm_eval.read(dump, spec)
    }


def test_real_logs_are_read_whole(real: dict[str, Reading]) -> None:
    kept = {task: sum(int(np.isfinite(block.values).sum()) for block in real[task].blocks) for task in TASKS}
    assert kept == {
        "metabench_arc_secondary": 100,
        "metabench_gsm8k_secondary": 249,
        "metabench_hellaswag_secondary": 58,
        "metabench_mmlu_secondary": 102,
        "metabench_winogrande_secondary": 106,
    }
    assert all(map(accounted, real.values()))
    assert all(len(real[task].quarantined) == 0 for task in TASKS)


def test_real_documents_have_all_their_text(real: dict[str, Reading]) -> None:
    for task in TASKS:
        for block in real[task].blocks:
            docs = block.columns.docs()
            empty = {name for name in docs.column_names if docs[name].null_count}
            assert empty == {"category"} | ({"choices"} if block.columns.benchmark == "gsm8k" else set())
    assert len({block.columns.subset for block in real["metabench_mmlu_secondary"].blocks}) == 41


def test_an_unnamed_pass_of_the_real_log_per_filter(real: dict[str, Reading]) -> None:
    path = next(REAL.rglob("samples_metabench_gsm8k_secondary_*.jsonl"))
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    for asked, part in ((None, rows[:249]), ("flexible-extract", rows[249:])):
        spec = SourceSpec("lm_eval", str(path), tasks=TASKS, options=lm_eval.LmEvalOptions(asked))
        (reading,) = [r for dump in lm_eval.discover(spec) for r in lm_eval.read(dump, spec)]
        assert scores(reading) == {str(row["doc_id"]): row["exact_match"] for row in part}
        assert reading.blocks[0].n_superseded.tolist() == [249]


def test_the_real_log_without_mc2_says_what_it_has(real: dict[str, Reading]) -> None:
    path = next(REAL.rglob("samples_metabench_truthfulqa_secondary_*.jsonl"))
    tasks = {"metabench_truthfulqa_secondary": "truthfulqa"}
    refused = read_one(path, tasks=tasks)
    assert set(refused.quarantined["reason"].to_pylist()) == {"missing_metric"}
    assert refused.quarantined["detail"][0].as_py() == "document 0: expected metric mc2, found acc"
    assert len(scores(read_one(path, tasks=tasks, metric="acc"))) == 136
