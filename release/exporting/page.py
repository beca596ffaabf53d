"""The page beside an export: what it is of, what was left out, and what a reader must know."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from routerset.release.exporting.files import Format
from routerset.release.exporting.formats import FORMATS
from routerset.schemas.escape import plain

_THEN = "the best mean score on train items first, then by rank in the group"


def order(form: Format, priced: bool) -> str:
    """The rule by which an item's models are in order, so that it also breaks ties."""
    if form.pair:
        return "as they were named, the strong one first"
    return f"the cheapest first, then {_THEN}" if priced else _THEN


def label(form: Format, priced: bool) -> str:
    """What stands for a score."""
    if not (priced and form.weighs):
        return "its score"
    return (
        "score x (1 - 0.5 x cost rank), the rank from 0, the cheapest model of the group, to 1, the dearest, "
        "by mean cost over train items, or by a fact of the model where answers have no costs"
    )


def readme(record: Mapping[str, Any]) -> str:
    """Text of the page, in Markdown. record: as `export.json` has it."""
    form, release, settings = FORMATS[record["format"]], record["release"], record["settings"]
    lines = [
        f"# {plain(release['name'])} {plain(release['version'])}, for {form.title}",
        "",
        f"Written by `routerset export --to {form.name}`, of a release with SHA-256 `{release['sha256']}`.",
        "`export.json` has the same numbers, the models of each group in their order, and every file.",
        "",
        "| setting | |",
        "|---|---|",
        *(f"| {key} | {_shown(value)} |" for key, value in settings.items()),
        "",
        "## Groups",
        "",
        *groups(record),
        "",
        "## Files",
        "",
        *(f"- {sentence}" for sentence in form.says),
        f"- An item's models stand in one order: {record['order']}.",
        f"- What a model counts on an item: {record['label']}.",
        "- A missing score is no record, never 0.",
        "- Texts are under the licences that the card of the release names.",
    ]
    return "\n".join(lines) + "\n"


def groups(record: Mapping[str, Any]) -> list[str]:
    """Lines of a table of the groups that were written, and of what was left out."""
    lines = [
        "| group | models | items | written | left out | scores | missing |",
        "|---|---|---|---|---|---|---|",
        *(_row(cell) for cell in record["groups"]),
    ]
    left_out = [f"- left out: {_cell(row['what'])}: {_cell(row['why'])}" for row in record["left_out"]]
    return [*lines, *(["", *left_out] if left_out else [])]


def _row(cell: Mapping[str, Any]) -> str:
    items, scores = cell["items"], cell["scores"]
    why = ", ".join(f"{n:,} {reason}" for reason, n in items["left_out"].items())
    if items["repeated_texts_kept"]:
        why = ", ".join(filter(None, [why, f"({items['repeated_texts_kept']:,} repeated texts are kept)"]))
    if cell.get("train_ties"):
        why = ", ".join(filter(None, [why, f"({cell['train_ties']:,} ties on train)"]))
    return (
        f"| {cell['benchmark']}/{cell['group']} | {len(cell['models'])} | {items['all']:,} | "
        f"{items['written']:,} | {why or '0'} | {scores['written']:,} | {scores['missing']:,} |"
    )


def _shown(value: object) -> str:
    return _cell(", ".join(map(str, value)) if isinstance(value, list | tuple) else value)


def _cell(value: object) -> str:
    return plain(value).replace("|", "\\|")
