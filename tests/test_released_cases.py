"""Small, unusual and good inputs become releases that validate, verify and can be evaluated."""

from __future__ import annotations

import json
import shutil
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from routerset.etl.cli import main
from tests.gates import without_gate
from tests.test_cases import CASES

SIZES = "\n[groups]\nsizes = [3]\n"


def released(case: str, tmp_path: Path) -> Path:
    """Folder of a build of a case with groups of three, release and all; the gate is still to be run."""
    folder = tmp_path / "case"
    shutil.copytree(CASES / case, folder)
    config = folder / "config.toml"
    text, _, _ = config.read_text("utf-8").partition("[groups]")
    config.write_text(text + SIZES, encoding="utf-8")
    with without_gate():
        assert main(["build", str(config), "--out", str(tmp_path / "out")]) == 0
    return tmp_path / "out"


def write_wide(folder: Path, scores: np.ndarray, settings: str = "") -> Path:
    """A config and a wide file of gsm8k. scores: (models, items), NaN where there is none."""
    head = ",".join(["model", *(f"q{i}" for i in range(scores.shape[1]))])
    lines = [
        ",".join([f"org/m{k}", *("" if np.isnan(s) else f"{s:g}" for s in row)])
        for k, row in enumerate(scores)
    ]
    (folder / "gsm8k.csv").write_text("\n".join([head, *lines]) + "\n")
    source = '[[source]]\nformat = "wide"\npath = "gsm8k.csv"\nbenchmark = "gsm8k"\n'
    config = folder / "config.toml"
    config.write_text(f'[dataset]\nname = "x"\n{settings}{source}{SIZES}')
    return config


