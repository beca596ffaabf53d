"""One benchmark's tables from the shards of all batches.

The run of each model that covers most counts, documents are joined by what they say, and every record is
accounted for. The result does not depend on the order of shards, nor on how dumps were cut into files and
batches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain
from pathlib import Path
from typing import cast

import numpy as np
import pandas as pd
import pyarrow as pa

from routerset.etl.ingest.benchmark_items import Column, benchmark_items
from routerset.etl.ingest.choosing import choose_runs
from routerset.etl.ingest.costs import CostCounts, Rates, cost_batches
from routerset.etl.ingest.docsets import read_docset
from routerset.etl.ingest.fragments import read_lines
from routerset.etl.ingest.identity import CONTENT, HASH, KEY
from routerset.etl.ingest.items import CONFLICT
from routerset.etl.ingest.packs import load_fragments, shard_file
from routerset.etl.ingest.shards import Shard
from routerset.etl.sources.base import SourceSpec
from routerset.etl.sources.quarantine import quarantine_columns
from routerset.schemas import store
from routerset.schemas.families import Families
from routerset.schemas.matrix import MISSING, as_floats, missing
from routerset.schemas.tables import COSTS, ITEMS, JOINED_BY, QUARANTINE, RUNS, SCORES, Reason

CELLS = 1 << 20
WINDOW = 512
REJOINED = "rejoined_by_content"
MENDED = "joined_as_mended"
RECATEGORISED = "of_another_category"
OTHER_SETTINGS = "superseded_other_settings"
CASE_ALIKE = "case_alike"


@dataclass(frozen=True)
class Assembled:
    """What one benchmark came to: totals of models and items, records per source, rows of its files.

    joined: kept records per source, by what told their documents. notes: what else there is to count.
    case_alike: per source, {kept, also, n_records} of every model id that the dumps spell in another case.
    families: what joined items to families, by rule.
    costs: known costs per source and measure; priced: of those in US dollars, tokens x price, per source.
    """

    models: int
    items: int
    kept: Mapping[str, int]
    superseded: Mapping[str, int]
    joined: Mapping[str, Mapping[str, int]]
    notes: Mapping[str, Mapping[str, int]]
    case_alike: Mapping[str, list[store.JsonObject]]
    families: Families
    files: Mapping[Path, int]
    costs: Mapping[str, Mapping[str, int]]
    priced: Mapping[str, int]


@dataclass(frozen=True)
class Placed:
    """Where the values of some runs went.

    matrix: (models, items), uint8 with 255 where missing, or float32 with NaN. kept, lost: int64, values of
    every run fragment, by its row, that stand there, and that went to quarantine. notes: of those that stand
    there, how many are `rejoined_by_content`, `joined_as_mended` and `of_another_category` (see
    `items.Placed`).
    """

    matrix: np.ndarray
    kept: np.ndarray
    lost: np.ndarray
    notes: Mapping[str, np.ndarray]
    quarantined: list[pa.Table]

    def count(self, fragment: int | np.ndarray, column: Column, kept: np.ndarray) -> None:
        """Note values that stand in the matrix. kept: bool (documents,), or (fragments, documents)."""
        self.kept[fragment] += kept.sum(axis=-1)
        self.notes[REJOINED][fragment] += kept[..., column.placed.rejoined].sum(axis=-1)
        self.notes[MENDED][fragment] += kept[..., column.placed.mended].sum(axis=-1)
        self.notes[RECATEGORISED][fragment] += kept[..., column.placed.recategorised].sum(axis=-1)


def assemble(
    benchmark: str,
    shards: Sequence[Shard],
    specs: Sequence[SourceSpec],
    staging: Path,
    tables: Path,
    part: Path,
    code: str,
    min_share: float,
    kept_as: Mapping[str, str],
    rates: Rates,
) -> Assembled:
    """Write items, scores and costs of one benchmark below `tables`, its runs and quarantine below `part`.

    code: fingerprint of the code that does so. min_share: `[dataset] min_models_per_item`. kept_as: ids of
    models by other spellings of them (`ids.kept_spellings`). rates: prices of models.
    """
    packed = load_fragments(benchmark, shards, staging)
    frame = _frame(benchmark, shards, packed, staging)
    frame["spelled"] = frame["model_id"].map(lambda model: model if model in kept_as else "")
    frame["model_id"] = frame["model_id"].map(lambda model: kept_as.get(model, model))
    fragments = choose_runs(frame, _alike(staging))
    chosen = fragments[fragments["chosen"]]
    items, columns, families = benchmark_items(benchmark, chosen, specs, staging, code, min_share)
    models = sorted(chosen["model_id"].unique())
    values = packed["values"].combine_chunks()
    placed = _place(benchmark, fragments, values, models, len(items), columns)
    fragments["n_kept"] = placed.kept
    fragments["joined_by"] = _joined_by(fragments, columns, staging)
    taken = np.where(fragments["chosen"], placed.kept + placed.lost, 0)
    fragments["superseded"] = fragments["n_superseded"] + fragments["n_values"] - taken
    quarantined = pa.concat_tables([QUARANTINE.empty_table(), *placed.quarantined])
    location = f"benchmark={benchmark}/part-0.parquet"
    files = {
        part / "quarantine.parquet": store.write_table(part / "quarantine.parquet", QUARANTINE, quarantined)
    }
    files[part / "runs.parquet"] = store.write_table(part / "runs.parquet", RUNS, _runs(benchmark, fragments))
    if len(items):
        path = tables / "items" / location
        files[path] = store.write_table(path, ITEMS, items)
        path = tables / "scores" / location
        files[path] = store.write_batches(path, SCORES, score_batches(placed.matrix, models))
    counts = CostCounts()
    batches = cost_batches(fragments, columns, placed.matrix, models, rates, counts)
    first = next(batches, None)
    if first is not None:
        path = tables / "costs" / location
        files[path] = store.write_batches(path, COSTS, chain([first], batches))
    told = {source: dict(of_source) for source, of_source in counts.known.items()}
    other = fragments["superseded"].where(fragments["other_settings"], 0)
    spelled = fragments["spelled"] != ""
    alike = fragments["n_read"].where(spelled, 0)
    noted = {**placed.notes, OTHER_SETTINGS: other.to_numpy(), CASE_ALIKE: alike.to_numpy()}
    sums = fragments.groupby("source")[["n_kept", "superseded"]].sum()
    kept, superseded = ({str(k): int(v) for k, v in sums[name].items()} for name in ("n_kept", "superseded"))
    fragments = fragments.assign(**noted)
    joined = {
        str(source): {str(how): int(n) for how, n in part.groupby("joined_by")["n_kept"].sum().items()}
        for source, part in fragments.groupby("source")
    }
    notes = {
        str(source): {name: int(part[name].sum()) for name in noted if part[name].any()}
        for source, part in fragments.groupby("source")
    }
    case_alike = {
        str(source): [
            {"kept": kept_as[str(also)], "also": also, "n_records": int(n)}
            for also, n in part.groupby("spelled")["n_read"].sum().items()
        ]
        for source, part in fragments[spelled].groupby("source")
    }
    n_models = fragments.loc[fragments["n_kept"] > 0, "model_id"].nunique()
    return Assembled(
        n_models,
        len(items),
        kept,
        superseded,
        joined,
        notes,
        case_alike,
        families,
        files,
        told,
        dict(counts.priced),
    )


def _frame(benchmark: str, shards: Sequence[Shard], fragments: pa.Table, staging: Path) -> pd.DataFrame:
    """Fragments without their values, in an order of their own.

    source, order: of the config. shard: file that `row` counts in. place: of the values in `fragments`.
    """
    frame: pd.DataFrame = fragments.drop_columns(["values"]).to_pandas()
    frame["place"] = np.arange(len(frame))
    of = {shard.folder: shard for shard in shards}
    frame["source"] = frame["folder"].map({folder: shard.source for folder, shard in of.items()})
    frame["order"] = frame["folder"].map({folder: shard.order for folder, shard in of.items()})
    frame["shard"] = frame["folder"].map({f: str(shard_file(benchmark, f, staging)) for f in of})
    return frame.sort_values(["order", "folder", "row"], ignore_index=True)


def _alike(staging: Path) -> Callable[[str, str], bool]:
    """Whether half of the shorter of two stored lists of documents stands in the other one."""

    @cache
    def texts(docset: str) -> frozenset[str]:
        table = read_docset(staging, docset)
        rows = zip(*(table[name].to_pylist() for name in ("question", "prompt", "print")), strict=True)
        return frozenset(next(text for text in row if text is not None) for row in rows)

    def alike(one: str, other: str) -> bool:
        shorter = min(len(texts(one)), len(texts(other)))
        return one == other or 2 * len(texts(one) & texts(other)) >= shorter

    return alike


def _place(
    benchmark: str,
    fragments: pd.DataFrame,
    values: pa.Array,
    models: Sequence[str],
    n_items: int,
    columns: Mapping[str, Column],
) -> Placed:
    """Values of the chosen runs as a matrix (models, items).

    values: binary, of which `place` in `fragments` tells each run's.
    """
    chosen = fragments[fragments["chosen"]]
    binary = bool((chosen["width"] == 1).all())
    matrix = np.full(
        (len(models), n_items), MISSING if binary else np.nan, np.uint8 if binary else np.float32
    )
    row_of = dict(zip(models, range(len(models)), strict=True))
    kept, lost, *noted = (np.zeros(len(fragments), np.int64) for _ in range(5))
    noted_as = (REJOINED, MENDED, RECATEGORISED)
    placed = Placed(matrix, kept, lost, dict(zip(noted_as, noted, strict=True)), [])
    several = chosen.duplicated(["subset", "model_id"], keep=False)
    for rows, codes in _values(chosen[~several], values, binary):
        column = columns[rows["docset"].iloc[0]]
        good = column.target >= 0
        matrix[np.ix_(rows["model_id"].map(row_of).to_numpy(), column.target[good])] = codes[:, good]
        placed.count(rows.index.to_numpy(), column, good & ~missing(codes))
        _quarantine_unmatched(benchmark, rows, codes, column, placed)
    pieces: dict[tuple[str, str], list[tuple[pd.Series, np.ndarray]]] = {}
    for rows, codes in _values(chosen[several], values, binary):
        _quarantine_unmatched(benchmark, rows, codes, columns[rows["docset"].iloc[0]], placed)
        for (_, row), of_run in zip(rows.iterrows(), codes, strict=True):
            pieces.setdefault((row["subset"], row["model_id"]), []).append((row, of_run))
    for (_, model), parts in pieces.items():
        _merge(benchmark, matrix[row_of[model]], parts, columns, placed)
    return placed


def _values(rows: pd.DataFrame, values: pa.Array, binary: bool) -> Iterator[tuple[pd.DataFrame, np.ndarray]]:
    """Some hundred rows at a time that share a document list, with their values (rows, documents)."""
    for _, part in rows.groupby(["docset", "width"], sort=True):
        for start in range(0, len(part), WINDOW):
            some = part.iloc[start : start + WINDOW]
            yield some, _codes(values.take(pa.array(some["place"])), part["width"].iloc[0], binary)


def _codes(blobs: pa.Array, width: int, binary: bool) -> np.ndarray:
    """Matrix of the values in equally long binary ones, uint8 or float32 (NaN where missing)."""
    offsets = np.frombuffer(blobs.buffers()[1], np.int64)[blobs.offset : blobs.offset + len(blobs) + 1]
    data = np.frombuffer(blobs.buffers()[2], np.uint8)[offsets[0] : offsets[-1]]
    codes = data.view(np.uint8 if width == 1 else np.float32).reshape(len(blobs), -1)
    if width == 1 and not binary:
        return as_floats(codes)
    return codes


def _quarantine_unmatched(
    benchmark: str, rows: pd.DataFrame, codes: np.ndarray, column: Column, placed: Placed
) -> None:
    """Send scores of documents that are no items to quarantine."""
    bad = np.flatnonzero(column.target < 0)
    run, at = np.nonzero(~missing(codes[:, bad]))
    if len(run) == 0:
        return
    np.add.at(placed.lost, rows.index.to_numpy()[run], 1)
    document = bad[at]
    conflict = column.target[document] == CONFLICT
    distinct, starts = np.unique(run, return_index=True)
    places = zip(rows["shard"].iloc[distinct], rows["row"].iloc[distinct], strict=True)
    lines = read_lines(
        (*place, part) for place, part in zip(places, np.split(document, starts[1:]), strict=True)
    )
    placed.quarantined.append(
        quarantine_columns(
            len(run),
            source=rows["source"].to_numpy()[run],
            file=rows["file"].to_numpy()[run],
            row=lines,
            model_id=rows["model_id"].to_numpy()[run],
            benchmark=benchmark,
            reason=np.where(conflict, Reason.CONFLICTING_GOLD.value, Reason.UNKNOWN_ITEM.value),
            detail=[column.placed.why[d] for d in document.tolist()],
        )
    )


def _joined_by(fragments: pd.DataFrame, columns: Mapping[str, Column], staging: Path) -> pd.Series:
    """What tells the documents of every fragment; of runs that do not count, what would."""
    found = {name: column.placed.joined_by for name, column in columns.items()}
    for name in set(fragments["docset"]) - set(found):
        docs = read_docset(staging, name, ["question", "prompt", "hash"])
        n_text, n_prompts, n_hashes = (len(docs) - column.null_count for column in docs.columns)
        found[name] = JOINED_BY[CONTENT if n_text or n_prompts else HASH if n_hashes else KEY]
    return fragments["docset"].map(found)


def _merge(
    benchmark: str,
    scores: np.ndarray,
    parts: Sequence[tuple[pd.Series, np.ndarray]],
    columns: Mapping[str, Column],
    placed: Placed,
) -> None:
    """Join the parts of one run that lies in several files: equal repeats count once, unequal ones never."""
    parts = sorted(parts, key=lambda p: (p[0]["file"], p[0]["sha256"], p[0]["row"]))
    targets, values, owners, documents = [], [], [], []
    for row, codes in parts:
        target = columns[row["docset"]].target
        usable = (target >= 0) & ~missing(codes)
        targets.append(target[usable])
        values.append(codes[usable])
        owners.append(np.full(int(usable.sum()), row.name))
        documents.append(np.flatnonzero(usable))
    target, value, owner = np.concatenate(targets), np.concatenate(values), np.concatenate(owners)
    items, first, inverse = np.unique(target, return_index=True, return_inverse=True)
    differs = np.zeros(len(items), bool)
    differs[inverse[value != value[first][inverse]]] = True
    scores[items[~differs]] = value[first[~differs]]
    starts = np.cumsum([0, *map(len, documents)])
    for number, (row, codes) in enumerate(parts):
        kept = np.zeros(len(codes), bool)
        mine = first[~differs] - starts[number]
        kept[documents[number][mine[(mine >= 0) & (mine < len(documents[number]))]]] = True
        placed.count(cast(int, row.name), columns[row["docset"]], kept)
    clash = np.flatnonzero(differs[inverse])
    if len(clash) == 0:
        return
    np.add.at(placed.lost, owner[clash], 1)
    files = {row.name: row["file"] for row, _ in parts}
    places = ((row["shard"], row["row"], at) for (row, _), at in zip(parts, documents, strict=True))
    placed.quarantined.append(
        quarantine_columns(
            len(clash),
            source=parts[0][0]["source"],
            file=[files[o] for o in owner[clash].tolist()],
            row=read_lines(places)[clash],
            model_id=parts[0][0]["model_id"],
            benchmark=benchmark,
            reason=Reason.DUPLICATE_KEY.value,
            detail=[
                f"item {item}: found {found:g} here and another score in another file of the same run"
                for item, found in zip(target[clash].tolist(), value[clash].tolist(), strict=True)
            ],
        )
    )


def score_batches(matrix: np.ndarray, models: Sequence[str]) -> Iterator[pa.Table]:
    """Rows of the scores table for a matrix (models, items), about a million at a time."""
    step = max(1, CELLS // matrix.shape[1])
    for start in range(0, len(models), step):
        block = matrix[start : start + step]
        run, item = np.nonzero(~missing(block))
        names = pa.array(models[start : start + step], pa.string())
        yield pa.table(
            {
                "model_id": pa.DictionaryArray.from_arrays(pa.array(run.astype(np.int32)), names),
                "item": pa.array(item.astype(np.int32)),
                "score": pa.array(block[run, item].astype(np.float32)),
            }
        )


def _runs(benchmark: str, fragments: pd.DataFrame) -> pa.Table:
    """Rows of the runs table."""
    columns = fragments.rename(columns={"n_read": "n_items", "n_values": "n_scored"}).assign(
        benchmark=benchmark
    )[RUNS.names]
    return store.sort_rows(pa.Table.from_pandas(columns, schema=RUNS, preserve_index=False))
