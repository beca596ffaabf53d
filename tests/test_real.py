"""Builds from real dumps, and the reference code's answers on them."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from routerset.etl.build import build
from routerset.etl.config import Runner, load_config
from routerset.etl.manifest import Manifest
from routerset.schemas.tables import Split

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"
pytestmark = pytest.mark.skipif(
    not SHARED.exists(), reason="the folder `shared` with real dumps is not beside the checkout"
)


def made(name: str, out: Path, only: str | None = None) -> Manifest:
    return build(load_config(ROOT / "configs" / f"{name}.toml"), out, Runner(), lambda *_: None, only)


@pytest.fixture(scope="module")
def routereval(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("routereval")
    made("routereval", out)
    return out


@pytest.fixture(scope="module")
def golden() -> dict:
    return json.loads((SHARED / "golden" / "routereval_compat.json").read_text())


@pytest.mark.parametrize("benchmark", ["gsm8k", "arc"])
def test_paper_splits_are_the_references(routereval: Path, golden: dict, benchmark: str) -> None:
    table = pq.read_table(routereval / f"tables/splits/scheme=paper/benchmark={benchmark}/part-0.parquet")
    sides = table["split"].to_pylist()
    found = {side: [i for i, s in enumerate(sides) if s == side] for side in Split}
    expected = golden[benchmark]["split_index"]
    assert found == {
        Split.TRAIN: sorted(expected["train"]),
        Split.VALIDATION: sorted(expected["val"]),
        Split.TEST: sorted(expected["test"]),
    }


@pytest.mark.parametrize("benchmark", ["gsm8k", "arc"])
def test_paper_groups_are_the_references(routereval: Path, golden: dict, benchmark: str) -> None:
    table = pq.read_table(routereval / f"tables/groups/method=paper/benchmark={benchmark}/part-0.parquet")
    found: dict[str, list[str]] = {}
    for row in table.to_pylist():
        found.setdefault(f"m{row['m']}/{row['kind']}", []).append(row["model_id"])
    expected = golden[benchmark]["groups"]
    assert set(found) == set(expected)
    for name, group in expected.items():
        if isinstance(group["models"], dict):
            assert len(found[name]) == 1000
            assert {"first": found[name][:5], "last": found[name][-5:]} == group["models"]
        else:
            assert found[name] == group["models"]


def test_ready_made_vectors_are_not_computed_again(routereval: Path) -> None:
    info = json.loads((routereval / "manifest.json").read_text())["stages"]["embed"]["info"]
    assert {b: e["from"] for b, e in info["embeddings"]["minilm"].items()} == {"arc": "dump", "gsm8k": "dump"}


def test_every_record_of_the_real_dumps_is_accounted_for(tmp_path: Path) -> None:
    manifest = made("real", tmp_path, "ingest")
    # superseded in v1: models whose names are there in two spellings that differ in case alone
    rows = {
        (r["source"], r["benchmark"]): (r["read"], r["kept"], r["superseded"], r["quarantined"])
        for r in manifest.stages["ingest"].info["accounting"]
    }
    assert rows == {
        ("mmlu_pro", "mmlu_pro"): (94_598, 94_519, 0, 79),
        ("wide", "arc"): (428_000, 427_000, 1_000, 0),
        ("wide", "bbh"): (808_197, 396_474, 411_723, 0),
        ("wide", "gsm8k"): (1_255_209, 1_253_466, 1_743, 0),
        ("wide", "ifeval"): (87_642, 43_821, 43_821, 0),
        ("wide", "math_lvl5"): (192_618, 96_309, 96_309, 0),
        ("wide", "mmlu"): (436_356, 435_234, 1_122, 0),
        ("wide", "musr"): (80_454, 39_468, 40_986, 0),
        ("wide", "truthfulqa"): (582_080, 580_448, 1_632, 0),
    }
    assert manifest.stages["ingest"].info["benchmarks"]["gsm8k"] == {"models": 5034, "items": 249}


def test_harness_logs_are_read_under_the_configs_task_names(tmp_path: Path) -> None:
    manifest = made("lm_eval", tmp_path, "ingest")
    rows = {
        r["benchmark"]: (r["read"], r["kept"], r["superseded"])
        for r in manifest.stages["ingest"].info["accounting"]
    }
    assert rows == {
        "arc": (245, 245, 0),
        "gsm8k": (498, 249, 249),
        "hellaswag": (58, 58, 0),
        "mmlu": (198, 198, 0),
        "truthfulqa": (136, 136, 0),
        "winogrande": (106, 106, 0),
    }
