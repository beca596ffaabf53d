"""Publishes a release into a folder: one subfolder per version, and a link `latest`."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

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
    is_published,
    latest_of,
    located,
    some,
    taken,
    versions_below,
)
from routerset.release.publish.published import Ending, Published, planned
from routerset.schemas.store import locked, sha256

LATEST, LOCK = "latest", ".lock"


def publish_to_folder(
    release: Sealed, target: Path, dry_run: bool, progress: Callable[[str], None]
) -> Published:
    """Put a release into `target/vX.Y.Z`, and point `target/latest` at it.

    The version appears whole or not at all; what equals the latest version is hard links to it. Raises
    PublishRefused where the version is taken or the folder holds something else, DiskFull, PublishError.
    """
    target = target.absolute()
    try:
        with located(str(target)):
            if dry_run:
                return _plan(release, target)
            target.mkdir(parents=True, exist_ok=True)
            busy = ServiceUnavailable(f"{target}: somebody else is publishing here; try again later")
            with locked(target / LOCK, busy):
                plan = _plan(release, target)
                if plan.ending is Ending.PLANNED:
                    _publish(release, target, plan, progress)
                    plan = replace(plan, ending=Ending.PUBLISHED)
                _point(target, latest_of(versions_below(target)) or release.version)
                return plan
    except OSError as error:
        raise explain_disk(error, str(target)) from error


def _plan(release: Sealed, target: Path) -> Published:
    known = versions_below(target)
    latest = latest_of(known)
    before: Mapping[str, TargetFile] = {}
    if release.version in known:
        if not is_published(release, _files(target / f"v{release.version}")):
            raise taken(release.version)
        return Published(str(target), release.version, Ending.UNCHANGED)
    if latest is not None:
        check_name(release, read_manifest(target / f"v{latest}"))
        check_order(release, known)
        before = _files(target / f"v{latest}")
    elif target.exists() and (foreign := sorted(p.name for p in target.iterdir() if p.name[0] != ".")):
        raise PublishRefused(
            f"found {some(foreign)}, expected versions of this dataset or nothing; publish to an empty folder"
        )
    return planned(release, str(target), before)


def _files(folder: Path) -> Mapping[str, TargetFile]:
    return {path: TargetFile(digest, "") for path, digest in read_checksums(folder).items()}


def _publish(release: Sealed, target: Path, plan: Published, progress: Callable[[str], None]) -> None:
    free = shutil.disk_usage(target).free
    if free < plan.bytes_sent:
        raise DiskFull(
            f"{target}: found {free:,} bytes free, expected {plan.bytes_sent:,}; free some space and run "
            "the same command again"
        )
    draft = target / f".v{release.version}.draft"
    shutil.rmtree(draft, ignore_errors=True)
    try:
        progress("copy")
        latest = latest_of(versions_below(target))
        for path in sorted(release.sums):
            old = target / f"v{latest}" / path if latest and path not in plan.sent else None
            _place(release.folder / path, draft / path, old, release.sums[path])
        progress("verify what arrived")
        with tempfile.TemporaryDirectory(prefix="routerset-") as work:
            problems = check_arrival(release.folder, str(draft), None, Path(work), progress)
        if problems:
            raise PublishError(
                f"{target}: not published, since what arrived is wrong: {some(problems, '; ')}"
            )
        progress("move")
        draft.replace(target / f"v{release.version}")
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _place(source: Path, path: Path, old: Path | None, digest: str) -> None:
    """Put a file on disk for good: a link to the version before where that holds the same, or a copy."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if old is not None and old.is_file() and sha256(old) == digest:
        try:
            os.link(old, path)
            return
        except OSError:
            pass  # some file systems have no hard links
    with source.open("rb") as reader, path.open("wb") as writer:
        shutil.copyfileobj(reader, writer, 1 << 20)
        writer.flush()
        os.fsync(writer.fileno())


def _point(target: Path, version: str) -> None:
    """Make `latest` a link to a version, in one step."""
    link, draft = target / LATEST, target / f".{LATEST}.draft"
    if link.is_symlink() and link.readlink() == Path(f"v{version}"):
        return
    draft.unlink(missing_ok=True)
    draft.symlink_to(f"v{version}")
    draft.replace(link)
