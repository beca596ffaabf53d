from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from routerset.release.evaluator import InputError, Release, UsageError, evaluate
from routerset.release.evaluator.__main__ import main
from routerset.release.evaluator.items import load_items
from routerset.release.evaluator.predictions import PredictionError, read_predictions
from routerset.release.evaluator.reader import Group
from routerset.release.evaluator.routers.knn import NearestNeighbours
from routerset.release.evaluator.tasks import make_tasks

Rows = list[dict[str, object]]
CELL = {"benchmark": "toy", "m": 3, "kind": "all_strong"}


def write(path: Path, rows: Rows) -> Path:
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
        return path
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def group(release: Release) -> Group:
    return next(g for g in release.groups_of("toy", "paper") if g.m == 3 and g.kind == "all_strong")


def test_items(release: Release) -> list[str]:
    return load_items(release, "toy", [], None, "paper").parts["test"].item_ids


test_items.__test__ = False  # type: ignore[attr-defined]


def chosen_rows(release: Release, which: int = 1) -> Rows:
    model = group(release).candidates[which]
    return [{"item_id": item, **CELL, "model": model} for item in test_items(release)]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_chosen_models_are_scored(toy: Release, tmp_path: Path, suffix: str) -> None:
    router = read_predictions(write(tmp_path / f"mine{suffix}", chosen_rows(toy)), toy)
    result = evaluate(toy, {"mine": lambda: router}, covers=router.covers, resamples=50)
    assert [(row.benchmark, row.m, row.kind) for row in result.rows] == [("toy", 3, "all_strong")]
    g = group(toy)
    expected = load_items(toy, "toy", [g], None, "paper").parts["test"].scores[g][:, 1].mean()
    metrics = result.rows[0].metrics
    assert metrics["mu_o"].value == pytest.approx(expected, abs=1e-6)
    assert metrics["marginal_entropy"].value == 0
    assert metrics["e_p"].value is None  # a choice says nothing of probabilities


def test_a_mean_over_one_kind_of_three_says_so(toy: Release, tmp_path: Path) -> None:
    router = read_predictions(write(tmp_path / "mine.csv", chosen_rows(toy)), toy)
    few = evaluate(toy, {"mine": lambda: router}, covers=router.covers, resamples=50)
    assert "1 of 3 kinds" in few.table()
    assert {row.to_dict()["n_kinds"] for row in (*few.rows, *few.means)} == {1}
    whole = evaluate(toy, ["best_single"], sizes=[3], resamples=50)
    assert "of 3 kinds" not in whole.table()
    assert {row.n_kinds for row in (*whole.rows, *whole.means)} == {3}


@pytest.mark.parametrize("layout", ["long", "wide"])
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_probabilities_score_as_the_router_that_gave_them(
    toy: Release, tmp_path: Path, suffix: str, layout: str
) -> None:
    g = group(toy)
    task = make_tasks(load_items(toy, "toy", [g], "minilm", "paper"), [g], encoder="minilm")[0]
    knn = NearestNeighbours()
    knn.fit(task)
    p = knn.predict_proba(task)
    rows: Rows = []
    for item, row in zip(task.test_items, p, strict=True):
        shares = dict(zip(g.candidates, row.tolist(), strict=True))
        if layout == "wide":
            rows.append({"item_id": item, **CELL, **shares})
        else:
            rows += [{"item_id": item, **CELL, "model": k, "probability": v} for k, v in shares.items()]
    router = read_predictions(write(tmp_path / f"mine{suffix}", rows[::-1]), toy)
    result = evaluate(
        toy, {"mine": lambda: router, "knn": NearestNeighbours}, covers=router.covers, pairs=True
    )
    difference = result.differences[0]
    assert {e.value for e in difference.metrics.values()} <= {0.0, None}
    assert result.rows[0].metrics["e_p"].value is not None


def test_candidates_left_out_have_probability_zero(toy: Release, tmp_path: Path) -> None:
    rows = [row | {"probability": 1} for row in chosen_rows(toy)]
    router = read_predictions(write(tmp_path / "mine.csv", rows), toy)
    result = evaluate(toy, {"mine": lambda: router}, covers=router.covers, resamples=0)
    assert result.rows[0].metrics["e_p"].value == 0


def test_cell_columns_may_be_left_out_where_only_one_value_is_possible(toy: Release, tmp_path: Path) -> None:
    rows = [{k: row[k] for k in ("item_id", "kind", "model")} for row in chosen_rows(toy)]
    path = write(tmp_path / "mine.csv", rows)
    assert read_predictions(path, toy, benchmarks=["toy"], sizes=[3]).covers(group(toy))
    with pytest.raises(
        PredictionError, match=r"row 1: kind=all_strong fits 5 groups; add the column benchmark, m"
    ):
        read_predictions(path, toy)


