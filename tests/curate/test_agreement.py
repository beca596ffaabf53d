"""RouterBench+, Table 4: agreement with the heuristic, without pseudo-specialists and with them."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from routerset.release.evaluator import Evaluation, Joined, Task, evaluate, load_release
from routerset.release.evaluator.__main__ import main
from routerset.release.evaluator.errors import UsageError
from tests.curate.test_release import CURATE, run, write


class ByCategory:
    """Expects of each candidate its mean training score in the category of the item."""

    uses_vectors = False

    def fit(self, task: Task) -> None:
        about = np.array(task.categories.train)
        self.means = {
            name: task.Y_train[about == name].mean(axis=0) + 1e-4 * np.arange(task.m)
            for name in dict.fromkeys(about.tolist())
        }

    def predict_scores(self, task: Task) -> np.ndarray:
        return np.array([self.means[name] for name in task.categories.test])

    def predict_proba(self, task: Task) -> np.ndarray:
        q = self.predict_scores(task)
        return q / q.sum(axis=1, keepdims=True)


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("agreement")
    run(write(folder, CURATE.replace(', "support/c" = 12', "")), folder / "out")
    return folder / "out/release"


def joined(release: Path, *routers: object) -> Evaluation:
    return evaluate(load_release(release), [*routers], costs="usd", pseudo_specialists=True)  # type: ignore[list-item]


def of(found: Evaluation, router: str, kind: str, category: str | None) -> Joined:
    (row,) = (r for r in found.joined if (r.router, r.kind, r.category) == (router, kind, category))
    return row


def by_hand(release: Path, kind: str, made: bool) -> dict[str | None, float]:
    """Agreement of `ByCategory`, cap by cap, from the tables of the release."""
    groups = pq.read_table(release / "groups.parquet").to_pylist()
    group = [g for g in groups if g["method"] == "greedy" and g["kind"] == kind]
    names = [g["model_id"] for g in sorted(group, key=lambda g: g["rank"])]
    costs = [1.0 + int(name[-2:]) for name in names]
    caps = sorted(costs)
    tables = [pq.read_table(release / "scores/support.parquet", columns=["model_id", "item", "score"])]
    if made:
        tables.append(pq.read_table(release / "pseudo_specialists/support.parquet"))
        extra = list(dict.fromkeys(tables[1]["model_id"].to_pylist()))
        names, costs = names + extra, costs + [float(np.median(costs))] * len(extra)
    score = {(row["model_id"], row["item"]): row["score"] for table in tables for row in table.to_pylist()}
    sides = {
        side: pq.read_table(release / f"data/support/{side}.parquet", columns=["item", "subset"]).to_pylist()
        for side in ("train", "test")
    }
    means = np.array([np.mean([score[n, r["item"]] for r in sides["train"]]) for n in names])
    found: dict[str | None, list[float]] = {None: [], "a": [], "b": []}
    for item in sides["test"]:
        mine = [r["item"] for r in sides["train"] if r["subset"] == item["subset"]]
        q = np.array([np.mean([score[n, i] for i in mine]) for n in names]) + 1e-4 * np.arange(len(names))
        agreed = 0.0
        for low, high in pairwise(caps):
            paid = [at for at, cost in enumerate(costs) if cost <= low]
            best = max(paid, key=lambda at: (means[at], -costs[at], names[at] == ""))
            agreed += (high - low) * (max(paid, key=lambda at: q[at]) == best)
        for name in (None, item["subset"]):
            found.setdefault(name, []).append(agreed / (caps[-1] - caps[0]))
    return {name: float(np.mean(values)) for name, values in found.items()}


def test_a_router_of_categories_leaves_the_heuristic_for_a_specialist(release: Path) -> None:
    found = joined(release, ByCategory, "best_single")
    for kind in ("all_strong", "all_weak", "strong_to_weak"):
        expected = [by_hand(release, kind, made) for made in (False, True)]
        for category in (None, "a", "b"):
            metrics = of(found, "ByCategory", kind, category).metrics
            assert metrics["agreement_without"].value == pytest.approx(expected[0][category], abs=1e-6)
            assert metrics["agreement_with"].value == pytest.approx(expected[1][category], abs=1e-6)
    row = of(found, "ByCategory", "mean", "b")
    assert row.n_kinds == 3
    assert row.joined == "pseudo-specialist/support-a,pseudo-specialist/support-b"
    kinds = [of(found, "ByCategory", k, "b") for k in ("all_strong", "all_weak", "strong_to_weak")]
    mean = np.mean([each.metrics["delta"].value for each in kinds])
    assert row.metrics["delta"].value == pytest.approx(float(mean), abs=1e-5)
    assert {r.metrics["delta"].value for r in found.joined if r.router == "ByCategory"} != {0.0}


def test_no_group_and_no_other_row_has_one(release: Path) -> None:
    plain = evaluate(load_release(release), ["best_single", "oracle"], costs="usd")
    found = joined(release, "best_single", "oracle")
    assert found.rows == plain.rows
    assert not plain.joined


def test_the_command_prints_it(release: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--routers", "heuristic,oracle", "--costs", "usd", "--pseudo-specialists"]
    assert main([str(release), *options]) == 0
    shown = capsys.readouterr().out
    assert "change in agreement" in shown
    assert "Overall" in shown
    assert main([str(release), *options, "--format", "json"]) == 0
    assert '"agreement_with"' in capsys.readouterr().out
    assert main([str(release), "--pseudo-specialists"]) == 2
    with pytest.raises(UsageError, match="needs --costs KIND"):
        evaluate(load_release(release), ["oracle"], pseudo_specialists=True)


def test_a_release_without_any_says_so(tmp_path: Path) -> None:
    run(write(tmp_path, ""), tmp_path / "out")
    found = joined(tmp_path / "out/release", "best_single")
    assert not found.joined
    assert any("no pseudo-specialists" in note for note in found.notes)
