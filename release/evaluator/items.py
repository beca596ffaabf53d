"""Reads the items of one benchmark: scores, labels and vectors, cut by a split scheme."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from .categories import categories
from .errors import DataError, InputError, LeftOut, UsageError
from .reader import Group, Reader, Release, read_parquet
from .task import Labels, Scores

Number = TypeVar("Number", bound=np.generic)
Places = tuple[tuple[str, npt.NDArray[np.intp]], ...]
SPLITS = ("train", "validation", "test")
LEFT_OUT = "left_out"
"""File of a release that leaves items out under its first scheme; other schemes can have sides for them."""
CATEGORY = ("category",)
"""What older releases have no column of."""


@dataclass(frozen=True, eq=False)
class Part:
    """The rows of one split: `scores` and `labels` by group, (n, m) each; `vectors` (n, d); all read-only.

    places: where they stand: (benchmark, rows of its data files) one after the other.
    """

    places: Places
    item_ids: tuple[str, ...]
    subsets: tuple[str, ...]
    categories: tuple[str, ...]
    vectors: Scores
    scores: dict[Group, Scores]
    labels: dict[Group, Labels]

    def take(self, order: npt.NDArray[np.intp]) -> Part:
        """Some rows of one benchmark's part, in some order."""
        ((benchmark, rows),) = self.places
        return Part(
            ((benchmark, rows[order]),),
            tuple(self.item_ids[row] for row in order),
            tuple(self.subsets[row] for row in order),
            tuple(self.categories[row] for row in order),
            frozen(self.vectors[order]),
            {group: frozen(values[order]) for group, values in self.scores.items()},
            {group: frozen(values[order]) for group, values in self.labels.items()},
        )


@dataclass(frozen=True, eq=False)
class Items:
    """All items of a benchmark under one scheme.

    binary: every score is 0 or 1. files_follow_scheme: each file is one split of it, with nothing left
    out. unscored: items that do not count, as a candidate has no score.
    """

    release: Release
    benchmark: str
    parts: dict[str, Part]
    binary: bool
    files_follow_scheme: bool
    unscored: int


def frozen(array: npt.NDArray[Number]) -> npt.NDArray[Number]:
    """A view that nobody can write to: what one router changed, the next one would be given."""
    array.setflags(write=False)
    return array.view()


def read_prompts(data: Path, places: Mapping[str, Places], split: str) -> list[str]:
    """Texts of one split, in the order of its rows: prompts, questions where there is none, else nothing.

    data: folder of the benchmarks' folders. Raises LeftOut where one holds neither for any item, KeyError for
    a split that is none.
    """
    found: list[str] = []
    for benchmark, rows in places[split]:
        columns = concatenate(data / benchmark, ["prompt", "question"])
        texts = pc.coalesce(columns["prompt"], columns["question"])
        if texts.null_count == len(texts):
            raise LeftOut(
                "this release publishes no prompts and no questions for it; use a router on vectors"
            )
        found += texts.take(pa.array(rows)).fill_null("").to_pylist()
    return found


def numbered(release: Release, places: Mapping[str, Places]) -> dict[str, Places]:
    """The same items by their number, as in the table of scores."""
    number = {
        name: concatenate(release.path / "data" / name, ["item"], read=release.read)["item"]
        .to_numpy()
        .astype(np.intp)
        for name in dict.fromkeys(name for parts in places.values() for name, _ in parts)
    }
    return {s: tuple((name, number[name][rows]) for name, rows in parts) for s, parts in places.items()}


def load_items(
    release: Release, benchmark: str, groups: Sequence[Group], encoder: str | None, scheme: str
) -> Items:
    """Scores, labels and vectors of `groups`, cut by the scheme's split.

    Rows keep the canonical item order inside each file. Where the release has candidates that miss scores, an
    item counts only if all candidates of `groups` have one. Raises InputError for missing files or columns,
    UsageError for an unknown scheme, DataError for NaN or bad shapes, LeftOut where train or test is empty.
    """
    folder = release.path / "data" / benchmark
    split_column = f"split_{scheme}"
    _require_scheme(folder, scheme)
    columns = ["item_id", "subset", split_column]
    for group in groups:
        columns += [group.column, group.label_column]
    table = concatenate(folder, columns, CATEGORY, release.read)
    splits = table[split_column].to_numpy(zero_copy_only=False)
    item_ids = table["item_id"].to_numpy(zero_copy_only=False)
    vectors = np.zeros((len(item_ids), 0), np.float32)
    if encoder is not None:
        vectors = _read_vectors(release, encoder, benchmark, item_ids)
    scores = {g: _matrix(table[g.column], g, folder).astype(np.float32) for g in groups}
    labels = {g: _matrix(table[g.label_column], g, folder).astype(np.uint8) for g in groups}
    scored = np.ones(len(item_ids), bool)
    for group, values in scores.items():
        absent = _nulls(table[group.column], group)
        if absent.any() and release.min_coverage == 1:
            raise DataError(
                f"{folder}: {group.column}: {int(absent.sum())} nulls; expected none in a release whose "
                "candidates cover every item"
            )
        scored &= ~absent.any(axis=1)
        bad = np.argwhere(~((values >= 0) & (values <= 1) | absent))
        if len(bad):
            item, rank = bad[0]
            raise DataError(
                f"{folder}: {group.column}, item {item_ids[item]}, model {group.candidates[rank]}: "
                f"score {values[item, rank]}, expected a number in [0, 1]"
            )
    subsets, about = table["subset"].to_pylist(), categories(table)
    parts = {}
    for split in SPLITS:
        rows = np.flatnonzero((splits == split) & scored)
        if not len(rows) and split != "validation":
            of_all = "" if scored.all() else ", but for items that a candidate has no score on"
            raise LeftOut(
                f"{folder}: the {split} split of scheme {scheme!r} is empty{of_all}; nothing can be evaluated"
                ", so leave this benchmark out of --benchmarks"
            )
        parts[split] = Part(
            ((benchmark, rows),),
            tuple(str(item_ids[r]) for r in rows),
            tuple(str(subsets[r]) for r in rows),
            tuple(about[rows].tolist()),
            frozen(vectors[rows]),
            {g: frozen(v[rows]) for g, v in scores.items()},
            {g: frozen(v[rows]) for g, v in labels.items()},
        )
    names = _files(folder)
    files = np.repeat(names, [pq.read_metadata(folder / f"{s}.parquet").num_rows for s in names])
    follows = names == SPLITS and bool((files == splits).all())
    binary = release.benchmarks[benchmark].binary
    return Items(release, benchmark, parts, binary, follows, int((~scored).sum()))


