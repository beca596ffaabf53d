"""The page of a report: one HTML file without a link to any other host."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup, escape

from routerset.release.evaluator.bootstrap import RESAMPLES
from routerset.release.evaluator.metrics import METRICS
from routerset.release.evaluator.metrics import TABLE_ORDER as METRIC_ORDER
from routerset.release.evaluator.results import Estimate
from routerset.release.evaluator.routers import ROUTERS, TABLE_ORDER, RouterRow, row_for
from routerset.release.evaluator.scaling import PROBABILITIES
from routerset.release.evaluator.spending import COST_METRICS
from routerset.release.pages import Functions, page_template
from routerset.release.reporting import cost_tables, noise, panels
from routerset.release.reporting import tables as contents
from routerset.release.reporting.colours import RAMP, css, variable
from routerset.release.reporting.evaluation import Findings
from routerset.release.reporting.grid import SYMBOL, Cell, Column, label, number, over_kinds, tell, text
from routerset.release.reporting.paper_tables import COLUMNS, paper_tables
from routerset.release.reporting.plots_html import curve_panel, key, kinds_panel, scaling_panel

TEMPLATE = Path(__file__).with_name("page.html.jinja")
STYLE, SCRIPT = Path(__file__).with_name("page.css"), Path(__file__).with_name("page.js")


@dataclass(frozen=True)
class Standing:
    """One benchmark at one m, as a row of marks between 0 and 1: yardsticks on the axis, routers below it.

    floor: noise alone, with its range over the worlds drawn; without a value where that is not known.
    one_group: the kinds that the marks are means over are one and the same group of LLMs. behind: the best
    existing router scores less than the best single LLM.
    """

    benchmark: str
    yardsticks: dict[str, Estimate]
    routers: dict[str, Estimate]
    floor: Estimate
    one_group: bool
    behind: bool

    @property
    def names(self) -> list[str]:
        """Everything that has a mark."""
        return [*self.yardsticks, *self.routers]

    @property
    def room(self) -> tuple[float, float] | None:
        """From the best single LLM to the oracle; None where either is missing or there is no room."""
        low, high = (self.yardsticks.get(name) for name in ("best_single", "oracle"))
        if low is None or high is None or low.value is None or high.value is None or high.value <= low.value:
            return None
        return low.value, high.value

    @property
    def summary(self) -> str:
        """All values, for those who cannot see the marks."""
        marks = self.yardsticks | self.routers
        marks |= {noise.NOISE: self.floor} if self.floor.value is not None else {}
        return "; ".join(f"{label(name)} {tell(estimate)}" for name, estimate in marks.items())


def render_page(found: Findings) -> str:
    """The page. The same findings give the same text."""
    filters: Functions = {
        "pretty": pretty,
        "label": _marked,
        "tell": tell,
        "number": number,
        "shown": _shown,
        "cell": _cell,
    }
    manifest = found.manifest
    template = page_template(TEMPLATE, filters, {"estimate": lambda cell: isinstance(cell, Estimate)})
    figure_rows, floors = contents.kinds_of_figure(found), noise.by_kind(found)
    planes = panels.plane_panels(found.costs)
    unit = cost_tables.named(found.costs)
    overall = {m: contents.overall(found, m) for m in found.sizes}
    return template.render(
        tables=contents,
        noise=noise,
        shares=noise.real_shares(found),
        real={m: noise.over_benchmarks(found, m) for m in found.sizes},
        style=Markup(_colours() + STYLE.read_text(encoding="utf-8")),
        script=Markup(SCRIPT.read_text(encoding="utf-8")),
        found=found,
        manifest=manifest,
        n_scores=sum(manifest.benchmarks[name].n_scores for name in found.benchmarks),
        n_items=sum(manifest.benchmarks[name].n_items for name in found.benchmarks),
        encoders=list(dict.fromkeys(row.encoder for row in found.means if row.encoder)),
        overall=overall,
        best={m: _best(values) for m, values in overall.items()},
        behind={m: _behind(values) for m, values in overall.items()},
        standings={m: _standings(found, m) for m in found.sizes},
        metrics=[METRICS[name] for name in METRIC_ORDER],
        paper_tables=paper_tables(found.published_means, found.published_sizes),
        paper_columns=COLUMNS,
        scaling_panels=[(curve, scaling_panel(curve)) for curve in found.curves],
        kinds_panels=[
            (name, kinds_panel([row for row in figure_rows if row.benchmark == name], floors))
            for name in dict.fromkeys(row.benchmark for row in figure_rows)
        ],
        kinds_routers=list(dict.fromkeys(row.router for row in figure_rows)),
        kinds_m=figure_rows[0].m if figure_rows else None,
        costs=cost_tables,
        plane_figures=_drawn(planes, f"mean cost, {unit}"),
        plane_routers=list(dict.fromkeys(point.name for panel in planes for point in panel.points)),
        cap_figures=_drawn(panels.cap_panels(found.costs), f"cap on one answer, {unit}"),
        rate_figures=_drawn(panels.rate_panels(found.costs), "share that goes to the small LLM"),
        cost_metrics=cost_tables.metrics(found),
        cost_terms=[COST_METRICS[name] for name in cost_tables.known(found.costs)],
        cost_tiers=cost_tables.tiers(found),
        means_over=over_kinds(found.method),
        held_out=contents.held_out(found),
        key=key,
        css=css,
        probabilities=PROBABILITIES,
        resamples=RESAMPLES,
    )


def _drawn(figures: Sequence[panels.Panel], across: str) -> list[tuple[str, str, Markup]]:
    """Name, note and picture of each panel. across: what its axis counts."""
    return [(panel.name, panel.note, curve_panel(panel, across)) for panel in figures]


def _marked(name: str) -> str:
    """What a router, benchmark or kind is called; a router that sees the test scores has a dagger."""
    return label(name) + ("\u2020" if row_for(name).sees_test_scores else "")


def pretty(words: str) -> Markup:
    """Words with their symbols set as such: V_B with a subscript, mu_o with a Greek letter."""
    greek = {"mu": "μ"}
    return Markup(
        SYMBOL.sub(lambda m: f"<i>{greek.get(m[1], m[1])}</i><sub>{m[2]}</sub>", str(escape(words)))
    )


def _shown(value: float | None, digits: int) -> str:
    """A number as typeset: a real minus sign, and a dash where it is undefined."""
    return "\u2013" if value is None else number(value, digits).replace("-", "\u2212")


def _cell(cell: Cell, column: Column) -> str:
    """A cell without interval."""
    if cell is None or isinstance(cell, float):
        return _shown(cell, column.digits)
    return f"{cell:,}" if isinstance(cell, int) else text(cell, column)


def _colours() -> str:
    """CSS variables of routers and of r_o(p), for light and for dark."""
    pairs = {variable(name): ROUTERS[name].colour for name in TABLE_ORDER}
    pairs |= {variable(p): colours for p, colours in RAMP.items()} | {"--other": RouterRow.colour}
    light, dark = ("".join(f"{name}:{colours[side]};" for name, colours in pairs.items()) for side in (0, 1))
    return f":root{{{light}}}\n@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}\n"


def _best(overall: dict[str, Estimate]) -> str | None:
    """The existing router with the highest mean over benchmarks; of equal ones the first."""
    rivals = {n: e.value for n, e in overall.items() if row_for(n).compared and e.value is not None}
    return max(rivals, key=lambda name: rivals[name], default=None)


def _behind(overall: dict[str, Estimate]) -> set[str]:
    """Existing routers whose mean over benchmarks the best single LLM surpasses."""
    yardstick = overall.get("best_single", Estimate()).value
    rivals = {n: e.value for n, e in overall.items() if row_for(n).compared and e.value is not None}
    return {name for name, value in rivals.items() if yardstick is not None and value < yardstick}


def _standings(found: Findings, m: int) -> list[Standing]:
    rows = [row for row in found.means if row.m == m]
    floors = {row.benchmark: noise.floor(row) for row in noise.cells(rows)}
    surpassed = {(name, size) for name, size, _ in contents.behind(found)}
    standings = []
    for name in dict.fromkeys(row.benchmark for row in rows):
        marks = {row.router: row.metrics["mu_o"] for row in rows if row.benchmark == name}
        standings.append(
            Standing(
                name,
                {r: marks[r] for r in ("random", "best_single", noise.PRIVILEGED, "oracle") if r in marks},
                {r: e for r, e in marks.items() if row_for(r).compared},
                floors.get(name, Estimate()),
                (name, m) in found.one_group,
                (name, m) in surpassed,
            )
        )
    return standings
