"""What noise alone would give beside what was measured, from the findings of a report."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import fsum
from statistics import median

from routerset.release.evaluator.results import Estimate, Row
from routerset.release.evaluator.task import kinds_of
from routerset.release.reporting.evaluation import Findings
from routerset.release.reporting.grid import Cell, Column, Grid, number
from routerset.release.reporting.paper_tables import KindRow

NOISE, REAL = "noise_oracle", "headroom_real"
"""Rows of tables that stand beside those of routers."""
PRIVILEGED = "privileged"
FEWER = "Of large pools fewer worlds are drawn: limits.parquet says how many (draws_a, draws_b). "
_CELL = (
    Column("benchmark", "Benchmark", choose=True),
    Column("m", "m", choose=True),
    Column("kind", "Kind", choose=True),
)


def cells(rows: Iterable[Row]) -> list[Row]:
    """One row of every cell (benchmark, m, kind) of which noise or a bound is known; all say the same."""
    known = [row for row in rows if row.noise_oracle is not None or row.at_most is not None]
    return list({(row.benchmark, row.m, row.kind): row for row in reversed(known)}.values())[::-1]


def floor(row: Row) -> Estimate:
    """Noise alone in a cell; the limits are the lowest and the highest of the worlds drawn."""
    return Estimate(row.noise_oracle, row.noise_oracle_lo, row.noise_oracle_hi)


def noise(findings: Findings) -> Grid:
    """How much of the headroom of every cell is real, and how good its groups are known to be."""
    scores = {(row.benchmark, row.m, row.kind): row for row in findings.rows + findings.means
              if row.router == PRIVILEGED}  # fmt: skip
    means = findings.means if len(kinds_of(findings.method)) > 1 else ()
    rows: list[tuple[Cell, ...]] = []
    for row in _by_size(cells([*findings.rows, *means])):
        informed = scores.get((row.benchmark, row.m, row.kind))
        rows.append(
            (
                *(row.benchmark, row.m, row.kind, row.oracle_score, floor(row)),
                Estimate(row.noise_oracle_b, row.noise_oracle_b_lo, row.noise_oracle_b_hi),
                row.best_single_score,
                row.headroom_real,
                *([informed.metrics["mu_o"] if informed else None] if scores else []),
                row.covered,
                row.at_most,
                None if row.optimal is None else "yes" if row.optimal else "not proven",
            )
        )
    return Grid(
        "The oracle's score, and what the same search for groups reaches where no LLM is better at some "
        "items than its level says, with the lowest and the highest of the worlds drawn. Noise A deals the "
        "scores of an item anew among LLMs of like ability; under noise B every matrix with the same sums "
        "per LLM and item is as likely, as in a Rasch world. Real: (oracle - noise A) / (oracle - best "
        "single on test), below 0 where noise gives more. Covered: train items that a candidate has right; "
        "at most: what no group of its kind exceeds there. "
        f"{'Of kind mean: means over the kinds. ' if means else ''}"
        f"{FEWER if findings.method == 'diverse' else ''}"
        f"Groups: {findings.method}; split: {findings.scheme}.",
        (
            *_CELL,
            Column("oracle", "Oracle"),
            Column("noise_oracle", "Noise A"),
            Column("noise_oracle_b", "Noise B"),
            Column("best_single", "Best single"),
            Column("headroom_real", "Real", digits=2),
            *([Column(PRIVILEGED, "Privileged")] if scores else []),
            Column("covered", "Covered", digits=1),
            Column("at_most", "At most", digits=1),
            Column("optimal", "Optimal on train"),
        ),
        tuple(rows),
    )


def published(findings: Findings) -> Grid:
    """V_B of the oracle and of the best LLM on train in `paper` groups, and in a world of abilities alone."""
    ratios: dict[tuple[str, int, str], list[float | None]] = {}
    for row in cells(findings.published):
        best = row.noise_best_single_b
        ratios[row.benchmark, row.m, row.kind] = [
            _rounded(None if score is None or not best else score / best)
            for score in (row.noise_oracle_b, row.noise_best_on_train_b)
        ]
    for row in cells(findings.published_means):
        kinds = [values for (name, m, _), values in ratios.items() if (name, m) == (row.benchmark, row.m)]
        ratios[row.benchmark, row.m, row.kind] = [
            _rounded(mean(values)) for values in zip(*kinds, strict=True)
        ]
    measured = {
        (row.benchmark, row.m, row.kind, row.router): row.metrics["v_b"]
        for row in findings.published + findings.published_means
    }
    rows: list[tuple[Cell, ...]] = []
    for row in _by_size(cells([*findings.published, *findings.published_means])):
        cell = (row.benchmark, row.m, row.kind)
        oracle, on_train = ratios[cell]
        if oracle is not None:
            measured_here = [measured.get((*cell, name)) for name in ("oracle", "best_single")]
            rows.append((*cell, measured_here[0], oracle, measured_here[1], on_train))
    return Grid(
        "V_B as measured in paper groups, and in a world where LLMs differ in ability alone (noise B), the "
        "groups chosen there in the same way. Best on train: the LLM with the best training score.",
        (
            *_CELL,
            Column("oracle", "Oracle", digits=2),
            Column("oracle_noise", "Oracle, noise alone", digits=2),
            Column("best_single", "Best on train", digits=2),
            Column("best_single_noise", "Best on train, noise alone", digits=2),
        ),
        tuple(rows),
    )


def summary_rows(findings: Findings, m: int, names: Sequence[str]) -> list[tuple[Cell, ...]]:
    """Noise alone and the real share of the headroom, for the main table; none where nothing is known.

    names: of its benchmarks. Of the mean over them, the share is that of the mean headroom.
    """
    known = {row.benchmark: row for row in cells(findings.means) if row.m == m}
    of = [known.get(name) for name in names]
    floors = [floor(row) if row else None for row in of]
    if not any(e and e.value is not None for e in floors):
        return []
    average, real = over_benchmarks(findings, m)
    return [
        (m, NOISE, *floors, None if average is None else Estimate(average)),
        (m, REAL, *(row.headroom_real if row else None for row in of), real),
    ]


def over_benchmarks(findings: Findings, m: int) -> tuple[float | None, float | None]:
    """Noise alone, mean over benchmarks, and the share of the mean headroom that is real.

    None unless noise is known of all; no share where there is no headroom.
    """
    rows = {row.benchmark: row for row in reversed(findings.means) if row.m == m}.values()
    average = mean([row.noise_oracle for row in rows])
    oracle, best = (mean(scores) for scores in (
        [row.oracle_score for row in rows], [row.best_single_score for row in rows]
    ))  # fmt: skip
    if average is None or oracle is None or best is None:
        return None, None
    return round(average, 6), round((oracle - average) / (oracle - best), 6) if oracle > best else None


def real_shares(findings: Findings) -> tuple[float, float, float, int] | None:
    """Lowest, median and highest share of a cell's headroom that is real, and the number of cells."""
    shares = sorted(row.headroom_real for row in cells(findings.rows) if row.headroom_real is not None)
    return (shares[0], median(shares), shares[-1], len(shares)) if shares else None


