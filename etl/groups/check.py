"""A check of releases that needs the group algorithms: choose the candidate groups again and compare."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from routerset.etl.groups.candidates import groups_table
from routerset.etl.groups.methods import METHODS
from routerset.release.layout import GROUPS, data_path, scores_path
from routerset.release.manifest import BenchmarkEntry, Manifest, read_manifest
from routerset.release.verify import Problem
from routerset.schemas.matrix import read_matrix
from routerset.schemas.released import split_column
from routerset.schemas.tables import Split


def check_groups(release: Path) -> Iterator[Problem]:
    """Problems of groups that are not what the release's own scores and splits give."""
    manifest = read_manifest(release)
    published = pq.read_table(release / GROUPS)
    for benchmark, entry in manifest.benchmarks.items():
        matrix = read_matrix(release / scores_path(benchmark), entry.n_items, manifest.min_coverage)
        for method in sorted({group.method for group in entry.groups}):
            if method not in METHODS:
                yield Problem(GROUPS, f"groups of {benchmark} by {method}", f"groups by {', '.join(METHODS)}")
                continue
            here = pc.and_(pc.equal(published["benchmark"], benchmark), pc.equal(published["method"], method))
            found = published.filter(here)
            sizes = tuple(sorted(set(found["m"].to_pylist())))
            chosen, _ = METHODS[method].choose(
                matrix.scores,
                sizes,
                list(entry.subsets.values()),
                _train(release, manifest, benchmark, entry),
                manifest.seed,
            )
            again = groups_table(chosen, matrix.models)
            if found.select(again.column_names).cast(again.schema) != again:
                yield Problem(GROUPS, f"other {method} groups of {benchmark}", "those its scores give")


def _train(release: Path, manifest: Manifest, benchmark: str, entry: BenchmarkEntry) -> np.ndarray:
    """Items that train routers under the release's first scheme, ascending."""
    column = split_column(manifest.schemes[0])
    parts = [pq.read_table(release / data_path(benchmark, side), columns=["item", column]) for side in Split]
    rows = pa.concat_tables(parts)
    train: np.ndarray = np.sort(rows.filter(pc.equal(rows[column], Split.TRAIN.value))["item"].to_numpy())
    return train
