"""Batches of dump files that one worker reads together, and what below a source's path nothing reads."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import chain

from routerset.etl.records import identity
from routerset.etl.sources.base import Dump, DumpUnreadable, Found, SourceSpec
from routerset.etl.sources.quarantine import printable
from routerset.etl.sources.registry import SOURCES

BATCH_BYTES = 32 << 20
BATCH_FILES = 512
SHOWN = 5


@dataclass(frozen=True)
class Batch:
    """Dumps that one worker reads together.

    order: position of the source in the config, which decides between runs that are equally new.
    fingerprint: of the reading code, the source's settings and the files, wherever in the config they stand.
    beside: paths of the other files that are read with each dump.
    """

    order: int
    spec: SourceSpec
    dumps: tuple[Dump, ...]
    fingerprint: str
    beside: tuple[tuple[str, ...], ...]

    @property
    def paths(self) -> tuple[str, ...]:
        """All files that are read, each once."""
        return tuple(dict.fromkeys([dump.path for dump in self.dumps] + list(chain(*self.beside))))

    @property
    def seen(self) -> list[str]:
        """The identities of all files that are read."""
        return [identity(path) for path in self.paths]


@dataclass(frozen=True)
class PassedOver:
    """Files below a source's path that nothing reads: their number, and the name of one."""

    source: str
    n: int
    such_as: str


def plan_batches(
    specs: Sequence[SourceSpec], code: str, read_elsewhere: Iterable[str] = ()
) -> tuple[list[Batch], list[PassedOver]]:
    """Batches of all dumps of all sources, and what lies beside them: files of one group together, up to
    32 MiB or 512 files each.

    code: fingerprint of the reading code. read_elsewhere: paths that are not passed over, though no source
    reads them. Raises DumpUnreadable where a source holds no dump at all.
    """
    batches, others = [], []
    known = {*map(os.path.normpath, read_elsewhere)}
    for order, spec in enumerate(specs):
        source = SOURCES[spec.format]
        found = source.discover(spec)
        if not found.dumps:
            raise DumpUnreadable(_nothing_found(spec, found, order))
        others.append(found.others)
        if len(specs) > 1:
            known |= {os.path.normpath(dump.path) for dump in found.dumps}
        known |= {os.path.normpath(dump.results.path) for dump in found.dumps if dump.results is not None}
        settings = json.dumps(spec.settings(), sort_keys=True, default=dict)
        for chunk in _chunks(found):
            beside = [source.companions(dump, spec) for dump in chunk]
            files = [
                [(each.file, each.signature) for each in (dump, *others)]
                for dump, others in zip(chunk, beside, strict=True)
            ]
            mark = blake2b(json.dumps([code, settings, files]).encode(), digest_size=16).hexdigest()
            paths = tuple(tuple(each.path for each in of_dump) for of_dump in beside)
            batches.append(Batch(order, spec, tuple(chunk), mark, paths))
    passed_over = []
    for spec, listed in zip(specs, others, strict=True):
        left = [each.file for each in listed if os.path.normpath(each.path) not in known]
        if left:
            such_as = min(left, key=lambda file: ("/." in f"/{file}", file))
            passed_over.append(PassedOver(spec.format, len(left), printable(such_as) or ""))
    return batches, passed_over


def _nothing_found(spec: SourceSpec, found: Found, order: int) -> str:
    """That a source holds no dump, what it looked for, and what is there."""
    there = [each.file for each in found.others]
    names = ", ".join(there[:SHOWN]) + (f" and {len(there) - SHOWN} more" if len(there) > SHOWN else "")
    return (
        f"{spec.path}: found no {spec.format} dump, expected {SOURCES[spec.format].looks_for}; "
        f"found {printable(names) or 'no file'}; check [[source]] {order + 1}"
    )


def _chunks(dumps: Iterable[Dump]) -> Iterator[list[Dump]]:
    chunk: list[Dump] = []
    size = 0
    for dump in sorted(dumps, key=lambda d: (d.group, d.file)):
        full = chunk and (
            dump.group != chunk[0].group or len(chunk) >= BATCH_FILES or size + dump.size > BATCH_BYTES
        )
        if full:
            yield chunk
            chunk, size = [], 0
        chunk.append(dump)
        size += dump.size
    if chunk:
        yield chunk
