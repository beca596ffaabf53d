"""The files of an audit: what `--out` writes, and a release ships."""

from __future__ import annotations

from collections.abc import Sequence

from routerset.release.auditing.audit import JSON, Audited, tables, to_json
from routerset.release.auditing.detectors import DETECTORS

PAGE = "audit.html"
FILES = (JSON, PAGE, *(f"{name}.csv" for name in DETECTORS))
"""Every file that an audit may have."""


def audit_files(source: str, found: Sequence[Audited], page: bool = True) -> dict[str, bytes]:
    """Name -> content. page: whether the page is among them, which needs jinja2."""
    made = {JSON: to_json(source, found), **tables(found)}
    if page:
        from routerset.release.auditing.page import render_audit

        made[PAGE] = render_audit(source, found)
    return {name: text.encode() for name, text in made.items()}
