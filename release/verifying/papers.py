"""The files of a release that are no tables, against what the installed program writes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import version
from itertools import pairwise, zip_longest

from routerset.release import layout
from routerset.release.card import figures, render_card
from routerset.release.changelog import Told, read_changelog
from routerset.release.files import read_text
from routerset.release.texts import evaluator_files, texts
from routerset.release.verifying.files import paths
from routerset.release.verifying.problem import REBUILD, Opened, Problem, same
from routerset.release.version import next_version, parse_version
from routerset.schemas.checksums import seal


def evaluator(opened: Opened) -> Iterator[Problem]:
    """The code that ships inside is that of the installed program, byte for byte."""
    for path, content in evaluator_files().items():
        yield from _equal(opened, path, content)


def papers(opened: Opened) -> Iterator[Problem]:
    """Manifest, Croissant metadata, licence notice and card say what the manifest and the tables give."""
    manifest = opened.manifest
    written = texts(manifest)
    if paths(manifest) <= manifest.tables.keys():
        written[layout.CARD] = render_card(manifest, figures(opened.root)).encode()
    for path, content in written.items():
        yield from _equal(opened, path, content)


def history(opened: Opened) -> Iterator[Problem]:
    """The changelog ends with this version, tells its counts, tables and digest, and how it came from others.

    What no release tells by itself, the sentences of the changes, is of the known form only.
    """
    path, manifest = layout.CHANGELOG, opened.manifest
    if not opened.whole(path) or path not in opened.sums:
        return
    told = read_changelog(read_text(opened.root / path))
    for old, new in pairwise(told):
        least = next_version(old.version, new.level)
        if parse_version(new.version) < parse_version(least):
            yield Problem(path, f"{new.version}: {new.level.name} after {old.version}", f"{least} or later")
        places = {"dataset", "models", *old.benchmarks, *new.benchmarks}
        for change in new.changes:
            if change.where not in places:
                yield Problem(path, f"{new.version}: a change of {change.where}", f"of {', '.join(places)}")
    previous = told[-2].version if len(told) > 1 else None
    yield from same(path, "the version before", previous, manifest.previous)
    now = replace(told[-1], n_models=manifest.n_models) if previous else told[-1]
    expected = Told.of(manifest, now.changes, seal(opened.sums))
    for part in ("version", "n_models", "benchmarks", "tables", "digest"):
        found, right = getattr(now, part), getattr(expected, part)
        if found != right:
            yield Problem(path, f"other {part} in its first entry: {_brief(found)}", _brief(right))


def _brief(value: object) -> str:
    return str(value)[:200]


def _equal(opened: Opened, path: str, content: bytes) -> Iterator[Problem]:
    """A problem where a file is not what the installed program writes, with the first line that differs."""
    if not opened.whole(path) or path not in opened.sums:
        return
    found = (opened.root / path).read_bytes()
    if found == content:
        return
    lines = zip_longest(found.decode(errors="replace").split("\n"), content.decode().split("\n"))
    number, pair = next(((n, pair) for n, pair in enumerate(lines, 1) if pair[0] != pair[1]), (0, ("", "")))
    was, expected = ("the end" if line is None else repr(line[:80]) for line in pair)
    here, there = version("routerset"), opened.manifest.libraries.get("routerset")
    todo = REBUILD if here == there else f"routerset {there} made it: install that version to verify it"
    yield Problem(path, f"{was} in line {number}", f"{expected}, as routerset {here} writes it", todo)
