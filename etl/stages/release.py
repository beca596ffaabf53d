"""Stage `release`: hands the tables of a build, and what its stages say, to the release builder."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from routerset.etl.config import Config
from routerset.etl.manifest import Manifest, Stage, code_fingerprint, fingerprint
from routerset.release.build import ReleaseOptions, write_release
from routerset.release.publish.fetch import previous_release
from routerset.release.reporting.report import reports_hook
from routerset.schemas import store
from routerset.schemas.store import Output

FOLDER = "release"


def fingerprint_of(config: Config, build: Path, outputs: Iterable[Output]) -> str:
    """Fingerprint of the stage. outputs: files of the stages before it.

    Raises what looking for the release before does.
    """
    previous = _previous(config, build)
    before = (previous / "SHA256SUMS").read_text(encoding="utf-8") if previous else None
    code = code_fingerprint("release", "schemas", "routerset.schemas.store", "routerset.etl.stages.release")
    settings = (config.dataset.name, config.release.version, before)
    return fingerprint("release", code, settings, [(o.path, o.sha256) for o in outputs])


def release(config: Config, build: Path, manifest: Manifest, progress: Callable[[str], None]) -> Stage:
    """Write `release/`, atomically. manifest: of the stages before. Raises ReleaseError."""
    found = manifest.stages["groups"].info["groups"]
    options = ReleaseOptions(
        name=config.dataset.name,
        version=config.release.version,
        previous=_previous(config, build),
        schemes=config.splits.schemes,
        seed=config.splits.seed,
        accounting=manifest.stages["ingest"].info["accounting"],
        skipped_groups=[
            {"benchmark": benchmark, "method": method, **skipped}
            for method, of_method in found.items()
            for benchmark, of_benchmark in of_method.items()
            for skipped in of_benchmark["skipped"]
        ],
    )
    vectors = manifest.stages["embed"].info["embeddings"]
    options = replace(options, encoders={name: row for name, row in map(_ready_made, vectors.items()) if row})
    result = write_release(build, build / FOLDER, options, progress, reports_hook)
    outputs = [store.describe(build, build / FOLDER / name) for name in result.files]
    return Stage("", tuple(outputs), {"version": result.version, "changed": result.changed})


def _previous(config: Config, build: Path) -> Path | None:
    """Folder of the release before this one, fetched if it lies on the Hub."""
    if config.release.previous is None:
        return None
    return previous_release(config.release.previous, build / "staging" / "previous")


def _ready_made(entry: tuple[str, Mapping[str, store.JsonObject]]) -> tuple[str, store.JsonObject]:
    """What to say of an encoder whose vectors came with a dump: nothing that we would know of our own."""
    name, benchmarks = entry
    given = sorted(b for b, facts in benchmarks.items() if facts["from"] == "dump")
    return name, {"from_dump": given} if given else {}
