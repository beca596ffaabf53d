"""Writes the report of a release: tables, figures, a page, and the baseline cells that `verify` checks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from routerset.release.auditing import files as auditing
from routerset.release.evaluator.spending import COST_METRICS
from routerset.release.layout import AUDIT, LEADERBOARD, REPORTS
from routerset.release.reporting import cost_tables, noise
from routerset.release.reporting import grid as grids
from routerset.release.reporting import tables as contents
from routerset.release.reporting.baselines import baselines_text
from routerset.release.reporting.evaluation import Findings, Progress, find
from routerset.release.reporting.leaderboard import leaderboard
from routerset.release.reporting.panels import cap_panels, plane_panels, rate_panels
from routerset.release.reporting.paper_tables import paper_tables, to_csv, to_latex, to_markdown
from routerset.release.reporting.plots_png import curves_png, kinds_png, scaling_png
from routerset.schemas import outfolder
from routerset.schemas.store import write_files, write_table

BASELINES, PAGE = "baselines.json", "report.html"
SCALING_FIGURE, KINDS_FIGURE = "figure2_scaling", "figure3_kinds"
PLANE_FIGURE, CAP_FIGURE, RATE_FIGURE = "figure4_cost_plane", "figure5_cost_caps", "figure6_routing_rate"
_TEXTS = ("md", "tex", "csv")
_COST_TABLES = ("cost_areas", "cost_metrics", "cost_tiers")
_TABLES = (
    "summary",
    "noise",
    "table1",
    "table2",
    "published",
    "table3",
    "leakage",
    "families",
    "pool",
    "held_out",
)
_DATA = ("results.csv", f"{SCALING_FIGURE}.csv", f"{KINDS_FIGURE}.csv", "cost_points.csv", "cost_results.csv")
_FIGURES = (SCALING_FIGURE, KINDS_FIGURE, PLANE_FIGURE, CAP_FIGURE, RATE_FIGURE)
_OTHERS = (*_DATA, *(f"{figure}.png" for figure in _FIGURES), BASELINES, PAGE)
FILES = (*(f"{table}.{ending}" for table in (*_TABLES, *_COST_TABLES) for ending in _TEXTS), *_OTHERS)
"""Every file that a report may have."""
AUDIT_PAGE = f"{AUDIT}/{auditing.PAGE}"
RELEASED_FILES = (*FILES, *(f"{AUDIT}/{name}" for name in auditing.FILES))
"""Every file that `reports/` of a release may have: its audit, too."""


def write_report(
    release: Path,
    out: Path,
    *,
    benchmarks: Sequence[str] | None = None,
    sizes: Sequence[int] = (3, 5),
    encoder: str | None = None,
    routers: Sequence[str] | None = None,
    method: str | None = None,
    costs: str | None = None,
    hold_out: bool = False,
    progress: Progress = lambda done, total, label: None,
) -> list[Path]:
    """Evaluate a release and write its report; returns the files, sorted.

    out: files of an earlier report there that this one does not have are removed; it must not lie in a
    release, which only a build writes. The other arguments are those of `evaluation.find`. The same release
    gives the same bytes. Raises NotOurs where `out` or a file there is not ours, UsageError, InputError.
    """
    outfolder.check(out, outfolder.REPORT, FILES)
    found = find(
        release,
        benchmarks=benchmarks,
        sizes=sizes,
        encoder=encoder,
        routers=routers,
        method=method,
        costs=costs,
        hold_out=hold_out,
        progress=progress,
    )
    outfolder.mark(out, outfolder.REPORT)
    return write_files(out, report_files(found), FILES)


def reports_hook(draft: Path) -> None:
    """The report that every release ships, routers without training on groups of 3 and 5, and the audit.

    Their results are the release's leaderboard, too, where there are any.
    """
    audited, found = auditing.audit_release(draft), find(draft)
    files = report_files(found) | below_audit(auditing.audit_files(*audited))
    write_files(draft / REPORTS, files, FILES)
    results = leaderboard(found)
    if results.num_rows:
        write_table(draft / LEADERBOARD, results.schema, results)


def below_audit(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Files of an audit by their paths below `reports/`."""
    return {f"{AUDIT}/{name}": content for name, content in files.items()}


def report_files(found: Findings) -> dict[str, bytes]:
    """Name -> content of every file of a report; tables and figures without content are left out."""
    return texts(found) | page(found) | figures(found)


def texts(found: Findings) -> dict[str, bytes]:
    """Tables and numbers, which need no library that draws."""
    made = {}
    for table in paper_tables(found.published_means, found.published_sizes):
        for ending, write in zip(_TEXTS, (to_markdown, to_latex, to_csv), strict=True):
            made[f"table{table.number}.{ending}"] = write(table)
    for name, grid in {
        "summary": contents.summary(found),
        "noise": noise.noise(found),
        "published": noise.published(found),
        "table3": contents.entropy(found),
        "leakage": contents.leaks(found),
        "pool": contents.pools(found),
        "families": contents.families(found),
        "held_out": contents.held_out(found),
        "cost_areas": cost_tables.headline(found),
        "cost_metrics": cost_tables.metrics(found),
        "cost_tiers": cost_tables.tiers(found),
    }.items():
        if grid.rows:
            writers = (grids.to_markdown, grids.to_latex, grids.to_csv)
            made |= {f"{name}.{e}": write(grid) for e, write in zip(_TEXTS, writers, strict=True)}
    data = (
        contents.results(found), contents.scaling(found), contents.kinds(found), cost_tables.points(found),
        cost_tables.metrics(found, [*COST_METRICS]),
    )  # fmt: skip
    made |= {name: grids.to_csv(grid) for name, grid in zip(_DATA, data, strict=True) if grid.rows}
    made[BASELINES] = baselines_text(found)
    return {name: text.encode() for name, text in made.items()}


def page(found: Findings) -> dict[str, bytes]:
    """The page."""
    from routerset.release.reporting.page import render_page  # jinja2, which `verify` can do without

    return {PAGE: render_page(found).encode()}


def figures(found: Findings) -> dict[str, bytes]:
    """The pictures."""
    unit = cost_tables.named(found.costs)
    draw = {
        SCALING_FIGURE: lambda: scaling_png(found.curves),
        KINDS_FIGURE: lambda: kinds_png(contents.kinds_of_figure(found), noise.by_kind(found)),
        PLANE_FIGURE: lambda: curves_png(plane_panels(found.costs), f"mean cost, {unit}"),
        CAP_FIGURE: lambda: curves_png(cap_panels(found.costs), f"cap on the cost of one answer, {unit}"),
        RATE_FIGURE: lambda: curves_png(
            rate_panels(found.costs), "share of items that goes to the small LLM"
        ),
    }
    return {name: draw[Path(name).stem]() for name in panels(found)}


def panels(found: Findings) -> dict[str, int]:
    """The pictures that there are, with the number of their panels."""
    shown = {
        SCALING_FIGURE: len(found.curves),
        KINDS_FIGURE: len({row.benchmark for row in contents.kinds_of_figure(found)}),
        PLANE_FIGURE: len(plane_panels(found.costs)),
        CAP_FIGURE: len(cap_panels(found.costs)),
        RATE_FIGURE: len(rate_panels(found.costs)),
    }
    return {f"{name}.png": n for name, n in shown.items() if n}
