"""The results of a release as its default config: flat, those of its report, and checked."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import load_dataset

from routerset.release import layout
from routerset.release.build import write_release
from routerset.release.evaluator import TRAINING_FREE
from routerset.release.evaluator.metrics import METRICS
from routerset.release.files import checksums
from routerset.release.manifest import read_manifest
from routerset.release.reporting.check import check_report
from routerset.release.reporting.report import reports_hook
from routerset.release.verify import verify
from routerset.schemas import store
from routerset.schemas.checksums import format_checksums
from routerset.schemas.released import LEADERBOARD_SCHEMA
from tests.release.builds import Bench, binary, options, write_build

GIVEN = options(accounting=(), skipped_groups=())


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    benches = [Bench("gsm8k", binary(20, 60, 1)), Bench("arc", binary(12, 40, 2), encoders={})]
    folder = write_build(tmp_path_factory.mktemp("results"), benches)
    write_release(folder, folder / "release", GIVEN, reports=reports_hook)
    return folder


@pytest.fixture
def scored(build: Path, tmp_path: Path) -> Path:
    """A copy of the release, free to be changed."""
    return Path(shutil.copytree(build / "release", tmp_path / "release"))


def rows(release: Path) -> list[dict[str, object]]:
    table: list[dict[str, object]] = pq.ParquetFile(release / layout.LEADERBOARD).read().to_pylist()
    return table


def test_one_row_per_benchmark_m_and_router(build: Path, tmp_path: Path) -> None:
    loaded = load_dataset(str(build / "release"), split="train", cache_dir=str(tmp_path))
    assert loaded.to_list() == rows(build / "release")
    assert loaded.column_names == LEADERBOARD_SCHEMA.names
    cells = [(row["benchmark"], row["m"], row["router"]) for row in rows(build / "release")]
    assert len(set(cells)) == len(cells)
    assert {router for benchmark, _, router in cells if benchmark == "gsm8k"} == set(TRAINING_FREE)
    assert {b for b, _, _ in cells} == {"arc", "gsm8k"}


def test_the_best_of_a_cell_comes_first(build: Path) -> None:
    found = [(row["benchmark"], row["m"], row["mu_o"]) for row in rows(build / "release")]
    order = {"arc": 0, "gsm8k": 1}
    assert found == sorted(found, key=lambda r: (order[str(r[0])], r[1], -float(str(r[2]))))


def test_its_numbers_are_the_means_of_the_report(build: Path) -> None:
    baselines = json.loads((build / "release/reports/baselines.json").read_text("utf-8"))
    method, scheme = "paper", "paper"
    for row in rows(build / "release"):
        cells = [
            each["mu_o"]
            for each in baselines
            if all(each[key] == row[key] for key in ("benchmark", "m", "router", "encoder"))
            and (each["method"], each["scheme"]) == (method, scheme)
        ]
        assert len(cells) == row["n_kinds"] == 3
        assert row["mu_o"] == pytest.approx(sum(cells) / 3, abs=2e-6)
        assert row["kind"] == "mean"
        oracle = row["router"] == "oracle"
        assert not oracle or row["mu_o"] == pytest.approx(row["oracle_score"])


def test_its_metrics_are_those_of_the_evaluator() -> None:
    names = {name.removesuffix("_lo").removesuffix("_hi") for name in LEADERBOARD_SCHEMA.names}
    assert names >= {"mu_o", "v_r", "v_b", "e_p"}
    assert names & METRICS.keys() == {"mu_o", "v_r", "v_b", "v_b_train", "e_p"}


def test_a_release_with_results_is_sound(build: Path) -> None:
    assert verify(build / "release", [check_report]) == []
    assert read_manifest(build / "release").configs()[0].name == "leaderboard"


def test_another_number_is_found(scored: Path) -> None:
    path = scored / layout.LEADERBOARD
    table = pq.ParquetFile(path).read()
    worse = pa.array([0.5, *table["mu_o"].to_pylist()[1:]])
    place = table.column_names.index("mu_o")
    store.write_table(path, LEADERBOARD_SCHEMA, table.set_column(place, "mu_o", worse))
    assert [p.path for p in check_report(scored)] == [layout.LEADERBOARD]
    path.unlink()
    assert [p.path for p in check_report(scored)] == [layout.LEADERBOARD]
    (scored / layout.CHECKSUMS).write_text(format_checksums(checksums(scored, {})), "utf-8")
    assert layout.LEADERBOARD in str([str(p) for p in verify(scored)])


def test_the_same_tables_are_the_same_release(build: Path, scored: Path, tmp_path: Path) -> None:
    given = replace(GIVEN, previous=scored)
    result = write_release(build, tmp_path / "again", given, reports=reports_hook)
    assert (result.version, result.changed) == ("1.0.0", False)
    assert verify(tmp_path / "again") == []
