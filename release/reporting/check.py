"""Checks the report inside a release: every number, table, page and picture is made again and compared."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pyarrow as pa

from routerset.release.auditing.files import audit_page, audit_release, audit_texts
from routerset.release.errors import ReleaseInputError
from routerset.release.evaluator import EvaluatorError
from routerset.release.files import read_table
from routerset.release.layout import LEADERBOARD, REPORTS
from routerset.release.manifest import DRAWN_BY, read_manifest
from routerset.release.reporting.evaluation import find
from routerset.release.reporting.leaderboard import leaderboard
from routerset.release.reporting.plots_png import pixels
from routerset.release.reporting.report import AUDIT_PAGE, PAGE, below_audit, figures, page, panels, texts
from routerset.release.verify import Problem
from routerset.schemas.checksums import files
from routerset.schemas.escape import plain
from routerset.schemas.plainfiles import read_bytes

LARGEST = 1 << 26
"""Bytes of a file of a report, at most."""
_SHOWN = 60
_PNG = b"\x89PNG\r\n\x1a\n"
_CHUNKS = (b"IHDR", b"pHYs", b"IDAT", b"IEND")


def check_report(release: Path, note: Callable[[str], None] = lambda words: None) -> Iterator[Problem]:
    """A problem per file of a release's report that is not what its tables give, or that no report has.

    Tables, numbers and the page must be the same to the byte, and pictures where the libraries that draw them
    are here in the versions that the manifest states; of other pictures, size and structure are checked.
    note: told what could not be compared, and why.
    """
    try:
        found = find(release)
        stated = read_manifest(release).libraries
        audited = audit_release(release)
    except (EvaluatorError, ReleaseInputError) as error:
        yield Problem(REPORTS, str(error), "tables that the evaluator can read")
        return
    made, drawn = texts(found) | below_audit(audit_texts(*audited)), panels(found)
    sizes: dict[str, tuple[int, int] | None] = {name: pixels(n) for name, n in drawn.items()}
    for names, make, needs, same in (
        ((PAGE,), partial(page, found), ("jinja2", "markupsafe"), ()),
        ((AUDIT_PAGE,), partial(audit_page, *audited), ("jinja2", "markupsafe"), ()),
        (tuple(drawn), partial(figures, found), DRAWN_BY, (*DRAWN_BY, "numpy")),
    ):
        reason = _why_not(needs, {library: stated.get(library) for library in same})
        if reason is None:
            try:
                made |= below_audit(make()) if names == (AUDIT_PAGE,) else make()
            except ModuleNotFoundError as error:
                reason = f"{error.name} is not installed"
        if reason and names:
            note(f"not compared: {', '.join(f'{REPORTS}/{name}' for name in names)}: {reason}")
    for name in sorted({*made, *sizes, PAGE, AUDIT_PAGE}):
        yield from _compared(release, f"{REPORTS}/{name}", made.get(name), sizes.get(name))
    yield from _same_results(release, leaderboard(found))
    for path in files(release, REPORTS):
        if path.removeprefix(f"{REPORTS}/") not in {*made, *sizes, PAGE, AUDIT_PAGE}:
            yield Problem(path, "a file that the report of these tables does not have", "no such file")


def _same_results(release: Path, expected: pa.Table) -> Iterator[Problem]:
    """The leaderboard against the results that it is made of; there is none where there are no results."""
    there = (release / LEADERBOARD).exists()
    if there != bool(expected.num_rows):
        yield Problem(LEADERBOARD, "a table" if there else "no such table", "one where there are results")
    elif there and not (written := read_table(release / LEADERBOARD)).equals(expected):
        pairs = zip(written.to_pylist(), expected.to_pylist(), strict=False)
        at = next((i for i, (was, again) in enumerate(pairs) if was != again), len(expected))
        yield Problem(LEADERBOARD, f"another row {at}", "what the tables of this release give")


def _why_not(needs: Sequence[str], stated: Mapping[str, str | None]) -> str | None:
    """Why files cannot be made here as they were; None where they can. stated: versions that must be here."""
    for library in dict.fromkeys((*needs, *stated)):
        try:
            here = version(library)
        except PackageNotFoundError:
            return f"{library} is not installed"
        if library in stated and stated[library] != here:
            return f"made with {library} {stated[library]}, here is {here}"
    return None


def _compared(
    release: Path, path: str, expected: bytes | None, size: tuple[int, int] | None
) -> Iterator[Problem]:
    """expected: content, where it is known. size: of a picture, in pixels."""
    again = "what the tables of this release give"
    try:
        content = read_bytes(release / path, LARGEST, follow=False)
    except (OSError, ValueError) as error:
        yield Problem(path, str(getattr(error, "strerror", None) or error), again)
        return
    if expected is None:
        if not content or (size and _png_size(content) != size):
            yield Problem(path, "another thing", f"a picture of {size} pixels" if size else "a page")
    elif content != expected:
        found, wanted = ("a picture", "another one") if size else _first_difference(content, expected)
        yield Problem(path, found, f"{wanted}, {again}")


def _png_size(content: bytes) -> tuple[int, int] | None:
    """Width and height of a PNG that holds a picture and nothing else; None where it is none."""
    at, kinds = len(_PNG), []
    while at + 12 <= len(content):
        length, kind = struct.unpack_from(">I4s", content, at)
        kinds.append(kind)
        at += 12 + length
    whole = content.startswith(_PNG) and at == len(content) and tuple(dict.fromkeys(kinds)) == _CHUNKS
    return struct.unpack_from(">II", content, 16) if whole else None


def _first_difference(found: bytes, expected: bytes) -> tuple[str, str]:
    """The place where two texts part, in the words of either; the first one with its line."""
    pairs = enumerate(zip(found, expected, strict=False))
    at = next((i for i, (ours, theirs) in pairs if ours != theirs), min(len(found), len(expected)))
    line = found.count(b"\n", 0, at) + 1
    start = found.rfind(b"\n", 0, at) + 1
    window = slice(max(start, at - _SHOWN), at + _SHOWN)
    was, again = (plain(text[window].decode(errors="replace")) or "the end" for text in (found, expected))
    row = plain(found[start : start + _SHOWN].decode(errors="replace"))
    return f"in line {line}" + (f" ({row} ...)" if window.start > start else "") + f" {was}", again
