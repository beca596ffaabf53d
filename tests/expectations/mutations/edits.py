"""What a mutation is, the files that mutations change, and the single edits that they are made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from tests.expectations.builds import COSTED, ENCODER, Copy, Row, part

PRICES = "tables/prices.parquet"
MODELS, RUNS, QUARANTINE = "tables/models.parquet", "tables/runs.parquet", "tables/quarantine.parquet"
ITEMS, SCORES = part("items", "arc"), part("scores", "arc")
COSTS = part("costs", COSTED)
PAPER, FAMILY = part("splits", "mmlu", scheme="paper"), part("splits", "gpqa", scheme="family")
GROUPS = part("groups", "arc", method="paper")
LIMITS = part("limits", "arc", method="paper")
VECTORS = part("embeddings", "arc", encoder=ENCODER)
DATA = "release/data/arc/train.parquet"
RELEASED = "release/scores/arc.parquet"
RELEASED_COSTS = f"release/costs/{COSTED}.parquet"
COLUMN = "paper_m3_all_strong"


@dataclass(frozen=True)
class Mutation:
    """expected: `suite.expectation`, looked for in the build, or in the release where the name says so."""

    name: str
    expected: str
    mutate: Callable[[Copy], None]
    release: bool = False


def cell(file: str, row: int, column: str, value: Any) -> Callable[[Copy], None]:
    """Put a value into one cell."""

    def mutate(copy: Copy) -> None:
        def edit(rows: list[Row]) -> None:
            rows[row][column] = value

        copy.rows(file, edit)

    return mutate


def repeat(file: str, row: int, **changes: Any) -> Callable[[Copy], None]:
    """Add a row that stands there already, with some cells changed."""
    return lambda copy: copy.rows(
        file, lambda rows: [*rows[: row + 1], {**rows[row], **changes}, *rows[row + 1 :]]
    )


def drop(file: str, row: int) -> Callable[[Copy], None]:
    """Take out one row."""
    return lambda copy: copy.rows(file, lambda rows: [r for at, r in enumerate(rows) if at != row])


def swap(file: str, column: str, one: int, two: int) -> Callable[[Copy], None]:
    """Exchange two cells of a column."""

    def edit(rows: list[Row]) -> None:
        rows[one][column], rows[two][column] = rows[two][column], rows[one][column]

    return lambda copy: copy.rows(file, edit)


def rename(file: str, name: str, other: str) -> Callable[[Copy], None]:
    """Give a column another name."""

    def mutate(copy: Copy) -> None:
        table = copy.read(file)
        copy.table(file, table.rename_columns([other if n == name else n for n in table.column_names]))

    return mutate


def cast(file: str, name: str, kind: pa.DataType) -> Callable[[Copy], None]:
    """Give a column another type."""

    def mutate(copy: Copy) -> None:
        table = copy.read(file)
        place = table.column_names.index(name)
        copy.table(file, table.set_column(place, name, table[name].cast(kind)))

    return mutate


def add_column(file: str, name: str) -> Callable[[Copy], None]:
    """Add a column of text."""

    def mutate(copy: Copy) -> None:
        table = copy.read(file)
        copy.table(file, table.append_column(name, pa.repeat("x", table.num_rows)))

    return mutate


def manifest(edit: Callable[[Row], object], release: bool = False) -> Callable[[Copy], None]:
    """Change the manifest."""
    return lambda copy: copy.json("release/manifest.json" if release else "manifest.json", edit)


def reverse(file: str) -> Callable[[Copy], None]:
    """Turn the rows round."""
    return lambda copy: copy.rows(file, lambda rows: rows[::-1])


def remove(file: str) -> Callable[[Copy], None]:
    """Take a file away."""
    return lambda copy: (copy.root / file).unlink()


def append(file: str, text: str) -> Callable[[Copy], None]:
    """Write something behind the end of a text file."""
    return lambda copy: copy.text(file, (copy.root / file).read_text(encoding="utf-8") + text)


def drop_column(file: str, column: str) -> Callable[[Copy], None]:
    """Take a column away."""
    return lambda copy: copy.table(file, copy.read(file).drop_columns([column]))


def unknown_benchmark(copy: Copy) -> None:
    """Give a partition a benchmark that nobody knows."""
    (copy.root / "tables/items/benchmark=arc").rename(copy.root / "tables/items/benchmark=ark")
