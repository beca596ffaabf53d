from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from routerset.release.evaluator import Release, Task, UsageError, evaluate, load_release
from routerset.release.evaluator.__main__ import main
from tests.evaluator.releases import Fixture, add_costs, random_fixture, write_release

SIZES = {"a": 40, "b": 20}


def bench(name: str, seed: int, *, asked: str | None = None, binary: bool = True) -> Fixture:
    """asked: prefix of its families; two benchmarks with one prefix ask the same questions."""
    fixture = random_fixture(name, sizes=SIZES, ms=(3,), seed=seed, binary=binary)
    fixture.families = [f"{asked or name}-{i}" for i in range(60)]
    return fixture


@pytest.fixture
def fixtures() -> list[Fixture]:
    return [bench("one", 0), bench("two", 1), bench("three", 2, binary=False)]


def seen_by(release: Release, **options: object) -> dict[str, list[Task]]:
    """What a router is given on track unseen, by benchmark."""
    tasks: dict[str, list[Task]] = {}

    class Spy:
        def fit(self, task: Task) -> None:
            tasks.setdefault(task.benchmark, []).append(task)

        def predict_proba(self, task: Task) -> np.ndarray:
            return np.full((task.n_test, task.m), 1 / task.m)

    evaluate(release, [Spy], track="unseen", resamples=0, **options)  # type: ignore[arg-type]
    return tasks


def expected(fixtures: list[Fixture], split: str, candidates: tuple[str, ...]) -> tuple[np.ndarray, ...]:
    scores, vectors = [], []
    for f in sorted(fixtures, key=lambda f: f.name):
        rows = f.splits["paper"] == split
        # files hold train, validation and test one after the other, each in canonical order
        scores.append(f.scores[[f.models.index(c) for c in candidates]][:, rows].T)
        vectors.append(f.vectors["minilm"][rows])
    return np.concatenate(scores), np.concatenate(vectors)


def test_routers_learn_from_the_other_benchmarks_alone(tmp_path: Path, fixtures: list[Fixture]) -> None:
    release = load_release(write_release(tmp_path, fixtures))
    (one, *others), tasks = fixtures, seen_by(release)
    assert set(tasks) == {"one", "two", "three"}
    for task in tasks["one"]:
        Y, X = expected(others, "train", task.candidates)
        assert np.array_equal(task.Y_train, Y)
        assert np.array_equal(task.X_train, X)
        assert np.array_equal(task.Y_val, expected(others, "validation", task.candidates)[0])
        assert np.array_equal(task.X_test, one.vectors["minilm"][one.splits["paper"] == "test"])
        assert not task.binary
        assert task.Y_test is None
        good = (0.95 * Y.max(axis=1, keepdims=True).astype(np.float64) <= Y) & (Y > 0)
        assert np.array_equal(task.labels_train, good)
        assert len(task.read_prompts("train")) == len(Y)
        assert task.read_prompts("train")[0] == "Question 0?"


def test_a_question_that_is_asked_in_both_teaches_nothing(tmp_path: Path) -> None:
    twins = [bench("one", 0, asked="q"), bench("two", 1, asked="q"), bench("three", 2)]
    twins[1].families[:50] = [f"own-{i}" for i in range(50)]  # ten of its items are asked in `one` too
    release = load_release(write_release(tmp_path, twins))
    train = {f.name: int((f.splits["paper"] == "train").sum()) for f in twins}
    lost = int((twins[1].splits["paper"][50:] == "train").sum())
    assert lost
    tasks = seen_by(release)
    assert {len(t.Y_train) for t in tasks["one"]} == {train["two"] + train["three"] - lost}
    assert {len(t.Y_train) for t in tasks["three"]} == {train["one"] + train["two"]}


def test_only_items_count_on_which_all_candidates_have_a_score(
    tmp_path: Path, fixtures: list[Fixture]
) -> None:
    one, two, _ = fixtures
    group = one.models[one.groups["paper", 3, "all_weak"][0]]
    two.models = ["gone/gone" if model == group else model for model in two.models]
    release = load_release(write_release(tmp_path, [one, two]))
    found = evaluate(release, ["best_single"], track="unseen", resamples=0, benchmarks=["one"])
    members = {kind: [one.models[i] for i in rows] for (_, _, kind), rows in one.groups.items()}
    absent = [kind for kind, models in members.items() if group in models]
    assert {row.kind for row in found.rows} == {*members} - {*absent}
    note = f"one: {len(absent)} of 3 cells left out: no train item of another benchmark has scores of all"
    assert any(n.startswith(note) for n in found.notes)
    assert found.means[0].n_kinds == 3 - len(absent)


