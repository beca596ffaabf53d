"""Finds the release to compare with: in a folder, among the versions of a folder, or on the Hub."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from routerset.release import layout
from routerset.release.errors import ReleaseInputError
from routerset.release.files import read_checksums
from routerset.release.publish.client import DATASET, PATIENT, Patience, hub_api, read_refs, tamed
from routerset.release.publish.errors import ServiceUnavailable, explained
from routerset.release.publish.plan import latest_of, some, versions_below, versions_in
from routerset.release.verifying.files import verify_checksums
from routerset.release.version import VERSION, parse_version
from routerset.schemas.outfolder import is_build, release_of

T = TypeVar("T")
_TRIES = 2
"""What arrives damaged may have been so before it was sent."""


def previous_release(
    where: str, cache: Path, progress: Callable[[str], None] = lambda _: None, patience: Patience = PATIENT
) -> Path | None:
    """Folder of the latest release at `where`; None where nothing is published yet.

    where: a release, a build, a folder that releases are published to, or `hf://datasets/ORG/NAME`; the last
    two at `@vX.Y.Z` if not at the latest. cache: folder for what is downloaded; what it holds whole is used
    again. Raises ReleaseInputError where a version is not there or not whole, or there is something else,
    ServiceUnavailable.
    """
    match = DATASET.fullmatch(where)
    if match is None:
        return _in_folder(where)
    return _asked(
        where, lambda token: _on_hub(match[1], match[2], cache, token, progress), progress, patience
    )


def versions_on_hub(
    name: str, progress: Callable[[str], None] = lambda _: None, patience: Patience = PATIENT
) -> tuple[frozenset[str], tuple[str, ...]]:
    """Versions of a dataset repository, and branches on which publishing was cut off, or is at work.

    Raises ServiceUnavailable, and ReleaseInputError where there is no repository, or none that the token of
    HF_TOKEN may read.
    """

    def ask(token: str | None) -> tuple[frozenset[str], tuple[str, ...]]:
        refs = read_refs(hub_api(token), name)
        if refs is None:
            raise ReleaseInputError(
                f"hf://datasets/{name}: found no repository, expected one that releases are published to; a "
                "private one needs HF_TOKEN"
            )
        branches, tags = refs
        return versions_in(tags), tuple(sorted(b for b in branches if b.startswith("publish-v")))

    return _asked(f"hf://datasets/{name}", ask, progress, patience)


def _asked(
    where: str, ask: Callable[[str | None], T], progress: Callable[[str], None], patience: Patience
) -> T:
    """What the Hub answers, asked again while it does not. ask: with the token."""
    token, failures = os.environ.get("HF_TOKEN"), 0
    while True:
        try:
            with tamed(), explained(where, token):
                return ask(token)
        except ServiceUnavailable as failure:
            failures += 1
            patience.wait(failures, failure, progress)


def released(
    where: str, cache: Path, progress: Callable[[str], None] = lambda _: None, patience: Patience = PATIENT
) -> Path:
    """As `previous_release`; raises ReleaseInputError where there is no release either."""
    folder = previous_release(where, cache, progress, patience)
    if folder is None:
        raise ReleaseInputError(
            f"{where}: found no release, expected one, a build with one, or a place with published versions"
        )
    return folder


def _in_folder(where: str) -> Path | None:
    target, mark, version = where.rpartition("@v")
    if mark and VERSION.fullmatch(version) and not Path(where).exists():
        found = versions_below(Path(target))
        if version not in found:
            told = some(f"v{each}" for each in sorted(found, key=parse_version)) or "none"
            raise ReleaseInputError(f"{target}: found versions {told}, expected v{version}")
        return Path(target) / f"v{version}"
    folder = Path(where)
    if not folder.exists():
        return None
    if not folder.is_dir():
        raise ReleaseInputError(f"{folder}: found a file, expected a release or a folder of releases")
    if is_build(folder):
        return release_of(folder) if release_of(folder).is_dir() else None
    if (folder / layout.MANIFEST).exists():
        return folder
    latest = latest_of(versions_below(folder))
    strange = sorted(path.name for path in folder.iterdir() if path.name[0] != ".")
    if latest is None and strange:
        raise ReleaseInputError(
            f"{folder}: found {some(strange)}, expected a release, a build, versions (v1.0.0) or nothing"
        )
    return folder / f"v{latest}" if latest else None


def _on_hub(
    name: str, version: str | None, cache: Path, token: str | None, progress: Callable[[str], None]
) -> Path | None:
    api = hub_api(token)
    _, tags = read_refs(api, name) or ({}, {})
    version = version or latest_of(versions_in(tags))
    if version is None:
        return None
    if f"v{version}" not in tags:
        found = some(sorted(tags)) or "none"
        raise ReleaseInputError(f"hf://datasets/{name}: found versions {found}, expected v{version}")
    folder = cache / name / f"v{version}"
    if _is_whole(folder):
        return folder
    for _ in range(_TRIES):
        progress(f"fetching v{version} of hf://datasets/{name}")
        shutil.rmtree(folder, ignore_errors=True)
        api.snapshot_download(name, repo_type="dataset", revision=tags[f"v{version}"], local_dir=folder)
        if _is_whole(folder):
            return folder
    raise ReleaseInputError(
        f"hf://datasets/{name}: v{version} differs from its {layout.CHECKSUMS}; set `previous` to another"
    )


def _is_whole(folder: Path) -> bool:
    try:
        return not any(verify_checksums(folder, read_checksums(folder)))
    except ReleaseInputError:
        return False
