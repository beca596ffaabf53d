"""Opens a release folder: its manifest and its groups of candidates."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import NoneType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from .errors import DataError, InputError, UsageError
from .files import open_regular, read_json
from .html import small_table
from .limits import Limits
from .task import KINDS, OPEN, Cell

SCHEMA_VERSION = 2
REFERENCE_SEED, REFERENCE = 42, "paper"
LIMITS = "limits.parquet"
Reader = Callable[[Path, Sequence[str], Sequence[str]], pa.Table]
"""Columns of a file, and those optional ones that it has: `read_parquet`, or one that remembers."""
GroupKey = tuple[str, str, int, str]  # method, benchmark, m, kind
_KINDS = (*KINDS, OPEN)

_SHARES = {
    "noise_oracle": "oracle_a",
    "noise_oracle_lo": "oracle_a_lo",
    "noise_oracle_hi": "oracle_a_hi",
    "noise_oracle_b": "oracle_b",
    "noise_oracle_b_lo": "oracle_b_lo",
    "noise_oracle_b_hi": "oracle_b_hi",
    "noise_best_single_b": "best_single_b",
    "noise_best_on_train_b": "best_on_train_b",
}
_COUNTS = {"covered": "train_covered", "at_most": "train_at_most"}


@dataclass(frozen=True)
class Benchmark:
    """What the manifest says of one benchmark; `reference_score` is the denominator of V_R, and
    `reference_note` says why there is none.
    """

    name: str
    metric: str
    binary: bool
    reference_model: str | None
    reference_score: float | None
    n_items: int
    reference_note: str | None = None


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
    benchmark's items that a candidate has a score on at least. methods, schemes: how groups were chosen and
    items split, the first of each is what is evaluated by default. limits: of cells under the first split
    scheme; empty where the release has none. read: reads columns of its data files.
    """

    path: Path
    name: str
    version: str
    benchmarks: dict[str, Benchmark]
    groups: tuple[Group, ...]
    split_seed: int
    skipped: tuple[Skipped, ...] = ()
    min_coverage: float = 1.0
    methods: tuple[str, ...] = ()
    schemes: tuple[str, ...] = ()
    limits: Mapping[Cell, Limits] = field(default_factory=dict)
    read: Reader = field(default_factory=lambda: read_parquet, repr=False, compare=False)

    def _repr_html_(self) -> str:
        """What it holds, for a notebook."""
        heads = ("benchmark", "metric", "items", "groups", "sizes", "vectors")
        rows = [
            (b.name, b.metric, b.n_items, len(own), ", ".join(map(str, sorted({g.m for g in own}))),
             ", ".join(self.encoders(b.name)))
            for b in self.benchmarks.values()
            for own in [[g for g in self.groups if g.benchmark == b.name]]
        ]  # fmt: skip
        return small_table(f"{self.name} {self.version}", heads, rows)

    def setting(self, method: str | None, scheme: str | None, compat: bool = False) -> tuple[str, str]:
        """Method and scheme to evaluate: those asked for, or else the first of this release.

        compat: else the reference's own.
        """
        first = [names[0] if names and not compat else REFERENCE for names in (self.methods, self.schemes)]
        return method or first[0], scheme or first[1]

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
        return sorted(found, key=lambda g: (g.m, _KINDS.index(g.kind)))


def load_release(path: str | Path | None = None) -> Release:
    """Open a release folder, or the release in the folder of a build; no data file is read yet.

    path: by default, the release that this evaluator ships in, wherever a script runs; else this folder.

    Raises InputError if a file is missing, unreadable, or of another schema than this evaluator's.
    """
    home = Path(__file__).resolve().parent.parent
    path = Path(path) if path is not None else home if (home / "manifest.json").exists() else Path()
    manifest_path = path / "manifest.json"
    try:
        manifest = read_json(manifest_path)
        if isinstance(manifest, dict) and "stages" in manifest and "release" not in manifest:  # of a build
            path = path / "release"
            manifest_path = path / "manifest.json"
            manifest = read_json(manifest_path)
        schema = _get(manifest, "schema_version", int)
    except FileNotFoundError:
        message = (
            f"{path}: no manifest.json here; give the folder of a release (it holds data/ and groups.parquet)"
        )
        raise InputError(message) from None
    except (OSError, ValueError) as error:
        raise InputError(f"{manifest_path}: not a release manifest ({error})") from error
    if schema != SCHEMA_VERSION:
        raise InputError(
            f"{manifest_path}: schema_version {schema}, but this evaluator reads {SCHEMA_VERSION}; "
            "use the evaluator that ships in that release"
        )
    if isinstance(manifest, dict) and manifest.get("companion"):
        raise InputError(f"{path}: texts alone, the companion of a release; give the release itself")
    try:
        entries = _get(manifest, "benchmarks", dict)
        benchmarks = {
            _name(name): Benchmark(
                name=name,
                metric=_get(entry, "metric", str),
                binary=_get(entry, "binary", bool),
                reference_model=_get(entry, "reference_model", str, NoneType, default=None),
                reference_score=_get(entry, "reference_score", float, int, NoneType, default=None),
                n_items=_get(entry, "n_items", int),
                reference_note=_get(entry, "reference_note", str, NoneType, default=None),
            )
            for name, entry in sorted(entries.items())
        }
        columns = {
            _group(row, name): (_get(row, "column", str), _get(row, "label_column", str))
            for name, entry in entries.items()
            for row in _get(entry, "groups", list)
        }
        skipped = tuple(
            Skipped(*_group(row, name), _get(row, "reason", str))
            for name, entry in entries.items()
            for row in _get(entry, "skipped_groups", list, default=[])
        )
        settings = _get(manifest, "settings", dict, default={})
        told = _get(manifest, "release", dict)
        name, version = _get(told, "name", str), _get(told, "version", str)
        seed = _get(manifest, "seed", int, default=REFERENCE_SEED, most=(1 << 32) - 1)
        has_limits = LIMITS in _get(manifest, "tables", dict, default={})
        coverage = float(_get(settings, "min_coverage", float, int, default=1.0, most=1))
        methods, schemes = (_names(manifest, key) for key in ("methods", "schemes"))
    except ValueError as error:
        raise InputError(f"{manifest_path}: a required entry is missing or malformed ({error})") from error
    groups = _read_groups(path, columns)
    methods = methods or tuple(dict.fromkeys(group.method for group in groups))
    limits = _read_limits(path, schemes[0] if schemes else REFERENCE) if has_limits else {}
    return Release(path, name, version, benchmarks, groups, seed, skipped, coverage, methods, schemes, limits)