def test_one_benchmark_alone_has_no_unseen_track(tmp_path: Path) -> None:
    release = load_release(write_release(tmp_path, [bench("one", 0)]))
    with pytest.raises(Exception, match="one: 3 of 3 cells left out"):
        evaluate(release, ["best_single"], track="unseen", resamples=0)


def test_best_single_is_the_best_elsewhere_and_the_best_here_stands_beside_it(
    tmp_path: Path, fixtures: list[Fixture], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_release(tmp_path, fixtures)
    by_name = {f.name: f for f in fixtures}
    options = ["--track", "unseen", "--routers", "best_single", "--resamples", "0"]
    assert main([str(folder), *options, "--format", "json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert len(rows) == 9
    for row in rows:
        here = by_name[row["benchmark"]]
        members = np.array(here.groups["paper", 3, row["kind"]])
        names = tuple(here.models[i] for i in members)
        others = [f for f in fixtures if f is not here]
        test = here.scores[members][:, here.splits["paper"] == "test"].mean(axis=1)
        train = here.scores[members][:, here.splits["paper"] == "train"].mean(axis=1)
        elsewhere = expected(others, "train", names)[0].mean(axis=0)
        assert row["track"] == "unseen"
        assert row["mu_o"] == pytest.approx(test[elsewhere.argmax()], abs=1e-6)
        if (train == train.max()).sum() == 1:
            assert row["best_on_own_train"] == pytest.approx(test[train.argmax()], abs=1e-6)
    assert main([str(folder), *options]) == 0
    out = capsys.readouterr().out
    assert "track: unseen" in out
    assert "best on its own train: 0." in out


def test_rows_say_that_the_track_is_seen(toy: Release) -> None:
    found = evaluate(toy, ["best_single", "mean"], sizes=[3], resamples=0, pairs=True)
    assert {row.track for row in (*found.rows, *found.means, *found.differences)} == {"seen"}
    assert {row.best_on_own_train for row in found.rows} == {None}
    assert "track" not in found.table()


@pytest.mark.parametrize("routers", [["knn", "c_roberta", "mean"], ["oracle", "random", "privileged"]])
def test_every_router_runs_on_both_tracks(
    tmp_path: Path, fixtures: list[Fixture], routers: list[str]
) -> None:
    release = load_release(write_release(tmp_path, fixtures))
    for track in ("seen", "unseen"):
        found = evaluate(release, routers, track=track, resamples=50, pairs=True)
        assert [row.router for row in found.means] == 3 * routers
        assert {row.track for row in (*found.rows, *found.differences)} == {track}


def test_a_benchmark_without_vectors_teaches_no_router_on_vectors(
    tmp_path: Path, fixtures: list[Fixture]
) -> None:
    fixtures[2] = replace(fixtures[2], vectors={})
    release = load_release(write_release(tmp_path, fixtures))
    train = int((fixtures[1].splits["paper"] == "train").sum())
    assert {len(t.Y_train) for t in seen_by(release, benchmarks=["one"])["one"]} == {train}


def test_costs_are_those_that_models_have_whatever_is_asked(tmp_path: Path, fixtures: list[Fixture]) -> None:
    """What answers cost would be known from the benchmark's own train items, which the track hides."""
    folder = write_release(tmp_path, fixtures)
    add_costs(folder, fixtures[0])
    release = load_release(folder)
    for task in seen_by(release, benchmarks=["one"], costs="params_b")["one"]:
        assert task.costs is not None
        assert task.costs.train is None
        assert task.costs.test is not None
        assert len(task.costs.test) == task.n_test
    (seen,) = evaluate(release, ["oracle"], benchmarks=["one"], costs="params_b", resamples=0).means
    (unseen,) = evaluate(
        release, ["oracle"], benchmarks=["one"], costs="params_b", track="unseen", resamples=0
    ).means
    assert seen.spending is not None
    assert unseen.spending is not None
    assert unseen.spending.metrics["aiq"] == seen.spending.metrics["aiq"]  # whoever learns where
    assert {task.costs for task in seen_by(release, benchmarks=["one"], costs="usd")["one"]} == {None}
    told = evaluate(release, ["mean"], benchmarks=["one"], costs="usd", track="unseen", resamples=0)
    assert sum("no curve: usd: what answers cost is known from train items" in n for n in told.notes) == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"track": "both"}, "seen or unseen"),
        ({"track": "unseen", "compat": True}, "the reference has no such track"),
    ],
)
def test_what_is_no_track_is_refused(toy: Release, options: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        evaluate(toy, ["best_single"], **options)  # type: ignore[arg-type]
