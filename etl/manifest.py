"""What a build has done: per stage a fingerprint of its inputs and config, and the files it wrote."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from routerset.etl.records import digest_of, read_sealed, write_sealed
from routerset.schemas import store
from routerset.schemas.store import Output
from routerset.schemas.tables import SCHEMA_VERSION

MANIFEST = "manifest.json"
LIBRARIES = (
    "apache-beam",
    "datasets",
    "great-expectations",
    "numpy",
    "pyarrow",
    "sentence-transformers",
    "torch",
)


@dataclass(frozen=True)
class Finished:
    """Finished work, a stage or a part of one: what it wrote, and plain JSON values that it says of itself.

    fingerprint: of all that it was made from.
    """

    outputs: tuple[Output, ...]
    info: store.JsonObject = field(default_factory=dict)
    fingerprint: str = ""

    @classmethod
    def of(cls, outputs: Iterable[Output], info: store.JsonObject) -> Finished:
        """Work whose fingerprint is not taken yet; outputs by path."""
        return cls(tuple(sorted(outputs, key=lambda output: output.path)), info)

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Finished:
        """What `asdict` made."""
        return cls(tuple(Output(**output) for output in raw["outputs"]), raw["info"], raw["fingerprint"])


@dataclass(frozen=True)
class Manifest:
    """A build's `manifest.json`: its stages by name, in the order they ran."""

    dataset: str
    stages: Mapping[str, Finished] = field(default_factory=dict)


def load(build: Path) -> Manifest | None:
    """Manifest of a build folder, or None where there is none of this schema, or not what was written."""
    raw = read_sealed(build / MANIFEST)
    if raw is None or raw.get("schema_version") != SCHEMA_VERSION:
        return None
    return Manifest(raw["dataset"], {name: Finished.from_json(s) for name, s in raw["stages"].items()})


def save(build: Path, manifest: Manifest) -> None:
    """Write a build's manifest, and the versions of the libraries that are here."""
    versions = {}
    for name in LIBRARIES:
        with suppress(importlib.metadata.PackageNotFoundError):  # an extra that this build does without
            versions[name] = importlib.metadata.version(name)
    write_sealed(
        build / MANIFEST,
        {"schema_version": SCHEMA_VERSION, "libraries": versions, **asdict(manifest)},
    )


def is_whole(build: Path, outputs: Iterable[Output]) -> bool:
    """Whether every output is there with its checksum."""
    return all(digest_of(build / output.path) == output.sha256 for output in outputs)


def once(build: Path, mark: str, make: Callable[[], tuple[Mapping[Path, int], store.JsonObject]]) -> Finished:
    """Run `make` unless a run with the same mark left its files whole; returns what it did, or does now.

    mark: fingerprint of all that the files are made from.
    make: writes files, returns their rows by path, and plain values to keep with them.
    """
    finished = done(build, mark)
    if finished is None or not is_whole(build, finished.outputs):
        files, info = make()
        outputs = tuple(store.describe(build, path, rows) for path, rows in sorted(files.items()))
        finished = Finished(outputs, info, mark)
        write_sealed(_marker(build, mark), asdict(finished))
    return finished


def done(build: Path, mark: str) -> Finished | None:
    """What `once` recorded under a mark."""
    raw = read_sealed(_marker(build, mark))
    return None if raw is None or raw.get("fingerprint") != mark else Finished.from_json(raw)


def _marker(build: Path, mark: str) -> Path:
    return build / "staging" / "done" / f"{mark}.json"
