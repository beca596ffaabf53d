"""Releases with groups of kind `open`: built, checked, shown and evaluated as any other."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from routerset.etl.build import build
from routerset.etl.config import Runner, load_config
from routerset.etl.groups.check import check_groups
from routerset.expectations.validate import validate
from routerset.release.evaluator import evaluate, load_release
from routerset.release.evaluator.task import KINDS, OPEN, kinds_of
from routerset.release.reporting.grid import KINDS as KINDS_IN_WORDS
from routerset.release.reporting.grid import kinds_shown, label, over_kinds
from routerset.release.reporting.report import write_report
from routerset.release.verify import verify
from routerset.schemas.tables import GROUPS, LIMITS
from tests.dumps import write_config, write_items, write_wide
from tests.test_nulls import rasch

OPEN_METHODS = ("universe", "diverse")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A build with open groups beside `greedy` ones."""
    folder = tmp_path_factory.mktemp("open")
    scores = rasch(30, 120, seed=11).astype(float)
    keys = [str(key) for key in range(scores.shape[1])]
    write_items(folder / "items.csv", keys)
    write_wide(folder / "dumps" / "a.csv", [f"org/m{row:03}" for row in range(30)], keys, scores)
    methods = json.dumps(["greedy", *OPEN_METHODS])
    config = load_config(write_config(folder / "x.toml", extra=f"methods = {methods}\n"))
    build(config, folder / "build", Runner(), lambda *_: None)
    return folder / "build"


def test_gate_and_verify_follow(built: Path) -> None:
    assert [f"{f.suite}.{f.expectation} {f.examples}" for f in validate(built).errors] == []
    assert verify(built / "release", [check_groups]) == []
    assert OPEN not in (built / "release/reports/figure3_kinds.csv").read_text()


@pytest.mark.parametrize("method", OPEN_METHODS)
def test_a_mean_over_the_one_kind_is_that_kind(built: Path, method: str) -> None:
    release = built / "release"
    assert kinds_of(method) == (OPEN,)
    assert kinds_of("greedy") == KINDS
    found = evaluate(load_release(release), ["oracle", "best_single", "random"], method=method, resamples=20)
    assert {row.kind for row in found.rows} == {OPEN}
    assert {row.m for row in found.rows} == {3, 5}
    by_router = {(row.m, row.router): row for row in found.rows}
    for mean in found.means:
        of = by_router[mean.m, mean.router]
        assert mean.metrics["mu_o"].value == of.metrics["mu_o"].value
        assert (mean.n_kinds, mean.at_most, mean.optimal) == (1, of.at_most, of.optimal)
    assert "kinds" not in found.table()
    assert {g.kind for g in load_release(release).groups_of("gsm8k", method)} == {OPEN}


def test_a_report_shows_the_kinds_that_there_are() -> None:
    assert kinds_shown({*KINDS}) == kinds_shown(()) == KINDS_IN_WORDS
    assert kinds_shown({OPEN}) == {OPEN: "open"}
    assert "three kinds" in over_kinds("greedy")
    assert "kinds" not in over_kinds("universe")
    assert (label(OPEN), label("all_weak")) == ("open", "all-weak")


def test_coverage_on_every_side_is_told_and_checked(built: Path) -> None:
    release = built / "release"
    entry = json.loads((release / "manifest.json").read_text())["benchmarks"]["gsm8k"]
    assert [(row["method"], row["m"]) for row in entry["coverage"]] == [
        (method, m) for method in OPEN_METHODS for m in (3, 5)
    ]
    assert {row["method"]: row["stops_at"] for row in entry["coverage"]}["diverse"] is None
    groups = pq.read_table(release / "groups.parquet").to_pylist()
    side = pq.read_table(release / "data/gsm8k/test.parquet")
    for row in entry["coverage"]:
        column = side[f"{row['method']}_m{row['m']}_open"].to_pylist()
        assert row["test"] == pytest.approx(np.max(column, axis=1).mean())
        assert sum((g["method"], g["m"]) == (row["method"], row["m"]) for g in groups) == row["m"]
    manifest = (release / "manifest.json").read_text()
    try:
        changed = json.loads(manifest)
        changed["benchmarks"]["gsm8k"]["coverage"][0]["test"] = 0.123
        (release / "manifest.json").write_text(json.dumps(changed))
        assert any("coverage" in problem.found for problem in check_groups(release))
    finally:
        (release / "manifest.json").write_text(manifest)
    n_train = entry["splits"]["paper"]["train"]
    bounds = {(row["method"], row["m"]): row for row in pq.read_table(release / "limits.parquet").to_pylist()}
    for row in entry["coverage"]:
        limits = bounds[row["method"], row["m"]]
        assert row["train"] == pytest.approx(limits["train_covered"] / n_train, abs=1e-6)
        assert row["at_most"] == pytest.approx(limits["train_at_most"] / n_train, abs=1e-6)
        assert row["optimal"] == (limits["train_covered"] == limits["train_at_most"])
    card = (release / "README.md").read_text()
    first = entry["coverage"][0]
    proof = "proven" if first["optimal"] else "not proven"
    assert f"| gsm8k | universe | 3 | {first['train']:.3f} | {first['at_most']:.3f} | {proof} |" in card


def test_the_table_of_noise_has_each_group_once(built: Path, tmp_path: Path) -> None:
    write_report(built / "release", tmp_path / "out", sizes=(3, 5), method="universe")
    table = (tmp_path / "out/noise.md").read_text()
    assert table.count("| open |") == 2
    assert "| mean |" not in table


def test_what_other_methods_choose_stays_byte_for_byte(built: Path, tmp_path: Path) -> None:
    shutil.copytree(built.parent / "dumps", tmp_path / "dumps")
    shutil.copy(built.parent / "items.csv", tmp_path)
    alone = load_config(write_config(tmp_path / "x.toml", extra='methods = ["greedy"]\n'))
    build(alone, tmp_path / "build", Runner(), lambda *_: None)
    tables = sorted(
        path.relative_to(tmp_path / "build") for path in (tmp_path / "build/tables").rglob("*.parquet")
    )
    assert {path.parts[1] for path in tables} >= {"groups", "limits", "scores", "splits"}
    for path in tables:
        assert (built / path).read_bytes() == (tmp_path / "build" / path).read_bytes()
    manifest = json.loads((tmp_path / "build/release/manifest.json").read_text())
    assert "frozen" not in manifest
    assert "coverage" not in manifest["benchmarks"]["gsm8k"]


def test_footers_tell_of_open_groups_as_of_others() -> None:
    for schema in (GROUPS, LIMITS):
        told = schema.field("kind").metadata[b"doc"].decode()
        assert [kind for kind in (*KINDS, OPEN) if not re.search(rf"\b{kind}\b", told)] == []
