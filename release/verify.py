"""Checks a release from its own files: checksums first, then everything that can be computed again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from routerset.release import companion
from routerset.release.errors import ReleaseError
from routerset.release.files import read_checksums
from routerset.release.manifest import read_manifest
from routerset.release.verifying import claims, files, papers
from routerset.release.verifying.files import verify_checksums
from routerset.release.verifying.problem import FETCH, Check, Opened, Problem, Recomputation, attempt
from routerset.release.verifying.tables import tables
from routerset.schemas.released import TEXTS_PATH

__all__ = ["CHECKS", "Check", "Problem", "Recomputation", "verify"]

CHECKS: tuple[tuple[str, Check], ...] = (
    ("SHA256SUMS", files.closed_list),
    ("manifest.json", files.tables_listed),
    ("manifest.json", claims.benchmarks_known),
    ("manifest.json", claims.encoders_known),
    ("manifest.json", claims.versions),
    ("manifest.json", claims.closed),
    ("evaluator", papers.evaluator),
    ("README.md", papers.papers),
    ("CHANGELOG.md", papers.history),
    ("data", tables),
)
"""What is checked of every release, and where it lies."""
COMPANION: tuple[tuple[str, Check], ...] = (
    ("SHA256SUMS", files.closed_list),
    ("manifest.json", files.tables_listed),
    (TEXTS_PATH, companion.whole),
)
"""What is checked of a companion, which has texts alone."""


def verify(
    release: Path,
    more: Sequence[Recomputation] = (),
    progress: Callable[[int, int, str], None] = lambda done, total, label: None,
) -> list[Problem]:
    """All problems of a release folder; none where it is what its build made.

    Everything in it is recomputed, equal to what the installed version writes, or refused as unknown. Where a
    file is damaged, what depends on it is left alone; a shape that nobody wrote is a problem, no error.
    more: further checks, such as of groups and baseline cells; they run where nothing else is wrong, and a
    companion has none of what they compute.
    progress: called with (done, total, next), in checks.
    """
    try:
        opened = Opened(release, read_manifest(release), read_checksums(release))
    except ReleaseError as error:
        return [Problem(".", str(error), "a release", FETCH)]
    checks = COMPANION if opened.manifest.companion else CHECKS
    more = () if opened.manifest.companion else more
    total = 1 + len(checks) + len(more)
    progress(0, total, "checksums")
    problems = list(verify_checksums(release, opened.sums))
    opened = replace(opened, damaged=frozenset(problem.path for problem in problems))
    for done, (where, check) in enumerate(checks, 1):
        progress(done, total, f"{where}: {_name(check)}")
        problems += attempt(where, partial(check, opened))
    if problems:
        more = ()
    for done, again in enumerate(more, 1 + len(checks)):
        progress(done, total, _name(again))
        problems += attempt(".", partial(again, release))
    progress(total, total, "")
    return problems


def _name(check: Callable[..., object]) -> str:
    """What a check is called, in words."""
    function: object = getattr(check, "func", check)  # of a `partial`
    return str(getattr(function, "__name__", "a check")).replace("_", " ")
