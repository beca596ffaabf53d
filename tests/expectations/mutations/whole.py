"""Corruptions of whole folders: the layout of files and the claims of manifests."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from tests.expectations.builds import Row, part
from tests.expectations.mutations.edits import (
    DATA,
    ITEMS,
    MODELS,
    RUNS,
    SCORES,
    Mutation,
    add_column,
    append,
    cast,
    cell,
    manifest,
    remove,
    rename,
    reverse,
    unknown_benchmark,
)


def _ingest(document: Row) -> Row:
    return dict(document)["stages"]["ingest"]["info"]


def _other_digest(path: Path) -> str:
    text = path.read_text(encoding="utf-8")
    return ("0" if text[0] != "0" else "1") + text[1:]


MUTATIONS = (
    Mutation("column missing", "layout.columns_present", rename(MODELS, "org", "organisation")),
    Mutation("column too many", "layout.columns_known", add_column(ITEMS, "answer")),
    Mutation("column of another type", "layout.column_types", cast(SCORES, "score", pa.float64())),
    Mutation("items as text", "layout.column_types", cast(ITEMS, "item", pa.string())),
    Mutation("unknown partition", "layout.partitions_known", unknown_benchmark),
    Mutation("partition lost", "layout.tables_present", remove(part("splits", "arc", scheme="family"))),
    Mutation("table lost", "layout.tables_present", remove(RUNS)),
    Mutation("empty partition", "layout.partitions_filled", lambda c: c.rows(SCORES, lambda rows: [])),
    Mutation("models out of order", "layout.rows_in_order", reverse(MODELS)),
    Mutation("scores out of order", "layout.rows_in_order", reverse(SCORES)),
    Mutation(
        "data file lost", "layout.tables_present", remove("release/data/arc/test.parquet"), release=True
    ),
    Mutation("text column added", "layout.columns_known", add_column(DATA, "answer"), release=True),
    Mutation("listed file lost", "manifest.files_present", remove(SCORES)),
    Mutation("changed file", "manifest.checksums", cell(SCORES, 0, "score", 1.0)),
    Mutation(
        "other size",
        "manifest.sizes",
        manifest(lambda d: d["stages"]["ingest"]["outputs"][0].update(bytes=1)),
    ),
    Mutation(
        "other number of rows",
        "manifest.row_counts",
        manifest(lambda d: d["stages"]["ingest"]["outputs"][0].update(rows=1)),
    ),
    Mutation(
        "unlisted table",
        "manifest.nothing_unlisted",
        lambda c: c.table("tables/more.parquet", c.read(MODELS)),
    ),
    Mutation(
        "records lost in silence",
        "manifest.accounting_identity",
        manifest(lambda d: _ingest(d)["accounting"][0].update(read=10**6)),
    ),
    Mutation(
        "quarantine without a reason",
        "manifest.accounting_reasons",
        manifest(lambda d: _ingest(d)["accounting"][0].update(quarantined=5)),
    ),
    Mutation(
        "kept records that nothing joined",
        "manifest.accounting_joined",
        manifest(lambda d: _ingest(d)["accounting"][0]["joined"].update(key=5)),
    ),
    Mutation(
        "kept records without scores",
        "manifest.accounting_kept",
        manifest(lambda d: _ingest(d)["accounting"][0].update(kept=5)),
    ),
    Mutation(
        "totals of the manifest",
        "manifest.totals",
        manifest(lambda d: _ingest(d)["benchmarks"]["arc"].update(models=5)),
    ),
    Mutation(
        "changed checksum",
        "manifest.checksums",
        lambda c: c.text("release/SHA256SUMS", _other_digest(c.root / "release/SHA256SUMS")),
        release=True,
    ),
    Mutation(
        "manifest lies about checksums",
        "manifest.checksums",
        manifest(lambda d: d["tables"]["models.parquet"].update(sha256="0" * 64), release=True),
        release=True,
    ),
    Mutation(
        "manifest lies about rows",
        "manifest.row_counts",
        manifest(lambda d: d["tables"]["models.parquet"].update(rows=1), release=True),
        release=True,
    ),
    Mutation(
        "manifest lies about the mean",
        "manifest.totals",
        manifest(lambda d: d["benchmarks"]["arc"].update(mean_score=0.9), release=True),
        release=True,
    ),
    Mutation(
        "manifest lies about leaks",
        "manifest.totals",
        manifest(lambda d: d["benchmarks"]["gpqa"]["test_items_in_train"].update(paper=0), release=True),
        release=True,
    ),
    Mutation(
        "manifest lies about subsets",
        "manifest.totals",
        manifest(lambda d: d["benchmarks"]["gpqa"]["subsets"].update(main=7), release=True),
        release=True,
    ),
    Mutation(
        "file too many",
        "manifest.nothing_unlisted",
        lambda c: c.text("release/notes.txt", "hello"),
        release=True,
    ),
    Mutation(
        "code in the cache of the evaluator",
        "manifest.files_known",
        lambda c: (c.root / "release/evaluator/__pycache__").symlink_to(c.root),
        release=True,
    ),
    Mutation("card changed", "manifest.checksums", append("release/README.md", "more\n"), release=True),
)
