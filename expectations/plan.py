"""Which expectations run on a target: those whose views are there."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from routerset.expectations.dumps import VIEWS
from routerset.expectations.errors import UnknownTable
from routerset.expectations.findings import Expectation, Suite
from routerset.expectations.session import Made, Session
from routerset.expectations.suites import DUMPS, FOLDERS
from routerset.expectations.target import Target, What
from routerset.expectations.views import closed, manifests, releases, scores
from routerset.expectations.views import item_texts as texts
from routerset.expectations.views import table_files as files
from routerset.expectations.views import tables as views

BUILDERS: dict[str, Callable[[Session], Made]] = {
    **closed.BUILDERS,
    **files.BUILDERS,
    **manifests.BUILDERS,
    **releases.BUILDERS,
    **scores.BUILDERS,
    **texts.BUILDERS,
    **views.BUILDERS,
}
"""View name -> how it is made."""
_NAMES = re.compile(r"\b(?:from|join|in \(from)\s+([a-z_]\w*)")


@dataclass(frozen=True)
class ViewBatch:
    """Expectations of one suite that share a view."""

    suite: Suite
    view: str
    expectations: tuple[Expectation, ...]


def open_session(target: Target, previous: Target | None, built: Session | None = None) -> Session:
    """A session with everything that the suites of a target can name; dumps are read now.

    previous, built: see `Session`.
    """
    if target.read is not None:
        made = {name: lambda _, table=table: table for name, table in target.read().items()}
        return Session(target, BUILDERS | made)
    before = None if previous is None else Session(previous, BUILDERS)
    return Session(target, BUILDERS, before, built)


def suites_for(target: Target, wanted: Collection[str] | None) -> list[Suite]:
    """Suites of a target; the wanted ones, where some are named. Raises UnknownTable."""
    if target.what is What.DUMP:
        return [DUMPS]
    if wanted is None and target.what is What.TABLE:
        return [FOLDERS["layout"], FOLDERS[target.parts[0].table]]
    for name in wanted or ():
        if name not in FOLDERS:
            raise UnknownTable(f"--table: found {name!r}, expected one of {', '.join(FOLDERS)}")
    return [suite for name, suite in FOLDERS.items() if wanted is None or name in wanted]


def plan(session: Session, suites: Collection[Suite]) -> tuple[list[ViewBatch], list[str]]:
    """Batches to validate, and expectations that cannot run because a table that they need is broken."""
    batches: list[ViewBatch] = []
    skipped: list[str] = []
    for suite in suites:
        by_view: dict[str, list[Expectation]] = {}
        for expectation in suite.expectations:
            view = expectation.view or suite.view
            absent = [name for name in dict.fromkeys([view, *_views(expectation)]) if name not in session]
            if not absent and expectation.arguments:
                column = expectation.arguments.get("column")
                absent = [] if column in session.columns(view) else [f"{view}.{column}"]
            if not absent:
                by_view.setdefault(view, []).append(expectation)
            elif session.broken:
                reasons = "; ".join(f"{name}: {why}" for name, why in sorted(session.broken.items()))
                skipped.append(f"{suite.name}.{expectation.name}: {reasons}")
        batches += [ViewBatch(suite, view, tuple(found)) for view, found in by_view.items()]
    return batches, skipped


def _views(expectation: Expectation) -> Iterator[str]:
    """Views that a query names besides its own."""
    yield from (name for name in _NAMES.findall(expectation.sql) if name in BUILDERS or name in VIEWS)
