"""Files of a dump: list them without opening any, open one, inflate it; local paths and fsspec URLs alike."""

from __future__ import annotations

import fnmatch
import gzip
import io
import os
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from stat import S_ISDIR, S_ISREG
from typing import BinaryIO, cast

import pyarrow as pa

from routerset.etl.sources.base import Dump, DumpUnreadable, Found, Listed, SourceSpec
from routerset.etl.sources.remote import list_remote
from routerset.schemas.outfolder import MARKER, is_output
from routerset.schemas.plainfiles import LFS_HINT, LFS_POINTER, is_lfs_pointer, open_regular

COMPRESSED = (".gz", ".zst")
"""Endings that any name of JSON lines or JSON may have in addition."""
MAX_INFLATED = 1 << 28  # bytes that any file may inflate to
MAX_RATIO = 200  # inflated to compressed, for larger ones; logs have 5 to 30
MAX_DEPTH = 100  # of folders in folders
_MAGIC = frozenset("*?[")
_PASSED_OVER = frozenset({".git", ".cache", ".ipynb_checkpoints"})  # folders of programs: copies and notes
_OURS = frozenset({"manifest.json", "staging"})  # what a folder that a build was written to holds
_LOCK = ".lock"  # of a build, whose folder may be new, and lie below the dumps
_CODECS = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}


def is_remote(path: str) -> bool:
    """Whether `path` is an fsspec URL such as `hf://`, `s3://` or `gs://`."""
    return "://" in path


def without_compression(name: str) -> str:
    """A file's name without an ending of `COMPRESSED`."""
    return name[: name.rindex(".")] if name.lower().endswith(COMPRESSED) else name


def discover(
    spec: SourceSpec, claims: Callable[[str], object], group: Callable[[PurePosixPath], str] | None = None
) -> Found:
    """What lies below `spec.path` (a file, a folder or a glob with `*` and `**`).

    claims: whether a file is a dump, by its name. group: names the group of the files of a folder from its
    relative path; without it, each file is a group of its own. Files whose name starts with a dot are no
    dumps, and what lies in folders of programs (`.git`) neither; a folder of our own results counts as one; a
    name that is no UTF-8 is recorded with its bytes escaped. Raises DumpUnreadable where the path does not
    exist, and OSError where a folder cannot be listed.
    """
    groups: dict[str, str] = {}
    dumps, others = [], []
    inside, outside = _listing(spec.path)
    for listed in sorted(inside):
        folder, _, last = listed.file.rpartition("/")
        if last.startswith(".") or not listed.signature or not claims(last):
            others.append(listed)
            continue
        # a name that is no UTF-8 holds surrogates, which no table can
        name = listed.file.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        if group and folder not in groups:
            groups[folder] = group(PurePosixPath(folder))
        of = groups.get(folder, listed.file)
        dumps.append(Dump(spec.format, listed.path, name, of, listed.size, listed.signature))
    return Found(tuple(dumps), tuple(others), tuple(sorted(outside)))


def _listing(path: str) -> tuple[list[Listed], list[Listed]]:
    """Files that a path names, and other ones around them. Those that are passed over have no signature."""
    root, pattern = split_glob(path)
    if is_remote(path):
        found = [Listed(each.file, each.url, each.size, each.signature) for each in list_remote(root)]
        return _matching(found, pattern)
    base = Path(root)
    if base.exists() and not base.is_dir():
        inside = [_listed(base.parent, base.name, base.stat())]
        return inside, [each for each in _json_in(base.parent, "") if each.path != inside[0].path]
    if not base.exists():
        raise DumpUnreadable(
            f"{path}: found nothing, expected a file, a folder or a glob; check [[source]] path"
        )
    inside, outside = _matching([_listed(base, *each) for each in _walk(base)], pattern)
    return inside, outside + list(_json_in(base.absolute().parent, "../"))


def _matching(found: list[Listed], pattern: str | None) -> tuple[list[Listed], list[Listed]]:
    if pattern is None:
        return found, []
    matches = [glob_matches(each.file, pattern) or _may_hold(each.file, pattern) for each in found]
    inside = [each for each, good in zip(found, matches, strict=True) if good]
    return inside, [each for each, good in zip(found, matches, strict=True) if not good]


def _may_hold(folder: str, pattern: str) -> bool:
    """Whether files of a folder of results, which is one entry and ends with `/`, may match a glob."""
    globs = pattern.split("/")
    return folder.endswith("/") and any(
        glob_matches(folder[:-1], "/".join(globs[:n])) for n in range(1, len(globs))
    )


def _listed(base: Path, file: str, stat: os.stat_result | None) -> Listed:
    if stat is None:
        return Listed(file, f"{base}/{file}", 0, "")
    return Listed(file, f"{base}/{file}", stat.st_size, f"{stat.st_size}-{stat.st_mtime_ns}")


