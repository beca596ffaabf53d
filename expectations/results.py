"""Where results are kept: a JSON file, and pages beside it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from routerset.expectations.data_docs import index_page, links
from routerset.expectations.findings import Validation
from routerset.expectations.report import to_json
from routerset.schemas import outfolder
from routerset.schemas.plainfiles import entries
from routerset.schemas.store import write_text

RESULTS, DOCS = "results.json", "data_docs"


def claim(folder: Path) -> None:
    """Make a folder ours, in which Data Docs are all pages. Raises NotOurs."""
    outfolder.check(folder, outfolder.VALIDATE, (RESULTS, f"{DOCS}/"))
    pages = entries(folder / DOCS) if (folder / DOCS).is_dir() else ()
    other = next((name for name, _ in pages if not name.endswith(".html")), None)
    if other is not None:
        raise outfolder.NotOurs(
            f"{folder / DOCS / other}: found no page, in a folder of pages that is made anew; move it, or "
            "choose another --out"
        )
    outfolder.mark(folder, outfolder.VALIDATE)


def write(outcome: Validation, folder: Path, pages: Path | None = None) -> list[Path]:
    """Write results, and a page of all of them; returns the files. Raises NotOurs.

    pages: a folder of pages with the details, which the page then links to.
    """
    claim(folder)
    docs, results = folder / DOCS, folder / RESULTS
    shutil.rmtree(docs, ignore_errors=True)
    if pages is not None:
        shutil.copytree(pages, docs)
    write_text(docs / "index.html", index_page(outcome, links(docs)))
    write_text(results, json.dumps(json.loads(to_json(outcome)), indent=1) + "\n")
    return [results, docs / "index.html"]
