"""Checks a release from its own files: checksums first, then everything that can be computed again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from routerset.release import layout
from routerset.release.errors import ReleaseError
from routerset.release.files import read_checksums, read_table, reading
from routerset.release.layout import Config
from routerset.release.manifest import Manifest, read_manifest
from routerset.release.scores import read_scores
from routerset.schemas.checksums import files
from routerset.schemas.groups import Group
from routerset.schemas.released import data_schema, split_column
from routerset.schemas.splits import SPLIT_SCHEMES
from routerset.schemas.store import sha256
from routerset.schemas.tables import Split

_FETCH = "fetch the release again"
_REBUILD = "do not use this release; build it again"


@dataclass(frozen=True)
class Problem:
    """Something wrong in a release. path: file, relative to the release; todo: what to do about it."""

    path: str
    found: str
    expected: str
    todo: str = _REBUILD

    def __str__(self) -> str:
        return f"{self.path}: found {self.found}, expected {self.expected}; {self.todo}"


Check = Callable[[Path], Iterable[Problem]]


def verify(release: Path, more: Sequence[Check] = ()) -> list[Problem]:
    """All problems of a release folder; none where it is what its build made.

    Recomputes checksums, counts, splits, columns of scores and selection vectors, and checks that data,
    vectors, groups and scores fit each other. Where a file is damaged, what depends on it is left alone.
    more: further checks, such as of groups and baseline cells; they run where nothing else is wrong.
    """
    try:
        sums, manifest = read_checksums(release), read_manifest(release)
    except ReleaseError as error:
        return [Problem(".", str(error), "a release", _FETCH)]
    problems = list(verify_checksums(release, sums))
    damaged = {problem.path for problem in problems}
    problems += _tables(manifest, sums)
    if not damaged.intersection((layout.MODELS, layout.GROUPS, layout.MANIFEST)):
        problems += _attempt(layout.GROUPS, _models_and_groups(release, manifest))
        for name in manifest.benchmarks:
            configs = [config for config in manifest.configs() if config.benchmark == name]
            if not damaged.intersection(path for config in configs for path in config.files.values()):
                checks = _benchmark(_Benchmark(release, manifest, name), configs)
                problems += _attempt(f"data/{name}", checks)
    return problems or [problem for check in more for problem in check(release)]


def verify_checksums(release: Path, sums: Mapping[str, str]) -> Iterator[Problem]:
    """Every file that is missing, extra or changed. sums: path -> SHA-256."""
    present = files(release)
    for path in sorted(sums.keys() - set(present)):
        yield Problem(path, "no such file", f"SHA-256 {sums[path]} of {layout.CHECKSUMS}", _FETCH)
    for path in present:
        if path not in sums:
            yield Problem(path, f"a file that {layout.CHECKSUMS} does not list", "no such file", "remove it")
        elif (digest := sha256(release / path)) != sums[path]:
            yield Problem(path, f"SHA-256 {digest}", f"{sums[path]} of {layout.CHECKSUMS}", _FETCH)


def _attempt(where: str, checks: Iterator[Problem]) -> Iterator[Problem]:
    """Problems of a check, one more where it finds a table that cannot be used at all."""
    try:
        yield from checks
    except ReleaseError as error:
        yield Problem(where, str(error), "tables that fit each other")


def _same(path: str, what: str, found: object, expected: object) -> Iterator[Problem]:
    if found != expected:
        yield Problem(path, f"{what} {found}", str(expected))


def _tables(manifest: Manifest, sums: Mapping[str, str]) -> Iterator[Problem]:
    """The manifest lists the tables that the configs read, with the checksums of SHA256SUMS."""
    needed = {path for config in manifest.configs() for path in config.files.values()}
    for path in sorted(needed - manifest.tables.keys()):
        yield Problem(layout.MANIFEST, f"no table {path}", "one: a config reads it")
    for path in sorted(manifest.tables.keys() - needed):
        yield Problem(layout.MANIFEST, f"table {path}", "no such table: no config reads it")
    for path, table in sorted(manifest.tables.items()):
        yield from _same(layout.MANIFEST, f"{path} with SHA-256", table.sha256, sums.get(path))


def _models_and_groups(release: Path, manifest: Manifest) -> Iterator[Problem]:
    models = read_table(release / layout.MODELS, ["model_id"])["model_id"].to_pylist()
    groups = read_table(release / layout.GROUPS)
    yield from _same(layout.MODELS, "different models", len(set(models)), manifest.n_models)
    for path, table in ((layout.MODELS, models), (layout.GROUPS, groups)):
        yield from _same(path, "rows", len(table), manifest.tables[path].rows)
    for model in sorted(set(groups["model_id"].to_pylist()) - set(models)):
        yield Problem(layout.GROUPS, f"candidate {model}", f"a model of {layout.MODELS}")


@dataclass(frozen=True)
class _Benchmark:
    release: Path
    manifest: Manifest
    name: str

    def items(self, split: Split, columns: list[str]) -> pa.Table:
        """Columns of the items of one side."""
        return read_table(self.release / layout.data_path(self.name, split), columns)


def _benchmark(benchmark: _Benchmark, configs: Sequence[Config]) -> Iterator[Problem]:
    release, manifest, name = benchmark.release, benchmark.manifest, benchmark.name
    wrong = [p for config in configs for p in _schemas(release, config, manifest)]
    wrong = wrong or list(_items(benchmark))
    yield from wrong
    if wrong:
        return
    entry, path = manifest.benchmarks[name], layout.scores_path(name)
    groups = read_table(release / layout.GROUPS)
    members = layout.members_of(groups.filter(pc.equal(groups["benchmark"], name)), layout.GROUPS)
    models = sorted({model for candidates in members.values() for model in candidates})
    matrix, summary = read_scores(release / path, models, entry.n_items)
    yield from _same(
        layout.GROUPS, f"groups of {name}", [g.column for g in members], [g.column for g in entry.groups]
    )
    yield from _same(path, "models", summary.models, entry.n_models)
    yield from _same(path, "records", summary.records, entry.n_scores)
    yield from _same(path, "complete models", summary.complete, entry.n_models_complete)
    yield from _same(path, "mean score", summary.mean, entry.mean_score)
    yield from _same(path, "binary", summary.binary, entry.binary)
    row_of = {model: row for row, model in enumerate(models)}
    rows = {group: np.array([row_of[m] for m in candidates]) for group, candidates in members.items()}
    for config in configs:
        if len(config.files) > 1:
            for split in Split:
                yield from _columns(benchmark, config, split, matrix, rows)


def _schemas(release: Path, config: Config, manifest: Manifest) -> Iterator[Problem]:
    for path in config.files.values():
        with reading(release / path) as file:
            schema, rows = file.schema_arrow, file.metadata.num_rows
        if not schema.equals(config.schema):
            differs = sorted({f"{f.name} {f.type}" for f in {*schema} ^ {*config.schema}})
            yield Problem(path, f"columns that differ: {', '.join(differs)}", "those of the layout")
        yield from _same(path, "rows", rows, manifest.tables[path].rows)


def _items(benchmark: _Benchmark) -> Iterator[Problem]:
    """Items, texts and splits of one benchmark against the manifest and the rules."""
    manifest, name = benchmark.manifest, benchmark.name
    entry = manifest.benchmarks[name]
    columns = data_schema(manifest.schemes, ()).names
    sides = {split: benchmark.items(split, columns) for split in Split}
    for split, table in sides.items():
        yield from _side(layout.data_path(name, split), split, table, manifest, entry.text_published)
    everything = pa.concat_tables(sides.values()).sort_by("item")
    where = f"data/{name}"
    if everything["item"].to_pylist() != list(range(entry.n_items)):
        yield Problem(where, f"{len(everything)} items", f"every item from 0 to {entry.n_items - 1}, once")
        return
    subsets, families = (everything[column].to_pylist() for column in ("subset", "family_id"))
    yield from _same(where, "subsets", {s: subsets.count(s) for s in set(subsets)}, dict(entry.subsets))
    if entry.texts:
        yield from _same(where, "texts", layout.texts(everything), dict(entry.texts))
    for scheme in manifest.schemes:
        found = {split: layout.rows_of(everything, scheme, split) for split in Split}
        counts = {split.value: len(rows) for split, rows in found.items()}
        yield from _same(where, f"scheme {scheme}:", counts, dict(entry.splits[scheme]))
        leaked = layout.leaked(everything, scheme)
        yield from _same(where, f"scheme {scheme}: leaked", leaked, entry.test_items_in_train[scheme])
        if scheme not in SPLIT_SCHEMES:
            yield Problem(where, f"scheme {scheme}", f"one of {', '.join(SPLIT_SCHEMES)}", "update routerset")
            continue
        rule = SPLIT_SCHEMES[scheme].split(families, subsets, manifest.seed)
        moved = sum(len(np.setdiff1d(rule[split], rows)) for split, rows in found.items())
        yield from _same(where, f"scheme {scheme}: items on the wrong side:", moved, 0)


def _side(where: str, split: Split, table: pa.Table, manifest: Manifest, text: bool) -> Iterator[Problem]:
    """One data file by itself: order, side and withheld text."""
    if (np.diff(table["item"].to_numpy()) <= 0).any():
        yield Problem(where, "items out of order", "ascending numbers")
    first = split_column(manifest.schemes[0])
    others = sorted(set(table[first].to_pylist()) - {split.value})
    yield from _same(where, f"column {first} with", others, [])
    if not text:
        texts = sum(len(table) - table[column].null_count for column in ("question", "prompt"))
        yield from _same(where, "texts that must be withheld:", texts, 0)


def _columns(
    benchmark: _Benchmark, config: Config, split: Split, matrix: np.ndarray, rows: Mapping[Group, np.ndarray]
) -> Iterator[Problem]:
    """Scores, labels and vectors of one file, row group by row group, against scores and groups."""
    path = config.files[split]
    order = benchmark.items(split, ["item", "item_id"])
    start, wrong = 0, dict[str, str]()
    with reading(benchmark.release / path) as file:
        yield from _same(path, "rows", file.metadata.num_rows, len(order))
        for number in range(file.num_row_groups):
            table = file.read_row_group(number).combine_chunks()
            part = order.slice(start, len(table)).combine_chunks()
            start += len(table)
            for name, where in _differences(table, part, matrix, rows):
                wrong.setdefault(name, where)
    for name, where in wrong.items():
        yield Problem(path, f"wrong values in column {name}, first at {where}", "what scores and groups give")


def _differences(
    table: pa.Table, order: pa.Table, matrix: np.ndarray, rows: Mapping[Group, np.ndarray]
) -> Iterator[tuple[str, str]]:
    """Columns of one row group that are wrong, and the first item where they are."""
    block = np.ascontiguousarray(matrix[:, order["item"].to_numpy()].T)
    ids = order["item_id"].to_pylist()
    expected = {"item_id": pa.array(ids, pa.string()), **layout.group_columns(block, rows)}
    for name, column in expected.items():
        if not table[name].equals(pa.chunked_array([column])):
            pairs = zip(ids, table[name].to_pylist(), column.to_pylist(), strict=False)
            yield name, next((item for item, found, right in pairs if found != right), "the end")
    if "embedding" in table.column_names:
        finite = pc.is_finite(table["embedding"].combine_chunks().flatten()).to_numpy(zero_copy_only=False)
        if not finite.all():
            yield "embedding", ids[int(np.argmin(finite.reshape(len(table), -1).all(axis=1)))]
