"""Two releases side by side: what changed, which version that makes, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from routerset.release import layout
from routerset.release.changelog import Told
from routerset.release.diff import Change, Level, Side, compare
from routerset.release.files import read_checksums
from routerset.release.manifest import read_manifest
from routerset.release.version import next_version

COUNTED = ("models", "items", "scores", "runs superseded")
"""What `Counts.counts` counts."""


@dataclass(frozen=True)
class Comparison:
    """What `changes` brings to those who used `old`, the gravest first.

    files: paths that only one of the two has, or that differ, tables and the changelog aside.
    """

    old: Told
    new: Told
    changes: Sequence[Change]
    files: tuple[str, ...]

    @property
    def level(self) -> Level | None:
        """How much it means; None where nothing differs."""
        levels = [change.level for change in self.changes] + [Level.PATCH] * bool(self.files)
        return max(levels, default=None)

    @property
    def next(self) -> str:
        """The version that follows the old one: itself where nothing differs."""
        return next_version(self.old.version, self.level) if self.level else self.old.version

    def counts(self) -> Mapping[str, Sequence[tuple[int, int]]]:
        """Old and new numbers by benchmark, in the order of `COUNTED`; 0 where one release lacks it."""
        none = (0,) * len(COUNTED)
        sides = [
            {name: found.counts for name, found in told.benchmarks.items()} for told in (self.old, self.new)
        ]
        names = sorted({*sides[0], *sides[1]})
        return {n: list(zip(*(side.get(n, none) for side in sides), strict=True)) for n in names}

    def to_json(self) -> dict[str, object]:
        """The same as plain values."""
        return {
            "old": self.old.version,
            "new": self.new.version,
            "level": self.level and self.level.name,
            "next_version": self.next,
            "changes": [{"level": c.level.name, "where": c.where, "what": c.what} for c in self.changes],
            "files": [*self.files],
            "counts": {
                name: {what: [*pair] for what, pair in zip(COUNTED, pairs, strict=True)}
                for name, pairs in self.counts().items()
            },
        }


def compared(old: Path, new: Path) -> Comparison:
    """Compare two release folders, by the rule that gives versions. Raises ReleaseInputError."""
    sides = [Side(folder, read_manifest(folder)) for folder in (old, new)]
    changes = sorted(compare(*sides), key=lambda change: -change.level)
    sums = [read_checksums(folder) for folder in (old, new)]
    aside = {layout.CHANGELOG, layout.MANIFEST, *sides[0].manifest.tables, *sides[1].manifest.tables}
    files = sorted(
        path
        for path in {*sums[0], *sums[1]} - aside
        if sums[0].get(path) != sums[1].get(path) and not path.startswith(f"{layout.REPORTS}/")
    )
    return Comparison(Told.of(sides[0].manifest), Told.of(sides[1].manifest), changes, tuple(files))
