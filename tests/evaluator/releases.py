"""Writes release folders in the layout of DESIGN.md, for the evaluator's tests."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from routerset.schemas.released import LIMITS_SCHEMA

SPLITS = ("train", "validation", "test")
KINDS = ("all_strong", "all_weak", "strong_to_weak")


@dataclass
class Fixture:
    """One benchmark. scores (models, items); groups: (method, m, kind) -> rows; splits: scheme -> sides.

    limits: (method, m, kind) -> columns of table `limits` that are not null. categories: None for a release
    that has no such column.
    """

    name: str
    scores: np.ndarray
    vectors: dict[str, np.ndarray]
    groups: dict[tuple[str, int, str], Sequence[int]]
    splits: dict[str, np.ndarray]
    subsets: Sequence[str] = ()
    models: Sequence[str] = ()
    prompts: Sequence[str | None] = ()
    families: Sequence[str] = ()
    categories: Sequence[str | None] | None = None
    reference_score: float | None = 0.9
    binary: bool = True
    labels: dict[tuple[str, int, str], np.ndarray] = field(default_factory=dict)
    limits: dict[tuple[str, int, str], dict[str, float | None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n_models, n = self.scores.shape
        self.models = list(self.models) or [f"org/model-{i:04d}" for i in range(n_models)]
        self.subsets = list(self.subsets) or [self.name] * n
        self.prompts = list(self.prompts) or [f"Question {i}?" for i in range(n)]
        self.families = list(self.families) or [f"family-{i}" for i in range(n)]


def paper_sides(sizes: Sequence[int], seed: int = 42) -> tuple[np.ndarray, np.random.RandomState]:
    """Split of each item in canonical order, and the generator as it is left."""
    rng = np.random.RandomState(seed)
    sides = []
    for n in sizes:
        order = np.arange(n)
        rng.shuffle(order)
        side = np.full(n, "test", dtype=object)
        side[order[: int(0.8 * n)]] = "train"
        side[order[int(0.8 * n) : int(0.9 * n)]] = "validation"
        sides.append(side)
    return np.concatenate(sides), rng


def random_fixture(
    name: str = "toy",
    *,
    n_models: int = 40,
    sizes: Mapping[str, int] | None = None,
    ms: Sequence[int] = (3, 5),
    methods: Sequence[str] = ("paper",),
    encoders: Sequence[str] = ("minilm",),
    d: int = 12,
    binary: bool = True,
    seed: int = 0,
) -> Fixture:
    """Items of a few topics; each model is better at some topics than at others."""
    rng = np.random.default_rng(seed)
    sizes = sizes or {"a": 70, "b": 50}
    n = sum(sizes.values())
    topic = rng.integers(0, 4, n)
    centres = rng.normal(size=(4, d))
    skill = rng.uniform(0.15, 0.85, (n_models, 1)) + rng.normal(0, 0.2, (n_models, 4))
    chance = np.clip(skill[:, topic] + rng.normal(0, 0.15, n), 0.02, 0.98)
    scores = (rng.random(chance.shape) < chance) if binary else np.round(chance, 3)
    scores = scores.astype(np.float32)
    order = np.argsort(scores.mean(axis=1), kind="stable")
    groups = {}
    for method in methods:
        for m in ms:
            pools = (order[-2 * m :], order[: 2 * m], order[:: max(1, n_models // m)])
            for kind, pool in zip(KINDS, pools, strict=True):
                rows = np.sort(rng.choice(len(pool), m, replace=False))
                groups[method, m, kind] = pool[rows]
    sides, _ = paper_sides(list(sizes.values()))
    families = np.array([f"f{i}" for i in rng.integers(0, n // 2, n)])
    by_family = np.array(SPLITS, dtype=object)[[0, 0, 0, 0, 0, 0, 0, 0, 1, 2]]
    return Fixture(
        name,
        scores,
        {e: (centres[topic] + rng.normal(0, 0.7, (n, d))).astype(np.float32) for e in encoders},
        groups,
        {"paper": sides, "family": np.array([by_family[int(f[1:]) % 10] for f in families], dtype=object)},
        subsets=[s for s, k in sizes.items() for _ in range(k)],
        families=families.tolist(),
        binary=binary,
    )


def write_release(
    folder: Path, fixtures: Sequence[Fixture], *, follow: str = "paper", schema_version: int = 2
) -> Path:
    """The folder of a release whose files follow the split scheme `follow`."""
    rows = []
    limits = []
    manifest = {
        "schema_version": schema_version,
        "release": {"name": "fixture", "version": "1.2.3"},
        "methods": list(dict.fromkeys(method for f in fixtures for method, *_ in f.groups)),
        "schemes": list(dict.fromkeys([follow, *(s for f in fixtures for s in f.splits)])),
        "benchmarks": {},
    }
    for f in fixtures:
        n = f.scores.shape[1]
        manifest["benchmarks"][f.name] = {
            "metric": "acc",
            "reference_model": "GPT-4",
            "reference_score": f.reference_score,
            "binary": f.binary,
            "n_items": n,
            "groups": [
                {
                    "column": f"{method}_m{m}_{kind}",
                    "label_column": f"{method}_m{m}_{kind}_label",
                    "method": method,
                    "m": m,
                    "kind": kind,
                }
                for method, m, kind in f.groups
            ],
            "subsets": {s: list(f.subsets).count(s) for s in dict.fromkeys(f.subsets)},
        }
        base = {
            "item": pa.array(np.arange(n, dtype=np.int32)),
            "item_id": pa.array([f"{f.name}-{i:05d}" for i in range(n)]),
            "subset": pa.array(list(f.subsets)),
        }
        columns: dict[str, pa.Array] = {}
        for (method, m, kind), members in f.groups.items():
            Y = f.scores[list(members)].T.astype(np.float32)
            best = Y.max(axis=1, keepdims=True)
            labels = ((0.95 * best <= Y) & (best > 0)).astype(np.uint8)
            name = f"{method}_m{m}_{kind}"
            columns[name] = pa.FixedSizeListArray.from_arrays(pa.array(Y.ravel()), m)
            columns[f"{name}_label"] = pa.FixedSizeListArray.from_arrays(pa.array(labels.ravel()), m)
            if known := f.limits.get((method, m, kind)):
                limits.append({"benchmark": f.name, "method": method, "m": m, "kind": kind, **known})
            rows += [(method, f.name, m, kind, rank, f.models[row]) for rank, row in enumerate(members)]
        data = {
            **base,
            "question": pa.array(list(f.prompts), pa.string()),
            "prompt": pa.array(list(f.prompts), pa.string()),
            "family_id": pa.array(list(f.families)),
            **({} if f.categories is None else {"category": pa.array(list(f.categories), pa.string())}),
            **{f"split_{s}": pa.array(side.tolist(), pa.string()) for s, side in f.splits.items()},
            **columns,
        }
        _write_splits(folder / "data" / f.name, pa.table(data), f.splits[follow])
        for encoder, X in f.vectors.items():
            embedding = pa.FixedSizeListArray.from_arrays(pa.array(X.astype(np.float32).ravel()), X.shape[1])
            table = pa.table({**base, "embedding": embedding, **columns})
            _write_splits(folder / "vectors" / encoder / f.name, table, f.splits[follow])
        scores = pa.table(
            {
                "model_id": pa.array(np.repeat(f.models, n)).dictionary_encode(),
                "item": pa.array(np.tile(np.arange(n, dtype=np.int32), len(f.models))),
                "score": pa.array(f.scores.astype(np.float32).ravel()),
            }
        )
        (folder / "scores").mkdir(exist_ok=True)
        pq.write_table(scores, folder / "scores" / f"{f.name}.parquet")
    names = ("method", "benchmark", "m", "kind", "rank", "model_id")
    types = (pa.string(), pa.string(), pa.int32(), pa.string(), pa.int32(), pa.string())
    columns = [pa.array(c, t) for c, t in zip(zip(*rows, strict=True), types, strict=True)]
    pq.write_table(pa.table(columns, names=list(names)), folder / "groups.parquet")
    if limits:
        pq.write_table(pa.Table.from_pylist(limits, LIMITS_SCHEMA), folder / "limits.parquet")
        manifest["tables"] = {"limits.parquet": {}}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def add_costs(folder: Path, fixture: Fixture, answers: bool = True, seed: int = 0) -> None:
    """Give a release sizes of a fixture's models and, with answers, US dollars and tokens of every answer."""
    rng = np.random.default_rng(seed)
    n_models, n = fixture.scores.shape
    sizes = np.round(np.geomspace(1, 70, n_models), 1)[rng.permutation(n_models)]
    models = {"model_id": list(fixture.models), "params_b": pa.array(sizes, pa.float32())}
    pq.write_table(pa.table(models), folder / "models.parquet")
    if answers:
        tokens = rng.integers(20, 900, (n_models, n))
        usd = tokens * sizes[:, None] * 1e-7
        table = {
            "model_id": pa.array(np.repeat(fixture.models, n)).dictionary_encode(),
            "item": pa.array(np.tile(np.arange(n, dtype=np.int32), n_models)),
            "usd": pa.array(usd.ravel(), pa.float32()),
            "prompt_tokens": pa.array(np.full(n_models * n, 100), pa.float32()),
            "completion_tokens": pa.array(tokens.ravel(), pa.float32()),
            "latency_s": pa.nulls(n_models * n, pa.float32()),
        }
        (folder / "costs").mkdir(exist_ok=True)
        pq.write_table(pa.table(table), folder / "costs" / f"{fixture.name}.parquet")


def _write_splits(folder: Path, table: pa.Table, sides: np.ndarray) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for split in SPLITS:
        pq.write_table(table.filter(pa.array(sides == split)), folder / f"{split}.parquet")
