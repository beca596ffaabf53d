"""Runs of models on subsets as records, what a fault makes of them, and the layouts of a file per run."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import numpy as np

from routerset.etl.synth.costs import draw_tokens
from routerset.etl.synth.faults import Injury, Target, injury
from routerset.etl.synth.plan import Fault, Layout
from routerset.etl.synth.truth import Subset, Truth, subsets
from routerset.etl.synth.wording import Item


@dataclass(frozen=True)
class Record:
    """One record. key: number of the document. stray: a bare string stands where it should be."""

    key: int
    score: float
    wrong_gold: bool = False
    stray: bool = False


@dataclass(frozen=True)
class Run:
    """One model's run on one subset.

    place: of the model on the leaderboard. rows: in file order. hit: the fault that this run shows.
    row: number of the record at fault, if it is a single one. tokens: as `draw_tokens` has them, by key of
    the document; none where the dumps tell no costs.
    """

    model: str
    place: int
    rows: Sequence[Record]
    hit: Target | None = None
    row: int | None = None
    tokens: Mapping[str, np.ndarray] = field(default_factory=dict)

    @property
    def days_before(self) -> int:
        """How much older this run is than the others."""
        return 30 if self.hit and self.hit.fault is Fault.RERUN else 0

    @property
    def unknown(self) -> bool:
        """Whether it is of a task that no registry knows."""
        return self.hit is not None and self.hit.fault is Fault.UNKNOWN_TASK


class RunFiles(Protocol):
    """A layout with one file for each run on a subset."""

    def __init__(self, folder: Path, subset: Subset) -> None:
        """The files of a subset, below the layout's folder."""

    def order(self, place: int) -> Sequence[int]:
        """Keys in file order, in the runs of one model."""

    def save(self, run: Run) -> tuple[Path, int]:
        """Write a run; returns its file and the number of lines of every record."""


def write_runs(files: type[RunFiles], folder: Path, truth: Truth, benchmark: str) -> list[Injury]:
    """Write one benchmark below `folder`, with the faults that strike it."""
    models = truth.models(benchmark)
    injuries = []
    for subset in subsets(truth, benchmark):
        made = files(folder, subset)
        scores = truth.scores(benchmark, subset.name)
        for place, model in enumerate(models):
            struck = subset.target(place)
            tokens = draw_tokens(truth, subset, place) if truth.plan.costs else {}
            for run in runs(model, place, made.order(place), scores[:, place].tolist(), struck):
                file, lines = made.save(replace(run, tokens=tokens))
                if run.hit is not None:
                    row = None if run.row is None else run.row * lines
                    injuries.append(injury(run.hit, model, file, folder, len(run.rows), row, lines))
                    if run.hit.fault is Fault.TRUNCATED:
                        cut_off(file)
    return injuries


def runs(
    model: str, place: int, order: Sequence[int], scores: Sequence[float], hit: Target | None
) -> list[Run]:
    """Runs of one model on one subset, the fault that strikes them included.

    order: keys in file order. scores: by key.
    """
    rows = [Record(key, scores[key]) for key in order]
    sound = Run(model, place, tuple(rows))
    if hit is None:
        return [sound]
    # a wide table has a cell for every document, and a row for every run
    wide = hit.layout is Layout.WIDE
    at = order.index(hit.key)
    row = rows[at]
    match hit.fault:
        case Fault.RERUN:
            return [sound, Run(model, place, [_otherwise(each) for each in rows], hit)]
        case Fault.UNKNOWN_TASK:
            return [sound, Run(model, place, rows[:1], hit)]
        case Fault.DUPLICATE_KEYS if wide:
            rows[at] = _otherwise(row)
            return [sound, Run(model, place, rows, hit)]
        case Fault.DUPLICATE_KEYS:
            at = len(rows)
            rows.append(_otherwise(row))
        case Fault.MISSING_ROWS:
            del rows[at]
        case Fault.TRUNCATED:
            rows.append(rows.pop(at))
        case Fault.NAN:
            rows[at] = replace(row, score=math.nan)
        case Fault.CONFLICTING_GOLD:
            rows[at] = replace(row, wrong_gold=True)
        case Fault.STRAY_STRINGS:
            rows[at : at + wide] = [replace(row, stray=True)]
    whole = hit.fault in (Fault.MISSING_ROWS, Fault.TRUNCATED)
    return [Run(model, place, rows, hit, None if whole else at)]


def _otherwise(row: Record) -> Record:
    """What an older run or a second record of the same document says: another valid score."""
    return replace(row, score=other_score(row.score))


def other_score(score: float) -> float:
    """Another valid score."""
    return 0.0 if score == 0.5 else 1.0 - score


def mistaken(item: Item) -> Item:
    """The item with another right answer."""
    if not item.choices:
        return replace(item, answer=item.answer + "1")
    gold = (item.gold + 1) % len(item.choices)
    return replace(item, gold=gold, answer=item.choices[gold])


def cut_off(file: Path) -> None:
    """Cut a file off: one of lines in the middle of its last line."""
    data = file.read_bytes()
    lines = file.suffix in (".json", ".jsonl", ".csv")
    file.write_bytes(data[: -(len(data.splitlines()[-1]) // 2) if lines else len(data) * 2 // 3])
