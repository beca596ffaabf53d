"""Opens a release folder: its manifest and its groups of candidates."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from .errors import DataError, InputError, UsageError
from .task import KINDS

SCHEMA_VERSION = 2
REFERENCE_SEED = 42


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
    """One group of candidates; `column` and `label_column` hold its scores and labels in the data files."""

    method: str
    benchmark: str
    m: int
    kind: str
    candidates: tuple[str, ...]
    column: str
    label_column: str


@dataclass(frozen=True)
class Skipped:
    """Groups that no pool of candidates could fill, and why."""

    method: str
    benchmark: str
    m: int
    kind: str
    reason: str


@dataclass(frozen=True)
class Release:
    """A release folder and what it holds.

    split_seed: that of the `paper` split. skipped: groups that it could not have. min_coverage: share of a
    benchmark's items that a candidate has a score on at least.
    """

    path: Path
    name: str
    version: str
    benchmarks: dict[str, Benchmark]
    groups: tuple[Group, ...]
    split_seed: int
    skipped: tuple[Skipped, ...] = ()
    min_coverage: float = 1.0

    def encoders(self, benchmark: str) -> list[str]:
        """Names of the encoders that have vectors for `benchmark`, sorted."""
        return sorted(p.parent.name for p in self.path.glob(f"vectors/*/{benchmark}") if p.is_dir())

    def require(self, benchmarks: Sequence[str]) -> None:
        """Raise UsageError for a benchmark that this release does not have."""
        for name in benchmarks:
            if name not in self.benchmarks:
                raise UsageError(f"no benchmark {name!r}; this release has {', '.join(self.benchmarks)}")

    def groups_of(self, benchmark: str, method: str) -> list[Group]:
        """Groups of one benchmark and method, by m and kind."""
        found = [g for g in self.groups if (g.benchmark, g.method) == (benchmark, method)]
        return sorted(found, key=lambda g: (g.m, KINDS.index(g.kind)))


def load_release(path: str | Path = ".") -> Release:
    """Open a release folder; no data file is read yet.

    Raises InputError if a file is missing, unreadable, or of another schema than this evaluator's.
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
    if schema != SCHEMA_VERSION:
        raise InputError(
            f"{manifest_path}: schema_version {schema}, but this evaluator reads {SCHEMA_VERSION}; "
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
        columns = {
            (str(row["method"]), name, int(row["m"]), str(row["kind"])): (
                str(row["column"]),
                str(row["label_column"]),
            )
            for name, entry in manifest["benchmarks"].items()
            for row in entry["groups"]
        }
        release = manifest["release"]
        seed = int(manifest.get("seed", REFERENCE_SEED))
        groups = _read_groups(path, columns)
        skipped = tuple(
            Skipped(str(row["method"]), name, int(row["m"]), str(row["kind"]), str(row["reason"]))
            for name, entry in manifest["benchmarks"].items()
            for row in entry.get("skipped_groups", ())
        )
        coverage = float(manifest.get("settings", {}).get("min_coverage", 1))
        version = str(release["version"])
        return Release(path, str(release["name"]), version, benchmarks, groups, seed, skipped, coverage)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise InputError(f"{manifest_path}: a required entry is missing or malformed ({error!r})") from error


GroupKey = tuple[str, str, int, str]  # method, benchmark, m, kind


def _read_groups(path: Path, columns: dict[GroupKey, tuple[str, str]]) -> tuple[Group, ...]:
    """Groups and their candidates. columns: those of each group that the manifest lists."""
    names = ["method", "benchmark", "m", "kind", "rank", "model_id"]
    table = read_parquet(path / "groups.parquet", names)
    members: dict[GroupKey, list[tuple[int, str]]] = {}
    for method, benchmark, m, kind, rank, model in zip(*(table[c].to_pylist() for c in names), strict=True):
        members.setdefault((method, benchmark, m, kind), []).append((rank, model))
    for key in sorted(members.keys() ^ columns.keys()):
        method, benchmark, m, kind = key
        found, other = ("groups.parquet", "manifest.json")[:: 1 if key in members else -1]
        raise DataError(
            f"{path / other}: no {method} m={m} {kind} of {benchmark}, which {found} has; "
            "expected the same groups in both"
        )
    groups = []
    for key, ranked in sorted(members.items()):
        method, benchmark, m, kind = key
        candidates = tuple(model for _, model in sorted(ranked))
        if len(set(candidates)) != m or kind not in KINDS:
            raise DataError(
                f"{path / 'groups.parquet'}: {method} m={m} {kind} of {benchmark} has {len(set(candidates))} "
                f"distinct models; expected {m}, and a kind of {', '.join(KINDS)}"
            )
        groups.append(Group(*key, candidates, *columns[key]))
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
    except (OSError, UnicodeDecodeError, pa.ArrowException) as error:
        raise InputError(f"{path}: unreadable ({error}); fetch the release again") from error


def _shorten(names: Sequence[str], limit: int = 8) -> str:
    rest = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + rest
