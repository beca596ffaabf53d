"""Writes the report of a release: tables, figures, a page, and the baseline cells that `verify` checks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from routerset.release.layout import REPORTS
from routerset.release.reporting import grid as grids
from routerset.release.reporting import tables as contents
from routerset.release.reporting.baselines import BASELINES, baselines_text
from routerset.release.reporting.evaluation import Findings, Progress, find
from routerset.release.reporting.paper_tables import paper_tables, to_csv, to_latex, to_markdown
from routerset.release.reporting.plots_png import kinds_png, scaling_png
from routerset.schemas import outfolder
from routerset.schemas.store import atomic

PAGE = "report.html"
SCALING_FIGURE, KINDS_FIGURE = "figure2_scaling", "figure3_kinds"
_TEXTS = ("md", "tex", "csv")
_TABLES = ("summary", "table1", "table2", "table3", "leakage")
_DATA = ("results.csv", f"{SCALING_FIGURE}.csv", f"{KINDS_FIGURE}.csv")
_OTHERS = (*_DATA, f"{SCALING_FIGURE}.png", f"{KINDS_FIGURE}.png", BASELINES.name, PAGE)
FILES = (*(f"{table}.{ending}" for table in _TABLES for ending in _TEXTS), *_OTHERS)
"""Every file that a report may have."""


def write_report(
    release: Path,
    out: Path | None = None,
    *,
    benchmarks: Sequence[str] | None = None,
    sizes: Sequence[int] = (3, 5),
    encoder: str | None = None,
    routers: Sequence[str] | None = None,
    progress: Progress = lambda done, total, label: None,
) -> list[Path]:
    """Evaluate a release and write its report; returns the files, sorted.

    out: by default `RELEASE/reports`; files of an earlier report there that this one does not have are
    removed. The other arguments are those of `evaluation.find`. The same release gives the same bytes.
    Raises NotOurs where `out` or a file there is not ours, UsageError, InputError.
    """
    folder = out or release / REPORTS
    if out is None:
        outfolder.refuse_links(release, [f"{REPORTS}/"])
    else:
        outfolder.check(out, outfolder.REPORT, FILES)
    found = find(
        release, benchmarks=benchmarks, sizes=sizes, encoder=encoder, routers=routers, progress=progress
    )
    if out is not None:
        outfolder.mark(out, outfolder.REPORT)
    files = report_files(found)
    for name in FILES:
        if name not in files:
            (folder / name).unlink(missing_ok=True)
    for name, content in files.items():
        with atomic(folder / name) as part:
            part.write_bytes(content)
    return sorted(folder / name for name in files)


def reports_hook(draft: Path) -> None:
    """The report that every release ships: routers that need no training, groups of 3 and 5."""
    write_report(draft)


def report_files(found: Findings) -> dict[str, bytes]:
    """Name -> content of every file of a report; tables and figures without content are left out."""
    from routerset.release.reporting.page import render_page  # jinja2, which `verify` does without

    texts = {}
    for table in paper_tables(found.means, found.sizes):
        for ending, write in zip(_TEXTS, (to_markdown, to_latex, to_csv), strict=True):
            texts[f"table{table.number}.{ending}"] = write(table)
    for name, grid in {
        "summary": contents.summary(found),
        "table3": contents.entropy(found),
        "leakage": contents.leaks(found),
    }.items():
        if grid.rows:
            writers = (grids.to_markdown, grids.to_latex, grids.to_csv)
            texts |= {f"{name}.{e}": write(grid) for e, write in zip(_TEXTS, writers, strict=True)}
    data = (contents.results(found), contents.scaling(found), contents.kinds(found))
    texts |= {name: grids.to_csv(grid) for name, grid in zip(_DATA, data, strict=True) if grid.rows}
    texts[BASELINES.name] = baselines_text(found)
    texts[PAGE] = render_page(found)
    files = {name: text.encode() for name, text in texts.items()}
    if found.curves:
        files[f"{SCALING_FIGURE}.png"] = scaling_png(found.curves)
    if rows := contents.kinds_of_figure(found):
        files[f"{KINDS_FIGURE}.png"] = kinds_png(rows)
    return files
