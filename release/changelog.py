"""`CHANGELOG.md` of a release: an entry per version, written, and read again.

An entry tells counts and checksums of its own version, so that the entries below it are all that is needed to
say what moved.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from routerset.release.diff import Change, Level
from routerset.release.errors import ReleaseError
from routerset.release.layout import CHANGELOG
from routerset.release.manifest import Manifest

HEADER = """# Changelog

Versions follow the meaning of the data: MAJOR when existing rows, splits or groups change, MINOR when models,
benchmarks or columns are added, PATCH when no row changes. A version once published never changes.
"""
_COUNTS = ("n_models", "n_items", "n_scores", "runs_superseded")
_COUNTED = ("| benchmark | models | items | scores | runs superseded | mean score | shift |",
            "|---|--:|--:|--:|--:|--:|--:|")  # fmt: skip
_HASHED = "| table | rows | SHA-256 |", "|---|--:|---|"
_UNCHANGED = "All tables are those of the version before."
_DIGEST = "Digest of all other files: `{}`"
_TOP = re.compile("^(## [^\\n]+\\n\\n)(?:" + _DIGEST.format("[^`\\n]*") + "\\n\\n)?", re.MULTILINE)


@dataclass(frozen=True)
class Counts:
    """What a changelog tells of a benchmark. counts: models, items, scores and superseded runs."""

    counts: tuple[int, ...]
    mean: float


@dataclass(frozen=True)
class Told:
    """What a changelog tells of a version. tables: path -> rows and SHA-256; digest: of its release."""

    version: str
    n_models: int
    benchmarks: Mapping[str, Counts]
    tables: Mapping[str, tuple[int, str]]
    changes: Sequence[Change] = ()
    digest: str | None = None

    @property
    def level(self) -> Level:
        """How much the changes mean."""
        return max((change.level for change in self.changes), default=Level.PATCH)

    @classmethod
    def of(cls, manifest: Manifest, changes: Sequence[Change] = (), digest: str | None = None) -> Told:
        """What is to be told of a release."""
        benchmarks = {
            name: Counts(tuple(getattr(b, key) for key in _COUNTS), b.mean_score)
            for name, b in manifest.benchmarks.items()
        }
        tables = {path: (table.rows, table.sha256) for path, table in manifest.tables.items()}
        return cls(manifest.version, manifest.n_models, benchmarks, tables, changes, digest)


def changelog_entry(new: Told, old: Told | None) -> str:
    """What one version brings: changes by place, sums per benchmark, and the tables that differ."""
    parts = [f"## {new.version}\n"]
    if new.digest is not None:
        parts.append(f"{_DIGEST.format(new.digest)}\n")
    if old is None:
        parts.append(f"First release: {len(new.benchmarks)} benchmarks, {new.n_models} models.\n")
    else:
        parts.append(f"{new.level.name} after {old.version}.\n")
        lines = [f"- {c.level.name}, {where}: {c.what}" for where, cs in _by_place(new.changes) for c in cs]
        parts.append("\n".join(lines or ["- no row changed"]) + "\n")
    parts.append("\n".join(_benchmark_table(new, old)) + "\n")
    parts.append("\n".join(_hash_table(new, old)) + "\n")
    return "\n".join(parts)


def changelog(entry: str, previous: str | None) -> str:
    """The whole changelog: the entry above those of the previous release."""
    _, mark, older = (previous or "").partition("\n## ")
    return f"{HEADER}\n{entry}" + (f"\n## {older}" if mark else "")


def with_digest(history: str, digest: str) -> str:
    """A changelog whose first entry tells the digest of its release, `schemas.checksums.seal`."""
    return _TOP.sub(rf"\g<1>{_DIGEST.format(digest)}\n\n", history, count=1)


def read_changelog(text: str) -> list[Told]:
    """What a changelog tells of every version, the oldest first.

    Raises ReleaseError where it is not, by any byte, what `changelog` makes of that.
    """
    told: list[Told] = []
    written = None
    for entry in reversed(text.split("\n## ")[1:]):
        old = told[-1] if told else None
        try:
            told.append(_read_entry([block.split("\n") for block in entry.strip("\n").split("\n\n")], old))
        except (ValueError, IndexError, KeyError) as error:
            raise ReleaseError(f"{CHANGELOG}: {entry[:20]!r}: no entry that can be read ({error})") from error
        written = changelog(changelog_entry(told[-1], old), written)
    if text != written:
        raise ReleaseError(f"{CHANGELOG}: found text between or inside its entries that no version writes")
    return told


def _read_entry(blocks: list[list[str]], old: Told | None) -> Told:
    """An entry from its paragraphs; old: what the one below it tells."""
    [version], *rest = blocks
    digest = re.fullmatch(_DIGEST.format("([0-9a-f]{64})"), rest[0][0])
    rest = rest[1:] if digest else rest
    changes: list[Change] = []
    n_models = 0
    if old is None:
        n_models = int(rest[0][0].split()[-2])
    else:
        lines, rest = rest[1], rest[1:]
        for line in lines if lines != ["- no row changed"] else ():
            level, _, said = line.removeprefix("- ").partition(", ")
            where, _, what = said.partition(": ")
            changes.append(Change(Level[level], where, what))
    benchmarks = {}
    for name, *counts, mean, _ in map(_cells, rest[1][2:]):
        benchmarks[name] = Counts(tuple(_number(count.split(" ")[0]) for count in counts), float(mean))
    tables = dict(old.tables) if old else {}
    for path, rows, digest_of in map(_cells, rest[2][2:]):
        if digest_of == "removed":
            del tables[path]
        else:
            tables[path] = _number(rows), digest_of.strip("`")
    return Told(version, n_models, benchmarks, tables, changes, digest[1] if digest else None)


def _cells(row: str) -> list[str]:
    return [cell.strip() for cell in row.split("|")[1:-1]]


def _number(text: str) -> int:
    return int(text.replace(",", ""))


def _by_place(changes: Sequence[Change]) -> Iterator[tuple[str, Iterator[Change]]]:
    order = {"dataset": 0, "models": 1}
    ranked = sorted(changes, key=lambda c: (order.get(c.where, 2), c.where, -c.level))
    return groupby(ranked, key=lambda c: c.where)


def _benchmark_table(new: Told, old: Told | None) -> Iterator[str]:
    yield from _COUNTED
    for name, b in sorted(new.benchmarks.items()):
        past = old.benchmarks.get(name) if old else None
        counts = map(_moved, b.counts, past.counts if past else b.counts)
        shift = f"{b.mean - past.mean:+.6f}" if past else ""
        yield f"| {name} | {' | '.join(counts)} | {b.mean:.6f} | {shift} |"


def _moved(now: int, then: int) -> str:
    """A count, and by how much it moved."""
    return f"{now:,}" if then == now else f"{now:,} ({now - then:+,})"


def _hash_table(new: Told, old: Told | None) -> Iterator[str]:
    before = old.tables if old else {}
    changed = [
        path for path, (_, sha256) in sorted(new.tables.items()) if before.get(path, (0, ""))[1] != sha256
    ]
    gone = sorted(before.keys() - new.tables.keys())
    if not changed and not gone:
        yield _UNCHANGED
        return
    yield from _HASHED
    for path in changed:
        rows, sha256 = new.tables[path]
        yield f"| {path} | {rows:,} | `{sha256}` |"
    for path in gone:
        yield f"| {path} | | removed |"
