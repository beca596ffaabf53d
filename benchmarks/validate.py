"""`routerset validate` on a build of the full shape of RouterEval, beside the same checks by hand in DuckDB.

    python benchmarks/validate.py FOLDER [--share 1.0]

FOLDER receives synthetic tables of 12 benchmarks, 201,715,850 scores at share 1.0 (45 MB), unless it holds
them already. Every measurement is a process of its own: wall time with imports, and the most memory it held.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow as pa

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.measure import command, machine, peak_mib, versions
from routerset.etl.groups.candidates import SIZES, groups_table, paper_groups
from routerset.etl.ingest.assemble import score_batches
from routerset.schemas import ids, store
from routerset.schemas.benchmarks import BENCHMARKS, Benchmark
from routerset.schemas.splits import SPLIT_SCHEMES, paper_split, splits_table
from routerset.schemas.tables import (
    GROUPS,
    ITEMS,
    MODELS,
    QUARANTINE,
    RUNS,
    SCHEMA_VERSION,
    SCORES,
    SPLITS,
)

PEER = """
select count(*) from scores where model_id is null;
select count(*) from scores where item is null;
select count(*) from scores where score is null;
select count(*) from scores where not (score between 0 and 1) or not isfinite(score);
select count(*) from scores where benchmark <> 'truthfulqa' and score <> 0 and score <> 1;
select count(*) from (select benchmark, model_id, count(*) as n,
  bit_count(bitstring_agg(item, 0, 14041)) as d from scores group by all having n <> d);
select count(*) from (select distinct model_id from scores) anti join models using (model_id);
select count(*) from (select distinct benchmark, item from scores) anti join items using (benchmark, item);
select count(*) from items anti join (select distinct benchmark, item from scores) using (benchmark, item);
select count(*) from (select benchmark, model_id, count(*) as n from scores group by all)
  join (select benchmark, count(*) as n_items from items group by all) using (benchmark) where n < n_items;
