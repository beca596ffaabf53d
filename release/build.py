"""The shell of a release: reads the tables of a build, writes the folder, swaps it in whole."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from routerset.release import layout
from routerset.release.card import figures, render_card
from routerset.release.changelog import Told, changelog, changelog_entry, with_digest
from routerset.release.diff import Change, Level, Side, compare
from routerset.release.files import checksums, read_checksums, read_text
from routerset.release.manifest import Manifest, read_manifest
from routerset.release.options import AUTO, ReleaseOptions
from routerset.release.texts import evaluator_files, texts
from routerset.release.version import choose_version
from routerset.release.write import table_entry, write_tables
from routerset.schemas import checksums as listing
from routerset.schemas import store
from routerset.schemas.outfolder import NotOurs, is_temporary, listed, refuse_links
from routerset.schemas.plainfiles import MAX_JSON, entries, read_bytes

__all__ = ["ReleaseOptions", "ReleaseResult", "drafted", "restore", "seal", "write_release"]


@dataclass(frozen=True)
class ReleaseResult:
    """version: of the release; files: relative paths; changed: False where it equals the previous release."""

    version: str
    files: tuple[str, ...]
    changed: bool


def write_release(
    build: Path,
    out: Path,
    options: ReleaseOptions,
    progress: Callable[[str], None] | None = None,
    reports: Callable[[Path], None] | None = None,
) -> ReleaseResult:
    """Write the release of a build; `out` changes in one step, when all is done.

    build: folder with `tables/`. progress: told the benchmark at work. reports:
    called with the folder of the unfinished release, to add pictures and tables in its `reports/`, and the
    leaderboard beside them.
    The same tables and options give the same bytes. Raises NotOurs as `check_replaceable`, ReleaseError,
    VersionError, ReleaseInputError.
    """
    with drafted(build, out) as draft:
        manifest = write_tables(build, draft, options, progress or (lambda _: None))
        _write_files(draft, evaluator_files())
        version, changed = _finish(draft, manifest, options, reports or (lambda _: None))
        files = seal(draft)
    return ReleaseResult(version, files, changed)


@contextmanager
def drafted(build: Path, out: Path) -> Iterator[Path]:
    """A place to write a release to, which takes that of `out` in one step when the block ends well.

    Raises NotOurs as `check_replaceable`.
    """
    check_replaceable(build, out)
    out.parent.mkdir(parents=True, exist_ok=True)
    _recover(out)
    draft = store.temporary_name(out)
    try:
        yield draft
        check_replaceable(build, out)
        if out.exists():
            out.replace(_before(out))
        draft.replace(out)
    finally:
        _recover(out)


def seal(release: Path) -> tuple[str, ...]:
    """Show the pictures of `reports/` on the card and write `SHA256SUMS` anew; to call when reports changed.

    The changelog tells the digest of all the rest. Returns the relative paths of all files.
    """
    manifest = read_manifest(release)
    store.write_text(release / layout.CARD, render_card(manifest, figures(release)))
    sums = checksums(release, _known(manifest))
    history = release / layout.CHANGELOG
    store.write_text(history, with_digest(read_text(history), listing.seal(sums)))
    sums[layout.CHANGELOG] = store.sha256(history)
    store.write_text(release / layout.CHECKSUMS, listing.format_checksums(sums))
    return (*sorted(sums), layout.CHECKSUMS)


def _before(out: Path) -> Path:
    """Where the old release stands while the new one takes its place."""
    return out.with_name(f".{out.name}.before")


def check_replaceable(build: Path, out: Path) -> None:
    """Make sure that a release may be written in place of what stands at `out`.

    It may where nothing stands, or a release that a build wrote: every file there is listed, in its
    `SHA256SUMS` or by the manifest of the build. Raises NotOurs that names what is not.
    """
    inside = f"{out.name}/"
    by_build = {path.removeprefix(inside) for path in listed(build) if path.startswith(inside)}
    for folder in (out, _before(out)):
        refuse_links(folder.parent, [f"{folder.name}/"])
        try:
            sums = listing.parse_checksums(
                read_bytes(folder / layout.CHECKSUMS, MAX_JSON).decode().splitlines()
            )
        except (OSError, ValueError):
            sums = {}
        ours = by_build.union(sums, [layout.CHECKSUMS] if sums else [])
        for path, _ in entries(folder) if folder.is_dir() else ():
            source = f"{path.partition('__pycache__/')[0]}{path.rpartition('/')[2].partition('.')[0]}.py"
            if path not in ours and not (path.endswith(".pyc") and source in ours):
                raise NotOurs(
                    f"{folder / path}: found a file that no build wrote, in the place of a release; nothing "
                    "of it was touched: move it, or choose another --out"
                )


def _recover(out: Path) -> None:
    """Leave the old release or the new one, whole, whatever a killed run left."""
    before = _before(out)
    if before.exists() and not out.exists():
        before.replace(out)
    shutil.rmtree(before, ignore_errors=True)
    for path in out.parent.glob(f".{out.name}.*.tmp"):
        if is_temporary(path.name):
            shutil.rmtree(path, ignore_errors=True)


def _finish(
    draft: Path,
    manifest: Manifest,
    options: ReleaseOptions,
    reports: Callable[[Path], None],
) -> tuple[str, bool]:
    """Choose the version and write texts and reports; returns it, and whether it differs from the previous.

    A card alone that differs, or what else is made of the same tables, is a PATCH; the bytes of reports
    follow the libraries that draw them, and are no reason for a version.
    """
    if options.previous is None:
        manifest = replace(manifest, version=choose_version(options.version, None, Level.MAJOR))
        _write_texts(draft, manifest, reports, lambda m: changelog(changelog_entry(Told.of(m), None), None))
        return manifest.version, True
    old = read_manifest(options.previous)
    changes = compare(Side(options.previous, old), Side(draft, manifest))
    if not changes and options.version in (AUTO, old.version):
        # other versions of libraries alone are no reason to publish
        same = replace(manifest, version=old.version, previous=old.previous, libraries=old.libraries)
        history = read_text(options.previous / layout.CHANGELOG)
        same = _write_texts(draft, same, reports, lambda _: history)
        store.write_text(draft / layout.CARD, render_card(same, figures(draft)))
        if _content(checksums(draft, _known(same))) == _content(read_checksums(options.previous)):
            # what was published stays as it is, its reports too, whatever would draw them now
            shutil.rmtree(draft / layout.REPORTS, ignore_errors=True)
            if (options.previous / layout.REPORTS).exists():
                shutil.copytree(options.previous / layout.REPORTS, draft / layout.REPORTS)
            return same.version, False
    return _follow(draft, manifest, options.version, Side(options.previous, old), changes, reports), True


def _follow(
    draft: Path,
    manifest: Manifest,
    wanted: str,
    old: Side,
    changes: Sequence[Change],
    reports: Callable[[Path], None],
) -> str:
    """Write texts and reports of the version that comes after `old`; returns it."""
    level = max((change.level for change in changes), default=Level.PATCH)
    version = choose_version(wanted, old.manifest.version, level)
    manifest = replace(manifest, version=version, previous=old.manifest.version)
    before, history = Told.of(old.manifest), read_text(old.folder / layout.CHANGELOG)
    _write_texts(
        draft, manifest, reports, lambda m: changelog(changelog_entry(Told.of(m, changes), before), history)
    )
    return version


def restore(
    release: Path, latest: Path, out: Path, told: str, reports: Callable[[Path], None] | None = None
) -> str:
    """Write the tables of a release to an empty folder, as the version that comes after `latest`.

    told: what its changelog says first, one line. reports: as of `write_release`. Evaluator and texts are
    those of this program. The same releases give the same bytes. Returns the version. Raises as
    `write_release`.
    """
    manifest, old = read_manifest(release), Side(latest, read_manifest(latest))
    found = compare(old, Side(release, manifest))
    level = max((change.level for change in found), default=Level.PATCH)
    for path in manifest.tables:
        (out / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(release / path, out / path)
    _write_files(out, evaluator_files())
    changes = [Change(level, "dataset", told), *found]
    version = _follow(out, manifest, AUTO, old, changes, reports or (lambda _: None))
    seal(out)
    return version


def _write_texts(
    release: Path, manifest: Manifest, reports: Callable[[Path], None], history: Callable[[Manifest], str]
) -> Manifest:
    """Everything but the other tables, the evaluator, the card and the checksums.

    Reports need a manifest, and give the leaderboard that the one returned has besides.
    """
    _write_files(release, texts(manifest))
    reports(release)
    if (release / layout.LEADERBOARD).exists():
        results = table_entry(release, layout.LEADERBOARD)
        manifest = replace(manifest, tables={**manifest.tables, layout.LEADERBOARD: results})
    _write_files(release, {**texts(manifest), layout.CHANGELOG: history(manifest).encode()})
    return manifest


def _write_files(release: Path, contents: Mapping[str, bytes]) -> None:
    for path, content in contents.items():
        store.write_text(release / path, content.decode())


def _known(manifest: Manifest) -> dict[str, str]:
    return {path: table.sha256 for path, table in manifest.tables.items()}


def _content(sums: Mapping[str, str]) -> dict[str, str]:
    """Checksums without those of reports, which are derived from the rest."""
    return {path: digest for path, digest in sums.items() if not path.startswith(f"{layout.REPORTS}/")}
