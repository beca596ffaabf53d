"""Many texts to vectors: each distinct text once, in shards that any number of workers can take.

A shard is plain data (paths and settings); `encode_shard` is a plain function that a worker calls
with it and that leaves its result in the cache. So it runs in a loop, in Beam (`Create(shards) |
Reshuffle | Map(encode_shard)`), on Dask workers, or on anything that can map a function. Workers
need the cache folder and the model folders at the same paths.

GPUs in a cluster: start one Dask worker for each GPU, `CUDA_VISIBLE_DEVICES=0 dask worker ADDRESS
--nthreads 1 --resources GPU=1`; one thread lets a GPU serve one shard at a time, and where some
workers have no GPU, `client.map(encode_shard, shards, resources={"GPU": 1})` finds those that have.
With managed runners, give the step Beam's hint
`with_resource_hints(accelerator="type:nvidia-l4;count:1;install-nvidia-driver")`.

Whether a run is new, resumed after a kill, spread over one worker or many, a text gets the same
vector. First, a vector does not depend on the texts it is computed with (`embed.packed`). Second, on
hardware where that should fail in the last bit, shards are cut by the hash of the text into pieces
whose number depends on the whole set of texts, and each is stored whole or computed again whole.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from routerset.embed.cache import (
    CachedVectors,
    load_vectors,
    read_table,
    vector_array,
    vectors_folder,
    write_table,
    write_vectors,
)
from routerset.embed.encoders import ENCODERS, Encoder, shared_passes
from routerset.embed.model import NO_PATHS, Policy, encode, resolve_dtype
from routerset.embed.texts import text_key
from routerset.embed.weights import model_path, weights_revision
from routerset.schemas.ids import well_formed
from routerset.schemas.tables import embeddings_schema

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Shard:
    """A piece of work, as plain data.

    texts: file with the columns key and text. encoders: they share a forward pass.
    folders: where the vectors of each encoder go. paths: items of `[embed.paths]`.
    """

    texts: str
    encoders: tuple[Encoder, ...]
    folders: tuple[str, ...]
    policy: Policy
    paths: tuple[tuple[str, str], ...]


RunShards = Callable[[Callable[[Shard], int], Sequence[Shard]], object]
"""Calls a function with every shard, somewhere, at least once, and returns when all are done."""


@dataclass(frozen=True)
class EncoderReport:
    """How the vectors of one encoder came about.

    encoded: distinct texts encoded now; the others were in the cache.
    truncated: bool (n,), texts whose start was cut off.
    padding_waste: share of the rows computed now that were padding; None if nothing was computed.
    """

    encoded: int
    truncated: npt.NDArray[np.bool_]
    padding_waste: float | None


def embed_texts(
    texts: Sequence[str],
    encoders: Sequence[str],
    *,
    cache_dir: str,
    policy: Policy | None = None,
    paths: Mapping[str, str] = NO_PATHS,
    run_shards: RunShards | None = None,
) -> tuple[dict[str, npt.NDArray[np.float32]], dict[str, EncoderReport]]:
    """Vectors of texts under encoders of the registry, and how they came about; both by encoder.

    Vectors are (n, dimension), in the order of the texts. Of the cache, damaged files are left out, and told.
    cache_dir: folder of the cache; only texts it lacks are encoded. run_shards: how to map over
    shards, by default a loop in this process. A killed run is resumed by the same call.
    Raises what `embed.model.encode` raises, before any work where it can be known, and
    FileNotFoundError if the workers left no vectors.
    """
    policy = policy or Policy()
    policy = replace(policy, dtype=resolve_dtype(policy))
    paths = {name: str(Path(path).absolute()) for name, path in paths.items()}
    chosen = [ENCODERS[name] for name in encoders]
    clean = [well_formed(text) for text in texts]
    keys = [text_key(text) for text in clean]
    text_of = dict(zip(keys, clean, strict=True))

    cache = Path(cache_dir).absolute()
    folders = {
        e.name: vectors_folder(str(cache), e, weights_revision(e, paths), policy.dtype) for e in chosen
    }
    before = {e.name: load_vectors(folders[e.name], e.dimension) for e in chosen}
    for message in (message for cached in before.values() for message in cached.damaged):
        _log.warning("%s", message)
    missing = {e.name: text_of.keys() - before[e.name].row_of.keys() for e in chosen}
    stale = [e for e in chosen if missing[e.name]]
    for e in stale:
        model_path(e, paths)
    for group in shared_passes(stale, paths):
        cache.mkdir(parents=True, exist_ok=True)
        wanted = set().union(*(missing[e.name] for e in group))
        with tempfile.TemporaryDirectory(dir=cache, prefix="texts-") as scratch:
            shards = []
            for number, part in enumerate(plan_shards(text_of, wanted, policy.shard_texts)):
                file = str(Path(scratch, str(number)))
                write_table(file, pa.table({"key": part, "text": [text_of[key] for key in part]}))
                targets = tuple(folders[e.name] for e in group)
                shards.append(Shard(file, group, targets, policy, tuple(sorted(paths.items()))))
            (run_shards or _one_by_one)(encode_shard, shards)

    vectors, reports = {}, {}
    for e in chosen:
        after = load_vectors(folders[e.name], e.dimension)
        vectors[e.name], reports[e.name] = _gather(e, keys, before[e.name], after, folders[e.name])
    return vectors, reports


def plan_shards(keys: Collection[bytes], missing: Collection[bytes], shard_texts: int) -> list[list[bytes]]:
    """The missing keys, sorted, in shards of about `shard_texts`; a function of its arguments alone.

    The keys of all texts set the number of shards, and a key's own value its shard: a shard that is
    finished in one run is never cut differently in the next.
    """
    count = -(-len(keys) // shard_texts)
    shards: dict[int, list[bytes]] = {}
    for key in sorted(missing):
        shards.setdefault(int.from_bytes(key[:8]) * count >> 64, []).append(key)
    return list(shards.values())


def encode_shard(shard: Shard) -> int:
    """Encode the texts of a shard and store their vectors; returns the number of texts."""
    table = read_table(shard.texts)
    keys, texts = table["key"].to_pylist(), table["text"].to_pylist()
    encoded = encode(texts, shard.encoders, policy=shard.policy, paths=dict(shard.paths))
    for encoder, folder in zip(shard.encoders, shard.folders, strict=True):
        vectors = encoded.vectors[encoder.name]
        write_vectors(folder, keys, vectors, encoded.tokens, encoded.truncated, encoded.rows)
    return len(texts)


def embeddings_table(items: Sequence[int], vectors: npt.NDArray[np.float32]) -> pa.Table:
    """The `embeddings` table of one benchmark: item numbers and vectors (n, dimension), row by row."""
    columns = [pa.array(items, type=pa.int32()), vector_array(vectors)]
    return pa.table(columns, schema=embeddings_schema(vectors.shape[1]))


def _one_by_one(function: Callable[[Shard], int], shards: Sequence[Shard]) -> None:
    """Run shards in this process, with a bar where there is a terminal."""
    from tqdm import tqdm

    for shard in tqdm(shards, desc=shards[0].encoders[0].name, unit="shard", disable=None, leave=False):
        function(shard)


def _gather(
    encoder: Encoder, keys: Sequence[bytes], before: CachedVectors, after: CachedVectors, folder: str
) -> tuple[npt.NDArray[np.float32], EncoderReport]:
    """Vectors in the order of the keys, and the report on them."""
    if lost := len(set(keys) - after.row_of.keys()):
        raise FileNotFoundError(
            f"{folder}: expected vectors of all texts, found none for {lost}; workers must see the same "
            "cache folder as this process"
        )
    table = after.take(keys).combine_chunks()
    vectors = table["vector"].combine_chunks().flatten().to_numpy().reshape(len(keys), encoder.dimension)
    computed = [after.files[name] for name in after.files.keys() - before.files.keys()]
    tokens, rows = (sum(column) for column in zip((0, 0), *computed, strict=True))
    return vectors, EncoderReport(
        encoded=len(set(keys) - before.row_of.keys()),
        truncated=table["truncated"].to_numpy(),
        padding_waste=1 - tokens / rows if rows else None,
    )
