"""The tables of a release against each other, the rules, and what its manifest says of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from routerset.release import layout
from routerset.release.auditing.reading import tables_of_release
from routerset.release.costs import read_costs
from routerset.release.curating.curate import Look, curated_of_benchmark
from routerset.release.curating.rules import Curate, CurateError
from routerset.release.curating.table import (
    curated_of,
    curated_table,
    items_left_out,
    leave_out,
    records_left_out,
)
from routerset.release.files import read_table, reading
from routerset.release.layout import Config
from routerset.release.manifest import Manifest
from routerset.release.scores import read_scores
from routerset.release.verifying.problem import Opened, Problem, attempt, same
from routerset.schemas import matrix, store
from routerset.schemas.benchmarks import Benchmark
from routerset.schemas.families import family_ids
from routerset.schemas.groups import Group
from routerset.schemas.released import RELEASED, data_schema, split_column
from routerset.schemas.splits import SPLIT_SCHEMES, splits_table
from routerset.schemas.twins import twin_of


def tables(opened: Opened) -> Iterator[Problem]:
    """Models, candidates, and benchmark by benchmark what depends on no damaged file."""
    release, manifest = opened.root, opened.manifest
    if not opened.whole(layout.MODELS, layout.GROUPS, layout.MANIFEST):
        return
    yield from attempt(layout.GROUPS, partial(_models_and_groups, release, manifest))
    for name in manifest.benchmarks:
        configs = [config for config in manifest.configs() if config.benchmark == name]
        if opened.whole(*(path for config in configs for path in config.files.values())):
            benchmark = _Benchmark(release, manifest, name)
            yield from attempt(f"data/{name}", partial(_benchmark, benchmark, configs))
    if opened.whole(*(layout.scores_path(name) for name in manifest.benchmarks)):
        yield from attempt(layout.MODELS, partial(_twins, release, manifest))


def _twins(release: Path, manifest: Manifest) -> Iterator[Problem]:
    """Models whose scores are the same, of all benchmarks together."""
    known = read_table(release / layout.MODELS, ["model_id", "twin_of"])
    expected = twin_of(
        matrix.read_scores(release / layout.scores_path(name), entry.n_items)
        for name, entry in manifest.benchmarks.items()
    )
    for model, twin in zip(known["model_id"].to_pylist(), known["twin_of"].to_pylist(), strict=True):
        yield from same(layout.MODELS, f"{model}: twin_of", twin, expected.get(model))


def _models_and_groups(release: Path, manifest: Manifest) -> Iterator[Problem]:
    general = [config for config in manifest.configs() if config.benchmark is None]
    wrong = [problem for config in general for problem in schemas(release, config, manifest)]
    yield from wrong
    if wrong:
        return
    known, groups = read_table(release / layout.MODELS), read_table(release / layout.GROUPS)
    models = known["model_id"].to_pylist()
    if layout.PRICES in manifest.tables:
        yield from _prices(known, read_table(release / layout.PRICES), manifest)
    yield from same(layout.MODELS, "different models", len(set(models)), manifest.n_models)
    for path, table in ((layout.MODELS, known), (layout.GROUPS, groups)):
        yield from _in_memory(path, layout.arrow_bytes(table), manifest)
    if models != sorted(set(models)):
        yield Problem(layout.MODELS, "models out of order or twice", "every model once, by name")
    for name in sorted(set(groups["benchmark"].to_pylist()) - manifest.benchmarks.keys()):
        yield Problem(layout.GROUPS, f"groups of {name}", f"a benchmark of {layout.MANIFEST}")
    if groups != layout.groups_table({name: _members(groups, name) for name in manifest.benchmarks}):
        yield Problem(layout.GROUPS, "rows out of order", "groups by benchmark, method, m, kind and rank")
    for model in sorted(set(groups["model_id"].to_pylist()) - set(models)):
        yield Problem(layout.GROUPS, f"candidate {model}", f"a model of {layout.MODELS}")


def _prices(models: pa.Table, prices: pa.Table, manifest: Manifest) -> Iterator[Problem]:
    """Prices of `models` and of `prices` are the same, and from the files that the manifest names."""
    own = {
        "usd_per_mtok_in": "usd_per_mtok_in",
        "usd_per_mtok_out": "usd_per_mtok_out",
        "as_of": "price_as_of",
    }
    told, here = (
        {row["model_id"]: tuple(row[name] for name in columns) for row in table.to_pylist()}
        for table, columns in ((prices, own.keys()), (models, own.values()))
    )
    here = {model: row for model, row in here.items() if row != (None, None, None)}
    for model in sorted(told.keys() | here.keys()):
        yield from same(layout.PRICES, f"price of {model}", told.get(model), here.get(model))
    if prices["model_id"].to_pylist() != sorted(told):
        yield Problem(layout.PRICES, "models out of order or twice", "every model once, by name")
    files = manifest.prices.get("files")
    listed = (
        {str(f["file"]): f["models"] for f in files if isinstance(f, dict)} if isinstance(files, list) else {}
    )
    found = Counter(prices["file"].to_pylist())
    yield from same(layout.PRICES, "models by file", dict(found), {k: n for k, n in listed.items() if n})
    yield from _in_memory(layout.PRICES, layout.arrow_bytes(prices), manifest)


def _members(groups: pa.Table, benchmark: str) -> dict[Group, list[str]]:
    """Candidates of every group of a benchmark. Raises ReleaseError."""
    return layout.members_of(groups.filter(pc.equal(groups["benchmark"], benchmark)), layout.GROUPS)


@dataclass(frozen=True)
class _Benchmark:
    release: Path
    manifest: Manifest
    name: str

    @property
    def files(self) -> tuple[str, ...]:
        """Names of its data files."""
        return self.manifest.files(self.name)

    def items(self, split: str, columns: list[str]) -> pa.Table:
        """Columns of the items of one side."""
        return read_table(self.release / layout.data_path(self.name, split), columns)


def _benchmark(benchmark: _Benchmark, configs: Sequence[Config]) -> Iterator[Problem]:
    release, manifest, name = benchmark.release, benchmark.manifest, benchmark.name
    wrong = [p for config in configs for p in schemas(release, config, manifest)]
    wrong = wrong or list(_items(benchmark))
    yield from wrong
    if wrong:
        return
    entry, path = manifest.benchmarks[name], layout.scores_path(name)
    members = _members(read_table(release / layout.GROUPS), name)
    models = sorted({model for candidates in members.values() for model in candidates})
    matrix, summary = read_scores(release / path, models, entry.n_items)
    yield from same(
        layout.GROUPS, f"groups of {name}", [g.column for g in members], [g.column for g in entry.groups]
    )
    yield from same(path, "models", summary.models, entry.n_models)
    yield from same(path, "records", summary.records, entry.n_scores)
    yield from same(path, "complete models", summary.complete, entry.n_models_complete)
    yield from same(path, "mean score", summary.mean, entry.mean_score)
    yield from same(path, "binary", summary.binary, entry.binary)
    yield from _in_memory(path, summary.arrow_bytes, manifest)
    if entry.costs:
        told = read_costs(release / layout.costs_path(name), release / path, entry.n_items)
        yield from same(layout.costs_path(name), "known costs", told.known, dict(entry.costs))
        yield from _in_memory(layout.costs_path(name), told.arrow_bytes, manifest)
    row_of = {model: row for row, model in enumerate(models)}
    rows = {group: np.array([row_of[m] for m in candidates]) for group, candidates in members.items()}
    for config in configs:
        if len(config.files) > 1:
            for split in config.files:
                yield from _columns(benchmark, config, split, matrix, rows)


def schemas(release: Path, config: Config, manifest: Manifest) -> Iterator[Problem]:
    """Columns, row counts and footers: what an empty table of the same columns has, and nothing beside it."""
    plain = store.footer(config.schema)
    for path in config.files.values():
        with reading(release / path) as file:
            schema, footer = file.schema_arrow, file.metadata
        if not schema.equals(config.schema):
            differs = sorted({f"{f.name} {f.type}" for f in {*schema} ^ {*config.schema}})
            differs = differs or ["their order"]
            yield Problem(path, f"columns that differ: {', '.join(differs)}", "those of the layout")
        elif not schema.equals(config.schema, check_metadata=True) or footer.metadata != plain.metadata:
            yield Problem(path, "notes in the footer or at columns that differ", "those of the layout")
        yield from same(path, "rows", footer.num_rows, manifest.tables[path].rows)


def _in_memory(path: str, size: int, manifest: Manifest) -> Iterator[Problem]:
    yield from same(layout.MANIFEST, f"{path} with arrow_bytes", manifest.tables[path].arrow_bytes, size)


def _items(benchmark: _Benchmark) -> Iterator[Problem]:
    """Items, texts and splits of one benchmark against the manifest and the rules."""
    manifest, name = benchmark.manifest, benchmark.name
    entry = manifest.benchmarks[name]
    columns = data_schema(manifest.schemes, ()).names
    sides = {split: benchmark.items(split, columns) for split in benchmark.files}
    for split, table in sides.items():
        yield from _side(layout.data_path(name, split), split, table, manifest, manifest.registry[name])
    everything = pa.concat_tables(sides.values()).sort_by("item")
    where = f"data/{name}"
    if everything["item"].to_pylist() != list(range(entry.n_items)):
        yield Problem(where, f"{len(everything)} items", f"every item from 0 to {entry.n_items - 1}, once")
        return
    subsets, families = (everything[column].to_pylist() for column in ("subset", "family_id"))
    yield from same(where, "subsets", {s: subsets.count(s) for s in set(subsets)}, dict(entry.subsets))
    curated = curated_of(benchmark.release / RELEASED["curated"].path)
    yield from same(where, "texts", layout.texts(everything), dict(entry.texts))
    yield from _families(benchmark, everything)
    yield from same(where, "different item ids", len(set(everything["item_id"].to_pylist())), len(subsets))
    if subsets != sorted(subsets, key=manifest.registry[name].subset_order):
        yield Problem(where, "subsets out of order", "the items of each together, in the registry's order")
        return
    yield from _curated(benchmark, everything, curated)
    for scheme in manifest.schemes:
        yield from same(
            where, f"scheme {scheme}:", layout.counts(everything, scheme), dict(entry.splits[scheme])
        )
        leaked = layout.leaked(everything, scheme)
        yield from same(where, f"scheme {scheme}: leaked", leaked, entry.test_items_in_train[scheme])
        if scheme not in SPLIT_SCHEMES:
            yield Problem(where, f"scheme {scheme}", f"one of {', '.join(SPLIT_SCHEMES)}", "update routerset")
            continue
        sides = splits_table(scheme, families, subsets, manifest.seed)
        out = items_left_out(curated, name, scheme)
        rule = leave_out(sides, everything["item_id"], out)["split"].cast(pa.string())
        moved = pc.sum(pc.not_equal(rule, everything[split_column(scheme)])).as_py()
        yield from same(where, f"scheme {scheme}: items on the wrong side:", moved, 0)


def _curated(benchmark: _Benchmark, items: pa.Table, curated: pa.Table) -> Iterator[Problem]:
    """What is left out, by the rules that the manifest names, and the records of it."""
    manifest, name, where = benchmark.manifest, benchmark.name, RELEASED["curated"].path
    rules, records = (manifest.curated.get(key) for key in ("rules", "records"))
    found = curated.filter(pc.equal(curated["benchmark"], name))
    if not isinstance(rules, dict) or not isinstance(records, dict):
        yield from same(where, f"{name}: rows", len(found), 0)
        return
    tables = tables_of_release(benchmark.release, manifest, name, items)
    try:
        asked = Curate.of(rules)
        for key, problem in asked.problems(manifest.registry):
            raise CurateError(f"{key}: {problem}")
        again = curated_of_benchmark(Look(tables, manifest.min_coverage), manifest.schemes, asked)
    except (CurateError, ValueError) as error:
        yield Problem(layout.MANIFEST, f"rules of [curate]: {error}", "rules that this release can follow")
        return
    expected = curated_table(again.rows)
    if not found.equals(expected):
        yield Problem(where, f"{name}: {len(found)} rows", f"the {len(expected)} that its rules give")
        return
    path = RELEASED["pseudo_specialists"].at(benchmark=name)
    made = read_table(benchmark.release / path) if path in manifest.tables else again.scores.slice(0, 0)
    if not made.cast(again.scores.schema).equals(again.scores):
        yield Problem(path, "other scores of made models", "those that the rules of [curate] give")
    if path in manifest.tables:
        yield from _in_memory(path, layout.arrow_bytes(made), manifest)
    kept, away = records_left_out(benchmark.release / layout.scores_path(name), again.left_out, again.pruned)
    told = {"kept": kept, "used": kept - away, "curated_away": away}
    yield from same(layout.MANIFEST, f"{name}: records", records.get(name), told)


def _families(benchmark: _Benchmark, items: pa.Table) -> Iterator[Problem]:
    """Families as the texts make them, where those are published, and what the vectors say beside them."""
    entry, where = benchmark.manifest.benchmarks[benchmark.name], f"data/{benchmark.name}"
    if entry.text_published and entry.families:
        names, counts = family_ids(items["question_id"].to_pylist(), items["question"].to_pylist())
        yield from same(where, "families by rule", counts, entry.families)
        wrong = pc.sum(pc.not_equal(items["family_id"], pa.array(names))).as_py()
        yield from same(where, "items of another family than their texts give:", wrong, 0)
    for encoder in entry.encoders:
        paths = (layout.vectors_path(encoder, benchmark.name, split) for split in benchmark.files)
        vectors = pa.concat_tables(read_table(benchmark.release / p, ["item_id", "embedding"]) for p in paths)
        family = items["family_id"].take(pc.index_in(vectors["item_id"], items["item_id"].combine_chunks()))
        if family.null_count:  # of no item of this benchmark, which is said of their file
            continue
        found = layout.neighbours(vectors["embedding"], family)
        yield from same(where, f"neighbours by {encoder}", found, entry.neighbours.get(encoder))


def _side(where: str, split: str, table: pa.Table, manifest: Manifest, known: Benchmark) -> Iterator[Problem]:
    """One data file by itself: order, side, licence and withheld text."""
    if (np.diff(table["item"].to_numpy()) <= 0).any():
        yield Problem(where, "items out of order", "ascending numbers")
    first = split_column(manifest.schemes[0])
    others = sorted(set(table[first].to_pylist()) - {f"{split}"})
    yield from same(where, f"column {first} with", others, [])
    licenses = sorted({*table["license"].to_pylist()} - {known.license})
    yield from same(where, "column license with", licenses, [])
    if not known.publish_text:
        texts = sum(len(table) - table[column].null_count for column in ("question", "prompt"))
        yield from same(where, "texts that must be withheld:", texts, 0)


def _columns(
    benchmark: _Benchmark, config: Config, split: str, matrix: np.ndarray, rows: Mapping[Group, np.ndarray]
) -> Iterator[Problem]:
    """Scores, labels and vectors of one file, row group by row group, against scores and groups."""
    path = config.files[split]
    order = benchmark.items(split, ["item", "item_id", "subset"])
    start, size, wrong = 0, 0, dict[str, str]()
    with reading(benchmark.release / path) as file:
        yield from same(path, "rows", file.metadata.num_rows, len(order))
        for number in range(file.num_row_groups):
            table = file.read_row_group(number).combine_chunks()
            part = order.slice(start, len(table)).combine_chunks()
            start += len(table)
            size += layout.arrow_bytes(table)
            for name, where in _differences(table, part, matrix, rows):
                wrong.setdefault(name, where)
    yield from _in_memory(path, size, benchmark.manifest)
    for name, where in wrong.items():
        yield Problem(path, f"wrong values in column {name}, first at {where}", "what scores and groups give")


def _differences(
    table: pa.Table, order: pa.Table, matrix: np.ndarray, rows: Mapping[Group, np.ndarray]
) -> Iterator[tuple[str, str]]:
    """Columns of one row group that are wrong, and the first item where they are."""
    block = np.ascontiguousarray(matrix[:, order["item"].to_numpy()].T)
    ids = order["item_id"].to_pylist()
    expected = {name: order[name].chunk(0) for name in ("item_id", "subset")} | layout.group_columns(
        block, rows
    )
    for name, column in expected.items():
        if not table[name].equals(pa.chunked_array([column])):
            pairs = zip(ids, table[name].to_pylist(), column.to_pylist(), strict=False)
            yield name, next((item for item, found, right in pairs if found != right), "the end")
    if "embedding" in table.column_names:
        finite = pc.is_finite(table["embedding"].combine_chunks().flatten()).to_numpy(zero_copy_only=False)
        if not finite.all():
            yield "embedding", ids[int(np.argmin(finite.reshape(len(table), -1).all(axis=1)))]
