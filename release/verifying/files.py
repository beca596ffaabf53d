"""Which files a release holds: those that its manifest and layout call for, as `SHA256SUMS` lists them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from routerset.release import layout
from routerset.release.manifest import Manifest
from routerset.release.texts import PAPERS, evaluator_files
from routerset.release.verifying.problem import FETCH, Opened, Problem, same
from routerset.schemas.checksums import entries
from routerset.schemas.store import sha256


def verify_checksums(release: Path, sums: Mapping[str, str], *, links: bool = False) -> Iterator[Problem]:
    """Every file that is missing, extra, changed, or no file. sums: path -> SHA-256.

    links: whether files may be links, as in the cache of the Hub's client.
    """
    present = dict(entries(release, links=links))
    for path in sorted(sums.keys() - present.keys()):
        yield Problem(path, "no such file", f"SHA-256 {sums[path]} of {layout.CHECKSUMS}", FETCH)
    for path, kind in present.items():
        if kind is not None:
            yield Problem(path, kind, "files only", "remove it")
        elif path not in sums:
            yield Problem(path, f"a file that {layout.CHECKSUMS} does not list", "no such file", "remove it")
        elif (digest := sha256(release / path)) != sums[path]:
            yield Problem(path, f"SHA-256 {digest}", f"{sums[path]} of {layout.CHECKSUMS}", FETCH)


def closed_list(opened: Opened) -> Iterator[Problem]:
    """A release has every file that it needs, and none that no release has."""
    from routerset.release.reporting.report import RELEASED_FILES

    papers = {layout.CARD, layout.CHANGELOG, *PAPERS}
    needed = {*papers, *evaluator_files(), *paths(opened.manifest)}
    possible = {*needed, *(f"{layout.REPORTS}/{name}" for name in RELEASED_FILES)}
    if opened.manifest.companion:  # of texts alone
        possible = needed = {
            *(layout.CARD, layout.CHANGELOG, layout.LICENSE, layout.MANIFEST),
            *paths(opened.manifest),
        }
    for path in sorted(needed - opened.sums.keys()):
        yield Problem(layout.CHECKSUMS, f"no line of {path}", "one: every release has it")
    for path in sorted(opened.sums.keys() - possible):
        yield Problem(path, "a file that no release has", "no such file", "remove it")


def paths(manifest: Manifest) -> set[str]:
    """Tables that the configs of a release read."""
    return {path for config in manifest.configs() for path in config.files.values()}


def tables_listed(opened: Opened) -> Iterator[Problem]:
    """The manifest lists the tables that the configs read, with the checksums of SHA256SUMS."""
    tables = opened.manifest.tables
    needed = paths(opened.manifest)
    for path in sorted(needed - tables.keys()):
        yield Problem(layout.MANIFEST, f"no table {path}", "one: a config reads it")
    for path in sorted(tables.keys() - needed):
        yield Problem(layout.MANIFEST, f"table {path}", "no such table: no config reads it")
    for path, table in sorted(tables.items()):
        yield from same(layout.MANIFEST, f"{path} with SHA-256", table.sha256, opened.sums.get(path))
        if opened.whole(path) and path in opened.sums:
            size = (opened.root / path).stat().st_size
            yield from same(layout.MANIFEST, f"{path} with bytes", table.bytes, size)
