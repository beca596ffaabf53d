"""What a detector says of one benchmark, and what a detector is."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from routerset.release.auditing.subject import Subject

Cell = str | int | float | None
Value = Cell | list[str] | list[float | None] | list[list[float | None]]
DIGITS = 6


@dataclass(frozen=True)
class Finding:
    """says: in one line. values: numbers by name, `X_by_chance` beside X. rows: of the detector's table.

    why_not: why something is undefined, and so null; empty where nothing is.
    """

    says: str
    values: Mapping[str, Value] = field(default_factory=dict)
    rows: tuple[tuple[Cell, ...], ...] = ()
    why_not: str = ""

    @classmethod
    def undefined(cls, why: str, values: Iterable[str] = ()) -> Finding:
        """Nothing can be said. values: names of what is null."""
        return cls(f"not known: {why}", dict.fromkeys(values), (), why)


@dataclass(frozen=True)
class Detector:
    """A question that the audit answers.

    columns: key and title of each column of its table, after that of the benchmark. how: to read the numbers.
    chance: what `_by_chance` means. values: names of the numbers of every finding of it.
    """

    name: str
    title: str
    columns: tuple[tuple[str, str], ...]
    how: str
    chance: str
    find: Callable[[Subject], Finding]


def rounded(value: float | None) -> float | None:
    """A number as it is told, the same on all machines; None for one that is none."""
    if value is None or not math.isfinite(value):
        return None
    return float(f"{float(value):.{DIGITS}g}")


def rounded_all(matrix: np.ndarray) -> list[list[float | None]]:
    """Rows of a matrix as they are told."""
    return [[rounded(value) for value in row] for row in matrix.tolist()]


def mean(values: Sequence[float] | np.ndarray) -> float | None:
    """Mean of some numbers, None without any."""
    return float(np.mean(np.asarray(values, np.float64))) if len(values) else None


def tell(value: float | None, digits: int = 3) -> str:
    """A number in a sentence."""
    return "?" if value is None else f"{round(value, digits) + 0.0:.{digits}f}"
