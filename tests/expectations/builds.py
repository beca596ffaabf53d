"""A small good build with a release inside it, and single corruptions of its files."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from routerset.etl.build import build
from routerset.etl.config import Runner, load_config
from routerset.etl.synth import Plan, build_config, write
from routerset.release.build import ReleaseOptions, write_release
from routerset.release.manifest import read_manifest
from routerset.release.reporting.report import reports_hook
from routerset.schemas import store
from routerset.schemas.tables import COST_MEASURES, COSTS, RUNS, embeddings_schema

BENCHMARKS = ("arc", "mmlu", "truthfulqa", "gpqa")
COSTED = "arc"
ENCODER, DIMENSION = "tiny", 8
PRICE = """[[price]]
match = "*"
in = 2.0
out = 0
as_of = 2024-01-25
url = "https://example.org/prices"
"""


def make_build(folder: Path) -> Path:
    """Build four synthetic benchmarks: binary, of many subsets, continuous, and with withheld text."""
    plan = Plan(models=24, benchmarks=BENCHMARKS)
    write(folder / "dumps", plan, lambda _: None)
    config = folder / "demo.toml"
    text = build_config(Path("dumps"), plan)
    (folder / "prices.toml").write_text(PRICE, encoding="utf-8")
    text = text.replace(
        'methods = ["greedy", "paper"]', 'methods = ["greedy", "paper", "universe", "diverse"]'
    )
    text = text.replace('encoders = ["minilm"]', "encoders = []") + '\n[costs]\nprices = "prices.toml"\n'
    config.write_text(text, encoding="utf-8")
    out = folder / "build"
    build(load_config(config), out, Runner(), lambda *_: None)
    shutil.rmtree(out / "staging")
    manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    _cost(out, manifest["stages"]["ingest"])
    vectors = [_embed(out, benchmark) for benchmark in BENCHMARKS]
    manifest["stages"]["embed"] = {
        "fingerprint": "0",
        "outputs": [asdict(store.describe(out, path, pq.read_metadata(path).num_rows)) for path in vectors],
        "info": {"embeddings": {ENCODER: {b: {"from": "model", "truncated": 0} for b in BENCHMARKS}}},
    }
    known = read_manifest(out / "release")
    options = ReleaseOptions(
        name=known.name,
        accounting=manifest["stages"]["ingest"]["info"]["accounting"],
        settings=known.settings,
        methods=known.methods,
        sizes=known.sizes,
        twins=known.twins,
        skipped_groups=[
            {"benchmark": name, **row} for name, b in known.benchmarks.items() for row in b.skipped_groups
        ],
        coverage=[{"benchmark": name, **row} for name, b in known.benchmarks.items() for row in b.coverage],
        encoders={ENCODER: {"from_dump": list(BENCHMARKS)}},
        prices=manifest["stages"]["ingest"]["info"]["prices"],
    )
    shutil.rmtree(out / "release")
    released = write_release(out, out / "release", options, reports=reports_hook)
    manifest["stages"]["release"]["outputs"] = [
        asdict(store.describe(out, out / "release" / name)) for name in released.files
    ]
    (out / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return out


def _cost(out: Path, ingest: dict[str, Any]) -> None:
    """Write what the scores of `COSTED` cost, of two measures, and tell the manifest."""
    table = pq.ParquetFile(out / part("scores", COSTED)).read()
    rng = np.random.default_rng(0)
    columns = {name: pa.nulls(len(table), pa.float32()) for name in COST_MEASURES}
    columns["usd"] = pa.array(rng.uniform(0, 1, len(table)).astype(np.float32))
    tokens, unknown = rng.integers(1, 99, len(table)), rng.random(len(table)) < 0.1
    columns["prompt_tokens"] = pa.array(tokens.astype(np.float32), mask=unknown)
    priced = ~unknown & (np.arange(len(table)) % 2 == 1)
    columns["usd"] = pa.array(np.where(priced, tokens * 2.0 / 1e6, columns["usd"]).astype(np.float32))
    costs = pa.table({"model_id": table["model_id"], "item": table["item"], **columns}, schema=COSTS)
    path = out / part("costs", COSTED)
    store.write_table(path, COSTS, costs)
    ingest["outputs"].append(asdict(store.describe(out, path, len(costs))))
    runs = pq.ParquetFile(out / "tables" / "runs.parquet").read()
    tokens = ["field" if name == COSTED else None for name in runs["benchmark"].to_pylist()]
    at = RUNS.get_field_index("tokens_from")
    store.write_table(out / "tables" / "runs.parquet", RUNS, runs.set_column(at, RUNS.field(at), [tokens]))
    (output,) = (each for each in ingest["outputs"] if each["path"] == "tables/runs.parquet")
    output |= asdict(store.describe(out, out / "tables" / "runs.parquet", len(runs)))
    (row,) = (row for row in ingest["info"]["accounting"] if row["benchmark"] == COSTED)
    row["costs"] = {
        name: {"kept": n, "missing": len(costs) - n, "bad": 0}
        for name, n in ((name, len(costs) - costs[name].null_count) for name in ("usd", "prompt_tokens"))
    }
    row["costs"]["usd"]["priced"] = int(priced.sum())


def _embed(out: Path, benchmark: str) -> Path:
    """Write one vector per item, the same for the same question."""
    part = f"benchmark={benchmark}/part-0.parquet"
    items = pq.ParquetFile(out / "tables" / "items" / part).read(columns=["item", "question_id"])
    seeds = [int(name.removeprefix("fam-")[:8], 16) for name in items["question_id"].to_pylist()]
    vectors = np.stack([np.random.default_rng(seed).standard_normal(DIMENSION) for seed in seeds])
    flat = pa.array(vectors.astype(np.float32).ravel())
    schema = embeddings_schema(DIMENSION)
    table = pa.table(
        [items["item"], pa.FixedSizeListArray.from_arrays(flat, type=schema.field("vector").type)],
        schema=schema,
    )
    path = out / "tables" / "embeddings" / f"encoder={ENCODER}" / part
    store.write_table(path, schema, table)
    return path


Row = dict[str, Any]
Edit = Callable[[list[Row]], list[Row] | None]


class Copy:
    """A copy of the build that shares its files until they are written."""

    def __init__(self, good: Path, root: Path) -> None:
        shutil.copytree(good, root, copy_function=_link)
        self.root = root

    def rows(self, name: str, edit: Edit) -> None:
        """Change a table's rows as dicts, in place or by a new list."""
        file = pq.ParquetFile(self.root / name)
        table = file.read()
        rows = table.to_pylist()
        changed = edit(rows)
        nullable = pa.schema([field.with_nullable(True) for field in table.schema], table.schema.metadata)
        self.table(name, pa.Table.from_pylist(rows if changed is None else changed, schema=nullable))

    def table(self, name: str, table: pa.Table) -> None:
        """Write a table in the place of another."""
        path = self.root / name
        temporary = path.with_suffix(".new")
        pq.write_table(table, temporary)
        temporary.replace(path)

    def read(self, name: str) -> pa.Table:
        """A table as it is."""
        return pq.ParquetFile(self.root / name).read()

    def json(self, name: str, edit: Callable[[Row], object]) -> None:
        """Change a JSON file."""
        document = json.loads((self.root / name).read_text(encoding="utf-8"))
        edit(document)
        self.text(name, json.dumps(document))

    def text(self, name: str, text: str) -> None:
        """Write a text file in the place of another."""
        path = self.root / name
        path.unlink(missing_ok=True)
        path.write_text(text, encoding="utf-8")


def _link(source: str, target: str) -> str:
    Path(target).hardlink_to(source)
    return target


def part(table: str, benchmark: str, **keys: str) -> str:
    """Path of a partition below the build."""
    folders = "".join(f"/{key}={value}" for key, value in keys.items())
    return f"tables/{table}{folders}/benchmark={benchmark}/part-0.parquet"