def _json_in(folder: Path, inside: str) -> Iterator[Listed]:
    """JSON files of one folder, where it can be listed: a results file may lie above the dumps."""
    try:
        if is_output(folder):
            return
        with os.scandir(folder) as entries:
            for entry in entries:
                if without_compression(entry.name).lower().endswith(".json") and _leads_to(entry, S_ISREG):
                    yield _listed(folder, entry.name, entry.stat())._replace(file=f"{inside}{entry.name}")
    except PermissionError:
        return


def _walk(
    folder: Path, inside: str = "", above: frozenset[tuple[int, int]] = frozenset()
) -> Iterator[tuple[str, os.stat_result | None]]:
    """Files below a folder, each with its path from `inside`. Links are followed, but not in circles.

    What is no folder is a file: a link to nothing or to itself and a pipe cannot be read, and their dump says
    so, which `Path.rglob` would leave out, and with it what it may not list. So is a folder below a hundred
    others. Files in a folder of a program have no stat; a folder of our own results is one entry, whose path
    ends with `/`.
    """
    stat = folder.stat()
    here = (stat.st_dev, stat.st_ino)
    if here in above:
        return
    with os.scandir(folder) as listed:
        entries = list(listed)
    names = {entry.name for entry in entries}
    if names >= _OURS or (MARKER in names and is_output(folder)):
        if inside:
            yield inside, None
        return
    skipped = folder.name in _PASSED_OVER and bool(above)
    for entry in entries:
        relative = f"{inside}{entry.name}"
        if len(above) < MAX_DEPTH and _leads_to(entry, S_ISDIR):
            for file, of in _walk(Path(entry.path), f"{relative}/", above | {here}):
                yield file, None if skipped else of
        elif entry.name != _LOCK:
            yield relative, None if skipped else entry.stat(follow_symlinks=_leads_to(entry, S_ISREG))


def _leads_to(entry: os.DirEntry[str], kind: Callable[[int], bool]) -> bool:
    """Whether an entry, or what it links to, is of a kind; a link that leads nowhere is of none."""
    try:
        return kind(entry.stat().st_mode)
    except OSError:
        return False


def split_glob(path: str) -> tuple[str, str | None]:
    """A path's fixed part, and the glob below it. What is called as it stands there is no glob."""
    scheme, mark, rest = path.rpartition("://")
    parts = rest.split("/")
    globs = (i for i, part in enumerate(parts) if _MAGIC & set(part))
    magic = next((i for i in globs if mark or not os.path.lexists("/".join(parts[: i + 1]))), None)
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
        good = i < len(names) and (names[i] == globs[j] or fnmatch.fnmatchcase(names[i], globs[j]))
        return good and match(i + 1, j + 1)

    return match(0, 0)


def open_binary(path: str) -> BinaryIO:
    """Open a local path or an fsspec URL for reading bytes.

    Raises NotARegularFile where there is a pipe, a device or a folder, and DumpUnreadable where Git LFS left
    a pointer in place of the file.
    """
    if is_remote(path):
        import fsspec

        stream = cast(BinaryIO, fsspec.open(path, "rb").open())
    else:
        stream = open_regular(path)
    try:
        refuse_pointer(stream.read(len(LFS_POINTER)))
        stream.seek(0)
    except BaseException:
        stream.close()
        raise
    return stream


def refuse_pointer(start: bytes) -> None:
    """Raise DumpUnreadable where a file starts as what Git LFS leaves in place of one."""
    if is_lfs_pointer(start):
        raise DumpUnreadable(LFS_HINT)


def open_inflated(path: str) -> io.BufferedReader:
    """Open a file that may be compressed for reading bytes, as `inflated` does."""
    return inflated(open_binary(path))


def inflated(stream: BinaryIO) -> io.BufferedReader:
    """Bytes of a stream at its start, which may be compressed (gzip or Zstandard, told by its first bytes).

    Reading raises OSError where it is damaged, or inflates to far more than any dump does.
    """
    start = stream.read(4)
    stream.seek(0)
    codec = next((name for magic, name in _CODECS.items() if start.startswith(magic)), None)
    if codec is not None:
        return io.BufferedReader(_Inflated(stream, codec), 1 << 18)
    return stream if isinstance(stream, io.BufferedReader) else io.BufferedReader(cast(io.RawIOBase, stream))


class _Inflated(io.RawIOBase):
    """Bytes of a compressed stream, up to a limit."""

    def __init__(self, stream: BinaryIO, codec: str) -> None:
        size = stream.seek(0, os.SEEK_END)
        stream.seek(0)
        self._stream = stream
        if codec == "gzip":  # returns all that is there of a stream that was cut off, before it says so
            self._read = gzip.GzipFile(fileobj=stream).read1
        else:
            self._read = pa.CompressedInputStream(pa.PythonFile(stream, "r"), codec).read
        self._left = max(MAX_INFLATED, MAX_RATIO * size)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer)  # type: ignore[arg-type]
        try:
            data = self._read(len(view))
        except (pa.ArrowException, EOFError, zlib.error) as error:
            raise OSError(str(error)) from error
        self._left -= len(data)
        if self._left < 0:
            raise OSError(f"found more than {MAX_RATIO} times the bytes of the file when inflated")
        view[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._stream.close()
        super().close()
