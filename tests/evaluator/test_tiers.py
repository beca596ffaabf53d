"""How large the models are that routers choose."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from routerset.release.evaluator import Evaluation, evaluate, load_release
from routerset.release.evaluator.__main__ import main
from routerset.release.evaluator.tiers import TIERS, read_tiers, tier_of, tier_table
from tests.evaluator.releases import KINDS, Fixture, random_fixture, write_release

ROUTERS = ["knn", "best_single", "oracle", "random", "heuristic"]


@pytest.mark.parametrize(
    ("params_b", "is_moe", "priced", "tier"),
    [
        (3.0, None, False, "<= 3B"),
        (3.01, False, True, "3-10B"),
        (10.0, False, False, "3-10B"),
        (20.0, False, False, "10-20B"),
        (45.0, False, False, "20-45B"),
        (45.1, False, False, "> 45B"),
        (46.7, True, False, "MoE"),
        (None, True, True, "MoE"),
        (None, None, True, "API"),
        (-1.0, None, True, "API"),
        (float("nan"), None, False, "unknown"),
        (None, False, False, "unknown"),
    ],
)
def test_the_tier_of_a_model(params_b: float | None, is_moe: bool | None, priced: bool, tier: str) -> None:
    assert tier_of(params_b, is_moe, priced) == tier


def write(folder: Path, fixture: Fixture, **columns: object) -> Path:
    write_release(folder, [fixture])
    n = len(fixture.models)
    sizes = np.array([1.0, 7, 13, 34, 70])[np.arange(n) % 5] + np.arange(n) / 1000
    table = {"model_id": fixture.models, "params_b": sizes, **columns}
    pq.write_table(pa.table(table), folder / "models.parquet")
    return folder


def share(found: Evaluation, router: str, kind: str, cap: float | None = None) -> dict[str, float]:
    rows = [r for r in found.by_tier if (r.router, r.kind, r.cap) == (router, kind, cap)]
    return {row.tier: row.metrics["share"].value or 0.0 for row in rows}


def test_shares_are_of_all_choices(tmp_path: Path) -> None:
    fixture = random_fixture("one", ms=(5,), sizes={"a": 400})
    release = load_release(write(tmp_path, fixture))
    found = evaluate(release, ROUTERS, by="tier", resamples=0)
    tiers = read_tiers(release, fixture.models)
    side = fixture.splits["paper"]
    for kind in KINDS:
        members = list(fixture.groups["paper", 5, kind])
        names = [tiers[fixture.models[i]] for i in members]
        scores = fixture.scores[members]
        best = scores[:, side == "test"] == scores[:, side == "test"].max(axis=0)
        chosen = best / best.sum(axis=0)
        expected = {
            "random": np.full(chosen.shape, 1 / 5),
            "oracle": chosen,
            "best_single": np.eye(5)[:, [int(scores[:, side == "train"].mean(axis=1).argmax())]],
        }
        for router, policy in expected.items():
            told = share(found, router, kind)
            for tier in {*names}:
                mean = policy.mean(axis=1)[[name == tier for name in names]].sum()
                assert told[tier] == pytest.approx(mean, abs=1e-6)
        pools = {r.tier: r.candidates for r in found.by_tier if (r.router, r.kind) == ("knn", kind)}
        assert pools == {tier: pytest.approx(names.count(tier) / 5) for tier in told}
    for router in ROUTERS:
        kinds = [share(found, router, kind) for kind in KINDS]
        means = share(found, router, "mean")
        assert sum(means.values()) == pytest.approx(1, abs=1e-5)
        for tier, value in means.items():
            assert value == pytest.approx(np.mean([k[tier] for k in kinds]), abs=1e-5)
    assert {row.cap for row in found.by_tier} == {None}


def test_under_caps_no_larger_model_is_chosen(tmp_path: Path) -> None:
    fixture = random_fixture("one", ms=(5,), sizes={"a": 300})
    release = load_release(write(tmp_path, fixture))
    found = evaluate(release, ROUTERS, by="tier", costs="params_b", resamples=0)
    caps = sorted({row.cap for row in found.by_tier if row.cap is not None})
    size = dict(
        zip(fixture.models, pq.read_table(tmp_path / "models.parquet")["params_b"].to_pylist(), strict=True)
    )
    tiers = read_tiers(release, fixture.models)
    side = fixture.splits["paper"]
    assert len(caps) == 5
    for cap in caps:
        for kind in KINDS:
            members = [fixture.models[i] for i in fixture.groups["paper", 5, kind]]
            allowed = [m for m in members if size[m] <= cap] or [min(members, key=size.__getitem__)]
            train = fixture.scores[list(fixture.groups["paper", 5, kind])][:, side == "train"].mean(axis=1)
            best = max(allowed, key=lambda m: (train[members.index(m)], -size[m]))
            assert share(found, "heuristic", kind, cap)[tiers[best]] == 1
            drawn = share(found, "random", kind, cap)
            for tier in drawn:
                expected = sum(tiers[m] == tier for m in allowed) / len(allowed)
                assert drawn[tier] == pytest.approx(expected, abs=1e-6)
            for router in ("knn", "oracle"):
                told = share(found, router, kind, cap)
                assert sum(told.values()) == pytest.approx(1, abs=1e-5)
                assert {t for t, value in told.items() if value} <= {tiers[m] for m in allowed}
    assert not [r for r in found.by_tier if r.router == "best_single" and r.cap is not None]
    # without a cap nothing else binds; a tie there goes to the better on train, here to the cheaper one
    assert share(found, "heuristic", "all_weak", caps[-1]) == share(found, "heuristic", "all_weak")


def test_a_release_that_tells_nothing_of_its_models(tmp_path: Path) -> None:
    fixture = random_fixture("one", ms=(3,))
    found = evaluate(load_release(write_release(tmp_path, [fixture])), ["mean"], by="tier", resamples=0)
    assert {row.tier for row in found.by_tier} == {"unknown"}
    n = len(fixture.models)
    pq.write_table(pa.table({"model_id": fixture.models}), tmp_path / "models.parquet")
    assert {*read_tiers(load_release(tmp_path), fixture.models).values()} == {"unknown"}
    columns = {"params_b": pa.nulls(n, pa.float64()), "is_moe": [True] * n, "usd_per_mtok_out": [1.0] * n}
    pq.write_table(pa.table({"model_id": fixture.models, **columns}), tmp_path / "models.parquet")
    assert {*read_tiers(load_release(tmp_path), fixture.models).values()} == {"MoE"}


def test_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(write(tmp_path, random_fixture("one", ms=(3, 5), sizes={"a": 300})))
    options = ["--routers", ",".join(ROUTERS), "--resamples", "0", "--by", "tier"]
    assert main([folder, *options, "--format", "json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {"router", "tier", "cap", "candidates", "share", "share_lo", "share_hi"} < set(rows[0])
    assert {row["tier"] for row in rows} <= set(TIERS)
    for extra in ([], ["--costs", "params_b"]):
        assert main([folder, *options, *extra]) == 0
        table = capsys.readouterr().out
        assert max(map(len, table.splitlines())) <= 80
        assert ("by the highest cost of an answer" in table) == bool(extra)
    assert tier_table(()) == "nothing was evaluated\n"
