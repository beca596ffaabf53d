"""Data Docs that can be read with no network: what pages would fetch is taken out, a style sheet put in."""

from __future__ import annotations

import html
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from routerset.expectations.findings import Validation
from routerset.expectations.report import show

_REMOTE = (
    re.compile(r"<script\b[^>]*\bsrc=[\"']https?://[^>]*>\s*</script>", re.IGNORECASE),
    re.compile(r"<link\b[^>]*\bhref=[\"'](https?://|[./]*static/)[^>]*>", re.IGNORECASE),
    re.compile(r"<img\b[^>]*\bsrc=[\"']https?://[^>]*>", re.IGNORECASE),
    re.compile(r"<(footer|form)\b.*?</\1>", re.IGNORECASE | re.DOTALL),
    re.compile(r"[\w-]+\s*:\s*url\([\"']?https?://[^)]*\)[^;}]*;?", re.IGNORECASE),
)
_FRAME = re.compile(r"<iframe\b.*?</iframe>|<script\b(?![^>]*\bsrc=).*?</script>", re.IGNORECASE | re.DOTALL)
STYLE = """
body{font:15px/1.5 system-ui,sans-serif;margin:0;color:#1c2733;background:#fff}
a{color:#0b5cad}
nav,header,.navbar{padding:.5rem 1rem;border-bottom:1px solid #d5dbe1}
.container-fluid,.container{padding:0 1rem}
.row{display:flex;flex-wrap:wrap;gap:1rem}
.col-md-2,.col-lg-2,.col-2{flex:0 0 15rem;max-width:15rem}
.col-md-8,.col-lg-8,.col-8,.col-12,.col-md-10{flex:1 1 30rem;min-width:0}
table{border-collapse:collapse;max-width:100%;margin:.5rem 0}
td,th{border:1px solid #d5dbe1;padding:.3rem .6rem;text-align:left;vertical-align:top;overflow-wrap:anywhere}
.badge{border:1px solid #d5dbe1;border-radius:.25rem;padding:0 .3rem;background:#f3f5f7}
.alert{border:1px solid #d5dbe1;padding:.5rem 1rem;margin:.5rem 0}
.text-success,.fa-check-circle{color:#1a7f37}
.text-danger,.fa-times{color:#c62828}
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
tr.error td:nth-child(3){color:#c62828;font-weight:600}
tr.warning td:nth-child(3){color:#8a5a00;font-weight:600}
tr.holds td:nth-child(3){color:#1a7f37}
th{overflow-wrap:normal;white-space:nowrap}
td{overflow-wrap:break-word}
td:nth-child(n+5){overflow-wrap:anywhere;min-width:11rem}
td ul{margin:.2rem 0 0;padding-left:1.2rem}
@media (max-width:60rem){
thead{display:none}
table,tbody,tr,td{display:block;border:0}
tr{border-top:1px solid #d5dbe1;padding:.5rem 0}
td{padding:.1rem 0}
td:nth-child(-n+4){display:inline;margin-right:.6rem}
td:last-child{color:#57606a;font-size:.9em}
}
"""


def make_self_contained(folder: Path, outcome: Validation) -> None:
    """Rewrite every page below `folder` in place, so that a browser asks no other host for anything.

    The framework's own index is filled in by a remote script; one with all results takes its place. Its fonts
    and pictures, 4 MB a site, are for pages that fetch the rest, so they go.
    """
    shutil.rmtree(folder / "static", ignore_errors=True)
    for page in sorted(folder.rglob("*.html")):
        page.write_text(self_contained(page.read_text(encoding="utf-8")), encoding="utf-8")
    links = {}
    for page in sorted((folder / "validations").rglob("*.html")):
        name = page.relative_to(folder).as_posix()
        links["/".join(page.relative_to(folder / "validations").parts[:-4])] = name
    (folder / "index.html").write_text(index_page(outcome, links), encoding="utf-8")


def index_page(outcome: Validation, links: Mapping[str, str]) -> str:
    """A page with every result, failures first in their suites.

    links: `suite/view`, or `release/suite/view`, -> page with the details.
    """
    rows = []
    for finding in sorted(outcome.findings, key=lambda f: (f.success, f.severity)):
        place, _, view = finding.table.rpartition("/")
        key = "/".join(part for part in (place, finding.suite, view) if part)
        name = html.escape(f"{place}/{finding.suite}" if place else finding.suite)
        link = f'<a href="{html.escape(links[key])}">{name}</a>' if key in links else name
        result = "holds" if finding.success else finding.severity.value
        examples = "".join(f"<li>{html.escape(show(example))}</li>" for example in finding.examples)
        rows.append(
            f'<tr class="{result}"><td>{link}</td>'
            f"<td>{html.escape(finding.expectation)}</td><td>{result}</td>"
            f"<td>{'' if finding.success else format(finding.unexpected, ',')}</td>"
            f"<td>{html.escape(finding.why)}<ul>{examples}</ul></td>"
            f"<td>{html.escape(finding.reference)}</td></tr>"
        )
    names = ("suite", "expectation", "result", "unexpected", "why", "rule")
    head = "".join(f"<th>{name}</th>" for name in names)
    skipped = "".join(f"<li>not run: {html.escape(line)}</li>" for line in outcome.skipped)
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width,initial-scale=1"><title>Validation</title>'
        f"<style>{STYLE}{INDEX_STYLE}</style></head><body><main>"
        f"<h1>Validation of {html.escape(outcome.path)}</h1>"
        f"<p>{len(outcome.findings)} expectations: {len(outcome.errors)} errors, {len(outcome.warnings)} "
        f"warnings.</p><ul>{skipped}</ul><table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody>"
        "</table></main></body></html>\n"
    )


def self_contained(page: str) -> str:
    """A page without remote scripts, styles and pictures, and with a style sheet of its own.

    The framework's own scripts only work with those that it fetches, so they go too.
    """
    for pattern in _REMOTE:
        page = pattern.sub("", page)
    return _FRAME.sub("", page).replace("</head>", f"<style>{STYLE}</style></head>", 1)
