"""Publishes a release into a folder: one subfolder per version, and a link `latest`."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from routerset.release import layout
from routerset.release.files import read_checksums
from routerset.release.manifest import read_manifest
from routerset.release.publish.check import check_arrival
from routerset.release.publish.errors import (
    DiskFull,
    PublishError,
    PublishRefused,
    ServiceUnavailable,
    explain_disk,
)
from routerset.release.publish.plan import (
    Sealed,
    TargetFile,
    check_name,
    check_order,
    check_same,
    latest_of,
    located,
    some,
    versions_below,
)
from routerset.release.publish.published import Ending, Published, planned
from routerset.release.verifying.files import verify_checksums
from routerset.schemas.checksums import SIGNATURE
from routerset.schemas.plainfiles import entries, open_regular
from routerset.schemas.store import locked, sha256

LATEST, LOCK = "latest", ".lock"
_RESTORE = "put back what belongs there from a copy of that release"


def publish_to_folder(
    release: Sealed, target: Path, work: Path, dry_run: bool, progress: Callable[[str], None]
) -> Published:
    """Put a release into `target/vX.Y.Z`, and point `target/latest` at it.

    The version appears whole or not at all; what equals the latest version is hard links to it. work: folder
    for what the check needs. Raises PublishRefused where the version is taken or the folder holds something
    else, DiskFull, and PublishError, also where a published version is not any more what it was.
    """
    target = target.absolute()
    try:
        with located(str(target)):
            _refuse_foreign(target)
            if dry_run:
                return _plan(release, target)
            target.mkdir(parents=True, exist_ok=True)
            busy = ServiceUnavailable(f"{target}: somebody else is publishing here; try again later")
            with locked(target / LOCK, busy):
                plan = _plan(release, target)
                if plan.ending is Ending.PLANNED:
                    _publish(release, target, plan, work, progress)
                    plan = replace(plan, ending=Ending.PUBLISHED)
                _point(target, latest_of(versions_below(target)) or release.version, progress)
                return plan
    except OSError as error:
        raise explain_disk(error, str(target)) from error


def _refuse_foreign(target: Path) -> None:
    """Raise PublishRefused for a folder that holds something and no version; touches nothing."""
    foreign = sorted(path.name for path in target.iterdir()) if target.exists() else []
    if not versions_below(target) and (foreign := [name for name in foreign if name[0] != "."]):
        raise PublishRefused(
            f"found {some(foreign)}, expected versions of this dataset or nothing; publish to an empty folder"
        )


def _plan(release: Sealed, target: Path) -> Published:
    known = versions_below(target)
    latest = latest_of(known)
    before: Mapping[str, TargetFile] = {}
    if release.version in known:
        folder = target / f"v{release.version}"
        _check_whole(folder, release)
        check_same(release, _files(folder))
        return Published(str(target), release.version, Ending.UNCHANGED, release.seal)
    if latest is not None:
        _check_plain(target / f"v{latest}")
        check_name(release, read_manifest(target / f"v{latest}"))
        check_order(release, known)
        before = _files(target / f"v{latest}")
    return planned(release, str(target), before)


def _check_plain(folder: Path) -> None:
    """Refuse a published version that is no folder of files with a list."""
    odd = ["a link, or no folder"] if folder.is_symlink() or not folder.is_dir() else []
    odd = odd or [f"{path}, {kind}" for path, kind in entries(folder) if kind]
    needed = (layout.CHECKSUMS, layout.MANIFEST)
    odd = odd or [f"no {name}" for name in needed if not (folder / name).exists()]
    if odd:
        raise PublishError(f"{folder}: not any more what was published: found {some(odd)}; {_RESTORE}")


def _check_whole(folder: Path, release: Sealed) -> None:
    """Refuse to leave alone a published version in which a file is missing, changed or added."""
    _check_plain(folder)
    problems = verify_checksums(folder, read_checksums(folder))
    told = [f"{problem.path}: found {problem.found}, expected {problem.expected}" for problem in problems]
    if told:
        raise PublishError(
            f"{folder}: not any more what was published: {some(told, '; ')}; {_RESTORE}, such as "
            f"{release.folder} where its {layout.CHECKSUMS} is the same"
        )


def _files(folder: Path) -> Mapping[str, TargetFile]:
    found = {path: TargetFile(digest, "") for path, digest in read_checksums(folder).items()}
    signature = folder / SIGNATURE
    return {**found, **({SIGNATURE: TargetFile(sha256(signature), "")} if signature.exists() else {})}


def _publish(
    release: Sealed, target: Path, plan: Published, work: Path, progress: Callable[[str], None]
) -> None:
    free = shutil.disk_usage(target).free
    if free < plan.bytes_sent:
        raise DiskFull(
            f"{target}: found {free:,} bytes free, expected {plan.bytes_sent:,}; free some space and run "
            "the same command again"
        )
    draft = target / f".v{release.version}.draft"
    if draft.is_symlink():
        draft.unlink()
    shutil.rmtree(draft, ignore_errors=True)
    try:
        draft.mkdir()
        progress("copy")
        latest = latest_of(versions_below(target))
        for path in sorted(release.sums):
            old = target / f"v{latest}" / path if latest and path not in plan.sent else None
            if old and not (old.is_file() and sha256(old) == release.sums[path]):
                progress(f"{old}: not any more what was published; {_RESTORE}")
                old = None
            _place(release.path(path), draft / path, old)
        progress("verify what arrived")
        problems = check_arrival(release.folder, str(draft), None, work, progress)
        if problems:
            raise PublishError(
                f"{target}: not published, since what arrived is wrong: {some(problems, '; ')}"
            )
        progress("move")
        draft.replace(target / f"v{release.version}")
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _place(source: Path, path: Path, old: Path | None) -> None:
    """Put a file on disk for good: a link to the version before where that holds the same, or a copy."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if old is not None:
        try:
            os.link(old, path)
            return
        except OSError:
            pass  # some file systems have no hard links
    with open_regular(source) as reader, path.open("xb") as writer:
        shutil.copyfileobj(reader, writer, 1 << 20)
        writer.flush()
        os.fsync(writer.fileno())


def _point(target: Path, version: str, progress: Callable[[str], None]) -> None:
    """Make `latest` a link to a version, in one step. Raises PublishRefused where it is no link."""
    link, draft = target / LATEST, target / f".{LATEST}.draft"
    if link.is_symlink() and link.readlink() == Path(f"v{version}"):
        return
    if link.is_symlink():
        progress(f"{LATEST} pointed at {link.readlink()}, and points at v{version}")
    elif link.exists():
        raise PublishRefused(
            f"v{version} is published, but {LATEST} is no link: move it away, then run again"
        )
    draft.unlink(missing_ok=True)
    draft.symlink_to(f"v{version}")
    draft.replace(link)
