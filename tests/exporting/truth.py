"""What a release holds, read without the exporter: scores of a group by item and model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import duckdb

SIDES = ("train", "validation", "test")


@dataclass(frozen=True)
class Item:
    """An item with a text. scores: of the group's models that have one."""

    number: int
    item_id: str
    text: str
    prompt: str
    side: str
    scores: dict[str, float]


def group_of(release: Path, benchmark: str, m: int, kind: str) -> list[str]:
    """Candidates by rank."""
    query = (
        f"select model_id from read_parquet('{release}/groups.parquet') "
        "where (benchmark, m, kind) = (?, ?, ?) order by rank"
    )
    return [row[0] for row in duckdb.execute(query, [benchmark, m, kind]).fetchall()]


def items_of(release: Path, benchmark: str, models: list[str]) -> list[Item]:
    """Items that have a text, by number."""
    found = duckdb.execute(
        f"select item, item_id, coalesce(question, prompt), coalesce(prompt, question), split_paper "
        f"from read_parquet('{release}/data/{benchmark}/*.parquet') order by item"
    ).fetchall()
    scores: dict[int, dict[str, float]] = {row[0]: {} for row in found}
    query = f"select item, model_id, score from read_parquet('{release}/scores/{benchmark}.parquet')"
    for item, model, score in duckdb.execute(query).fetchall():
        if model in models:
            scores[item][model] = score
    return [Item(*row, scores[row[0]]) for row in found if row[2] is not None and row[2].strip()]


def firsts(items: list[Item]) -> dict[tuple[str, str], Item]:
    """(side, text) -> the first item of it."""
    kept: dict[tuple[str, str], Item] = {}
    for item in items:
        kept.setdefault((item.side, item.text), item)
    return kept
