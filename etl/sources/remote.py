"""Files behind fsspec URLs: listed without opening any, and fetched with patience, each byte once.

A fetched file gets a time made from its remote signature (a checksum or an ETag). So a copy tells by its
time and size alone which remote file it is a copy of, on every machine.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TypeVar

from routerset.etl.sources.base import DumpUnreadable
from routerset.schemas.checksums import git_blob
from routerset.schemas.exits import TRY_LATER
from routerset.schemas.plainfiles import NotARegularFile, open_regular
from routerset.schemas.store import atomic, sha256

WAITS = (1.0, 4.0, 15.0, 60.0)
"""Seconds between attempts; file systems that know their service try again by themselves as well."""
_MARKS = ("ETag", "etag", "blob_id", "md5Hash", "mtime", "LastModified", "last_modified", "created")
_REVISION = re.compile(r"(?<=[^/])@[^/]+")
_LOCAL = ("file://", "local://")
_NO_FILE = (FileNotFoundError, NotARegularFile)
_PREFIXES = {"dataset": "datasets/", "space": "spaces/", "model": ""}

T = TypeVar("T")


class SourceUnavailable(RuntimeError):
    """A remote service does not answer; the same command goes on later."""

    exit_code = TRY_LATER


@dataclass(frozen=True)
class RemoteFile:
    """A remote file. file: its path below what was listed. url: for hf://, at a commit.

    mark: changes with the content. sha256, blob: its checksum, or Git's name of it, where the listing tells.
    """

    file: str
    url: str
    size: int
    mark: str
    sha256: str | None = None
    blob: str | None = None

    @property
    def time(self) -> int:
        """Time of a copy: whole seconds, which all file systems keep."""
        return int.from_bytes(hashlib.blake2b(self.mark.encode(), digest_size=4).digest()) >> 1

    @property
    def signature(self) -> str:
        """Signature as `files.discover` gives it to a copy."""
        return f"{self.size}-{self.time * 10**9}"


def without_revision(url: str) -> str:
    """An hf:// URL without the revision of its repository; any other URL as it is."""
    return _REVISION.sub("", url, count=1) if url.startswith("hf://") else url


def list_remote(root: str) -> list[RemoteFile]:
    """All files below a URL, or the one it names; those of the Hub at the commit that is the newest now.

    Raises DumpUnreadable where there is nothing, SourceUnavailable where the service does not answer.
    """
    import fsspec

    def find() -> tuple[str, str, Mapping[str, Mapping[str, object]]]:
        filesystem, base = fsspec.core.url_to_fs(root)
        if root.startswith("hf://"):
            base = _at_commit(base)
        return root.split("://", 1)[0], base, filesystem.find(base, detail=True)

    protocol, base, found = _patiently(root, find)
    files = []
    for name, entry in sorted(found.items()):
        file = (
            PurePosixPath(name).relative_to(base) if name != base else PurePosixPath(PurePosixPath(name).name)
        )
        if ".." in file.parts:
            raise DumpUnreadable(f"{protocol}://{name}: found a path that leaves its folder; rename the file")
        mark = next((str(entry[key]) for key in _MARKS if entry.get(key)), "")
        sha256, blob = getattr(entry.get("lfs"), "sha256", None), None
        if sha256 is None and "lfs" in entry:
            blob = str(entry["blob_id"])
        url, size = f"{protocol}://{name}", int(str(entry["size"] or 0))
        files.append(RemoteFile(file.as_posix(), url, size, sha256 or mark, sha256, blob))
    if not files:
        raise DumpUnreadable(f"{root}: found nothing, expected a file, a folder or a glob; check the config")
    return files


def is_copy(path: Path, remote: RemoteFile) -> bool:
    """Whether a file is a copy of a remote one as it is now, by its size and time."""
    if not path.is_file():
        return False
    stat = path.stat()
    return (stat.st_size, stat.st_mtime_ns) == (remote.size, remote.time * 10**9)


def fetch(remote: RemoteFile, path: Path) -> bool:
    """Make `path` a copy of a remote file; whether that took a transfer. It appears whole or not at all.

    Raises DumpUnreadable, SourceUnavailable, and OSError where the disk is full.
    """
    if is_copy(path, remote):
        return False
    with atomic(path) as draft:
        _patiently(remote.url, lambda: _transfer(remote, draft))
        os.utime(draft, (remote.time, remote.time))
    return True


def _transfer(remote: RemoteFile, path: Path) -> None:
    import fsspec

    filesystem, name = fsspec.core.url_to_fs(remote.url)
    if remote.url.startswith(_LOCAL):
        open_regular(name).close()
    filesystem.get_file(name, str(path))
    found, expected = path.stat().st_size, remote.size
    if found != expected:
        raise ConnectionError(f"found {found} bytes, expected {expected}")
    if remote.sha256 is not None:
        arrived = sha256(path)
        if arrived != remote.sha256:
            raise ConnectionError(f"found SHA-256 {arrived}, expected {remote.sha256}")
    elif remote.blob is not None:
        arrived = git_blob(path.read_bytes())
        if arrived != remote.blob:
            raise ConnectionError(f"found Git blob {arrived}, expected {remote.blob}")


def _at_commit(base: str) -> str:
    """A path of the Hub's file system at the commit its revision is now."""
    from huggingface_hub import HfApi, HfFileSystem
    from huggingface_hub.hf_file_system import HfFileSystemResolvedRepositoryPath

    filesystem = HfFileSystem()
    filesystem.invalidate_cache()
    resolved = filesystem.resolve_path(base)
    if not isinstance(resolved, HfFileSystemResolvedRepositoryPath):
        return base
    info = HfApi().repo_info(resolved.repo_id, revision=resolved.revision, repo_type=resolved.repo_type)
    root = f"{_PREFIXES[resolved.repo_type]}{resolved.repo_id}@{info.sha}"
    return f"{root}/{resolved.path_in_repo}".rstrip("/")


def _patiently(url: str, ask: Callable[[], T]) -> T:
    """What a service answers, which may take several attempts."""
    for wait in (*WAITS, None):
        try:
            return ask()
        # every file system raises errors of its own kind; those that waiting cannot mend come first
        except (*_NO_FILE, PermissionError, NotADirectoryError, ImportError, ValueError) as error:
            raise DumpUnreadable(f"{url}: cannot be read: {error}; check the path, and the token") from error
        except Exception as error:
            if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise
            status = getattr(getattr(error, "response", None), "status_code", 500)
            if 400 <= status < 500 and status not in (408, 429):
                raise DumpUnreadable(
                    f"{url}: the service answered {status}; check the path and the token"
                ) from None
            if wait is None:
                raise SourceUnavailable(f"{url}: unavailable: {error}; try again later") from error
        time.sleep(wait)
    raise AssertionError("the last attempt returns or raises")
