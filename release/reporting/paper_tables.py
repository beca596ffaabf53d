"""Tables 1 to 3 and Figure 3 of the paper, as plain data and as text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from routerset.release.evaluator.metrics import METRICS
from routerset.release.evaluator.results import Estimate, Row
from routerset.release.evaluator.routers import TABLE_ORDER, row_for
from routerset.release.evaluator.task import KINDS
from routerset.release.manifest import registry_order
from routerset.release.reporting import grid as grids
from routerset.release.reporting.grid import TITLES, Column, Grid, kinds_shown, label

TABLE_1 = tuple(TITLES)[:8]  # the others are in Table 2
COLUMNS = tuple(metric for metric in METRICS.values() if metric.in_paper)
BAND = 4  # benchmarks side by side


@dataclass(frozen=True)
class PaperTable:
    """Table 1 or 2: rows are m x router, columns benchmark x metric, values the means over kinds."""

    number: int
    benchmarks: tuple[str, ...]
    sizes: tuple[int, ...]
    routers: tuple[str, ...]
    cells: dict[tuple[int, str, str], Row]

    def bands(self) -> list[tuple[str, ...]]:
        """Benchmarks side by side, four at a time."""
        return [self.benchmarks[i : i + BAND] for i in range(0, len(self.benchmarks), BAND)]

    def estimate(self, m: int, router: str, benchmark: str, metric: str) -> Estimate:
        """One value; undefined where this router or size was not evaluated."""
        row = self.cells.get((m, router, benchmark))
        return row.metrics[metric] if row else Estimate()

    def is_best(self, m: int, router: str, benchmark: str, metric: str) -> bool:
        """Whether no existing router does better, where the metric can be good or bad at all."""
        higher = METRICS[metric].higher_is_better
        mine = self.estimate(m, router, benchmark, metric).value
        if higher is None or mine is None or not row_for(router).compared:
            return False
        rivals = (self.estimate(m, r, benchmark, metric).value for r in self.routers if row_for(r).compared)
        return all(v is None or (v <= mine if higher else v >= mine) for v in rivals)

    def grid(self, benchmarks: Sequence[str]) -> Grid:
        """The columns of some benchmarks."""
        pairs = [(b, metric) for b in benchmarks for metric in COLUMNS]
        columns = [Column(f"{b}_{of.name}", f"{label(b)} {of.title}", digits=2) for b, of in pairs]
        keys = [(m, router) for m in self.sizes for router in self.routers]
        bold = {
            (i, k + 2)
            for i, key in enumerate(keys)
            for k, (b, of) in enumerate(pairs)
            if self.is_best(*key, b, of.name)
        }
        return Grid(
            "",
            (Column("m", "m"), Column("router", "Router"), *columns),
            tuple((*key, *(self.estimate(*key, b, of.name) for b, of in pairs)) for key in keys),
            frozenset(bold),
        )


def paper_tables(means: Sequence[Row], sizes: Sequence[int] = (3, 5)) -> list[PaperTable]:
    """Tables 1 and 2 from `Evaluation.means` (one method, scheme and encoder), without empty ones.

    Benchmarks that the paper does not have come last in Table 2, routers that it does not have after its own.
    """
    kept = [row for row in means if row.m in sizes]
    cells = {(row.m, row.router, row.benchmark): row for row in kept}
    known = {router: place for place, router in enumerate(TABLE_ORDER)}
    routers = sorted({row.router for row in kept}, key=lambda name: (known.get(name, len(known)), name))
    present = sorted({row.benchmark for row in kept}, key=registry_order)
    first = tuple(b for b in present if b in TABLE_1)
    second = tuple(b for b in present if b not in TABLE_1)
    used = tuple(m for m in sizes if any(row.m == m for row in kept))
    return [PaperTable(i, b, used, tuple(routers), cells) for i, b in ((1, first), (2, second)) if b]


def to_markdown(table: PaperTable) -> str:
    """One Markdown table per band; 95% intervals below each value, best existing router in bold."""
    return "\n".join(grids.to_markdown(table.grid(band)) for band in table.bands())


def to_latex(table: PaperTable) -> str:
    """A `table*` with one tabular per band (needs booktabs); intervals as sub- and superscripts."""
    lines = [r"\begin{table*}\centering\scriptsize\setlength{\tabcolsep}{3pt}"]
    arrows = {True: r"$\uparrow$", False: r"$\downarrow$", None: ""}
    heads = [grids.latex(of.title) + arrows[of.higher_is_better] for of in COLUMNS]
    n = len(COLUMNS)
    for band in table.bands():
        lines.append(rf"\begin{{tabular}}{{ll{'r' * n * len(band)}}}\toprule")
        names = [rf"\multicolumn{{{n}}}{{c}}{{{grids.latex(label(b))}}}" for b in band]
        lines.append(" & & " + " & ".join(names) + r" \\")
        lines.append(" & Router & " + " & ".join(heads * len(band)) + r" \\")
        for i, cells in enumerate(grids.latex_rows(table.grid(band))):
            m, first = table.sizes[i // len(table.routers)], i % len(table.routers) == 0
            lines += [r"\midrule"] if first else []
            lines.append(" & ".join([f"$m={m}$" if first else "", *cells[1:]]) + r" \\")
        lines.append(r"\bottomrule\end{tabular}\par\medskip")
    lines.append(
        rf"\caption{{Results, part {table.number}: means over the three kinds of groups, with 95\% "
        r"intervals. The best existing router is in bold.}"
    )
    lines.append(r"\end{table*}")
    return "\n".join(lines) + "\n"


def to_csv(table: PaperTable) -> str:
    """Rows as in the paper; three columns (value, `_lo`, `_hi`) per benchmark and metric."""
    return grids.to_csv(table.grid(table.benchmarks))


@dataclass(frozen=True)
class KindRow:
    """One router at one m: a metric in each kind of group."""

    benchmark: str
    m: int
    router: str
    kinds: dict[str, Estimate]


def placed(rows: Sequence[KindRow], width: float) -> Iterator[tuple[KindRow, int, float, float, Estimate]]:
    """The values of one panel of Figure 3: router, place of the kind, offset from its middle, value, and
    the value with its interval.

    width: what all routers of a kind take, where kinds are 1 apart.
    """
    middle, step = (len(rows) - 1) / 2, width / max(len(rows), 1)
    for i, row in enumerate(rows):
        for place, kind in enumerate(KINDS):
            e = row.kinds.get(kind)
            if e is not None and e.value is not None:
                yield row, place, (i - middle) * step, e.value, e


def beside(floors: Sequence[KindRow], benchmark: str, m: int) -> list[KindRow]:
    """What stands beside the routers of one panel of Figure 3."""
    return [row for row in floors if (row.benchmark, row.m) == (benchmark, m)]


def by_kind(rows: Sequence[Row], metric: str) -> list[KindRow]:
    """Table 3 with metric "e_p", Figure 3 with "mu_o", for every benchmark and m."""
    groups: dict[tuple[str, int, str], dict[str, Estimate]] = {}
    for row in rows:
        groups.setdefault((row.benchmark, row.m, row.router), {})[row.kind] = row.metrics[metric]
    return [
        KindRow(*key, {kind: kinds[kind] for kind in kinds_shown(kinds) if kind in kinds})
        for key, kinds in groups.items()
    ]
