"""Changes a release, then makes every checksum, count and paper of it anew: only what it says can tell."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from routerset.release import layout
from routerset.release.card import figures, license_text, render_card
from routerset.release.changelog import Told, changelog, changelog_entry, read_changelog, with_digest
from routerset.release.croissant import croissant
from routerset.release.errors import ReleaseError
from routerset.release.manifest import read_manifest
from routerset.schemas import store
from routerset.schemas.checksums import format_checksums, seal

Json = dict[str, Any]


@dataclass(frozen=True)
class Forgery:
    """A copy of a release, free to be changed."""

    root: Path

    @classmethod
    def of(cls, good: Path, root: Path) -> Forgery:
        """A copy that shares its files until they are written."""
        shutil.copytree(good, root, copy_function=lambda a, b: Path(b).hardlink_to(a))
        return cls(root)

    def write(self, path: str, data: bytes) -> None:
        """Put a file, also in the place of another."""
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        target.write_bytes(data)

    def text(self, path: str, change: Callable[[str], str]) -> None:
        """Change a text file; it is an error to change nothing."""
        before = (self.root / path).read_bytes().decode()
        after = change(before)
        assert after != before
        self.write(path, after.encode())

    def manifest(self, change: Callable[[Json], object]) -> None:
        """Change the manifest."""
        document = json.loads((self.root / layout.MANIFEST).read_text("utf-8"))
        change(document)
        self.write(layout.MANIFEST, store.json_text(document).encode())

    def read(self, path: str) -> pa.Table:
        """A table."""
        return pq.ParquetFile(self.root / path).read()

    def table(self, path: str, change: Callable[[pa.Table], pa.Table]) -> None:
        """Change a table, as our writer writes it, with whatever schema it then has."""
        table = change(self.read(path))
        (self.root / path).unlink()
        with store.open_writer(self.root / path, table.schema) as writer:
            writer.write_table(table)

    def papers(self) -> None:
        """Write anew what the manifest says of files, and what is made from the manifest."""
        self.manifest(self._describe)
        try:
            manifest = read_manifest(self.root)
            card = render_card(manifest, figures(self.root))
            notice, about = license_text(manifest), store.json_text(croissant(manifest))
        except (ReleaseError, KeyError, ValueError, TypeError, AttributeError):
            return
        self.write(layout.CARD, card.encode())
        self.write(layout.LICENSE, notice.encode())
        self.write(layout.CROISSANT, about.encode())
        told = read_changelog((self.root / layout.CHANGELOG).read_bytes().decode())
        history = None
        new = Told.of(manifest, told[-1].changes)
        for version, old in zip([*told[:-1], new], [None, *told[:-1]], strict=True):
            history = changelog(changelog_entry(version, old), history)
        self.write(layout.CHANGELOG, (history or "").encode())

    def _describe(self, document: Json) -> None:
        for path, entry in document["tables"].items():
            file = self.root / path
            if file.is_file() and file.stat().st_nlink == 1:  # else it is the good one's
                entry |= {"sha256": store.sha256(file), "bytes": file.stat().st_size}
                try:
                    table = self.read(path)
                    entry |= {"rows": len(table), "arrow_bytes": layout.arrow_bytes(table)}
                except (pa.ArrowException, OSError):
                    continue

    def sums(self, digest: bool = True) -> None:
        """Write `SHA256SUMS` of all that is there, and its digest into the changelog."""
        history, found = self.root / layout.CHANGELOG, self._sums()
        if digest and history.is_file():
            self.write(layout.CHANGELOG, with_digest(history.read_bytes().decode(), seal(found)).encode())
            found[layout.CHANGELOG] = store.sha256(history)
        self.write(layout.CHECKSUMS, format_checksums(found).encode())

    def _sums(self) -> dict[str, str]:
        found = (path for path in self.root.rglob("*") if path.is_file() and path.name != layout.CHECKSUMS)
        return {path.relative_to(self.root).as_posix(): store.sha256(path) for path in found}


@dataclass(frozen=True)
class Attack:
    """One corruption. tools: which must tell it; papers: whether what the manifest gives is made anew."""

    name: str
    change: Callable[[Forgery], object]
    tools: str = "verify"
    papers: bool = True
    digest: bool = True

    def on(self, good: Path, root: Path) -> Path:
        """A corrupted copy, every checksum of it right."""
        forged = Forgery.of(good, root)
        self.change(forged)
        if self.papers:
            forged.papers()
        forged.sums(self.digest)
        return root

    def by(self, tools: str) -> Attack:
        """The same, to be told by other tools."""
        return replace(self, tools=tools)
