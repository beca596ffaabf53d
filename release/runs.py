"""Checks `runs.parquet` of a release: the files that its scores came from, and what each of them gave."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from routerset.release.files import read_table, reading
from routerset.release.layout import MODELS, RUNS, scores_path
from routerset.release.manifest import Manifest, read_manifest
from routerset.release.verify import Problem
from routerset.release.write import metric_of
from routerset.schemas import store
from routerset.schemas.matrix import chunks
from routerset.schemas.tables import JOINED_BY, TABLES

_SHA256 = re.compile(r"[0-9a-f]{64}")
_KEY = ["model_id", "benchmark", "subset"]


def check_runs(release: Path) -> Iterator[Problem]:
    """Problems of runs that are malformed, or do not add up to the scores, the models and the manifest."""
    manifest, runs = read_manifest(release), read_table(release / RUNS)
    with reading(release / RUNS) as file:
        schema = file.schema_arrow
    if not schema.equals(TABLES["runs"].schema, check_metadata=True):
        yield _problem("other columns or descriptions of them", "those of the layout")
        return
    if runs.num_rows != manifest.tables[RUNS].rows:
        yield _problem(f"{runs.num_rows} rows", f"{manifest.tables[RUNS].rows} of the manifest")
    if store.sort_rows(runs) != runs:
        yield _problem("rows out of order", "rows by model, benchmark, subset and time")
    for found, expected in (
        *_malformed(manifest, runs),
        *_of_models(release, manifest, runs),
        *_chosen(runs),
    ):
        yield _problem(found, expected)
    for found, expected in _of_manifest(manifest, runs):
        yield _problem(found, expected)


def _problem(found: str, expected: str) -> Problem:
    return Problem(RUNS, found, expected)


Pairs = Iterator[tuple[str, str]]


def _rows(runs: pa.Table, wrong: pa.Array | np.ndarray, what: str, expected: str) -> Pairs:
    """A problem where some rows are wrong; it shows the first one."""
    chosen = runs.filter(pa.array(wrong) if isinstance(wrong, np.ndarray) else wrong)
    if chosen.num_rows:
        row = chosen.slice(0, 1).to_pylist()[0]
        shown = ", ".join(f"{name} {row[name]}" for name in ("model_id", "benchmark", "subset", "file"))
        yield f"{chosen.num_rows} runs {what}, such as {shown}", expected


def _malformed(manifest: Manifest, runs: pa.Table) -> Pairs:
    """What can be told from a row alone."""
    nulls = [f.name for f in runs.schema if not f.nullable and runs[f.name].null_count]
    if nulls:
        yield f"nulls in {', '.join(nulls)}", "values"
        return
    counters = (None, "field", *([str(manifest.tokenizer["name"])] if manifest.tokenizer else []))
    read, scored, kept = runs["n_items"], runs["n_scored"], runs["n_kept"]
    impossible = pc.or_(pc.less(kept, 0), pc.or_(pc.greater(kept, read), pc.greater(scored, read)))
    idle = pc.and_(pc.greater(kept, 0), pc.invert(runs["chosen"]))
    yield from _rows(runs, pc.or_(impossible, idle), "with counts that no run has", "kept <= read, if chosen")
    for column, good, expected in (
        ("sha256", lambda text: _SHA256.fullmatch(text) is not None, "64 hex digits"),
        ("file", _is_relative, "a path relative to its source"),
        ("joined_by", JOINED_BY.__contains__, f"one of {', '.join(JOINED_BY)}"),
        ("tokens_from", counters.__contains__, f"one of {', '.join(filter(None, counters))}, or null"),
        ("benchmark", manifest.registry.__contains__, "a benchmark of the registry, or of the manifest"),
    ):
        bad = [value for value in pc.unique(runs[column]).to_pylist() if not good(value)]
        if bad:
            yield f"{column} {bad[0]!r}", expected


def _is_relative(file: str) -> bool:
    """Whether a path names no place of the machine that built this."""
    absolute = PurePosixPath(file).is_absolute() or PureWindowsPath(file).is_absolute() or "://" in file
    return bool(file) and not absolute and ".." not in PurePosixPath(file).parts


def _of_models(release: Path, manifest: Manifest, runs: pa.Table) -> Pairs:
    """Scores of every model on every benchmark are the records that its runs say they kept."""
    models = read_table(release / MODELS, ["model_id"])["model_id"]
    gave = pc.greater(runs["n_kept"], 0)
    stranger = pc.and_(gave, pc.invert(pc.is_in(runs["model_id"], value_set=models.combine_chunks())))
    yield from _rows(runs, stranger, "of models that are not listed", f"models of {MODELS}")
    here = pa.array(manifest.benchmarks, pa.string())
    elsewhere = pc.and_(gave, pc.invert(pc.is_in(runs["benchmark"], value_set=here)))
    yield from _rows(runs, elsewhere, "of other benchmarks", f"runs of {', '.join(manifest.benchmarks)}")
    for name, entry in manifest.benchmarks.items():
        mine = runs.filter(pc.equal(runs["benchmark"], name))
        known = pa.array(entry.subsets, pa.string())
        unknown = pc.and_(pc.greater(mine["n_kept"], 0), pc.invert(pc.is_in(mine["subset"], value_set=known)))
        yield from _rows(mine, unknown, "of other subsets", f"subsets {', '.join(entry.subsets)}")
        kept = mine.group_by("model_id").aggregate([("n_kept", "sum")])
        told = dict(zip(kept["model_id"].to_pylist(), kept["n_kept_sum"].to_pylist(), strict=True))
        have = _records(release / scores_path(name))
        wrong = sorted(m for m in {*told, *have} if told.get(m, 0) != have.get(m, 0))
        if wrong:
            first = wrong[0]
            said = f"{name}: {told.get(first, 0)} records kept of {first}, and {len(wrong) - 1} models more"
            yield said, f"{have.get(first, 0)}, its scores"


def _records(path: Path) -> dict[str, int]:
    """Scores of every model."""
    counts: dict[str, int] = {}
    with reading(path) as file:
        for chunk in chunks(file, order_alone=True):
            numbers = np.bincount(chunk.codes, minlength=len(chunk.models)).tolist()
            for model, n in zip(chunk.models, numbers, strict=True):
                counts[model] = counts.get(model, 0) + n
    return counts


def _chosen(runs: pa.Table) -> Pairs:
    """Of the runs of a model and subset that which covers most is chosen, of several such the newest."""
    when = pc.binary_join_element_wise(pc.fill_null(runs["timestamp"], ""), runs["source"], " ")
    table = runs.select([*_KEY, "n_scored", "chosen"]).append_column("when", when)
    table = table.append_column("time", pc.fill_null(runs["timestamp"], ""))
    table = table.append_column("task", pc.fill_null(runs["task"], ""))
    one = table.filter(table["chosen"]).group_by(_KEY).aggregate([("n_scored", "sum"), ("time", "max")])
    of_task = table.filter(table["chosen"]).group_by([*_KEY, "task"])
    several = of_task.aggregate([("when", "count_distinct")])
    several = several.filter(pc.greater(several["when_count_distinct"], 1))
    if several.num_rows:
        yield f"{several.num_rows} models with several chosen runs of a subset and task", "one for each"
    others = table.filter(pc.invert(table["chosen"])).join(one, _KEY, join_type="inner")
    more = pc.greater(others["n_scored"], others["n_scored_sum"])
    newer = pc.and_(
        pc.equal(others["n_scored"], others["n_scored_sum"]), pc.greater(others["time"], others["time_max"])
    )
    better = others.filter(pc.or_(more, newer))
    if better.num_rows:
        row = better.slice(0, 1).to_pylist()[0]
        words = " ".join(row[key] for key in _KEY)
        yield f"{better.num_rows} runs not chosen, such as one of {words}", "the run that covers most, newest"


def _of_manifest(manifest: Manifest, runs: pa.Table) -> Pairs:
    """Counts and metrics that the manifest says of the runs."""
    registry = manifest.registry
    for name, entry in manifest.benchmarks.items():
        mine = runs.filter(pc.equal(runs["benchmark"], name))
        superseded = mine.num_rows - int(pc.sum(mine["chosen"]).as_py() or 0)
        if (mine.num_rows, superseded) != (entry.n_runs, entry.runs_superseded):
            told = f"{entry.n_runs}, {entry.runs_superseded} of them superseded, in the manifest"
            yield f"{name}: {mine.num_rows} runs, {superseded} of them superseded", told
        if (metric := metric_of(registry[name], mine)) != entry.metric:
            yield f"{name}: runs scored by {metric}", f"{entry.metric} of the manifest"
    kept = runs.group_by(["source", "benchmark"]).aggregate([("n_kept", "sum")]).to_pylist()
    sums = {(row["source"], row["benchmark"]): row["n_kept_sum"] for row in kept}
    for row in manifest.accounting:
        key = (row["source"], row["benchmark"])
        if sums.get(key, 0) != row["kept"]:
            yield (
                f"{' '.join(map(str, key))}: {sums.get(key, 0)} records kept",
                f"{row['kept']} of the manifest",
            )
