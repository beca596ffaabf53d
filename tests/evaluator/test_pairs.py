"""Any two models of a release: how much goes to the large one, against direct versions; what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routerset.release.evaluator import Release, Task, evaluate, load_release, pairs
from routerset.release.evaluator.__main__ import main
from routerset.release.evaluator.errors import UsageError
from routerset.release.evaluator.pair_rows import Routing
from routerset.release.evaluator.pairing import Pair
from routerset.release.evaluator.results import Evaluation
from tests.evaluator.releases import random_fixture, write_release

CLOSE = 1e-9
SMALL, LARGE = "org/model-0003", "org/model-0017"


@given(seed=st.integers(0, 10_000))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_what_items_add_to_the_area(seed: int) -> None:
    """Their mean is the area, and leaving one out changes it as they say, to first order."""
    rng = np.random.default_rng(seed)
    n = 300
    confidence = rng.integers(0, 4, n).astype(float) if seed % 2 else rng.random(n)
    small, large = (rng.integers(0, 2, n).astype(float) for _ in range(2))
    items = pairs.routing_items(confidence, small, large)
    area = pairs.routing_area(*pairs.routing_curve(confidence, small, large))
    assert items.mean() == pytest.approx(area, abs=CLOSE)
    out = int(rng.integers(n))
    rest = np.delete(np.arange(n), out)
    without = pairs.routing_area(*pairs.routing_curve(confidence[rest], small[rest], large[rest]))
    assert without - area == pytest.approx((area - items[out]) / (n - 1), abs=1e-4)


def two(release: Release, pair: Pair, **given: object) -> Evaluation:
    return evaluate(release, ["oracle", "random", "heuristic", "knn", "best_single"], pair=pair, **given)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two benchmarks without a group of two; `soft` lacks some models, and sizes are known."""
    path = tmp_path_factory.mktemp("pairs")
    fixture = random_fixture("toy", sizes={"a": 600, "b": 200}, ms=(3,))
    write_release(path, [fixture, random_fixture("soft", n_models=10, binary=False, seed=1)])
    sizes = np.arange(len(fixture.models)) + 1.0
    pq.write_table(pa.table({"model_id": fixture.models, "params_b": sizes}), path / "models.parquet")
    return path


@pytest.fixture(scope="module")
def release(folder: Path) -> Release:
    return load_release(folder)


class Own:
    """Estimates that depend on the item, and a choice that does not follow them."""

    uses_vectors = False

    def fit(self, task: Task) -> None:
        assert task.candidates == (SMALL, LARGE)
        assert task.Y_test is None
        self.means = task.Y_train.mean(axis=0)

    def predict_proba(self, task: Task) -> np.ndarray:
        return np.tile([0.25, 0.75], (task.n_test, 1))

    def predict_scores(self, task: Task) -> np.ndarray:
        return np.random.default_rng(3).integers(0, 4, (task.n_test, 2)) / 3.0


def scores_of(folder: Path, scheme: str) -> np.ndarray:
    """Test scores of the pair, from the tables of the release."""
    data = pq.read_table(folder / "data/toy/test.parquet", columns=["item", f"split_{scheme}"])
    table = pq.read_table(folder / "scores/toy.parquet").to_pandas()
    wide = table.pivot(index="item", columns="model_id", values="score")
    return wide.loc[data["item"].to_numpy(), [SMALL, LARGE]].to_numpy(np.float64)