def in_words(findings: Findings) -> str:
    """What the rows of noise mean, and how much of the headroom is real; empty where nothing is known."""
    found = real_shares(findings)
    if found is None:
        return ""
    low, middle, high, n = found
    return (
        " Noise alone: what the same search for groups reaches where no LLM is better at some items than "
        "its level says; mean, lowest and highest of the worlds drawn. Real headroom: the share of the way "
        f"from the best single LLM to the oracle that noise does not give. Over the {n} cells (benchmark, m, "
        f"kind) it goes from {number(low, 2)} to {number(high, 2)}, median {number(middle, 2)}; below 0, "
        "noise gives more."
    )


def by_kind(findings: Findings) -> list[KindRow]:
    """Noise alone in each kind of group, for every benchmark and m where it is known."""
    found: dict[tuple[str, int], dict[str, Estimate]] = {}
    for row in cells(findings.rows):
        if row.noise_oracle is not None:
            found.setdefault((row.benchmark, row.m), {})[row.kind] = floor(row)
    return [KindRow(*cell, NOISE, kinds) for cell, kinds in found.items()]


def mean(values: Sequence[float | None]) -> float | None:
    """The mean; None unless all are known."""
    known = [value for value in values if value is not None]
    return fsum(known) / len(known) if known and len(known) == len(values) else None


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)


def _by_size(rows: Sequence[Row]) -> list[Row]:
    """Rows of a benchmark and m together, as they come; benchmarks in the order of the first rows."""
    order = {name: place for place, name in enumerate(dict.fromkeys(row.benchmark for row in rows))}
    return sorted(rows, key=lambda row: (order[row.benchmark], row.m))
