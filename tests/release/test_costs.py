"""Costs in a release: a config of their own, versions by what changed in them, nothing that has no score."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import load_dataset
from huggingface_hub import DatasetCard

from routerset.release.build import write_release
from routerset.release.errors import ReleaseError
from routerset.release.manifest import read_manifest
from routerset.release.verify import verify
from routerset.schemas import store
from routerset.schemas.tables import COST_MEASURES, COSTS
from tests.attacks.forge import Forgery
from tests.release.builds import Bench, binary, model_names, options, write_build

PART = "tables/costs/benchmark=arc/part-0.parquet"
N_MODELS, N_ITEMS = 5, 12
Edit = Callable[[list[dict[str, object]]], object]


def costs() -> list[dict[str, object]]:
    """Rows of a costs table: two measures, one of them with gaps, and a model without any."""
    rng = np.random.default_rng(7)
    rows: list[dict[str, object]] = []
    for model in model_names(N_MODELS)[1:]:
        for item in range(N_ITEMS):
            row = dict.fromkeys(COST_MEASURES) | {"model_id": model, "item": item}
            tokens = float(rng.integers(1, 90)) if item % 3 else None
            rows.append({**row, "usd": float(np.float32(rng.random())), "prompt_tokens": tokens})
    return rows


def make(folder: Path, rows: list[dict[str, object]] | None, previous: Path | None = None) -> Path:
    """A build of one benchmark with costs, if any, and its release."""
    build = write_build(folder, [Bench("arc", binary(N_MODELS, N_ITEMS, 1), sizes=(), encoders={})])
    told: dict[str, object] = {}
    n = N_MODELS * N_ITEMS
    if rows is not None:
        store.write_table(build / PART, COSTS, pa.Table.from_pylist(rows, schema=COSTS))
        kept = {name: sum(row[name] is not None for row in rows) for name in COST_MEASURES}
        told = {"costs": {k: {"kept": v, "missing": n - v, "bad": 0} for k, v in kept.items() if v}}
    row = {"source": "long", "benchmark": "arc", "read": n, "kept": n, "superseded": 0, "quarantined": 0}
    accounting = {**row, "reasons": {}, "notes": {}, **told}
    given = options(accounting=(accounting,), skipped_groups=(), previous=previous)
    write_release(build, build / "release", given)
    return build


def test_costs_load_and_verify(tmp_path: Path) -> None:
    rows = costs()
    build = make(tmp_path, rows)
    assert verify(build / "release") == []
    loaded = load_dataset(str(build / "release"), "costs-arc", split="train", cache_dir=str(tmp_path / "c"))
    assert list(loaded) == pa.Table.from_pylist(rows, schema=COSTS).to_pylist()
    manifest = read_manifest(build / "release")
    n = len(rows)
    assert manifest.benchmarks["arc"].costs == {"usd": n, "prompt_tokens": n * 2 // 3}
    card = (build / "release/README.md").read_text("utf-8")
    assert f"| `prompt_tokens` | tokens that were sent to the LLM | {n * 2 // 3} |\n" in card
    (info,) = (i for i in DatasetCard(card).data.dataset_info if i["config_name"] == "costs-arc")
    assert info["splits"][0]["num_examples"] == n
    names = (len(str(row["model_id"])) for row in rows)
    assert info["dataset_size"] == sum(names) + n * (4 + 4 + 4 * len(COST_MEASURES))


def test_a_release_without_costs_does_not_speak_of_them(tmp_path: Path) -> None:
    build = make(tmp_path, None)
    assert verify(build / "release") == []
    papers = [(build / "release" / name).read_text("utf-8") for name in ("manifest.json", "README.md")]
    assert [paper for paper in papers if "costs" in paper] == []


def _other_cost(rows: list[dict[str, object]]) -> None:
    rows[3]["usd"] = 5.0


def _gap_filled(rows: list[dict[str, object]]) -> None:
    rows[3]["prompt_tokens"] = 5.0


def _gap_made(rows: list[dict[str, object]]) -> None:
    rows[4]["prompt_tokens"] = None


def _model_gone(rows: list[dict[str, object]]) -> None:
    del rows[:N_ITEMS]


def _model_new(rows: list[dict[str, object]]) -> None:
    rows[:0] = [{**row, "model_id": model_names(1)[0]} for row in rows[:N_ITEMS]]


@pytest.mark.parametrize(
    ("change", "version", "told"),
    [
        (_other_cost, "2.0.0", "MAJOR, arc: costs of 1 model changed: `org/model-0001`"),
        (_gap_filled, "1.1.0", "MINOR, arc: costs of 1 model completed: `org/model-0001`"),
        (_gap_made, "2.0.0", "MAJOR, arc: costs of 1 model changed: `org/model-0001`"),
        (_model_gone, "2.0.0", "MAJOR, arc: costs of 1 model removed: `org/model-0001`"),
        (_model_new, "1.1.0", "MINOR, arc: costs of 1 model added: `org/model-0000`"),
    ],
)
def test_what_changed_in_the_costs_decides_the_version(
    tmp_path: Path, change: Edit, version: str, told: str
) -> None:
    before = make(tmp_path / "before", costs())
    rows = costs()
    change(rows)
    after = make(tmp_path / "after", rows, before / "release")
    assert read_manifest(after / "release").version == version
    assert f"- {told}" in (after / "release/CHANGELOG.md").read_text("utf-8")
    assert verify(after / "release") == []


def test_new_costs_are_an_addition_and_lost_ones_a_break(tmp_path: Path) -> None:
    first = make(tmp_path / "1", None)
    second = make(tmp_path / "2", costs(), first / "release")
    third = make(tmp_path / "3", None, second / "release")
    versions = [read_manifest(build / "release").version for build in (first, second, third)]
    assert versions == ["1.0.0", "1.1.0", "2.0.0"]


def _put(**cells: object) -> Edit:
    return lambda rows: rows[5].update(cells)


WRONG = [
    (_put(usd=-1.0), "found a usd that is no finite number of at least 0"),
    (_put(prompt_tokens=float("nan")), "found a prompt_tokens that is no finite number"),
    (_put(latency_s=float("inf")), "found a latency_s that is no finite number"),
    (_put(usd=None, prompt_tokens=None), "found a row that tells no cost"),
    (_put(item=6), "found rows of org/model-0001 out of order, or twice"),
    (_put(model_id="org/nobody"), "found costs of org/nobody where it has no score"),
    (
        lambda rows: rows.append({**rows[-1], "item": N_ITEMS}),
        "found costs of org/model-0004 where it has no",
    ),
    (
        lambda rows: rows.append({**rows[-1], "model_id": "z/new"}),
        "found costs of z/new where it has no score",
    ),
]


@pytest.mark.parametrize(("change", "message"), WRONG)
def test_costs_that_cannot_be_are_found(tmp_path: Path, change: Edit, message: str) -> None:
    rows = costs()
    change(rows)
    with pytest.raises(ReleaseError, match=message):
        make(tmp_path / "made", rows)
    good = make(tmp_path / "good", costs())
    forged = Forgery.of(good / "release", tmp_path / "forged")
    forged.table("costs/arc.parquet", lambda _: pa.Table.from_pylist(rows, schema=COSTS))
    forged.papers()
    forged.sums()
    assert [p for p in verify(forged.root) if message in p.found] != []


def test_a_manifest_says_what_the_costs_are(tmp_path: Path) -> None:
    good = make(tmp_path / "good", costs())
    for number, change in enumerate(
        (
            lambda found: found["benchmarks"]["arc"]["costs"].update(usd=1),
            lambda found: found["benchmarks"]["arc"]["costs"].update(joy=1),
            lambda found: found["accounting"][0]["costs"]["usd"].update(missing=1),
            lambda found: found["accounting"][0]["costs"].pop("usd"),
        )
    ):
        forged = Forgery.of(good / "release", tmp_path / f"forged-{number}")
        forged.manifest(change)
        forged.papers()
        forged.sums()
        assert [p.path for p in verify(forged.root)] != [], number


def test_notes_that_quote_a_dump_stay_behind(tmp_path: Path) -> None:
    build = write_build(tmp_path, [Bench("arc", binary(3, 10, 0), sizes=(), encoders={})])
    notes = {"parse_failed": 2, "left out: column 'cost' is named as no item (see ignore_columns)": 1}
    row = {"source": "wide", "benchmark": "arc", "read": 30, "kept": 30, "superseded": 0, "quarantined": 0}
    accounting = {**row, "reasons": {}, "notes": notes}
    write_release(build, build / "release", options(accounting=(accounting,), skipped_groups=()))
    assert verify(build / "release") == []
    assert read_manifest(build / "release").accounting[0]["notes"] == {"parse_failed": 2}


def test_costs_are_those_of_the_table(tmp_path: Path) -> None:
    build = make(tmp_path, costs())
    assert (build / "release/costs/arc.parquet").read_bytes() == (build / PART).read_bytes()
    assert pq.read_schema(build / "release/costs/arc.parquet").names == COSTS.names
