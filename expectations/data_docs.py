"""Data Docs that can be read with no network: what pages would fetch is taken out, a style sheet put in."""

from __future__ import annotations

import html
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from routerset.expectations.findings import Validation
from routerset.expectations.report import counts, show
from routerset.schemas.plainfiles import read_json
from routerset.schemas.store import write_text

_REMOTE = (
    re.compile(r"<script\b[^>]*\bsrc=[\"']https?://[^>]*>\s*</script>", re.IGNORECASE),
    re.compile(r"<link\b[^>]*\bhref=[\"'](https?://|[./]*static/)[^>]*>", re.IGNORECASE),
    re.compile(r"<img\b[^>]*\bsrc=[\"']https?://[^>]*>", re.IGNORECASE),
    re.compile(r"<(footer|form)\b.*?</\1>", re.IGNORECASE | re.DOTALL),
    re.compile(r"[\w-]+\s*:\s*url\([\"']?https?://[^)]*\)[^;}]*;?", re.IGNORECASE),
)
_FRAME = re.compile(r"<iframe\b.*?</iframe>|<script\b(?![^>]*\bsrc=).*?</script>", re.IGNORECASE | re.DOTALL)
STYLE = """
:root{color-scheme:light dark;
--ink:#1c2733;--paper:#fff;--line:#d5dbe1;--tint:#f3f5f7;--soft:#57606a;--link:#0b5cad;
--good:#1a7f37;--bad:#c62828;--warn:#8a5a00}
@media (prefers-color-scheme:dark){:root{
--ink:#e6e9f0;--paper:#10141c;--line:#2f3948;--tint:#1b2230;--soft:#9aa6b8;
--link:#8ab4f8;--good:#56d364;--bad:#ff8080;--warn:#e3b341}}
body{font:15px/1.5 system-ui,sans-serif;margin:0;color:var(--ink);background:var(--paper)}
a{color:var(--link)}
nav,header,.navbar{padding:.5rem 1rem;border-bottom:1px solid var(--line)}
.container-fluid,.container{padding:0 1rem}
.row{display:flex;flex-wrap:wrap;gap:1rem}
.col-md-2,.col-lg-2,.col-2{flex:0 0 15rem;max-width:15rem}
.col-md-8,.col-lg-8,.col-8,.col-12,.col-md-10{flex:1 1 30rem;min-width:0}
table{border-collapse:collapse;max-width:100%;margin:.5rem 0}
td,th{border:1px solid var(--line);padding:.3rem .6rem;text-align:left;vertical-align:top}
td,th{overflow-wrap:anywhere}
.badge{border:1px solid var(--line);border-radius:.25rem;padding:0 .3rem}
.badge{background:var(--tint);color:var(--ink)}
.alert{border:1px solid var(--line);padding:.5rem 1rem;margin:.5rem 0}
.text-success,.fa-check-circle{color:var(--good)}
.text-danger,.fa-times{color:var(--bad)}
.fa-check-circle::before{content:"\\2714"}
.fa-times::before{content:"\\2718"}
.fa-exclamation-triangle::before{content:"\\26a0"}
.btn-group,.modal,.ge-walkthrough-container,#ge-cta-footer,.cta-footer{display:none}
.nav{list-style:none;padding:0;margin:0}
.collapse{display:block}
img{max-height:2.5rem}
code,pre{font:13px/1.5 ui-monospace,monospace;white-space:pre-wrap;overflow-wrap:anywhere}
"""

INDEX_STYLE = """
main{padding:1rem;max-width:90rem}
tr.error td.result{color:var(--bad);font-weight:600}
tr.warning td.result{color:var(--warn);font-weight:600}
tr.holds td.result{color:var(--good)}
.num{text-align:right}
.scroll{overflow-x:auto}
th{overflow-wrap:normal;white-space:nowrap}
td{overflow-wrap:break-word}
td.long{overflow-wrap:anywhere;min-width:11rem}
td ul{margin:.2rem 0 0;padding-left:1.2rem}
@media (max-width:60rem){
.results thead{display:none}
.results,.results :is(tbody,tr,td){display:block;border:0}
.results tr{border-top:1px solid var(--line);padding:.5rem 0}
.results td{padding:.1rem 0}
.results td:nth-child(-n+4){display:inline;margin-right:.6rem}
.results td:last-child{color:var(--soft);font-size:.9em}
}
@media print{thead{display:table-header-group}tr{break-inside:avoid}}
"""


