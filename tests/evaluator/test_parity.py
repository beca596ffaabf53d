"""The reference code's own answers (shared/golden/routereval_compat.json), cell by cell."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from routerset.release.evaluator import Evaluation, Release, evaluate, load_release
from routerset.release.evaluator.items import load_items
from routerset.schemas.benchmarks import BENCHMARKS
from tests.evaluator.releases import KINDS, Fixture, paper_sides, write_release

SHARED = Path(__file__).resolve().parents[2] / ".." / "shared"
GOLDEN = SHARED / "golden" / "routereval_compat.json"
PICKLES = SHARED / "dumps" / "routereval_pickles"
SUBSETS = {"arc": "harness_arc_challenge_25", "gsm8k": "harness_gsm8k_5"}
REFERENCE_NAMES = {"c_roberta": "roberta_cluster"}
PRINTED = {"mu_o": "mu", "v_r": "Vr", "v_b": "Vb", "e_p": "Ep"}
REPEATS = 1000  # of Random and r_o(0.5) in the reference

pytestmark = pytest.mark.skipif(
    not (GOLDEN.exists() and PICKLES.exists()), reason="needs the folder shared beside the checkout"
)


@pytest.fixture(scope="module")
def golden() -> Mapping[str, dict]:
    return json.loads(GOLDEN.read_text())


@pytest.fixture(scope="module")
def release(golden: Mapping[str, dict], tmp_path_factory: pytest.TempPathFactory) -> Release:
    """Both benchmarks of the shared pickles, with the reference's splits, groups and vectors."""
    from routerset.etl.groups.candidates import paper_groups
    from routerset.etl.sources.pickles.reader import ArrayRef, load_pickle
    from routerset.schemas.splits import paper_split

    def array(value: object) -> np.ndarray:
        return value.load() if isinstance(value, ArrayRef) else np.asarray(value)

    board = load_pickle(PICKLES / "leaderboard_score" / "leaderboard_old.pkl")
    vectors = load_pickle(PICKLES / "leaderboard_embed" / "leaderboard_old_embed" / "minilm_result.pkl")
    models = [str(name) for name in board["model"]]
    fixtures = []
    for name, subset in SUBSETS.items():
        scores = np.ascontiguousarray(array(board["data"][subset]["correctness"]).T.astype(np.uint8))
        n = scores.shape[1]
        _, rng = paper_split([n], 42)
        groups, skipped = paper_groups(scores, [3, 5, 10, 100, 1000], rng)
        assert not skipped
        by_cell = {("paper", g.m, str(g.kind.value)): g.rows.tolist() for g in groups}
        for (_, m, kind), rows in by_cell.items():
            expected = golden[name]["groups"][f"m{m}/{kind}"]["models"]
            found = [models[r] for r in rows]
            ends = {"first": found[:5], "last": found[-5:]} if isinstance(expected, dict) else found
            assert ends == expected
        fixtures.append(
            Fixture(
                name,
                scores.astype(np.float32),
                {"minilm": array(vectors[subset])},
                by_cell,
                {"paper": paper_sides([n])[0]},
                models=models,
                reference_score=BENCHMARKS[name].reference_score,
            )
        )
    return load_release(write_release(tmp_path_factory.mktemp("parity"), fixtures))


def cells(golden: Mapping[str, dict], result: Evaluation) -> list[tuple[dict, dict[str, float]]]:
    """(the reference's printed metrics, ours) of every row that the reference has."""
    pairs = []
    for row in result.rows:
        printed = golden[row.benchmark]["metrics"][REFERENCE_NAMES.get(row.router, row.router)]
        if f"m{row.m}/{row.kind}" in printed:
            ours = {theirs: row.metrics[name].value for name, theirs in PRINTED.items()}
            pairs.append((printed[f"m{row.m}/{row.kind}"], ours))
    return pairs


@pytest.mark.parametrize("router", ["knn", "c_roberta", "oracle"])
def test_every_printed_decimal_of_all_cells(
    release: Release, golden: Mapping[str, dict], router: str
) -> None:
    pairs = cells(golden, evaluate(release, [router], compat=True, resamples=0))
    assert len(pairs) == 30
    for printed, ours in pairs:
        assert {name: round(value, 4) for name, value in ours.items()} == printed


def test_train_rows_come_in_the_order_of_the_reference(release: Release, golden: Mapping[str, dict]) -> None:
    from routerset.release.evaluator.items import reference_order

    for name in SUBSETS:
        parts = load_items(release, name, [], None, "paper").parts
        order = reference_order({split: part.subsets for split, part in parts.items()}, release.split_seed)
        numbers = [int(parts["train"].item_ids[i][-5:]) for i in order]
        assert numbers == golden[name]["split_index"]["train"]


@pytest.mark.parametrize(("router", "p"), [("random", 0.0), ("r_o_0.5", 0.5)])
def test_random_mixtures_within_three_standard_errors(
    release: Release, golden: Mapping[str, dict], router: str, p: float
) -> None:
    result = evaluate(release, [router], sizes=[3, 5], resamples=0)
    for name in SUBSETS:
        groups = [g for g in release.groups_of(name, "paper") if g.m in (3, 5)]
        tests = load_items(release, name, groups, None, "paper").parts["test"].scores
        for group in groups:
            Y = tests[group].astype(np.float64)
            value = p * Y.max(axis=1) + (1 - p) * Y.mean(axis=1)
            square = p * Y.max(axis=1) ** 2 + (1 - p) * (Y**2).mean(axis=1)
            error = np.sqrt((square - value**2).sum()) / len(Y) / np.sqrt(REPEATS)
            printed = golden[name]["metrics"][router][f"m{group.m}/{group.kind}"]
            row = next(r for r in result.rows if (r.benchmark, r.m, r.kind) == (name, group.m, group.kind))
            mu = row.metrics["mu_o"].value or 0.0
            assert abs(mu - printed["mu"]) <= 3 * error + 5e-5
            assert round(row.metrics["e_p"].value or 0.0, 4) == printed["Ep"]


def assert_within_range_of_seeds(release: Release, golden: Mapping[str, dict], router: str) -> None:
    """The reference's one unseeded run lies in the 99% range for a further run, given 20 of ours."""
    seeds = 20
    runs = [
        cells(golden, evaluate(release, [router], sizes=[3, 5], compat=True, seed=seed, resamples=0))
        for seed in range(seeds)
    ]
    reach = stats.t.ppf(0.995, seeds - 1) * np.sqrt(1 + 1 / seeds)
    for by_seed in zip(*runs, strict=True):
        printed = by_seed[0][0]
        for name in PRINTED.values():
            values = np.array([ours[name] for _, ours in by_seed])
            assert abs(printed[name] - values.mean()) <= reach * values.std(ddof=1) + 1e-4, (printed, name)
    assert len(runs[0]) == 2 * 2 * len(KINDS)


def test_linear_within_the_range_of_seeds(release: Release, golden: Mapping[str, dict]) -> None:
    assert_within_range_of_seeds(release, golden, "linear")


@pytest.mark.slow
def test_mlp_within_the_range_of_seeds(release: Release, golden: Mapping[str, dict]) -> None:
    assert_within_range_of_seeds(release, golden, "mlp")
