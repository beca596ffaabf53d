"""The files of an audit: what `--out` writes, and a release ships."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from routerset.release.auditing.audit import JSON, Audited, audit, five_lines, tables, to_json
from routerset.release.auditing.detectors import DETECTORS
from routerset.release.auditing.reading import of_release, subject_of
from routerset.release.manifest import read_manifest

PAGE, SUMMARY = "audit.html", "summary.md"
FILES = (JSON, PAGE, SUMMARY, *(f"{name}.csv" for name in DETECTORS))
"""Every file that an audit may have."""


def audit_files(source: str, found: Sequence[Audited]) -> dict[str, bytes]:
    """Name -> content of every file."""
    return audit_texts(source, found) | audit_page(source, found)


def audit_texts(source: str, found: Sequence[Audited]) -> dict[str, bytes]:
    """What needs no library that draws."""
    lines = "".join(f"- {line}\n" for line in five_lines(found))
    made = {JSON: to_json(source, found), SUMMARY: lines, **tables(found)}
    return {name: text.encode() for name, text in made.items()}


def audit_page(source: str, found: Sequence[Audited]) -> dict[str, bytes]:
    """The page, which needs jinja2."""
    from routerset.release.auditing.page import render_audit

    return {PAGE: render_audit(source, found).encode()}


def audit_release(release: Path) -> tuple[str, list[Audited]]:
    """What a release is called, and its audit. Raises ReleaseInputError for tables that cannot be read."""
    manifest = read_manifest(release)
    found = [audit(subject_of(tables)) for tables in of_release(release, manifest)]
    return f"{manifest.name} {manifest.version}", found