@pytest.mark.parametrize("confidence", ["difference", "small"])
def test_a_router_between_two_models(folder: Path, release: Release, confidence: str) -> None:
    result = evaluate(release, [Own, "random"], pair=Pair(SMALL, LARGE, confidence), benchmarks=["toy"])
    small, large = scores_of(folder, "paper").T
    rows = {row.router: row for row in result.routings}
    assert [*rows] == ["oracle", "Own", "random"]
    q = np.random.default_rng(3).integers(0, 4, (len(small), 2)) / 3.0
    u = q[:, 0] - q[:, 1] if confidence == "difference" else q[:, 0]
    weak, strong = small.mean(), large.mean()
    for row in rows.values():
        assert (row.small_score, row.large_score) == pytest.approx((weak, strong), abs=1e-6)
        assert (row.small, row.large, row.n_test, row.small_cost) == (SMALL, LARGE, len(small), None)
        own = {"oracle": small - large, "random": np.zeros(len(u)), "Own": u}[row.router]
        order = sorted(range(len(u)), key=lambda j: -own[j])
        points = [
            (1 - k / len(u), np.mean([small[j] if at < k else large[j] for at, j in enumerate(order)]))
            for k in range(len(u) + 1)
            if k in (0, len(u)) or own[order[k - 1]] > own[order[k]]
        ][::-1]
        assert row.share.tolist() == pytest.approx([share for share, _ in points], abs=CLOSE)
        assert row.curve.tolist() == pytest.approx([score for _, score in points], abs=CLOSE)
        x, y = row.share.tolist(), row.curve.tolist()
        area = sum((y[i] + y[i + 1]) / 2 * (x[i + 1] - x[i]) for i in range(len(x) - 1))
        assert row.area.value == pytest.approx(area, abs=1e-6)
        assert row.area.lo < row.area.value < row.area.hi
        if strong <= weak:
            continue
        assert row.apgr.value == pytest.approx((area - weak) / (strong - weak), abs=1e-5)
        chosen = {"oracle": np.maximum(small, large), "random": (small + large) / 2, "Own": large}[row.router]
        assert row.score.value == pytest.approx(chosen.mean(), abs=1e-6)
        assert row.pgr.value == pytest.approx((chosen.mean() - weak) / (strong - weak), abs=1e-5)
        for part, found in ((0.2, row.cpt20), (0.5, row.cpt50), (0.8, row.cpt80)):
            grid = np.linspace(0, 1, 20_001)
            gain = (np.interp(grid, x, y) - weak) / (strong - weak)
            assert found == pytest.approx(grid[np.argmax(gain >= part - CLOSE)], abs=1e-4)
    assert (
        np.interp(rows["Own"].share, rows["oracle"].share, rows["oracle"].curve) >= rows["Own"].curve - CLOSE
    ).all()


def test_a_router_learns_on_the_pair(release: Release) -> None:
    result = two(release, Pair(SMALL, LARGE), costs="params_b", resamples=0)
    rows = {row.router: row for row in result.routings if row.benchmark == "toy"}
    assert [*rows] == ["oracle", "heuristic", "knn", "random"]
    assert (rows["knn"].encoder, rows["heuristic"].encoder) == ("minilm", None)
    assert (rows["knn"].small_cost, rows["knn"].large_cost, rows["knn"].costs) == (4.0, 18.0, "params_b")
    assert result.notes[0] == (
        "soft: no pair: org/model-0017 has a score on 0 of 120 items; expected 100% of them, as of every "
        "candidate of this release"
    )
    assert "no curve and no choices under a budget: not defined for best_single" in result.notes
    ordinary = {row.router: row for row in result.rows}
    assert ordinary["knn"].metrics["mu_o"].value == rows["knn"].score.value
    assert ordinary["knn"].spending.metrics["apgr"].value == pytest.approx(rows["knn"].apgr.value, abs=1e-6)


def test_a_small_model_that_is_not_worse_is_said_and_not_swapped(release: Release) -> None:
    there = two(release, Pair(SMALL, LARGE), resamples=0).routings[0]
    names = (SMALL, LARGE) if there.small_score >= there.large_score else (LARGE, SMALL)
    for row in two(release, Pair(*names), resamples=0).routings:
        assert (row.small, row.large) == names
        assert row.small_score >= row.large_score
        assert {row.pgr.value, row.apgr.value, row.cpt20, row.cpt50, row.cpt80} == {None}
        assert f"the small model, {names[0]}, scores {row.small_score:.3f}" in row.note
        assert row.note.endswith("the two are not swapped")
        assert row.area.value is not None


def test_other_answers_of_a_pair(release: Release) -> None:
    result = two(release, Pair(SMALL, LARGE), costs="params_b", curve="mean", pairs=True, resamples=100)
    assert {(c.method, c.kind, c.m) for c in result.curves} == {("pair", "pair", 2), ("pair", "mean", 2)}
    assert len(result.differences) == 2 * 10
    unseen = two(release, Pair(SMALL, "org/model-0009"), track="unseen", resamples=0)
    assert {row.track for row in unseen.routings} == {"unseen"}
    compat = two(release, Pair(SMALL, LARGE), compat=True, benchmarks=["toy"], resamples=0)
    assert compat.routings[0].scheme == "paper"


