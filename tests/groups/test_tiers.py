"""`[groups] tiers`: a universe of models of some sizes, in builds, releases, gate and `verify`."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from routerset.etl.build import build
from routerset.etl.config import ConfigError, Runner, load_config
from routerset.etl.console import candidate_groups
from routerset.etl.groups.check import check_groups
from routerset.etl.groups.limits import limits
from routerset.etl.groups.methods import METHODS, choose, pool_for
from routerset.etl.groups.tiers import of_tiers
from routerset.expectations.plan import open_session
from routerset.expectations.target import locate
from routerset.expectations.validate import validate
from routerset.expectations.views.scores import of_tiers as of_tiers_at_the_gate
from routerset.release.evaluator.tiers import TIERS
from routerset.release.verify import verify
from routerset.schemas.matrix import ScoreMatrix
from routerset.schemas.tables import SCHEMA_VERSION, TABLES, Split
from tests.dumps import write_config, write_items, write_wide
from tests.test_limits import scored
from tests.test_nulls import rasch

SIZES = ("1b", "3b", "7b", "13b", "34b", "70b", "mixtral-8x7b", "large")
NAMES = [f"org/m{row:03}-{SIZES[row % len(SIZES)]}" for row in range(40)]
ASKED = ("<= 3B", "unknown")
OF_ASKED = {name for name in NAMES if name.endswith(("-1b", "-3b", "-large"))}
SCORES = rasch(40, 160, seed=11)
SCORES[1] = SCORES[2]  # a model of 3B, and a larger one with the same scores before it by the number of them
WORDS = [f"{key}" for key in range(SCORES.shape[1])]


def make(folder: Path, groups: str, sizes: str = "[3, 5, 20]") -> Path:
    """A build of all models; returns its folder."""
    write_items(folder / "items.csv", WORDS)
    write_wide(folder / "dumps/a.csv", NAMES, WORDS, SCORES.astype(float))
    path = write_config(folder / "x.toml", extra=f'methods = ["universe", "greedy"]\n{groups}\n')
    path.write_text(path.read_text().replace("sizes = [3, 5]", f"sizes = {sizes}"))
    build(load_config(path), folder / "build", Runner(), lambda *_: None)
    return folder / "build"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A build whose universe is of some tiers."""
    return make(tmp_path_factory.mktemp("tiers"), f"tiers = {json.dumps(ASKED)}")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A build of the same models whose universe is of all."""
    return make(tmp_path_factory.mktemp("whole"), "")


def manifest_of(made: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((made / "release/manifest.json").read_text())
    return found


def members(made: Path, method: str) -> set[str]:
    rows = pq.read_table(made / "release/groups.parquet").to_pylist()
    return {row["model_id"] for row in rows if row["method"] == method}


def test_a_universe_is_of_its_tiers_alone(built: Path, whole: Path) -> None:
    assert of_tiers(built / "release/models.parquet", ASKED) == tuple(sorted(OF_ASKED))
    assert of_tiers(built / "release/models.parquet", ()) is None
    assert members(built, "universe") <= OF_ASKED
    assert not members(whole, "universe") <= OF_ASKED
    assert members(built, "greedy") == members(whole, "greedy")
    entry = manifest_of(built)["benchmarks"]["gsm8k"]
    skipped = [row for row in entry["skipped_groups"] if row["method"] == "universe"]
    n_pool = int((SCORES[[name in OF_ASKED for name in NAMES]].mean(axis=1) <= 0.9).sum())
    assert [row["m"] for row in skipped] == [20]
    assert skipped[0]["reason"].startswith("expected at least 20 models in the open pool, found 1")
    assert n_pool < 20


def test_gate_and_verify_follow(built: Path, whole: Path) -> None:
    for made in (built, whole):
        assert [f"{f.suite}.{f.expectation} {f.examples}" for f in validate(made).errors] == []
        assert verify(made / "release", [check_groups]) == []


def test_models_that_are_left_out_are_counted_by_tier(built: Path) -> None:
    models = {"<= 3B": 10, "3-10B": 5, "10-20B": 5, "20-45B": 5, "> 45B": 10, "unknown": 5}
    assert manifest_of(built)["tiers"] == {"chosen": [*ASKED], "models": models}
    card = " ".join((built / "release/README.md").read_text().split())
    assert (
        "of these tiers of size alone: `<= 3B` (10), `unknown` (5). It leaves out: `3-10B` (5), `10-20B` (5),"
        in card
    )
    stage = json.loads((built / "manifest.json").read_text())["stages"]["groups"]["info"]
    lines = candidate_groups(stage, ["universe", "greedy"]).splitlines()
    assert ["unknown", "5"] in [line.split() for line in lines]
    assert [">", "45B", "10", "left", "out"] in [line.split() for line in lines]


def test_other_numbers_of_models_are_told(built: Path, tmp_path: Path) -> None:
    copy = tmp_path / "release"
    shutil.copytree(built / "release", copy)
    document = json.loads((copy / "manifest.json").read_text())
    document["tiers"]["models"]["unknown"] = 4
    (copy / "manifest.json").write_text(json.dumps(document))
    assert any(problem.found.startswith("tiers") for problem in check_groups(copy))


def test_tiers_without_a_method_that_follows_them_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no method follows them; add `universe`"):
        load_config(write_config(tmp_path / "x.toml", extra='tiers = ["MoE"]\n'))


def test_what_was_not_asked_for_is_not_written(whole: Path) -> None:
    assert "tiers" not in manifest_of(whole)
    assert "tiers" not in json.loads((whole / "manifest.json").read_text())["stages"]["groups"]["info"]
    assert "tier" not in (whole / "release/README.md").read_text().split("## Groups")[-1].split("## ")[0]


def test_a_universe_of_other_tiers_is_told(whole: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(whole, copy)
    document = manifest_of(copy)
    document["tiers"] = {"chosen": ["<= 3B"], "models": {"<= 3B": 10}}
    (copy / "release/manifest.json").write_text(json.dumps(document))
    wrong = {(f.suite, f.expectation) for f in validate(copy / "release", suites=["groups"]).errors}
    assert ("groups", "pool") in wrong
    assert any("other universe groups" in problem.found for problem in check_groups(copy / "release"))


@pytest.mark.parametrize(("among", "told"), [(OF_ASKED, "adds_most"), ({*NAMES} - OF_ASKED, "pool")])
def test_a_planted_candidate_is_told(built: Path, tmp_path: Path, among: set[str], told: str) -> None:
    """A weak one of these tiers in the place of what adds most, and one of another tier."""
    copy = tmp_path / "copy"
    shutil.copytree(built, copy)
    path = copy / TABLES["groups"].path(benchmark="gsm8k", method="universe")
    table = pq.read_table(path)
    rows = table.to_pylist()
    means = dict(zip(NAMES, SCORES.mean(axis=1), strict=True))
    group = [row for row in rows if row["m"] == 3]
    used = {row["model_id"] for row in group}
    other = min(among - used - {*NAMES[1:3]}, key=lambda name: (means[name], name))
    group[0]["model_id"] = other
    pq.write_table(table.from_pylist(rows, table.schema), path)
    wrong = {f.expectation for f in validate(copy, suites=["groups"]).errors}
    assert wrong & {"adds_most", "pool"} == {told}


def test_a_change_of_tiers_is_told_with_the_version(built: Path, tmp_path: Path) -> None:
    previous = json.dumps(str(built / "release"))
    extra = f'tiers = ["3-10B", "unknown"]\n[release]\nprevious = {previous}'
    made = make(tmp_path, extra)
    assert manifest_of(made)["release"]["version"] == "2.0.0"
    changelog = (made / "release/CHANGELOG.md").read_text()
    assert "tiers `3-10B`, `unknown`, before of `<= 3B`, `unknown`" in changelog
    same = make(tmp_path, f'tiers = ["unknown", "<= 3B"]\n[release]\nprevious = {previous}')
    assert "tiers" not in (same / "release/CHANGELOG.md").read_text().split("## 1.0.0")[0]


@pytest.mark.parametrize("tier", ["<=3B", "moe", "", "3B"])
def test_an_unknown_tier_is_refused_with_those_that_there_are(tmp_path: Path, tier: str) -> None:
    with pytest.raises(ConfigError, match=r"\[groups\] tiers") as told:
        load_config(write_config(tmp_path / "x.toml", extra=f"tiers = {json.dumps([tier])}\n"))
    assert f"valid: {', '.join(TIERS)}" in str(told.value)


def test_a_tier_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'MoE' is there more than once"):
        load_config(write_config(tmp_path / "x.toml", extra='tiers = ["MoE", "MoE"]\n'))


def test_tiers_without_a_model_fill_no_group(tmp_path: Path) -> None:
    made = make(tmp_path, 'tiers = ["API"]', "[3]")
    (row,) = manifest_of(made)["benchmarks"]["gsm8k"]["skipped_groups"]
    reason = "expected at least 3 models in the open pool, found 0"
    assert row == {"method": "universe", "m": 3, "kind": "open", "reason": reason}
    assert [f"{f.suite}.{f.expectation} {f.examples}" for f in validate(made).errors] == []
    assert verify(made / "release", [check_groups]) == []


def test_gate_and_evaluator_sort_models_into_the_same_tiers(tmp_path: Path) -> None:
    sizes = (*(edge + step for edge in (0.0, 3.0, 10.0, 20.0, 45.0) for step in (-1, 0, 0.01)), None)
    cases = [
        (s, moe, usd) for s in (*sizes, np.nan, np.inf) for moe in (None, False, True) for usd in (None, 2.0)
    ]
    rows = [
        {"model_id": f"m{at:03}", "params_b": size, "is_moe": moe, "usd_per_mtok_in": usd}
        for at, (size, moe, usd) in enumerate(cases)
    ]
    path = tmp_path / "tables/models.parquet"
    path.parent.mkdir()
    schema = TABLES["models"].schema
    nullable = pa.schema([field.with_nullable(True) for field in schema], schema.metadata)
    pq.write_table(pa.Table.from_pylist(rows, nullable), path)
    for tier in TIERS:
        info = {"tiers": {"chosen": [tier], "models": {}}}
        stage = {"outputs": [], "info": info, "fingerprint": "0"}
        document = {"schema_version": SCHEMA_VERSION, "dataset": "x", "stages": {"groups": stage}}
        (tmp_path / "manifest.json").write_text(json.dumps(document))
        session = open_session(locate(tmp_path), None)
        found = of_tiers_at_the_gate(session)
        session.close()
        assert found
        assert tuple(found) == of_tiers(path, [tier])


def test_twins_are_looked_for_among_the_models_of_the_tiers() -> None:
    scores = np.concatenate([SCORES[:4], SCORES[:4]])
    matrix = ScoreMatrix(tuple(f"m{row}" for row in range(8)), scores)
    tiered = ["m1", "m4", "m6", "m2"]
    for method in METHODS:
        pool = pool_for(method, matrix, ["m0", "m6"], tiered)
        if method == "paper":
            assert pool is None
        elif method == "universe":
            assert pool is not None
            assert pool.tolist() == [4, 6]
        else:
            assert pool is not None
            assert pool.tolist() == [0, 3, 6]
    alone = pool_for("universe", matrix, None, tiered)
    assert alone is not None
    assert alone.tolist() == [1, 2, 4, 6]
    assert pool_for("greedy", matrix, None, tiered) is None


def test_limits_are_of_the_pool_as_if_there_were_no_others() -> None:
    at = scored(rasch(60, 200, seed=5))
    rows = np.arange(0, 60, 3)
    small = replace(at, pools={"universe": rows})
    first, _ = small.choose("universe", at.scores)[0]
    alone, _ = choose(
        "universe", at.scores[rows], at.sizes, at.subsets, at.sides[Split.TRAIN], at.seed, None
    )[0]
    assert first.rows.tolist() == rows[alone.rows].tolist()
    pool, _ = small.pool_of("universe", first)
    assert set(pool) <= set(rows)
    found, everyone = (limits(each, ["greedy", "universe"]) for each in (small, at))
    assert found["greedy"].equals(everyone["greedy"])
    at_most = found["universe"]["train_at_most"].to_pylist()
    assert all(a < b for a, b in zip(at_most, everyone["universe"]["train_at_most"].to_pylist(), strict=True))
