"""`routerset diff` and `routerset rollback`: what versions are to each other, and the way back."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from routerset.etl import console
from routerset.etl.progress import say, show
from routerset.release.compared import COUNTED, Comparison, compared
from routerset.release.publish.fetch import released
from routerset.release.publish.work import work_folder
from routerset.schemas.escape import plain
from routerset.schemas.exits import DONE


def diff(old: str, new: str, form: str) -> int:
    """Show what changed from one release to another; returns the exit code.

    old, new: releases, builds, places that releases are published to, or versions there (`PLACE@vX.Y.Z`).
    form: `text` or `json`.
    """
    with work_folder() as work:
        folders = [released(where, work / "fetched", say) for where in (old, new)]
        for name, where, folder in zip(("old", "new"), (old, new), folders, strict=True):
            say(plain(f"{name}: {folder if Path(where).exists() else where}"))
        found = compared(*folders)
    show(json.dumps(found.to_json(), indent=1) if form == "json" else to_text(found))
    return DONE


def to_text(found: Comparison) -> str:
    """What changed, within 80 columns, the gravest first."""
    return "\n".join(_lines(found))


def _lines(found: Comparison) -> Iterator[str]:
    old, new = found.old.version, found.new.version
    if found.level is None:
        yield f"v{old} and v{new}: every row and every file is the same"
        return
    yield f"v{old} to v{new}: {found.level.name}, so that v{found.next} or later follows v{old}, because"
    for level, changes in groupby(found.changes, lambda change: change.level):
        if level is not found.level:
            yield f"also {level.name}"
        for change in changes:
            yield from _wrapped(f"{change.where}: {change.what}")
    if not found.changes:
        yield from _wrapped("no row changed, but files that are made from them or beside them")
    if found.files:
        yield from _wrapped(f"files: {', '.join(found.files[:10])}")
        if len(found.files) > 10:
            yield f"  and {len(found.files) - 10} files more"
    rows = [[name, *(_moved(*pair) for pair in pairs)] for name, pairs in found.counts().items()]
    yield "\n" + console.table(["benchmark", *COUNTED], rows)


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(plain(text), console.WIDTH, initial_indent="  ", subsequent_indent="    ")


def _moved(old: int, new: int) -> str:
    return f"{new:,}" if old == new else f"{new:,} ({new - old:+,})"


def rollback(
    to: str, version: str, because: str, *, dry_run: bool, overwrite: bool, sign: Path | None
) -> int:
    """Publish an older version once more, as a new one; returns the exit code."""
    from routerset.release.publish.rollback import rollback
    from routerset.release.reporting.report import reports_hook

    done = rollback(
        to,
        version.removeprefix("v"),
        because,
        dry_run=dry_run,
        overwrite=overwrite,
        sign=sign,
        reports=reports_hook,
        progress=say,
    )
    show(done.text())
    return DONE
