"""Reads a release folder: groups, scores, vectors and splits, as arrays.

Reads only `manifest.json`, `groups.parquet`, `data/`, `vectors/` and `scores/`, and of those only the
columns that are asked for.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from .errors import DataError, InputError, UsageError
from .task import KINDS, Labels, Scores

SCHEMA_VERSION = 1
SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Benchmark:
    """What the manifest says of one benchmark; `reference_score` is the denominator of V_R."""

    name: str
    metric: str
    binary: bool
    reference_model: str | None
    reference_score: float | None
    n_items: int


@dataclass(frozen=True)
class Group:
    """One group of candidates; `column` is its column of scores in the data files."""

    method: str
    benchmark: str
    m: int
    kind: str
    candidates: tuple[str, ...]

    @property
    def column(self) -> str:
        """For example `paper_m5_all_strong`."""
        return f"{self.method}_m{self.m}_{self.kind}"


@dataclass(frozen=True)
class Release:
    """A release folder and what it holds."""

    path: Path
    name: str
    version: str
    benchmarks: dict[str, Benchmark]
    groups: tuple[Group, ...]

    def encoders(self, benchmark: str) -> list[str]:
        """Names of the encoders that have vectors for `benchmark`, sorted."""
        return sorted(p.parent.name for p in self.path.glob(f"vectors/*/{benchmark}") if p.is_dir())

    def groups_of(self, benchmark: str, method: str) -> list[Group]:
        """Groups of one benchmark and method, by m and kind."""
        found = [g for g in self.groups if (g.benchmark, g.method) == (benchmark, method)]
        return sorted(found, key=lambda g: (g.m, KINDS.index(g.kind)))


def load_release(path: str | Path = ".") -> Release:
    """Open a release folder; no data file is read yet.

    Raises InputError if a file is missing, unreadable, or of a newer schema than this evaluator's.
    """
    path = Path(path)
    manifest_path = path / "manifest.json"
    try:
        manifest = json.loads(manifest_path.read_text(encoding="utf-8"))
        schema = manifest["schema_version"]
    except FileNotFoundError:
        message = (
            f"{path}: no manifest.json here; give the folder of a release (it holds data/ and groups.parquet)"
        )
        raise InputError(message) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{manifest_path}: not a release manifest ({error!r})") from error
    if not isinstance(schema, int) or schema > SCHEMA_VERSION:
        raise InputError(
            f"{manifest_path}: schema_version {schema}, but this evaluator reads up to {SCHEMA_VERSION}; "
            "use the evaluator that ships in that release"
        )
    try:
        benchmarks = {
            name: Benchmark(
                name=name,
                metric=str(entry["metric"]),
                binary=bool(entry["binary"]),
                reference_model=entry.get("reference_model"),
                reference_score=entry.get("reference_score"),
                n_items=int(entry["n_items"]),
            )
            for name, entry in sorted(manifest["benchmarks"].items())
        }
        release = manifest["release"]
        return Release(path, str(release["name"]), str(release["version"]), benchmarks, _read_groups(path))
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{manifest_path}: a required entry is missing or malformed ({error!r})") from error


def _read_groups(path: Path) -> tuple[Group, ...]:
    columns = ["method", "benchmark", "m", "kind", "rank", "model_id"]
    table = read_parquet(path / "groups.parquet", columns)
    members: dict[tuple[str, str, int, str], list[tuple[int, str]]] = {}
    for method, benchmark, m, kind, rank, model in zip(*(table[c].to_pylist() for c in columns), strict=True):
        members.setdefault((method, benchmark, m, kind), []).append((rank, model))
    groups = []
    for (method, benchmark, m, kind), ranked in sorted(members.items()):
        candidates = tuple(model for _, model in sorted(ranked))
        if len(set(candidates)) != m or kind not in KINDS:
            raise DataError(
                f"{path / 'groups.parquet'}: {method} m={m} {kind} of {benchmark} has {len(set(candidates))} "
                f"distinct models; expected {m}, and a kind of {', '.join(KINDS)}"
            )
        groups.append(Group(method, benchmark, m, kind, candidates))
    return tuple(groups)


def read_parquet(path: Path, columns: Sequence[str]) -> pa.Table:
    """Columns of one Parquet file. Raises InputError naming the file and the columns it has."""
    try:
        table = pq.ParquetFile(path)
        missing = [c for c in columns if c not in table.schema_arrow.names]
        if missing:
            raise InputError(f"{path}: no column {missing[0]!r}; it has {_shorten(table.schema_arrow.names)}")
        return table.read(columns=list(columns))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; is the release complete?") from None
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{path}: unreadable ({error})") from error


def _shorten(names: Sequence[str], limit: int = 8) -> str:
    rest = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + rest


@dataclass(frozen=True, eq=False)
class Part:
    """The rows of one split: `scores` and `labels` by group, (n, m) each; `vectors` (n, d)."""

    rows: npt.NDArray[np.intp]
    item_ids: list[str]
    subsets: list[str]
    families: list[str]
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
    columns = ["item_id", "subset", "family_id", split_column]
    for group in groups:
        columns += [group.column, f"{group.column}_label"]
    table = _concatenate(folder, columns)
    splits = table[split_column].to_numpy(zero_copy_only=False)
    item_ids = table["item_id"].to_numpy(zero_copy_only=False)
    vectors = np.zeros((len(item_ids), 0), np.float32)
    if encoder is not None:
        vectors = _read_vectors(release.path / "vectors" / encoder / benchmark, item_ids)
    scores = {g: _matrix(table[g.column], g, np.dtype(np.float32), folder) for g in groups}
    labels = {g: _matrix(table[f"{g.column}_label"], g, np.dtype(np.uint8), folder) for g in groups}
    for group, values in scores.items():
        bad = np.argwhere(~((values >= 0) & (values <= 1)))
        if len(bad):
            item, rank = bad[0]
            raise DataError(
                f"{folder}: {group.column}, item {item_ids[item]}, model {group.candidates[rank]}: "
                f"score {values[item, rank]}, expected a number in [0, 1]"
            )
    subsets, families = table["subset"].to_pylist(), table["family_id"].to_pylist()
    parts = {}
    for split in SPLITS:
        rows = np.flatnonzero(splits == split)
        if not len(rows) and split != "validation":
            raise DataError(
                f"{folder}: the {split} split of scheme {scheme!r} is empty; nothing can be evaluated"
            )
        parts[split] = Part(
            rows,
            [str(item_ids[r]) for r in rows],
            [str(subsets[r]) for r in rows],
            [str(families[r]) for r in rows],
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
    except (OSError, pa.ArrowException) as error:
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


def _matrix(column: pa.ChunkedArray, group: Group, dtype: np.dtype, folder: Path) -> npt.NDArray:  # type: ignore[type-arg]
    flat = column.combine_chunks().flatten() if column.num_chunks != 1 else column.chunk(0).flatten()
    if column.null_count or flat.null_count or len(flat) != len(column) * group.m:
        raise DataError(
            f"{folder}: {group.column}: {len(flat)} values, {column.null_count + flat.null_count} nulls in "
            f"{len(column)} rows; expected {group.m} values a row and no null"
        )
    return np.asarray(flat.to_numpy(zero_copy_only=False), dtype).reshape(len(column), group.m)


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


def reference_order(subsets: dict[str, list[str]], seed: int = 42) -> npt.NDArray[np.intp]:
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
