"""The audit of a build, a release or dumps: every detector on every benchmark, as text, JSON and CSV."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from routerset.release.auditing.detectors import DETECTORS
from routerset.release.auditing.finding import Cell, Detector, Finding
from routerset.release.auditing.subject import Subject
from routerset.release.evaluator.exports import to_csv
from routerset.schemas.escape import plain
from routerset.schemas.store import JsonObject, json_text

WIDTH = 80
THREADS = 2
"""Detectors at work at a time: what they do is NumPy's, outside of the interpreter's lock."""
JSON = "audit.json"
Note = Callable[[str], None]


@dataclass(frozen=True)
class Audited:
    """One benchmark. models, items: that were looked at; left_out: models and items that were not."""

    benchmark: str
    models: int
    items: int
    left_out: tuple[int, int]
    costs: str
    null: str | None
    findings: Mapping[str, Finding]


def audit(subject: Subject) -> Audited:
    """Ask every detector about one benchmark. What cannot be told is null, with a reason."""
    if len(subject.models) and subject.scores.shape[1]:
        null = subject.null if subject.worlds else None  # worlds are drawn once, before threads ask for them
        with ThreadPoolExecutor(THREADS) as threads:
            asked = {name: threads.submit(one.find, subject) for name, one in DETECTORS.items()}
            found = {name: future.result() for name, future in asked.items()}
    else:
        null, why = None, "no two models have scores on the same items"
        found = {name: Finding.undefined(why) for name in DETECTORS}
    costs = f"{subject.costs.kind}" if subject.costs.known else f"none: {subject.costs.why}"
    n_models, n_items = subject.scores.shape
    return Audited(subject.benchmark, n_models, n_items, subject.left_out, costs, null, found)


def to_json(source: str, found: Sequence[Audited]) -> str:
    """One object: the benchmarks, each with the findings of every detector, and what chance means."""
    return json_text(
        {
            "path": plain(source),
            "detectors": {
                d.name: {
                    "title": d.title,
                    "how": d.how,
                    "chance": d.chance,
                    "columns": [k for k, _ in d.columns],
                }
                for d in DETECTORS.values()
            },
            "benchmarks": {one.benchmark: _json(one) for one in found},
        }
    )


def _json(one: Audited) -> JsonObject:
    return {
        "models": one.models,
        "items": one.items,
        "models_left_out": one.left_out[0],
        "items_left_out": one.left_out[1],
        "costs": one.costs,
        "chance": one.null,
        "findings": {
            name: {
                "says": finding.says,
                "values": dict(finding.values),
                "rows": [list(row) for row in finding.rows],
                "why_not": finding.why_not or None,
            }
            for name, finding in one.findings.items()
        },
    }


def tables(found: Sequence[Audited]) -> dict[str, str]:
    """CSV of every detector that has rows, by file name: the benchmark, then its columns."""
    made = {}
    for name, detector in DETECTORS.items():
        rows = [*rows_of(detector, found)]
        if rows:
            keys = ("benchmark", *(key for key, _ in detector.columns))
            made[f"{name}.csv"] = to_csv([dict(zip(keys, row, strict=True)) for row in rows]) + "\n"
    return made


def rows_of(detector: Detector, found: Sequence[Audited]) -> Iterable[tuple[Cell, ...]]:
    """Rows of a detector's table, each after its benchmark."""
    return ((one.benchmark, *row) for one in found for row in one.findings[detector.name].rows)


def to_text(source: str, found: Sequence[Audited]) -> str:
    """The audit in one screen: a line or two a detector; a line a benchmark where there are several."""
    if not found:
        return f"{plain(source)}: no benchmark with scores"
    if len(found) > 1:
        return _overview(source, found)
    (one,) = found
    head = f"{plain(source)}: {one.benchmark}, {one.models:,} models, {one.items:,} items{_aside(one)}"
    lines = _wrapped(head, "  ")
    for name, finding in one.findings.items():
        lines += _wrapped(f"{name:<12}{plain(finding.says)}", " " * 12)
    lines += _wrapped(f"{'costs':<12}{plain(one.costs)}", " " * 12)
    return "\n".join([*lines, "In brackets: what chance alone gives. Tables and a page: --out DIR"])


def _aside(one: Audited) -> str:
    models, items = one.left_out
    return (
        f" (left out, since scores are missing: {models:,} models, {items:,} items)"
        if models or items
        else ""
    )


def _wrapped(text: str, indent: str) -> list[str]:
    """At most two lines."""
    return textwrap.wrap(
        text, WIDTH, subsequent_indent=indent, max_lines=2, placeholder=" ...", break_on_hyphens=False
    )


_COLUMNS = (
    ("models", None, "", 0),
    ("room", "headroom", "headroom", 3),
    ("(", "headroom", "headroom_by_chance", 3),
    ("signal", "signal", "by_category", 3),
    ("spec.", "specialists", "cross_fitted", 3),
    ("best", "dominance", "best", 1),
    ("(", "dominance", "best_by_chance", 1),
    ("twins", "twins", "twins", 0),
    ("eff.", "twins", "effective", 0),
    ("dupl.", "duplicates", "text_groups", 0),
)
"""Columns of several benchmarks: title, detector, value, decimals; `(` is what chance gives."""


def _overview(source: str, found: Sequence[Audited]) -> str:
    rows = [["benchmark", *("(ch.)" if t == "(" else t for t, *_ in _COLUMNS)]]
    for one in found:
        cells = []
        for title, detector, value, digits in _COLUMNS:
            number = one.models if detector is None else one.findings[detector].values.get(value)
            told = "-" if not isinstance(number, int | float) else f"{number:,.{digits}f}"
            cells.append(f"({told})" if title == "(" else told)
        rows.append([one.benchmark[:12], *cells])
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    lines = [
        " ".join(
            c.ljust(w) if k == 0 else c.rjust(w) for k, (c, w) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    return "\n".join([plain(source), *(line.rstrip()[:WIDTH] for line in lines), *_LEGEND])


_LEGEND = (
    "room: oracle of 5 models over the best one, held out; signal: gain of the best",
    "model of each category; spec.: specialist score, cross-fitted; best: lowest mean",
    "rank, 1 is best everywhere; eff.: independent models; dupl.: equal questions.",
    "In brackets: what chance alone gives. Tables and a page: --out DIR",
)


def five_lines(found: Sequence[Audited]) -> tuple[str, ...]:
    """What the card says of a release: five lines, each of one detector over all benchmarks."""
    names = ("headroom", "specialists", "dominance", "twins", "duplicates")
    return tuple(
        f"{DETECTORS[name].title}: "
        + "; ".join(f"{one.benchmark} {plain(one.findings[name].says)}" for one in found)
        for name in names
    )
