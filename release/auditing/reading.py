"""Reads the benchmarks of a build or a release as what the audit looks at."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from routerset.release.auditing.subject import Costs, Subject, coded, gapless, whole_part
from routerset.release.errors import ReleaseInputError
from routerset.release.evaluator.costs import CostKind, find_kind
from routerset.release.files import read_table, reading
from routerset.release.layout import costs_path, data_path, scores_path, vectors_path
from routerset.release.manifest import Manifest
from routerset.schemas.benchmarks import BENCHMARKS
from routerset.schemas.matrix import Chunk, ScoreMatrix, chunks
from routerset.schemas.released import RELEASED
from routerset.schemas.splits import SPLIT_SCHEMES
from routerset.schemas.tables import TABLES, Split

DEFAULT_KIND = "params_b"
ITEM_COLUMNS = ("item", "subset", "category", "question_id", "choices")
NO_VECTORS, NOT_OF_QUESTIONS = "there are no vectors", "vectors are not of questions alone"


@dataclass(frozen=True, eq=False)
class Tables:
    """Where the tables of one benchmark are. items: with ITEM_COLUMNS, as far as there are any, by item.

    split: of each item, under the first scheme; None without. vectors: called where they are needed, gives
    vectors by item, or why there are none. costs: file of table `costs`, if any; models: of table `models`.
    """

    benchmark: str
    items: pa.Table
    scores: Path
    split: Sequence[str] | None
    vectors: Callable[[], np.ndarray | str]
    costs: Path
    models: Path
    seed: int = 42


Prices = Callable[[Sequence[str]], Costs]
"""What models cost, by a table from elsewhere."""


def of_release(release: Path, manifest: Manifest) -> Iterator[Tables]:
    """Benchmarks of a release, in its order. Raises ReleaseInputError for what cannot be read."""
    scheme = manifest.schemes[0]
    for name in manifest.benchmarks:
        columns = ["item", "subset", "category", "question_id", f"split_{scheme}"]
        items = pa.concat_tables(
            read_table(release / data_path(name, split), columns) for split in Split
        ).sort_by("item")

        yield Tables(
            name,
            items,
            release / scores_path(name),
            items[f"split_{scheme}"].to_pylist(),
            partial(_of_release, release, manifest, name),
            release / costs_path(name),
            release / RELEASED["models"].path,
            manifest.seed,
        )


def of_build(build: Path, manifest: Mapping[str, object]) -> Iterator[Tables]:
    """Benchmarks of a build, or of a folder that holds its `tables/` alone; those known here come first.

    manifest: of the build, or nothing.
    """
    there = {
        path.parent.name.partition("=")[2]
        for path in build.glob(TABLES["items"].path(benchmark="*"))
        if (build / TABLES["scores"].path(benchmark=path.parent.name.partition("=")[2])).is_file()
    }
    order = [*(name for name in BENCHMARKS if name in there), *sorted(there.difference(BENCHMARKS))]
    for name in order:
        path = build / TABLES["items"].path(benchmark=name)
        columns = [*(c for c in (*ITEM_COLUMNS, "question") if c in pq.read_schema(path).names)]
        items = read_table(path, columns).sort_by("item")
        schemes = sorted(
            (
                path.parent.parent.name.partition("=")[2]
                for path in build.glob(TABLES["splits"].path(scheme="*", benchmark=name))
            ),
            key=lambda scheme: [*SPLIT_SCHEMES, scheme].index(scheme),
        )
        split = None
        if schemes:
            rows = read_table(build / TABLES["splits"].path(scheme=schemes[0], benchmark=name)).sort_by(
                "item"
            )
            split = rows["split"].cast(pa.string()).to_pylist()

        yield Tables(
            name,
            items,
            build / TABLES["scores"].path(benchmark=name),
            split,
            partial(_of_build, build, manifest, name, items["question"].null_count == 0),
            build / TABLES["costs"].path(benchmark=name),
            build / TABLES["models"].path(),
        )


def _of_release(release: Path, manifest: Manifest, benchmark: str) -> np.ndarray | str:
    """Vectors of the first encoder that saw the questions of a benchmark alone, or why there are none."""
    entry = manifest.benchmarks[benchmark]
    asked = entry.texts.get("question", 0) == entry.n_items
    for encoder in entry.encoders if asked else ():
        row = manifest.encoders[encoder]
        given = row.get("from_dump")
        if row.get("text") == "question" and not (isinstance(given, list | tuple) and benchmark in given):
            files = [release / vectors_path(encoder, benchmark, split) for split in Split]
            return _vectors(files, [release / data_path(benchmark, split) for split in Split])
    return NOT_OF_QUESTIONS if entry.encoders else NO_VECTORS


def _of_build(build: Path, manifest: Mapping[str, object], benchmark: str, asked: bool) -> np.ndarray | str:
    """The same of a build. asked: whether every item has a question."""
    found = sorted(build.glob(TABLES["embeddings"].path(encoder="*", benchmark=benchmark)))
    for file in found if asked else ():
        encoder = file.parent.parent.name.partition("=")[2]
        if not _from_dump(manifest, encoder, benchmark):
            return _vectors([file], [])
    return NOT_OF_QUESTIONS if found else NO_VECTORS


def _from_dump(manifest: Mapping[str, object], encoder: str, benchmark: str) -> bool:
    """Whether a build took vectors as a dump had them, of whatever text."""
    found: object = manifest
    for key in ("stages", "embed", "info", "embeddings", encoder, benchmark, "from"):
        found = found.get(key) if isinstance(found, dict) else None
    return found == "dump"


def _vectors(files: Sequence[Path], data: Sequence[Path]) -> np.ndarray:
    """(items, d) vectors of length 1, by item. data: files that tell the items, if need be."""
    tables = [read_table(path) for path in files]
    if data:
        tables = [
            pa.table({"item": table["item"], "vector": vectors["embedding"]})
            for table, vectors in zip((read_table(path, ["item"]) for path in data), tables, strict=True)
        ]
    table = pa.concat_tables(tables).sort_by("item").combine_chunks()
    found = table["vector"].combine_chunks().flatten().to_numpy().reshape(table.num_rows, -1)
    lengths = np.linalg.norm(found, axis=1, keepdims=True)
    return np.asarray(found / np.where(lengths > 0, lengths, 1), np.float32)


def subject_of(tables: Tables, kind: str | None = None, prices: Prices | None = None) -> Subject:
    """What the audit looks at of one benchmark.

    kind: of costs, one of COST_KINDS; by default DEFAULT_KIND. prices: of models, in place of their facts.
    Categories are the subsets; of a benchmark with a single one, what the items are about.
    Raises UsageError for a kind that is none, ReleaseInputError for a table that cannot be read.
    """
    items = tables.items
    if not np.array_equal(np.asarray(items["item"]), np.arange(len(items))):
        raise ReleaseInputError(
            f"{tables.benchmark}: expected items from 0 without gaps; build or fetch it again"
        )
    with reading(tables.scores) as file:
        matrix = ScoreMatrix.of(_within(chunks(file), len(items), tables.scores), len(items))
    rows, kept = whole_part(matrix)
    models = tuple(matrix.models[row] for row in rows)

    def text(column: str, missing: str = "-") -> list[str]:
        if column not in items.column_names:
            return [missing] * len(kept)
        return [missing if v is None else str(v) for v in items[column].take(kept).to_pylist()]

    subsets = coded(text("subset"))
    categories = coded(text("category")) if len(subsets[1]) < 2 else subsets
    vectors = tables.vectors()
    ready = not isinstance(vectors, str) and len(vectors) == len(items)
    lengths = np.zeros(len(kept), np.intp)
    if "choices" in items.column_names:
        found = pc.fill_null(pc.list_value_length(items["choices"].take(kept)), 0)
        lengths = np.asarray(found.to_numpy(), np.intp)
    train = np.ones(len(kept), bool)
    if tables.split is not None:
        train = np.array([tables.split[item] == Split.TRAIN for item in kept.tolist()], bool)
    return Subject(
        tables.benchmark,
        models,
        gapless(matrix.scores, rows, kept),
        categories[0],
        categories[1],
        coded(text("question_id"))[0] if "question_id" in items.column_names else None,
        train if train.any() else np.ones(len(kept), bool),
        lengths,
        subsets,
        np.asarray(vectors)[kept] if ready else None,
        vectors if isinstance(vectors, str) else "" if ready else "some item has no vector",
        costs_of(tables, models, find_kind(kind or DEFAULT_KIND), prices),
        (len(matrix.models) - len(rows), len(items) - len(kept)),
        tables.seed,
    )


def _within(found: Iterator[Chunk], n_items: int, path: Path) -> Iterator[Chunk]:
    """Chunks of scores in [0, 1] of known items. Raises ReleaseInputError for any other."""
    for chunk in found:
        if not (
            (chunk.items >= 0) & (chunk.items < n_items) & (chunk.scores >= 0) & (chunk.scores <= 1)
        ).all():
            raise ReleaseInputError(
                f"{path}: expected scores in [0, 1] of known items; build or fetch it again"
            )
        yield chunk


def costs_of(tables: Tables, models: Sequence[str], kind: CostKind, prices: Prices | None) -> Costs:
    """What models cost: the mean of their answers where each has a cost, else prices, else facts."""
    if kind.measures and tables.costs.is_file():
        means = _answers(tables, models, kind)
        if np.isfinite(means).all():
            return Costs(
                kind.name, kind.unit, means, "" if len(set(means.tolist())) > 1 else "all cost the same"
            )
    if prices is not None:
        return prices(models)
    values = np.full(len(models), np.nan)
    if kind.columns and tables.models.is_file():
        table = read_table(tables.models)
        if set(kind.columns) <= set(table.column_names):
            facts = np.mean([np.asarray(table[c].to_numpy(), np.float64) for c in kind.columns], axis=0)
            known = dict(zip(table["model_id"].to_pylist(), facts.tolist(), strict=True))
            values = np.array([known.get(model, np.nan) for model in models], np.float64)
    return priced(kind.name, kind.per or kind.unit, values)


def priced(kind: str, unit: str, values: np.ndarray) -> Costs:
    """Costs of models, with what is missing of them."""
    n = int((~np.isfinite(values)).sum())
    same = "all models cost the same" if len(values) and len(set(values.tolist())) == 1 else ""
    return Costs(kind, unit, values, f"{n:,} of {len(values):,} models have no {kind}" if n else same)


def _answers(tables: Tables, models: Sequence[str], kind: CostKind) -> np.ndarray:
    """(models,) mean cost of an answer, NaN for a model that has not a cost for all items."""
    table = read_table(tables.costs, ["model_id", *kind.measures])
    sums = table[kind.measures[0]]
    for name in kind.measures[1:]:
        sums = pc.add(sums, table[name])
    known = pa.table({"model": table["model_id"].cast(pa.string()), "cost": pc.cast(sums, pa.float64())})
    means = known.drop_null().group_by("model").aggregate([("cost", "mean"), ("cost", "count")])
    found = {
        model: mean
        for model, mean, n in zip(
            means["model"].to_pylist(),
            means["cost_mean"].to_pylist(),
            means["cost_count"].to_pylist(),
            strict=True,
        )
        if n == len(tables.items)
    }
    return np.array([found.get(model, np.nan) for model in models], np.float64)
