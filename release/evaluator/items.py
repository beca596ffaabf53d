"""Reads the items of one benchmark: scores, labels and vectors, cut by a split scheme."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from .errors import DataError, InputError, UsageError
from .reader import Group, Release, read_parquet
from .task import Labels, Scores

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True, eq=False)
class Part:
    """The rows of one split: `scores` and `labels` by group, (n, m) each; `vectors` (n, d)."""

    rows: npt.NDArray[np.intp]
    item_ids: list[str]
    subsets: list[str]
    vectors: Scores
    scores: dict[Group, Scores]
    labels: dict[Group, Labels]


@dataclass(frozen=True, eq=False)
class Items:
    """All items of a benchmark under one scheme. `files_follow_scheme`: each file is one split of it."""

    release: Release
    benchmark: str
    parts: dict[str, Part]
    files_follow_scheme: bool

    def prompts(self, split: str) -> list[str]:
        """Raw prompts of one split, in row order. Raises DataError where the release publishes none."""
        column = _concatenate(self.release.path / "data" / self.benchmark, ["prompt"])["prompt"]
        texts: list[str | None] = column.take(pa.array(self.parts[split].rows)).to_pylist()
        if None in texts:
            raise DataError(
                f"{self.benchmark}: this release publishes no prompts for it; use a router on vectors"
            )
        return [text for text in texts if text is not None]


def load_items(
    release: Release, benchmark: str, groups: Sequence[Group], encoder: str | None, scheme: str
) -> Items:
    """Scores, labels and vectors of `groups`, cut by the scheme's split.

    Rows keep the canonical item order inside each file. Raises InputError for missing files or columns,
    UsageError for an unknown scheme, DataError for NaN, bad shapes or an empty train or test split.
    """
    folder = release.path / "data" / benchmark
    split_column = f"split_{scheme}"
    _require_scheme(folder, scheme)
    columns = ["item_id", "subset", split_column]
    for group in groups:
        columns += [group.column, group.label_column]
    table = _concatenate(folder, columns)
    splits = table[split_column].to_numpy(zero_copy_only=False)
    item_ids = table["item_id"].to_numpy(zero_copy_only=False)
    vectors = np.zeros((len(item_ids), 0), np.float32)
    if encoder is not None:
        vectors = _read_vectors(release.path / "vectors" / encoder / benchmark, item_ids)
    scores = {g: _matrix(table[g.column], g, folder).astype(np.float32) for g in groups}
    labels = {g: _matrix(table[g.label_column], g, folder).astype(np.uint8) for g in groups}
    for group, values in scores.items():
        bad = np.argwhere(~((values >= 0) & (values <= 1)))
        if len(bad):
            item, rank = bad[0]
            raise DataError(
                f"{folder}: {group.column}, item {item_ids[item]}, model {group.candidates[rank]}: "
                f"score {values[item, rank]}, expected a number in [0, 1]"
            )
    subsets = table["subset"].to_pylist()
    parts = {}
    for split in SPLITS:
        rows = np.flatnonzero(splits == split)
        if not len(rows) and split != "validation":
            raise DataError(
                f"{folder}: the {split} split of scheme {scheme!r} is empty; nothing can be evaluated, "
                "so leave this benchmark out of --benchmarks"
            )
        parts[split] = Part(
            rows,
            [str(item_ids[r]) for r in rows],
            [str(subsets[r]) for r in rows],
            vectors[rows],
            {g: v[rows] for g, v in scores.items()},
            {g: v[rows] for g, v in labels.items()},
        )
    files = np.repeat(SPLITS, [pq.read_metadata(folder / f"{s}.parquet").num_rows for s in SPLITS])
    return Items(release, benchmark, parts, bool((files == splits).all()))


def _require_scheme(folder: Path, scheme: str) -> None:
    path = folder / "train.parquet"
    try:
        names = pq.read_schema(path).names
    except (OSError, UnicodeDecodeError, pa.ArrowException) as error:
        raise InputError(f"{path}: missing or unreadable ({error})") from error
    schemes = [n.removeprefix("split_") for n in names if n.startswith("split_")]
    if scheme not in schemes:
        raise UsageError(f"{folder}: no split scheme {scheme!r}; this release has {', '.join(schemes)}")


def _concatenate(folder: Path, columns: Sequence[str]) -> pa.Table:
    tables = [read_parquet(folder / f"{split}.parquet", columns) for split in SPLITS]
    try:
        return pa.concat_tables(tables, promote_options="permissive").combine_chunks()
    except pa.ArrowException as error:
        raise InputError(f"{folder}: its files have different column types ({error})") from error


def _matrix(column: pa.ChunkedArray, group: Group, folder: Path) -> npt.NDArray[np.generic]:
    flat = column.combine_chunks().flatten()
    nulls = column.null_count + flat.null_count
    if nulls or len(flat) != len(column) * group.m:
        raise DataError(
            f"{folder}: {group.column}: {len(flat)} values, {nulls} nulls in {len(column)} rows; "
            f"expected {group.m} values a row and no null"
        )
    return np.asarray(flat.to_numpy(zero_copy_only=False)).reshape(len(column), group.m)


def _read_vectors(folder: Path, item_ids: npt.NDArray[np.object_]) -> Scores:
    table = _concatenate(folder, ["item_id", "embedding"])
    found = {item: row for row, item in enumerate(table["item_id"].to_pylist())}
    missing = [item for item in item_ids if item not in found]
    if missing:
        raise DataError(
            f"{folder}: no vector for {len(missing)} of {len(item_ids)} items, first {missing[0]}"
        )
    column = table["embedding"].combine_chunks()
    flat = column.flatten()
    dimension = len(flat) // max(len(column), 1)
    if len(flat) != dimension * len(column):
        raise DataError(f"{folder}: vectors of different lengths")
    vectors = np.asarray(flat.to_numpy(zero_copy_only=False), np.float32).reshape(len(column), dimension)
    vectors = vectors[[found[item] for item in item_ids]]
    bad = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if len(bad):
        raise DataError(f"{folder}: the vector of item {item_ids[bad[0]]} has NaN or infinite entries")
    return vectors


def reference_order(subsets: dict[str, list[str]], seed: int) -> npt.NDArray[np.intp]:
    """Order in which the reference code holds the training rows of the `paper` split.

    subsets: split -> subset of each row, rows in canonical order. The reference shuffles the items of
    each subset with NumPy's legacy generator and keeps that order; the files keep the canonical one.
    Returns indices into the training rows. Raises DataError if the sizes are not those of that split.
    """
    rng = np.random.RandomState(seed)
    order = []
    for name in dict.fromkeys(subsets["train"]):
        n_train, n_val, n_test = (subsets[split].count(name) for split in SPLITS)
        n = n_train + n_val + n_test
        if (n_train, n_train + n_val) != (int(0.8 * n), int(0.9 * n)):
            raise DataError(
                f"subset {name!r}: {n_train}/{n_val}/{n_test} items in train/validation/test; "
                "--compat expects the paper's split, cut at int(.8n) and int(.9n)"
            )
        shuffled = np.arange(n)
        rng.shuffle(shuffled)
        rows = np.flatnonzero(np.array(subsets["train"]) == name)
        order.append(rows[np.argsort(np.argsort(shuffled[:n_train]))])
    return np.concatenate(order)
