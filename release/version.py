"""The version of a release from what changed in it, and what the changelog says of that."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from routerset.release.diff import Change, Level
from routerset.release.errors import VersionError
from routerset.release.manifest import BenchmarkEntry, Manifest
from routerset.release.options import AUTO

FIRST = "1.0.0"
HEADER = """# Changelog

Versions follow the meaning of the data: MAJOR when existing rows, splits or groups change, MINOR when models,
benchmarks or columns are added, PATCH when no row changes. A version once published never changes.
"""
VERSION = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)")


def parse_version(text: str) -> tuple[int, int, int]:
    """Numbers of a version. Raises VersionError for anything but X.Y.Z."""
    match = VERSION.fullmatch(text)
    if match is None:
        raise VersionError(f"version: found {text!r}, expected X.Y.Z such as {FIRST}, or {AUTO}")
    return int(match[1]), int(match[2]), int(match[3])


def next_version(previous: str, level: Level) -> str:
    """The version after `previous` for a change of this level."""
    major, minor, patch = parse_version(previous)
    match level:
        case Level.MAJOR:
            return f"{major + 1}.0.0"
        case Level.MINOR:
            return f"{major}.{minor + 1}.0"
        case Level.PATCH:
            return f"{major}.{minor}.{patch + 1}"


def choose_version(wanted: str, previous: str | None, level: Level) -> str:
    """The version of a release that differs from `previous` by `level`.

    wanted: `auto`, or X.Y.Z, which must be no less than what the change asks for.
    Raises VersionError where it is less, or no version.
    """
    if previous is None:
        return FIRST if wanted == AUTO else ".".join(map(str, parse_version(wanted)))
    least = next_version(previous, level)
    if wanted == AUTO:
        return least
    if parse_version(wanted) < parse_version(least):
        raise VersionError(
            f"version: found {wanted}, expected {least} or later: a {level.name} change after {previous}; "
            f"a version once published never changes; ask for {AUTO}, or for {least}"
        )
    return wanted


def changelog_entry(new: Manifest, old: Manifest | None, changes: Sequence[Change]) -> str:
    """What one version brings: changes by place, sums per benchmark, and the tables that differ."""
    parts = [f"## {new.version}\n"]
    if old is None:
        parts.append(f"First release: {len(new.benchmarks)} benchmarks, {new.n_models} models.\n")
    else:
        level = max((c.level for c in changes), default=Level.PATCH)
        parts.append(f"{level.name} after {old.version}.\n")
        lines = [f"- {c.level.name}, {where}: {c.what}" for where, cs in _by_place(changes) for c in cs]
        parts.append("\n".join(lines or ["- no row changed"]) + "\n")
    parts.append("\n".join(_benchmark_table(new, old)) + "\n")
    parts.append("\n".join(_hash_table(new, old)) + "\n")
    return "\n".join(parts)


def changelog(entry: str, previous: str | None) -> str:
    """The whole changelog: the entry above those of the previous release."""
    _, mark, older = (previous or "").partition("\n## ")
    return f"{HEADER}\n{entry}" + (f"\n## {older}" if mark else "")


def _by_place(changes: Sequence[Change]) -> Iterator[tuple[str, Iterator[Change]]]:
    order = {"dataset": 0, "models": 1}
    ranked = sorted(changes, key=lambda c: (order.get(c.where, 2), c.where, -c.level))
    return groupby(ranked, key=lambda c: c.where)


def _benchmark_table(new: Manifest, old: Manifest | None) -> Iterator[str]:
    yield "| benchmark | models | items | scores | runs superseded | mean score | shift |"
    yield "|---|--:|--:|--:|--:|--:|--:|"
    before = old.benchmarks if old else {}
    for name, b in sorted(new.benchmarks.items()):
        past = before.get(name)
        counts = [_moved(b, past, key) for key in ("n_models", "n_items", "n_scores", "runs_superseded")]
        shift = f"{b.mean_score - past.mean_score:+.6f}" if past else ""
        yield f"| {name} | {' | '.join(counts)} | {b.mean_score:.6f} | {shift} |"


def _moved(new: BenchmarkEntry, old: BenchmarkEntry | None, key: str) -> str:
    """A count, and by how much it moved."""
    now: int = getattr(new, key)
    then: int = getattr(old, key) if old else now
    return f"{now:,}" if then == now else f"{now:,} ({now - then:+,})"


def _hash_table(new: Manifest, old: Manifest | None) -> Iterator[str]:
    before: Mapping[str, str] = {path: t.sha256 for path, t in old.tables.items()} if old else {}
    changed = [path for path, t in sorted(new.tables.items()) if before.get(path) != t.sha256]
    gone = sorted(before.keys() - new.tables.keys())
    if not changed and not gone:
        yield "All tables are those of the version before."
        return
    yield "| table | rows | SHA-256 |"
    yield "|---|--:|---|"
    for path in changed:
        yield f"| {path} | {new.tables[path].rows:,} | `{new.tables[path].sha256}` |"
    for path in gone:
        yield f"| {path} | | removed |"
