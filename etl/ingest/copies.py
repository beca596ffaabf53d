"""Remote inputs of a build, copied once into its folder, so that all that reads them reads local files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path

from routerset.etl.config import Config
from routerset.etl.records import digest_of, identity, read_sealed, write_sealed
from routerset.etl.sources.base import DumpUnreadable
from routerset.etl.sources.files import glob_matches, is_remote, split_glob, without_compression
from routerset.etl.sources.remote import RemoteFile, fetch, is_copy, list_remote, without_revision
from routerset.release.publish.client import quiet

TRANSFERS = 8
"""Files at the same time."""
_SUFFIXES = (".csv", ".json", ".jsonl", ".parquet", ".pkl", ".toml", ".tsv", ".zip")
_SUBSET = "{subset}"


def with_local_copies(
    config: Config, cache: Path, report: Callable[[str], None], *, check: bool = False
) -> Config:
    """The config with local copies in place of remote dumps, items files and descriptions of models.

    cache: folder of the copies. A file that did not change is not fetched again; one that went is removed.
    report: told what is fetched. check: as `mirror` takes it. Raises DumpUnreadable, SourceUnavailable.
    """
    return _with_paths(config, lambda url: mirror(url, cache, report, check=check))


def with_fresh_copies(config: Config, cache: Path) -> Config | None:
    """As `with_local_copies`, but nothing is fetched: None where a copy is missing, old, or one too many."""
    plans = {url: _plan(url, cache) for url in _remote_paths(config)}
    if not all(plan.is_carried_out() for plan in plans.values()):
        return None
    return _with_paths(config, lambda url: plans[url].path)


def _remote_paths(config: Config) -> list[str]:
    """Every URL that the config names, once."""
    paths = [path for s in config.sources for path in s.paths()] + [m.path for m in config.models]
    paths += config.costs.tables
    return [path for path in dict.fromkeys(paths) if is_remote(path)]


def _with_paths(config: Config, local: Callable[[str], str]) -> Config:
    """The config with a path in place of every URL."""
    paths = {url: local(url) for url in _remote_paths(config)}
    sources = tuple(s.with_paths(lambda path: paths.get(path, path)) for s in config.sources)
    models = tuple(replace(m, path=paths.get(m.path, m.path)) for m in config.models)
    costs = replace(config.costs, prices=tuple(paths.get(path, path) for path in config.costs.tables))
    return replace(config, sources=sources, models=models, costs=costs)


@dataclass(frozen=True)
class _Plan:
    """What the copy of a URL is made of. path: of the copy; wanted: its files below `folder`."""

    path: str
    folder: Path
    wanted: Mapping[Path, RemoteFile]

    def extra(self) -> list[Path]:
        """Files of an earlier copy that are gone now."""
        found = sorted(self.folder.rglob("*"), reverse=True)
        return [path for path in found if path.is_file() and path not in self.wanted]

    def name(self, path: Path) -> str:
        """Name of a copy in the record of them all."""
        return path.relative_to(self.folder).as_posix()

    def is_as_it_came(self, path: Path, known: Mapping[str, Sequence[str]], check: bool) -> bool:
        """Whether a copy has the identity, or else the digest, that it had when it came."""
        was, digest = known.get(self.name(path), ("", ""))
        return (not check and identity(path) == was != "") or digest_of(path) == digest

    def is_carried_out(self) -> bool:
        """Whether the copy is there, whole and with nothing else."""
        return not self.extra() and all(is_copy(path, remote) for path, remote in self.wanted.items())


def mirror(url: str, cache: Path, report: Callable[[str], None], *, check: bool = False) -> str:
    """Path of a local copy of what a URL names: a file, a folder or a glob, which may hold `{subset}`.

    The names of all folders are kept, since they may tell the model or the subset. A copy that is not what
    arrived is fetched again; with `check`, those that seem to be are looked into as well.
    """
    plan = _plan(url, cache)
    record = plan.folder.with_suffix(".json")
    known = read_sealed(record) or {}
    for path in [*plan.extra(), *(p for p in plan.wanted if not plan.is_as_it_came(p, known, check))]:
        path.unlink(missing_ok=True)
    with quiet(bars=False), ThreadPoolExecutor(TRANSFERS) as pool:
        fetched = list(pool.map(lambda path: fetch(plan.wanted[path], path), plan.wanted))
    found = {}
    for path in plan.wanted:
        now, was = identity(path), known.get(plan.name(path), [""])
        found[plan.name(path)] = was if was[0] == now else [now, digest_of(path)]
    if found != known:
        write_sealed(record, found)
    if any(fetched):
        size = sum(remote.size for remote, new in zip(plan.wanted.values(), fetched, strict=True) if new)
        report(f"{without_revision(url)}: fetched {sum(fetched)} of {len(fetched)} files, {size:,} bytes")
    return plan.path


def _plan(url: str, cache: Path) -> _Plan:
    """The files that a URL names now, and where their copies stand."""
    root, pattern = split_glob(url.replace(_SUBSET, "*"))
    folder = cache / blake2b(without_revision(url).encode(), digest_size=8).hexdigest()
    base = folder / without_revision(root).split("://", 1)[1].strip("/")
    wanted = {}
    for remote in list_remote(root):
        if without_compression(remote.file).lower().endswith(_SUFFIXES) and (
            pattern is None or glob_matches(remote.file, pattern)
        ):
            alone = without_revision(remote.url).endswith(f"://{base.relative_to(folder).as_posix()}")
            wanted[base if alone else base / remote.file] = remote
    if not wanted:
        raise DumpUnreadable(f"{url}: found no data file, expected {', '.join(_SUFFIXES)}; check the config")
    return _Plan(str(base) if pattern is None else f"{base}/{_tail(url, pattern)}", folder, wanted)


def _tail(url: str, pattern: str) -> str:
    """The part of a URL behind the folder that its glob starts from, with `{subset}` where it was."""
    return "/".join(url.split("/")[-len(pattern.split("/")) :])