def test_items_without_a_score_are_left_out(tmp_path: Path) -> None:
    write_release(tmp_path, [random_fixture("toy", sizes={"a": 400}, ms=(3,))])
    path = tmp_path / "scores" / "toy.parquet"
    table = pq.read_table(path)
    gone = pc.and_(pc.equal(table["model_id"], LARGE), pc.less(table["item"], 4))
    pq.write_table(table.filter(pc.invert(gone)), path)
    with pytest.raises(
        UsageError, match="org/model-0017 has a score on 396 of 400 items; expected 100% of them"
    ):
        two(load_release(tmp_path), Pair(SMALL, LARGE), resamples=0)
    result = two(replace(load_release(tmp_path), min_coverage=0.985), Pair(SMALL, LARGE), resamples=0)
    assert "toy, m = 2: 4 items without all scores left out" in result.notes
    items = pq.read_table(tmp_path / "data/toy/test.parquet")["item"].to_numpy()
    assert result.routings[0].n_test == (items >= 4).sum()


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        ((SMALL, SMALL), "expected two different models"),
        ((SMALL, LARGE, "large"), "no confidence 'large'; valid: difference, small"),
    ],
)
def test_what_is_no_pair(pair: tuple[str, ...], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Pair(*pair)


def test_a_model_that_nobody_knows_has_near_names(release: Release) -> None:
    with pytest.raises(UsageError) as error:
        two(release, Pair("org/Model-003", LARGE))
    assert str(error.value).startswith("no model 'org/Model-003' has scores on soft, toy; near: org/model-0")
    with pytest.raises(UsageError, match="no model 'gpt' has scores on toy; it has 40 models"):
        two(release, Pair(SMALL, "gpt"), benchmarks=["toy"])
    with pytest.raises(UsageError, match="no benchmark 'toys'; this release has soft, toy"):
        two(release, Pair(SMALL, LARGE), benchmarks=["toys"])
    with pytest.raises(
        UsageError, match="no model 'org/model-0017' has scores on soft; near: org/model-0007"
    ):
        two(release, Pair(SMALL, LARGE), benchmarks=["soft"])


def test_a_pair_is_no_group(release: Release) -> None:
    for name, value in {"sizes": [2], "method": "paper"}.items():
        with pytest.raises(UsageError, match=f"pair cannot be used with {name}: it takes the place"):
            two(release, Pair(SMALL, LARGE), **{name: value})
    with pytest.raises(UsageError, match="router 'oracle': a line beside every curve has this name"):
        evaluate(release, {"oracle": Own}, pair=Pair(SMALL, LARGE))


def run(capsys: pytest.CaptureFixture[str], folder: Path, *options: object) -> tuple[int, str, str]:
    code = main([str(folder), "--resamples", "0", *map(str, options)], prog="routerset evaluate")
    captured = capsys.readouterr()
    return code, captured.out, captured.err


BOTH = ("--pair", f"{SMALL},{LARGE}")


def test_a_pair_from_the_command_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, folder, *BOTH, "--confidence", "small", "--costs", "params_b")
    assert code == 0
    assert max(map(len, out.splitlines())) <= 80
    assert "order: estimated score of the small one (RouterBench+)" in out
    code, out, _ = run(capsys, folder, *BOTH, "--format", "json", "--routers", "knn")
    rows = json.loads(out)
    assert code == 0
    assert [row["router"] for row in rows] == ["oracle", "knn", "random"]
    assert {*Routing.__dataclass_fields__} <= {*rows[0]}
    assert rows[0]["share"][0] == 0
    assert rows[0]["share"][-1] == 1
    code, out, _ = run(capsys, folder, *BOTH, "--format", "md", "--routers", "knn")
    assert code == 0
    assert sum(line.startswith("|") for line in out.splitlines()) == 2 + 3
    for options in (("--curve", "cap"), ("--selector", "optimal")):
        code, out, _ = run(capsys, folder, *BOTH, "--costs", "params_b", *options)
        assert code == 0
        assert "toy  m=2  groups: pair  split: paper" in out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--pair", SMALL), f"--pair {SMALL}: expected two models, as in --pair SMALL,LARGE"),
        (("--pair", f"{SMALL},"), "expected two models"),
        (("--pair", f"{SMALL},{LARGE},c"), "expected two models"),
        (("--pair", ""), "--pair: found nothing, expected a value"),
        (("--confidence", "small"), "--confidence needs --pair SMALL,LARGE"),
        ((*BOTH, "--sizes", "2"), "--pair cannot be used with --sizes: it takes the place of groups"),
        ((*BOTH, "--method", "paper"), "--pair cannot be used with --method"),
        ((*BOTH, "--predictions", "x.csv"), "--pair cannot be used with --predictions"),
        ((*BOTH, "--scaling"), "--scaling cannot be used with --pair"),
    ],
)
def test_options_that_a_pair_has_no_use_for(
    folder: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], message: str
) -> None:
    code, out, err = run(capsys, folder, *options)
    assert (code, out) == (2, "")
    assert message in err
