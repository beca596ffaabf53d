"""Groups take one of each set of models with the same scores, and `paper` takes all."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from routerset.etl.build import build
from routerset.etl.config import ConfigError, Runner, load_config
from routerset.etl.groups.check import check_groups
from routerset.etl.groups.limits import Scored, limits
from routerset.etl.groups.methods import METHODS, choose, pool_for
from routerset.expectations.validate import validate
from routerset.release.verify import verify
from routerset.schemas.matrix import ScoreMatrix
from routerset.schemas.tables import Split
from routerset.schemas.twins import one_of_each
from tests.dumps import write_config, write_items, write_wide
from tests.test_nulls import rasch

SIZES = (3, 5)


def with_copies(n_models: int = 90, n_items: int = 130) -> ScoreMatrix:
    """A Rasch world in which every third model is there twice."""
    scores = rasch(n_models, n_items, seed=11)
    names = [f"org/m{row:03}" for row in range(n_models)]
    copies = {f"org/copy{row:03}": scores[row] for row in range(0, n_models, 3)}
    rows = dict(sorted({**dict(zip(names, scores, strict=True)), **copies}.items()))
    return ScoreMatrix(tuple(rows), np.stack([*rows.values()]))


def scored(matrix: ScoreMatrix) -> Scored:
    """A benchmark whose methods choose from one of each set of twins, where they do at all."""
    items = np.arange(matrix.scores.shape[1])
    sides = {Split.TRAIN: items[items % 10 < 8], Split.VALIDATION: items[items % 10 == 8]}
    sides[Split.TEST] = items[items % 10 == 9]
    pools = {method: pool_for(method, matrix, (), None) for method in METHODS}
    return Scored(matrix.scores, [len(items)], sides, SIZES, 42, pools)


def test_a_pool_is_as_if_there_were_no_other_models() -> None:
    matrix = with_copies()
    pool = one_of_each(matrix)
    assert len(pool) == 90
    train = np.arange(100)
    found, _ = choose("greedy", matrix.scores, SIZES, [130], train, 42, pool)
    alone, _ = METHODS["greedy"].choose(matrix.scores[pool], SIZES, [130], train, 42)
    assert [group.rows.tolist() for group in found] == [pool[group.rows].tolist() for group in alone]
    every, _ = choose("paper", matrix.scores, SIZES, [130], train, 42, pool_for("paper", matrix, (), None))
    published, _ = METHODS["paper"].choose(matrix.scores, SIZES, [130], train, 42)
    assert [group.rows.tolist() for group in every] == [group.rows.tolist() for group in published]


def test_noise_is_searched_in_the_same_pool() -> None:
    matrix = with_copies()
    pool = one_of_each(matrix)
    world = scored(matrix)
    dealt = np.random.default_rng(0).permuted(matrix.scores, axis=0)
    for group in world.choose("greedy", dealt)[0]:
        assert np.isin(group.rows, pool).all()
    tables = limits(world, ["greedy", "paper"])
    every = limits(replace(world, pools={}), ["greedy", "paper"])
    assert tables["paper"].equals(every["paper"])
    assert not tables["greedy"].equals(every["greedy"])


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Builds `one` and `all` of the same dumps."""
    folder = tmp_path_factory.mktemp("twins")
    matrix = with_copies()
    keys = [str(key) for key in range(matrix.scores.shape[1])]
    write_items(folder / "items.csv", keys)
    write_wide(folder / "dumps" / "a.csv", matrix.models, keys, matrix.scores.astype(float))
    for twins in ("one", "all"):
        extra = f'twins = "{twins}"\nmethods = ["greedy", "paper"]\n'
        config = load_config(write_config(folder / "x.toml", extra=extra))
        build(config, folder / twins, Runner(), lambda *_: None)
    return folder


def members(build: Path, method: str) -> list[list[str]]:
    path = build / f"tables/groups/method={method}/benchmark=gsm8k/part-0.parquet"
    rows = pq.read_table(path, partitioning=None).to_pylist()
    cells = sorted({(row["m"], row["kind"]) for row in rows})
    return [[r["model_id"] for r in rows if (r["m"], r["kind"]) == cell] for cell in cells]


def test_a_build_says_who_is_a_twin(built: Path) -> None:
    rows = pq.read_table(built / "one/tables/models.parquet").to_pylist()
    assert {row["model_id"]: row["twin_of"] for row in rows if row["twin_of"]} == {
        f"org/m{row:03}": f"org/copy{row:03}" for row in range(0, 90, 3)
    }


def test_greedy_groups_hold_no_twin_and_the_papers_stay(built: Path) -> None:
    twins = {f"org/m{row:03}" for row in range(0, 90, 3)}
    assert not twins.intersection(itertools.chain.from_iterable(members(built / "one", "greedy")))
    assert members(built / "one", "paper") == members(built / "all", "paper")
    assert members(built / "one", "greedy") != members(built / "all", "greedy")


@pytest.mark.parametrize("twins", ["one", "all"])
def test_gate_and_verify_follow(built: Path, twins: str) -> None:
    assert [f"{f.suite}.{f.expectation} {f.examples}" for f in validate(built / twins).errors] == []
    assert verify(built / twins / "release", [check_groups]) == []


def test_verify_finds_another_setting(built: Path) -> None:
    release = built / "one/release"
    manifest = (release / "manifest.json").read_text()
    try:
        (release / "manifest.json").write_text(manifest.replace('"twins": "one"', '"twins": "all"'))
        assert "other greedy groups of gsm8k" in {problem.found for problem in check_groups(release)}
    finally:
        (release / "manifest.json").write_text(manifest)


def test_a_config_says_one_or_all(tmp_path: Path) -> None:
    path = write_config(tmp_path / "x.toml", extra='twins = "some"\n')
    with pytest.raises(ConfigError, match=r"\[groups\] twins: .*some.*; valid: one, all"):
        load_config(path)
