"""Reads a scores file in one pass, a million records at a time: group members as a matrix, sums, digests."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np

from routerset.release.errors import ReleaseError
from routerset.release.files import reading
from routerset.schemas.matrix import Chunk, chunks, to_matrix

FIXED_POINT = 1 << 24
"""Sums of scores are exact integers in these units, so that a mean is the same on every machine."""


@dataclass(frozen=True)
class ScoreSummary:
    """What a scores file holds.

    models: number of models; complete: those with a score on every item; mean: over all records, in
    [0, 1], six decimals; binary: every score is 0 or 1; arrow_bytes: size in memory, as plain strings
    and numbers.
    """

    records: int
    models: int
    complete: int
    mean: float
    binary: bool
    arrow_bytes: int


def read_scores(path: Path, members: Sequence[str], n_items: int) -> tuple[np.ndarray, ScoreSummary]:
    """Scores of some models as a matrix, and a summary of all.

    path: a Parquet file of table `scores`, sorted by model and item; members: distinct models.
    Returns (members, n_items) as `schemas.matrix.to_matrix` does: uint8 while every score of the file is 0
    or 1. Raises ReleaseError for an item that does not exist, a score outside [0, 1] or NaN, or a member
    without any score.
    """
    counts: dict[str, int] = {}
    total = 0

    def counted(found: Iterable[Chunk]) -> Iterator[Chunk]:
        nonlocal total
        for chunk in found:
            outside = np.flatnonzero((chunk.items < 0) | (chunk.items >= n_items))
            if len(outside):
                raise ReleaseError(
                    f"{path}: found item {chunk.items[outside[0]]}, expected 0 to {n_items - 1}; "
                    "scores and items come from different builds: build again"
                )
            wrong = np.flatnonzero(~((chunk.scores >= 0) & (chunk.scores <= 1)))  # NaN is neither
            if len(wrong):
                found, item = chunk.scores[wrong[0]], chunk.items[wrong[0]]
                raise ReleaseError(f"{path}: found score {found} of item {item}, expected one from 0 to 1")
            total += int(np.rint(chunk.scores * np.float32(FIXED_POINT)).astype(np.int64).sum())
            numbers = np.bincount(chunk.codes, minlength=len(chunk.models)).tolist()
            for model, n in zip(chunk.models, numbers, strict=True):
                counts[model] = counts.get(model, 0) + n
            yield chunk

    with reading(path) as file:
        _, matrix = to_matrix(counted(chunks(file)), n_items, members)
    absent = sorted(set(members) - set(counts))
    if absent:
        raise ReleaseError(
            f"{path}: no score of {absent[0]}, which is a candidate; groups and scores come from "
            "different builds: build again"
        )
    records = sum(counts.values())
    summary = ScoreSummary(
        records=records,
        models=len(counts),
        complete=sum(n == n_items for n in counts.values()),
        mean=round(total / FIXED_POINT / max(records, 1), 6),
        binary=matrix.dtype == np.uint8,
        arrow_bytes=records * 12 + sum(len(model.encode()) * n for model, n in counts.items()),
    )
    return matrix, summary


def model_digests(path: Path) -> dict[str, str]:
    """Digest of the records (item, score) of every model."""
    hashes: dict[str, tuple[blake2b, blake2b]] = {}
    for chunk in _chunks(path):
        for model, run in chunk.runs():
            items, scores = hashes.setdefault(model, (blake2b(digest_size=16), blake2b(digest_size=16)))
            items.update(chunk.items[run].tobytes())
            scores.update(chunk.scores[run].tobytes())
    return {model: items.hexdigest() + scores.hexdigest() for model, (items, scores) in hashes.items()}


def model_records(path: Path, models: Collection[str]) -> dict[str, dict[int, float]]:
    """Scores by item of some models."""
    records: dict[str, dict[int, float]] = {model: {} for model in models}
    for chunk in _chunks(path):
        for model, run in chunk.runs():
            if model in records:
                found = zip(chunk.items[run].tolist(), chunk.scores[run].tolist(), strict=True)
                records[model].update(found)
    return records


def _chunks(path: Path) -> Iterator[Chunk]:
    with reading(path) as file:
        yield from chunks(file)
