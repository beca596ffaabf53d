"""Tables 1 to 3 and Figure 3 of the paper, and the leakage table, as plain data and as text."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

from .items import load_items
from .reader import Release
from .results import Estimate, Row
from .task import KINDS

TITLES = {
    "arc": "ARC",
    "hellaswag": "HellaSwag",
    "mmlu": "MMLU",
    "truthfulqa": "TruthfulQA",
    "winogrande": "Winogrande",
    "gsm8k": "GSM8k",
    "ifeval": "IFEval",
    "bbh": "BBH",
    "gpqa": "GPQA",
    "musr": "MUSR",
    "math_lvl5": "MATH Lvl 5",
    "mmlu_pro": "MMLU-PRO",
}
TABLE_1 = 8  # of TITLES, the others are in Table 2
ROUTER_TITLES = {
    "oracle": "Oracle r_o",
    "r_o_0.5": "r_o(0.5)",
    "linear": "LinearR",
    "mlp": "MLPR",
    "c_roberta": "C-RoBERTa",
    "mlc": "MLC",
    "knn": "PRknn",
    "random": "Random",
    "best_single": "Best single",
    "mean": "Train mean",
}
NOT_COMPARED = ("oracle", "r_o_0.5", "random", "best_single", "mean")  # never in bold
COLUMNS = {"mu_o": "mu_o", "v_r": "V_R", "v_b": "V_B", "e_p": "E_p"}
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
        return row.metrics[metric] if row else Estimate(None, None, None)

    def is_best(self, m: int, router: str, benchmark: str, metric: str) -> bool:
        """Whether no existing router does better; E_p has no better or worse."""
        if metric == "e_p" or router in NOT_COMPARED:
            return False
        rivals = [r for r in self.routers if r not in NOT_COMPARED]
        values = {r: self.estimate(m, r, benchmark, metric).value for r in rivals}
        mine = values[router]
        return mine is not None and all(v is None or v <= mine for v in values.values())


def paper_tables(means: Sequence[Row], sizes: Sequence[int] = (3, 5)) -> list[PaperTable]:
    """Tables 1 and 2 from `Evaluation.means` (one method, scheme and encoder), without empty ones.

    Benchmarks that the paper does not have come last in Table 2, routers that it does not have after its own.
    """
    kept = [row for row in means if row.m in sizes]
    cells = {(row.m, row.router, row.benchmark): row for row in kept}
    routers = _ordered({row.router for row in kept}, list(ROUTER_TITLES))
    present = _ordered({row.benchmark for row in kept}, list(TITLES))
    first = tuple(b for b in present if b in list(TITLES)[:TABLE_1])
    second = tuple(b for b in present if b not in first)
    used = tuple(m for m in sizes if any(row.m == m for row in kept))
    return [PaperTable(i, b, used, routers, cells) for i, b in ((1, first), (2, second)) if b]


def _ordered(names: set[str], known: Sequence[str]) -> tuple[str, ...]:
    return tuple(sorted(names, key=lambda n: (known.index(n) if n in known else len(known), n)))


def _value(estimate: Estimate, template: str) -> str:
    """`template` with value, lo and hi; without the interval where there is none, "-" where undefined."""
    if estimate.value is None:
        return "-"
    if estimate.lo is None or estimate.hi is None:
        return f"{estimate.value:.2f}"
    return template.format(value=f"{estimate.value:.2f}", lo=f"{estimate.lo:.2f}", hi=f"{estimate.hi:.2f}")


def to_markdown(table: PaperTable) -> str:
    """One Markdown table per band; 95% intervals below each value, best existing router in bold."""
    lines = []
    for band in table.bands():
        heads = [f"{TITLES.get(b, b)} {title}" for b in band for title in COLUMNS.values()]
        lines += ["| m | Router | " + " | ".join(heads) + " |", "|---:|---|" + "---:|" * len(heads)]
        for m in table.sizes:
            for router in table.routers:
                values = []
                for benchmark in band:
                    for metric in COLUMNS:
                        bold = "**" if table.is_best(m, router, benchmark, metric) else ""
                        estimate = table.estimate(m, router, benchmark, metric)
                        values.append(_value(estimate, bold + "{value}" + bold + "<br><sub>{lo}..{hi}</sub>"))
                lines.append(f"| {m} | {ROUTER_TITLES.get(router, router)} | " + " | ".join(values) + " |")
        lines.append("")
    return "\n".join(lines)


def to_latex(table: PaperTable) -> str:
    """A `table*` with one tabular per band (needs booktabs); intervals as sub- and superscripts."""
    lines = [r"\begin{table*}\centering\scriptsize\setlength{\tabcolsep}{3pt}"]
    heads = [r"$\mu_o\uparrow$", r"$V_R\uparrow$", r"$V_B\uparrow$", "$E_p$"]
    for band in table.bands():
        lines.append(r"\begin{tabular}{ll" + "rrrr" * len(band) + r"}\toprule")
        names = [rf"\multicolumn{{4}}{{c}}{{{_escape(TITLES.get(b, b))}}}" for b in band]
        lines.append(" & & " + " & ".join(names) + r" \\")
        lines.append(" & Router & " + " & ".join(heads * len(band)) + r" \\")
        for m in table.sizes:
            lines.append(r"\midrule")
            for router in table.routers:
                values = []
                for benchmark in band:
                    for metric in COLUMNS:
                        best = table.is_best(m, router, benchmark, metric)
                        figure = r"\mathbf{{{value}}}" if best else "{value}"
                        template = "$" + figure + "_{{{lo}}}^{{{hi}}}$"
                        values.append(_value(table.estimate(m, router, benchmark, metric), template))
                head = f"$m={m}$" if router == table.routers[0] else ""
                name = _escape(ROUTER_TITLES.get(router, router))
                lines.append(f"{head} & {name} & " + " & ".join(values) + r" \\")
        lines.append(r"\bottomrule\end{tabular}\par\medskip")
    lines.append(
        rf"\caption{{Results, part {table.number}: means over the three kinds of groups, with paired "
        r"bootstrap 95\% intervals. The best existing router is in bold.}"
    )
    lines.append(r"\end{table*}")
    return "\n".join(lines) + "\n"


def _escape(text: str) -> str:
    if text in ("Oracle r_o", "r_o(0.5)"):
        return text.replace("r_o", "$r_o$")
    for character in "\\&%$#_{}":
        text = text.replace(character, "\\" + character)
    return text


def to_csv(table: PaperTable) -> str:
    """Rows as in the paper; three columns (value, `_lo`, `_hi`) per benchmark and metric."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    pairs = [(b, metric) for b in table.benchmarks for metric in COLUMNS]
    writer.writerow(["m", "router", *(f"{b}_{metric}{s}" for b, metric in pairs for s in ("", "_lo", "_hi"))])
    for m in table.sizes:
        for router in table.routers:
            estimates = [table.estimate(m, router, b, metric) for b, metric in pairs]
            writer.writerow([m, router, *(v for e in estimates for v in (e.value, e.lo, e.hi))])
    return out.getvalue()


