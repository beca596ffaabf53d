"""Finds the release to compare with: in a folder, among the versions of a folder, or on the Hub."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from routerset.release import layout
from routerset.release.errors import ReleaseInputError
from routerset.release.files import read_checksums
from routerset.release.publish.client import DATASET, PATIENT, Patience, hub_api, read_refs, tamed
from routerset.release.publish.errors import ServiceUnavailable, explained
from routerset.release.publish.plan import latest_of, some, versions_below, versions_in
from routerset.release.verifying.files import verify_checksums

_TRIES = 2
"""What arrives damaged may have been so before it was sent."""


def previous_release(
    where: str, cache: Path, progress: Callable[[str], None] = lambda _: None, patience: Patience = PATIENT
) -> Path | None:
    """Folder of the latest release at `where`; None where nothing is published yet.

    where: a release, a folder that releases are published to, or `hf://datasets/ORG/NAME`, at `@vX.Y.Z` if
    not at the latest. cache: folder for what is downloaded; what it holds whole is used again.
    Raises ReleaseInputError where a version is not there or not whole, ServiceUnavailable.
    """
    match = DATASET.fullmatch(where)
    if match is None:
        return _in_folder(Path(where))
    token, failures = os.environ.get("HF_TOKEN"), 0
    while True:
        try:
            with tamed(), explained(where, token):
                return _on_hub(match[1], match[2], cache, token, progress)
        except ServiceUnavailable as failure:
            failures += 1
            patience.wait(failures, failure, progress)


def _in_folder(folder: Path) -> Path | None:
    if not folder.is_dir() or (folder / layout.MANIFEST).exists():
        return folder
    latest = latest_of(versions_below(folder))
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