def make_self_contained(folder: Path) -> None:
    """Rewrite every page below `folder` in place, so that a browser asks no other host for anything.

    The framework's own fonts and pictures, 4 MB a site, are for pages that fetch the rest, so they go.
    """
    shutil.rmtree(folder / "static", ignore_errors=True)
    for page in sorted(folder.rglob("*.html")):
        page.write_text(self_contained(page.read_text(encoding="utf-8")), encoding="utf-8")


def links(folder: Path) -> dict[str, str]:
    """`suite/view`, or `release/suite/view`, -> the page of `folder` with its details."""
    found = {}
    for page in sorted((folder / "validations").rglob("*.html")):
        name = page.relative_to(folder).as_posix()
        found["/".join(page.relative_to(folder / "validations").parts[:-4])] = name
    return found


def index_page(outcome: Validation, links: Mapping[str, str]) -> str:
    """A page with every result, failures first in their suites. links: see `links`."""
    rows = []
    for finding in sorted(outcome.findings, key=lambda f: (f.success, f.severity)):
        place, _, view = finding.table.rpartition("/")
        key = "/".join(part for part in (place, finding.suite, view) if part)
        name = html.escape(f"{place}/{finding.suite}" if place else finding.suite)
        link = f'<a href="{html.escape(links[key])}">{name}</a>' if key in links else name
        result = "holds" if finding.success else finding.severity.value
        examples = "".join(f"<li>{html.escape(show(example))}</li>" for example in finding.examples)
        follows = f" (follows from {html.escape(finding.cause)})" if finding.cause else ""
        rows.append(
            f'<tr class="{result}"><td>{link}</td>'
            f'<td>{html.escape(finding.expectation)}</td><td class="result">{result}{follows}</td>'
            f'<td class="num">{"" if finding.success else format(finding.unexpected, ",")}</td>'
            f'<td class="long">{html.escape(finding.why)}<ul>{examples}</ul></td>'
            f'<td class="long">{html.escape(finding.reference)}</td></tr>'
        )
    skipped = "".join(f"<li>not run: {html.escape(line)}</li>" for line in outcome.skipped)
    return _page(
        f"Validation of {outcome.path}",
        f"<p>{html.escape(counts(outcome))}.</p><ul>{skipped}</ul>"
        + _table(("suite", "expectation", "result", "unexpected", "why", "rule"), rows, "results"),
    )


def write_stages(folder: Path, stages: Sequence[str], about: str) -> None:
    """One page over the results of all stages: counts of each, and links to its Data Docs.

    folder: has the results of stage S in `S/`; a stage without any is left out. about: what was built, by
    which version.
    """
    rows, total = [], [0, 0, 0, 0]
    for stage in stages:
        try:
            results = read_json(folder / stage / "results.json")
        except (OSError, ValueError):
            continue
        if not isinstance(results, dict):
            continue
        listed = (results.get(name) for name in ("findings", "errors", "warnings", "skipped"))
        numbers = [len(one) if isinstance(one, list) else int(one or 0) for one in listed]
        total = [a + b for a, b in zip(total, numbers, strict=True)]
        link = f'<a href="{stage}/data_docs/index.html">{stage}</a>'
        rows.append(_counted(link, numbers))
    rows.append(_counted("all", total))
    names = ("stage", "result", "expectations", "errors", "warnings", "not run")
    body = f"<p>{html.escape(about)}</p>" + _table(names, rows, "stages")
    write_text(folder / "index.html", _page("Validation of a build, stage by stage", body))


def _counted(name: str, numbers: Sequence[int]) -> str:
    """A row. numbers: expectations, errors, warnings, not run."""
    result = "error" if numbers[1] else "warning" if numbers[2] else "holds"
    cells = "".join(f'<td class="num">{number:,}</td>' for number in numbers)
    return f'<tr class="{result}"><td>{name}</td><td class="result">{result}</td>{cells}</tr>'


def _table(names: Sequence[str], rows: Sequence[str], kind: str) -> str:
    head = "".join(f'<th scope="col">{name}</th>' for name in names)
    return (
        f'<div class="scroll"><table class="{kind}"><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _page(title: str, body: str) -> str:
    """A page of ours. body: HTML."""
    name = html.escape(title)
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width,initial-scale=1"><title>{name}</title>'
        f"<style>{STYLE}{INDEX_STYLE}</style></head><body><main><h1>{name}</h1>{body}</main></body></html>\n"
    )


def self_contained(page: str) -> str:
    """A page without remote scripts, styles and pictures, and with a style sheet of its own.

    The framework's own scripts only work with those that it fetches, so they go too.
    """
    for pattern in _REMOTE:
        page = pattern.sub("", page)
    return _FRAME.sub("", page).replace("</head>", f"<style>{STYLE}</style></head>", 1)