def _get(entry: object, key: str, *kinds: type, default: object = ..., most: int = 1 << 40) -> Any:
    """What an object has under a key, of one of the types; numbers from 0 to `most`. Raises ValueError."""
    value = entry.get(key, default) if isinstance(entry, dict) else ...
    if type(value) not in kinds:
        found = "nothing" if value is ... else f"{value!r:.80}"
        expected = " or ".join("null" if kind is NoneType else kind.__name__ for kind in kinds)
        raise ValueError(f"{key}: found {found}, expected {expected}")
    if isinstance(value, int | float) and not 0 <= value <= most:
        raise ValueError(f"{key}: found {value!r:.80}, expected a number from 0 to {most}")
    return value


def _name(name: str) -> str:
    """A name that may become part of a path. Raises ValueError for any other."""
    if ".." in name or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", name):
        raise ValueError(f"found name {name!r:.80}, expected letters, digits, '.', '_' or '-'")
    return name


def _names(entry: object, key: str) -> tuple[str, ...]:
    """A list of names, empty where there is none. Raises ValueError."""
    found = _get(entry, key, list, default=[])
    if not all(isinstance(name, str) for name in found):
        raise ValueError(f"{key}: found {found!r:.80}, expected names")
    return tuple(map(_name, found))


def _group(row: object, benchmark: str) -> GroupKey:
    return _name(_get(row, "method", str)), benchmark, _get(row, "m", int), _get(row, "kind", str)


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
        if len(set(candidates)) != m or kind not in _KINDS:
            raise DataError(
                f"{path / 'groups.parquet'}: {method} m={m} {kind} of {benchmark} has {len(set(candidates))} "
                f"distinct models; expected {m}, and a kind of {', '.join(_KINDS)}"
            )
        groups.append(Group(*key, candidates, *columns[key]))
    return tuple(groups)


def _read_limits(path: Path, scheme: str) -> dict[Cell, Limits]:
    """Limits of every cell; `headroom_real` is for those who score it. Raises DataError, InputError."""
    table = read_parquet(
        path / LIMITS, ["benchmark", "method", "m", "kind", *_SHARES.values(), *_COUNTS.values()]
    )
    limits = {}
    try:
        for row in table.to_pylist():
            benchmark, method, kind = (_get(row, name, str) for name in ("benchmark", "method", "kind"))
            shares = {name: _get(row, column, float, NoneType, most=1) for name, column in _SHARES.items()}
            counts = {name: _get(row, column, int, NoneType) for name, column in _COUNTS.items()}
            optimal = None if None in counts.values() else counts["covered"] == counts["at_most"]
            cell = (benchmark, _get(row, "m", int), kind, method, scheme)
            limits[cell] = Limits(**shares, **counts, optimal=optimal)
    except ValueError as error:
        raise DataError(f"{path / LIMITS}: {error}; fetch the release again") from error
    return limits


def read_parquet(path: Path, columns: Sequence[str], optional: Sequence[str] = ()) -> pa.Table:
    """Columns of one Parquet file, and those optional ones that it has. Raises InputError naming the file and
    the columns it has.
    """
    try:
        open_regular(path).close()  # a pipe would be waited for
        table = pq.ParquetFile(path)
        there = table.schema_arrow.names
        missing = [c for c in columns if c not in there]
        if missing:
            raise InputError(f"{path}: no column {missing[0]!r}; it has {_shorten(there)}")
        return table.read(columns=[*columns, *(c for c in optional if c in there)])
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; is the release complete?") from None
    except (OSError, UnicodeDecodeError, pa.ArrowException) as error:
        raise InputError(f"{path}: unreadable ({error}); fetch the release again") from error


def _shorten(names: Sequence[str], limit: int = 8) -> str:
    rest = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + rest
