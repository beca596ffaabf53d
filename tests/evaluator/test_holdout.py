"""Categories that routers do not learn from."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from routerset.release.evaluator import Release, Task, UsageError, evaluate, load_release
from routerset.release.evaluator.__main__ import main
from routerset.release.evaluator.estimates import change_of_strata
from routerset.release.evaluator.holdout_rows import HeldOut, held_out_table
from tests.evaluator.releases import KINDS, Fixture, random_fixture, write_release

ROUTERS = ["knn", "c_roberta", "random", "oracle"]


def three_topics(seed: int = 0, n: int = 300) -> Fixture:
    """Three categories across two subsets, some families that cross categories."""
    fixture = random_fixture("one", sizes={"a": n // 2, "b": n - n // 2}, ms=(3,), seed=seed)
    rng = np.random.default_rng(seed)
    fixture.categories = rng.choice(["x", "y", "z"], n).tolist()
    fixture.families = [f"f{i}" for i in rng.integers(0, n * 2, n)]
    return fixture


def removed(fixture: Fixture, names: set[str]) -> np.ndarray:
    """Rows that nothing may be learnt of, one by one."""
    about = list(fixture.categories or fixture.subsets)
    related = {f for f, name in zip(fixture.families, about, strict=True) if name in names}
    return np.array([name in names or f in related for f, name in zip(fixture.families, about, strict=True)])


def without(fixture: Fixture, names: set[str], asked: str) -> Fixture:
    """The benchmark as if the categories had never been in train or validation; its test: one of them."""
    side = fixture.splits["paper"].copy()
    side[removed(fixture, names) & (side != "test")] = "gone"
    side[(np.array(fixture.categories) != asked) & (side == "test")] = "gone"
    return replace(fixture, splits={"paper": side})


def only(rows: tuple[HeldOut, ...], **fields: object) -> HeldOut:
    (row,) = [r for r in rows if all(getattr(r, name) == value for name, value in fields.items())]
    return row


@pytest.mark.parametrize("hold_out", ["all", [["x", "y"]]])
def test_rows_are_what_two_evaluations_by_themselves_find(tmp_path: Path, hold_out: object) -> None:
    fixture = three_topics()
    found = evaluate(
        load_release(write_release(tmp_path / "all", [fixture])), ROUTERS, hold_out=hold_out, resamples=0
    )  # type: ignore[arg-type]
    sets = [{"x"}, {"y"}, {"z"}] if hold_out == "all" else [{"x", "y"}]
    for names in sets:
        for asked in sorted(names):
            cut = write_release(tmp_path / "".join((*sorted(names), asked)), [without(fixture, names, asked)])
            alone = evaluate(load_release(cut), [*ROUTERS, "best_single", "heuristic"], resamples=0)
            train = (fixture.splits["paper"] == "train") & ~removed(fixture, names)
            for row in (*alone.rows, *alone.means):
                told = only(found.held_out, router=row.router, kind=row.kind, category=asked)
                assert told.n_test == row.n_test
                assert told.n_train == train.sum()
                assert told.n_removed == (fixture.splits["paper"] == "train").sum() - train.sum() > 0
                assert told.metrics["mu_o_without"].value == row.metrics["mu_o"].value
                assert set(told.held_out.split(",")) == names
    for row in found.held_out:
        before, after, delta = (
            row.metrics[name].value or 0 for name in ("mu_o_with", "mu_o_without", "delta")
        )
        assert delta == pytest.approx(100 * (after - before), abs=2e-4)
    weights = {
        name: np.mean(np.array(fixture.categories)[fixture.splits["paper"] == "test"] == name)
        for name in "xyz"
    }
    if hold_out == "all":  # what they score having learnt all is what the evaluation says
        for row in found.means:
            parts = [only(found.held_out, router=row.router, kind="mean", category=name) for name in "xyz"]
            whole = sum(weights[p.category or ""] * (p.metrics["mu_o_with"].value or 0) for p in parts)
            assert row.metrics["mu_o"].value == pytest.approx(whole, abs=1e-5)


def test_the_average_is_unweighted(tmp_path: Path) -> None:
    found = evaluate(
        load_release(write_release(tmp_path, [three_topics()])), ["knn"], hold_out="all", resamples=0
    ).held_out
    for kind in (*KINDS, "mean"):
        parts = [only(found, router="knn", kind=kind, category=name) for name in "xyz"]
        average = only(found, router="knn", kind=kind, category=None)
        for name in ("mu_o_with", "mu_o_without", "delta"):
            mean = np.mean([part.metrics[name].value for part in parts])
            assert average.metrics[name].value == pytest.approx(mean, abs=1e-5)
        assert average.n_test == sum(part.n_test for part in parts)
        assert average.n_train is None


def planted(n: int = 600) -> Fixture:
    """Model 0 is right on all of `plain`. On `signal`, three times as large, an item's vector tells which of
    model 1 and model 2 is right, and model 1 is right on more; model 0 is on a tenth.
    """
    rng = np.random.default_rng(5)
    signal = np.arange(n) % 4 != 0
    side = np.where(rng.random(n) < 0.6, 1, 2)
    scores = np.zeros((3, n), np.float32)
    scores[0] = ~signal | (np.arange(n) % 10 == 1)
    for model in (1, 2):
        scores[model] = signal & (side == model)
    vectors = rng.normal(0, 0.05, (n, 4)).astype(np.float32)
    vectors[np.arange(n), np.where(signal, side, 0)] += 1
    groups = {("paper", 3, kind): [0, 1, 2] for kind in KINDS}
    splits = np.array(["train"] * 6 + ["validation"] * 1 + ["test"] * 3, object)[rng.integers(0, 10, n)]
    names = np.where(signal, "signal", "plain").tolist()
    return Fixture("one", scores, {"minilm": vectors}, groups, {"paper": splits}, categories=names)


def test_a_signal_in_one_category_is_lost_with_it_and_the_ranking_too(tmp_path: Path) -> None:
    fixture = planted()
    found = evaluate(
        load_release(write_release(tmp_path, [fixture])), ["knn"], hold_out=["signal", "plain"]
    ).held_out
    asked = (fixture.splits["paper"] == "test") & (np.array(fixture.categories) == "signal")
    by_model = fixture.scores[:, asked].mean(axis=1)
    knn = only(found, router="knn", kind="mean", category="signal")
    assert knn.metrics["mu_o_with"].value == 1.0
    assert knn.metrics["mu_o_without"].value == pytest.approx(by_model[0], abs=1e-6)
    assert knn.metrics["delta"].value == pytest.approx(100 * (by_model[0] - 1), abs=1e-4)
    assert (knn.metrics["delta"].hi or 0) < -60
    for router in ("best_single", "heuristic"):  # which take model 1, and model 0 where `signal` is gone
        row = only(found, router=router, kind="mean", category="signal")
        wrong = 100 * (by_model[0] - by_model[1])
        assert row.metrics["delta"].value == pytest.approx(wrong, abs=1e-4)
        differences = 100 * (fixture.scores[0, asked] - fixture.scores[1, asked])
        interval = stats.ttest_1samp(differences, 0).confidence_interval(0.95)
        assert row.metrics["delta"].lo == pytest.approx(interval.low, abs=1e-4)
        assert row.metrics["delta"].hi == pytest.approx(interval.high, abs=1e-4)
    for router in ("best_single", "heuristic"):  # which take model 1 either way
        plain = only(found, router=router, kind="mean", category="plain")
        assert plain.metrics["delta"].value == 0
        assert plain.metrics["delta"].lo is None


class Spy:
    """A router that keeps what it is given."""

    tasks: list[Task]

    def fit(self, task: Task) -> None:
        self.tasks.append(task)

    def predict_proba(self, task: Task) -> np.ndarray:
        return np.full((task.n_test, task.m), 1 / task.m)


def spy(release: Release, **options: object) -> list[Task]:
    found: list[Task] = []
    evaluate(release, [type("Mine", (Spy,), {"tasks": found})], resamples=0, **options)  # type: ignore[arg-type]
    return found


def test_a_router_finds_no_row_of_what_is_held_out(tmp_path: Path) -> None:
    fixture = three_topics()
    n = len(fixture.families)
    fixture.vectors["minilm"][:, 0] = np.arange(n)
    folder = write_release(tmp_path, [fixture])
    write_costs(folder, fixture)
    with_it, without_it = np.split(
        np.array(spy(load_release(folder), hold_out=["y"], costs="usd"), object), 2
    )
    gone = set(np.flatnonzero(removed(fixture, {"y"})))
    for task in without_it:
        rows = {split: getattr(task, f"X_{split}")[:, 0].astype(int) for split in ("train", "val")}
        assert not gone & {*rows["train"].tolist(), *rows["val"].tolist()}
        assert "y" not in {*task.categories.train, *task.categories.validation}
        assert set(task.categories.test) == {"y"}
        assert task.Y_test is None
        assert task.read_everyone is None
        for split, short in (("train", "train"), ("validation", "val")):
            assert task.read_prompts(split) == [fixture.prompts[i] for i in rows[short]]
            for field in ("X", "Y", "labels"):
                assert len(getattr(task, f"{field}_{short}")) == len(rows[short])
            assert len(getattr(task.costs, split)) == len(rows[short])
        assert task.costs is not None
        assert np.allclose(task.costs.mean, np.mean(task.costs.train, axis=0))
        assert {f.name for f in fields(task)} == {f.name for f in fields(Task)}
    assert len(with_it) == len(without_it) == 3
    assert {"y"} < set(with_it[0].categories.train)


def test_relatives_in_other_categories_are_removed_too(tmp_path: Path) -> None:
    fixture = three_topics()
    about, side = np.array(fixture.categories), fixture.splits["paper"]
    twins = [np.flatnonzero((about == "x") & (side == split))[0] for split in ("train", "validation")]
    asked = np.flatnonzero((about == "y") & (side == "test"))[0]
    fixture.families = [f"own-{i}" for i in range(len(about))]
    for row in (*twins, asked):
        fixture.families[row] = "shared"
    kept = {split: int(((side == split) & (about != "y")).sum()) for split in ("train", "validation")}
    task = spy(load_release(write_release(tmp_path, [fixture])), hold_out=["y"])[-1]
    assert (len(task.Y_train), len(task.Y_val)) == (kept["train"] - 1, kept["validation"] - 1)


def write_costs(folder: Path, fixture: Fixture) -> None:
    """What every answer costs, and how large every model is."""
    rng = np.random.default_rng(3)
    n_models, n = fixture.scores.shape
    (folder / "costs").mkdir()
    costs = {
        "model_id": pa.array(np.repeat(fixture.models, n)).dictionary_encode(),
        "item": pa.array(np.tile(np.arange(n, dtype=np.int32), n_models)),
        "usd": pa.array((rng.random(n_models * n) + 0.1).astype(np.float32)),
    }
    pq.write_table(pa.table(costs), folder / "costs" / f"{fixture.name}.parquet")
    sizes = {"model_id": fixture.models, "params_b": np.linspace(1, 70, n_models)}
    pq.write_table(pa.table(sizes), folder / "models.parquet")


def test_areas_are_those_of_two_evaluations(tmp_path: Path) -> None:
    fixture = three_topics()
    folder = write_release(tmp_path / "all", [fixture])
    write_costs(folder, fixture)
    found = evaluate(load_release(folder), ROUTERS, hold_out=["x"], costs="params_b").held_out
    cut = write_release(tmp_path / "cut", [without(fixture, {"x"}, "x")])
    write_costs(cut, fixture)
    alone = evaluate(load_release(cut), [*ROUTERS, "heuristic", "best_single"], costs="params_b", resamples=0)
    for row in (*alone.rows, *alone.means):
        told = only(found, router=row.router, kind=row.kind, category="x").metrics
        if row.router == "best_single":
            assert told["area_cap_without"].value is None
            assert told["area_cap_delta"].value is None
            continue
        assert row.spending is not None
        assert told["area_cap_without"].value == row.spending.metrics["area_cap"].value
        change = 100 * ((told["area_cap_without"].value or 0) - (told["area_cap_with"].value or 0))
        assert told["area_cap_delta"].value == pytest.approx(change, abs=2e-4)
    assert "change in area" in held_out_table(found)


def test_a_small_category_is_printed_and_not_tested(tmp_path: Path) -> None:
    fixture = three_topics()
    side = fixture.splits["paper"]
    about = np.array(["x"] * 300, object)
    about[np.flatnonzero(side == "test")[:19]] = "y"
    about[np.flatnonzero(side == "train")[:20]] = "y"
    fixture.categories = about.tolist()
    release = load_release(write_release(tmp_path, [fixture]))
    found = evaluate(release, ["knn"], hold_out=["y"]).held_out
    assert found
    for row in found:
        assert row.n_test == 19
        assert (row.interval_note or "").startswith("too few items: 19")
        assert row.metrics["delta"].value is not None
        assert row.metrics["delta"].lo is None
    assert "*" not in held_out_table(found).split("100 x")[0]


@given(seed=st.integers(0, 10_000), n=st.integers(1, 60), parts=st.integers(1, 4))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_intervals_of_changes(seed: int, n: int, parts: int) -> None:
    rng = np.random.default_rng(seed)
    strata = [rng.normal(size=n + i) for i in range(parts)]
    found = change_of_strata(strata, 100)
    assert found.value == pytest.approx(100 * np.mean([part.mean() for part in strata]), abs=1e-5)
    total = sum(map(len, strata))
    if n < 2 or total - parts + 1 < 20:
        assert found.lo is None
        return
    error = 100 * np.sqrt(sum(part.var(ddof=1) / len(part) for part in strata)) / parts
    low, high = stats.t.interval(0.95, total - parts, found.value, error)
    assert (found.lo, found.hi) == (pytest.approx(low, abs=1e-4), pytest.approx(high, abs=1e-4))


def test_what_has_no_item_left_is_told(tmp_path: Path) -> None:
    one, two = random_fixture("one", ms=(3,), sizes={"a": 60}), three_topics()
    two.name = "two"
    one.families = [f"own-{i}" for i in range(60)]
    found = evaluate(
        load_release(write_release(tmp_path, [one, two])), ["knn"], hold_out=["a", "x"], resamples=0
    )
    assert {row.benchmark for row in found.held_out} == {"two"}
    assert "one: a is not held out: there is no train item without it" in found.notes
    assert "one: no category x to hold out" in found.notes
    assert held_out_table(()) == "no category was held out\n"


@pytest.mark.parametrize(
    "options",
    [
        {"hold_out": ["nothing"]},
        {"hold_out": [[]]},
        {"hold_out": [""]},
        {"hold_out": [["all", "x"]]},
        {"hold_out": "x", "track": "unseen"},
        {"hold_out": "x", "compat": True},
    ],
)
def test_what_cannot_be_held_out_is_refused(toy: Release, options: dict[str, object]) -> None:
    with pytest.raises(UsageError, match=r"hold.out|no category"):
        evaluate(toy, ["best_single"], **options)  # type: ignore[arg-type]


def test_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fixture = three_topics()
    fixture.categories = [{"x": "x, the first", "y": "y"}.get(c or "", c) for c in fixture.categories or ()]
    folder = str(write_release(tmp_path, [fixture]))
    options = ["--routers", "knn,random,oracle,mean", "--resamples", "0"]
    assert (
        main([folder, *options, "--hold-out", '"x, the first",y', "--hold-out", "z", "--format", "json"]) == 0
    )
    out, err = capsys.readouterr()
    rows = json.loads(out)
    assert {row["router"] for row in rows} == {"knn", "random", "oracle", "mean", "best_single", "heuristic"}
    assert {(row["held_out"], row["category"]) for row in rows} == {
        ('"x, the first",y', "x, the first"),
        ('"x, the first",y', "y"),
        ("z", "z"),
        ('"x, the first",y; z', None),
    }
    assert {"delta", "delta_lo", "delta_hi", "mu_o_with", "area_cap_delta", "n_removed"} < set(rows[0])
    assert 'evaluating one without "x, the first",y (1 of 1)' in err
    assert main([folder, *options, "--hold-out", "all"]) == 0
    table = capsys.readouterr().out
    assert max(map(len, table.splitlines())) <= 80
    assert "Average" in table
    assert "best_single" in table


@pytest.mark.parametrize(
    "other", [["--scaling"], ["--differences"], ["--predictions", "x.csv"], ["--compat"]]
)
def test_what_does_not_go_together_ends_with_2(
    toy_folder: Path, capsys: pytest.CaptureFixture[str], other: list[str]
) -> None:
    assert main([str(toy_folder), "--routers", "mean", "--hold-out", "a", *other]) == 2
    assert "error: " in capsys.readouterr().err