@pytest.mark.parametrize(
    ("case", "models", "cells"),
    [
        ("07-minority-items", 6, 6),
        ("11-subset-models", 12, 6),
        ("12-min-coverage", 8, 6),
        ("13-averaged-scores", 2, 0),
    ],
)
def test_an_unusual_case_becomes_a_release(
    case: str, models: int, cells: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = released(case, tmp_path)
    ingested = json.loads((out / "manifest.json").read_text("utf-8"))["stages"]["ingest"]["info"]
    assert ingested["benchmarks"]["gsm8k"]["models"] == models
    assert ingested["settings"]["min_coverage"] == (0.9 if case.startswith("12") else 1.0)
    entry = json.loads((out / "release/manifest.json").read_text("utf-8"))["benchmarks"]["gsm8k"]
    assert entry["n_models"] == models
    assert entry["binary"] is not case.startswith("13")
    assert main(["validate", str(out)]) == 0
    assert main(["verify", str(out / "release")]) == 0
    capsys.readouterr()
    command = ["evaluate", str(out / "release"), "--sizes", "3", "--routers", "best_single,oracle"]
    assert main([*command, "--format", "json"]) == 0
    printed = capsys.readouterr()
    rows = json.loads(printed.out)
    assert len(rows) == cells
    assert cells or "expected at least 3 models in the all_strong pool, found 2" in printed.err


def test_candidates_may_miss_what_the_config_allows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = released("12-min-coverage", tmp_path)
    assert main(["evaluate", str(out / "release"), "--routers", "best_single"]) == 0
    assert "1 items without all scores left out" in capsys.readouterr().err
    path = out / "release" / "manifest.json"
    document = json.loads(path.read_text("utf-8"))
    document["settings"]["min_coverage"] = 1.0
    path.write_text(json.dumps(document), encoding="utf-8")
    assert main(["validate", str(out / "release"), "--table", "groups"]) == 1
    assert "candidates_complete" in capsys.readouterr().out


def test_other_item_counts_fail_where_the_config_asks_for_table_4(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scores = np.random.default_rng(0).integers(0, 2, (8, 20)).astype(float)
    config = write_wide(tmp_path, scores)
    assert main(["build", str(config), "--out", str(tmp_path / "a"), "--only", "ingest"]) == 0
    assert "table_4_counts, such as benchmark gsm8k, found 20, expected 1,319" in capsys.readouterr().err
    config = write_wide(tmp_path, scores, "table_4 = true\n")
    assert main(["build", str(config), "--out", str(tmp_path / "b"), "--only", "ingest"]) == 1
    assert "found 20, expected 1,319" in capsys.readouterr().err


@pytest.mark.parametrize("n_items", [1, 4, 9])
def test_few_items_are_told_before_groups_are_chosen(
    n_items: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = write_wide(tmp_path, np.random.default_rng(1).integers(0, 2, (9, n_items)).astype(float))
    with nullcontext() if n_items == 1 else without_gate():
        assert main(["build", str(config), "--out", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().err
    told = said.index(f"gsm8k: {n_items} item{'s' * (n_items > 1)}, split paper: ")
    assert told < said.index("groups   running")
    assert ("validation is empty" in said) == (n_items < 6)
    assert main(["verify", str(tmp_path / "out/release")]) == 0


def test_an_item_that_nobody_has_a_score_on_is_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scores = np.random.default_rng(2).integers(0, 2, (8, 20)).astype(float)
    scores[:, 7] = np.nan
    config = write_wide(tmp_path, scores, "min_coverage = 0.9\n")
    assert main(["build", str(config), "--out", str(tmp_path / "out"), "--only", "ingest"]) == 0
    assert "items_scored" in capsys.readouterr().err


def test_a_score_of_nan_is_a_finding(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = released("11-subset-models", tmp_path)
    path = out / "release/scores/gsm8k.parquet"
    table = pq.ParquetFile(path).read()
    scores = table["score"].to_numpy().copy()
    scores[3] = np.nan
    place = table.schema.get_field_index("score")
    pq.write_table(table.set_column(place, table.schema.field(place), pa.array(scores)), path)
    capsys.readouterr()
    assert main(["validate", str(out / "release"), "--format", "json"]) == 1
    found = json.loads(capsys.readouterr().out)
    failed = {finding["expectation"]: finding["examples"] for finding in found["findings"]}
    assert failed["score_in_range"]
    assert any(example.get("found", 0) is None for example in failed["totals"])
    assert main(["verify", str(out / "release")]) == 1


def files(folder: Path) -> dict[str, bytes]:
    """Content of all files of a release."""
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_whatever_is_built_again_gives_the_same_bytes(tmp_path: Path) -> None:
    """The release of a build, and its tables, when the output of any stage was lost; the gate is asked again
    where what it wrote is lost.
    """
    scores = np.random.default_rng(3).integers(0, 2, (7, 30)).astype(float)
    config = write_wide(tmp_path, scores)
    questions = "\n".join(f"q{i},How many legs have {i} cats?" for i in range(30))
    (tmp_path / "items.csv").write_text(f"item,question\n{questions}\n")
    text = config.read_text().replace("sizes = [3]", "sizes = [3, 50]")
    text = text.replace('benchmark = "gsm8k"\n', 'benchmark = "gsm8k"\nitems = "items.csv"\n')
    config.write_text(f'{text}\n[embed]\nencoders = ["minilm"]\n')
    out, place = tmp_path / "out", tmp_path / "published"
    build = ["build", str(config), "--out", str(out)]
    assert main(build) == 0
    assert main(["publish", str(out), "--to", str(place)]) == 0
    published = files(place)
    released, tables = files(out / "release"), files(out / "tables")
    for lost in (
        "release",
        "tables/splits",
        "tables/groups",
        "tables/embeddings",
        "tables/items",
        "tables/scores",
        "tables/models.parquet",
        "staging/done",
        "staging/shards",
        "staging/parts",
        "staging",
        "validation",
        "manifest.json",
    ):
        assert (out / lost).exists(), lost
        shutil.rmtree(out / lost) if (out / lost).is_dir() else (out / lost).unlink()
        with nullcontext() if lost in ("validation", "manifest.json") else without_gate():
            assert main(build) == 0
        assert files(out / "release") == released, lost
        assert files(out / "tables") == tables, lost
        assert main(["publish", str(out), "--to", str(place)]) == 0
    assert files(place) == published
