"""Remote inputs of a build, copied once into its folder, so that all that reads them reads local files."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path

from etl.config import Config
from etl.sources.base import DumpUnreadable
from etl.sources.files import glob_matches, is_remote, split_glob
from etl.sources.remote import fetch, list_remote, no_bars, without_revision

TRANSFERS = 8
"""Files at the same time."""
_SUFFIXES = (".csv", ".csv.gz", ".json", ".jsonl", ".parquet", ".pkl", ".zip")
_SUBSET = "{subset}"


def with_local_copies(config: Config, cache: Path, report: Callable[[str], None]) -> Config:
    """The config with local copies in place of remote dumps, items files and descriptions of models.

    cache: folder of the copies. A file that did not change is not fetched again; one that went is removed.
    report: told what is fetched. Raises DumpUnreadable, SourceUnavailable.
    """

    def local(path: str) -> str:
        return mirror(path, cache, report) if is_remote(path) else path

    sources = tuple(replace(s, path=local(s.path), items=s.items and local(s.items)) for s in config.sources)
    models = tuple(replace(m, path=local(m.path)) for m in config.models)
    return replace(config, sources=sources, models=models)


def mirror(url: str, cache: Path, report: Callable[[str], None]) -> str:
    """Path of a local copy of what a URL names: a file, a folder or a glob, which may hold `{subset}`.

    The names of all folders are kept, since they may tell the model or the subset.
    """
    root, pattern = split_glob(url.replace(_SUBSET, "*"))
    name = without_revision(url)
    folder = cache / blake2b(name.encode(), digest_size=8).hexdigest()
    base = folder / without_revision(root).split("://", 1)[1].strip("/")
    wanted = {}
    for remote in list_remote(root):
        if remote.file.lower().endswith(_SUFFIXES) and (
            pattern is None or glob_matches(remote.file, pattern)
        ):
            alone = without_revision(remote.url).endswith(f"://{base.relative_to(folder).as_posix()}")
            wanted[base if alone else base / remote.file] = remote
    if not wanted:
        raise DumpUnreadable(f"{url}: found no data file, expected {', '.join(_SUFFIXES)}; check the config")
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_file() and path not in wanted:
            path.unlink()
    with no_bars(), ThreadPoolExecutor(TRANSFERS) as pool:
        fetched = list(pool.map(lambda path: fetch(wanted[path], path), wanted))
    if any(fetched):
        size = sum(remote.size for remote, new in zip(wanted.values(), fetched, strict=True) if new)
        report(f"{name}: fetched {sum(fetched)} of {len(wanted)} files, {size:,} bytes")
    return str(base) if pattern is None else f"{base}/{_tail(url, pattern)}"


def _tail(url: str, pattern: str) -> str:
    """The part of a URL behind the folder that its glob starts from, with `{subset}` where it was."""
    return "/".join(url.split("/")[-len(pattern.split("/")) :])
