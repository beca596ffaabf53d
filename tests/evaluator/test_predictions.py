from __future__ import annotations

import csv
import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from routerset.release.evaluator import InputError, Release, UsageError, evaluate, load_release
from routerset.release.evaluator.__main__ import main
from routerset.release.evaluator.items import load_items
from routerset.release.evaluator.predictions import PredictionError, read_predictions
from routerset.release.evaluator.reader import Group
from routerset.release.evaluator.routers.knn import NearestNeighbours
from routerset.release.evaluator.task import ScoringRouter
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
            [{"item_id": "a", "model": "b", "points": 1}],
            "columns item_id, model, points; expected, each once, item_id",
        ),
        (
            [{"item_id": "a", "model": "b", "score": 1, "probability": 1}],
            "columns item_id, model, score, probability; expected, each once, item_id",
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


def scored_rows(release: Release, layout: str, scale: float = 7.0) -> tuple[Rows, np.ndarray]:
    """A file of estimated scores that no probabilities could be, and the matrix that it says."""
    g = group(release)
    q = np.random.default_rng(0).normal(-3, scale, (len(test_items(release)), g.m)).round(3)
    q[0] = q[0, 1]  # a tie
    rows: Rows = []
    for item, scores in zip(test_items(release), q.tolist(), strict=True):
        if layout == "wide":
            named = dict(zip([f"score:{name}" for name in g.candidates], scores, strict=True))
            rows.append({"item_id": item, **CELL, **named})
        else:
            pairs = zip(g.candidates, scores, strict=True)
            rows += [{"item_id": item, **CELL, "model": name, "score": score} for name, score in pairs]
    return rows, q


@pytest.mark.parametrize("layout", ["long", "wide"])
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_the_highest_estimated_score_is_chosen(
    toy: Release, tmp_path: Path, suffix: str, layout: str
) -> None:
    rows, q = scored_rows(toy, layout)
    router = read_predictions(write(tmp_path / f"mine{suffix}", rows[::-1]), toy)
    g = group(toy)
    items = load_items(toy, "toy", [g], "minilm", "paper")
    task = make_tasks(items, [g], encoder="minilm")[0]
    assert isinstance(router, ScoringRouter)
    np.testing.assert_array_equal(router.predict_scores(task), q)
    result = evaluate(toy, {"mine": lambda: router}, covers=router.covers, resamples=0)
    Y, means = items.parts["test"].scores[g], task.Y_train.mean(axis=0)
    best = q.argmax(axis=1)
    best[0] = means.argmax()
    expected = Y[np.arange(len(Y)), best].mean()
    assert result.rows[0].metrics["mu_o"].value == pytest.approx(expected, abs=1e-6)
    assert result.rows[0].metrics["e_p"].value is None  # scores are no probabilities


@pytest.mark.parametrize("layout", ["long", "wide"])
def test_estimated_scores_make_curves(toy_folder: Path, tmp_path: Path, layout: str) -> None:
    folder = tmp_path / "release"
    shutil.copytree(toy_folder, folder)
    models = sorted({*pq.read_table(folder / "groups.parquet")["model_id"].to_pylist()})
    sizes = np.arange(1.0, len(models) + 1)
    pq.write_table(pa.table({"model_id": models, "params_b": sizes}), folder / "models.parquet")
    release = load_release(folder)
    rows, _ = scored_rows(release, layout)
    router = read_predictions(write(tmp_path / "mine.csv", rows), release)
    result = evaluate(release, {"mine": lambda: router}, covers=router.covers, costs="params_b", resamples=0)
    spending = result.rows[0].spending
    assert spending is not None
    assert spending.made_of == "scores"
    assert spending.metrics["acc_bmax"].value == pytest.approx(result.rows[0].metrics["mu_o"].value)


SCORE_FAULTS: Sequence[tuple[str, str, Change, str]] = [
    ("NaN", "long", set_value(5, "score", float("nan")), r"row 6: score: expected a finite number"),
    ("infinite", "long", set_value(5, "score", float("inf")), r"row 6: score: expected a finite number"),
    ("null", "long", set_value(5, "score", None), r"row 6: score: expected a finite number"),
    ("unknown", "long", set_value(4, "model", "org/x"), r"row 5: not a candidate: 'org/x'"),
    ("unknown item", "long", set_value(4, "item_id", "x"), r"row 5: not a test item: 'x'"),
    ("repeated", "long", lambda rows, _: rows.append(dict(rows[4])), r"row 37: item 'toy-\d+' repeats row 5"),
    (
        "a candidate less",
        "long",
        lambda rows, _: rows.pop(4),
        r"row 4: no score of candidate 'org/.*' for item 'toy-\d+' \(toy m=3 all_strong\)",
    ),
    ("an item less", "wide", lambda rows, _: rows.pop(4), r"no row for test item 'toy-\d+'"),
    (
        "NaN",
        "wide",
        lambda rows, release: rows[5].update({f"score:{group(release).candidates[0]}": float("nan")}),
        r"row 6: score:org/.*: expected a finite number",
    ),
]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@pytest.mark.parametrize(("layout", "change", "said"), [f[1:] for f in SCORE_FAULTS])
def test_faults_of_estimated_scores(
    toy: Release, tmp_path: Path, layout: str, change: Change, said: str, suffix: str
) -> None:
    rows, _ = scored_rows(toy, layout)
    change(rows, toy)
    with pytest.raises(PredictionError, match=said):
        read_predictions(write(tmp_path / f"mine{suffix}", rows), toy)


def test_numbers_that_are_no_probabilities_are_not_taken_for_scores(toy: Release, tmp_path: Path) -> None:
    rows, _ = scored_rows(toy, "wide")
    bare = [{key.removeprefix("score:"): value for key, value in row.items()} for row in rows]
    with pytest.raises(PredictionError, match=r"expected a number in \[0, 1\]"):
        read_predictions(write(tmp_path / "mine.csv", bare), toy)
    mixed = [{k.removeprefix("score:") if k.endswith("1") else k: v for k, v in row.items()} for row in rows]
    mixed = [{("org/x" if i == 4 else k): v for i, (k, v) in enumerate(row.items())} for row in mixed]
    with pytest.raises(UsageError, match="one column for each candidate of toy m=3 all_strong"):
        read_predictions(write(tmp_path / "mine.csv", mixed), toy)


def test_several_files_are_scored_beside_each_other(
    toy: Release, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = write(tmp_path / "first.csv", chosen_rows(toy))
    second = write(tmp_path / "second.parquet", scored_rows(toy, "long")[0])
    other = [dict(row) | {"kind": "all_weak"} for row in chosen_rows(toy)]
    weak = next(g for g in toy.groups_of("toy", "paper") if (g.m, g.kind) == (3, "all_weak"))
    more = write(tmp_path / "more.csv", chosen_rows(toy) + [r | {"model": weak.candidates[0]} for r in other])
    quick = ("--resamples", "0", "--format", "json")
    assert main([str(toy.path), "--predictions", str(first), str(second), str(more), *quick]) == 0
    captured = capsys.readouterr()
    assert [row["router"] for row in json.loads(captured.out)] == ["first", "second", "more"]
    assert "note: more: 1 of its 2 cells left out, where not every file answers" in captured.err
    assert captured.err.count("has sha256") == 3
    flags = ["--predictions", str(first), "--predictions", str(more), str(toy.path)]  # the release comes last
    assert main([*flags, *quick]) == 0
    assert {row["router"] for row in json.loads(capsys.readouterr().out)} == {"first", "more"}
    assert main([str(toy.path), "--predictions", str(first), str(second), "--commit"]) == 0
    digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in (first, second)]
    assert capsys.readouterr().out == f"{digests[0]}  first.csv\n{digests[1]}  second.parquet\n"
    assert main([str(toy.path), "--predictions", str(first), str(second), "--commit", *quick[2:]]) == 0
    assert [said["sha256"] for said in json.loads(capsys.readouterr().out)] == digests


def test_files_of_one_name_and_a_faulty_one_among_many(
    toy: Release, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = write(tmp_path / "mine.csv", chosen_rows(toy))
    same = write(tmp_path / "mine.parquet", chosen_rows(toy))
    assert main([str(toy.path), "--predictions", str(first), str(same)]) == 2
    assert "another file of predictions has the name 'mine'; rename one" in capsys.readouterr().err
    faulty = write(tmp_path / "faulty.csv", chosen_rows(toy)[1:])
    assert main([str(toy.path), "--predictions", str(first), str(faulty), "--commit"]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "faulty.csv: 1 problem(s)" in captured.err


def test_files_without_a_cell_in_common(
    toy: Release, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = write(tmp_path / "mine.csv", chosen_rows(toy))
    weak = next(g for g in toy.groups_of("toy", "paper") if (g.m, g.kind) == (3, "all_weak"))
    rows = [row | {"kind": "all_weak", "model": weak.candidates[0]} for row in chosen_rows(toy)]
    assert main([str(toy.path), "--predictions", str(first), str(write(tmp_path / "weak.csv", rows))]) == 2
    assert "no group is covered" in capsys.readouterr().err


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
