"""Small builds, as `routerset build` leaves them, for the tests of releases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa

from routerset.etl.groups.candidates import groups_table, paper_groups
from routerset.etl.groups.limits import Scored, limits
from routerset.release.build import ReleaseOptions, write_release
from routerset.release.reporting.report import reports_hook
from routerset.schemas import store
from routerset.schemas.benchmarks import BENCHMARKS
from routerset.schemas.splits import SPLIT_SCHEMES, paper_split
from routerset.schemas.tables import (
    COSTS,
    GROUPS,
    ITEMS,
    LIMITS,
    MODELS,
    RUNS,
    SCORES,
    SPLITS,
    Split,
    embeddings_schema,
)

NEWER = "2024-02-01T00:00:00.000000"
"""Time of the runs that count."""
SCHEMES = ("paper", "family")
QUESTION = "What does {name} ask in item {item}?"


@dataclass(frozen=True)
class Bench:
    """One benchmark of a build. scores: (models, items), NaN where missing; sizes: of its groups."""

    name: str
    scores: np.ndarray
    subsets: Sequence[str] = ()
    families: Sequence[str] = ()
    sizes: Sequence[int] = (3, 5)
    encoders: Mapping[str, int] = field(default_factory=lambda: {"minilm": 384})


def model_names(n: int) -> list[str]:
    """Ids of n models, sorted."""
    return [f"org/model-{i:04d}" for i in range(n)]


def binary(n_models: int, n_items: int, seed: int) -> np.ndarray:
    """Random scores of models of rising ability."""
    rng = np.random.default_rng(seed)
    ability = np.linspace(0.15, 0.85, n_models)[:, None]
    return (rng.random((n_models, n_items)) < ability).astype(np.float32)


def small_benches() -> list[Bench]:
    """Every kind of benchmark: plain, continuous, withheld with twins, scores alone, empty sides."""
    rng = np.random.default_rng(3)
    gpqa = ["diamond"] * 6 + ["extended"] * 14 + ["main"] * 10
    twins = [f"fam-{i % 14}" for i in range(30)]
    return [
        Bench("gsm8k", binary(20, 40, 1), encoders={"minilm": 384, "sbert": 768}),
        Bench("truthfulqa", rng.random((20, 30), dtype=np.float32)),
        Bench("gpqa", binary(20, 30, 2), gpqa, twins),
        Bench("arc", binary(4, 12, 4), sizes=(), encoders={}),
        Bench("winogrande", binary(6, 1, 5), encoders={}),
        Bench("ifeval", binary(6, 2, 6), sizes=()),
    ]


def write_build(root: Path, benches: Sequence[Bench], models: Sequence[str] | None = None) -> Path:
    """Write the tables of a build; the same benchmarks give the same bytes. Returns the folder."""
    names = models or model_names(max(b.scores.shape[0] for b in benches))
    everyone: set[str] = set()
    runs = []
    for bench in benches:
        everyone.update(names[: len(bench.scores)])
        runs += write_benchmark(root / "tables", bench, names)
    rows = [
        dict.fromkeys(MODELS.names) | {"model_id": name, "org": name.split("/")[0], "leaderboards": ["v1"]}
        for name in sorted(everyone)
    ]
    store.write_table(root / "tables/models.parquet", MODELS, pa.Table.from_pylist(rows, schema=MODELS))
    store.write_table(
        root / "tables/runs.parquet", RUNS, store.sort_rows(pa.Table.from_pylist(runs, schema=RUNS))
    )
    return root


def write_benchmark(tables: Path, bench: Bench, names: Sequence[str]) -> list[dict[str, object]]:
    """Write every table of one benchmark; returns its runs."""
    n_models, n = bench.scores.shape
    subsets, families = bench.subsets or [bench.name] * n, bench.families or [f"fam-{i}" for i in range(n)]
    part = f"benchmark={bench.name}/part-0.parquet"
    texts = [QUESTION.format(name=bench.name, item=i) for i in range(n)]
    items = {
        "item": np.arange(n, dtype=np.int32),
        "item_id": [f"{bench.name}/{i:04x}" for i in range(n)],
        "subset": subsets,
        "category": [None, *["maths"] * (n - 1)],
        "doc_key": [str(i) for i in range(n)],
        "question": texts,
        "question_source": ["dump"] * n,
        "prompt": [f"Q: {text}\nA:" for text in texts],
        "choices": [["yes", "no"]] * n,
        "question_id": families,
        "family_id": families,
    }
    store.write_table(tables / "items" / part, ITEMS, pa.table(items))
    run, item = np.nonzero(~np.isnan(bench.scores))
    scores = {
        "model_id": pa.DictionaryArray.from_arrays(pa.array(run, pa.int32()), names[:n_models]),
        "item": item.astype(np.int32),
        "score": bench.scores[run, item].astype(np.float32),
    }
    store.write_table(tables / "scores" / part, SCORES, pa.table(scores))
    for scheme in SCHEMES:
        sides = SPLIT_SCHEMES[scheme].split(families, subsets, 42)
        names_of = np.empty(n, object)
        for split in Split:
            names_of[sides[split]] = split.value
        split_column = pa.array(names_of).dictionary_encode().cast(SPLITS.field("split").type)
        table = pa.table({"item": np.arange(n, dtype=np.int32), "split": split_column})
        store.write_table(tables / "splits" / f"scheme={scheme}" / part, SPLITS, table)
    if bench.sizes:
        counts = [list(subsets).count(s) for s in dict.fromkeys(subsets)]
        known = np.nan_to_num(bench.scores)
        groups, _ = paper_groups(known, bench.sizes, paper_split(counts)[1])
        store.write_table(tables / "groups/method=paper" / part, GROUPS, groups_table(groups, names))
        whole = known.astype(np.uint8) if np.isin(known, (0, 1)).all() else known
        sides = {side: np.sort(rows) for side, rows in paper_split(counts)[0].items()}
        scored = Scored(whole, counts, sides, bench.sizes, 42)
        found = limits(scored, ["paper"])["paper"]
        store.write_table(tables / "limits/method=paper" / part, LIMITS, found)
    for encoder, dimension in bench.encoders.items():
        rng = np.random.default_rng(len(encoder) + n)
        schema = embeddings_schema(dimension)
        values = rng.random((n, dimension), dtype=np.float32)
        values /= np.linalg.norm(values, axis=1, keepdims=True)
        vectors = pa.FixedSizeListArray.from_arrays(values.ravel(), type=schema.field("vector").type)
        table = pa.table({"item": np.arange(n, dtype=np.int32), "vector": vectors})
        store.write_table(tables / f"embeddings/encoder={encoder}" / part, schema, table)
    known = ~np.isnan(bench.scores)
    scored = {
        subset: known[:, [each == subset for each in subsets]].sum(axis=1).tolist()
        for subset in dict.fromkeys(subsets)
    }
    return [
        {
            "model_id": name,
            "benchmark": bench.name,
            "subset": subset,
            "source": "wide",
            "file": f"{bench.name}.csv",
            "sha256": "0" * 64,
            "timestamp": time,
            "metric": BENCHMARKS[bench.name].metric,
            "n_items": scored[subset][row],
            "n_scored": scored[subset][row],
            "n_kept": scored[subset][row] if time == NEWER else 0,
            "joined_by": "content",
            "chosen": time == NEWER,
        }
        for row, name in enumerate(names[:n_models])
        for subset in scored
        for time in ("2024-01-01T00:00:00.000000", NEWER)
    ]


def options(**changes: object) -> ReleaseOptions:
    """Options as the build gives them."""
    accounting = {
        "source": "wide",
        "benchmark": "gsm8k",
        "read": 805,
        "kept": 800,
        "superseded": 4,
        "quarantined": 1,
        "reasons": {"missing_score": 1},
        "notes": {},
    }
    skipped = {
        "benchmark": "gsm8k",
        "method": "paper",
        "m": 1000,
        "kind": "all_strong",
        "reason": "expected at least 1000 models in the all_strong pool, found 20",
    }
    given = {"name": "tiny", "accounting": (accounting,), "skipped_groups": (skipped,)} | changes
    return ReleaseOptions(**given)  # type: ignore[arg-type]


def add_costs(
    build: Path, benches: Sequence[Bench], answers: Sequence[str] = ()
) -> tuple[dict[str, object], ...]:
    """Give every model of a build a size, and every answer on some benchmarks US dollars and tokens.

    Returns the accounting of all benchmarks.
    """
    path = build / "tables/models.parquet"
    rows = store.read_file(path).to_pylist()
    rng = np.random.default_rng(5)
    for row, size in zip(rows, rng.permutation(np.geomspace(0.5, 70, len(rows))), strict=True):
        size = round(float(size), 1)
        row |= {"params_b": size, "active_params_b": size, "size_source": "metadata"}
    store.write_table(path, MODELS, pa.Table.from_pylist(rows, schema=MODELS))
    price = {row["model_id"]: row["params_b"] for row in rows}
    told: list[dict[str, object]] = []
    for bench in benches:
        run, item = np.nonzero(~np.isnan(bench.scores))
        n = len(run)
        row = {"source": "wide", "benchmark": bench.name, "read": n, "kept": n, "superseded": 0}
        row |= {"quarantined": 0, "reasons": {}, "notes": {}}
        if bench.name in answers:
            names = [model_names(len(bench.scores))[i] for i in run]
            tokens = rng.integers(20, 900, n).astype(np.float32)
            table = {
                "model_id": pa.array(names).dictionary_encode(),
                "item": pa.array(item, pa.int32()),
                "usd": tokens * np.array([price[name] for name in names], np.float32) * np.float32(1e-7),
                "prompt_tokens": np.full(n, 100, np.float32),
                "completion_tokens": tokens,
                "latency_s": pa.nulls(n, pa.float32()),
            }
            part = build / f"tables/costs/benchmark={bench.name}/part-0.parquet"
            store.write_table(part, COSTS, pa.table(table, schema=COSTS))
            known = {"kept": n, "missing": 0, "bad": 0}
            row["costs"] = dict.fromkeys(("usd", "prompt_tokens", "completion_tokens"), known)
        told.append(row)
    return tuple(told)


def write_priced(folder: Path, answers: tuple[str, ...] = ("gsm8k",)) -> Path:
    """A release with its report; answers on some benchmarks have costs, all models have sizes."""
    benches = [
        Bench("gsm8k", binary(30, 700, 1), sizes=(2, 3, 5)),
        Bench("arc", binary(30, 400, 2)),
    ]
    build = write_build(folder, benches)
    accounting = add_costs(build, benches, answers)
    given = options(accounting=accounting, skipped_groups=())
    write_release(build, build / "release", given, reports=reports_hook)
    return build / "release"
