"""A whole build with every rule of `[curate]` that needs no vectors: it builds, verifies, loads, counts."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from routerset.etl.against import check_against
from routerset.etl.build import build
from routerset.etl.config import Runner, load_config
from routerset.etl.groups.check import check_groups
from routerset.expectations.validate import validate
from routerset.release.build import seal
from routerset.release.manifest import read_manifest
from routerset.release.verify import verify
from tests.curate.test_duplicates import digests

PLAIN = """
[[source]]
format = "long"
path = "dumps/*.csv"
benchmark = "support"
columns = { model = "model", doc_key = "key" }
[[benchmark]]
name = "support"
metric = "mark"
[groups]
sizes = [3]
"""
CURATE = """
[curate]
duplicates = "text"
tasks = { redundant = false, "support/c" = 12 }
models = 9
lambda = 0.8
pseudo_specialists = ["support/b", { target = "support/a", accuracy = 0.5 }]
"""
SIZES = {"a": 40, "b": 40, "c": 20}


def write(folder: Path, curate: str) -> Path:
    """A config, and a dump of twelve models on three subsets that repeats a question in each."""
    rng = np.random.default_rng(3)
    names = [f"{name}{at}" for name, n in SIZES.items() for at in range(n)]
    rows = ["model,key,subset,question,score,usd"]
    for at in range(12):
        right = rng.random(len(names)) < 0.25 + 0.05 * at
        for name, score in zip(names, right.tolist(), strict=True):
            about = f"{name[0]}1" if name[1:] in ("2", "3", "4") else name
            rows.append(f"org/model-{at:02},{name},{name[0]},What is {about}?,{int(score)},{1 + at}")
    (folder / "dumps").mkdir(exist_ok=True)
    (folder / "dumps/a.csv").write_text("\n".join(rows) + "\n")
    path = folder / ("curated.toml" if curate else "plain.toml")
    path.write_text(PLAIN + curate)
    return path


def run(config: Path, out: Path) -> None:
    build(load_config(config), out, Runner(), lambda *_: None)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("curated")
    run(write(folder, CURATE), folder / "out")
    return folder / "out"


def test_it_holds(built: Path) -> None:
    assert validate(built).errors == ()
    assert [*verify(built / "release")] == []
    assert [*check_groups(built / "release")] == []
    assert [*check_against(built / "release", built, None, print)] == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("lambda", 0.1),
        ("models", 8),
        ("tasks", {"redundant": False}),
        ("pseudo_specialists", [{"accuracy": 1.0}]),
        ("pseudo_specialists", ["support/b", "support/a"]),
    ],
)
def test_other_rules_than_those_of_the_manifest_are_found(
    built: Path, tmp_path: Path, key: str, value: object
) -> None:
    copy = tmp_path / "release"
    shutil.copytree(built / "release", copy)
    document = json.loads((copy / "manifest.json").read_text())
    document["curated"]["rules"][key] = value
    (copy / "manifest.json").write_text(json.dumps(document))
    seal(copy)
    told = " ".join(str(problem) for problem in verify(copy))
    assert "curated.parquet: found support" in told or "rules of [curate]: " in told


def test_what_the_build_has_not_is_told(built: Path, tmp_path: Path) -> None:
    copy = tmp_path / "release"
    shutil.copytree(built / "release", copy)
    for name in ("curated.parquet", "pseudo_specialists/support.parquet"):
        table = pq.read_table(copy / name)
        pq.write_table(table.slice(1), copy / name)
    told = " ".join(str(problem) for problem in check_against(copy, built, None, print))
    assert "curated.parquet" in told
    assert "pseudo_specialists/support.parquet" in told


def test_what_is_listed_is_gone_and_counted(built: Path) -> None:
    listed = pq.read_table(built / "tables/curated.parquet").to_pylist()
    rules = {
        rule: {row["id"] for row in listed if row["rule"] == rule} for rule in {r["rule"] for r in listed}
    }
    assert {name: len(ids) for name, ids in rules.items()} | {"tasks": 0, "duplicates": 0} == {
        "duplicates": 0,
        "tasks": 0,
        "models": 3,
        "pseudo_specialists": 2,
    }
    groups = pq.read_table(built / "release/groups.parquet")["model_id"].to_pylist()
    assert not rules["models"] & set(groups)
    assert not rules["pseudo_specialists"] & set(groups)
    sides = pq.read_table(built / "tables/splits/scheme=paper/benchmark=support/part-0.parquet")["split"]
    out = sides.to_pylist().count("left_out")
    assert out == len({r["id"] for r in listed if r["kind"] == "item" and r["scheme"] == "paper"})
    away = 12 * out + 3 * (100 - out)
    told = read_manifest(built / "release").curated
    assert told["records"] == {"support": {"kept": 1200, "used": 1200 - away, "curated_away": away}}
    assert told["rules"]["lambda"] == 0.8
    assert pq.read_metadata(built / "release/scores/support.parquet").num_rows == 1200


def test_made_models_stand_by_themselves(built: Path, tmp_path: Path) -> None:
    from datasets import load_dataset

    made = load_dataset(
        str(built / "release"), "pseudo-specialists-support", cache_dir=str(tmp_path / "cache")
    )["train"]
    assert set(made["is_synthetic"]) == {True}
    assert set(made["model_id"]) == {"pseudo-specialist/support-a", "pseudo-specialist/support-b"}
    for table in ("models.parquet", "scores/support.parquet", "runs.parquet"):
        names = pq.read_table(built / "release" / table, columns=["model_id"])["model_id"].to_pylist()
        assert not any(name.startswith("pseudo") for name in names)


def test_an_altered_score_of_a_made_model_is_found(built: Path, tmp_path: Path) -> None:
    copy = tmp_path / "release"
    shutil.copytree(built / "release", copy)
    path = copy / "pseudo_specialists/support.parquet"
    table = pq.read_table(path)
    scores = table["score"].to_pylist()
    scores[0] = 1 - scores[0]
    at = table.column_names.index("score")
    pq.write_table(table.set_column(at, table.schema.field(at), pa.array(scores, pa.float32())), path)
    assert any("pseudo_specialists/support.parquet" in str(problem) for problem in verify(copy))


def test_without_curate_every_byte_is_as_before(built: Path, tmp_path: Path) -> None:
    run(write(tmp_path, ""), tmp_path / "plain")
    run(write(built.parent, CURATE), built)
    assert (built / "tables/pseudo_specialists").exists()
    run(write(tmp_path, CURATE), tmp_path / "out")
    run(tmp_path / "plain.toml", tmp_path / "out")
    for inside in ("tables", "release"):
        assert digests(tmp_path / "out", inside) == digests(tmp_path / "plain", inside)