Change = Callable[[Rows, Release], object]


def set_value(row: int, column: str, value: object) -> Change:
    return lambda rows, release: rows[row].__setitem__(column, value)


def from_train(rows: Rows, release: Release) -> object:
    return rows[4].__setitem__(
        "item_id", load_items(release, "toy", [], None, "paper").parts["train"].item_ids[0]
    )


FAULTS: Sequence[tuple[str, bool, Change, str]] = [
    (
        "unknown item",
        False,
        set_value(2, "item_id", "nope"),
        r"row 3: not a test item: 'nope' \(toy m=3 all_strong\)",
    ),
    ("training item", False, from_train, r"row 5: not a test item: 'toy-"),
    ("no item", False, set_value(2, "item_id", None), r"row 3: not a test item: "),
    (
        "missing item",
        False,
        lambda rows, _: rows.pop(3),
        r"no row for test item 'toy-\d+' \(toy m=3 all_strong\)",
    ),
    ("repeated", False, lambda rows, _: rows.append(dict(rows[1])), r"row 13: item 'toy-\d+' repeats row 2"),
    ("unknown model", False, set_value(0, "model", "org/x"), r"row 1: not a candidate: 'org/x'"),
    (
        "unknown cell",
        False,
        set_value(6, "kind", "strong"),
        r"row 7: benchmark=toy, m=3, kind=strong fits no group",
    ),
    (
        "unknown size",
        False,
        set_value(6, "m", 4),
        r"row 7: benchmark=toy, m=4, kind=all_strong fits no group",
    ),
    (
        "NaN",
        True,
        set_value(5, "probability", float("nan")),
        r"row 6: probability: expected a number in \[0, 1\]",
    ),
    ("negative", True, set_value(5, "probability", -0.5), r"row 6: probability: .* found '?-0\.5"),
    ("too large", True, set_value(5, "probability", 1.5), r"row 6: probability: .* found '?1\.5"),
    (
        "sum",
        True,
        set_value(5, "probability", 0.25),
        r"row 6: probabilities of item 'toy-\d+' sum to 0\.25, expected 1",
    ),
]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@pytest.mark.parametrize(
    ("probabilities", "change", "said"), [f[1:] for f in FAULTS], ids=[f[0] for f in FAULTS]
)
def test_faults_are_refused_with_row_and_reason(
    toy: Release, tmp_path: Path, probabilities: bool, change: Change, said: str, suffix: str
) -> None:
    rows = chosen_rows(toy)
    if probabilities:
        rows = [row | {"probability": 1.0} for row in rows]
    change(rows, toy)
    with pytest.raises(PredictionError, match=said):
        read_predictions(write(tmp_path / f"mine{suffix}", rows), toy)


WIDE_FAULTS: Sequence[tuple[str, Change, str]] = [
    ("repeated", lambda rows, _: rows.append(dict(rows[1])), r"row 13: item 'toy-\d+' repeats row 2"),
    ("missing", lambda rows, _: rows.pop(3), r"no row for test item 'toy-\d+'"),
    ("unknown", set_value(2, "item_id", "nope"), r"row 3: not a test item: 'nope'"),
    (
        "NaN",
        lambda rows, release: rows[5].update({group(release).candidates[0]: float("nan")}),
        r"row 6: org/.*: expected a number in \[0, 1\]",
    ),
    (
        "null",
        lambda rows, release: rows[5].update({group(release).candidates[0]: None}),
        r"row 6: org/.*: expected a number in \[0, 1\]",
    ),
    (
        "sum",
        lambda rows, release: rows[5].update({group(release).candidates[0]: 0.9}),
        r"row 6: probabilities of item 'toy-\d+' sum to 1\.4, expected 1",
    ),
]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@pytest.mark.parametrize(("change", "said"), [f[1:] for f in WIDE_FAULTS], ids=[f[0] for f in WIDE_FAULTS])
def test_faults_of_a_column_per_candidate(
    toy: Release, tmp_path: Path, change: Change, said: str, suffix: str
) -> None:
    shares = dict(zip(group(toy).candidates, (0.5, 0.25, 0.25), strict=True))
    rows: Rows = [{"item_id": item, **CELL, **shares} for item in test_items(toy)]
    change(rows, toy)
    with pytest.raises(PredictionError, match=said):
        read_predictions(write(tmp_path / f"mine{suffix}", rows), toy)


