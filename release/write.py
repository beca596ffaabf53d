"""Writes the Parquet files of a release from the tables of a build."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from routerset.release import layout
from routerset.release.costs import CostSummary, read_costs
from routerset.release.errors import ReleaseError, ReleaseInputError
from routerset.release.files import read_table
from routerset.release.manifest import NOTE, BenchmarkEntry, Manifest, Row, TableEntry, registry_order
from routerset.release.options import ReleaseOptions
from routerset.release.scores import ScoreSummary, read_scores
from routerset.schemas import store
from routerset.schemas.benchmarks import Benchmark
from routerset.schemas.groups import Group, Members
from routerset.schemas.registry import is_date, registry
from routerset.schemas.released import (
    GROUPS_SCHEMA,
    LIMITS_SCHEMA,
    RELEASED,
    data_schema,
    files_of,
    vectors_schema,
)
from routerset.schemas.tables import TABLES, Kind, Split

CELLS = 1 << 22
"""Scores of candidates in one row group at most: 20 MB with their labels."""
ROWS = 1 << 14
"""Items in one row group at most: their prompts are long."""
MAX_CONFIGS = 100
"""Configs of which the Hub tells how to load them, and has Croissant metadata: with the leaderboard."""
WORKERS = 2
"""Files written at a time."""


def write_tables(
    build: Path, release: Path, options: ReleaseOptions, progress: Callable[[str], None]
) -> Manifest:
    """Write every table of a release, benchmark by benchmark; returns its manifest, still without a version.

    Raises ReleaseInputError for a missing table, ReleaseError for tables that do not fit each other.
    """
    names = sorted(_values(build, "items"), key=registry_order)
    if not names:
        raise ReleaseInputError(f"{build / 'tables/items'}: no benchmark found; run `routerset build` first")
    known_as = registry(options.declared)
    for name in names:
        if name not in known_as:
            raise ReleaseError(f"{name}: no such benchmark; declare it in the config, as a [[benchmark]]")
    runs = read_table(build / TABLES["runs"].path())
    entries: dict[str, BenchmarkEntry] = {}
    tables: dict[str, TableEntry] = {}
    members: dict[str, Members] = {}
    dimensions: dict[str, int] = {}
    for name in names:
        progress(name)
        benchmark = _load(build, known_as[name], options.schemes)
        for encoder, vectors in benchmark.vectors.items():
            size = vectors["vector"].type.list_size
            if dimensions.setdefault(encoder, size) != size:
                raise ReleaseError(
                    f"embeddings, encoder {encoder}: found {size} numbers a vector for {name}, expected "
                    f"{dimensions[encoder]} as before; embed again"
                )
        tables |= _write_benchmark(benchmark, release)
        path = layout.scores_path(name)
        tables[path] = _copy(benchmark.scores, release, path, benchmark.summary)
        known = {}
        costs = build / TABLES["costs"].path(benchmark=name)
        if costs.exists():
            path = layout.costs_path(name)
            told = read_costs(costs, benchmark.scores, benchmark.columns.num_rows)
            tables[path], known = _copy(costs, release, path, told), told.known
        made = build / TABLES["pseudo_specialists"].path(benchmark=name)
        if made.exists():
            path = RELEASED["pseudo_specialists"].at(benchmark=name)
            tables[path] = _copy(made, release, path)
        members[name] = benchmark.members
        entries[name] = replace(_entry(benchmark, runs, options), costs=known)
    for table in ("models", "prices", "runs", "curated"):
        path, source = RELEASED[table].path, build / TABLES[table].path()
        if source.exists() or not TABLES[table].optional:
            tables[path] = _copy(source, release, path)
    limited = limits(build, names)
    for name, entry in entries.items():
        own = limited.filter(pc.equal(limited["benchmark"], name))
        n_train = entry.splits[options.schemes[0]][Split.TRAIN.value]
        entries[name] = replace(entry, coverage=bounded(entry.coverage, own, n_train))
    groups = layout.groups_table(members)
    tables[layout.GROUPS] = _write(release, layout.GROUPS, GROUPS_SCHEMA, iter([groups]))
    tables[layout.LIMITS] = _write(release, layout.LIMITS, LIMITS_SCHEMA, iter([limited]))
    manifest = Manifest(
        name=options.name,
        version="",
        previous=None,
        schemes=options.schemes,
        seed=options.seed,
        benchmarks=entries,
        encoders={e: {**_describe(e, options), "dimension": d} for e, d in sorted(dimensions.items())},
        n_models=tables[layout.MODELS].rows,
        tables=tables,
        accounting=tuple(map(_published, options.accounting)),
        sources=tuple(options.sources),
        tokenizer=options.tokenizer,
        settings=options.settings,
        methods=options.methods,
        sizes=options.sizes,
        twins=options.twins,
        tiers=options.tiers,
        frozen=options.frozen,
        prices=options.prices,
        curated=options.curated,
        about=_about(options.about, runs),
    )
    n_configs = len(manifest.loadable()) + any(members.values())
    if n_configs > MAX_CONFIGS:
        raise ReleaseError(
            f"{build}: found {n_configs} configs, expected {MAX_CONFIGS} at most, all that the Hub tells how "
            f"to load: {len(names)} benchmarks, {len(dimensions)} encoders; leave out some of them in the "
            "config ([dataset] benchmarks, [embed] encoders), or build two datasets"
        )
    return manifest


def _about(said: Row, runs: pa.Table) -> Row:
    """What the config says of the dataset; without a day of publication that of the newest run."""
    newest = pc.max(runs.filter(runs["chosen"])["timestamp"]).as_py()
    day = str(newest)[:10] if newest else ""
    return {**({"published": day} if is_date(day) else {}), **said}


def _published(row: Row) -> Row:
    """A row of accounting without the notes that are no codes."""
    notes = row["notes"]
    codes = {note: n for note, n in notes.items() if NOTE.fullmatch(note)} if isinstance(notes, dict) else {}
    return {**row, "notes": codes}


@dataclass(frozen=True, eq=False)
class _Benchmark:
    """One benchmark in memory. matrix: (models, items); rows: group -> rows of the matrix, by rank."""

    row: Benchmark
    columns: pa.Table
    schemes: Sequence[str]
    members: Mapping[Group, list[str]]
    rows: Mapping[Group, np.ndarray]
    matrix: np.ndarray
    summary: ScoreSummary
    scores: Path
    vectors: Mapping[str, pa.Table]

    @property
    def name(self) -> str:
        return self.row.name


def _load(build: Path, row: Benchmark, schemes: Sequence[str]) -> _Benchmark:
    name = row.name
    items = read_table(build / TABLES["items"].path(benchmark=name))
    splits = {s: read_table(build / TABLES["splits"].path(scheme=s, benchmark=name)) for s in schemes}
    columns = layout.item_columns(row, items, splits)
    members = candidates(build, name)
    models = sorted({model for candidates in members.values() for model in candidates})
    row_of = {model: row for row, model in enumerate(models)}
    scores = build / TABLES["scores"].path(benchmark=name)
    matrix, summary = read_scores(scores, models, items.num_rows)
    vectors = {}
    for encoder in sorted(_values(build, "embeddings")):
        path = build / TABLES["embeddings"].path(encoder=encoder, benchmark=name)
        if path.exists():
            vectors[encoder] = read_table(path)
            if not vectors[encoder]["item"].equals(items["item"]):
                raise ReleaseError(
                    f"{path}: found {vectors[encoder].num_rows} items, expected the {items.num_rows} of "
                    "table items in canonical order; embed again"
                )
    rows = {g: np.array([row_of[m] for m in candidates]) for g, candidates in members.items()}
    return _Benchmark(row, columns, schemes, members, rows, matrix, summary, scores, vectors)


def candidates(build: Path, benchmark: str) -> dict[Group, list[str]]:
    """Candidates by rank of every group of one benchmark of a build, by all methods. Raises ReleaseError."""
    members: dict[Group, list[str]] = {}
    for method, path in _by_method(build, "groups", benchmark):
        table = read_table(path)
        table = table.append_column("method", pa.repeat(method, table.num_rows))
        members |= layout.members_of(table, f"{path}")
    return members


def limits(build: Path, benchmarks: Sequence[str]) -> pa.Table:
    """Table `limits` of some benchmarks of a build, as a release has it; empty where the build has none."""
    found = {
        (name, method): read_table(path)
        for name in benchmarks
        for method, path in _by_method(build, "limits", name)
    }
    return layout.limits_table(found)


def _by_method(build: Path, table: str, benchmark: str) -> Iterator[tuple[str, Path]]:
    """Files of a benchmark in a table of groups, by method."""
    for method in sorted(_values(build, table)):
        path = build / TABLES[table].path(method=method, benchmark=benchmark)
        if path.exists():
            yield method, path


def _write_benchmark(benchmark: _Benchmark, release: Path) -> dict[str, TableEntry]:
    """Write data and vectors of every split; returns an entry per file."""
    jobs: list[tuple[str, pa.Schema, pa.Table, np.ndarray]] = []
    groups = list(benchmark.members)
    for split in files_of(layout.counts(benchmark.columns, benchmark.schemes[0])):
        rows = layout.rows_of(benchmark.columns, benchmark.schemes[0], split)
        path = layout.data_path(benchmark.name, split)
        jobs.append((path, data_schema(benchmark.schemes, groups), benchmark.columns, rows))
        for encoder, table in benchmark.vectors.items():
            own = benchmark.columns.select(["item_id", "subset"]).append_column("embedding", table["vector"])
            path = layout.vectors_path(encoder, benchmark.name, split)
            jobs.append((path, vectors_schema(table["vector"].type.list_size, groups), own, rows))
    with ThreadPoolExecutor(WORKERS) as pool:
        entries = pool.map(
            lambda job: _write(release, job[0], job[1], _row_groups(benchmark, job[2], job[3])), jobs
        )
        return {job[0]: entry for job, entry in zip(jobs, entries, strict=True)}


def _row_groups(benchmark: _Benchmark, own: pa.Table, rows: np.ndarray) -> Iterator[pa.Table]:
    """Rows of one file, so many at a time that they fit the memory: their own columns, then every group's."""
    step = max(1, min(ROWS, CELLS // max(1, sum(group.m for group in benchmark.rows))))
    for start in range(0, len(rows), step):
        part = rows[start : start + step]
        block = np.ascontiguousarray(benchmark.matrix[:, part].T)
        table = own.take(pa.array(part))
        for name, column in layout.group_columns(block, benchmark.rows).items():
            table = table.append_column(name, column)
        yield table


def _write(release: Path, path: str, schema: pa.Schema, tables: Iterator[pa.Table]) -> TableEntry:
    size = 0

    def measured() -> Iterator[pa.Table]:
        nonlocal size
        for table in tables:
            size += layout.arrow_bytes(table)
            yield table

    rows = store.write_batches(release / path, schema, measured())
    return TableEntry(store.sha256(release / path), rows, (release / path).stat().st_size, size)


def table_entry(release: Path, path: str) -> TableEntry:
    """What the manifest says of a table that is there. Raises ReleaseInputError."""
    rows, size = _measure(release / path)
    return TableEntry(store.sha256(release / path), rows, (release / path).stat().st_size, size)


def _copy(
    source: Path, release: Path, path: str, summary: ScoreSummary | CostSummary | None = None
) -> TableEntry:
    """Take over a table as it is: it is in its final form already."""
    rows, size = (summary.records, summary.arrow_bytes) if summary else _measure(source)
    (release / path).parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, release / path)
    return TableEntry(store.sha256(release / path), rows, (release / path).stat().st_size, size)


def _measure(path: Path) -> tuple[int, int]:
    table = read_table(path)
    return table.num_rows, layout.arrow_bytes(table)


def _entry(benchmark: _Benchmark, runs: pa.Table, options: ReleaseOptions) -> BenchmarkEntry:
    known = benchmark.row
    columns, summary = benchmark.columns, benchmark.summary
    mine = runs.filter(pc.equal(runs["benchmark"], benchmark.name))
    subsets = columns["subset"].to_pylist()
    metric = metric_of(known, mine)
    reference_score, reference_note = known.reference(metric, columns.num_rows)
    return BenchmarkEntry(
        metric=metric,
        reference_model=known.reference_model,
        reference_score=reference_score,
        binary=summary.binary,
        n_items=columns.num_rows,
        n_models=summary.models,
        n_models_complete=summary.complete,
        n_scores=summary.records,
        mean_score=summary.mean,
        n_runs=mine.num_rows,
        runs_superseded=mine.num_rows - int(pc.sum(mine["chosen"]).as_py() or 0),
        text_published=known.publish_text,
        subsets={s: subsets.count(s) for s in dict.fromkeys(subsets)},
        splits={scheme: layout.counts(columns, scheme) for scheme in benchmark.schemes},
        test_items_in_train={scheme: layout.leaked(columns, scheme) for scheme in benchmark.schemes},
        groups=tuple(benchmark.members),
        skipped_groups=_of(benchmark.name, options.skipped_groups),
        coverage=_of(benchmark.name, options.coverage),
        encoders=tuple(benchmark.vectors),
        texts=layout.texts(columns),
        reference_note=reference_note,
        declared=known.declared,
        families=options.families.get(benchmark.name, {}),
        neighbours={
            encoder: layout.neighbours(table["vector"], columns["family_id"])
            for encoder, table in benchmark.vectors.items()
        },
    )


def _of(benchmark: str, rows: Sequence[Row]) -> tuple[Row, ...]:
    """Rows of one benchmark, without its name."""
    return tuple(
        {key: value for key, value in row.items() if key != "benchmark"}
        for row in rows
        if row["benchmark"] == benchmark
    )


def bounded(coverage: Sequence[Row], limited: pa.Table, n_train: int) -> tuple[Row, ...]:
    """Coverage of the groups of one benchmark with what bounds it on train, by its rows of table `limits`.

    n_train: train items of the first scheme. Adds `at_most`, a share of them, and `optimal`.
    """
    known = {
        (row["method"], row["m"], row["kind"]): (row["train_covered"], row["train_at_most"])
        for row in limited.to_pylist()
    }
    rows = []
    for row in coverage:
        covered, most = known.get((row["method"], row["m"], Kind.OPEN.value), (None, None))
        told = most is not None and n_train > 0
        at_most = round(most / n_train, 6) if told else None
        rows.append({**row, "at_most": at_most, "optimal": covered == most if told else None})
    return tuple(rows)


def metric_of(known: Benchmark, runs: pa.Table) -> str:
    """Metric of the scores: the official one under its own name, else what the runs were read from."""
    found = set(runs.filter(runs["chosen"])["metric"].to_pylist())
    others = sorted(found.difference(known.metrics))
    return "/".join(others) if others else known.metric


def _describe(encoder: str, options: ReleaseOptions) -> Row:
    if encoder in options.encoders:
        return options.encoders[encoder]
    row = {**registry_row(encoder), "text": options.text}
    return {**row, "revision": options.revisions[encoder]} if encoder in options.revisions else row


def registry_row(encoder: str) -> Row:
    """What a release says of an encoder of the registry; nothing of another."""
    from routerset.embed.encoders import ENCODERS

    known = asdict(ENCODERS[encoder]) if encoder in ENCODERS else {}
    return {key: value for key, value in known.items() if key not in ("name", "package")}


def _values(build: Path, table: str) -> list[str]:
    """Values that the first partition key of a table takes in a build."""
    key = TABLES[table].keys[0]
    folders = (build / "tables" / table).glob(f"{key}=*")
    return [folder.name.removeprefix(f"{key}=") for folder in folders if folder.is_dir()]
