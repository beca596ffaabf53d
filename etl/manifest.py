"""What a build has done: per stage a fingerprint of its inputs and config, and the files it wrote."""

from __future__ import annotations

import functools
import importlib.metadata
import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from hashlib import blake2b
from pathlib import Path

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
class Stage:
    """A finished stage. info: what it says of itself, as plain JSON values."""

    fingerprint: str
    outputs: tuple[Output, ...]
    info: store.JsonObject = field(default_factory=dict)


@dataclass(frozen=True)
class Manifest:
    """A build's `manifest.json`: its stages by name, in the order they ran."""

    dataset: str
    stages: Mapping[str, Stage] = field(default_factory=dict)


def fingerprint(*parts: object) -> str:
    """Hash of plain values; mappings count without their order."""
    return blake2b(json.dumps(parts, sort_keys=True, default=_plain).encode(), digest_size=16).hexdigest()


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    return asdict(value)  # type: ignore[call-overload]


@functools.cache
def code_fingerprint(*names: str) -> str:
    """Hash of the source code of modules and packages, such as `etl.sources` or `schemas.ids`."""
    root = Path(__file__).resolve().parent.parent
    files: list[Path] = []
    for name in names:
        path = root.joinpath(*name.removeprefix("routerset.").split("."))
        files += sorted(path.rglob("*.py")) if path.is_dir() else [path.with_suffix(".py")]
    return fingerprint([(f.relative_to(root).as_posix(), f.read_text(encoding="utf-8")) for f in files])


def load(build: Path) -> Manifest | None:
    """Manifest of a build folder, or None where there is none of this schema."""
    try:
        raw = json.loads((build / MANIFEST).read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    if raw.get("schema_version") != SCHEMA_VERSION:
        return None
    stages = {
        name: Stage(s["fingerprint"], tuple(Output(**o) for o in s["outputs"]), s["info"])
        for name, s in raw["stages"].items()
    }
    return Manifest(raw["dataset"], stages)


def save(build: Path, manifest: Manifest) -> None:
    """Write a build's manifest."""
    versions = {}
    for name in LIBRARIES:
        with suppress(importlib.metadata.PackageNotFoundError):  # a build without encoders needs no torch
            versions[name] = importlib.metadata.version(name)
    store.write_json(
        build / MANIFEST,
        {"schema_version": SCHEMA_VERSION, "libraries": versions, **asdict(manifest)},
    )


def is_whole(build: Path, outputs: Iterable[Output], *, thorough: bool = False) -> bool:
    """Whether every output is there with its size, and with its checksum where `thorough`."""
    for output in outputs:
        path = build / output.path
        if not path.is_file() or path.stat().st_size != output.bytes:
            return False
        if thorough and store.describe(build, path).sha256 != output.sha256:
            return False
    return True


def once(build: Path, mark: str, make: Callable[[], tuple[Mapping[Path, int], store.JsonObject]]) -> None:
    """Run `make` unless a run with the same mark left its files whole.

    make: writes files, returns their rows by path, and plain values to keep with them. `done` reads both.
    """
    finished = done(build, mark)
    if finished is None or not is_whole(build, finished.outputs, thorough=True):
        files, info = make()
        outputs = [store.describe(build, path, rows) for path, rows in sorted(files.items())]
        store.write_json(_marker(build, mark), {"outputs": [asdict(o) for o in outputs], "info": info})


def done(build: Path, mark: str) -> Stage | None:
    """What `once` recorded under a mark."""
    path = _marker(build, mark)
    if not path.exists():
        return None
    raw = json.loads(path.read_text(encoding="utf-8"))
    return Stage(mark, tuple(Output(**o) for o in raw["outputs"]), raw["info"])


def _marker(build: Path, mark: str) -> Path:
    return build / "staging" / "done" / f"{mark}.json"