def _require_scheme(folder: Path, scheme: str) -> None:
    path = folder / "train.parquet"
    try:
        names = pq.read_schema(path).names
    except (OSError, UnicodeDecodeError, pa.ArrowException) as error:
        raise InputError(f"{path}: missing or unreadable ({error})") from error
    schemes = [n.removeprefix("split_") for n in names if n.startswith("split_")]
    if scheme not in schemes:
        raise UsageError(f"{folder}: no split scheme {scheme!r}; this release has {', '.join(schemes)}")


def _files(folder: Path) -> tuple[str, ...]:
    """Names of a folder's files: the splits, then what is left out, where anything is."""
    return (*SPLITS, *((LEFT_OUT,) if (folder / f"{LEFT_OUT}.parquet").exists() else ()))


def concatenate(
    folder: Path, columns: Sequence[str], optional: Sequence[str] = (), read: Reader = read_parquet
) -> pa.Table:
    """Columns of a folder's files, one after the other: what rows in `Part.places` count.

    optional: columns that older releases may lack. read: `Release.read`.
    """
    tables = [read(folder / f"{split}.parquet", columns, optional) for split in _files(folder)]
    try:
        return pa.concat_tables(tables, promote_options="permissive").combine_chunks()
    except pa.ArrowException as error:
        raise InputError(f"{folder}: its files have different column types ({error})") from error


def _matrix(column: pa.ChunkedArray, group: Group, folder: Path) -> npt.NDArray[np.generic]:
    flat = column.combine_chunks().flatten()
    if column.null_count or len(flat) != len(column) * group.m:
        raise DataError(
            f"{folder}: {group.column}: {len(flat)} values, {column.null_count} nulls in {len(column)} rows; "
            f"expected {group.m} values a row and no null"
        )
    return np.asarray(flat.to_numpy(zero_copy_only=False)).reshape(len(column), group.m)


def _nulls(column: pa.ChunkedArray, group: Group) -> npt.NDArray[np.bool_]:
    flat = column.combine_chunks().flatten()
    return np.asarray(flat.is_null().to_numpy(zero_copy_only=False)).reshape(len(column), group.m)


def _read_vectors(
    release: Release, encoder: str, benchmark: str, item_ids: npt.NDArray[np.object_]
) -> Scores:
    """Vectors of all items, by their ids: whoever made them. Raises DataError for any that is none."""
    folder = release.path / "vectors" / encoder / benchmark
    table = concatenate(folder, ["item_id", "embedding"], read=release.read)
    found = {item: row for row, item in enumerate(table["item_id"].to_pylist())}
    missing = [item for item in item_ids if item not in found]
    if missing:
        raise DataError(
            f"{folder}: no vector for {len(missing)} of {len(item_ids)} items, first {missing[0]}"
        )
    if len(found) < len(table):
        raise DataError(f"{folder}: {len(table) - len(found)} items have two vectors, expected one each")
    column = table["embedding"].combine_chunks()
    kind = column.type
    lists = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    if not lists or not (pa.types.is_floating(kind.value_type) or pa.types.is_integer(kind.value_type)):
        raise DataError(f"{folder}: embedding: found {kind!s:.80}, expected a list of numbers for each item")
    lengths = pc.unique(pc.list_value_length(column)).to_pylist()
    if len(lengths) != 1 or not lengths[0]:
        told = ", ".join("none" if n is None else str(n) for n in lengths[:5])
        raise DataError(f"{folder}: vectors of different lengths, or none: found {told}, expected one length")
    flat = column.flatten().to_numpy(zero_copy_only=False)
    vectors = np.asarray(flat, np.float32).reshape(len(column), -1)
    vectors = vectors[[found[item] for item in item_ids]]
    bad = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if len(bad):
        raise DataError(f"{folder}: the vector of item {item_ids[bad[0]]} has NaN or infinite entries")
    return vectors


def reference_order(subsets: Mapping[str, Sequence[str]], seed: int) -> npt.NDArray[np.intp]:
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
