"""Stage `embed`: a vector per item and encoder, taken from the dump where it brings them, else computed."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from routerset.embed.cache import SUFFIX, texts_in
from routerset.embed.encoders import ENCODERS, shared_passes
from routerset.embed.model import Policy, resolve_device
from routerset.embed.shards import Shard, embed_texts, embeddings_table
from routerset.embed.texts import embed_text
from routerset.etl.manifest import Finished
from routerset.etl.progress import say, watch
from routerset.etl.sources.base import SourceSpec
from routerset.etl.sources.routereval import embedding_files, read_embeddings
from routerset.etl.stages.base import Context, Stage
from routerset.schemas import store
from routerset.schemas.store import Output, sha256
from routerset.schemas.tables import TABLES, embeddings_schema

if TYPE_CHECKING:
    from routerset.etl.config import Config, Runner

TEXT = 0.01
"""Seconds that a thread takes for a text and an encoder, at least: a question of 100 tokens, and MiniLM."""

Vectors = Mapping[tuple[str, str], np.ndarray]


def write_embeddings(context: Context) -> Finished:
    """Write the embeddings of every encoder and benchmark. Raises what `embed_texts` raises."""
    config, build, benchmarks = context.config, context.out, context.benchmarks
    items = {b: pq.read_table(build / TABLES["items"].path(benchmark=b)) for b in benchmarks}
    files: list[Output] = []
    info: dict[str, dict[str, store.JsonObject]] = {}

    def write(encoder: str, benchmark: str, vectors: np.ndarray, facts: store.JsonObject) -> None:
        path = build / TABLES["embeddings"].path(encoder=encoder, benchmark=benchmark)
        table = embeddings_table(items[benchmark]["item"].to_pylist(), vectors)
        rows = store.write_table(path, embeddings_schema(vectors.shape[1]), table)
        files.append(store.describe(build, path, rows))
        info.setdefault(encoder, {})[benchmark] = {"items": len(vectors), **facts}

    own = _own_keys(build, benchmarks)
    for encoder, path, spec in _ready_files(config):
        ready = read_embeddings(path, spec)
        for benchmark in benchmarks:
            vectors = _ready(items[benchmark], benchmark, ready) if benchmark in own else None
            if vectors is not None:
                write(encoder, benchmark, vectors, {"from": "dump", "truncated": 0})
    for encoders, left in _passes(config, benchmarks, info):
        _compute(config, build, encoders, {b: items[b] for b in left}, context.runner, write)
    return Finished.of(files, {"embeddings": info})


def _passes(
    config: Config, benchmarks: Sequence[str], ready: Mapping[str, Collection[str]]
) -> list[tuple[list[str], tuple[str, ...]]]:
    """Encoders that share a forward pass over the same benchmarks, with these; what is ready is left out."""
    found = []
    for group in shared_passes([ENCODERS[name] for name in config.embed.encoders], config.embed.paths):
        names: dict[tuple[str, ...], list[str]] = {}
        for encoder in group:
            left = tuple(b for b in benchmarks if b not in ready.get(encoder.name, ()))
            names.setdefault(left, []).append(encoder.name)
        found += [(encoders, left) for left, encoders in names.items() if left]
    return found


def _compute(
    config: Config,
    build: Path,
    encoders: Sequence[str],
    items: Mapping[str, pa.Table],
    runner: Runner,
    write: Callable[[str, str, np.ndarray, store.JsonObject], None],
) -> None:
    """Compute the vectors of some encoders; equal texts of several benchmarks are encoded once."""
    texts = {
        b: [
            embed_text(q, p, "prompt" if config.embed.text == "prompt" else "question")
            for q, p in zip(table["question"].to_pylist(), table["prompt"].to_pylist(), strict=True)
        ]
        for b, table in items.items()
    }
    vectors, reports = embed_texts(
        [text for part in texts.values() for text in part],
        encoders,
        cache_dir=str(build / "staging" / "vectors"),
        policy=Policy(dtype=config.embed.dtype),
        paths=config.embed.paths,
        run_shards=functools.partial(_run_shards, runner=runner),
    )
    for encoder, found in reports.items():
        if found.padding_waste is not None:
            say(f"{encoder}: {found.encoded} texts encoded, padding waste {found.padding_waste:.1%}")
        start = 0
        for benchmark, part in texts.items():
            end = start + len(part)
            cut = int(found.truncated[start:end].sum())
            write(encoder, benchmark, vectors[encoder][start:end], {"from": "model", "truncated": cut})
            if cut:
                limit = ENCODERS[encoder].max_tokens
                say(f"{encoder}: {cut} of {len(part)} texts of {benchmark} cut to their last {limit} tokens")
            start = end


def _run_shards(function: Callable[[Shard], int], shards: Sequence[Shard], runner: Runner) -> None:
    from routerset.etl.pipeline import parallel_map

    folder = Path(shards[0].folders[0])
    total = sum(texts_in(shard.texts) for shard in shards)
    before = {*folder.glob(f"*{SUFFIX}")}
    texts_of = functools.cache(texts_in)  # a file appears whole, and stays

    def encoded() -> int:
        return sum(map(texts_of, {*folder.glob(f"*{SUFFIX}")} - before))

    with watch(shards[0].encoders[0].name, total, encoded, unit=" texts", then="putting vectors together"):
        parallel_map(shards, function, runner, seconds=_seconds(shards))


def _seconds(shards: Sequence[Shard]) -> float:
    """That one thread encodes for, about; nothing where there is a GPU, which processes would only share."""
    if resolve_device(shards[0].policy).startswith("cuda"):
        return 0.0
    return sum(shard.policy.shard_texts * TEXT * len(shard.encoders) for shard in shards)


def _ready_files(config: Config) -> list[tuple[str, str, SourceSpec]]:
    """Encoder, file and source of every file of ready-made vectors."""
    return [
        (encoder, path, spec)
        for spec in config.sources
        if spec.format == "routereval"
        for encoder, path in embedding_files(spec)
    ]


def _own_keys(build: Path, benchmarks: Sequence[str]) -> set[str]:
    """Benchmarks whose scores all come from pickles, so that a document's key is its row there."""
    runs = pq.read_table(build / "tables" / "runs.parquet", columns=["benchmark", "source", "chosen"])
    others = runs.filter(pc.and_(runs["chosen"], pc.not_equal(runs["source"], "routereval")))
    return set(benchmarks) - set(others["benchmark"].to_pylist())


def _ready(items: pa.Table, benchmark: str, ready: Vectors) -> np.ndarray | None:
    """Vectors of all items by their keys, or None where one has none."""
    rows = []
    for subset, key in zip(items["subset"].to_pylist(), items["doc_key"].to_pylist(), strict=True):
        vectors = ready.get((benchmark, subset))
        if vectors is None or int(key) >= len(vectors):
            return None
        rows.append(vectors[int(key)])
    return np.stack(rows) if rows else None


def _settings(context: Context) -> object:
    from routerset.embed.weights import weights_revision

    wanted, ready = context.config.embed, _ready_files(context.config)
    weights = {name: weights_revision(ENCODERS[name], wanted.paths) for name in wanted.encoders}
    own = sorted(_own_keys(context.out, context.benchmarks)) if ready else []
    return wanted.text, wanted.dtype, weights, [(name, sha256(path)) for name, path, _ in ready], own


def _idle(context: Context) -> bool:
    return not context.config.embed.encoders and not _ready_files(context.config)


STAGE = Stage("embed", ("items",), _settings, write_embeddings, idle=_idle)
