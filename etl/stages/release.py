"""Stage `release`: hands the tables of a build, and what its stages say, to the release builder."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Mapping
from dataclasses import asdict, replace

from routerset.embed.encoders import ENCODERS
from routerset.embed.weights import weights_revision
from routerset.etl.manifest import Finished
from routerset.etl.stages.base import Context, Stage
from routerset.release.build import ReleaseOptions, write_release
from routerset.release.companion import write_companion
from routerset.schemas import store
from routerset.schemas.outfolder import GATED, RELEASE
from routerset.schemas.tables import TABLES


def write(context: Context) -> Finished:
    """Write `release/`, atomically. Raises ReleaseError."""
    from routerset.release.reporting.report import reports_hook

    build, progress = context.out, functools.partial(context.report, STAGE.name)
    result = write_release(build, build / RELEASE, _options(context), progress, reports_hook)
    written = [build / RELEASE / name for name in result.files]
    gated = write_companion(build, build / RELEASE, build / GATED) if context.config.release.companion else ()
    if context.config.release.companion and not gated:
        progress("no text is withheld, so that there is no companion")
    if not gated:
        shutil.rmtree(build / GATED, ignore_errors=True)  # of an earlier run, as `check_folder` made sure
    outputs = tuple(store.describe(build, path) for path in (*written, *(build / GATED / n for n in gated)))
    return Finished(outputs, {"version": result.version, "changed": result.changed})


def _options(context: Context) -> ReleaseOptions:
    """What the config and the stages before say."""
    config, stages = context.config, context.finished
    vectors, groups = stages["embed"].info["embeddings"], stages["groups"].info["groups"]

    def rows(key: str) -> list[store.JsonObject]:
        return [
            {"benchmark": benchmark, "method": method, **row}
            # a manifest that was read again has its methods in another order
            for method in config.groups.methods
            for benchmark in context.benchmarks
            for row in groups[method][benchmark].get(key, [])
        ]

    return ReleaseOptions(
        name=config.dataset.name,
        version=config.release.version,
        previous=context.previous(),
        schemes=config.splits.schemes,
        seed=config.splits.seed,
        accounting=stages["ingest"].info["accounting"],
        settings=stages["ingest"].info["settings"],
        families=stages["ingest"].info["families"],
        sources=stages["ingest"].info["sources"],
        tokenizer=stages["ingest"].info.get("tokenizer", {}),
        declared=stages["ingest"].info["declared"],
        prices=stages["ingest"].info.get("prices", {}),
        curated=stages["curate"].info,
        methods=config.groups.methods,
        sizes=config.groups.sizes,
        twins=config.groups.twins,
        tiers=stages["groups"].info.get("tiers", {}),
        frozen=stages["groups"].info.get("frozen", {}),
        about=config.release.about(),
        skipped_groups=rows("skipped"),
        coverage=rows("coverage"),
        encoders={name: row for name, row in map(_ready_made, vectors.items()) if row},
        text=config.embed.text,
        revisions={e: weights_revision(ENCODERS[e], config.embed.paths) for e in config.embed.paths},
    )


def _ready_made(entry: tuple[str, Mapping[str, store.JsonObject]]) -> tuple[str, store.JsonObject]:
    """What to say of an encoder whose vectors came with a dump: nothing that we would know of our own."""
    name, benchmarks = entry
    given = sorted(b for b, facts in benchmarks.items() if facts["from"] == "dump")
    return name, {"from_dump": given} if given else {}


def _settings(context: Context) -> object:
    options = _options(context)
    before = (options.previous / "SHA256SUMS").read_text(encoding="utf-8") if options.previous else None
    companion = ["companion"] if context.config.release.companion else []
    return asdict(replace(options, previous=None)), before, *companion


STAGE = Stage("release", tuple(TABLES), _settings, write)
