"""The stages of a build. A new one is a file in this folder and a row here, among those it reads from."""

from __future__ import annotations

from routerset.etl.stages import curate, embed, groups, ingest, limits, release, splits, validate
from routerset.etl.stages.base import Stage

STAGES: tuple[Stage, ...] = (
    ingest.STAGE,
    embed.STAGE,
    curate.STAGE,
    splits.STAGE,
    groups.STAGE,
    limits.STAGE,
    validate.STAGE,
    release.STAGE,
)
"""Every stage, in the order in which they run."""
