"""Reads the cells of a release that are exported, one benchmark at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from routerset.release.errors import ReleaseInputError
from routerset.release.evaluator.costs import NoCosts, cell_costs, find_kind, read_costs
from routerset.release.evaluator.reader import Group, Release, read_parquet
from routerset.release.evaluator.task import KINDS, OPEN
from routerset.release.exporting.cells import DISCOUNT, Cell, cost_ranks, declared_order, kept_items
from routerset.release.exporting.files import Format, LeftOut
from routerset.release.exporting.settings import KEEP, PAIR, Settings
from routerset.release.files import read_table, reading
from routerset.release.layout import MODELS, costs_path, data_path, scores_path, vectors_path
from routerset.release.manifest import read_manifest
from routerset.release.scores import read_scores
from routerset.schemas.matrix import chunks, missing
from routerset.schemas.released import split_column
from routerset.schemas.tables import Split


def cells(
    release: Release, form: Format, asked: Settings, benchmark: str
) -> Iterator[Cell | tuple[str, str]]:
    """Cells of one benchmark, or what of it is left out, and why. asked: as `settled` gives it.

    Raises InputError, ReleaseError and their like for tables that cannot be read or do not fit each other.
    """
    if not _publishes(release, benchmark):
        yield benchmark, "its texts are withheld by its licence, and a prompt is what this format is about"
        return
    groups, skipped = _groups(release, asked, benchmark)
    yield from ((f"{benchmark}/{name}", why) for name, why in skipped)
    if not groups:
        return
    items = _items(release, benchmark, asked.scheme or "")
    models = sorted({model for group in groups for model in group.candidates})
    scores, _ = read_scores(release.path / scores_path(benchmark), models, items.num_rows)
    if form.binary and scores.dtype != np.uint8:
        yield benchmark, f"it has scores between 0 and 1, and {form.name} knows right and wrong alone"
        return
    row_of = {model: row for row, model in enumerate(models)}
    of_cell = _Bench(release, form, asked, benchmark, items, _vectors(release, form, asked, benchmark, items))
    for group in groups:
        try:
            yield of_cell.cell(group, scores[[row_of[model] for model in group.candidates]])
        except LeftOut as why:
            yield f"{benchmark}/{_name(group)}", str(why)


@dataclass(frozen=True, eq=False)
class _Bench:
    """One benchmark in memory. vectors: of all items."""

    release: Release
    form: Format
    asked: Settings
    benchmark: str
    items: pa.Table
    vectors: tuple[str, npt.NDArray[np.float32]] | None

    def cell(self, group: Group, scores: npt.NDArray[np.generic]) -> Cell:
        """One group. scores: (m, items), by rank. Raises LeftOut where its candidates have no costs."""
        sides = np.asarray(self.items["side"].to_numpy(), object)
        costs = None if self.asked.costs is None else self._costs(group, sides)
        order = declared_order(scores, sides == Split.TRAIN.value, costs)
        if self.form.pair:  # the strong one first, as asked
            order = np.arange(group.m)
        scores = scores[order]
        if self.asked.validation is not None:
            taken = Split.TRAIN.value if self.asked.validation == KEEP else ""
            sides = np.where(sides == Split.VALIDATION.value, taken, sides)
        known = ~missing(scores)
        scored = np.asarray(known.all(axis=0) if self.form.pair else known.any(axis=0))
        kept, left_out, repeats = kept_items(self.items["text"], sides, scored, self.form.unique)
        models = tuple(group.candidates[at] for at in order)
        items = self.items.set_column(
            self.items.column_names.index("side"), "side", pa.array(sides, pa.string())
        ).take(pa.array(kept))
        return Cell(
            self.benchmark,
            self.release.benchmarks[self.benchmark].metric,
            _name(group),
            models,
            items.combine_chunks(),
            scores[:, kept],
            _measures(self.release, self.benchmark, models, self.form.measures, kept, self.items.num_rows),
            self.vectors and self.vectors[0],
            self.vectors and self.vectors[1][kept],
            _facts(self.release, models),
            None if costs is None or not self.form.weighs else 1 - DISCOUNT * cost_ranks(costs[order]),
            left_out,
            repeats,
        )

    def _costs(self, group: Group, sides: npt.NDArray[np.object_]) -> npt.NDArray[np.float64]:
        known = read_costs(self.release, self.benchmark, group.candidates, find_kind(self.asked.costs or ""))
        rows = {split.value: np.flatnonzero(sides == split.value) for split in Split}
        found = cell_costs(known, group, rows)
        if isinstance(found, NoCosts):
            raise LeftOut(f"no costs: {found.kind}: {found.why}")
        return np.asarray(found.costs.mean, np.float64)


def _name(group: Group) -> str:
    return PAIR if group.kind == PAIR else f"m{group.m}_{group.kind}"


def _publishes(release: Release, benchmark: str) -> bool:
    """Whether a release holds the texts of a benchmark."""
    return read_manifest(release.path).benchmarks[benchmark].text_published


def _groups(release: Release, asked: Settings, benchmark: str) -> tuple[list[Group], list[tuple[str, str]]]:
    """Groups of one benchmark that are asked for, and those that it has not, with the reason."""
    if asked.strong is not None and asked.weak is not None:
        pair = (asked.strong, asked.weak)
        with reading(release.path / scores_path(benchmark)) as file:
            there = {model for chunk in chunks(file, order_alone=True) for model in chunk.models}
        absent = [model for model in pair if model not in there]
        if absent:
            return [], [(PAIR, f"{absent[0]} has no score")]
        return [Group(PAIR, benchmark, 2, PAIR, pair, "", "")], []
    wanted = [
        group
        for group in release.groups_of(benchmark, asked.method or "")
        if group.m in (asked.sizes or ()) and asked.kind in (None, group.kind)
    ]
    told = {
        (s.m, s.kind): s.reason
        for s in release.skipped
        if (s.benchmark, s.method) == (benchmark, asked.method)
    }
    found = {(group.m, group.kind) for group in wanted}
    kinds = (
        [asked.kind]
        if asked.kind
        else sorted({g.kind for g in release.groups if g.method == asked.method}, key=(*KINDS, OPEN).index)
    )
    lacking = [
        (f"m{m}_{kind}", told.get((m, kind), "the release has no such group"))
        for m in asked.sizes or ()
        for kind in kinds
        if (m, kind) not in found
    ]
    return wanted, lacking


def _items(release: Release, benchmark: str, scheme: str) -> pa.Table:
    """Items by number: item_id, subset, category, text, prompt and side. Raises ReleaseInputError."""
    columns = ["item", "item_id", "subset", "question", "prompt", split_column(scheme)]
    files = [release.path / data_path(benchmark, split) for split in Split]
    table = _together(files, columns, ["category"]).sort_by("item")
    n = release.benchmarks[benchmark].n_items
    if not np.array_equal(np.asarray(table["item"]), np.arange(n)):
        raise ReleaseInputError(f"{benchmark}: expected items 0 to {n - 1}; build or fetch the release again")
    sides = table[split_column(scheme)]
    if not pc.all(pc.is_in(sides, value_set=pa.array([*Split], pa.string()))).as_py():
        raise ReleaseInputError(f"{benchmark}: expected sides {', '.join(Split)}; fetch the release again")
    none = pa.nulls(table.num_rows, pa.string())
    return pa.table(
        {
            "item_id": table["item_id"],
            "subset": table["subset"],
            "category": table["category"] if "category" in table.column_names else none,
            "text": pc.coalesce(table["question"], table["prompt"]),
            "prompt": pc.coalesce(table["prompt"], table["question"]),
            "side": sides,
        }
    )


def _together(files: Sequence[Path], columns: Sequence[str], optional: Sequence[str] = ()) -> pa.Table:
    """Columns of some files, one after the other. Raises InputError, ReleaseInputError."""
    parts = [read_parquet(file, columns, optional) for file in files]
    try:
        return pa.concat_tables(parts, promote_options="default")
    except pa.ArrowException as error:
        raise ReleaseInputError(f"{files[0].parent}: files of different columns ({error})") from error


def _vectors(
    release: Release, form: Format, asked: Settings, benchmark: str, items: pa.Table
) -> tuple[str, npt.NDArray[np.float32]] | None:
    """Name of an encoder, and (items, d) vectors by item; None where there are none, or no place for any."""
    there = release.encoders(benchmark) if form.vectors else []
    encoder = asked.encoder or next(iter(there), None)
    if encoder is None or encoder not in there:
        return None
    files = [release.path / vectors_path(encoder, benchmark, split) for split in Split]
    table = _together(files, ["item_id", "embedding"])
    rows = pc.index_in(items["item_id"].combine_chunks(), value_set=table["item_id"].combine_chunks())
    if rows.null_count:
        raise ReleaseInputError(f"{files[0]}: found no vector of some item; build or fetch the release again")
    found = table["embedding"].combine_chunks().take(rows)
    return encoder, found.flatten().to_numpy().reshape(len(found), -1)


def _measures(
    release: Release,
    benchmark: str,
    models: Sequence[str],
    wanted: Sequence[str],
    kept: npt.NDArray[np.intp],
    n_items: int,
) -> dict[str, npt.NDArray[np.float32]]:
    """(m, kept items) of each measure that the benchmark tells at all, NaN where one is not known."""
    path = release.path / costs_path(benchmark)
    if not wanted or not path.is_file():
        return {}
    row_of = {model: row for row, model in enumerate(models)}
    found: dict[str, npt.NDArray[np.float32]] = {}
    with reading(path) as file:
        for number, chunk in enumerate(chunks(file, order_alone=True)):
            rows = np.array([row_of.get(model, -1) for model in chunk.models])[chunk.codes]
            here = (rows >= 0) & (chunk.items >= 0) & (chunk.items < n_items)
            for name in wanted:
                column = file.read_row_group(number, columns=[name])[name]
                if column.null_count < len(column):
                    matrix = found.setdefault(name, np.full((len(models), n_items), np.nan, np.float32))
                    values = column.to_numpy()[here]
                    if not ((np.isfinite(values) & (values >= 0)) | np.isnan(values)).all():
                        raise ReleaseInputError(
                            f"{path}: found a {name} that is no finite number of at least 0; fetch it again"
                        )
                    matrix[rows[here], chunk.items[here]] = values
    return {name: matrix[:, kept] for name, matrix in found.items()}


def _facts(release: Release, models: Sequence[str]) -> list[dict[str, object]]:
    """What table `models` says of each model; nothing of one that it has not."""
    table = read_table(release.path / MODELS)
    table = table.filter(pc.is_in(table["model_id"], value_set=pa.array(models, pa.string())))
    known = {row["model_id"]: row for row in table.to_pylist()}
    return [known.get(model, {}) for model in models]