def test_a_candidate_twice_for_one_item(toy: Release, tmp_path: Path) -> None:
    rows = [row | {"probability": 0.5} for row in chosen_rows(toy) for _ in range(2)]
    with pytest.raises(PredictionError, match=r"row 2: item 'toy-\d+' repeats row 1"):
        read_predictions(write(tmp_path / "mine.csv", rows), toy)


def test_text_where_a_probability_belongs(toy: Release, tmp_path: Path) -> None:
    rows = [row | {"probability": "1"} for row in chosen_rows(toy)]
    rows[2]["probability"] = "high"
    with pytest.raises(
        PredictionError, match=r"row 3: probability: expected a number in \[0, 1\], found 'high'"
    ):
        read_predictions(write(tmp_path / "mine.csv", rows), toy)


def test_every_fault_is_reported_in_row_order(toy: Release, tmp_path: Path) -> None:
    rows = chosen_rows(toy)
    rows[7]["model"] = "org/x"
    rows[2]["item_id"] = "nope"
    with pytest.raises(PredictionError) as caught:
        read_predictions(write(tmp_path / "mine.csv", rows), toy)
    assert [p.row for p in caught.value.problems] == [3, 8, None]
    assert "3 problem(s), nothing was scored" in str(caught.value)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([{"item": "a", "model": "b"}], "columns item, model; expected, each once, item_id"),
        (
            [{"item_id": "a", "model": "b", "score": 1}],
            "columns item_id, model, score; expected, each once, item_id",
        ),
        ([{"item_id": "a", **CELL, "org/x": 1.0}], "one column for each candidate of toy m=3 all_strong"),
    ],
)
def test_wrong_columns_are_named(toy: Release, tmp_path: Path, rows: Rows, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        read_predictions(write(tmp_path / "mine.csv", rows), toy)


@pytest.mark.parametrize(
    ("name", "content", "error"),
    [
        ("mine.csv", b"item_id,model\na,b,c\n", InputError),
        ("mine.csv", b"\xff\xfe\x00", InputError),
        ("mine.csv", b"item_id,model,model\na,b,c\n", UsageError),
        ("mine.parquet", b"not parquet", InputError),
        ("mine.json", b"{}", UsageError),
    ],
)
def test_unreadable_files(
    toy: Release, tmp_path: Path, name: str, content: bytes, error: type[Exception]
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(error, match="mine"):
        read_predictions(tmp_path / name, toy)


@pytest.mark.parametrize("content", [b"", b"item_id,model\n"])
def test_a_file_without_rows_is_refused(toy: Release, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "mine.csv").write_bytes(content)
    with pytest.raises((PredictionError, InputError, UsageError), match=r"mine\.csv"):
        read_predictions(tmp_path / "mine.csv", toy)


def test_a_commitment_is_the_hash_of_the_file_and_scores_nothing(
    toy: Release, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "mine.csv", chosen_rows(toy))
    assert main([str(toy.path), "--predictions", str(path), "--commit"]) == 0
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert capsys.readouterr().out == f"{digest}  mine.csv\n"
    assert main([str(toy.path), "--predictions", str(path), "--commit", "--format", "json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said == {"sha256": digest, "file": "mine.csv", "release": "1.2.3"}


def test_a_faulty_file_cannot_be_committed(
    toy: Release, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "mine.csv", chosen_rows(toy)[1:])
    assert main([str(toy.path), "--predictions", str(path), "--commit"]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "no row for test item" in captured.err


def test_the_best_of_many_predictions_beats_none_of_the_bounds(toy: Release, tmp_path: Path) -> None:
    """Predicting the best candidate of each item, as only the oracle can, scores as the oracle."""
    g = group(toy)
    Y = load_items(toy, "toy", [g], None, "paper").parts["test"].scores[g]
    rows = [
        row | {"model": g.candidates[best]}
        for row, best in zip(chosen_rows(toy), Y.argmax(axis=1).tolist(), strict=True)
    ]
    router = read_predictions(write(tmp_path / "mine.csv", rows), toy)
    result = evaluate(toy, {"mine": lambda: router}, covers=router.covers, resamples=0)
    oracle = evaluate(toy, ["oracle"], benchmarks=["toy"], sizes=[3], resamples=0)
    assert result.rows[0].metrics["mu_o"] == oracle.rows[0].metrics["mu_o"]
    assert np.mean(Y.max(axis=1)) == pytest.approx(result.rows[0].metrics["mu_o"].value, abs=1e-6)