@dataclass(frozen=True)
class KindRow:
    """One router at one m: a metric in each kind of group."""

    benchmark: str
    m: int
    router: str
    kinds: dict[str, Estimate]


def by_kind(rows: Sequence[Row], metric: str) -> list[KindRow]:
    """Table 3 with metric "e_p", Figure 3 with "mu_o", for every benchmark and m."""
    groups: dict[tuple[str, int, str], dict[str, Estimate]] = {}
    for row in rows:
        groups.setdefault((row.benchmark, row.m, row.router), {})[row.kind] = row.metrics[metric]
    return [
        KindRow(*key, {kind: kinds[kind] for kind in KINDS if kind in kinds}) for key, kinds in groups.items()
    ]


@dataclass(frozen=True)
class Leak:
    """mu_o of a router under the `paper` split and under `family`, where no question is on two sides.

    leaked: share of the `paper` test items whose question, in some form, is also a training item.
    """

    benchmark: str
    m: int
    router: str
    leaked: float
    paper: Estimate
    family: Estimate


def leakage(paper: Sequence[Row], family: Sequence[Row], leaked: dict[str, float]) -> list[Leak]:
    """The two schemes side by side, for the routers and cells that both have; `leaked` as `leaked_share`.

    The two splits test on different items, so the intervals of the two sides are independent.
    """
    other = {(row.benchmark, row.m, row.kind, row.router): row.metrics["mu_o"] for row in family}
    return [
        Leak(row.benchmark, row.m, row.router, leaked[row.benchmark], row.metrics["mu_o"], other[key])
        for row in paper
        if (key := (row.benchmark, row.m, row.kind, row.router)) in other
    ]


def leaked_share(release: Release, benchmark: str, scheme: str = "paper") -> float:
    """Share of test items with an item of the same family in train (ROUTEREVAL.md, point 7)."""
    parts = load_items(release, benchmark, [], None, scheme).parts
    train = set(parts["train"].families)
    test = parts["test"].families
    return sum(family in train for family in test) / len(test)
