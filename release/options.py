"""What is asked of a release."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from routerset.release.manifest import Row
from routerset.schemas.families import Families
from routerset.schemas.registry import Declared

AUTO = "auto"
"""The version that follows from what changed."""


@dataclass(frozen=True)
class ReleaseOptions:
    """What a release is to be, and what its build knows beyond the tables.

    version: `auto` or X.Y.Z. previous: folder of the release before. schemes: split schemes, the first one
    gives the files; seed: of the splits. accounting: rows of source, benchmark, read, kept, superseded,
    quarantined, reasons. settings: what the config says to the gate. methods, sizes: of the groups that were
    asked for; twins, tiers, frozen: see `Manifest`; families: what joined items to families, by benchmark;
    skipped_groups: those that no pool could fill, rows of benchmark, method, m, kind, reason; coverage: rows
    of benchmark and what `BenchmarkEntry` has of it. encoders: what to say of an encoder, its row in the
    registry by default; text: what they saw, `question` or `prompt`; revisions: of weights that are not those
    of the registry, by encoder. declared: what a config said of benchmarks. sources: what each one gave, and
    where it is from. tokenizer: what counted texts, if any was. prices: files of price tables, and models
    without any. curated, about: see `Manifest`. None of these may hold a path or a date of the build.
    """

    name: str = "routereval"
    version: str = AUTO
    previous: Path | None = None
    schemes: tuple[str, ...] = ("paper", "family")
    seed: int = 42
    accounting: Sequence[Row] = ()
    settings: Row = field(default_factory=dict)
    methods: tuple[str, ...] = ()
    sizes: tuple[int, ...] = ()
    twins: str = "all"
    tiers: Mapping[str, Any] = field(default_factory=dict)
    frozen: Row = field(default_factory=dict)
    families: Mapping[str, Families] = field(default_factory=dict)
    skipped_groups: Sequence[Row] = ()
    coverage: Sequence[Row] = ()
    encoders: Mapping[str, Row] = field(default_factory=dict)
    text: str = "question"
    revisions: Mapping[str, str] = field(default_factory=dict)
    declared: Mapping[str, Declared] = field(default_factory=dict)
    sources: Sequence[Row] = ()
    tokenizer: Row = field(default_factory=dict)
    prices: Row = field(default_factory=dict)
    curated: Row = field(default_factory=dict)
    about: Row = field(default_factory=dict)
