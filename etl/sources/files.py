"""Files of a dump: list them without opening any, open one, hash it; local paths and fsspec URLs alike."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast

from routerset.etl.sources.base import Dump, DumpUnreadable, SourceSpec
from routerset.etl.sources.remote import list_remote

_MAGIC = frozenset("*?[")


def is_remote(path: str) -> bool:
    """Whether `path` is an fsspec URL such as `hf://`, `s3://` or `gs://`."""
    return "://" in path


def discover(
    spec: SourceSpec, suffixes: tuple[str, ...], group: Callable[[PurePosixPath], str] | None = None
) -> Iterator[Dump]:
    """Dumps below `spec.path` (a file, a folder or a glob with `*` and `**`) whose names end with `suffixes`.

    group: names the group of the files of a folder from its relative path; without it, each file is a group
    of its own. Sorted by relative path; hidden files are left out; a name that is no UTF-8 is recorded with
    its bytes escaped. Raises DumpUnreadable where the path does not exist, and OSError where a folder cannot
    be listed.
    """
    groups: dict[str, str] = {}
    for file, path, size, signature in sorted(_listing(spec.path)):
        if file.lower().endswith(suffixes) and "/." not in f"/{file}":
            # a name that is no UTF-8 holds surrogates, which no table can
            name = file.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
            folder = file.rpartition("/")[0]
            if group and folder not in groups:
                groups[folder] = group(PurePosixPath(folder))
            yield Dump(spec.format, path, name, groups.get(folder, file), size, signature)


def _listing(path: str) -> Iterator[tuple[str, str, int, str]]:
    root, pattern = split_glob(path)
    if is_remote(path):
        for remote in list_remote(root):
            if pattern is None or glob_matches(remote.file, pattern):
                yield remote.file, remote.url, remote.size, remote.signature
        return
    base = Path(root)
    if base.is_file():
        found = [(base.name, base.stat())]
        base = base.parent
    elif base.is_dir():
        found = list(_walk(base))
    else:
        raise DumpUnreadable(
            f"{path}: found nothing, expected a file, a folder or a glob; check [[source]] path"
        )
    for relative, stat in found:
        if pattern is None or glob_matches(relative, pattern):
            yield relative, f"{base}/{relative}", stat.st_size, f"{stat.st_size}-{stat.st_mtime_ns}"


def _walk(
    folder: Path, inside: str = "", above: frozenset[tuple[int, int]] = frozenset()
) -> Iterator[tuple[str, os.stat_result]]:
    """Files below a folder, each with its path from `inside`. Links are followed, but not in circles.

    A link to nothing is a file: it cannot be read, and its dump says so, which `Path.rglob` would leave out,
    and with it what it may not list.
    """
    stat = folder.stat()
    here = (stat.st_dev, stat.st_ino)
    if here in above:
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            relative = f"{inside}{entry.name}"
            if entry.is_dir():
                yield from _walk(Path(entry.path), f"{relative}/", above | {here})
            elif entry.is_file() or (entry.is_symlink() and not Path(entry.path).exists()):
                yield relative, entry.stat(follow_symlinks=entry.is_file())


def split_glob(path: str) -> tuple[str, str | None]:
    """A path's fixed part, and the glob below it."""
    scheme, mark, rest = path.rpartition("://")
    parts = rest.split("/")
    magic = next((i for i, part in enumerate(parts) if _MAGIC & set(part)), None)
    if magic is None:
        return path, None
    return scheme + mark + ("/".join(parts[:magic]) or ("/" if rest.startswith("/") else ".")), "/".join(
        parts[magic:]
    )


def glob_matches(relative: str, pattern: str) -> bool:
    """Glob match in which `*` stays inside one folder and `**` crosses folders."""
    names, globs = relative.split("/"), pattern.split("/")

    def match(i: int, j: int) -> bool:
        if j == len(globs):
            return i == len(names)
        if globs[j] == "**":
            return any(match(k, j + 1) for k in range(i, len(names) + 1))
        return i < len(names) and fnmatch.fnmatchcase(names[i], globs[j]) and match(i + 1, j + 1)

    return match(0, 0)


def open_binary(path: str) -> BinaryIO:
    """Open a local path or an fsspec URL for reading bytes."""
    if not is_remote(path):
        return Path(path).open("rb")
    import fsspec

    return cast(BinaryIO, fsspec.open(path, "rb").open())