"""
"""The suite `scores`, one query an expectation, as one would write it by hand."""


def make(folder: Path, share: float) -> None:
    """Write a build: binary scores of an ability model, and the groups of the paper."""
    rng = np.random.default_rng(0)
    outputs, totals, accounting = [], {}, []
    runs: list[dict[str, object]] = []
    boards: dict[str, set[str]] = {}
    for benchmark in BENCHMARKS.values():
        models = [f"org-{n % 97:02}/model-{n:04}" for n in range(max(10, int(benchmark.models * share)))]
        models.sort()
        scores = _scores(rng, len(models), benchmark.n_items)
        part = f"benchmark={benchmark.name}/part-0.parquet"
        items = _items(benchmark)
        found, _ = paper_groups(scores, SIZES, paper_split(list(benchmark.subsets.values()))[1])
        tables = {
            f"items/{part}": (ITEMS, [items]),
            f"scores/{part}": (SCORES, score_batches(scores, models)),
            f"groups/method=paper/{part}": (GROUPS, [groups_table(found, models)]),
            **{
                f"splits/scheme={scheme}/{part}": (
                    SPLITS,
                    [splits_table(scheme, items["family_id"], items["subset"])],
                )
                for scheme in SPLIT_SCHEMES
            },
        }
        for name, (schema, batches) in tables.items():
            path = folder / "tables" / name
            outputs.append(store.describe(folder, path, store.write_batches(path, schema, batches)))
        totals[benchmark.name] = {"models": len(models), "items": benchmark.n_items}
        kept = len(models) * benchmark.n_items
        counts = {"read": kept, "kept": kept, "superseded": 0, "quarantined": 0, "reasons": {}, "notes": {}}
        accounting.append({"source": "wide", "benchmark": benchmark.name} | counts)
        for model in models:
            boards.setdefault(model, set()).add(benchmark.leaderboard)
            runs += [_run(benchmark, model, subset, n) for subset, n in benchmark.subsets.items()]
        print(f"{benchmark.name:<12}{len(models):>6} x {benchmark.n_items:>6}", file=sys.stderr)
    rows = [
        {"model_id": model, "org": model.split("/")[0], "leaderboards": sorted(found)}
        for model, found in sorted(boards.items())
    ]
    for name, schema, table in (
        ("models", MODELS, pa.Table.from_pylist(rows, schema=MODELS)),
        ("runs", RUNS, store.sort_rows(pa.Table.from_pylist(runs, schema=RUNS))),
        ("quarantine", QUARANTINE, QUARANTINE.empty_table()),
    ):
        path = folder / "tables" / f"{name}.parquet"
        outputs.append(store.describe(folder, path, store.write_table(path, schema, table)))
    info = {"accounting": accounting, "benchmarks": totals}
    stage = {"fingerprint": "", "outputs": [asdict(o) for o in outputs], "info": info}
    manifest = {"schema_version": SCHEMA_VERSION, "dataset": "full shape", "stages": {"ingest": stage}}
    (folder / "manifest.json").write_text(json.dumps(manifest))


def _scores(rng: np.random.Generator, models: int, items: int) -> np.ndarray:
    ability = rng.uniform(0.2, 0.8, (models, 1)).astype(np.float32)
    scores = np.empty((models, items), np.uint8)
    for start in range(0, models, 256):
        block = slice(start, start + 256)
        scores[block] = rng.random((len(ability[block]), items), np.float32) < ability[block]
    return scores


def _items(benchmark: Benchmark) -> pa.Table:
    rows = []
    for subset, n in benchmark.subsets.items():
        for key in range(n):
            question = f"Question {key} of {subset} in {benchmark.name}: " + "which answer is right? " * 40
            content = ids.content_digest(question, None, None) or ""
            rows.append(
                {
                    "item": len(rows),
                    "item_id": ids.item_id(benchmark.name, subset, content, 0),
                    "subset": subset,
                    "doc_key": str(key),
                    "question": question,
                    "question_source": "dump",
                    "question_id": ids.question_id(question, None, ""),
                    "family_id": ids.question_id(question, None, ""),
                }
            )
    return pa.Table.from_pylist(rows, schema=ITEMS)


def _run(benchmark: Benchmark, model: str, subset: str, n: int) -> dict[str, object]:
    return {
        "model_id": model,
        "benchmark": benchmark.name,
        "subset": subset,
        "source": "wide",
        "file": f"{benchmark.name}.csv",
        "sha256": "0" * 64,
        "metric": benchmark.metric,
        "n_items": n,
        "n_scored": n,
        "n_kept": n,
        "joined_by": "content",
        "chosen": True,
    }


def gate(folder: Path, suites: list[str] | None = None) -> str:
    """Validate; returns what was found. The build is sound: an error is one of this script."""
    from routerset.expectations.validate import validate

    outcome = validate(folder, suites=suites)
    found = [f"{f.suite}.{f.expectation}" for f in outcome.errors]
    if found:
        sys.exit(f"{folder}: errors: {' '.join(found)}")
    return f"{len(outcome.findings)} expectations, 0 errors"


def by_hand(folder: Path) -> str:
    """The suite `scores` in plain DuckDB."""
    import duckdb

    connection = duckdb.connect(config={"memory_limit": "1GB"})
    for table in ("scores", "items"):
        files = f"{folder}/tables/{table}/*/part-0.parquet"
        connection.execute(
            f"create view {table} as select * from read_parquet('{files}', hive_partitioning = true)"
        )
    connection.execute(f"create view models as select * from '{folder}/tables/models.parquet'")
    statements = [s for s in PEER.split(";") if s.strip()]
    found = [connection.execute(statement).fetchall()[0][0] for statement in statements]
    return f"{len(found)} queries, {sum(found)} unexpected"


MEASUREMENTS: dict[str, Callable[[Path], str]] = {
    "validate, all suites": gate,
    "validate, suite scores": lambda folder: gate(folder, ["scores"]),
    "by hand, suite scores": by_hand,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--share", type=float, default=1.0)
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        start = time.perf_counter()
        found = MEASUREMENTS[args.measure](args.folder)
        memory = peak_mib() / 1024
        print(json.dumps({"inside": time.perf_counter() - start, "memory": memory, "found": found}))
        return
    if not (args.folder / "manifest.json").exists():
        make(args.folder, args.share)
    packages = ("great-expectations", "duckdb", "pyarrow", "numpy")
    print(command(), versions(*packages), machine(), sep="\n")
    print(f"{'':<26}{'wall s':>8}{'inside s':>10}{'GiB':>7}  found")
    for name in MEASUREMENTS:
        start = time.perf_counter()
        words = [sys.executable, __file__, str(args.folder), "--measure", name]
        done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True)
        row = json.loads(done.stdout.splitlines()[-1])
        wall = time.perf_counter() - start
        print(
            f"{name:<26}{wall:>8.1f}{row['inside']:>10.1f}{row['memory']:>7.2f}  {row['found']}", flush=True
        )


if __name__ == "__main__":
    main()
